"""Views of the records that several kinds of update share: who trains whom, T, statuses, the next statement.

Nothing is judged here.
"""

from datetime import date, datetime

import polars as pl

from schemas.snapshot import Snapshot
from schemas.vocabulary import PARTICIPANT_TYPES
from transforms.changes import Submission, said

ROLE = ["participant_id", "participant_type"]
TRAINING_STATUSES = ("active", "deferred", "withdrawn")


def trained(snapshot: Snapshot) -> pl.DataFrame:
    """Every training period with its participant, school, lead provider, delivery partner and contract period.

    Returns the columns of training_periods, participant_id, participant_type, school_id, school_period_finished_on,
    lead_provider_id and delivery_partner_id (null without a partnership), contract_period (the partnership's, else
    that of the expression of interest).
    """
    spells = snapshot.school_periods.select(
        "school_period_id", *ROLE, "school_id", school_period_finished_on="finished_on"
    )
    partnerships = snapshot.partnerships.select(
        "partnership_id", "lead_provider_id", "delivery_partner_id", "contract_period"
    )
    periods = snapshot.training_periods.join(spells, on="school_period_id", maintain_order="left")
    periods = periods.join(partnerships, on="partnership_id", how="left", maintain_order="left")
    return periods.with_columns(pl.coalesce("contract_period", "expression_of_interest_contract_period"))


def confirmed(periods: pl.DataFrame, lead_provider_id: str) -> pl.DataFrame:
    """Those of the periods that are this lead provider's, by partnership."""
    return periods.filter(pl.col("lead_provider_id") == lead_provider_id)


def latest(periods: pl.DataFrame) -> pl.DataFrame:
    """T: of each participant and role, the training period with the latest start (handbook: domain 6.3)."""
    return periods.sort("started_on", "training_period_id").unique(ROLE, keep="last", maintain_order=True)


def training_status() -> pl.Expr:
    """What the lead provider has made of a training period: active, deferred or withdrawn (handbook: domain 7.3)."""
    deferred_later = (pl.col("deferred_at") > pl.col("withdrawn_at")).fill_null(pl.col("withdrawn_at").is_null())
    return (
        pl.when(pl.col("withdrawn_at").is_null() & pl.col("deferred_at").is_null()).then(pl.lit("active"))
        .when(deferred_later).then(pl.lit("deferred")).otherwise(pl.lit("withdrawn"))
    )  # fmt: skip


def has_ended(today: date) -> pl.Expr:
    """Participant status `left`, rather than joining, active or leaving (handbook: domain 7.4).

    Needs the columns of T, participant_type, induction_end_date, mentor_funding_end_date.
    """
    over = pl.when(pl.col("participant_type") == "ect").then("induction_end_date").otherwise("mentor_funding_end_date")
    completed = over.is_not_null() & (pl.col("finished_on").is_null() | (over <= pl.col("finished_on")))
    stopped = pl.col("withdrawn_at").is_not_null() | pl.col("deferred_at").is_not_null()
    past = (pl.col("finished_on") <= today).fill_null(False)
    return pl.when(stopped).then(past).otherwise(~completed & past)


def contains(day: date) -> pl.Expr:
    """Whether a period contains a day, its first and last included."""
    return (pl.col("started_on") <= day) & (pl.col("finished_on").is_null() | (pl.col("finished_on") >= day))


def is_frozen(now: datetime) -> pl.Expr:
    """Whether a contract period's payments have stopped."""
    return (pl.col("payments_frozen_at") <= now).fill_null(False)


def statement_month() -> pl.Expr:
    """A statement's month as YYYY-MM, from year and month."""
    return pl.format("{}-{}", pl.col("year"), pl.col("month").cast(pl.String).str.zfill(2))


