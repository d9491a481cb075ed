"""Bytes → a frame of text cells with row and line numbers, or the FILE- rule that says why not."""

import difflib
import io
from dataclasses import dataclass, field
from typing import BinaryIO

import polars as pl

from schemas.columns import COLUMNS
from schemas.frames import joined
from schemas.inbound.failure import FileFailure as FileFailure
from schemas.inbound.header import diagnosis
from schemas.inbound.looking import Seen, look_through
from schemas.inbound.marks import MARKED, WINDOWS, marked_bytes, unmarked
from schemas.inbound.meant import MEANT, file_notes, taken
from schemas.inbound.names import IGNORED_COLUMNS, TO_PUT_RIGHT, column_name
from schemas.inbound.pieces import QUOTES, Part, Records
from schemas.kinds import KINDS
from schemas.kinds.kind import Kind
from schemas.showing import STARTS_A_FORMULA, shown

EXTRA = pl.DataFrame(schema={"row_number": pl.Int64, "extra_cells": pl.String})
WINDOWS_NOTE = "The file was in Windows-1252, not UTF-8; we have read it as such. Please save it as CSV UTF-8."
START_BYTES = 64 << 10
MARKS_NAMED = 5
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
    data row), line_number (header = 1), cell_count, header_count, odd_quote (the column in which a quote stands where none
    can be meant, else null), extra_cells (what is still to be put right of a row that came back), then the kind's columns:
    trimmed, empty is null, an apostrophe that we put before a formula taken off, and what was plainly meant (`meant`);
    a column that was not sent is null. extra: row_number, extra_cells (beyond the header, commas between), of the rows that
    have any. meant: schemas.inbound.meant.MEANT.
    """

    header: list[str]
    cells: pl.DataFrame
    values: pl.DataFrame
    notes: list[str] = field(default_factory=list)
    extra: pl.DataFrame = field(default_factory=lambda: EXTRA)
    meant: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=MEANT))

    def sent(self, column: str) -> pl.Series:
        """One of the kind's columns as it was sent."""
        return self.cells[str([column_name(name) for name in self.header].index(column))]


def read_sheet(content: bytes | BinaryIO, kind: Kind, limits: Limits) -> Sheet:
    """Read a file of a kind. Raises FileFailure with FILE-002, 004, 005, 006 or 007, the first that holds."""
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    seen = look_through(file)
    try:
        records = Records(file, seen, limits.rows)
        header = [unmarked(name) for name in records.header] if seen.is_mixed else records.header
        notes = [WINDOWS_NOTE] if seen.encoding == WINDOWS else []
        notes += _header_notes(header, kind)
    except FileFailure as failure:
        raise (_diagnosed(file, seen, kind) if failure.code in ("FILE-006", "FILE-007") else None) or failure from None
    raw = _collected(records)
    if not records.rows:
        raise FileFailure("FILE-004", "The file holds a header and no rows.", "Add at least one row.")
    if records.rows > limits.rows:
        raise FileFailure(
            "FILE-005", f"The file has {records.rows:,} rows; the limit is {limits.rows:,}.", "Split the file."
        )
    if seen.encoding == WINDOWS:
        notes[0] += _for_example(raw)
    if seen.is_mixed:
        raw, told = _without_marks(raw, header)
        notes += told
    values, meant = taken(_values(raw, header, kind))
    misshapen = values.filter(is_misshapen()).select("row_number")
    meant = meant.join(misshapen, on="row_number", how="anti") if misshapen.height and meant.height else meant
    sheet = Sheet(header, raw.cells, values, notes, raw.extra, meant)
    notes += file_notes(meant, sheet.sent, values)
    return sheet


def is_misshapen() -> pl.Expr:
    """Whether a row's cells cannot be told apart for sure: rule FILE-008."""
    return (
        (pl.col("cell_count") != pl.col("header_count"))
        | pl.col("odd_quote").is_not_null()
        | pl.col(TO_PUT_RIGHT).is_not_null()
    )


