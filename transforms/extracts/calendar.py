"""statements.csv, milestones.csv, contract-periods.csv: what is due when."""

import polars as pl

from schemas.frames import joined
from transforms.extracts.view import View

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def statements(view: View) -> pl.DataFrame:
    """The columns of statements.csv: those that declarations may be on."""
    rows = view.own(view.held.statements)
    rows = joined(rows, view.held.versions, "statement_id")
    return rows.select(
        "year", "payment_date", "status", "fee_type", "total", "version",
        pl.col("month").replace_strict(dict(enumerate(_MONTHS, 1)), default=None, return_dtype=pl.String),
        (pl.col("status") == "paid").alias("paid"),
        id="statement_id", cohort="contract_period", cut_off_date="deadline_date",
    )  # fmt: skip


def milestones(view: View) -> pl.DataFrame:
    """The columns of milestones.csv: all of them, to everybody."""
    return view.held.milestones.rename({"contract_period": "cohort"})


def contract_periods(view: View) -> pl.DataFrame:
    """The columns of contract-periods.csv: all of them, to everybody."""
    return view.held.contract_periods.rename({"contract_period": "cohort"})
