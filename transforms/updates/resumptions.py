"""Resumptions: training goes on from today, in a new period (RECT app/services/api/teachers/resume.rb)."""

import polars as pl

from schemas.events import TRAINING_RESUMED
from schemas.frames import holds, marked
from schemas.lifecycle import contains
from schemas.needs import Snapshot
from transforms.changes import Act, ChangeSet, events, new_training, touched
from transforms.facts import ROLE, asked_before, trained, with_training
from transforms.update import ACCEPTED, DONE, Update, note, verdicts


def facts(rows: pl.DataFrame, snapshot: Snapshot, act: Act) -> pl.DataFrame:
    """Rows joined to T; is_training_elsewhere, would_overlap; whether an earlier row opened T."""
    rows = with_training(rows, snapshot, act)
    periods = trained(snapshot)
    today = periods.filter(contains(act.today))
    elsewhere = today.select("school_period_id", other_period_id="training_period_id")
    elsewhere = rows.join(elsewhere, on="school_period_id").filter(
        pl.col("other_period_id") != pl.col("training_period_id")
    )
    rows = marked(rows, elsewhere, "is_training_elsewhere")
    rows = marked(rows, _overlapping(rows, periods), "would_overlap")
    rows = asked_before(rows, snapshot, TRAINING_RESUMED)
    stands = holds(pl.col("training_status") == "active")
    return rows.with_columns((pl.col("asked_before") & stands).alias("asks_for_what_is_done"))


def _overlapping(rows: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """Rows whose new period, from today until the end of T's time at the school, meets other training of the role."""
    others = periods.select(*ROLE, other_start="started_on", other_end="finished_on")
    pairs = rows.select("row_number", *ROLE, "school_period_finished_on", "today").join(others, on=ROLE)
    ends_before = holds(pl.col("other_end") < pl.col("today"))
    starts_after = holds(pl.col("other_start") > pl.col("school_period_finished_on"))
    return pairs.filter(~ends_before & ~starts_after)


def effects(accepted: pl.DataFrame, _snapshot: Snapshot, act: Act) -> ChangeSet:
    """T is left as it is; a new period starts today, with the same partnership and schedule."""
    opened = new_training(accepted, act, pl.col("today"), "school_period_finished_on", "partnership_id")
    rows = accepted.with_columns(left_period="training_period_id", training_period_id="new_id")
    before = {"training_period_id": pl.col("left_period"), "training_status": pl.col("training_status")}
    after = {"started_on": pl.col("today"), "finished_on": pl.col("school_period_finished_on")}
    happened = events(rows, TRAINING_RESUMED, act, before, after)
    return ChangeSet({"training_periods": opened} if opened.height else {}, (touched(rows, act),), happened)


def answers(rows: pl.DataFrame, _act: Act) -> pl.DataFrame:
    until = pl.col("school_period_finished_on").is_not_null()
    return verdicts(
        rows,
        note(ACCEPTED, "Resumed from {today}, on the schedule {schedule_identifier} as before.", rows),
        note(ACCEPTED & until, "It ends on {school_period_finished_on}, when they leave the school.", rows),
        note(DONE, "This participant has been resumed by a row of yours already: nothing to do.", rows),
    )


UPDATE = Update(facts, effects, answers)
