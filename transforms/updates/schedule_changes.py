"""Schedule changes, across contract periods too: T is edited in place, or split today.

Source: RECT app/services/api/teachers/change_schedule.rb, app/services/teachers/change_schedule.rb.
"""

from datetime import timedelta

import polars as pl

from schemas.events import SCHEDULE_ASSIGNED, SCHEDULE_CHANGED, TRAINING_FINISHED
from schemas.frames import holds, joined, marked
from schemas.instants import day_in_london
from schemas.lifecycle import is_frozen, participant_status
from schemas.needs import Snapshot
from schemas.vocabulary import SCHEDULE_IDENTIFIERS
from transforms.changes import Act, ChangeSet, events, new_training, touched
from transforms.facts import ROLE, asked_before, lower, trained, with_training
from transforms.update import ACCEPTED, DONE, Update, note, verdicts

ONE_DAY = timedelta(days=1)


def facts(rows: pl.DataFrame, snapshot: Snapshot, act: Act) -> pl.DataFrame:
    """Rows joined to T and to the contract period asked for, with what bars a change."""
    rows = with_training(lower(rows, "schedule_identifier"), snapshot, act, schedule="present_schedule_identifier")
    rows = _with_target(rows, snapshot, act)
    rows = _with_target_partnership(rows, snapshot, act)
    rows = _with_participant_facts(rows, snapshot, act)
    rows = _with_declarations(rows, snapshot)
    rows = asked_before(rows, snapshot, SCHEDULE_CHANGED, "schedule_identifier", "contract_period")
    on_it = (pl.col("schedule_identifier") == pl.col("present_schedule_identifier")) & (
        pl.col("contract_period").is_null() | (pl.col("target_contract_period") == pl.col("training_contract_period"))
    )
    return rows.with_columns((pl.col("asked_before") & holds(on_it)).alias("asks_for_what_is_done"))


def _with_target(rows: pl.DataFrame, snapshot: Snapshot, act: Act) -> pl.DataFrame:
    """target_contract_period (null where the one given does not exist), target_has_schedule, target_is_frozen."""
    given = pl.col("contract_period").cast(pl.Int64, strict=False)
    wanted = pl.when(pl.col("contract_period").is_null()).then("training_contract_period").otherwise(given)
    targets = snapshot.contract_periods.select(
        target_contract_period="contract_period", target_is_frozen=is_frozen(act.at)
    )
    rows = rows.with_columns(wanted.alias("wanted"))
    rows = joined(rows, targets.with_columns(wanted="target_contract_period"), "wanted").drop("wanted")
    schedules = snapshot.milestones.select(
        "schedule_identifier", target_contract_period="contract_period", target_has_schedule=pl.lit(True)
    ).unique()
    rows = joined(rows, schedules, ["target_contract_period", "schedule_identifier"])
    own = snapshot.contract_periods.select(
        training_contract_period="contract_period", is_in_frozen_contract_period=is_frozen(act.at)
    )
    rows = joined(rows, own, "training_contract_period")
    return rows.with_columns(
        holds(pl.col("target_has_schedule", "target_is_frozen", "is_in_frozen_contract_period")),
        holds(pl.col("target_contract_period") != pl.col("training_contract_period")).alias("is_other_contract_period"),
    )


def _with_target_partnership(rows: pl.DataFrame, snapshot: Snapshot, act: Act) -> pl.DataFrame:
    """target_partnership_id: T's own in its contract period; in another, of this provider's with the school there the
    newest with the same delivery partner, else the newest of all."""
    own = snapshot.partnerships.filter(pl.col("lead_provider_id") == act.lead_provider_id)
    others = own.select(
        "school_id", "created_at", target_contract_period="contract_period", other_id="partnership_id",
        other_partner="delivery_partner_id",
    )  # fmt: skip
    pairs = rows.filter("is_other_contract_period").select(
        "row_number", "school_id", "target_contract_period", "delivery_partner_id"
    )
    pairs = pairs.join(others, on=["school_id", "target_contract_period"])
    pairs = pairs.sort(pl.col("other_partner") == pl.col("delivery_partner_id"), "created_at", "other_id")
    chosen = pairs.unique("row_number", keep="last", maintain_order=True).select("row_number", "other_id")
    rows = joined(rows, chosen, "row_number")
    there = pl.when("is_other_contract_period").then("other_id").otherwise("partnership_id")
    return rows.with_columns(there.alias("target_partnership_id"))


