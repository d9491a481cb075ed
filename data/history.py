"""The audit trail of one participant or one declaration, as a frame. No words: schemas.events has them."""

from typing import Any

from data.reader import Reader
from schemas.columns import typed
from schemas.events import PARTNERSHIP_UPDATED

_TOLD = """
SELECT e.event_id, e.happened_at, e.type, e.author, e.submission_id, e.row_number, e.line_number, e.declaration_id,
       e.training_period_id, e.partnership_id, e.statement_id, e.reason, e.before, e.after, l.name AS lead_provider,
       u.file_name, d.declaration_type, sp.participant_type, st.year, st.month
FROM ({chosen}) chosen
JOIN events e ON e.event_id = chosen.event_id
LEFT JOIN lead_providers l ON l.lead_provider_id = e.lead_provider_id
LEFT JOIN submissions u ON u.submission_id = e.submission_id
LEFT JOIN declarations d ON d.declaration_id = e.declaration_id
LEFT JOIN training_periods tp ON tp.training_period_id = COALESCE(e.training_period_id, d.training_period_id)
LEFT JOIN school_periods sp ON sp.school_period_id = tp.school_period_id
LEFT JOIN statements st ON st.statement_id = e.statement_id
"""
_OF_DECLARATION = "SELECT event_id FROM events WHERE declaration_id = ?"
# What names the participant; what names a training period of theirs alone; corrections of partnerships they trained under.
_OF_PARTICIPANT = f"""
SELECT event_id FROM events WHERE participant_id = ?
UNION
SELECT e.event_id FROM school_periods sp JOIN training_periods tp ON tp.school_period_id = sp.school_period_id
JOIN events e ON e.training_period_id = tp.training_period_id AND e.participant_id IS NULL
WHERE sp.participant_id = ?
UNION
SELECT e.event_id FROM school_periods sp JOIN training_periods tp ON tp.school_period_id = sp.school_period_id
JOIN events e ON e.partnership_id = tp.partnership_id AND e.type = '{PARTNERSHIP_UPDATED}'
WHERE sp.participant_id = ?
UNION
SELECT e.event_id FROM school_periods sp JOIN training_periods tp ON tp.school_period_id = sp.school_period_id
JOIN declarations d ON d.training_period_id = tp.training_period_id
JOIN events e ON e.declaration_id = d.declaration_id AND e.participant_id IS NULL
WHERE sp.participant_id = ?
"""
_DECLARATION = """
SELECT d.declaration_id, d.declaration_type, d.declaration_date, d.payment_status, d.clawback_status, d.created_at,
       sp.participant_id, sp.participant_type, p.contract_period, l.name AS lead_provider
FROM declarations d
JOIN training_periods tp ON tp.training_period_id = d.training_period_id
JOIN school_periods sp ON sp.school_period_id = tp.school_period_id
LEFT JOIN partnerships p ON p.partnership_id = tp.partnership_id
LEFT JOIN lead_providers l ON l.lead_provider_id = p.lead_provider_id
WHERE d.declaration_id = ?
"""
_PARTICIPANT = "SELECT participant_id, created_at FROM participants WHERE participant_id = ?"


def declaration_facts(reader: Reader, declaration_id: str) -> dict[str, Any] | None:
    """The declaration as it stands, or None."""
    return _first(reader, _DECLARATION, declaration_id)


def participant_facts(reader: Reader, participant_id: str) -> dict[str, Any] | None:
    """The participant's id and since when DfE holds the record, or None. No name and no TRN."""
    return _first(reader, _PARTICIPANT, participant_id)


def _first(reader: Reader, sql: str, record_id: str) -> dict[str, Any] | None:
    rows = typed(reader.frame(sql, record_id)).to_dicts()
    return rows[0] if rows else None


def events_of_declaration(reader: Reader, declaration_id: str) -> list[dict[str, Any]]:
    """In order: see _TOLD."""
    return _in_order(reader, _OF_DECLARATION, declaration_id)


def events_of_participant(reader: Reader, participant_id: str) -> list[dict[str, Any]]:
    """In order: see _TOLD."""
    return _in_order(reader, _OF_PARTICIPANT, *[participant_id] * 4)


def _in_order(reader: Reader, chosen: str, *ids: str) -> list[dict[str, Any]]:
    rows = typed(reader.frame(_TOLD.format(chosen=chosen), *ids)).to_dicts()
    return sorted(rows, key=lambda row: row["event_id"])
