"""What kinds share: rules about whose training it is (the same five, in each family's name), and the records they read.

Source: RECT app/services/api/concerns/teachers/shared_action.rb.
"""

import polars as pl

from schemas.kinds.kind import Memory
from schemas.needs import FILE, Ids, Need
from schemas.rules import Rule, one_of
from schemas.vocabulary import COURSE_IDENTIFIERS

SHARED = "RECT app/services/api/concerns/teachers/shared_action.rb"
CHECK_THE_ID = (
    pl.when(pl.col("merged_into").is_not_null())
    .then(pl.format("DfE has merged two records of this person: use the id {}.", "merged_into"))
    .otherwise(
        pl.lit(
            "Take it from id in participants.csv of your extract; if DfE has merged two records of this person, the old id stands "
            "there in previous_participant_ids."
        )
    )
)  # fmt: skip


# Whose training it is.
TRAINING = ("participant_id", "course_identifier")


def everything_about(*people: Ids) -> tuple[Need, ...]:
    """Everything about these participants, whoever trains them, and this provider's statements."""
    return (
        Need("participants", "participant_id", people),
        Need("participant_id_changes", "from_participant_id", people),
        Need("school_periods", "participant_id", (*people, Ids("participant_id_changes", "to_participant_id"))),
        Need("training_periods", "school_period_id", (Ids("school_periods", "school_period_id"),)),
        Need("partnerships", "partnership_id", (Ids("training_periods", "partnership_id"),)),
        Need("declarations", "training_period_id", (Ids("training_periods", "training_period_id"),)),
        Need("contract_periods"),
        Need("milestones"),
        Need("statements", own=True),
    )


def remembered(memory: Memory, ids: Ids) -> Need:
    """What accepted rows of this lead provider asked for before about these records."""
    return Need("events", memory.link, (ids,), own=True, types=memory.types)


SENT_PARTICIPANTS = Ids(FILE, "participant_id")
# With which delivery partners this lead provider may work.
OWN_TERMS = (Need("contract_periods"), Need("delivery_partners"), Need("provider_delivery_partners", own=True))
AT_SCHOOLS = Need("partnerships", "school_id", (Ids("schools", "school_id"),), own=True)


def training_rules(family: str) -> tuple[Rule, ...]:
    """FAMILY-001 to -005: whose training it is. They speak of a row joined to T: transforms.facts.with_training."""
    return (
        Rule(
            code=f"{family}-001",
            field="participant_id",
            broken=pl.col("participant_id").is_null(),
            message="The participant_id is blank.",
            advice="Give the participant's id.",
            source=SHARED,
        ),
        Rule(
            code=f"{family}-002",
            field="participant_id",
            broken=~pl.col("is_your_participant"),
            message="We do not recognise this participant_id as one of your participants.",
            advice=CHECK_THE_ID,
            source="RECT app/controllers/api/v3/participants_controller.rb",
            silenced_by=("participant_id",),
        ),
        Rule(
            code=f"{family}-003",
            field="course_identifier",
            broken=pl.col("course_identifier").is_null(),
            message="The course_identifier is blank.",
            advice="Say whether this is ECT training (ecf-induction) or mentor training (ecf-mentor).",
            source=SHARED,
        ),
        Rule(
            code=f"{family}-004",
            field="course_identifier",
            broken=~pl.col("course_identifier").is_in(COURSE_IDENTIFIERS),
            message="“{course_identifier}” is not a course identifier.",
            advice="Use ecf-induction for an ECT or ecf-mentor for a mentor.",
            source=SHARED,
            silenced_by=("course_identifier",),
        ),
        Rule(
            code=f"{family}-005",
            field="course_identifier",
            broken=pl.col("training_period_id").is_null(),
            message="You do not train this participant as {course_identifier}.",
            advice="See participant_type in participants.csv of your extract: ecf-induction is an ect's, ecf-mentor a mentor's.",
            source=SHARED,
            silenced_by=("course_identifier", "participant_id"),
        ),
    )


def reason_rules(family: str, reasons: tuple[str, ...], source: str) -> tuple[Rule, ...]:
    """FAMILY-007 and -008: the reason is given, and is one of the list."""
    listed = ", ".join(reasons)
    return (
        Rule(
            code=f"{family}-007",
            field="reason",
            broken=pl.col("reason").is_null(),
            message="The reason is blank.",
            advice=f"Give one of: {listed}.",
            source=source,
        ),
        Rule(
            code=f"{family}-008",
            field="reason",
            broken=~pl.col("reason").is_in(reasons),
            message="“{reason}” is not a reason that we know.",
            advice=one_of("reason", reasons),
            source=source,
            silenced_by=("reason",),
        ),
    )


def start_rules(family: str, not_yet: int, today: int, source: str) -> tuple[Rule, ...]:
    """Training that starts in the future, or starts today, cannot be stopped."""
    return (
        Rule(
            code=f"{family}-{not_yet:03}",
            field="participant_id",
            broken=pl.col("started_on") > pl.col("today"),
            message="This participant's training with you starts on {started_on}, which has not come yet.",
            advice="If they will never start with you, ask DfE to delete the record.",
            source=source,
            silenced_by=("participant_id",),
        ),
        Rule(
            code=f"{family}-{today:03}",
            field="participant_id",
            broken=pl.col("started_on") == pl.col("today"),
            message="This participant's training with you started today, {started_on}: it is new, or changed today.",
            advice="Send the row again tomorrow.",
            source=source,
            silenced_by=("participant_id",),
        ),
    )
