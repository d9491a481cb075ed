"""A mentor's `completed` ends their funded training; taking it back opens it again.

Source: RECT app/services/declarations/mentor_completion.rb.
"""

from datetime import timedelta

import polars as pl

from schemas.columns import INSTANT
from schemas.events import COMPLETION_CHANGED
from schemas.frames import holds, joined
from schemas.instants import day_in_london
from schemas.lifecycle import is_live
from schemas.needs import Snapshot
from transforms.changes import Act, ChangeSet, events, instant, new_training, said
from transforms.facts import confirmed, latest, trained

REASON = "completed_declaration_received"
_ENDED = ("mentor_funding_end_date", "mentor_funding_end_reason")
ONE_DAY = timedelta(days=1)


def completing(rows: pl.DataFrame) -> pl.DataFrame:
    """Those of the rows that concern a mentor's completed declaration."""
    return rows.filter((pl.col("participant_type") == "mentor") & (pl.col("declaration_type") == "completed"))


def mentor_completion(rows: pl.DataFrame, snapshot: Snapshot, act: Act) -> ChangeSet:
    """What follows from mentors' completed declarations made or taken back.

    rows: row_number, participant_id, participant_type, declaration_type, declaration_id, new_id; of other roles and
    types nothing follows. snapshot: as it stands after those declarations were made or taken back.
    """
    rows = completing(rows)
    if rows.is_empty():
        return ChangeSet()
    people = rows.select("row_number", "participant_id", "participant_type", "declaration_id", "new_id")
    people = people.join(snapshot.participants.select("participant_id", *_ENDED), on="participant_id")
    people = joined(people, latest_completed(snapshot), "participant_id")
    own = confirmed(trained(snapshot), act.lead_provider_id)
    last = latest(own).filter(pl.col("participant_type") == "mentor").select(
        "participant_id", "training_period_id", "school_period_id", "school_period_finished_on", "partnership_id",
        "schedule_identifier", "started_on", "finished_on",
    )  # fmt: skip
    people = joined(people, last, "participant_id")
    people = joined(people, _before(snapshot), "declaration_id")
    live = _live_completed(snapshot)["declaration_id"]
    people = people.with_columns(stands=pl.col("declaration_id").is_in(live.implode()))
    found = pl.col("completed_at").is_not_null()
    return _ended(people.filter(found), act).then(_reopened(_put_back(people.filter(~found)), act))


def _before(snapshot: Snapshot) -> pl.DataFrame:
    """declaration_id, told_date, told_reason: the end of funding that stood before a completed declaration was made."""
    told = snapshot.events.filter(pl.col("type") == COMPLETION_CHANGED).unique(
        "declaration_id", keep="first", maintain_order=True
    )
    return told.select(
        "declaration_id",
        told_date=said("mentor_funding_end_date", "before").str.to_date("%Y-%m-%d", strict=False),
        told_reason=said("mentor_funding_end_reason", "before"),
    )


def _with_what_was_there(people: pl.DataFrame) -> pl.DataFrame:
    """is_dfes: the end of funding that is recorded is not the doing of a completed declaration. When one is made, none has
    stood before it (rule DECL-011); when one is taken back, the trail knows what stood before it."""
    recorded, other = pl.col("mentor_funding_end_date").is_not_null(), pl.col("mentor_funding_end_reason") != REASON
    return people.with_columns(is_dfes=recorded & (pl.col("stands") | other | pl.col("told_date").is_not_null()))


def _put_back(people: pl.DataFrame) -> pl.DataFrame:
    """date_before, reason_before: what stood before the declaration that is taken back, as the trail knows it; else an end
    for another reason than a completed declaration stays."""
    other = pl.col("mentor_funding_end_reason") != REASON
    return people.with_columns(
        date_before=pl.when(pl.col("told_date").is_not_null()).then("told_date")
        .when(other).then("mentor_funding_end_date"),
        reason_before=pl.when(pl.col("told_date").is_not_null()).then("told_reason")
        .when(other).then("mentor_funding_end_reason"),
    )  # fmt: skip


def latest_completed(snapshot: Snapshot) -> pl.DataFrame:
    """participant_id, completed_at (instant), completed_on (London day): each mentor's live completed declaration
    with the latest date, any lead provider's."""
    live = _live_completed(snapshot)
    day = day_in_london(pl.col("declaration_date").max())
    return live.group_by("participant_id").agg(
        pl.col("declaration_date").max().alias("completed_at"), day.alias("completed_on")
    )


