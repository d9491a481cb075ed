"""Examples of the rules of declarations."""

from datetime import date

from transforms.examples.example import Example
from transforms.examples.world import NOW, STRANGER, Declared, Training, World, a_row, utc

_OLD = World(training=(Training(contract_period=2024, started_on=date(2024, 9, 1)),))
_STARTED = Declared("started", "2025-11-03T09:30:00Z", "training-event-attended")
_LATER = utc("2025-11-13T12:00:00Z")


def _old(declaration_date: str) -> dict[str, str]:
    return a_row(declaration_type="retained-1", declaration_date=declaration_date, evidence_held="other")


EXAMPLES = (
    Example(
        "DECL-003",
        "Without the id we cannot know whom you mean.",
        a_row(participant_id=""),
        {"participant_id": a_row()["participant_id"]},
    ),
    Example(
        "DECL-004",
        "You can declare only for people who train, or have trained, with you. This keeps everybody else's records from you.",
        a_row(participant_id=STRANGER),
        {"participant_id": a_row()["participant_id"]},
    ),
    Example(
        "DECL-005",
        "One person can train as an ECT, and later as a mentor. We must know which training you mean.",
        a_row(course_identifier=""),
        {"course_identifier": "ecf-induction"},
    ),
    Example(
        "DECL-006",
        "There are two courses, and each has one name.",
        a_row(course_identifier="ecf-ect"),
        {"course_identifier": "ecf-induction"},
    ),
    Example(
        "DECL-007",
        "The date decides the milestone, and so what is paid.",
        a_row(declaration_date=""),
        {"declaration_date": "2025-11-03T09:30:00Z"},
    ),
    Example(
        "DECL-008",
        "ECTs and mentors are paid for in different ways, so the course must be the one that the person is on.",
        a_row(course_identifier="ecf-mentor"),
        {"course_identifier": "ecf-induction"},
        holds="This participant trains with you as an ECT.",
    ),
    Example(
        "DECL-009",
        "The type says which milestone was reached.",
        a_row(declaration_type=""),
        {"declaration_type": "started"},
    ),
    Example(
        "DECL-010",
        "Each milestone has one name.",
        a_row(declaration_type="retained1"),
        {"declaration_type": "retained-1"},
    ),
    Example(
        "DECL-011",
        "DfE pays for each milestone of a person once.",
        a_row(evidence_held="other"),
        world=World(declared=(_STARTED,)),
        holds="You declared started for this participant before.",
    ),
    Example(
        "DECL-015",
        "A day can be written in many ways, and only one of them is never misread.",
        a_row(declaration_date="03/11/2025 09:30"),
        {"declaration_date": "2025-11-03T09:30:00Z"},
    ),
    Example(
        "DECL-012",
        "A declaration says what has happened, so its date cannot lie ahead.",
        a_row(declaration_date="2025-11-12T09:30:00Z"),
        right_at=_LATER,
        holds="We received this file on 10 November 2025.",
    ),
    Example(
        "DECL-013",
        "Each milestone has its first day and its last day.",
        _old("2024-12-03T09:30:00Z"),
        {"declaration_date": "2025-01-15T09:30:00Z"},
        world=_OLD,
    ),
    Example(
        "DECL-014",
        "Each milestone has its first day and its last day.",
        _old("2025-04-02T09:30:00Z"),
        {"declaration_date": "2025-03-20T09:30:00Z"},
        world=_OLD,
    ),
    Example(
        "DECL-016",
        "From 2025, DfE pays for a mentor twice: when training starts, and when it is completed.",
        a_row(declaration_type="retained-1", course_identifier="ecf-mentor"),
        {"declaration_type": "started"},
        world=World(training=(Training(role="mentor"),)),
        holds="This participant trains with you as a mentor.",
    ),
    Example(
        "DECL-017",
        "DfE may ask to see the evidence, so it must know what you hold.",
        a_row(evidence_held=""),
        {"evidence_held": "training-event-attended"},
    ),
    Example(
        "DECL-018",
        "What counts as evidence depends on the type of declaration.",
        a_row(evidence_held="one-term-induction"),
        {"evidence_held": "training-event-attended"},
    ),
    Example(
        "DECL-019",
        "What comes after a withdrawal is not paid for.",
        a_row(),
        {"declaration_date": "2025-10-20T09:30:00Z"},
        world=World(training=(Training(withdrawn_at=utc("2025-11-01T10:00:00Z"), finished_on=date(2025, 11, 1)),)),
        holds="You withdrew this participant on 1 November 2025.",
    ),
    Example(
        "DECL-020",
        "DfE stops paying for a contract period on a day that it sets.",
        a_row(),
        world=World(frozen={2025: NOW}),
        holds="The contract period 2025 is closed.",
    ),
    Example(
        "DECL-021",
        "Money is paid on statements, and none is left that could pay this.",
        a_row(),
        world=World(deadlines=()),
        holds="No statement of contract period 2025 is open.",
    ),
    Example(
        "DECL-022",
        "The schedule says which milestones there are.",
        a_row(declaration_type="extended-1"),
        {"declaration_type": "retained-1"},
        holds="This participant's schedule is ecf-standard-september.",
    ),
    Example(
        "DECL-023",
        "Nobody can complete what they have not started.",
        a_row(declaration_type="retained-1", declaration_date="2025-10-20T09:30:00Z"),
        {"declaration_date": "2025-11-05T09:30:00Z"},
        world=World(declared=(_STARTED,)),
        holds="You declared started, dated 3 November 2025.",
    ),
    Example(
        "DECL-025",
        "A wrong id looks like a right one. The TRN, where you give it, shows that both are of one person.",
        a_row(trn="7654321"),
        {"trn": "0123456"},
        holds="DfE holds the TRN 0123456 for this participant.",
    ),
)
