"""A file's bytes → its records as text cells, a piece at a time: however it is made, no more than a few pieces and the
cells themselves lie in memory. What is in the cells is nobody's business here.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import polars as pl

from schemas.inbound.failure import FileFailure
from schemas.inbound.looking import LINE_CHARACTERS, PIECE_BYTES, Seen, empty, too_long

CELLS_AT_ONCE = 200_000


CHARACTERS_AT_ONCE = 8 << 20


BLANKS = " \t\u00a0\u2007\u202f\u3000\ufeff"  # a record of nothing else is none


MAX_CELLS = 20_000_000


MAX_COLUMNS = 1_000


@dataclass(frozen=True)
class Part:
    """Some records, in order. cells: a text column per header name (`0`, `1`, …). extra: row (from 0, within the part),
    extra_cells: what stood beyond the header, commas between. quotes: row, place (of the header, from 0), count: quotes in
    cells that do not begin with one."""

    cells: pl.DataFrame
    line_numbers: pl.Series
    cell_counts: pl.Series
    extra: pl.DataFrame
    quotes: pl.DataFrame


# Line where it starts, cells, (place, quotes in it) of cells that hold odd ones.
Record = tuple[int, list[str], Sequence[tuple[int, int]]]


EXTRA = {"row": pl.Int64, "extra_cells": pl.String}


QUOTES = {"row": pl.Int64, "place": pl.Int64, "count": pl.Int64}


def too_many_cells() -> FileFailure:
    """Rule FILE-005, of cells."""
    message = f"The file has more than {MAX_CELLS:,} cells, empty ones too."
    advice = "Take out the columns and commas that are not needed, or split the file."
    return FileFailure("FILE-005", message, advice)


class Records:
    """The records of a file that was looked through. Raises FileFailure where there are none, or too many cells.

    header: names as sent, trimmed. rows: counted while parts are read; beyond `most` they are not kept.
    """

    def __init__(self, content: BinaryIO, seen: Seen, most: int) -> None:
        self._most, self.rows, self._cells = most, 0, 0
        content.seek(seen.starts_at)
        records = self._plain(content, seen) if seen.is_plain else self._any(_records(_lines(content, seen)))
        self._parts: Iterator[Part] = records
        self.header: list[str] = []
        self._first = next(self._parts, None)
        if not self.header:
            raise empty()

    def parts(self) -> Iterator[Part]:
        if self._first is not None:
            yield self._first
        yield from self._parts

    def _set_header(self, cells: list[str]) -> None:
        if len(cells) > MAX_COLUMNS:
            message = f"The header has {len(cells):,} columns; no file has more than {MAX_COLUMNS:,}."
            raise FileFailure("FILE-007", message, "Take out what stands after the last column that you use.", 1)
        self.header = [name.strip() for name in cells]
        self._names = [str(place) for place in range(len(cells))]

    def _count(self, cells: int) -> None:
        self._cells += cells
        if self._cells > MAX_CELLS:
            raise too_many_cells()

    def _plain(self, content: BinaryIO, seen: Seen) -> Iterator[Part]:
        """The quick way, for files without quotes."""
        line = 1
        for piece in _whole_lines(content):
            text = piece.decode(seen.encoding, seen.errors)
            if "\r" in text:
                text = text.replace("\r\n", "\n")
            yield from self._plain_piece(text, line)
            line += piece.count(b"\n")

    def _plain_piece(self, text: str, line: int) -> Iterator[Part]:
        lines = pl.DataFrame({"line": text.split("\n")}).with_row_index("line_number", line)
        lines = lines.filter(pl.col("line").str.strip_chars(BLANKS + ",") != "").with_columns(
            pl.col("line").str.count_matches(",", literal=True).alias("commas"),
            pl.col("line").str.len_chars().alias("length"),
        )
        if (longest := lines.filter(pl.col("length") > LINE_CHARACTERS)).height:
            raise too_long(longest["line_number"][0])
        if lines.is_empty():
            return
        if not self.header:
            self._set_header(lines["line"][0].split(","))
            lines = lines.slice(1)
        rows = lines.slice(0, max(0, self._most - self.rows))
        if (rows["commas"] + 1 == len(self.header)).all():
            self.rows += lines.height
            self._count(rows.height * len(self.header))
            if rows.height:
                yield self._even(rows)
        else:
            numbered = zip(lines["line_number"], lines["line"], strict=True)
            yield from self._any((number, line.split(","), ()) for number, line in numbered)

    def _even(self, rows: pl.DataFrame) -> Part:
        # Under a header of our own: an invisible mark at the start of what is read would be dropped, and it is the cell's.
        text = "\n".join([",".join(self._names), *rows["line"]])
        cells = pl.read_csv(text.encode(), infer_schema=False, quote_char=None)
        counts = pl.Series([len(self.header)]).new_from_index(0, rows.height)
        return Part(
            cells, rows["line_number"].cast(pl.Int64), counts, pl.DataFrame(schema=EXTRA), pl.DataFrame(schema=QUOTES)
        )

    def _any(self, records: Iterator[Record]) -> Iterator[Part]:
        """The sure way: quotes, ragged lines, line breaks inside cells, more rows than can be kept."""
        kept = _Kept()
        for line, cells, quotes in records:
            if not self.header:
                self._set_header(cells)
                continue
            self.rows += 1
            if self.rows > self._most:
                continue
            self._count(len(cells))
            kept.add(line, cells, quotes, len(self.header))
            if kept.is_enough:
                yield kept.part(self._names)
                kept = _Kept()
        if kept.lines:
            yield kept.part(self._names)


class _Kept:
    """Records that make the next part."""

    def __init__(self) -> None:
        self.lines: list[int] = []
        self._counts: list[int] = []
        self._rows: list[list[str | None]] = []
        self._extra: dict[int, str] = {}
        self._quotes: list[tuple[int, int, int]] = []
        self._cells = self._characters = 0

    @property
    def is_enough(self) -> bool:
        return self._cells >= CELLS_AT_ONCE or self._characters >= CHARACTERS_AT_ONCE

    def add(self, line: int, cells: list[str], quotes: Sequence[tuple[int, int]], width: int) -> None:
        if len(cells) > width and not any(cell.strip(BLANKS) for cell in cells[width:]):
            cells = cells[:width]  # commas that a spreadsheet adds at the end of a line
        self.lines.append(line)
        self._quotes += [(len(self._rows), place, count) for place, count in quotes]
        self._counts.append(len(cells))
        self._cells += max(width, len(cells))
        self._characters += sum(map(len, cells))
        if len(cells) > width:
            self._extra[len(self._rows)] = ",".join(cells[width:])
        if len(cells) != width:
            cells = (cells + [""] * width)[:width]
        self._rows.append([cell or None for cell in cells])

    def part(self, names: list[str]) -> Part:
        return Part(
            pl.DataFrame(self._rows, schema=dict.fromkeys(names, pl.String), orient="row"),
            pl.Series(self.lines, dtype=pl.Int64),
            pl.Series(self._counts, dtype=pl.Int64),
            pl.DataFrame({"row": list(self._extra), "extra_cells": list(self._extra.values())}, schema=EXTRA),
            pl.DataFrame(self._quotes, schema=QUOTES, orient="row"),
        )


def _whole_lines(content: BinaryIO) -> Iterator[bytes]:
    """The file in pieces that end with a line."""
    rest = b""
    while piece := content.read(PIECE_BYTES):
        end = piece.rfind(b"\n") + 1
        if end:
            yield rest + piece[:end]
            rest = piece[end:]
        else:
            rest += piece
    if rest:
        yield rest


def _lines(content: BinaryIO, seen: Seen) -> Iterator[str]:
    """The file line by line, line ends as they are. Raises FileFailure for a line that is too long."""
    text = io.TextIOWrapper(
        io.BufferedReader(_Unclosed(content)), encoding=seen.encoding, errors=seen.errors, newline=""
    )
    number = 0
    while line := text.readline(LINE_CHARACTERS + 1):
        number += 1
        if len(line) > LINE_CHARACTERS:
            raise too_long(number)
        yield line
    text.detach()


class _Unclosed(io.RawIOBase):
    """Reads from a file that somebody else closes."""

    def __init__(self, content: BinaryIO) -> None:
        self._content = content

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        piece = self._content.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


def _records(lines: Iterator[str]) -> Iterator[Record]:
    """Every record that is not wholly blank."""
    read: list[str] = []

    def remembered() -> Iterator[str]:
        for line in lines:
            read.append(line)
            yield line

    reader = csv.reader(remembered(), strict=True)
    while True:
        line = reader.line_num + 1
        read.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            message = (
                f"This is not CSV: a quote that opens on line {line} or after it is never closed, or closes too early."
            )
            raise FileFailure("FILE-006", message, f"Look at the quotes on line {line} and after it.", line) from None
        text = "".join(cells)
        if text.strip(BLANKS):
            yield line, cells, _odd_quotes("".join(read)) if '"' in text else ()


_QUOTED_CELL = re.compile(r'"(?:[^"]|"")*"')


# A blank before the quotes, and what people write so that a spreadsheet keeps text as it is: ="0123456". See schemas.inbound.meant.
_PLAINLY_QUOTED = re.compile(r'[ \t]+"[^"]*"[ \t\r\n]*|="[^"]*"[ \t\r\n]*')


def _odd_quotes(record: str) -> list[tuple[int, int]]:
    """(place, count) of the cells of a record that hold quotes and are not in quotes: whoever wrote them did not mean CSV, or
    lost a comma."""
    found, at, place = [], 0, 0
    while at <= len(record):
        if quoted := _QUOTED_CELL.match(record, at):
            at = quoted.end()
        end = record.find(",", at)
        end = len(record) if end < 0 else end
        if not quoted and (count := record.count('"', at, end)) and not _PLAINLY_QUOTED.fullmatch(record, at, end):
            found.append((place, count))
        at, place = end + 1, place + 1
    return found