def _diagnosed(file: BinaryIO, seen: Seen, kind: Kind) -> FileFailure | None:
    """A better word for why a file has no header of ours, where there is one."""
    file.seek(seen.starts_at)
    return diagnosis(
        unmarked(file.read(START_BYTES).decode(seen.encoding, seen.errors if seen.is_mixed else "ignore")), kind
    )


def _for_example(raw: Part) -> str:
    """A cell that shows whether the encoding is what we took it for."""
    for cells in raw.cells:
        others = (cells.str.len_bytes() != cells.str.len_chars()).fill_null(False)
        if others.any():
            row = int(others.arg_max() or 0)
            return f" For example, line {raw.line_numbers[row]:,}: “{shown(cells[row], 60)}”."
    return ""


def _without_marks(raw: Part, header: list[str]) -> tuple[Part, list[str]]:
    """Bytes that are not UTF-8 in a file that otherwise is: read as Windows-1252, and named."""
    cells, found = raw.cells, []
    for place, name in enumerate(header):
        column = cells[str(place)]
        marked = column.str.contains(MARKED).fill_null(False)
        if not marked.any():
            continue
        rows = marked.arg_true()
        texts = column.gather(rows).to_list()
        found += [
            (raw.line_numbers[row], name, marked_bytes(text), unmarked(text))
            for row, text in zip(rows, texts, strict=True)
        ]
        cells = cells.with_columns(column.scatter(rows, [unmarked(text) for text in texts]).alias(str(place)))
    shown_ones = [
        f"line {line:,}, column {shown(name, 40)}: {numbers} in “{shown(text, 60)}”"
        for line, name, numbers, text in sorted(found)[:MARKS_NAMED]
    ]
    more = f", and {len(found) - MARKS_NAMED:,} more" if len(found) > MARKS_NAMED else ""
    note = (
        "The file is UTF-8, but for some bytes, which we have read as Windows-1252: "
        + "; ".join(shown_ones) + more + ". Please save it as CSV UTF-8."
    )  # fmt: skip
    extra = raw.extra.with_columns(pl.col("extra_cells").map_elements(unmarked, return_dtype=pl.String))
    return Part(cells, raw.line_numbers, raw.cell_counts, extra, raw.quotes), [note] if found else []


def _collected(records: Records) -> Part:
    """All records in one part; extra and quotes by row_number."""
    names = [str(place) for place in range(len(records.header))]
    cells, lines, counts = [pl.DataFrame(schema=dict.fromkeys(names, pl.String))], [_NUMBERS], [_NUMBERS]
    extra, quotes, before = [EXTRA], [pl.DataFrame(schema={"row_number": pl.Int64} | QUOTES).drop("row")], 0
    for part in records.parts():
        cells.append(part.cells)
        lines.append(part.line_numbers)
        counts.append(part.cell_counts)
        if part.extra.height:
            extra.append(part.extra.select(pl.col("row").alias("row_number") + before + 1, "extra_cells"))
        if part.quotes.height:
            quotes.append(part.quotes.select(pl.col("row").alias("row_number") + before + 1, "place", "count"))
        before += part.cells.height
    return Part(pl.concat(cells), pl.concat(lines), pl.concat(counts), pl.concat(extra), pl.concat(quotes))


