"""Bytes → a frame of text cells with row and line numbers, or the FILE- rule that says why not."""

import csv
import difflib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from schemas.files import IGNORED_COLUMNS, Kind
from schemas.showing import shown

csv.field_size_limit(1 << 30)
ROWS_IN_A_PIECE = 50_000
LINES_TO_SPARE = 10_000  # blank ones, in a file of as many rows as there may be
MAX_COLUMNS = 1_000
SIGNATURES = (
    (b"\xff\xfe", "It is UTF-16 text."),
    (b"\xfe\xff", "It is UTF-16 text."),
    (b"PK\x03\x04", "It is a spreadsheet workbook or a ZIP archive."),
    (b"\xd0\xcf\x11\xe0", "It is an old spreadsheet workbook."),
    (b"%PDF", "It is a PDF."),
    (b"\x1f\x8b", "It is a compressed archive."),
)


@dataclass(eq=False)
class FileFailure(Exception):
    """Why a whole file is refused: the rule, what is wrong, what to do, the line where there is one."""

    code: str
    message: str
    advice: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.code}: {self.message} {self.advice}"


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
    apostrophe that we put before a formula taken off; a column that was not sent is null. extra: cells beyond the
    header, by row_number.
    """

    header: list[str]
    cells: pl.DataFrame
    values: pl.DataFrame
    notes: list[str] = field(default_factory=list)
    extra: dict[int, str] = field(default_factory=dict)


def read_sheet(content: bytes, kind: Kind, limits: Limits) -> Sheet:
    """Read a file of a kind. Raises FileFailure with FILE-002, 004, 005, 006 or 007, the first that holds."""
    text, notes = _decoded(content)
    if not text.strip():
        raise _empty()
    raw = _raw_rows(text, limits.rows)
    notes += _header_notes(raw.header, kind)
    if not raw.rows:
        raise FileFailure("FILE-004", "The file holds a header and no rows.", "Add at least one row.")
    if raw.rows > limits.rows:
        raise FileFailure(
            "FILE-005", f"The file has {raw.rows:,} rows; the limit is {limits.rows:,}.", "Split the file."
        )
    return Sheet(raw.header, raw.cells, _values(raw, kind), notes, raw.extra)


def _empty() -> FileFailure:
    return FileFailure("FILE-004", "The file is empty.", "Add a header line and at least one row.")


def too_large(size_bytes: int, limits: Limits) -> FileFailure | None:
    """FILE-005 by size, before anything is read."""
    if size_bytes <= limits.size_bytes:
        return None
    mebibytes = -(-size_bytes // (1 << 20))
    message = f"The file is {mebibytes:,} MiB; the limit is {limits.size_bytes >> 20:,} MiB."
    return FileFailure("FILE-005", message, "Split the file.")


def _decoded(content: bytes) -> tuple[str, list[str]]:
    advice = "Save the file as “CSV UTF-8 (comma delimited)” and send it again."
    for signature, meaning in SIGNATURES:
        if content.startswith(signature):
            raise FileFailure("FILE-002", f"This is not a CSV file. {meaning}", advice)
    if b"\0" in content:
        raise FileFailure(
            "FILE-002", "This is not a CSV file: it holds NUL bytes, as UTF-16 text and workbooks do.", advice
        )
    if content.startswith(b"\xef\xbb\xbf"):
        content = content[3:]
    try:
        return content.decode("utf-8"), []
    except UnicodeDecodeError:
        pass
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        message = "The file's characters are neither UTF-8 nor Windows-1252."
        raise FileFailure("FILE-002", message, advice) from None
    return text, ["The file was in Windows-1252, not UTF-8; we have read it as such. Please save it as CSV UTF-8."]


@dataclass
class _Raw:
    header: list[str]
    cells: pl.DataFrame
    line_numbers: pl.Series
    cell_counts: pl.Series
    extra: dict[int, str]
    rows: int  # counted to the end; beyond the limit they are not kept


def _raw_rows(text: str, most: int) -> _Raw:
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    if '"' not in text and "\r" not in text and text.count("\n") <= most + LINES_TO_SPARE:
        even = _even_rows(text)
        if even is not None:
            return even
    return _any_rows(text, most)


def _header(cells: list[str]) -> list[str]:
    if len(cells) > MAX_COLUMNS:
        message = f"The header has {len(cells):,} columns; no file has more than {MAX_COLUMNS:,}."
        raise FileFailure("FILE-007", message, "Take out what stands after the last column that you use.", 1)
    return [name.strip() for name in cells]


def _even_rows(text: str) -> _Raw | None:
    """The quick way, for files without quotes whose lines all have as many cells as the header."""
    lines = pl.DataFrame({"line": text.split("\n")}).with_row_index("line_number", 1)
    lines = lines.filter(pl.col("line").str.strip_chars(" \t,") != "").with_columns(
        pl.col("line").str.count_matches(",", literal=True).alias("commas")
    )
    if lines["commas"].n_unique() != 1:
        return None
    header = _header(lines["line"][0].split(","))
    names = [str(position) for position in range(len(header))]
    rows = lines.slice(1)
    if rows.is_empty():
        cells = pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    else:
        cells = pl.read_csv(
            "\n".join(rows["line"]).encode(), has_header=False, new_columns=names, infer_schema=False, quote_char=None
        )
    counts = pl.Series([len(header)]).new_from_index(0, rows.height) if rows.height else pl.Series([], dtype=pl.Int64)
    return _Raw(header, cells, rows["line_number"].cast(pl.Int64), counts, {}, rows.height)


def _any_rows(text: str, most: int) -> _Raw:
    """The sure way: quotes, ragged lines, line breaks inside cells, more lines than can be kept."""
    records = _records(text)
    first = next(records, None)
    if first is None:
        raise _empty()
    header = _header(first[1])
    width, names = len(header), [str(position) for position in range(len(header))]
    pieces: list[pl.DataFrame] = []
    line_numbers: list[int] = []
    counts: list[int] = []
    extra: dict[int, str] = {}
    piece: list[list[str | None]] = []
    rows = 0
    for line, cells in records:
        rows += 1
        if rows > most:
            continue
        line_numbers.append(line)
        counts.append(len(cells))
        if len(cells) != width:
            if len(cells) > width:
                extra[len(counts)] = ",".join(cells[width:])
            cells = (cells + [""] * width)[:width]
        piece.append([cell or None for cell in cells])
        if len(piece) == ROWS_IN_A_PIECE:
            pieces.append(_piece(piece, names))
            piece = []
    pieces.append(_piece(piece, names))
    return _Raw(
        header,
        pl.concat(pieces),
        pl.Series(line_numbers, dtype=pl.Int64),
        pl.Series(counts, dtype=pl.Int64),
        extra,
        rows,
    )


def _piece(rows: list[list[str | None]], names: list[str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line where it starts, cells) of every record that is not wholly blank."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            message = (
                f"This is not CSV: a quote that opens on line {line} or after it is never closed, or closes too early."
            )
            raise FileFailure("FILE-006", message, f"Check the quotes on line {line} and after it.", line) from None
        if any(cell.strip() for cell in cells):
            yield line, cells


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


def _values(raw: _Raw, kind: Kind) -> pl.DataFrame:
    position = {name.lower(): str(place) for place, name in reversed(list(enumerate(raw.header)))}
    named = raw.cells.select(
        [pl.col(position[c]).alias(c) if c in position else pl.lit(None, pl.String).alias(c) for c in kind.columns]
    )
    trimmed = named.with_columns(pl.all().str.strip_chars())
    # Only what we would have defused ourselves: an apostrophe before a formula's first character.
    cleaned = trimmed.with_columns(pl.all().str.replace(r"^'(\s*[=+\-@])", "$1").replace("", None))
    return cleaned.select(
        pl.int_range(1, cleaned.height + 1, dtype=pl.Int64).alias("row_number"),
        raw.line_numbers.alias("line_number"),
        raw.cell_counts.alias("cell_count"),
        pl.lit(len(raw.header), pl.Int64).alias("header_count"),
        *kind.columns,
    )
