"""`ectx history`: what happened to one participant or one declaration, in order, in words: who, by which file and line,
what stood before and what after. Reasons of withdrawals and deferrals are personal: they are told only when asked for."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

from data.database import Reader
from data.history import declaration_facts, events_of_declaration, events_of_participant, participant_facts
from flows.errors import ExchangeError
from templates.rendering import in_london, long_day

Values = dict[str, Any]


def history(reader: Reader, record_id: str, with_reasons: bool = False) -> list[str]:
    """The story, a line an event. Raises ExchangeError (NO-RECORD) where the id is neither's."""
    declaration = declaration_facts(reader, record_id)
    if declaration:
        told = events_of_declaration(reader, record_id)
        return [_declaration(declaration), *(_line(event, with_reasons) for event in told), _as_it_stands(declaration)]
    participant = participant_facts(reader, record_id)
    if participant is None:
        raise ExchangeError(
            "NO-RECORD", f"There is no participant and no declaration {record_id}.", "Copy the id from an extract."
        )
    told = events_of_participant(reader, record_id)
    first = f"Participant {record_id}, in DfE's records since {in_london(participant['created_at'])}."
    return [first, *([_line(event, with_reasons) for event in told] or ["Nothing has been changed by the exchange."])]


def _declaration(facts: Values) -> str:
    return (
        f"Declaration {facts['declaration_id']}: {facts['declaration_type']} of participant {facts['participant_id']} "
        f"({_role(facts)}), dated {in_london(facts['declaration_date'])}, by {facts['lead_provider']}, contract period "
        f"{facts['contract_period']}; recorded {in_london(facts['created_at'])}."
    )


def _as_it_stands(facts: Values) -> str:
    if facts["clawback_status"] != "no_clawback":
        return f"Now: paid, {facts['clawback_status'].replace('_', ' ')}."
    return f"Now: {'submitted' if facts['payment_status'] == 'no_payment' else facts['payment_status']}."


def _line(event: Values, with_reasons: bool) -> str:
    before, after = (json.loads(event[side]) if event[side] else {} for side in ("before", "after"))
    tell = _SENTENCES.get(event["type"])
    what = tell(event, before, after) if tell else event["type"].replace("_", " ").capitalize()
    reason = event["reason"] or (after.get("reason") if with_reasons else None)
    why = f" Reason: {reason}." if reason else ""
    return f"{in_london(event['happened_at'])}  {what[0].upper()}{what[1:]}.{why} ({_by(event)})"


def _by(event: Values) -> str:
    if event["submission_id"]:
        line = f"line {event['line_number']}" if event["line_number"] else f"row {event['row_number']}"
        return f"{event['lead_provider']}, {event['file_name']} {line}, {event['submission_id']}"
    return {"dfe_staff_user": "DfE", "system": "the exchange"}.get(event["author"]) or str(event["author"])


def _day(text: str | None) -> str:
    return long_day(date.fromisoformat(text)) if text else "open"


def _month(event: Values) -> str:
    return f"the statement of {event['year']}-{event['month']:02}" if event["year"] else "no statement"


def _role(event: Values) -> str:
    return {"ect": "ECT", "mentor": "mentor"}.get(event["participant_type"] or "", "unknown role")


def _declared(verb: str) -> Callable[[Values, Values, Values], str]:
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


def _stopped(verb: str) -> Callable[[Values, Values, Values], str]:
    return lambda event, before, after: (
        f"{_role(event)} training {verb}; its end went from {_day(before.get('finished_on'))} to "
        f"{_day(after.get('finished_on'))}"
    )


def _resumed(event: Values, before: Values, after: Values) -> str:
    return (
        f"{_role(event)} training, {before.get('training_status')} before, resumed in a new period from "
        f"{_day(after.get('started_on'))} ({_day(after.get('finished_on'))})"
    )


def _rescheduled(event: Values, before: Values, after: Values) -> str:
    told = (
        f"{_role(event)} training went from {before.get('schedule_identifier')} of contract period "
        f"{before.get('training_contract_period')} to {after.get('schedule_identifier')} of "
        f"{after.get('training_contract_period')}"
    )
    if before.get("frozen_year") != after.get("frozen_year"):
        told += f"; closed contract period they came from: {after.get('frozen_year') or 'none'}"
    return told


def _completion(event: Values, before: Values, after: Values) -> str:
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


def _replaced(event: Values, before: Values, after: Values) -> str:
    if before.get("column") == "*":
        return "A record accepted here was removed: DfE's extract no longer holds it"
    record = "the participant" if not (event["training_period_id"] or event["declaration_id"]) else "the record"
    return f"DfE's extract replaced an accepted update: {before.get('column')} of {record} is now as DfE has it"


def _moved(event: Values, before: Values, after: Values) -> str:
    if before.get("column") == "*":
        return f"DfE merged the school into another: partnership {before.get('value')} went into {after.get('value')}"
    return f"DfE merged the school into another: partnership {event['partnership_id']} moved there with it"


_SENTENCES: dict[str, Callable[[Values, Values, Values], str]] = {
    "teacher_declaration_created": _created,
    "teacher_declaration_eligible": _statused,
    "teacher_declaration_voided": _statused,
    "teacher_declaration_awaiting_clawback": _statused,
    "teacher_declaration_payable": _declared("became payable"),
    "teacher_declaration_paid": _declared("was paid"),
    "teacher_declaration_clawed_back": _declared("was clawed back"),
    "mentor_completion_status_change": _completion,
    "teacher_defers_training_period": _stopped("deferred"),
    "teacher_withdraws_training_period": _stopped("withdrawn"),
    "teacher_resumes_training_period": _resumed,
    "teacher_changes_schedule_training_period": _rescheduled,
    "teacher_finishes_training_period": _stopped("ended for a change of schedule"),
    "teacher_schedule_assigned_to_training_period": lambda event, before, after: (
        f"{_role(event)} training goes on in a new period on {after.get('schedule_identifier')}"
    ),
    "training_period_assigned_to_school_partnership": lambda event, before, after: (
        f"{_role(event)} training that waited on an expression of interest joined partnership {event['partnership_id']}"
    ),
    "school_partnership_updated": _corrected,
    "school_partnership_moved_with_school": _moved,
    "accepted_update_replaced_by_records": _replaced,
}
