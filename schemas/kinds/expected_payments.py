"""The rules of what a provider expects to be paid, EXPECT-001 to EXPECT-003 (ours).

Nothing of the records is judged: any participant, role, month and type may be stated.
"""

import polars as pl

from schemas.kinds.kind import Kind, Owner
from schemas.kinds.shared import TRAINING
from schemas.needs import FILE, Ids, Need
from schemas.rules import ANY, Rule, one_of
from schemas.vocabulary import COURSE_IDENTIFIERS, DECLARATION_TYPES

_REQUIRED = ("statement_month", "contract_period", *TRAINING, "declaration_type")
_WORDS = {"course_identifier": COURSE_IDENTIFIERS, "declaration_type": DECLARATION_TYPES}

RULES: tuple[Rule, ...] = (
    *(
        Rule(
            code="EXPECT-002",
            field=column,
            broken=pl.col(column).is_null(),
            message=f"The {column} is blank.",
            advice="Fill in the value.",
            source="ours",
            silenced_by=(column,),
        )
        for column in _REQUIRED
    ),
    *(
        Rule(
            code="EXPECT-003",
            field=column,
            broken=~pl.col(column).is_in(words),
            message=f"“{{{column}}}” is not a {column} that we know.",
            advice=one_of(column, words),
            source="ours",
            silenced_by=(column,),
        )
        for column, words in _WORDS.items()
    ),
    # Last, though numbered first: any other failure of the row silences it.
    Rule(
        code="EXPECT-001",
        field="declaration_type",
        broken=pl.col("is_stated_above"),
        message="This declaration is stated for {statement_month} on a line above already.",
        advice="Keep one of the two lines.",
        source="ours",
        silenced_by=(ANY,),
    ),
)

KIND = Kind(
    name="expected-payments",
    does="Says what you expect to be paid, so that it is compared with what is due. The last file for a month counts.",
    place=9,
    required=_REQUIRED,
    optional=("expected_amount", "delivery_partner_id"),
    owner="participant_id",
    owned_by=Owner.PARTICIPANT,
    rules=RULES,
    told_done_by=frozenset(),
    needs=(
        Need("statements", own=True),
        Need("stated_before", "statement_month", (Ids(FILE, "statement_month"),), own=True),
    ),
    memory=None,
)
