"""Rows of receipts as transforms.outstanding takes them. A receipt in the outbox never changes, so a process that stays reads each
but once."""

from collections import OrderedDict
from pathlib import Path

import polars as pl

from flows.installation import Installation
from flows.rounds.returned import returned_lines
from schemas.inbound.names import column_name
from schemas.outbound.receipts import RESULT_COLUMNS
from schemas.submission import Judged

MOST_ROWS = 1_000_000  # that are remembered
_REMEMBERED: OrderedDict[tuple[Path, tuple[str, ...]], pl.DataFrame] = OrderedDict()


def rows_of(installation: Installation, file: Judged, receipt: Path, what: list[str]) -> pl.DataFrame:
    """row_number, line_number, returned_line, outcome, and the columns `what` as they were sent, of a receipt; no row where it is
    gone. receipt: its folder in the outbox, named after what is in it."""
    key = (receipt, tuple(what))
    if key in _REMEMBERED:
        _REMEMBERED.move_to_end(key)
        return _REMEMBERED[key]
    path = receipt / "results.csv"
    rows = _read(installation, file, receipt, path, what)
    if path.is_file():
        _REMEMBERED[key] = rows
        kept = sum(each.height for each in _REMEMBERED.values())
        while kept > MOST_ROWS:
            kept -= _REMEMBERED.popitem(last=False)[1].height
    return rows


def _read(installation: Installation, file: Judged, receipt: Path, path: Path, what: list[str]) -> pl.DataFrame:
    columns = {"row_number": pl.Int64, "line_number": pl.Int64, "returned_line": pl.Int64, "outcome": pl.String}
    columns |= dict.fromkeys(what, pl.String)
    every = (
        pl.scan_csv(path, infer_schema=False)
        if path.is_file()
        else pl.LazyFrame(schema=dict.fromkeys(columns, pl.String))
    )
    sent = {_as_read(header): header for header in every.collect_schema().names()[len(RESULT_COLUMNS) :]}
    back = returned_lines(installation, file, receipt)
    cells = [(pl.col(sent[name]) if name in sent else pl.lit(None, pl.String)).alias(name) for name in what]
    of_all = ("row_number", "line_number", pl.lit(None).alias("returned_line"), "outcome")
    rows = every.select(*of_all, *cells).collect()
    if back is not None and back.len() == rows.height:
        rows = rows.with_columns(back.alias("returned_line"))
    return rows.select(pl.col(name).cast(dtype, strict=False) for name, dtype in columns.items())


def _as_read(header: str) -> str:
    """A column as sent, by the name that intake reads it by."""
    name = column_name(header)
    own = name.removeprefix("sent_")
    return own if own in RESULT_COLUMNS else name
