"""A rejected.csv of ours that came back: which rejected line each of its rows is."""

import json
from pathlib import Path

import polars as pl

from flows.installation import Installation
from schemas.inbound.failure import FileFailure
from schemas.inbound.names import column_name
from schemas.inbound.reading import read_sheet
from schemas.kinds import KINDS
from schemas.submission import Judged
from templates.receipt import LAST_FILE

_HEAD_BYTES = 4096


def returned_lines(installation: Installation, file: Judged, receipt: Path) -> pl.Series | None:
    """What the rows of a file have as `line_number` (text, in file order), if it is a rejected.csv that came back; else None.
    Receipts leave that column out, so it is read from the file as it was sent. receipt: its folder in the outbox."""
    if file.kind is None or not (receipt / LAST_FILE).is_file():
        return None
    upload = installation.stored_upload(json.loads((receipt / LAST_FILE).read_bytes())["sha256"])
    if not upload.is_file():
        return None
    with upload.open("rb") as content:
        head = content.read(_HEAD_BYTES).replace(b"\0", b"").lower()
        if b"line" not in head or b"errors" not in head:
            return None
        content.seek(0)
        try:
            sheet = read_sheet(content, KINDS[file.kind], installation.limits)
        except FileFailure:
            return None
    names = [column_name(header) for header in sheet.header]
    return sheet.cells[str(names.index("line_number"))] if {"line_number", "errors"} <= set(names) else None
