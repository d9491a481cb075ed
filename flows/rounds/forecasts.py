"""What each lead provider could still declare for the statements that are near, put into its mailbox where that changed."""

import codecs
from datetime import datetime, timedelta

import polars as pl

from data.accounts import load_accounts
from data.forecasts import names_in, trained_snapshot
from data.reader import Reader
from flows.installation import LeadProvider
from flows.rounds.places import FORECASTS as FOLDER
from schemas.instants import london_day
from schemas.outbound.forecast import FORECAST
from sftp.mailbox import Mailbox
from templates.forecast import forecast_page
from transforms.forecast.candidates import candidates
from transforms.forecast.pricing import forecast

PAGE = f"{FOLDER}/index.html"
_GONE = timedelta(days=400)  # how long after its deadline a month's file is looked for, to take it away
_MONTHS = """
SELECT DISTINCT s.year, s.month FROM statements s JOIN contracts c ON c.contract_id = s.contract_id
WHERE c.lead_provider_id = ? AND s.fee_type = 'output' AND s.deadline_date >= ? AND s.deadline_date <= ?
"""


def forecast_of(reader: Reader, provider: LeadProvider, near: pl.DataFrame, now: datetime) -> dict[str, bytes | None]:
    """What is to lie in a lead provider's mailbox: path → content; None: it is not to be there. near: everybody's statements, as
    data.forecasts.near_statements gives them."""
    own, today = provider.lead_provider_id, london_day(now)
    statements = near.filter(pl.col("lead_provider_id") == own)
    months = reader.frame(_MONTHS, own, str(today - _GONE), str(today + _GONE))
    named = months.select(pl.format("{}-{}", "year", pl.col("month").str.zfill(2))).to_series()
    files: dict[str, bytes | None] = {f"{FOLDER}/{month}.csv": None for month in named}
    if statements.is_empty():
        return files | {PAGE: forecast_page(provider.name, None).encode()}
    snapshot = trained_snapshot(reader, own, statements["contract_period"].unique().to_list())
    accounts = load_accounts(reader, statements["statement_id"].to_list())
    made = forecast(accounts, candidates(snapshot, statements, own, now, today), *names_in(reader, snapshot), today)
    for (month,), rows in made.rows.partition_by("statement_month", as_dict=True, maintain_order=True).items():
        files[f"{FOLDER}/{month}.csv"] = codecs.BOM_UTF8 + rows.select(FORECAST.columns).write_csv().encode()
    return files | {PAGE: forecast_page(provider.name, made).encode()}


def put_forecasts(mailbox: Mailbox, files: dict[str, bytes | None]) -> None:
    """What is so already is left alone."""
    for path, content in files.items():
        mailbox.put_or_remove(path, content)