def too_large(size_bytes: int, limits: Limits) -> FileFailure | None:
    """FILE-005 by size, before anything is read."""
    if size_bytes <= limits.size_bytes:
        return None
    mebibytes = -(-size_bytes // (1 << 20))
    message = f"The file is {mebibytes:,} MiB; the limit is {limits.size_bytes >> 20:,} MiB."
    return FileFailure("FILE-005", message, "Split the file.")


def _header_notes(header: list[str], kind: Kind) -> list[str]:
    """What to know of the header. Raises FileFailure (FILE-007), naming all its faults at once."""
    names = [column_name(name) for name in header]
    faults = []
    for column in kind.required:
        if column not in names:
            near = difflib.get_close_matches(column, [n for n in names if n not in kind.columns], n=1)
            faults.append(
                f"the column {column} is missing" + (f" (is it the one named {shown(near[0], 40)}?)" if near else "")
            )
    known = [*kind.columns, *IGNORED_COLUMNS, TO_PUT_RIGHT]
    faults += [f"the column {column} appears twice" for column in known if names.count(column) > 1]
    if faults:
        advice = f"A {kind.name} file needs the columns {', '.join(kind.required)}, in any order."
        if len(kind.required) == 1:
            advice = f"A {kind.name} file needs the column {kind.required[0]}."
        message = "The header is not right: " + "; ".join(faults) + "."
        others = [
            other.name
            for other in KINDS.values()
            if set(other.required) <= set(names) and not set(other.required) <= set(kind.columns)
        ]
        if others:
            message += f" These are the columns of {' or '.join(others[:3])}: perhaps the file's name is not right."
        raise FileFailure("FILE-007", message, advice, 1)
    unknown = [name for name in header if column_name(name) not in known and name]
    told = ", ".join(shown(name, 40) for name in unknown[:10]) + (" …" if len(unknown) > 10 else "")
    article = "an" if kind.name[0] in "aeiou" else "a"
    notes = [f"Columns that {article} {kind.name} file does not use were ignored: {told}."] if unknown else []
    other = [
        f"“{shown(name, 40)}” as {column_name(name)}"
        for name in header
        if name.lower() not in known and column_name(name) in known
    ]
    return [*notes, *([f"Names of columns were taken as they are meant: {', '.join(other)}."] if other else [])]


def _values(raw: Part, header: list[str], kind: Kind) -> pl.DataFrame:
    position = {column_name(name): str(place) for place, name in reversed(list(enumerate(header)))}
    rows = raw.cells.height
    columns = [
        _value(raw.cells[position[name]]).alias(name)
        if name in position
        else pl.Series(name, [None], dtype=pl.String).new_from_index(0, rows)
        for name in (TO_PUT_RIGHT, *kind.columns)
    ]
    return pl.DataFrame(
        [
            pl.int_range(1, rows + 1, dtype=pl.Int64, eager=True).alias("row_number"),
            raw.line_numbers.alias("line_number"),
            raw.cell_counts.alias("cell_count"),
            pl.Series("header_count", [len(header)], dtype=pl.Int64).new_from_index(0, rows),
            _odd_quote(raw, header, kind),
            *columns,
        ]
    )


def _odd_quote(raw: Part, header: list[str], kind: Kind) -> pl.Series:
    """The column of the first quote that stands inside a cell without quotes around it, by row. A lone one in free text, for
    inches, say, is taken where nothing else is odd."""
    rows = raw.cells.height
    if raw.quotes.is_empty():
        return pl.Series("odd_quote", [None], dtype=pl.String).new_from_index(0, rows)
    free = [
        place
        for place, name in enumerate(header)
        if column_name(name) not in kind.columns or COLUMNS[column_name(name)].is_free_text
    ]
    found = raw.quotes.group_by("row_number").agg(
        pl.col("count").sum(), pl.col("place").first(), pl.col("place").is_in(free).all().alias("is_free")
    )
    widths = raw.cell_counts.gather(found["row_number"] - 1) == len(header)
    odd = found.filter(~((pl.col("count") == 1) & pl.col("is_free") & widths))
    names = pl.DataFrame(
        {"place": range(len(header)), "odd_quote": header}, schema={"place": pl.Int64, "odd_quote": pl.String}
    )
    odd = odd.join(names, on="place", how="left").with_columns(pl.col("odd_quote").fill_null("beyond the header"))
    numbers = pl.DataFrame({"row_number": pl.int_range(1, rows + 1, dtype=pl.Int64, eager=True)})
    return joined(numbers, odd, "row_number")["odd_quote"]


def _value(cells: pl.Series) -> pl.Series:
    """Trimmed, and without what we would have defused ourselves: an apostrophe before a formula's first character. Cells
    that are in order already are not copied."""
    cleaned = pl.concat([_cleaned(some.to_series()) for some in cells.to_frame().iter_slices(ROWS_AT_ONCE)] or [cells])
    return cells if cleaned.equals(cells) else cleaned


def _cleaned(cells: pl.Series) -> pl.Series:
    return cells.str.strip_chars().str.replace(f"^'({STARTS_A_FORMULA})", "$1").replace("", None)
