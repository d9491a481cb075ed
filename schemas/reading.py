"""Bytes → a frame of text cells with row and line numbers, or the FILE- rule that says why not."""

import difflib
import io
from dataclasses import dataclass, field
from typing import BinaryIO

import polars as pl

from schemas.failure import FileFailure as FileFailure
from schemas.files import IGNORED_COLUMNS, Kind
from schemas.pieces import WINDOWS, Part, Records, look_through
from schemas.showing import STARTS_A_FORMULA, shown

EXTRA = pl.DataFrame(schema={"row_number": pl.Int64, "extra_cells": pl.String})
WINDOWS_NOTE = "The file was in Windows-1252, not UTF-8; we have read it as such. Please save it as CSV UTF-8."
ROWS_AT_ONCE = 50_000  # of a column that is cleaned
_NUMBERS = pl.Series([], dtype=pl.Int64)


@dataclass(frozen=True)
class Limits:
    """How much one file may hold."""

    size_bytes: int = 256 * 1024 * 1024
    rows: int = 1_000_000


@dataclass(frozen=True)
class Sheet:
    """A file as read.

    header: names as sent. cells: a text column per header name (`0`, `1`, …), as sent. values: row_number (1 = first
    data row), line_number (header = 1), cell_count, header_count, then the kind's columns: trimmed, empty is null, an
    apostrophe that we put before a formula taken off; a column that was not sent is null. extra: row_number, extra_cells
    (beyond the header, commas between), of the rows that have any.
    """

    header: list[str]
    cells: pl.DataFrame
    values: pl.DataFrame
    notes: list[str] = field(default_factory=list)
    extra: pl.DataFrame = field(default_factory=lambda: EXTRA)


def read_sheet(content: bytes | BinaryIO, kind: Kind, limits: Limits) -> Sheet:
    """Read a file of a kind. Raises FileFailure with FILE-002, 004, 005, 006 or 007, the first that holds."""
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    seen = look_through(file)
    records = Records(file, seen, limits.rows)
    notes = [WINDOWS_NOTE] if seen.encoding == WINDOWS else []
    notes += _header_notes(records.header, kind)
    raw = _collected(records)
    if not records.rows:
        raise FileFailure("FILE-004", "The file holds a header and no rows.", "Add at least one row.")
    if records.rows > limits.rows:
        raise FileFailure(
            "FILE-005", f"The file has {records.rows:,} rows; the limit is {limits.rows:,}.", "Split the file."
        )
    return Sheet(records.header, raw.cells, _values(raw, records.header, kind), notes, raw.extra)


def _collected(records: Records) -> Part:
    """All records in one part; extra by row_number."""
    names = [str(place) for place in range(len(records.header))]
    cells, lines, counts = [pl.DataFrame(schema=dict.fromkeys(names, pl.String))], [_NUMBERS], [_NUMBERS]
    extra, before = [EXTRA], 0
    for part in records.parts():
        cells.append(part.cells)
        lines.append(part.line_numbers)
        counts.append(part.cell_counts)
        if part.extra.height:
            extra.append(part.extra.select(pl.col("row").alias("row_number") + before + 1, "extra_cells"))
        before += part.cells.height
    return Part(pl.concat(cells), pl.concat(lines), pl.concat(counts), pl.concat(extra))


def too_large(size_bytes: int, limits: Limits) -> FileFailure | None:
    """FILE-005 by size, before anything is read."""
    if size_bytes <= limits.size_bytes:
        return None
    mebibytes = -(-size_bytes // (1 << 20))
    message = f"The file is {mebibytes:,} MiB; the limit is {limits.size_bytes >> 20:,} MiB."
    return FileFailure("FILE-005", message, "Split the file.")


def _header_notes(header: list[str], kind: Kind) -> list[str]:
    """What to know of the header. Raises FileFailure (FILE-007), naming all its faults at once."""
    names = [name.lower() for name in header]
    faults = []
    for column in kind.required:
        if column not in names:
            near = difflib.get_close_matches(column, [n for n in names if n not in kind.columns], n=1)
            faults.append(
                f"the column {column} is missing" + (f" (is it the one named {shown(near[0], 40)}?)" if near else "")
            )
    known = [*kind.columns, *IGNORED_COLUMNS]
    faults += [f"the column {column} appears twice" for column in known if names.count(column) > 1]
    if faults:
        advice = f"A {kind.name} file needs the columns {', '.join(kind.required)}, in any order."
        if len(header) == 1 and ";" in header[0]:
            advice = "The cells are separated by semicolons: save the file as CSV with commas. " + advice
        message = "The header is not right: " + "; ".join(faults) + "."
        raise FileFailure("FILE-007", message, advice, 1)
    unknown = [name for name in header if name.lower() not in known and name]
    told = ", ".join(shown(name, 40) for name in unknown[:10]) + (" …" if len(unknown) > 10 else "")
    return [f"Columns that a {kind.name} file does not use were ignored: {told}."] if unknown else []


def _values(raw: Part, header: list[str], kind: Kind) -> pl.DataFrame:
    position = {name.lower(): str(place) for place, name in reversed(list(enumerate(header)))}
    rows = raw.cells.height
    columns = [
        _value(raw.cells[position[name]]).alias(name)
        if name in position
        else pl.Series(name, [None], dtype=pl.String).new_from_index(0, rows)
        for name in kind.columns
    ]
    return pl.DataFrame(
        [
            pl.int_range(1, rows + 1, dtype=pl.Int64, eager=True).alias("row_number"),
            raw.line_numbers.alias("line_number"),
            raw.cell_counts.alias("cell_count"),
            pl.Series("header_count", [len(header)], dtype=pl.Int64).new_from_index(0, rows),
            *columns,
        ]
    )


def _value(cells: pl.Series) -> pl.Series:
    """Trimmed, and without what we would have defused ourselves: an apostrophe before a formula's first character. Cells
    that are in order already are not copied."""
    cleaned = pl.concat([_cleaned(some.to_series()) for some in cells.to_frame().iter_slices(ROWS_AT_ONCE)] or [cells])
    return cells if cleaned.equals(cells) else cleaned


def _cleaned(cells: pl.Series) -> pl.Series:
    return cells.str.strip_chars().str.replace(f"^'({STARTS_A_FORMULA})", "$1").replace("", None)
