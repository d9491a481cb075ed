"""Sheets of many rows: as XlsxWriter would have written them, cell by cell."""

import io
from datetime import UTC, datetime
from zipfile import ZipFile

import openpyxl
import polars as pl
import pytest
import xlsxwriter
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.columns import COLUMNS
from templates import filling
from templates.filling import FIRST_ROW, Rows, fill
from templates.workbook import LongBook, text_sheet
from tests.laws import tried

AT = datetime(2026, 12, 1, tzinfo=UTC)
NAMES = ["words", "counts", "money"]
ODD = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    [
        "=1+1",
        "_x0041_",
        "_x005F_x0041_",
        "_x00_x0041__",
        "\x1f\x00z",
        "<a>&\"'",
        "\ufffe\uffff",
        " lead",
        "trail\n",
        "\r\n",
        "",
        "'",
        "00012",
    ]
)
TABLES = st.lists(
    st.tuples(
        st.none() | ODD, st.none() | st.integers(-(2**53), 2**53), st.none() | st.decimals(-(10**9), 10**9, places=2)
    ),
    max_size=8,
)


def by_the_library(rows: list[tuple]) -> bytes:
    content = io.BytesIO()
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(content, options)
    sheet, styles = laid_out(book)
    for number, row in enumerate(rows, FIRST_ROW - 1):
        for place, value in enumerate(row):
            if value is not None:
                (sheet.write_string if place == 0 else sheet.write_number)(number, place, value, styles[place])
    book.close()
    return content.getvalue()


def laid_out(book: xlsxwriter.Workbook):
    sheet, styles = (
        book.add_worksheet(),
        [None, book.add_format({"num_format": "0"}), book.add_format({"num_format": "#,##0.00"})],
    )
    for place, name in enumerate(NAMES):
        sheet.write_string(0, place, name)
    return sheet, styles


def by_us(rows: list[tuple]) -> bytes:
    content, filled = io.BytesIO(), io.BytesIO()
    book = xlsxwriter.Workbook(content)
    sheet, styles = laid_out(book)
    for place, style in enumerate(styles):
        sheet.write_blank(FIRST_ROW - 1, place, None, style)
    book.close()
    frame = pl.DataFrame(rows, dict(zip(NAMES, (pl.String, pl.Int64, pl.Decimal(14, 2)), strict=True)), orient="row")
    fill(content, filled, {1: Rows(frame.height, lambda: frame)})
    return filled.getvalue()


def cells_of(content: bytes) -> list[list[tuple]]:
    sheet = openpyxl.load_workbook(io.BytesIO(content)).active
    assert sheet
    return [[(cell.value, cell.data_type, cell.number_format) for cell in row] for row in sheet.iter_rows()]


@tried(100)
@given(TABLES)
@example([])
@example([(None, None, None), ("x" * 40_000, 1, None)])
def test_a_cell_is_what_the_library_would_have_written(rows: list[tuple]):
    ours, theirs = cells_of(by_us(rows)), cells_of(by_the_library(rows))
    while ours and all(cell[0] is None for cell in ours[-1]):  # rows of no cells
        ours.pop()
    while theirs and all(cell[0] is None for cell in theirs[-1]):
        theirs.pop()
    assert ours == theirs


def test_many_rows_are_written_in_pieces_and_come_to_the_same(monkeypatch: pytest.MonkeyPatch):
    rows = [(f"{n}", n, None) for n in range(50)]
    whole = by_us(rows)
    monkeypatch.setattr(filling, "AT_ONCE", 7)
    assert by_us(rows) == whole == by_us(rows)
    with ZipFile(io.BytesIO(whole)) as parts:
        assert b'<dimension ref="A1:C51"/>' in parts.read("xl/worksheets/sheet1.xml")
        assert parts.testzip() is None


@pytest.mark.parametrize(
    ("place", "letters"), [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (701, "ZZ"), (702, "AAA")]
)
def test_columns_have_a_spreadsheets_letters(place: int, letters: str):
    assert filling._letters(place) == letters


def test_more_than_26_columns_keep_their_places():
    rows = pl.DataFrame({f"column {n}": [f"cell {n}", None] for n in range(60)})
    sheet = openpyxl.load_workbook(io.BytesIO(text_sheet("rejected", rows, AT))).active
    assert [cell.value for cell in next(sheet.iter_rows(min_row=2))] == [f"cell {n}" for n in range(60)]
    assert sheet["BH2"].number_format == "@"


def test_of_several_sheets_each_has_its_own_rows_or_words(tmp_path):
    book, columns = LongBook(AT, "Records"), [COLUMNS["participant_id"]]
    for number, height in enumerate((2, 0, 3)):
        rows = pl.DataFrame(
            {"participant_id": [f"{number} {row}" for row in range(height)]}, {"participant_id": pl.String}
        )
        book.sheet(f"Sheet {number}", columns, Rows(height, lambda rows=rows: rows))
    book.sheet("Too many", columns, Rows(9, lambda: pytest.fail("nobody reads them")), "They do not fit.")
    book.finish(tmp_path / "book.xlsx")
    read = openpyxl.load_workbook(tmp_path / "book.xlsx")
    assert [[cell.value for cell in sheet["A"]][1:] for sheet in read] == [
        ["0 0", "0 1"],
        [],
        ["2 0", "2 1", "2 2"],
        ["They do not fit."],
    ]