def _live_completed(snapshot: Snapshot) -> pl.DataFrame:
    """Mentors' live completed declarations, with participant_id."""
    spells = snapshot.school_periods.filter(pl.col("participant_type") == "mentor")
    whose = snapshot.training_periods.join(spells, on="school_period_id").select("training_period_id", "participant_id")
    return snapshot.declarations.filter((pl.col("declaration_type") == "completed") & is_live()).join(
        whose, on="training_period_id"
    )


def _ended(people: pl.DataFrame, act: Act) -> ChangeSet:
    """Funded training is over from the day of the declaration, and the training period with it if it ran on."""
    people = _with_what_was_there(people)
    runs_on = pl.col("finished_on").is_null() | (pl.col("finished_on") > act.today)
    after_start = pl.col("completed_at") > pl.col("started_on").cast(INSTANT)
    end = pl.when(after_start).then("completed_on").otherwise(pl.col("started_on") + pl.lit(ONE_DAY))
    people = people.with_columns(pl.when(runs_on).then(end).otherwise("finished_on").alias("new_end"))
    # An end that DfE had recorded stays as it is (ours).
    people = people.with_columns(
        new_date=pl.when("is_dfes").then("mentor_funding_end_date").otherwise("completed_on"),
        new_reason=pl.when("is_dfes").then("mentor_funding_end_reason").otherwise(pl.lit(REASON)),
    )
    changed = people.filter(
        pl.col("mentor_funding_end_date").ne_missing(pl.col("new_date"))
        | pl.col("mentor_funding_end_reason").ne_missing(pl.col("new_reason"))
        | pl.col("new_end").ne_missing(pl.col("finished_on"))
        | pl.col("is_dfes")
    )
    new = changed.select(
        "participant_id",
        pl.col("new_date").alias("mentor_funding_end_date"),
        pl.col("new_reason").alias("mentor_funding_end_reason"),
        instant(act.at).alias("updated_at"),
    )
    periods = changed.filter(pl.col("new_end").ne_missing(pl.col("finished_on"))).select(
        "training_period_id", finished_on="new_end"
    )
    before = {name: pl.col(name) for name in (*_ENDED, "finished_on")}
    after = {
        "mentor_funding_end_date": pl.col("new_date"),
        "mentor_funding_end_reason": pl.col("new_reason"),
        "finished_on": pl.col("new_end"),
    }
    happened = events(changed, COMPLETION_CHANGED, act, before, after)
    return ChangeSet(updates=(("participants", new), ("training_periods", periods)), events=happened)


def _reopened(people: pl.DataFrame, act: Act) -> ChangeSet:
    """What ended funded training is taken back: what was recorded before stands again, nothing where that was nothing.
    Training that had ended goes on in a new period.

    Withdrawn and deferred mentors too, as in the source: their receipt says so.
    """
    cleared = people.select(
        "participant_id",
        pl.col("date_before").alias("mentor_funding_end_date"),
        pl.col("reason_before").alias("mentor_funding_end_reason"),
        instant(act.at).alias("updated_at"),
    )
    closed = people.filter(is_closed(act)).with_columns(opens_on=pl.col("finished_on") + pl.lit(ONE_DAY))
    opened = new_training(closed, act, pl.col("opens_on"), "school_period_finished_on", "partnership_id")
    was = pl.col("mentor_funding_end_date").is_not_null() | is_closed(act)
    told = people.filter(was).with_columns(
        pl.when(is_closed(act)).then("new_id").otherwise("training_period_id").alias("training_period_id")
    )
    before = {name: pl.col(name) for name in _ENDED}
    opens = pl.when(is_closed(act)).then(pl.col("finished_on") + pl.lit(ONE_DAY))
    after = {"mentor_funding_end_date": pl.col("date_before"), "mentor_funding_end_reason": pl.col("reason_before")}
    after |= {"training_reopened_on": opens}
    happened = events(told, COMPLETION_CHANGED, act, before, after)
    return ChangeSet({"training_periods": opened} if opened.height else {}, (("participants", cleared),), happened)


def is_closed(act: Act) -> pl.Expr:
    """Whether a training period is not still open after today."""
    return holds(pl.col("finished_on") <= act.today)
