"""Examples of the rules of voids and clawbacks. VOID-005, CLAW-001: guards, which no records of DfE's can break."""

from dataclasses import replace
from datetime import date

from transforms.examples.example import Example
from transforms.examples.world import OTHERS, STRANGER, Declared, Training, World, a_statement

_STATEMENT = a_statement()
_STARTED = Declared("started", "2025-10-01T09:00:00Z", statement=_STATEMENT)
_PAID = replace(_STARTED, status="paid")
_MENTOR = Training(role="mentor", finished_on=date(2025, 10, 1))
_COMPLETED = Declared("completed", "2025-10-01T09:00:00Z", training=_MENTOR, statement=_STATEMENT)
_ROW = {"declaration_id": _STARTED.id}

EXAMPLES = (
    Example(
        "VOID-002",
        "Without the id we cannot know which declaration you mean.",
        {"declaration_id": "", "your_reference": "A-1"},
        {"declaration_id": _STARTED.id},
        World(declared=(_STARTED,)),
    ),
    Example(
        "VOID-003",
        "You can void only what you declared.",
        {"declaration_id": STRANGER},
        _ROW,
        World(declared=(_STARTED,)),
    ),
    Example(
        "CLAW-003",
        "Money is clawed back on a statement, and none is left.",
        _ROW,
        world=World(declared=(_PAID,), deadlines=()),
        holds="This declaration was paid. No statement of contract period 2025 is open.",
    ),
    Example(
        "VOID-006",
        "A mentor's completed declaration ended their training. Without it their training goes on, and must not overlap "
        "what came after.",
        {"declaration_id": _COMPLETED.id},
        world=World(
            training=(_MENTOR, Training(role="mentor", provider=OTHERS, started_on=date(2025, 10, 10))),
            declared=(_COMPLETED,),
            person={
                "mentor_funding_end_date": date(2025, 10, 1),
                "mentor_funding_end_reason": "completed_declaration_received",
            },
        ),
        holds="This mentor has trained with another lead provider since 10 October 2025.",
    ),
)
