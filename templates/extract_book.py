"""extract.xlsx: the full set for those who live in a spreadsheet, a sheet a file."""

from datetime import datetime
from functools import partial
from pathlib import Path

from schemas.outbound.extracts import FILES, ExtractFile
from templates.extract_files import set_file
from templates.filling import Rows
from templates.workbook import SHEET_ROWS, LongBook

NAMES = {file.name: file.name.replace("-", " ").capitalize() for file in FILES}


BOOK = "extract.xlsx"


def write_extract_book(folder: Path, into: Path, as_of: datetime, name: str) -> None:
    """Write extract.xlsx from the CSV files of a set, into a folder of its own: what is put down meanwhile is not part of it."""
    into.mkdir(parents=True)
    book = LongBook(as_of, f"{name}: DfE's records")
    for file in FILES:
        _sheet(book, file, folder)
    book.finish(into / BOOK)


def _sheet(book: LongBook, file: ExtractFile, folder: Path) -> None:
    rows = Rows(set_file(folder, file).height, partial(set_file, folder, file))  # read again: not all files at once
    columns = [each.column for each in file.sent]
    words = "" if rows.height < SHEET_ROWS else f"{rows.height:,} rows do not fit a sheet: read {file.name}.csv"
    book.sheet(NAMES[file.name], columns, rows, words)
