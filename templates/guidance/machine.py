"""What programs read of the files that providers send: Table Schema, JSON Schema, lists of codes and words."""

from dataclasses import replace
from typing import Any

import polars as pl

from schemas.columns import COLUMNS
from schemas.discrepancies import TITLES
from schemas.facts import evidence_matrix, rows_of
from schemas.kinds import KINDS
from schemas.kinds.kind import Kind
from schemas.outbound.files import PATTERNS, Sent
from schemas.vocabulary import DECLARATION_TYPES, PARTICIPANT_TYPES, SCHEDULE_IDENTIFIERS
from templates.folders import as_json
from templates.guidance.kinds import meaning_of, words_of
from templates.guidance.rules import rules_with_pages

# How a cell is written that people send, where that is not as we write it.
_SENT = {
    "id": "^[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$",
    "trn": "^[0-9]{7}$",
    "urn": "^[0-9]{6}$",
    "year": "^[0-9]{4}$",
    "instant": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?$",
}


def table_schema(kind: Kind) -> bytes:
    """schemas/KIND.table-schema.json (Frictionless, v1)."""
    fields = [_field(kind, name) for name in kind.columns]
    return as_json({"title": f"Files of {kind.name}", "fields": fields, "missingValues": [""]})


def json_schema(kind: Kind) -> bytes:
    """schemas/KIND.schema.json: of one row, its cells as text."""
    return as_json(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": f"A row of a file of {kind.name}",
            "type": "object",
            "properties": {name: _property(kind, name) for name in kind.columns},
            "required": list(kind.required),
        }
    )


def code_lists() -> dict[str, tuple[str, pl.DataFrame]]:
    """Name of each list → what it lists, and its rows (text)."""
    reasons = [{"kind": f"{row['action']}", "reason": row["reason"], "participant_types": row["participant_types"]}
               for row in rows_of("withdrawal_deferral_reasons")]  # fmt: skip
    words = [{"column": each.name, "word": word} for each in COLUMNS.values() for word in each.words]
    rules = [{"code": each.code, "kind": each.kind, "column": each.column, "why": each.why, "page": f"rules/{each.code}.html"}
             for each in rules_with_pages()]  # fmt: skip
    return {
        "declaration-types": ("Types of declaration, in order", pl.DataFrame({"declaration_type": DECLARATION_TYPES})),
        "course-identifiers": (
            "Courses, and whose they are",
            pl.DataFrame({"course_identifier": [*PARTICIPANT_TYPES], "participant_type": [*PARTICIPANT_TYPES.values()]}),
        ),
        "schedules": ("Schedules", pl.DataFrame({"schedule_identifier": SCHEDULE_IDENTIFIERS})),
        "reasons": ("Reasons of deferrals and withdrawals", pl.DataFrame(reasons)),
        "evidence": ("Which evidence goes with which declaration", evidence_matrix()),
        "reasons-for-a-difference": (
            "Why an amount differs from what was expected",
            pl.DataFrame({"reason_code": [*TITLES], "title": [*TITLES.values()]}),
        ),
        "rules": ("Rules, and their pages", pl.DataFrame(rules)),
        "words": ("Words that columns of our files may hold", pl.DataFrame(words)),
    }  # fmt: skip


def _field(kind: Kind, name: str) -> dict[str, Any]:
    column = replace(COLUMNS[name], words=words_of(kind, name), meaning=meaning_of(kind, name))
    field = Sent(column, name not in kind.required).schema()
    if column.kind in _SENT and not column.words:
        field |= {"type": "string", "constraints": {"required": name in kind.required, "pattern": _SENT[column.kind]}}
    return field


def _property(kind: Kind, name: str) -> dict[str, Any]:
    words, said = words_of(kind, name), {"type": "string", "description": meaning_of(kind, name)}
    if words:
        return {**said, "enum": [*words] if name in kind.required else [*words, ""]}
    pattern = _SENT.get(COLUMNS[name].kind) or PATTERNS.get(COLUMNS[name].kind)
    if pattern and name not in kind.required:
        pattern = f"^$|{pattern}"
    return {**said, "pattern": pattern} if pattern else said


def machine_files() -> dict[str, bytes]:
    """Path in the guidance folder → content, of all schemas and lists that are the same for everybody."""
    files = {f"building/schemas/{kind.name}.table-schema.json": table_schema(kind) for kind in KINDS.values()}
    files |= {f"building/schemas/{kind.name}.schema.json": json_schema(kind) for kind in KINDS.values()}
    return files | {f"building/codes/{name}.csv": rows.write_csv().encode() for name, (_, rows) in code_lists().items()}
