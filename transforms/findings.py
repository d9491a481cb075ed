"""What is wrong with a file's rows, kept packed: a million bad rows have more words than a machine has memory for."""

import io
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import polars as pl

from schemas.rules import FINDINGS

ROWS_OF_A_PACK = 25_000
FEW = 5_000  # findings that are not worth packing


class Findings:
    """Findings (see schemas.rules) by the rows that they are about. Every row's are added at once.

    by_code, by_field: how many rows break each rule: code → rows, (code, field) → rows.
    """

    def __init__(self) -> None:
        self._packs: dict[int, list[pl.DataFrame | bytes]] = defaultdict(list)
        self.by_code: Counter[str] = Counter()
        self.by_field: Counter[tuple[str, str]] = Counter()

    def add(self, found: pl.DataFrame) -> None:
        """found: FINDINGS of rows of which none was added before."""
        if found.is_empty():
            return
        self.by_code.update(dict(_rows(found, "code")))
        self.by_field.update({(code, field): rows for code, field, rows in _rows(found, "code", "field")})
        place = (pl.col("row_number") - 1) // ROWS_OF_A_PACK
        for (number,), some in found.with_columns(place=place).partition_by("place", as_dict=True).items():
            self._packs[number].append(_packed(some.drop("place")))

    def without(self, rows: pl.Series) -> "Findings":
        """Those of other rows than these. rows: row numbers."""
        left = Findings()
        for pack in (pack for packs in self._packs.values() for pack in packs):
            left.add(_unpacked(pack).filter(~pl.col("row_number").is_in(rows.implode())))
        return left

    def add_all(self, others: "Findings") -> None:
        """Add those of other rows."""
        for pack in (pack for packs in others._packs.values() for pack in packs):
            self.add(_unpacked(pack))

    def of_rows(self, first: int, last: int) -> pl.DataFrame:
        """The findings of rows from first to last, both included, by row and rule."""
        numbers = range((first - 1) // ROWS_OF_A_PACK, (last - 1) // ROWS_OF_A_PACK + 1)
        packs = [_unpacked(pack) for number in numbers for pack in self._packs.get(number, [])]
        if not packs:
            return pl.DataFrame(schema=FINDINGS)
        return pl.concat(packs).filter(pl.col("row_number").is_between(first, last)).sort("row_number", "position")

    def in_order(self) -> Iterator[pl.DataFrame]:
        """All findings, some rows' after others'."""
        for number in sorted(self._packs):
            yield self.of_rows(number * ROWS_OF_A_PACK + 1, (number + 1) * ROWS_OF_A_PACK)

    def all(self) -> pl.DataFrame:
        """All of them in one frame: for few."""
        return pl.concat([pl.DataFrame(schema=FINDINGS), *self.in_order()])


def _rows(found: pl.DataFrame, *names: str) -> Iterator[tuple[Any, ...]]:
    """(names …, how many rows)."""
    return found.select("row_number", *names).unique().group_by(names).len().iter_rows()


def _packed(found: pl.DataFrame) -> pl.DataFrame | bytes:
    if found.height <= FEW:
        return found
    packed = io.BytesIO()
    found.write_ipc(packed, compression="zstd")
    return packed.getvalue()


def _unpacked(pack: pl.DataFrame | bytes) -> pl.DataFrame:
    return pl.read_ipc(io.BytesIO(pack)) if isinstance(pack, bytes) else pack
