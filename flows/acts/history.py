"""`ectx history`: what happened to one participant or one declaration, in order, in words: who, by which file and line,
what stood before and what after. Reasons of withdrawals and deferrals are personal: they are told only when asked for."""

import json
from typing import Any

from data.history import declaration_facts, events_of_declaration, events_of_participant, participant_facts
from data.reader import Reader
from flows.errors import ExchangeError
from schemas.events import AUTHORS, EVENTS, role_words
from schemas.instants import in_london

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
        f"({role_words(facts)}), dated {in_london(facts['declaration_date'])}, by {facts['lead_provider']}, contract period "
        f"{facts['contract_period']}; recorded {in_london(facts['created_at'])}."
    )


def _as_it_stands(facts: Values) -> str:
    if facts["clawback_status"] != "no_clawback":
        return f"Now: paid, {facts['clawback_status'].replace('_', ' ')}."
    return f"Now: {'submitted' if facts['payment_status'] == 'no_payment' else facts['payment_status']}."


def _line(event: Values, with_reasons: bool) -> str:
    before, after = (json.loads(event[side]) if event[side] else {} for side in ("before", "after"))
    what = EVENTS[event["type"]].tell(event, before, after)
    reason = event["reason"] or (after.get("reason") if with_reasons else None)
    why = f" Reason: {reason}." if reason else ""
    return f"{in_london(event['happened_at'])}  {what[0].upper()}{what[1:]}.{why} ({_by(event)})"


def _by(event: Values) -> str:
    if event["submission_id"]:
        line = f"line {event['line_number']}" if event["line_number"] else f"row {event['row_number']}"
        return f"{event['lead_provider']}, {event['file_name']} {line}, {event['submission_id']}"
    return AUTHORS.get(event["author"]) or str(event["author"])
