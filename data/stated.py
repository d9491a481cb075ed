"""Lists of what is expected to be paid: which of them stands for which month. The last that names a month does."""

import polars as pl

from data.reader import Reader
from schemas.columns import typed
from schemas.needs import FRAMES

MONTH = ["lead_provider_id", "contract_period", "statement_month"]
_STATED = """
SELECT m.lead_provider_id, m.contract_period, m.statement_month, m.submission_id, x.number, x.received_at, x.file_name
FROM stated_months m JOIN submissions x ON x.submission_id = m.submission_id
"""
_ROWS = """
SELECT {columns} FROM stating s CROSS JOIN expected_payments t WHERE t.submission_id = s.id AND t.lead_provider_id = ?
"""


def stated_months(reader: Reader, lead_provider_id: str | None = None) -> pl.DataFrame:
    """Every month that a list of one lead provider, or of any, has named: MONTH, submission_id, number (of the submission),
    received_at, file_name; in the order in which the lists came."""
    whose, owner = ("", []) if lead_provider_id is None else ("WHERE m.lead_provider_id = ?", [lead_provider_id])
    return typed(reader.frame(_STATED + whose, *owner)).sort("number")


def last_of_each(stated: pl.DataFrame) -> pl.DataFrame:
    """Of each month the list that stands for it."""
    return stated.unique(MONTH, keep="last", maintain_order=True)


def rows_that_stand(reader: Reader, lead_provider_id: str, months: pl.Series) -> pl.DataFrame:
    """The rows of the lists that stand for these months (YYYY-MM): the columns of the frame `stated_before`."""
    last = last_of_each(stated_months(reader, lead_provider_id))
    last = last.filter(pl.col("statement_month").is_in(months.implode()))
    columns = ", ".join(f"t.{name}" for name in FRAMES["stated_before"])
    rows = typed(reader.frame(_ROWS.format(columns=columns), lead_provider_id, stating=last["submission_id"]))
    key = ["submission_id", "contract_period", "statement_month"]
    return rows.join(last.select(key), on=key, how="semi")
