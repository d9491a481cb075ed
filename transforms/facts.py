"""Views of the records that several kinds of update share: who trains whom, T, statuses, the next statement.

Nothing is judged here.
"""

from datetime import date

import polars as pl

from schemas import lifecycle
from schemas.frames import holds, joined
from schemas.lifecycle import statement_month, training_status
from schemas.needs import Snapshot
from schemas.vocabulary import PARTICIPANT_TYPES
from transforms.changes import Act, said

ROLE = ["participant_id", "participant_type"]


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
    periods = joined(periods, partnerships, "partnership_id")
    return periods.with_columns(pl.coalesce("contract_period", "expression_of_interest_contract_period"))


def confirmed(periods: pl.DataFrame, lead_provider_id: str) -> pl.DataFrame:
    """Those of the periods that are this lead provider's, by partnership."""
    return periods.filter(pl.col("lead_provider_id") == lead_provider_id)


def latest(periods: pl.DataFrame) -> pl.DataFrame:
    """T: of each participant and role, the training period with the latest start (schemas/README.md, Whose training)."""
    return periods.sort("started_on", "training_period_id").unique(ROLE, keep="last", maintain_order=True)


def next_statements(snapshot: Snapshot, today: date, *statuses: str) -> pl.DataFrame:
    """Where the next thing of each contract period goes (schemas.lifecycle): contract_period, next_statement_id,
    next_statement_month (YYYY-MM), next_deadline."""
    return lifecycle.next_statements(snapshot.statements, today, *statuses).select(
        "contract_period",
        next_statement_id="statement_id",
        next_statement_month=statement_month(),
        next_deadline="deadline_date",
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
    rows = joined(rows, people, "participant_id")
    rows = joined(rows, merged, "participant_id")
    return rows.with_columns(holds(pl.col("is_your_participant")))


def with_training(
    rows: pl.DataFrame, snapshot: Snapshot, act: Act, schedule: str = "schedule_identifier"
) -> pl.DataFrame:
    """Add what with_participant adds, and T: the columns of `trained` (its contract period under the name
    training_contract_period, its schedule under that of `schedule`), training_status, today. Shared by status and
    schedule updates (rules -001 to -005)."""
    own = confirmed(trained(snapshot), act.lead_provider_id)
    rows = with_participant(rows, snapshot, own)
    period = latest(own).rename({"contract_period": "training_contract_period", "schedule_identifier": schedule})
    period = period.with_columns(training_status().alias("training_status"))
    rows = joined(rows, period, ROLE)
    return rows.with_columns(pl.lit(act.today).alias("today"))


def asked_before(rows: pl.DataFrame, snapshot: Snapshot, kind: str, *values: str) -> pl.DataFrame:
    """Add asked_before: an accepted row of this lead provider made T what it is, by an event of this kind that kept
    the same values. Adds asked_at, its instant. (schemas/README.md, How rows are judged)"""
    memory = snapshot.events.filter(pl.col("type") == kind)
    same = {f"_{name}": said(name) for name in values}
    memory = memory.select("training_period_id", asked_at="happened_at", asked_before=pl.lit(True), **same)
    keys = ["training_period_id", *same]
    memory = memory.sort("asked_at").unique(keys, keep="last", maintain_order=True)
    rows = rows.with_columns([pl.col(name).cast(pl.String).alias(f"_{name}") for name in values])
    rows = joined(rows, memory, keys, nulls_equal=True)
    return rows.drop(list(same)).with_columns(holds(pl.col("asked_before")))
