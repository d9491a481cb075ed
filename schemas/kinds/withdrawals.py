"""The rules of a withdrawal, WITHDRAW-001 to WITHDRAW-012, in the order of evaluation."""

import polars as pl

from schemas import events
from schemas.kinds.kind import Kind, Memory, Owner, codes
from schemas.kinds.shared import (
    SENT_PARTICIPANTS,
    TRAINING,
    everything_about,
    reason_rules,
    remembered,
    start_rules,
    training_rules,
)
from schemas.rules import ANY, Rule
from schemas.vocabulary import MENTORS_ONLY_REASON, WITHDRAWAL_REASONS

WITHDRAW = "RECT app/services/api/teachers/withdraw.rb"

RULES: tuple[Rule, ...] = (
    *training_rules("WITHDRAW"),
    *reason_rules("WITHDRAW", WITHDRAWAL_REASONS, WITHDRAW),
    Rule(
        code="WITHDRAW-009",
        field="participant_id",
        broken=pl.col("training_status") == "withdrawn",
        message="This participant has been withdrawn since {withdrawn_at}.",
        advice="The reason recorded is {withdrawal_reason}. If another is right, ask DfE; else there is nothing to do.",
        source=WITHDRAW,
        silenced_by=("participant_id",),
    ),
    *start_rules("WITHDRAW", 10, 11, WITHDRAW),
    Rule(
        code="WITHDRAW-012",
        field="reason",
        broken=(pl.col("participant_type") == "ect") & (pl.col("reason") == MENTORS_ONLY_REASON),
        message="“{reason}” is a reason for mentors, and this row is about an ECT.",
        advice="Choose another reason, or correct the course_identifier.",
        source=WITHDRAW,
        silenced_by=(ANY,),
    ),
)

_MEMORY = Memory("participant_id", (events.TRAINING_WITHDRAWN,))

KIND = Kind(
    name="withdrawals",
    does="Ends a participant's training today. Declarations dated later are rejected.",
    place=4,
    required=(*TRAINING, "reason"),
    optional=(),
    owner="participant_id",
    owned_by=Owner.PARTICIPANT,
    rules=RULES,
    told_done_by=codes("WITHDRAW", 1, 2, 3, 4, 5),
    needs=(*everything_about(SENT_PARTICIPANTS), remembered(_MEMORY, SENT_PARTICIPANTS)),
    memory=_MEMORY,
)
