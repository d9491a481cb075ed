"""Spreadsheets, by XlsxWriter. Numbers are numbers, text is text and never run as a formula, totals are formulas.

How a column is shown follows from what it is (schemas.columns).
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from schemas.columns import COLUMNS, KINDS

TABLE_STYLE = "Table Style Light 1"
MONEY = KINDS["money"].number_format
# Of a number that our files write as text: exact until the spreadsheet makes a number of its own of it.
_EXACT = pl.Decimal(38, 6)


@dataclass(frozen=True)
class Total:
    """A sum of a table's column: the formula, and what it comes to, for readers that compute nothing."""

    formula: str
    value: Decimal


class Book:
    """A workbook in the making. The same cells give the same bytes: nothing in the file says when it happened to be written."""

    def __init__(self, made_at: datetime, title: str = "") -> None:
        self._bytes = io.BytesIO()
        options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        self._book = xlsxwriter.Workbook(self._bytes, options)
        self._book.set_properties({"title": title, "created": made_at.astimezone(UTC).replace(tzinfo=None)})
        self._book.set_calc_mode("auto")
        self._formats: dict[str, Format] = {}
        self.bold, self.big = self.styled(bold=True), self.styled(bold=True, font_size=14)
        self.sum = self.styled(num_format=MONEY, bold=True)

    def styled(self, **style: Any) -> Format:
        return self._book.add_format(style)

    def sheet(self, name: str) -> Worksheet:
        return self._book.add_worksheet(name)

    def finished(self) -> bytes:
        self._book.close()
        return self._bytes.getvalue()

    def long_sheet(self, name: str, table: str, rows: pl.DataFrame, totals: dict[str, Total]) -> None:
        """A sheet with one table of many rows: a title, the totals above their columns, the table, its header frozen."""
        sheet, header = self.sheet(name), 3
        sheet.write_string(0, 0, name, self.big)
        sheet.write_string(1, 0, "Total", self.bold)
        for column, total in totals.items():
            sheet.write_formula(1, rows.columns.index(column), total.formula, self.sum, total.value)
        self.table(sheet, table, header, rows)
        for place, column in enumerate(rows.columns):
            sheet.set_column(place, place, COLUMNS[column].shown_width)
        sheet.freeze_panes(header + 1, 0)

    def table(self, sheet: Worksheet, name: str, top: int, rows: pl.DataFrame) -> None:
        """A named table whose header stands in the row `top` (from 0)."""
        columns = [{"header": column} for column in rows.columns]
        end = (top + max(rows.height, 1), rows.width - 1)
        sheet.add_table(top, 0, *end, {"name": name, "columns": columns, "style": TABLE_STYLE})
        for place, column in enumerate(rows.columns):
            self._column(sheet, top + 1, place, rows[column])

    def _column(self, sheet: Worksheet, top: int, place: int, cells: pl.Series) -> None:
        kind = COLUMNS[cells.name].kind if cells.name in COLUMNS else "text"
        write: Callable[..., Any] = sheet.write_string
        style = self._format(KINDS[kind].number_format)
        if kind == "instant":
            write = sheet.write_datetime
            cells = cells.str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ") if cells.dtype == pl.String else cells
            cells = cells.dt.truncate("1s")  # as the text files have it; a spreadsheet would round up
        elif style is not None:
            write, cells = sheet.write_number, cells.cast(_EXACT) if cells.dtype == pl.String else cells
        for row, value in enumerate(cells.to_list(), top):
            if value is not None:
                write(row, place, value, style)

    def _format(self, number_format: str) -> Format | None:
        if not number_format:
            return None
        if number_format not in self._formats:
            self._formats[number_format] = self.styled(num_format=number_format)
        return self._formats[number_format]


def text_sheet(name: str, rows: pl.DataFrame, made_at: datetime) -> bytes:
    """A workbook of one sheet whose cells are all text and stay it: what is typed over them, too."""
    book = Book(made_at)
    sheet, text = book.sheet(name), book.styled(num_format="@")
    header = book.styled(num_format="@", bold=True)
    for place, column in enumerate(rows.columns):
        width = COLUMNS[column].width or 20 if column in COLUMNS else 20
        sheet.set_column(place, place, width, text)
        sheet.write_string(0, place, column, header)
        for row, value in enumerate(rows[column].cast(pl.String).to_list(), 1):
            if value is not None:
                sheet.write_string(row, place, value, text)
    sheet.freeze_panes(1, 0)
    return book.finished()
