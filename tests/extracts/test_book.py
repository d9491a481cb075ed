"""extract.xlsx: the same rows for those who live in a spreadsheet."""

from datetime import datetime
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from flows.clock import instant
from flows.installation import Installation, LeadProvider
from flows.rounds.extracts import extracts_round
from schemas.outbound.extracts import FILES, MILESTONES
from templates import extract_book
from templates.extract_book import NAMES
from tests.exchange.provider import box


@pytest.mark.slow
def test_a_sheet_a_file_whose_cells_are_what_they_are(installation: Installation, provider: LeadProvider) -> None:
    with installation.database.write() as connection:
        connection.exec_driver_sql("UPDATE participants SET full_name = '=1+1'")
    extracts_round(installation, instant("2026-12-15T04:00:00Z"), [provider])
    folder = box(installation, provider) / "from-dfe/extracts/full"
    book = openpyxl.load_workbook(folder / "extract.xlsx")
    assert book.sheetnames == [NAMES[file.name] for file in FILES] and all(len(name) <= 31 for name in book.sheetnames)
    for file in FILES:
        sheet, rows = book[NAMES[file.name]], pl.read_csv(folder / f"{file.name}.csv", infer_schema=False)
        header, *cells = sheet.iter_rows(values_only=True)
        assert list(header) == file.columns and len(cells) == rows.height
        assert sheet.freeze_panes == "A2" and sheet.auto_filter.ref.startswith("A1:")
        for cell_row, row in zip(cells, rows.iter_rows(), strict=True):
            assert tuple(_as_text(*each) for each in zip(cell_row, row, file.sent, strict=True)) == tuple(
                value or "" for value in row
            )
    people = book["Participants"]
    kinds = {people.cell(1, place).value: people.cell(2, place) for place in range(1, people.max_column + 1)}
    assert (
        isinstance(kinds["training_started_on"].value, datetime)
        and kinds["training_started_on"].number_format == "yyyy-mm-dd"
    )
    assert kinds["teacher_reference_number"].data_type == kinds["id"].data_type == kinds["full_name"].data_type == "s"
    assert people.column_dimensions["AH"].width > 20  # instants can be read


def _as_text(cell: object, value: str | None, sent) -> str:  # type: ignore[no-untyped-def]
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%dT%H:%M:%SZ}" if sent.column.kind == "instant" else f"{cell:%Y-%m-%d}"
    if sent.column.kind == "money":
        return f"{cell:.2f}"
    return str(cell)


def test_rows_that_do_not_fit_a_sheet_are_left_to_the_file(
    installation: Installation, provider: LeadProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(extract_book, "SHEET_ROWS", 400)
    extracts_round(installation, instant("2026-12-15T04:00:00Z"), [provider])
    book = openpyxl.load_workbook(box(installation, provider) / "from-dfe/extracts/full/extract.xlsx")
    assert book[NAMES[MILESTONES.name]]["A2"].value == "486 rows do not fit a sheet: read milestones.csv"
