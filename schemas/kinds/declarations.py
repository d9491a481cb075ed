"""The rules of a declaration, DECL-003 to DECL-025, in the order of evaluation.

They speak of a row joined to its records: transforms.updates.declarations says what each column is.
"""

import polars as pl

from schemas import events
from schemas.damage import DATE_TURNED, is_serial, is_shortened, serial_advice
from schemas.instants import was_skipped
from schemas.kinds.kind import Kind, Memory, Owner, codes
from schemas.kinds.shared import CHECK_THE_ID, SENT_PARTICIPANTS, TRAINING, everything_about, remembered
from schemas.lifecycle import is_live
from schemas.needs import Ids, Need
from schemas.rules import ANY, Rule, one_of
from schemas.vocabulary import COURSE_IDENTIFIERS, DECLARATION_TYPES, FUNDED_MENTOR_TYPES

CREATE = "RECT app/services/api/declarations/create.rb"
_TYPES_LISTED = ", ".join(DECLARATION_TYPES)
_LATER_DAY_OF_MILESTONE = pl.col("declaration_day") > pl.col("milestone_end")
# Our instants end at the microsecond; the rule's limit is the day's last nanosecond.
_LAST_NANOSECOND = pl.col("is_last_nanosecond") & (pl.col("declaration_day") == pl.col("milestone_end"))
SKIPPED = (
    "In London this hour did not exist: clocks went forward from 01:00 to 02:00. Say which time you mean by its zone, Z or "
    "+01:00, for example 2026-03-29T01:30:00Z."
)
_SENT_DATE = pl.col("declaration_date")

