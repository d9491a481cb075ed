"""statement.xlsx: the statement for those who live in a spreadsheet. Numbers are numbers, totals are formulas.

XlsxWriter makes the workbook: sheets, tables, styles, formulas, and the first row of each long table. The other rows,
which may be many thousands, are made in columns (templates.lines) and put in where they belong.
"""

import io
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import xlsxwriter
from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from templates.lines import SheetColumn, serial, sheet_lines

MONEY, RATE, INSTANT = "#,##0.00;[Red]-#,##0.00", "0.00####;[Red]-0.00####", 'yyyy-mm-dd"T"hh:mm:ss"Z"'
NUMBERS = {
    "amount": MONEY, "uplift_amount": MONEY, "share_amount": MONEY, "expected_amount": MONEY, "due_amount": MONEY,
    "difference": MONEY, "rate": RATE, "share_rate": RATE, "count": "#,##0", "line": "0", "version": "0",
    "contract_period": "0",
}  # fmt: skip
INSTANTS = ("declaration_date", "created_at")
WIDTHS = {"declaration_id": 38, "participant_id": 38, "statement_id": 38, "delivery_partner_id": 38, "mentor_id": 38,
          "reason": 60, "what_to_do": 60, "full_name": 26, "school_name": 34, "delivery_partner_name": 34}  # fmt: skip
# Where a long table's header stands (counted from 1); above it are the title and the totals.
HEADER_ROW = 4
FIRST_ROW = HEADER_ROW + 1


def style_mark(letter: str) -> str:
    """Stands for a column's style until the workbook says what it is; no cell's text can hold it (templates.lines)."""
    return f"\x01{letter}\x01"


def rows_of(rows: pl.DataFrame, names: list[str], place: str) -> pl.Series:
    """Rows of a long table as XML: the columns named. place: the column that says on which row each stands, from 1."""
    columns = []
    for number, name in enumerate(names):
        letter = xl_col_to_name(number)
        form = "instant" if name in INSTANTS else "number" if name in NUMBERS else "text"
        columns.append(SheetColumn(name, form, letter, "" if form == "text" else style_mark(letter)))
    return sheet_lines(rows, columns, pl.col(place))


@dataclass(frozen=True)
class _Long:
    """What is put into a long table's sheet: its rows but the first, and how far it reaches."""

    rows: str
    last_letter: str
    last_row: int

    def put_into(self, part: bytes) -> bytes:
        """The sheet with its rows, or the table with its reach."""
        text = part.decode()
        reach = f"{self.last_letter}{self.last_row}"
        if "</sheetData>" not in text:
            return text.replace(f"{self.last_letter}{FIRST_ROW}", reach).encode()
        filled = self.rows
        for letter, style in re.findall(rf'<c r="([A-Z]+){FIRST_ROW}" s="(\d+)"', text):
            filled = filled.replace(style_mark(letter), style)
        text = re.sub(r'<dimension ref="[^"]*"/>', f'<dimension ref="A1:{reach}"/>', text, count=1)
        return text.replace("</sheetData>", f"{filled}</sheetData>", 1).encode()


