"""Spreadsheets, by XlsxWriter. Numbers are numbers, text is text and never run as a formula, totals are formulas.

How a column is shown follows from what it is (schemas.columns).
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from schemas.columns import COLUMNS, KINDS, Column, parse_instant
from templates.filling import FIRST_ROW, Rows, fill
from templates.practice import WORD, is_practice, titled

TABLE_STYLE = "Table Style Light 1"
MONEY = KINDS["money"].number_format
LONG_DAY = "d mmm yyyy"
# Of a number that our files write as text: exact until the spreadsheet makes a number of its own of it.
_EXACT = pl.Decimal(38, 6)


@dataclass(frozen=True)
class Total:
    """A sum of a table's column: the formula, and what it comes to, for readers that compute nothing."""

    formula: str
    value: Decimal


def total_of(table: str, column: str) -> str:
    """The formula of what is shown of a table's column: a filter moves it."""
    return f"=SUBTOTAL(109,{table}[{column}])"


def _on_paper(sheet: Worksheet, first: int | None, last: int | None) -> None:
    """On paper: landscape, A4, as wide as the page; rows first to last on each page."""
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    if is_practice():
        sheet.set_header(f"&C&B{WORD}")
    if first is not None and last is not None:
        sheet.repeat_rows(first, last)


def _is_number(column: Column) -> bool:
    return column.kind not in ("day", "instant") and bool(KINDS[column.kind].number_format)


def _described(names: Sequence[str], special: Sequence[Column]) -> list[Column]:
    own = {each.name: each for each in special}
    return [own.get(name) or COLUMNS.get(name) or Column(name, "word") for name in names]


class Book:
    """A workbook in the making. The same cells give the same bytes: nothing in the file says when it happened to be written."""

    def __init__(self, made_at: datetime, title: str = "", foot: str = "") -> None:
        title = titled(title)
        self._bytes, self._foot = io.BytesIO(), titled(foot) if foot else title
        options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        self._book = xlsxwriter.Workbook(self._bytes, options)
        self._book.set_properties({"title": title, "created": made_at.astimezone(UTC).replace(tzinfo=None)})
        self._book.set_calc_mode("auto")
        self._formats: dict[str, Format] = {}
        self.bold, self.big = self.styled(bold=True), self.styled(bold=True, font_size=14)
        self.bold_right = self.styled(bold=True, align="right")
        self._wrapped = self.styled(text_wrap=True, valign="top")
        self.sum = self.styled(num_format=MONEY, bold=True)
        self.plain = self.styled(num_format="0", align="left")

    def styled(self, **style: Any) -> Format:
        return self._book.add_format(style)

    def sheet(self, name: str) -> Worksheet:
        return self._book.add_worksheet(name)

    def finished(self) -> bytes:
        self._book.close()
        return self._bytes.getvalue()

    def long_sheet(
        self,
        name: str,
        table: str,
        rows: pl.DataFrame,
        totals: dict[str, Decimal],
        special: Sequence[Column] = (),
        note: str = "",
    ) -> None:
        """A sheet with one table of many rows: a title, the totals above their columns, what people call the columns, the table,
        whose header has the columns' names. A filter moves the totals; on paper it is as wide as the page, its head on each.

        totals: by column, what its cells add up to. special: columns that schemas.columns does not have. note: what
        has to be known of it, beside the title.
        """
        sheet, header = self.sheet(name), 3
        columns = _described(rows.columns, special)
        sheet.write_string(0, 0, titled(name), self.big)
        sheet.write_string(0, 1, note)
        sheet.write_string(1, 0, "Total of what is shown", self.bold)
        for column, value in totals.items():
            sheet.write_formula(1, rows.columns.index(column), total_of(table, column), self.sum, value)
        self.table(sheet, table, header, rows, special)
        for place, each in enumerate(columns):
            sheet.write_string(header - 1, place, each.label, self.bold_right if _is_number(each) else self.bold)
            # Beside the name and the label stands the filter's button.
            sheet.set_column(place, place, max(each.shown_width, len(each.name) + 3, len(each.label) + 2))
        sheet.freeze_panes(header + 1, 0)
        self.printed(sheet, header - 1, header)

    def printed(self, sheet: Worksheet, first: int | None = None, last: int | None = None) -> None:
        """On paper as any sheet, and below the foot and the number of the page."""
        _on_paper(sheet, first, last)
        sheet.set_footer(f"&L&8 {self._foot[:100].replace('&', '&&')}&R&8 Page &P of &N")

    def table(self, sheet: Worksheet, name: str, top: int, rows: pl.DataFrame, special: Sequence[Column] = ()) -> None:
        """A named table whose header stands in the row `top` (from 0)."""
        columns = [{"header": column} for column in rows.columns]
        end = (top + max(rows.height, 1), rows.width - 1)
        sheet.add_table(top, 0, *end, {"name": name, "columns": columns, "style": TABLE_STYLE})
        for place, column in enumerate(_described(rows.columns, special)):
            self._column(sheet, top + 1, place, rows[column.name], column.kind)

    def day(self, sheet: Worksheet, row: int, place: int, day: date) -> None:
        """A date as a date."""
        sheet.write_datetime(row, place, day, self._format(LONG_DAY))

    def _column(self, sheet: Worksheet, top: int, place: int, cells: pl.Series, kind: str) -> None:
        write: Callable[..., Any] = sheet.write_string
        style = self._format(LONG_DAY if kind == "day" else KINDS[kind].number_format)
        style = self._wrapped if kind == "sentence" else style
        if kind == "day":
            write = sheet.write_datetime
            cells = cells.str.to_date("%Y-%m-%d") if cells.dtype == pl.String else cells
        elif kind == "instant":
            write = sheet.write_datetime
            cells = cells.str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ") if cells.dtype == pl.String else cells
            cells = cells.dt.truncate("1s")  # as the text files have it; a spreadsheet would round up
        elif style is not None and kind != "sentence":
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


