"""Which rows of a file are judged together: those of each owner that no accepted row can have come between.

An owner's first turn is one row. As long as none is accepted its turns grow, for its rows all see the same records; after
one that is, the next turn is one row again. So what a file costs hangs on how much it changes, not on whose its rows are.
"""

import polars as pl

from schemas.kinds.kind import Kind


class Turns:
    """The turns of a file's rows (columns owner, null where it is not known, and earlier_rows: of the same owner).

    rows_left: how many are not judged yet. number: of the turn, from 1.
    """

    def __init__(self, rows: pl.DataFrame, kind: Kind) -> None:
        self._left, self._most, self.number = rows, kind.most_rows_of_one_owner, 1
        self._judged: list[pl.DataFrame] = []
        self._owners = pl.DataFrame(schema={"owner": pl.String, "until": pl.Int64, "size": pl.Int64})

    @property
    def rows_left(self) -> int:
        return self._left.height

    def rows(self) -> pl.DataFrame:
        """This turn's, in file order."""
        if self.number == 1:
            return self._left.filter(pl.col("earlier_rows") == 0)
        return self._left.join(
            self._owners.filter(pl.col("owner").is_not_null()), on="owner", maintain_order="left"
        ).filter(pl.col("earlier_rows") < pl.col("until")).drop("until", "size")  # fmt: skip

    def still_open(self, portion: pl.DataFrame) -> pl.DataFrame:
        """Those of whose owner nothing was accepted in an earlier portion of this turn."""
        if self.number == 1 or not self._judged:
            return portion
        closed = pl.concat(self._judged).filter(pl.col("outcome") == "accepted").select("owner")
        return portion.join(closed, on="owner", how="anti", maintain_order="left")

    def judged(self, rows: pl.DataFrame) -> None:
        """row_number, owner, earlier_rows, outcome of what was answered."""
        self._judged.append(rows)

    def end(self) -> None:
        """See what is left, and who may have how much at the next turn."""
        judged = pl.concat(self._judged)
        self._judged = []
        self._left = self._left.filter(pl.col("earlier_rows") > 0) if self.number == 1 else self._left.join(
            judged.select("row_number"), on="row_number", how="anti", maintain_order="left"
        )  # fmt: skip
        self.number += 1
        if self._left.is_empty():
            return
        size = pl.when(pl.col("is_accepted")).then(1).otherwise(pl.col("size").fill_null(1) * 2)
        end = pl.col("last") + 1 + pl.col("size")
        answered = judged.group_by("owner").agg(
            (pl.col("outcome") == "accepted").any().alias("is_accepted"), pl.col("earlier_rows").max().alias("last")
        )
        told = answered.join(self._owners, on="owner", how="left").with_columns(size=size.cast(pl.Int64))
        # Rows beyond what a file may hold of one owner (rule FILE-014) change nothing: they come all at once.
        beyond = pl.lit(None) if self._most is None else end > self._most
        until = pl.when(beyond).then(pl.lit(1 << 40)).otherwise(end)
        self._owners = told.select("owner", until.cast(pl.Int64).alias("until"), "size")


def up_to_the_first_accepted(rows: pl.DataFrame) -> pl.DataFrame:
    """Of each owner's rows, those up to the first whose outcome is `accepted`; all of those whose owner is not known."""
    accepted = pl.when(pl.col("outcome") == "accepted").then("earlier_rows").min().over("owner")
    is_before = pl.col("earlier_rows") <= accepted
    return rows.filter(pl.col("owner").is_null() | is_before.fill_null(True))
