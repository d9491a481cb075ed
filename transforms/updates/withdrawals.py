"""Withdrawals: training ends today (RECT app/services/api/teachers/withdraw.rb)."""

import polars as pl

from schemas.events import TRAINING_WITHDRAWN
from schemas.frames import holds
from schemas.needs import Snapshot
from transforms.changes import Act, ChangeSet, events, instant, touched
from transforms.facts import asked_before, lower, with_training
from transforms.update import ACCEPTED, DONE, Update, note, verdicts


def facts(rows: pl.DataFrame, snapshot: Snapshot, act: Act) -> pl.DataFrame:
    """Rows joined to T, and whether it is withdrawn for the very reason that the row gives, whoever did it."""
    rows = with_training(lower(rows, "reason"), snapshot, act)
    rows = asked_before(rows, snapshot, TRAINING_WITHDRAWN, "reason")
    is_withdrawn = pl.col("training_status") == "withdrawn"
    asked = pl.col("asked_before") & (pl.col("asked_at") == pl.col("withdrawn_at"))
    stands = is_withdrawn & (asked | (pl.col("reason") == pl.col("withdrawal_reason")))
    return rows.with_columns(holds(stands).alias("asks_for_what_is_done"))


def effects(accepted: pl.DataFrame, _snapshot: Snapshot, act: Act) -> ChangeSet:
    """T is withdrawn from now, and ends today unless it had ended. A deferral stays on it."""
    rows = accepted.with_columns(ends_on=pl.min_horizontal("finished_on", "today"))
    now = instant(act.at)
    periods = rows.select(
        "training_period_id",
        now.alias("withdrawn_at"),
        pl.col("reason").alias("withdrawal_reason"),
        finished_on="ends_on",
    )
    before = {"finished_on": pl.col("finished_on")}
    after = {"finished_on": pl.col("ends_on"), "reason": pl.col("reason")}
    happened = events(rows, TRAINING_WITHDRAWN, act, before, after)
    return ChangeSet(updates=(("training_periods", periods), touched(rows, act)), events=happened)


def answers(rows: pl.DataFrame, _act: Act) -> pl.DataFrame:
    ended = pl.col("finished_on") < pl.col("today")
    return verdicts(
        rows,
        note(ACCEPTED, "Withdrawn from {today}; declarations dated after that will be rejected.", rows),
        note(ACCEPTED & ended, "Their training had ended already, on {finished_on}.", rows),
        note(
            DONE, "This participant has been withdrawn for this reason already, on {withdrawn_at}: nothing to do.", rows
        ),
    )


UPDATE = Update(facts, effects, answers)
