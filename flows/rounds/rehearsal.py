"""What would become of rows if they were sent now. Nothing is applied."""

from datetime import datetime

import polars as pl

from data.reader import Reader
from data.snapshots import snapshot_for
from schemas.inbound.reading import Limits, read_sheet
from schemas.kinds import KINDS
from transforms.changes import act_of_file
from transforms.judging import Judgement, judge


def rehearse(reader: Reader, kind: str, rows: pl.DataFrame, lead_provider_id: str, now: datetime) -> Judgement:
    """Judge rows (text columns of the kind) as a file received `now` from this lead provider."""
    sheet = read_sheet(rows.write_csv().encode(), KINDS[kind], Limits())
    snapshot = snapshot_for(reader, KINDS[kind].needs, sheet.values, lead_provider_id)
    return judge(sheet, KINDS[kind], snapshot, act_of_file("rehearsal", lead_provider_id, now))


def acceptable(reader: Reader, kind: str, rows: pl.DataFrame, lead_provider_id: str, now: datetime) -> pl.DataFrame:
    """Those of the rows that would be accepted."""
    return rows.filter(rehearse(reader, kind, rows, lead_provider_id, now).verdicts["outcome"] == "accepted")
