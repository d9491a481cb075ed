"""Examples of the rules of lists of expected payments, and of requests."""

from transforms.examples.example import Example
from transforms.examples.world import PARTICIPANT, World

_ROW = {
    "statement_month": "2025-12",
    "contract_period": "2025",
    "participant_id": PARTICIPANT,
    "course_identifier": "ecf-induction",
    "declaration_type": "started",
    "expected_amount": "119.40",
}

EXPECTED_PAYMENTS = (
    Example(
        "EXPECT-001",
        "A list states each declaration once, so that its amount is clear.",
        {**_ROW, "expected_amount": "117.48"},
        {"declaration_type": "retained-1"},
        before=(_ROW,),
    ),
    Example(
        "EXPECT-002",
        "These cells say which declaration you mean, and when you expect it to be paid.",
        {**_ROW, "statement_month": ""},
        {"statement_month": "2025-12"},
    ),
    Example(
        "EXPECT-003",
        "We compare what you expect with what is due, so both must name it the same way.",
        {**_ROW, "declaration_type": "retained1"},
        {"declaration_type": "retained-1"},
    ),
)

_ASKED = {"request": "extract"}
REQUESTS = (
    Example(
        "REQUEST-001",
        "The word says what you want to have.",
        {"request": "extracts"},
        {"request": "extract"},
        World(training=()),
    ),
    Example(
        "REQUEST-002",
        "Each extract takes us time, and the next one comes at night in any case.",
        {**_ASKED, "your_reference": "A-5"},
        before=tuple({**_ASKED, "your_reference": f"A-{number}"} for number in range(1, 5)),
    ),
)
