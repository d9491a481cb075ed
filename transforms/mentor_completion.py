"""A mentor's `completed` ends their funded training; taking it back opens it again.

Source: handbook, domain 7.6; RECT app/services/declarations/mentor_completion.rb.
"""

from datetime import timedelta

import polars as pl

from schemas.snapshot import Snapshot
from transforms.changes import UTC_INSTANT, ChangeSet, Submission, events, instant
from transforms.facts import confirmed, latest, trained

REASON = "completed_declaration_received"
_ENDED = ("mentor_funding_end_date", "mentor_funding_end_reason")
ONE_DAY = timedelta(days=1)


def completing(rows: pl.DataFrame) -> pl.DataFrame:
    """Those of the rows that concern a mentor's completed declaration."""
    return rows.filter((pl.col("participant_type") == "mentor") & (pl.col("declaration_type") == "completed"))


def mentor_completion(rows: pl.DataFrame, snapshot: Snapshot, submission: Submission) -> ChangeSet:
    """What follows from mentors' completed declarations made or taken back.

    rows: row_number, participant_id, participant_type, declaration_type, declaration_id, new_id; of other roles and
    types nothing follows. snapshot: as it stands after those declarations were made or taken back.
    """
    rows = completing(rows)
    if rows.is_empty():
        return ChangeSet()
    people = rows.select("row_number", "participant_id", "participant_type", "declaration_id", "new_id")
    people = people.join(snapshot.participants.select("participant_id", *_ENDED), on="participant_id")
    people = people.join(latest_completed(snapshot), on="participant_id", how="left", maintain_order="left")
    own = confirmed(trained(snapshot), submission.lead_provider_id)
    last = latest(own).filter(pl.col("participant_type") == "mentor").select(
        "participant_id", "training_period_id", "school_period_id", "school_period_finished_on", "partnership_id",
        "schedule_identifier", "started_on", "finished_on",
    )  # fmt: skip
    people = people.join(last, on="participant_id", how="left", maintain_order="left")
    found = pl.col("completed_at").is_not_null()
    return _ended(people.filter(found), submission).then(_reopened(people.filter(~found), submission))


def latest_completed(snapshot: Snapshot) -> pl.DataFrame:
    """participant_id, completed_at (instant), completed_on (London day): each mentor's live completed declaration
    with the latest date, any lead provider's."""
    spells = snapshot.school_periods.filter(pl.col("participant_type") == "mentor")
    whose = snapshot.training_periods.join(spells, on="school_period_id").select("training_period_id", "participant_id")
    live = snapshot.declarations.filter(
        (pl.col("declaration_type") == "completed")
        & (pl.col("payment_status") != "voided")
        & (pl.col("clawback_status") == "no_clawback")
    ).join(whose, on="training_period_id")
    day = pl.col("declaration_date").max().dt.convert_time_zone("Europe/London").dt.date()
    return live.group_by("participant_id").agg(
        pl.col("declaration_date").max().alias("completed_at"), day.alias("completed_on")
    )


def _ended(people: pl.DataFrame, submission: Submission) -> ChangeSet:
    """Funded training is over from the day of the declaration, and the training period with it if it ran on."""
    runs_on = pl.col("finished_on").is_null() | (pl.col("finished_on") > submission.today)
    after_start = pl.col("completed_at") > pl.col("started_on").cast(UTC_INSTANT)
    end = pl.when(after_start).then("completed_on").otherwise(pl.col("started_on") + pl.lit(ONE_DAY))
    people = people.with_columns(pl.when(runs_on).then(end).otherwise("finished_on").alias("new_end"))
    changed = people.filter(
        pl.col("mentor_funding_end_date").ne_missing(pl.col("completed_on"))
        | pl.col("mentor_funding_end_reason").ne_missing(pl.lit(REASON))
        | pl.col("new_end").ne_missing(pl.col("finished_on"))
    )
    new = changed.select(
        "participant_id",
        pl.col("completed_on").alias("mentor_funding_end_date"),
        pl.lit(REASON).alias("mentor_funding_end_reason"),
        instant(submission.received_at).alias("updated_at"),
    )
    periods = changed.filter(pl.col("new_end").ne_missing(pl.col("finished_on"))).select(
        "training_period_id", finished_on="new_end"
    )
    before = {name: pl.col(name) for name in (*_ENDED, "finished_on")}
    after = {
        "mentor_funding_end_date": pl.col("completed_on"),
        "mentor_funding_end_reason": pl.lit(REASON),
        "finished_on": pl.col("new_end"),
    }
    happened = events(changed, "mentor_completion_status_change", submission, before, after)
    return ChangeSet(updates=(("participants", new), ("training_periods", periods)), events=happened)


def _reopened(people: pl.DataFrame, submission: Submission) -> ChangeSet:
    """Nothing says any more that funded training is over. Training that had ended goes on in a new period.

    Withdrawn and deferred mentors too, as in the source: their receipt says so.
    """
    cleared = people.select(
        "participant_id",
        pl.lit(None, pl.Date).alias("mentor_funding_end_date"),
        pl.lit(None, pl.String).alias("mentor_funding_end_reason"),
        instant(submission.received_at).alias("updated_at"),
    )
    closed = people.filter(is_closed(submission)).with_columns(opens_on=pl.col("finished_on") + pl.lit(ONE_DAY))
    nothing, no_instant = pl.lit(None, pl.String), pl.lit(None, UTC_INSTANT)
    opened = closed.select(
        pl.col("new_id").alias("training_period_id"),
        "school_period_id",
        pl.lit("provider_led").alias("training_programme"),
        "partnership_id",
        nothing.alias("expression_of_interest_lead_provider_id"),
        pl.lit(None, pl.Int64).alias("expression_of_interest_contract_period"),
        "schedule_identifier",
        pl.col("opens_on").alias("started_on"),
        pl.col("school_period_finished_on").alias("finished_on"),
        no_instant.alias("withdrawn_at"),
        nothing.alias("withdrawal_reason"),
        no_instant.alias("deferred_at"),
        nothing.alias("deferral_reason"),
        instant(submission.received_at).alias("created_at"),
    )
    was = pl.col("mentor_funding_end_date").is_not_null() | is_closed(submission)
    told = people.filter(was).with_columns(
        pl.when(is_closed(submission)).then("new_id").otherwise("training_period_id").alias("training_period_id")
    )
    before = {name: pl.col(name) for name in _ENDED}
    opens = pl.when(is_closed(submission)).then(pl.col("finished_on") + pl.lit(ONE_DAY))
    after = {name: pl.lit(None, pl.String) for name in _ENDED} | {"training_reopened_on": opens}
    happened = events(told, "mentor_completion_status_change", submission, before, after)
    return ChangeSet({"training_periods": opened} if opened.height else {}, (("participants", cleared),), happened)


def is_closed(submission: Submission) -> pl.Expr:
    """Whether a training period is not still open after today."""
    return (pl.col("finished_on") <= submission.today).fill_null(False)