def _with_participant_facts(rows: pl.DataFrame, snapshot: Snapshot, act: Act) -> pl.DataFrame:
    """frozen_year, is_completed, moves_to_reduced, has_ended, trains_later, is_in_place."""
    starts = trained(snapshot).group_by(ROLE).agg(pl.col("started_on").max().alias("last_start"))
    rows = joined(rows, starts, ROLE)
    ect = pl.col("participant_type") == "ect"
    reduced = [name for name in SCHEDULE_IDENTIFIERS if name.startswith("ecf-reduced-")]
    completed_on = pl.when(ect).then("induction_end_date").otherwise("mentor_funding_end_date")
    rows = rows.with_columns(
        pl.when(ect).then("ect_payments_frozen_year").otherwise("mentor_payments_frozen_year").alias("frozen_year"),
        (completed_on.is_not_null() & pl.col("training_period_id").is_not_null()).alias("is_completed"),
        holds(ect & pl.col("schedule_identifier").is_in(reduced)).alias("moves_to_reduced"),
        (participant_status(act.today) == "left").alias("has_ended"),
        holds(pl.col("last_start") > pl.col("started_on")).alias("trains_later"),
        holds(pl.col("started_on") >= act.today).alias("starts_from_today"),
    )
    in_place = pl.col("starts_from_today") | (pl.col("is_completed") & pl.col("moves_to_reduced"))
    return rows.with_columns(in_place.alias("is_in_place"))


def _with_declarations(rows: pl.DataFrame, snapshot: Snapshot) -> pl.DataFrame:
    """declarations_stand_in_the_way: T would be edited in place, and a declaration on it, voided ones included, would
    fall outside its milestone on the new schedule; or lies on a statement of the contract period that T leaves."""
    pairs = rows.filter("is_in_place").select(
        "row_number", "training_period_id", "schedule_identifier", "starts_from_today", "is_other_contract_period",
        contract_period="target_contract_period",
    )  # fmt: skip
    pairs = pairs.join(snapshot.declarations, on="training_period_id").join(
        snapshot.milestones, on=["contract_period", "schedule_identifier", "declaration_type"], how="left"
    )
    day = day_in_london(pl.col("declaration_date"))
    outside = holds((day < pl.col("start_date")) | (day > pl.col("milestone_date")))
    bound = pl.col("payment_statement_id").is_not_null() | pl.col("clawback_statement_id").is_not_null()
    barred = (pl.col("starts_from_today") & outside) | (pl.col("is_other_contract_period") & bound)
    return marked(rows, pairs.filter(barred), "declarations_stand_in_the_way")


def effects(accepted: pl.DataFrame, _snapshot: Snapshot, act: Act) -> ChangeSet:
    """Frozen years, then T edited where it stands, or ended yesterday and followed by a new period from today."""
    rows = _with_frozen_year(accepted)
    whose = ChangeSet(updates=(touched(rows, act), *_frozen_years(rows)))
    edited = _edited(rows.filter("is_in_place"), act)
    return whose.then(edited, _split(rows.filter(~pl.col("is_in_place")), act))


def _with_frozen_year(rows: pl.DataFrame) -> pl.DataFrame:
    """new_frozen_year: who leaves a frozen contract period keeps its year; who goes back to one has none any more."""
    leaves, returns = pl.col("is_in_frozen_contract_period"), pl.col("target_is_frozen")
    moved = pl.when(leaves).then("training_contract_period").when(~returns).then("frozen_year")
    return rows.with_columns(
        pl.when("is_other_contract_period").then(moved).otherwise("frozen_year").alias("new_frozen_year")
    )


