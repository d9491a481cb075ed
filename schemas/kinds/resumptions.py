"""The rules of a resumption, RESUME-001 to RESUME-011, in the order of evaluation."""

import polars as pl

from schemas import events
from schemas.kinds.kind import Kind, Memory, Owner, codes
from schemas.kinds.shared import SENT_PARTICIPANTS, TRAINING, everything_about, remembered, training_rules
from schemas.rules import Rule

RESUME = "RECT app/services/api/teachers/resume.rb"


def _about_participant(number: int, broken: pl.Expr, message: str, advice: str, source: str = RESUME) -> Rule:
    """All of this family's own rules are about the participant, and stop at the first that is broken."""
    return Rule(
        code=f"RESUME-{number:03}",
        field="participant_id",
        broken=broken,
        message=message,
        advice=advice,
        source=source,
        silenced_by=("participant_id",),
    )


RULES: tuple[Rule, ...] = (
    *training_rules("RESUME"),
    _about_participant(
        7,
        pl.col("training_status") == "active",
        "This participant's training with you is neither deferred nor withdrawn.",
        "There is nothing to resume; if they have left, the school must report them back.",
    ),
    _about_participant(
        8,
        pl.col("is_training_elsewhere"),
        "This participant is training elsewhere today, with another lead provider or led by their school.",
        "Ask the school to correct the provider.",
    ),
    _about_participant(
        9,
        pl.col("finished_on") == pl.col("today"),
        "This participant's training with you ended today, {finished_on}.",
        "Send the row again tomorrow.",
    ),
    _about_participant(
        10,
        pl.col("school_period_finished_on") <= pl.col("today"),
        "This participant is no longer at that school: they left on {school_period_finished_on}.",
        "Contact the school's induction tutor.",
    ),
    _about_participant(
        11,
        pl.col("would_overlap"),
        "From today on this participant has other training on record in this role, which theirs with you would overlap.",
        "They are due to start, or are training, elsewhere: ask the school.",
        "ours; RECT raises an error instead",
    ),
)

_MEMORY = Memory("participant_id", (events.TRAINING_RESUMED,))

KIND = Kind(
    name="resumptions",
    does="Lets training go on from today, as it was before it was deferred or withdrawn.",
    place=5,
    required=TRAINING,
    optional=(),
    owner="participant_id",
    owned_by=Owner.PARTICIPANT,
    rules=RULES,
    told_done_by=codes("RESUME", 1, 2, 3, 4, 5),
    needs=(*everything_about(SENT_PARTICIPANTS), remembered(_MEMORY, SENT_PARTICIPANTS)),
    memory=_MEMORY,
)
