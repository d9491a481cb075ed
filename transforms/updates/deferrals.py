"""Deferrals: training pauses today (RECT app/services/api/teachers/defer.rb)."""

import polars as pl

from schemas.events import TRAINING_DEFERRED
from schemas.frames import holds
from schemas.needs import Snapshot
from transforms.changes import Act, ChangeSet, events, instant, touched
from transforms.facts import asked_before, lower, with_training
from transforms.update import ACCEPTED, DONE, Update, note, verdicts


def facts(rows: pl.DataFrame, snapshot: Snapshot, act: Act) -> pl.DataFrame:
    """Rows joined to T, and whether it is deferred for the very reason that the row gives, whoever did it."""
    rows = with_training(lower(rows, "reason"), snapshot, act)
    rows = asked_before(rows, snapshot, TRAINING_DEFERRED, "reason")
    is_deferred = pl.col("training_status") == "deferred"
    asked = pl.col("asked_before") & (pl.col("asked_at") == pl.col("deferred_at"))
    stands = is_deferred & (asked | (pl.col("reason") == pl.col("deferral_reason")))
    return rows.with_columns(holds(stands).alias("asks_for_what_is_done"))


def effects(accepted: pl.DataFrame, _snapshot: Snapshot, act: Act) -> ChangeSet:
    """T is deferred from now, and ends today unless it had ended."""
    rows = accepted.with_columns(ends_on=pl.min_horizontal("finished_on", "today"))
    now = instant(act.at)
    periods = rows.select(
        "training_period_id", now.alias("deferred_at"), pl.col("reason").alias("deferral_reason"), finished_on="ends_on"
    )
    before = {"finished_on": pl.col("finished_on")}
    after = {"finished_on": pl.col("ends_on"), "reason": pl.col("reason")}
    happened = events(rows, TRAINING_DEFERRED, act, before, after)
    return ChangeSet(updates=(("training_periods", periods), touched(rows, act)), events=happened)


def answers(rows: pl.DataFrame, _act: Act) -> pl.DataFrame:
    ended = pl.col("finished_on") < pl.col("today")
    return verdicts(
        rows,
        note(ACCEPTED, "Deferred from {today}; send a resumptions row when the participant comes back.", rows),
        note(ACCEPTED & ended, "Their training had ended already, on {finished_on}.", rows),
        note(
            DONE, "This participant has been deferred for this reason already, on {deferred_at}: nothing to do.", rows
        ),
    )


UPDATE = Update(facts, effects, answers)
