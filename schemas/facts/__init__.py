"""The field's facts, as tables: calendars, evidence, proportions, schedules, reasons. Each is read once, and typed once.

Where they come from is said in each file's own `source` or `note` column, or in schemas/README.md.
"""

import csv
from functools import cache
from pathlib import Path

import polars as pl

FOLDER = Path(__file__).parent


def _text(name: str) -> pl.DataFrame:
    return pl.read_csv(FOLDER / f"{name}.csv", infer_schema=False)


def rows_of(name: str) -> list[dict[str, str]]:
    """A table's rows, read without Polars: to import what only needs words must start no thread."""
    with (FOLDER / f"{name}.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


@cache
def contract_periods() -> pl.DataFrame:
    """contract_period (integer), started_on, finished_on (days), enabled (bool), payments_frozen_at (UTC), and the flags of
    mentor funding, detailed evidence and uplift fees (bool)."""
    return _text("contract_periods").select(
        pl.col("contract_period_year").cast(pl.Int64).alias("contract_period"),
        pl.col("started_on", "finished_on").str.to_date(),
        pl.col("enabled") == "true",
        pl.col("payments_frozen_at").str.to_datetime("%Y-%m-%dT%H:%M:%S%z").cast(pl.Datetime("us", "UTC")),
        *(
            pl.col(flag) == "true"
            for flag in ("mentor_funding_enabled", "detailed_evidence_types_enabled", "uplift_fees_enabled")
        ),
    )


@cache
def milestones() -> pl.DataFrame:
    """contract_period (integer), schedule_identifier, declaration_type, start_date, milestone_date (days)."""
    return _text("schedules_milestones").select(
        pl.col("contract_period_year").cast(pl.Int64).alias("contract_period"),
        "schedule_identifier",
        "declaration_type",
        pl.col("start_date", "milestone_date").str.to_date(),
    )


@cache
def statement_calendar() -> pl.DataFrame:
    """The recommended months of each contract period: contract_period, year, month (integers), fee_type, deadline_date,
    payment_date (days)."""
    return _text("statement_calendar").filter(pl.col("recommended") == "true").select(
        pl.col("contract_period_year").cast(pl.Int64).alias("contract_period"),
        pl.col("statement_year").cast(pl.Int64).alias("year"),
        pl.col("statement_month").cast(pl.Int64).alias("month"),
        "fee_type",
        pl.col("deadline_date", "payment_date").str.to_date(),
    )  # fmt: skip


@cache
def evidence_matrix() -> pl.DataFrame:
    """Which evidence goes with which declaration (schemas/README.md, Evidence).

    Returns detailed_evidence_types_enabled (bool), participant_type, declaration_type, evidence_type, evidence_rule
    (`required`; or `ignored` with a null evidence_type: whatever is sent is dropped).
    """
    return _text("evidence_types").select(
        (pl.col("regime") == "detailed").alias("detailed_evidence_types_enabled"),
        "participant_type",
        "declaration_type",
        "evidence_type",
        "evidence_rule",
    )


@cache
def fee_proportions() -> pl.DataFrame:
    """contract_type, calculator (`banded`, `flat_rate`), declaration_type, fee_proportion (Decimal(3, 2)): what share of the
    output fee a declaration of each type is worth (transforms/README.md, Proportions)."""
    return _text("fee_proportions").select(
        "contract_type", "calculator", "declaration_type", pl.col("fee_proportion").cast(pl.Decimal(3, 2))
    )
