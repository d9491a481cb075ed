"""Rows as lines of text, a column at a time: CSV, HTML, a spreadsheet's XML. One pass over many statements' rows.

Writing each small file by itself would cost more than making all the lines at once and handing them out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

# XML 1.0 has no place for these.
NOT_IN_XML = "[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]"
# Days from a spreadsheet's first to 1 January 1970.
SPREADSHEET_EPOCH_DAYS = 25_569


def escaped(text: pl.Expr) -> pl.Expr:
    """Text that HTML and XML take as it is."""
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&#34;"), ("'", "&#39;")):
        text = text.str.replace_all(character, entity, literal=True)
    return text


def html_lines(cells: Sequence[tuple[pl.Expr, bool]], rows: pl.DataFrame) -> pl.Series:
    """Each row as a table row of HTML. cells: (text, whether it is a number); null shows as nothing."""
    made = []
    for text, is_number in cells:
        start = '<td class="number">' if is_number else "<td>"
        made.append(pl.concat_str(pl.lit(start), escaped(text.cast(pl.String).fill_null("")), pl.lit("</td>")))
    return rows.select(pl.concat_str(pl.lit("<tr>"), *made, pl.lit("</tr>"))).to_series()


@dataclass(frozen=True)
class SheetColumn:
    """How a column goes into a spreadsheet: `text`, `number` or `instant` (RFC 3339 text in UTC)."""

    name: str
    form: str
    letter: str
    style: str


def sheet_lines(rows: pl.DataFrame, columns: Sequence[SheetColumn], row_number: pl.Expr) -> pl.Series:
    """Each row as a row of a spreadsheet's sheet (Office Open XML). row_number: where on the sheet it stands.

    Text goes in as text: nothing in it is ever run as a formula.
    """
    number = row_number.cast(pl.String)
    cells = [_sheet_cell(column, number) for column in columns]
    return rows.select(pl.concat_str(pl.lit('<row r="'), number, pl.lit('">'), *cells, pl.lit("</row>"))).to_series()


def _sheet_cell(column: SheetColumn, number: pl.Expr) -> pl.Expr:
    value, style = pl.col(column.name), f' s="{column.style}"' if column.style else ""
    start = pl.concat_str(pl.lit(f'<c r="{column.letter}'), number)
    if column.form == "text":
        text = escaped(value.str.replace_all(NOT_IN_XML, ""))
        made = pl.concat_str(
            start, pl.lit(f'"{style} t="inlineStr"><is><t xml:space="preserve">'), text, pl.lit("</t></is></c>")
        )
    else:
        plain = serial(value) if column.form == "instant" else value.cast(pl.String)
        made = pl.concat_str(start, pl.lit(f'"{style}><v>'), plain, pl.lit("</v></c>"))
    return made.fill_null("")


def serial(instant: pl.Expr) -> pl.Expr:
    """An instant as a spreadsheet counts it: days, with the time of day as their fraction."""
    moment = instant.str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", strict=False)
    seconds = moment.dt.epoch("s") + SPREADSHEET_EPOCH_DAYS * 86_400
    return (seconds / 86_400).round(8).cast(pl.String)