RULES: tuple[Rule, ...] = (
    Rule(
        code="DECL-003",
        field="participant_id",
        broken=pl.col("participant_id").is_null(),
        message="The participant_id is blank.",
        advice="Give the participant's id.",
        source=CREATE,
    ),
    Rule(
        code="DECL-004",
        field="participant_id",
        broken=~pl.col("is_your_participant"),
        message="We do not recognise this participant_id as one of your participants.",
        advice=CHECK_THE_ID,
        source=CREATE,
        silenced_by=("participant_id", "course_identifier"),
        ends_row=True,
    ),
    Rule(
        code="DECL-005",
        field="course_identifier",
        broken=pl.col("course_identifier").is_null(),
        message="The course_identifier is blank.",
        advice="Say whether this is ECT training (ecf-induction) or mentor training (ecf-mentor).",
        source=CREATE,
        silenced_by=(ANY,),
    ),
    Rule(
        code="DECL-006",
        field="course_identifier",
        broken=~pl.col("course_identifier").is_in(COURSE_IDENTIFIERS),
        message="“{course_identifier}” is not a course identifier.",
        advice="Use ecf-induction for an ECT or ecf-mentor for a mentor.",
        source=CREATE,
    ),
    Rule(
        code="DECL-007",
        field="declaration_date",
        broken=pl.col("declaration_date").is_null(),
        message="The declaration_date is blank.",
        advice="Give the date and time of the engagement, for example 2025-11-03T09:30:00Z.",
        source=CREATE,
        silenced_by=(ANY,),
    ),
    Rule(
        code="DECL-008",
        field="course_identifier",
        broken=pl.col("participant_type").is_not_null() & pl.col("training_period_id").is_null(),
        message="You do not train this participant as {course_identifier}, but you do in the other role.",
        advice="Correct the course_identifier: see participant_type in participants.csv of your extract.",
        source=CREATE,
        silenced_by=("course_identifier", "participant_id", "declaration_type", "declaration_date"),
    ),
    Rule(
        code="DECL-009",
        field="declaration_type",
        broken=pl.col("declaration_type").is_null(),
        message="The declaration_type is blank.",
        advice=f"Give one of: {_TYPES_LISTED}.",
        source=CREATE,
        silenced_by=(ANY,),
    ),
    Rule(
        code="DECL-010",
        field="declaration_type",
        broken=~pl.col("declaration_type").is_in(DECLARATION_TYPES),
        message="“{declaration_type}” is not a declaration type.",
        advice=one_of("declaration_type", DECLARATION_TYPES),
        source=CREATE,
        silenced_by=(ANY,),
    ),
    Rule(
        code="DECL-011",
        field="declaration_type",
        broken=pl.col("live_declaration_id").is_not_null() & pl.col("training_period_id").is_not_null(),
        message="A {declaration_type} declaration cannot be made for this participant again.",
        advice="{standing_words}",
        source=CREATE,
        silenced_by=("declaration_type", "declaration_date"),
    ),
    Rule(
        code="DECL-015",
        field="declaration_date",
        broken=pl.col("declaration_date").is_not_null() & pl.col("declared_at").is_null(),
        message="“{declaration_date}” is not a date and time that we can read.",
        advice=(
            pl.when(_SENT_DATE.str.contains(r"^[0-9]{1,2}/[0-9]{1,2}/[0-9]{2,4}"))
            .then(pl.lit(DATE_TURNED + " Use the form 2025-11-03T09:30:00Z."))
            .when(is_serial(_SENT_DATE) | is_shortened(_SENT_DATE))
            .then(serial_advice(_SENT_DATE) + " The form is 2025-11-03T09:30:00Z.")
            .when(_SENT_DATE.str.contains(r"^[0-9]{4}-[0-9][0-9]-[0-9][0-9]$"))
            .then(pl.lit("Add the time, for example 2025-11-03T09:30:00Z."))
            .when(_SENT_DATE.str.contains(r"^[0-9]{4}-[0-9][0-9]-[0-9][0-9] [0-9:.,]+"))
            .then(pl.lit("Put a T between day and time, for example 2025-11-03T09:30:00Z."))
            .when(
                _SENT_DATE.str.contains(r"^[0-9]{4}-[0-9][0-9]-[0-9][0-9][Tt][0-9][0-9]:[0-9][0-9]([Zz]|[+-][0-9:]+)?$")
            )
            .then(pl.lit("Add the seconds, for example 2025-11-03T09:30:00Z."))
            .when(was_skipped(_SENT_DATE))
            .then(pl.lit(SKIPPED))
            .otherwise(pl.lit("Use a real date and time in the form 2025-11-03T09:30:00Z."))
        ),
        source="RECT app/validators/api_date_time_format_validator.rb; evaluated first among the dates (ours)",
        silenced_by=("declaration_date",),
    ),
    Rule(
        code="DECL-012",
        field="declaration_date",
        broken=pl.col("declared_at") > pl.col("received_at"),
        message="{declared_at} had not come yet when we received the file.",
        advice="Send the row again once the date has passed.",
        source=CREATE,
        silenced_by=("declaration_date", "declaration_type", "participant_id", "course_identifier"),
    ),
    Rule(
        code="DECL-013",
        field="declaration_date",
        broken=pl.col("declaration_day") < pl.col("milestone_start"),
        message="{declared_at} is before {milestone_start}, when the {declaration_type} milestone of "
        "{schedule_identifier} opens.",
        advice="Check the date, or the participant's schedule.",
        source="RECT app/validators/declaration_date_within_milestone_validator.rb",
        silenced_by=("declaration_date", "declaration_type", "contract_period"),
    ),
    Rule(
        code="DECL-014",
        field="declaration_date",
        broken=_LATER_DAY_OF_MILESTONE | _LAST_NANOSECOND,
        message="{declared_at} is after {milestone_end}, the last day of the {declaration_type} milestone of "
        "{schedule_identifier}.",
        advice="Check the date, or the participant's schedule; give an earlier date only if it is the true one.",
        source="RECT app/validators/declaration_date_within_milestone_validator.rb",
        silenced_by=("declaration_date", "declaration_type", "contract_period"),
    ),
    Rule(
        code="DECL-016",
        field="declaration_type",
        broken=(pl.col("participant_type") == "mentor")
        & pl.col("mentor_funding_enabled")
        & ~pl.col("declaration_type").is_in(FUNDED_MENTOR_TYPES),
        message="Mentors of contract period {contract_period} have only started and completed declarations, "
        "not {declaration_type}.",
        advice="Leave this row out, or correct the role or the type.",
        source=CREATE,
        silenced_by=("declaration_type", "contract_period"),
    ),
    Rule(
        code="DECL-017",
        field="evidence_held",
        broken=pl.col("evidence_held").is_null()
        & ((pl.col("declaration_type") != "started") | pl.col("detailed_evidence_types_enabled"))
        & pl.col("training_period_id").is_not_null(),
        message="The evidence_held is blank.",
        advice="Say what evidence you hold: {allowed_evidence}.",
        source="RECT app/validators/evidence_type_validator.rb",
        silenced_by=(ANY,),
    ),
    Rule(
        code="DECL-018",
        field="evidence_held",
        broken=pl.col("evidence_held").is_not_null()
        & ~pl.col("evidence_is_dropped")
        & ~pl.col("evidence_is_allowed")
        & pl.col("training_period_id").is_not_null(),
        message="“{evidence_held}” is not evidence for {declaration_type} in contract period {contract_period}.",
        advice="Choose one of: {allowed_evidence}.",
        source="RECT app/validators/evidence_type_validator.rb",
        silenced_by=(ANY,),
    ),
    Rule(
        code="DECL-019",
        field="participant_id",
        broken=pl.col("is_withdrawn") & (pl.col("withdrawn_at") <= pl.col("declared_at")),
        message="This participant was withdrawn on {withdrawn_at}; the declaration is dated {declared_at}.",
        advice="Only engagement before the withdrawal can be declared: correct the date, or resume the participant.",
        source="RECT app/services/api/training_periods/training_status.rb",
        silenced_by=("participant_id",),
    ),
    Rule(
        code="DECL-020",
        field="contract_period",
        broken=pl.col("is_in_frozen_contract_period"),
        message="The contract period that this participant trains in now is closed for payment.",
        advice="Contact DfE.",
        source=CREATE,
        silenced_by=("contract_period",),
    ),
    Rule(
        code="DECL-021",
        field="contract_period",
        broken=pl.col("is_fundable")
        & pl.col("next_statement_id").is_null()
        & pl.col("training_period_id").is_not_null(),
        message="DfE no longer pays for declarations of contract period {contract_period}.",
        advice="Contact DfE.",
        source=CREATE,
        silenced_by=("declaration_type", "contract_period"),
    ),
    Rule(
        code="DECL-022",
        field="declaration_type",
        broken=pl.col("milestone_start").is_null() & pl.col("training_period_id").is_not_null(),
        message="There is no {declaration_type} on the participant's schedule, {schedule_identifier}.",
        advice="Change the participant's schedule first, or correct the type.",
        source=CREATE,
        silenced_by=("declaration_date", "declaration_type", "participant_id", "course_identifier", "contract_period"),
    ),
    Rule(
        code="DECL-023",
        field="declaration_date",
        broken=pl.col("sequence_is_enforced")
        & (
            (pl.col("declared_at") < pl.col("latest_of_earlier_types"))
            | (pl.col("declared_at") > pl.col("earliest_of_later_types"))
        ),
        message="The dates of this participant's declarations would be out of order: {declared_at} for "
        "{declaration_type}. {sequence_words}",
        advice="Dates must follow the order of the types: check this date and the earlier declarations.",
        source="RECT app/models/declaration.rb",
        silenced_by=("declaration_date", "declaration_type"),
    ),
    Rule(
        code="DECL-025",
        field="trn",
        broken=~pl.col("trn_agrees"),
        message="The TRN {trn} is not the one that DfE holds for this participant.",
        advice="Check that both are of one person: see teacher_reference_number in participants.csv of your extract.",
        source="ours",
        silenced_by=("trn", "participant_id"),
    ),
)