SHEET_ROWS = 1_048_576  # the most that a sheet has, its header among them
_FIRST_DAY = date(1899, 12, 30)  # of a spreadsheet's calendar


class LongBook:
    """A workbook of long tables, so that a million rows take little time. Ids and words are text, days days, numbers numbers; the
    header stays in sight, and every column can be filtered."""

    def __init__(self, made_at: datetime, title: str) -> None:
        self._bytes = io.BytesIO()
        options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        self._book = xlsxwriter.Workbook(self._bytes, options)
        self._book.set_properties({"title": titled(title), "created": made_at.astimezone(UTC).replace(tzinfo=None)})
        self._bold = self._book.add_format({"bold": True})
        self._formats: dict[str, Format] = {}
        self._rows: dict[int, Rows] = {}

    def sheet(self, name: str, columns: Sequence[Column], rows: Rows, instead: str = "") -> None:
        """rows: text, in the order of the columns; they are read when the book is finished. instead: words in place of rows."""
        sheet = self._book.add_worksheet(name)
        styles = [self._style(column.kind) for column in columns]
        for place, (column, style) in enumerate(zip(columns, styles, strict=True)):
            sheet.set_column(place, place, max(column.shown_width, len(column.name) + 4), style)
        sheet.freeze_panes(1, 0)
        _on_paper(sheet, 0, 0)
        sheet.autofilter(0, 0, max(rows.height, 1), len(columns) - 1)
        for place, (column, style) in enumerate(zip(columns, styles, strict=True)):
            sheet.write_string(0, place, column.name, self._bold)
            sheet.write_blank(FIRST_ROW - 1, place, None, style)
        if instead:
            sheet.write_string(FIRST_ROW - 1, 0, instead)
            return
        cells = [_as_cell(column) for column in columns]
        self._rows[len(self._book.worksheets())] = Rows(rows.height, lambda: rows.read().select(cells))

    def finish(self, path: Path) -> None:
        self._book.close()
        with path.open("wb") as file:
            fill(self._bytes, file, self._rows)

    def _style(self, kind: str) -> Format | None:
        if kind not in _LONG_FORMATS:
            return None
        if kind not in self._formats:
            self._formats[kind] = self._book.add_format({"num_format": _LONG_FORMATS[kind]})
        return self._formats[kind]


# As what a long table's cells are shown; the rest is plain text.
_LONG_FORMATS = {
    "day": "yyyy-mm-dd", "instant": KINDS["instant"].number_format, "money": MONEY, "count": "#,##0", "integer": "0", "year": "0",
}  # fmt: skip


def _as_cell(column: Column) -> pl.Expr:
    """Text as a spreadsheet keeps it: a day is the number of days since its calendar began."""
    value = pl.col(column.name)
    if column.kind == "day":
        return (value.str.to_date("%Y-%m-%d") - pl.lit(_FIRST_DAY)).dt.total_days()
    if column.kind == "instant":
        since = parse_instant(value).dt.replace_time_zone(None).dt.truncate("1s") - pl.lit(_FIRST_DAY).cast(
            pl.Datetime("us")
        )
        return since.dt.total_seconds() / 86_400
    if column.kind == "money":
        return value.cast(KINDS["money"].dtype)
    if column.kind in ("count", "integer", "year"):
        return value.cast(pl.Int64)
    return value


def text_sheet(name: str, rows: pl.DataFrame, made_at: datetime) -> bytes:
    """A workbook of one sheet whose cells are all text and stay it: what is typed over them, too."""
    book = Book(made_at)
    sheet, text = book.sheet(name), book.styled(num_format="@")
    header = book.styled(num_format="@", bold=True)
    wrapped = book.styled(num_format="@", text_wrap=True, valign="top")
    for place, column in enumerate(rows.columns):
        own = COLUMNS.get(column)
        is_sentence = column == "errors"
        sheet.set_column(
            place, place, 90 if is_sentence else max(own.shown_width if own else 20, len(column) + 2), text
        )
        sheet.write_string(0, place, column, header)
        sheet.write_blank(FIRST_ROW - 1, place, None, wrapped if is_sentence else text)
    sheet.freeze_panes(1, 0)
    book.printed(sheet, 0, 0)
    finished = io.BytesIO()
    fill(io.BytesIO(book.finished()), finished, {1: Rows(rows.height, lambda: rows.cast(pl.String))})
    return finished.getvalue()
