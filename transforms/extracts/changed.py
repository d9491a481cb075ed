"""What differs from the set delivered before: by content, whatever caused it (transforms/README.md, Extracts).

The law: the set before, less what is removed, with the rows of the change set put in by name, is the set now, to the byte.
"""

from dataclasses import dataclass

import polars as pl

from schemas.outbound.extracts import CHANGE, REMOVED, ExtractFile


@dataclass(frozen=True)
class Compared:
    """One file of a set. now: whole. changes: `change`, then the file's columns: rows that are new or changed.
    removed: the columns of removed.csv. is_same: nothing of it differs. left: name and created_at of rows that are gone, of
    which DfE's records do not say when they were made: should they come back."""

    now: pl.DataFrame
    changes: pl.DataFrame
    removed: pl.DataFrame
    is_same: bool
    left: pl.DataFrame

    def count(self, change: str) -> int:
        """How many rows are `new` or `changed`."""
        return int((self.changes[CHANGE] == change).sum())


def compare(
    file: ExtractFile, rows: pl.DataFrame, before: pl.DataFrame | None, left: pl.DataFrame | None, delivered_at: str
) -> Compared:
    """rows: as transforms.extracts.making gives them. before: the file of the set delivered before, ordered by name; None:
    there was none. left: as of then. delivered_at: the instant of this delivery (RFC 3339)."""
    key = list(file.key)
    if before is None:
        before = pl.DataFrame(schema=dict.fromkeys(file.columns, pl.String))
    elif same_content(file, rows, before):
        return Compared(before, _with_change(before.clear()), _removed(file, before.clear()), True, _left(file, left))
    now = _stamped(file, rows, before, left, delivered_at)
    changed = now.filter(pl.col(CHANGE) != "same").select(CHANGE, *file.columns)
    gone = before.join(now, on=key, how="anti", maintain_order="left")
    return Compared(
        now.select(file.columns), changed, _removed(file, gone), changed.is_empty() and gone.is_empty(),
        _still_left(file, _left(file, left), gone, now),
    )  # fmt: skip


def same_content(file: ExtractFile, rows: pl.DataFrame, before: pl.DataFrame) -> bool:
    """Whether two files, both ordered by name, say the same, instants of ours apart."""
    return rows.select(file.content).equals(before.select(file.content), null_equal=True)


def _stamped(
    file: ExtractFile, rows: pl.DataFrame, before: pl.DataFrame, left: pl.DataFrame | None, delivered_at: str
) -> pl.DataFrame:
    """The file's columns and `change` (new, changed, same). updated_at is the record's own of a new row, this delivery's of
    one that changed, and as before otherwise; created_at, where it is ours, that of the row's first delivery."""
    key, now = list(file.key), pl.lit(delivered_at)
    known = before.rename({name: f"{name}_before" for name in before.columns if name not in key})
    joined = rows.join(known.with_columns(is_known=pl.lit(True)), on=key, how="left", maintain_order="left")
    compared = [name for name in file.content if name not in key]
    differs = pl.any_horizontal([pl.col(name).ne_missing(pl.col(f"{name}_before")) for name in compared])
    change = pl.when(pl.col("is_known").is_null()).then(pl.lit("new")).when(differs).then(pl.lit("changed"))
    joined = joined.with_columns(change.otherwise(pl.lit("same")).alias(CHANGE))
    if file.holds_updates:
        own = pl.col("updated_at") if "updated_at" in rows.columns else pl.lit(None, pl.String)
        moved = pl.when(pl.col(CHANGE) == "new").then(own).when(pl.col(CHANGE) == "same").then("updated_at_before")
        joined = joined.with_columns(updated_at=pl.coalesce(moved, now))
    if file.is_first_seen:
        joined = joined.join(_left(file, left), on=key, how="left", maintain_order="left")
        joined = joined.with_columns(created_at=pl.coalesce("created_at_before", "left_created_at", now))
    return joined.select(*file.columns, CHANGE)


def _with_change(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.lit("").alias(CHANGE), pl.all())


def _removed(file: ExtractFile, gone: pl.DataFrame) -> pl.DataFrame:
    """Rows of removed.csv: the file and what names the row."""
    cells = [
        (pl.col(name) if name in file.key else pl.lit(None, pl.String)).alias(name) for name in REMOVED.columns[1:]
    ]
    return gone.select(pl.lit(file.name).alias("file"), *cells)


def _left(file: ExtractFile, left: pl.DataFrame | None) -> pl.DataFrame:
    columns = [*file.key, "left_created_at"]
    return pl.DataFrame(schema=dict.fromkeys(columns, pl.String)) if left is None else left.select(columns)


def _still_left(file: ExtractFile, left: pl.DataFrame, gone: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """Those that are not there now: gone before, or gone with this delivery."""
    if not file.is_first_seen:
        return left
    key = list(file.key)
    newly = gone.select(*key, left_created_at="created_at")
    return pl.concat([left.join(now, on=key, how="anti"), newly])