def _frozen_years(rows: pl.DataFrame) -> tuple[tuple[str, pl.DataFrame], ...]:
    changed = rows.filter(pl.col("new_frozen_year").ne_missing(pl.col("frozen_year")))
    return tuple(
        (
            "participants",
            changed.filter(pl.col("participant_type") == role).select(
                "participant_id", pl.col("new_frozen_year").alias(f"{role}_payments_frozen_year")
            ),
        )
        for role in ("ect", "mentor")
    )


_BEFORE = {
    "schedule_identifier": pl.col("present_schedule_identifier"),
    "training_contract_period": pl.col("training_contract_period"),
    "frozen_year": pl.col("frozen_year"),
}
# The values as sent, by which a repeat is known, and the contract period that they came to.
_AFTER = {
    "schedule_identifier": pl.col("schedule_identifier"),
    "contract_period": pl.col("contract_period"),
    "training_contract_period": pl.col("target_contract_period"),
    "frozen_year": pl.col("new_frozen_year"),
}


def _edited(rows: pl.DataFrame, act: Act) -> ChangeSet:
    """T gets schedule and partnership; an expression of interest follows to the partnership's contract period."""
    interested = pl.col("expression_of_interest_lead_provider_id").is_not_null()
    periods = rows.select(
        "training_period_id",
        "schedule_identifier",
        pl.col("target_partnership_id").alias("partnership_id"),
        pl.when(interested).then(pl.lit(act.lead_provider_id)).alias("expression_of_interest_lead_provider_id"),
        pl.when(interested).then("target_contract_period").alias("expression_of_interest_contract_period"),
    )
    happened = events(rows, SCHEDULE_CHANGED, act, _BEFORE, _AFTER)
    return ChangeSet(updates=(("training_periods", periods),), events=happened)


def _split(rows: pl.DataFrame, act: Act) -> ChangeSet:
    """T ends yesterday, unless it ended before; a new period runs from today to T's old end or the end of the time at
    the school, whichever comes first of those not past."""
    yesterday = pl.lit(act.today - ONE_DAY)
    ahead = [pl.when(pl.col(end) >= act.today).then(end) for end in ("finished_on", "school_period_finished_on")]
    rows = rows.with_columns(
        left_ends_on=pl.min_horizontal("finished_on", yesterday), new_ends_on=pl.min_horizontal(*ahead)
    )
    ended = rows.select("training_period_id", finished_on="left_ends_on")
    opened = new_training(rows, act, pl.lit(act.today), "new_ends_on", "target_partnership_id")
    new = rows.with_columns(training_period_id="new_id")
    happened = pl.concat(
        [
            events(
                rows,
                TRAINING_FINISHED,
                act,
                {"finished_on": pl.col("finished_on")},
                {"finished_on": pl.col("left_ends_on")},
            ),
            events(new, SCHEDULE_ASSIGNED, act, after={"schedule_identifier": pl.col("schedule_identifier")}),
            events(new, SCHEDULE_CHANGED, act, _BEFORE, _AFTER),
        ]
    )
    inserts = {"training_periods": opened} if opened.height else {}
    return ChangeSet(inserts, (("training_periods", ended),), happened)


def answers(rows: pl.DataFrame, _act: Act) -> pl.DataFrame:
    """What changed, from when, and what it means for the next declaration."""
    split = ACCEPTED & ~pl.col("is_in_place")
    return verdicts(
        rows,
        note(split, "On {schedule_identifier} of contract period {target_contract_period} from {today}.", rows),
        note(
            ACCEPTED & pl.col("is_in_place"),
            "Now on {schedule_identifier} of contract period {target_contract_period}, from {started_on} as before.",
            rows,
        ),
        note(ACCEPTED, "Declarations already made stay as they are; new ones follow the new schedule.", rows),
        note(
            ACCEPTED & pl.col("is_other_contract_period") & ~pl.col("target_is_frozen"),
            "New ones are paid under contract period {target_contract_period}.",
            rows,
        ),
        note(
            ACCEPTED & pl.col("target_is_frozen"),
            "Contract period {target_contract_period} is closed for payment: no new declaration can be made under it.",
            rows,
        ),
        note(DONE, "A row of yours has made this change already: nothing to do.", rows),
    )


UPDATE = Update(facts, effects, answers)