_MEMORY = Memory(
    "declaration_id",
    (events.DECLARATION_CREATED, events.DECLARATION_VOIDED, events.DECLARATION_AWAITING_CLAWBACK),
)
# Only a live `started` can have been sent with evidence that was not kept; and of what was voided or taken back a new
# declaration says so.
_WORTH_REMEMBERING = Ids(
    "declarations",
    "declaration_id",
    ~is_live() | ((pl.col("declaration_type") == "started") & pl.col("evidence_held").is_null()),
)
_ECTS = pl.col("participant_type") == "ect"

KIND = Kind(
    name="declarations",
    does="Declares that a participant has reached a milestone. It is on the next statement once they are eligible for funding.",
    place=1,
    required=(*TRAINING, "declaration_type", "declaration_date"),
    optional=("evidence_held", "trn"),
    owner="participant_id",
    owned_by=Owner.PARTICIPANT,
    rules=RULES,
    told_done_by=codes("DECL", 3, 4, 5, 6, 7, 8, 9, 10, 15, 25),
    needs=(
        *everything_about(SENT_PARTICIPANTS),
        Need("mentorships", "ect_school_period_id", (Ids("school_periods", "school_period_id", _ECTS),)),
        Need("school_contract_periods", "school_id", (Ids("school_periods", "school_id"),)),
        Need("delivery_partners"),
        remembered(_MEMORY, _WORTH_REMEMBERING),
    ),
    memory=_MEMORY,
)
