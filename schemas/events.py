"""The audit trail's events: each type once, with its sentence, and with what it undid of an earlier row.

Types are the field's own (RECT app/models/event.rb), but for those of submissions, merges and extracts, which are ours.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from schemas.instants import long_day

# Who acts.
LEAD_PROVIDER, DFE_STAFF, SYSTEM = "lead_provider", "dfe_staff_user", "system"
AUTHORS = {DFE_STAFF: "DfE", SYSTEM: "the exchange"}
# The records that an event may be about.
LINKS = ("participant_id", "declaration_id", "training_period_id", "partnership_id", "statement_id")

Values = dict[str, Any]
Sentence = Callable[[Values, Values, Values], str]


@dataclass(frozen=True)
class Event:
    """tell: (the event's row, values before, values after) → what happened, in words for DfE.

    undid: what it undid of a row that was accepted before, in words that fit after “and since then”; empty: nothing.
    """

    type: str
    tell: Sentence
    undid: str = ""


EVENTS: dict[str, Event] = {}


def _event(type_: str, tell: Sentence | None = None, undid: str = "") -> str:
    plain = type_.replace("_", " ").capitalize()
    EVENTS[type_] = Event(type_, tell or (lambda event, before, after: plain), undid)
    return type_


def _day(text: str | None) -> str:
    return long_day(date.fromisoformat(text)) if text else "open"


def _month(event: Values) -> str:
    return f"the statement of {event['year']}-{event['month']:02}" if event["year"] else "no statement"


def role_words(event: Values) -> str:
    """An event's role, for people."""
    return {"ect": "ECT", "mentor": "mentor"}.get(event["participant_type"] or "", "unknown role")


def _declared(verb: str) -> Sentence:
    return lambda event, before, after: f"{event['declaration_type']} declaration {event['declaration_id']} {verb}"


def _created(event: Values, _before: Values, after: Values) -> str:
    dropped = "; the evidence sent was not kept" if after.get("evidence_sent") else ""
    where = f"on {_month(event)}" if event["statement_id"] else "submitted, on no statement yet"
    return f"{event['declaration_type']} declaration {event['declaration_id']} made, {where}{dropped}"


def _statused(event: Values, before: Values, after: Values) -> str:
    was, now = (next(iter(side.values())) if side else "?" for side in (before, after))
    words = [
        {"no_payment": "submitted", "no_clawback": "not clawed back"}.get(s, s).replace("_", " ") for s in (was, now)
    ]
    on = f" on {_month(event)}" if event["statement_id"] else ""
    return f"{event['declaration_type']} declaration {event['declaration_id']} went from {words[0]} to {words[1]}{on}"


def _stopped(verb: str) -> Sentence:
    return lambda event, before, after: (
        f"{role_words(event)} training {verb}; its end went from {_day(before.get('finished_on'))} to "
        f"{_day(after.get('finished_on'))}"
    )


def _resumed(event: Values, before: Values, after: Values) -> str:
    return (
        f"{role_words(event)} training, {before.get('training_status')} before, resumed in a new period from "
        f"{_day(after.get('started_on'))} ({_day(after.get('finished_on'))})"
    )


def _rescheduled(event: Values, before: Values, after: Values) -> str:
    told = (
        f"{role_words(event)} training went from {before.get('schedule_identifier')} of contract period "
        f"{before.get('training_contract_period')} to {after.get('schedule_identifier')} of "
        f"{after.get('training_contract_period')}"
    )
    if before.get("frozen_year") != after.get("frozen_year"):
        told += f"; closed contract period they came from: {after.get('frozen_year') or 'none'}"
    return told


def _reassigned(event: Values, _before: Values, after: Values) -> str:
    return f"{role_words(event)} training goes on in a new period on {after.get('schedule_identifier')}"


def _joined(event: Values, _before: Values, _after: Values) -> str:
    return f"{role_words(event)} training that waited on an expression of interest joined partnership {event['partnership_id']}"


def _completion(_event: Values, before: Values, after: Values) -> str:
    was, now = before.get("mentor_funding_end_date"), after.get("mentor_funding_end_date")
    told = f"Mentor funding end went from {_day(was) if was else 'none'} to {_day(now) if now else 'none'}"
    if after.get("training_reopened_on"):
        told += f"; training goes on in a new period from {_day(after['training_reopened_on'])}"
    elif after.get("finished_on") != before.get("finished_on"):
        told += f"; the end of training went from {_day(before.get('finished_on'))} to {_day(after.get('finished_on'))}"
    return told


def _corrected(event: Values, before: Values, after: Values) -> str:
    return (
        f"Partnership {event['partnership_id']} corrected from delivery partner {before.get('delivery_partner_id')} to "
        f"{after.get('delivery_partner_id')}"
    )


def _replaced(event: Values, before: Values, _after: Values) -> str:
    if before.get("column") == "*":
        return "A record accepted here was removed: DfE's extract no longer holds it"
    record = "the participant" if not (event["training_period_id"] or event["declaration_id"]) else "the record"
    return f"DfE's extract replaced an accepted update: {before.get('column')} of {record} is now as DfE has it"


def _moved(event: Values, before: Values, after: Values) -> str:
    if before.get("column") == "*":
        return f"DfE merged the school into another: partnership {before.get('value')} went into {after.get('value')}"
    return f"DfE merged the school into another: partnership {event['partnership_id']} moved there with it"


DECLARATION_CREATED = _event("teacher_declaration_created", _created)
DECLARATION_ELIGIBLE = _event("teacher_declaration_eligible", _statused)
DECLARATION_VOIDED = _event("teacher_declaration_voided", _statused, "the declaration was voided")
DECLARATION_AWAITING_CLAWBACK = _event(
    "teacher_declaration_awaiting_clawback", _statused, "the declaration was clawed back"
)
DECLARATION_PAYABLE = _event("teacher_declaration_payable", _declared("became payable"))
DECLARATION_PAID = _event("teacher_declaration_paid", _declared("was paid"))
DECLARATION_CLAWED_BACK = _event("teacher_declaration_clawed_back", _declared("was clawed back"))
TRAINING_DEFERRED = _event("teacher_defers_training_period", _stopped("deferred"), "the participant was deferred")
TRAINING_WITHDRAWN = _event("teacher_withdraws_training_period", _stopped("withdrawn"), "the participant was withdrawn")
TRAINING_RESUMED = _event("teacher_resumes_training_period", _resumed, "the participant was resumed")
SCHEDULE_CHANGED = _event(
    "teacher_changes_schedule_training_period", _rescheduled, "the participant's schedule was changed"
)
TRAINING_FINISHED = _event("teacher_finishes_training_period", _stopped("ended for a change of schedule"))
SCHEDULE_ASSIGNED = _event("teacher_schedule_assigned_to_training_period", _reassigned)
COMPLETION_CHANGED = _event(
    "mentor_completion_status_change", _completion, "the mentor's completion was recorded or voided"
)
PARTNERSHIP_CREATED = _event("school_partnership_created")
PARTNERSHIP_UPDATED = _event("school_partnership_updated", _corrected, "the partnership's delivery partner was changed")
TRAINING_ASSIGNED = _event("training_period_assigned_to_school_partnership", _joined)
PARTNERSHIP_MOVED = _event("school_partnership_moved_with_school", _moved, "DfE merged the school into another")
REPLACED_BY_RECORDS = _event(
    "accepted_update_replaced_by_records", _replaced, "records of DfE that say otherwise were loaded"
)
STATEMENT_PAYABLE = _event("statement_marked_payable")
STATEMENT_AUTHORISED = _event("statement_authorised_for_payment")
ADJUSTMENT_ADDED = _event("statement_adjustment_added")
SUBMISSION_SET_ASIDE = _event("submission_set_aside")
SUBMISSION_RETRIED = _event("submission_retried")

UNDID = {event.type: event.undid for event in EVENTS.values() if event.undid}
