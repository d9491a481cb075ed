"""The rules of a deferral, DEFER-001 to DEFER-012, in the order of evaluation."""

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
from schemas.rules import Rule
from schemas.vocabulary import DEFERRAL_REASONS

DEFER = "RECT app/services/api/teachers/defer.rb"

RULES: tuple[Rule, ...] = (
    *training_rules("DEFER"),
    *reason_rules("DEFER", DEFERRAL_REASONS, DEFER),
    Rule(
        code="DEFER-009",
        field="participant_id",
        broken=pl.col("training_status") == "deferred",
        message="This participant's training has been deferred since {deferred_at}.",
        advice="The reason recorded is {deferral_reason}. If another is right, ask DfE; else there is nothing to do.",
        source=DEFER,
        silenced_by=("participant_id",),
    ),
    Rule(
        code="DEFER-010",
        field="participant_id",
        broken=pl.col("training_status") == "withdrawn",
        message="This participant was withdrawn on {withdrawn_at}, and a withdrawn participant cannot be deferred.",
        advice="If they came back, resume them first.",
        source=DEFER,
        silenced_by=("participant_id",),
    ),
    *start_rules("DEFER", 11, 12, DEFER),
)

_MEMORY = Memory("participant_id", (events.TRAINING_DEFERRED,))

KIND = Kind(
    name="deferrals",
    does="Stops a participant's training for a time, from today.",
    place=3,
    required=(*TRAINING, "reason"),
    optional=(),
    owner="participant_id",
    owned_by=Owner.PARTICIPANT,
    rules=RULES,
    told_done_by=codes("DEFER", 1, 2, 3, 4, 5),
    needs=(*everything_about(SENT_PARTICIPANTS), remembered(_MEMORY, SENT_PARTICIPANTS)),
    memory=_MEMORY,
)