class StatementBook:
    """A workbook in the making. Close it with `finished`, handing over the rows of its long tables."""

    def __init__(self, made_at: datetime, title: str) -> None:
        self._bytes = io.BytesIO()
        self._book: Workbook = xlsxwriter.Workbook(self._bytes, {"in_memory": True, "strings_to_formulas": False})
        # The same statement gives the same bytes: nothing in the file says when it happened to be written.
        self._book.set_properties({"title": title, "created": made_at.astimezone(UTC).replace(tzinfo=None)})
        self._book.set_calc_mode("auto")
        self._bold = self._book.add_format({"bold": True})
        self._title = self._book.add_format({"bold": True, "font_size": 14})
        self._formats = {
            form: self._book.add_format({"num_format": form}) for form in (MONEY, RATE, INSTANT, "0", "#,##0")
        }
        self._total = self._book.add_format({"num_format": MONEY, "bold": True})
        self._long: dict[int, _Long] = {}

    def lines_sheet(
        self, heading: list[tuple[str, str]], lines: list[dict[str, Any]], sums: dict[str, Decimal]
    ) -> None:
        """The statement itself: its facts, its lines as a table, its total and whether the other sheets agree."""
        sheet = self._book.add_worksheet("Statement")
        sheet.write_string(0, 0, "Statement", self._title)
        for place, (name, value) in enumerate(heading, 1):
            sheet.write_string(place, 0, name, self._bold)
            sheet.write_string(place, 1, value)
        top = len(heading) + 2
        columns = ["section", "participant_type", "declaration_type", "band", "count", "rate", "amount", "what"]
        body = [line for line in lines if line["section"] != "total"]
        self._table(sheet, "Lines", top, columns, len(body))
        for place, line in enumerate(body, top + 1):
            self._row(sheet, place, columns, line)
        foot = top + len(body) + 2
        self._sum(sheet, foot, "Total, VAT included", "=SUM(Lines[amount])", sums["total"])
        checks = [
            ("Declarations, amounts and uplifts", "=SUM(Declarations[amount])+SUM(Declarations[uplift_amount])"),
            ("Delivery partners", "=SUM(Partners[amount])"),
            ("Outputs, clawbacks and uplifts of this statement", _of_sections()),
        ]
        for place, (words, formula) in enumerate(checks, foot + 1):
            self._sum(sheet, place, words, formula, sums["declarations"])
        agree = f'=IF(AND(ROUND(G{foot + 2}-G{foot + 4},2)=0,ROUND(G{foot + 3}-G{foot + 4},2)=0),"yes","no")'
        sheet.write_string(foot + 4, 0, "These three agree", self._bold)
        sheet.write_formula(foot + 4, 6, agree, self._bold, "yes")
        for place, width in enumerate((22, 16, 18, 8, 10, 14, 16, 60)):
            sheet.set_column(place, place, width)

    def _sum(self, sheet: Worksheet, row: int, words: str, formula: str, value: Decimal) -> None:
        sheet.write_string(row, 0, words, self._bold)
        sheet.write_formula(row, 6, formula, self._total, value)

    def long_sheet(
        self, name: str, table: str, columns: list[str], first: dict[str, Any] | None, rows: str, count: int,
        sums: dict[str, Decimal],
    ) -> None:  # fmt: skip
        """A table of many rows. first: its first row's cells as text, None where there is none; rows: the others as XML
        (see `rows_of`); count: of them all; sums: column → total, shown above it as a formula over the table."""
        sheet = self._book.add_worksheet(name)
        sheet.write_string(0, 0, name, self._title)
        sheet.write_string(1, 0, "Total", self._bold)
        for column, value in sums.items():
            sheet.write_formula(1, columns.index(column), f"=SUM({table}[{column}])", self._total, value)
        # XlsxWriter is told of one row: it would note every cell of a longer table. The others are put in by `finished`.
        self._table(sheet, table, HEADER_ROW - 1, columns, 1)
        if first is not None:
            self._row(sheet, FIRST_ROW - 1, columns, first)
        for place, column in enumerate(columns):
            sheet.set_column(place, place, WIDTHS.get(column, 16))
        sheet.freeze_panes(HEADER_ROW, 0)
        self._long[len(self._book.worksheets())] = _Long(
            rows, xl_col_to_name(len(columns) - 1), HEADER_ROW + max(count, 1)
        )

    def _table(self, sheet: Worksheet, table: str, row: int, columns: list[str], count: int) -> None:
        options = {
            "name": table, "columns": [{"header": column} for column in columns], "style": "Table Style Light 1",
        }  # fmt: skip
        sheet.add_table(row, 0, row + max(count, 1), len(columns) - 1, options)

    def _row(self, sheet: Worksheet, row: int, columns: list[str], cells: dict[str, Any]) -> None:
        for place, name in enumerate(columns):
            value = cells.get(name)
            if value is None:
                # An empty cell keeps its column's style, which the rows below it take over.
                if name in NUMBERS or name in INSTANTS:
                    sheet.write_blank(row, place, None, self._style(name))
            elif name in NUMBERS:
                sheet.write_number(row, place, Decimal(value), self._style(name))
            elif name in INSTANTS:
                days = pl.select(serial(pl.lit(value))).item()
                sheet.write_number(row, place, Decimal(days), self._style(name))
            else:
                sheet.write_string(row, place, str(value))

    def _style(self, name: str) -> Any:
        return self._formats[NUMBERS.get(name, INSTANT)]

    def finished(self) -> bytes:
        """The workbook's bytes, the long tables' rows put in."""
        self._book.close()
        done = io.BytesIO()
        with (
            zipfile.ZipFile(self._bytes) as parts,
            zipfile.ZipFile(done, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out,
        ):
            for part in parts.infolist():
                content = parts.read(part)
                # Every sheet has one table, so that their numbers agree.
                number = re.fullmatch(r"xl/(worksheets/sheet|tables/table)(\d+)\.xml", part.filename)
                if number and int(number[2]) in self._long:
                    content = self._long[int(number[2])].put_into(content)
                out.writestr(zipfile.ZipInfo(part.filename), content, zipfile.ZIP_DEFLATED, 1)
        return done.getvalue()


def _of_sections() -> str:
    parts = [
        f'SUMIFS(Lines[amount],Lines[section],"{name}")' for name in ("output", "clawback", "uplift", "uplift-clawback")
    ]
    return "=" + "+".join(parts)


def text_sheet(name: str, columns: list[str], portions: Iterable[pl.DataFrame], made_at: datetime) -> bytes:
    """A workbook of one sheet whose cells are all text and stay it: what is typed over them, too. portions: frames of text
    columns, named so; the same rows give the same bytes."""
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties({"created": made_at.astimezone(UTC).replace(tzinfo=None)})
    as_text = book.add_format({"num_format": "@"})
    sheet = book.add_worksheet(name)
    for place, column in enumerate(columns):
        sheet.set_column(place, place, WIDTHS.get(column, 20), as_text)
        sheet.write_string(0, place, column, book.add_format({"num_format": "@", "bold": True}))
    sheet.freeze_panes(1, 0)
    book.close()
    parts = zipfile.ZipFile(made)
    text = parts.read("xl/worksheets/sheet1.xml").decode()
    style = next(iter(re.findall(r'<col [^>]*style="(\d+)"', text)))
    letters = [xl_col_to_name(place) for place in range(len(columns))]
    lines, row = [], 2
    for portion in portions:
        frame = portion.rename(dict(zip(portion.columns, letters, strict=True))).select(pl.all().cast(pl.String))
        cells = [SheetColumn(letter, "text", letter, style) for letter in letters]
        lines += sheet_lines(frame, cells, pl.int_range(row, row + frame.height)).to_list()
        row += frame.height
    filled = text.replace("</sheetData>", "".join(lines) + "</sheetData>", 1)
    done = io.BytesIO()
    with zipfile.ZipFile(done, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out:
        for part in parts.infolist():
            content = filled.encode() if part.filename == "xl/worksheets/sheet1.xml" else parts.read(part)
            out.writestr(zipfile.ZipInfo(part.filename), content, zipfile.ZIP_DEFLATED, 1)
    return done.getvalue()
