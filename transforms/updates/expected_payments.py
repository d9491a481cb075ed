"""What a provider expects to be paid: kept as stated, month by month (handbook: rules 11a). The records do not change."""

import polars as pl

from schemas.expected_payments import RULES
from schemas.snapshot import Snapshot
from schemas.vocabulary import PARTICIPANT_TYPES
from transforms.changes import ChangeSet, Submission
from transforms.facts import lower
from transforms.update import ACCEPTED, Update, note, verdicts

_KEY = ["statement_month", "contract_period", "participant_id", "participant_type", "declaration_type"]


def facts(rows: pl.DataFrame, snapshot: Snapshot, _submission: Submission) -> pl.DataFrame:
    """Rows with is_stated_above: an accepted row above states the same declaration for the same month."""
    rows = lower(rows, "participant_id", "course_identifier", "declaration_type", "delivery_partner_id").with_columns(
        year=pl.col("contract_period").cast(pl.Int64, strict=False),
        participant_type=pl.col("course_identifier").replace_strict(
            PARTICIPANT_TYPES, default=None, return_dtype=pl.String
        ),
    )
    stated = snapshot.expected_payments.select(_KEY).rename({"contract_period": "year"}).unique()
    stated = stated.with_columns(is_stated_above=pl.lit(True))
    rows = rows.join(
        stated, on=["year", *(name for name in _KEY if name != "contract_period")], how="left", maintain_order="left"
    )
    return rows.with_columns(pl.col("is_stated_above").fill_null(False))


def effects(accepted: pl.DataFrame, _snapshot: Snapshot, submission: Submission) -> ChangeSet:
    """Each accepted row is kept. Which file stands for a month is settled when statements are made: the last one that
    names it."""
    kept = accepted.select(
        pl.lit(submission.submission_id).alias("submission_id"),
        "row_number",
        pl.lit(submission.lead_provider_id).alias("lead_provider_id"),
        "statement_month",
        pl.col("year").alias("contract_period"),
        "participant_id",
        "participant_type",
        "declaration_type",
        pl.col("expected_amount").cast(pl.Decimal(14, 2)),
        "delivery_partner_id",
        "your_reference",
    )
    return ChangeSet({"expected_payments": kept} if kept.height else {})


def told(rows: pl.DataFrame, _submission: Submission) -> pl.DataFrame:
    return verdicts(
        rows,
        note(
            ACCEPTED,
            "Kept for {statement_month}, contract period {contract_period}; together with the other accepted rows of "
            "this file it replaces what you stated for that month before.",
            rows,
        ),
    )


UPDATE = Update(RULES, frozenset(), facts, effects, told)
