"""Many rows into sheets that XlsxWriter has laid out.

The library needs ten microseconds for a cell, and a long table has millions of them. So it lays out a sheet with its header and,
in the row below it, one blank cell in the style of each column; the rows themselves are written here, a column at a time, in
the place of that row, as the library would write them.
"""

import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

import polars as pl

FIRST_ROW = 2  # below the header, counted from 1
AT_ONCE = 5_000
LONGEST = 32_767  # characters in a cell; the rest is cut off
# What stands around a cell's own characters, at the most: sheets beyond 2 GiB need another form of the archive.
AROUND_BYTES, SMALL_BYTES = 80, 1_900_000_000
_STYLED = re.compile(rb'<c r="([A-Z]+)%d" s="(\d+)"/>' % FIRST_ROW)
_BLANKS = re.compile(rb'<row r="%d"[^>]*>.*?</row>' % FIRST_ROW)
_DIMENSION = re.compile(rb'<dimension ref="[^"]*"/>')
# XML has no control characters, and a spreadsheet reads _x0041_ as one: each is written as its number (ECMA-376, ST_Xstring).
_NUMBERED = r"(_x[0-9a-fA-F]{4}_)"
_WRITTEN = {chr(code): f"_x{code:04X}_" for code in (*range(9), *range(11, 32), 0xFFFE, 0xFFFF)} | {
    "&": "&amp;", "<": "&lt;", ">": "&gt;",
}  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """The rows of one sheet: how many, and whence. Their columns are text, whole numbers, decimals or floats; a null is no cell."""

    height: int
    read: Callable[[], pl.DataFrame]


def fill(laid_out: IO[bytes], into: IO[bytes], rows_of: dict[int, Rows]) -> None:
    """Copy a workbook, with the rows of some sheets (by their number, from 1) in their places. The same rows give the same
    bytes."""
    sheets = {f"xl/worksheets/sheet{number}.xml": rows for number, rows in rows_of.items()}
    with zipfile.ZipFile(laid_out) as before, zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as after:
        for part in before.infolist():
            content = before.read(part)
            if part.filename not in sheets:
                after.writestr(part, content)
                continue
            rows = sheets[part.filename].read()
            is_large = rows.estimated_size() + rows.height * rows.width * AROUND_BYTES > SMALL_BYTES
            with after.open(_like(part), "w", force_zip64=is_large) as sheet:
                for piece in _filled(content, rows):
                    sheet.write(piece)


def _like(part: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """The same entry, of another size."""
    entry = zipfile.ZipInfo(part.filename, part.date_time)
    entry.compress_type, entry.external_attr, entry.create_system = (
        part.compress_type,
        part.external_attr,
        part.create_system,
    )
    return entry


def _filled(sheet: bytes, rows: pl.DataFrame) -> Iterator[bytes]:
    """A sheet's XML with these rows in the place of its blank ones."""
    letters = [_letters(place) for place in range(rows.width)]
    styles = {letter.decode(): style.decode() for letter, style in _STYLED.findall(sheet)}
    blanks = _BLANKS.search(sheet)
    start, end = blanks.span() if blanks else (sheet.index(b"</sheetData>"),) * 2
    last = f'<dimension ref="A1:{letters[-1]}{rows.height + FIRST_ROW - 1}"/>'
    yield _DIMENSION.sub(last.encode(), sheet[:start])
    row = pl.col("row").cast(pl.String)
    names = [f"cell {place}" for place in range(rows.width)]
    cells = [
        _cell(pl.col(name), dtype, letter, row, styles.get(letter))
        for name, dtype, letter in zip(names, rows.dtypes, letters, strict=True)
    ]
    line = pl.concat_str([pl.lit('<row r="'), row, pl.lit('">'), *cells, pl.lit("</row>")])
    for portion in (
        rows.rename(dict(zip(rows.columns, names, strict=True))).with_row_index("row", FIRST_ROW).iter_slices(AT_ONCE)
    ):
        yield portion.select(line.str.join("")).item().encode()
    yield sheet[end:]


def _cell(value: pl.Expr, dtype: pl.DataType, letter: str, row: pl.Expr, style: str | None) -> pl.Expr:
    """One column's cells in XML: nothing where there is no value."""
    head, style_of = pl.lit(f'<c r="{letter}'), f' s="{style}"' if style else ""
    if dtype != pl.String:
        cell = pl.concat_str([head, row, pl.lit(f'"{style_of}><v>'), value.cast(pl.String), pl.lit("</v></c>")])
    else:
        value = pl.when(value.str.len_bytes() > LONGEST).then(value.str.slice(0, LONGEST)).otherwise(value)
        # White space at an end would be lost.
        kept = pl.when(value.str.contains(r"^\s|\s$")).then(pl.lit(' xml:space="preserve"')).otherwise(pl.lit(""))
        written = value.str.replace_all(_NUMBERED, "_x005F$1").str.replace_many(_WRITTEN)
        around = pl.lit(f'"{style_of} t="inlineStr"><is><t')
        cell = pl.concat_str([head, row, around, kept, pl.lit(">"), written, pl.lit("</t></is></c>")])
    return cell.fill_null("")


def _letters(place: int) -> str:
    """What a spreadsheet calls a column: A for 0, AA for 26."""
    rest, last = divmod(place, 26)
    return (_letters(rest - 1) if rest else "") + chr(65 + last)
