"""The rules of a schedule change, SCHED-001 to SCHED-020, in the order of evaluation.

Three groups, each stopping at its first failure: the schedule, the contract period, the participant. `target_*` columns
are those of the contract period asked for, or T's own where none is: transforms.updates.schedule_changes says how.
"""

import polars as pl

from schemas import events
from schemas.kinds.kind import Kind, Memory, Owner, codes
from schemas.kinds.shared import SENT_PARTICIPANTS, TRAINING, everything_about, remembered, training_rules
from schemas.needs import Ids, Need
from schemas.rules import Rule, one_of
from schemas.vocabulary import SCHEDULE_IDENTIFIERS

CHANGE = "RECT app/services/api/teachers/change_schedule.rb"
_SCHEDULES_LISTED = ", ".join(SCHEDULE_IDENTIFIERS)
_HAS_T, _HAS_TARGET = pl.col("training_period_id").is_not_null(), pl.col("target_contract_period").is_not_null()
_OTHER_PERIOD = pl.col("target_contract_period") != pl.col("training_contract_period")


def _about(field: str, number: int, broken: pl.Expr, message: str, advice: str | pl.Expr, source: str = CHANGE) -> Rule:
    """A rule of one group: silenced once anything about its field has failed."""
    return Rule(f"SCHED-{number:03}", field, broken, message, advice, source, silenced_by=(field,))


_SCHEDULE = (
    _about(
        "schedule_identifier", 7, pl.col("schedule_identifier").is_null(),
        "The schedule_identifier is blank.",
        f"Give one of: {_SCHEDULES_LISTED}.",
    ),
    _about(
        "schedule_identifier", 8, ~pl.col("schedule_identifier").is_in(SCHEDULE_IDENTIFIERS),
        "“{schedule_identifier}” is not a schedule that we know.",
        one_of("schedule_identifier", SCHEDULE_IDENTIFIERS),
    ),
    _about(
        "schedule_identifier", 9, _HAS_TARGET & ~pl.col("target_has_schedule"),
        "There is no {schedule_identifier} in contract period {target_contract_period}.",
        "Choose a schedule of that contract period.",
    ),
    _about(
        "schedule_identifier", 10,
        _HAS_T & (pl.col("schedule_identifier") == pl.col("present_schedule_identifier")) & ~_OTHER_PERIOD,
        "The participant is on {schedule_identifier} of contract period {target_contract_period} already.",
        "There is nothing to change.",
    ),
    _about(
        "schedule_identifier", 11,
        _HAS_T & (pl.col("participant_type") == "ect") & pl.col("schedule_identifier").str.starts_with("ecf-replacement-"),
        "{schedule_identifier} is a schedule for mentors who replace another, and this row is about an ECT.",
        "Choose a standard, extended or reduced schedule.",
    ),
    _about(
        "schedule_identifier", 12,
        _HAS_T & (pl.col("participant_type") == "mentor") & pl.col("schedule_identifier").str.starts_with("ecf-reduced-"),
        "{schedule_identifier} is a schedule for ECTs, and this row is about a mentor.",
        "Choose a standard, extended or replacement schedule.",
    ),
    _about(
        "schedule_identifier", 13, _HAS_TARGET & pl.col("declarations_stand_in_the_way"),
        "Declarations already made in this training would not fit the new schedule: they are outside its milestones, or "
        "on a statement of another contract period.",
        "Contact DfE.",
        f"{CHANGE}; across contract periods ours, RECT fails with an error",
    ),
)  # fmt: skip
_CONTRACT_PERIOD = (
    _about(
        "contract_period", 14, _HAS_T & _OTHER_PERIOD & pl.col("target_partnership_id").is_null(),
        "You have no partnership with the participant's school in contract period {target_contract_period}.",
        "Create the partnership for that contract period first.",
    ),
    _about(
        "contract_period", 15,
        _HAS_T & pl.col("target_is_frozen") & pl.col("frozen_year").ne_missing(pl.col("target_contract_period")),
        "Contract period {target_contract_period} is closed for payment.",
        "Only someone who came from it can go back to it; otherwise choose another contract period.",
    ),
)  # fmt: skip
_PARTICIPANT = (
    _about(
        "participant_id", 16, pl.col("is_completed") & ~pl.col("moves_to_reduced"),
        "This participant's training or induction is complete.",
        "There is nothing to change; an ECT may still move to a reduced schedule.",
    ),
    _about(
        "participant_id", 17, _HAS_T & pl.col("has_ended"),
        "This participant has left your training: it ended on {finished_on}.",
        "If you deferred or withdrew them and they are back, resume them first; otherwise contact DfE.",
    ),
    _about(
        "participant_id", 18, pl.col("training_status") == "withdrawn",
        "This participant was withdrawn on {withdrawn_at}.",
        "Resume them first.",
    ),
    _about(
        "participant_id", 19, pl.col("trains_later"),
        "This participant has other training on record in this role that starts later.",
        "They are due to start with another provider, or in another period: ask the school.",
    ),
)  # fmt: skip

RULES: tuple[Rule, ...] = (
    *training_rules("SCHED"),
    _about(
        "contract_period",
        20,
        pl.col("contract_period").is_not_null() & ~_HAS_TARGET,
        "There is no contract period {contract_period}.",
        "Check the contract_period, or leave it blank to keep the participant's own.",
        "ours; RECT silently keeps the participant's own",
    ),
    *_SCHEDULE,
    *_CONTRACT_PERIOD,
    *_PARTICIPANT,
)

_MEMORY = Memory("participant_id", (events.SCHEDULE_CHANGED,))

KIND = Kind(
    name="schedule-changes",
    does="Puts a participant on another schedule, or in another contract period, from today.",
    place=6,
    required=(*TRAINING, "schedule_identifier"),
    optional=("contract_period",),
    owner="participant_id",
    owned_by=Owner.PARTICIPANT,
    rules=RULES,
    told_done_by=codes("SCHED", 1, 2, 3, 4, 5),
    needs=(
        *everything_about(SENT_PARTICIPANTS),
        Need("partnerships", "school_id", (Ids("school_periods", "school_id"),), own=True),
        remembered(_MEMORY, SENT_PARTICIPANTS),
    ),
    memory=_MEMORY,
    last_row_counts=True,
)