def next_statements(statements: pl.DataFrame, today: date, *statuses: str) -> pl.DataFrame:
    """Where the next thing of each contract period goes: output, of these statuses, earliest deadline not yet past.

    Returns contract_period, next_statement_id, next_statement_month (YYYY-MM), next_deadline.
    """
    is_next = (pl.col("fee_type") == "output") & (pl.col("deadline_date") >= today) & pl.col("status").is_in(statuses)
    able = statements.filter(is_next)
    able = able.sort("deadline_date").unique("contract_period", keep="first", maintain_order=True)
    return able.select(
        "contract_period",
        pl.col("statement_id").alias("next_statement_id"),
        statement_month().alias("next_statement_month"),
        pl.col("deadline_date").alias("next_deadline"),
    )


def lower(rows: pl.DataFrame, *names: str) -> pl.DataFrame:
    """Ids and words from a list are matched in any case."""
    return rows.with_columns(pl.col(*names).str.to_lowercase())


def with_participant(rows: pl.DataFrame, snapshot: Snapshot, own: pl.DataFrame) -> pl.DataFrame:
    """Add participant_type, the participant's columns (trn as held_trn), is_your_participant, merged_into (the id to
    use instead, where two records were merged and the one kept is this lead provider's).

    own: the confirmed training periods of this lead provider.
    """
    rows = lower(rows, "participant_id", "course_identifier").with_columns(
        pl.col("course_identifier")
        .replace_strict(PARTICIPANT_TYPES, default=None, return_dtype=pl.String)
        .alias("participant_type")
    )
    yours = own.select("participant_id", is_your_participant=pl.lit(True)).unique("participant_id")
    people = snapshot.participants.rename({"trn": "held_trn"}).join(yours, on="participant_id", how="left")
    merged = snapshot.participant_id_changes.select(
        participant_id="from_participant_id", merged_into="to_participant_id"
    ).join(yours, left_on="merged_into", right_on="participant_id", how="semi")
    merged = merged.unique("participant_id", keep="last", maintain_order=True)
    rows = rows.join(people, on="participant_id", how="left", maintain_order="left")
    rows = rows.join(merged, on="participant_id", how="left", maintain_order="left")
    return rows.with_columns(pl.col("is_your_participant").fill_null(False))


def with_training(
    rows: pl.DataFrame, snapshot: Snapshot, submission: Submission, schedule: str = "schedule_identifier"
) -> pl.DataFrame:
    """Add what with_participant adds, and T: the columns of `trained` (its contract period under the name
    training_contract_period, its schedule under that of `schedule`), training_status, today. Shared by status and
    schedule updates (handbook: rules 3)."""
    own = confirmed(trained(snapshot), submission.lead_provider_id)
    rows = with_participant(rows, snapshot, own)
    period = latest(own).rename({"contract_period": "training_contract_period", "schedule_identifier": schedule})
    period = period.with_columns(training_status().alias("training_status"))
    rows = rows.join(period, on=ROLE, how="left", maintain_order="left")
    return rows.with_columns(pl.lit(submission.today).alias("today"))


def asked_before(rows: pl.DataFrame, snapshot: Snapshot, kind: str, *values: str) -> pl.DataFrame:
    """Add asked_before: an accepted row of this lead provider made T what it is, by an event of this kind that kept
    the same values. Adds asked_at, its instant. (handbook: rules 1, Rows, repeats and order)"""
    memory = snapshot.events.filter(pl.col("type") == kind)
    same = {f"_{name}": said(name) for name in values}
    memory = memory.select("training_period_id", asked_at="happened_at", asked_before=pl.lit(True), **same)
    keys = ["training_period_id", *same]
    memory = memory.sort("asked_at").unique(keys, keep="last", maintain_order=True)
    rows = rows.with_columns([pl.col(name).cast(pl.String).alias(f"_{name}") for name in values])
    rows = rows.join(memory, on=keys, how="left", nulls_equal=True, maintain_order="left")
    return rows.drop(list(same)).with_columns(pl.col("asked_before").fill_null(False))
