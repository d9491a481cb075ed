"""participants.csv: everybody whom a lead provider trains or has ever trained, by a partnership, a row a role.

Who has left stays. Source: RECT app/serializers/api/teacher_serializer.rb.
"""

import polars as pl

from schemas.frames import holds, joined
from schemas.instants import day_in_london
from schemas.lifecycle import participant_status, training_status
from transforms.extracts.view import ROLE, View

_IS_ECT = pl.col("participant_type") == "ect"
_ENDED = ("induction_end_date", "mentor_funding_end_date")


def participants(view: View) -> pl.DataFrame:
    """The columns of participants.csv."""
    rows = view.shown.rename({"started_on": "training_started_on", "finished_on": "training_finished_on"}).drop(
        "created_at"
    )
    rows = rows.join(view.held.participants.drop("created_at"), on="participant_id", maintain_order="left")
    rows = _at_school(rows, view)
    rows = joined(rows, view.nation.assigned.select("school_period_id", "mentor_id"), "school_period_id")
    rows = joined(rows, view.held.merges, "participant_id")
    rows = _with_uplifts(rows, view)
    status = training_status()
    rows = rows.with_columns(
        training_status=status,
        participant_status=_status(rows, view),
        eligible_for_funding=_is_eligible(),
        training_record_id=_of_role("ect_training_record_id", "mentor_training_record_id"),
        cohort_changed_after_payments_frozen=_of_role(
            "ect_payments_frozen_year", "mentor_payments_frozen_year"
        ).is_not_null(),
    )
    withdrawn, deferred = pl.col("training_status") == "withdrawn", pl.col("training_status") == "deferred"
    ects, mentors = _only(_IS_ECT), _only(~_IS_ECT)
    return rows.select(
        "full_name", "training_record_id", "email", "school_urn", "participant_type", "training_status", "participant_status",
        "eligible_for_funding", "pupil_premium_uplift", "sparsity_uplift", "schedule_identifier", "delivery_partner_id",
        "created_at", "training_started_on", "training_finished_on", "school_started_on", "school_finished_on",
        "cohort_changed_after_payments_frozen", "previous_participant_ids", "updated_at",
        pl.col("participant_id").alias("id"),
        pl.col("trn").alias("teacher_reference_number"),
        pl.col("contract_period").alias("cohort"),
        ects("mentor_id"),
        pl.when(withdrawn).then("withdrawal_reason").alias("withdrawal_reason"),
        pl.when(withdrawn).then("withdrawn_at").alias("withdrawal_date"),
        pl.when(deferred).then("deferral_reason").alias("deferral_reason"),
        pl.when(deferred).then("deferred_at").alias("deferral_date"),
        ects("induction_end_date"),
        ects("induction_start_date").alias("overall_induction_start_date"),
        ects("most_recent_induction_period_end_date"),
        ects("working_pattern"),
        mentors("mentor_funding_end_date"),
        mentors("mentor_funding_end_reason").alias("mentor_ineligible_for_funding_reason"),
    )  # fmt: skip


def _of_role(ect: str, mentor: str) -> pl.Expr:
    return pl.when(_IS_ECT).then(ect).otherwise(mentor)


def _only(whose: pl.Expr):  # type: ignore[no-untyped-def]
    return lambda name: pl.when(whose).then(name).alias(name)


def _at_school(rows: pl.DataFrame, view: View) -> pl.DataFrame:
    """The school of the training shown; created_at of the earliest, working_pattern of the latest time in the role anywhere."""
    spells = view.nation.spells.join(rows.select(ROLE), on=ROLE, how="semi", maintain_order="left")
    ends = spells.group_by(ROLE, maintain_order=True).agg(
        pl.col("created_at").first(), pl.col("working_pattern").last()
    )
    here = view.held.school_periods.select(
        "school_period_id", "email", school_started_on="started_on", school_finished_on="finished_on"
    )
    rows = joined(rows, here, "school_period_id")
    rows = joined(rows, view.nation.urns.rename({"urn": "school_urn"}), "school_id")
    return joined(rows, ends, ROLE)


def _with_uplifts(rows: pl.DataFrame, view: View) -> pl.DataFrame:
    """The school's flags for the contract period; false where that has no uplifts, or nothing is recorded."""
    flags = ("pupil_premium_uplift", "sparsity_uplift")
    rows = joined(
        rows, view.held.school_years.select("school_id", "contract_period", *flags), ["school_id", "contract_period"]
    )
    periods = view.held.contract_periods.select("contract_period", "uplift_fees_enabled")
    rows = joined(rows, periods, "contract_period")
    return rows.with_columns([holds(pl.col(flag) & pl.col("uplift_fees_enabled")).alias(flag) for flag in flags])


def _status(rows: pl.DataFrame, view: View) -> pl.Series:
    columns = ["participant_type", "withdrawn_at", "deferred_at", *_ENDED]
    periods = rows.select(*columns, started_on="training_started_on", finished_on="training_finished_on")
    return periods.select(participant_status(view.today)).to_series()


def _is_eligible() -> pl.Expr:
    """Whether DfE pays for the role: the first of the two days decides, eligible on the same one; null where there is neither."""
    since = day_in_london(_of_role("ect_first_became_eligible_at", "mentor_first_became_eligible_at"))
    until = _of_role("ect_ineligible_for_funding_on", "mentor_funding_end_date")
    return (
        pl.when(since.is_null() & until.is_null())
        .then(None)
        .otherwise(holds(since <= until) | (since.is_not_null() & until.is_null()))
    )
