"""The least for the same files: the libraries that write them, given ready rows."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import xlsxwriter

Sheets = dict[str, list[tuple[Any, ...]]]


def sheets_of(path: Path) -> Sheets:
    """A workbook's cells, by sheet."""
    book = openpyxl.load_workbook(path, read_only=True)
    return {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets}


def write_sheets(place: Path, sheets: Iterable[tuple[str, Iterable[tuple[Any, ...]]]]) -> None:
    """XlsxWriter, its cells alone: no widths, styles, filters or printing."""
    with xlsxwriter.Workbook(
        place, {"constant_memory": True, "tmpdir": place.parent, "default_date_format": "yyyy-mm-dd"}
    ) as book:
        for name, rows in sheets:
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows):
                for column, value in enumerate(row):
                    if isinstance(value, str):
                        sheet.write_string(number, column, value)
                    elif value is not None:
                        sheet.write(number, column, value)


class Written:
    """Files as they were delivered, ready to be written again: CSV by Polars, sheets by XlsxWriter, all else as bytes."""

    def __init__(self, paths: list[Path]) -> None:
        self._frames = [pl.read_csv(path, infer_schema=False) for path in paths if path.suffix == ".csv"]
        self._books = [sheets_of(path) for path in paths if path.suffix == ".xlsx"]
        self._bytes = [path.read_bytes() for path in paths if path.suffix not in (".csv", ".xlsx")]

    def write(self, folder: Path) -> None:
        for number, frame in enumerate(self._frames):
            frame.write_csv(folder / f"{number}.csv")
        for number, sheets in enumerate(self._books):
            write_sheets(folder / f"{number}.xlsx", sheets.items())
        for number, content in enumerate(self._bytes):
            (folder / f"{number}.bytes").write_bytes(content)


def frame_rows(frame: pl.DataFrame) -> Iterable[tuple[Any, ...]]:
    """A header, then the rows."""
    yield tuple(frame.columns)
    yield from frame.iter_rows()
