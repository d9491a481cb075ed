"""The files of an extract, in the interface's order: what DfE holds about one lead provider's participants, partners, schools.

Names are those of DfE's API. Who and what is in, and what a change is: transforms/README.md, Extracts.
"""

from dataclasses import dataclass

from schemas.lifecycle import TRANSFER_STATUSES
from schemas.outbound.files import SentFile, sent


@dataclass(frozen=True)
class ExtractFile(SentFile):
    """One file of an extract. key: what names a row, and what rows are ordered by.

    is_first_seen: the records do not say when a row was made; created_at is when it was first delivered to this provider.
    holds_updates: it has `updated_at`, which follows what else is in the row.
    """

    is_first_seen: bool = False

    @property
    def holds_updates(self) -> bool:
        return "updated_at" in self.columns

    @property
    def content(self) -> list[str]:
        """The columns by which a row is the same as before."""
        ours = {"updated_at", *(("created_at",) if self.is_first_seen else ())}
        return [name for name in self.columns if name not in ours]


_MADE = "When DfE's record was made."
_FIRST = "When the row was first delivered to you."
_MOVED = sent(
    "updated_at", "When the record changed, at the row's first delivery; then when its content was last delivered anew."
)
_TUTOR = (
    sent("induction_tutor_name?", "The school's induction tutor."),
    sent("induction_tutor_email?", "The tutor's e-mail."),
)
_PARTNER = sent("delivery_partner_id", "The delivery partner.")

PARTICIPANTS = ExtractFile(
    "participants",
    "Everybody whom you train or have trained, a row a role",
    (
        sent("id", "The participant."),
        sent("full_name?"),
        sent("teacher_reference_number?"),
        sent("training_record_id"),
        sent("email?", "The e-mail at the school of the training shown."),
        sent("mentor_id?", "An ECT's mentor now, or next."),
        sent("school_urn"),
        sent("participant_type", "ect or mentor."),
        sent("cohort"),
        sent("training_status"),
        sent("participant_status"),
        sent("eligible_for_funding?"),
        sent("pupil_premium_uplift", "The school's flag, where the contract period has uplifts."),
        sent("sparsity_uplift", "The school's flag, where the contract period has uplifts."),
        sent("schedule_identifier?", words=()),
        sent("delivery_partner_id", "The delivery partner of the partnership now."),
        sent("withdrawal_reason?", "Why, where the training is withdrawn."),
        sent("withdrawal_date?"),
        sent("deferral_reason?", "Why, where the training is deferred."),
        sent("deferral_date?"),
        sent("created_at", "When the first of their times at a school in this role was recorded."),
        sent("induction_end_date?", "When induction ended, with an outcome; ECTs alone."),
        sent("overall_induction_start_date?"),
        sent("most_recent_induction_period_end_date?", "Empty while that period is open; ECTs alone."),
        sent("training_started_on"),
        sent("training_finished_on?"),
        sent("school_started_on"),
        sent("school_finished_on?"),
        sent("mentor_funding_end_date?", "From when a mentor's training is over; mentors alone."),
        sent("mentor_ineligible_for_funding_reason?"),
        sent("cohort_changed_after_payments_frozen"),
        sent("previous_participant_ids?"),
        sent("working_pattern?", "An ECT's, at their latest school."),
        _MOVED,
    ),
    key=("id", "participant_type"),
)

DECLARATIONS = ExtractFile(
    "declarations",
    "Your declarations, and those of others that stand for your participants",
    (
        sent("id", "The declaration."),
        sent("participant_id"),
        sent("declaration_type"),
        sent("course_identifier"),
        sent("declaration_date"),
        sent("mentor_id?"),
        sent("state", "Its state now."),
        sent("created_at", "When it was made."),
        _MOVED,
        sent("delivery_partner_id", "The delivery partner when it was made."),
        sent("statement_id?", "The statement that pays for it; empty once voided, and of others' declarations."),
        sent("clawback_statement_id?", "The statement that claws it back."),
        sent("uplift_paid"),
        sent("evidence_held?"),
        sent("lead_provider_name", "Who declared it."),
        sent("your_reference?"),
    ),
    key=("id",),
)

PARTNERSHIPS = ExtractFile(
    "partnerships",
    "Your partnerships with schools",
    (
        sent("id", "The partnership."),
        sent("cohort"),
        sent("urn", "The school's URN."),
        sent("school_id", "The school."),
        _PARTNER,
        sent("delivery_partner_name"),
        *_TUTOR,
        sent("participants_currently_training"),
        sent("created_at", _MADE),
        _MOVED,
    ),
    key=("id",),
)

SCHOOLS = ExtractFile(
    "schools",
    "Schools that can take part, a row a contract period that is enabled",
    (
        sent("id", "The school."),
        sent("name", "Its name."),
        sent("urn", "Its URN."),
        sent("cohort"),
        sent("in_partnership"),
        sent("induction_programme_choice", "What the school has chosen for the contract period."),
        sent("expression_of_interest"),
        sent("induction_tutor_name?", "The school's induction tutor, where expression_of_interest is true."),
        sent("induction_tutor_email?", "The tutor's e-mail, where expression_of_interest is true."),
        sent("created_at", _FIRST),
        _MOVED,
    ),
    key=("id", "cohort"),
    is_first_seen=True,
)

PARTNERS = ExtractFile(
    "delivery-partners",
    "The delivery partners with whom you may work",
    (
        sent("id", "The delivery partner."),
        sent("name", "Its name."),
        sent("cohort", "The contract periods, `;` between.", kind="word"),
        sent("created_at", _FIRST),
        _MOVED,
    ),
    key=("id",),
    is_first_seen=True,
)

UNFUNDED_MENTORS = ExtractFile(
    "unfunded-mentors",
    "Mentors of your ECTs whom you do not train",
    (
        sent("id", "The participant."),
        sent("full_name?"),
        sent("email?", "Their e-mail at the ECT's school."),
        sent("teacher_reference_number?"),
        sent("created_at", _MADE),
        _MOVED,
    ),
    key=("id",),
)

TRANSFERS = ExtractFile(
    "transfers",
    "Participants who change schools, from you or to you",
    (
        sent("id", "The participant."),
        sent("training_record_id"),
        sent("transfer_type"),
        sent("status", "Whether both training periods have passed or begun.", words=TRANSFER_STATUSES),
        sent("leaving_school_urn"),
        sent("leaving_provider?"),
        sent("leaving_date"),
        sent("joining_school_urn?"),
        sent("joining_provider?"),
        sent("joining_date?"),
        sent("created_at", "When the training that ends was recorded."),
        _MOVED,
    ),
    key=("id", "training_record_id", "leaving_school_urn", "leaving_date"),
)

STATEMENTS = ExtractFile(
    "statements",
    "Your statements that declarations may be on",
    (
        sent("id", "The statement."),
        sent("month", "The month's name.", kind="word"),
        sent("year", "Its year.", kind="year"),
        sent("cohort"),
        sent("cut_off_date"),
        sent("payment_date"),
        sent("paid"),
        sent("status"),
        sent("fee_type"),
        sent("total?", "What its newest version delivered comes to, VAT included."),
        sent("version?", "That version."),
        sent("created_at", _FIRST),
        _MOVED,
    ),
    key=("id",),
    is_first_seen=True,
)

MILESTONES = ExtractFile(
    "milestones",
    "When each type of declaration may be dated, by schedule",
    (
        sent("cohort"),
        sent("schedule_identifier"),
        sent("declaration_type"),
        sent("start_date", "The first day."),
        sent("milestone_date?", "The last day; empty: no end."),
    ),
    key=("cohort", "schedule_identifier", "declaration_type"),
)

CONTRACT_PERIODS = ExtractFile(
    "contract-periods",
    "Contract periods, and what holds in each",
    (
        sent("cohort"),
        sent("started_on", "Its first day."),
        sent("finished_on", "Its last day."),
        sent("enabled", "Whether new partnerships can be made."),
        sent("payments_frozen_at?", "Since when nothing is paid for it any more."),
        sent("mentor_funding_enabled", "Whether mentors are declared for as started and completed alone."),
        sent("detailed_evidence_types_enabled", "Whether evidence is of the detailed list."),
        sent("uplift_fees_enabled", "Whether started earns an uplift at some schools."),
    ),
    key=("cohort",),
)

FILES = (
    PARTICIPANTS, DECLARATIONS, PARTNERSHIPS, SCHOOLS, PARTNERS, UNFUNDED_MENTORS, TRANSFERS, STATEMENTS, MILESTONES,
    CONTRACT_PERIODS,
)  # fmt: skip

# What names a row that is gone, whatever file it was in.
REMOVED = SentFile(
    "removed",
    "Rows that are gone",
    (
        sent("file", "The file that held it, without `.csv`."),
        *(
            sent(f"{name}?", words=()) if name != "cohort" else sent("cohort?")
            for name in (
                "id", "participant_type", "cohort", "training_record_id", "leaving_school_urn", "leaving_date",
                "schedule_identifier", "declaration_type",
            )
        ),
    ),
    key=("file",),
)  # fmt: skip

CHANGE = "change"


def change_set_of(file: ExtractFile) -> SentFile:
    """The file of a change set: `new` or `changed` in front of each row."""
    said = sent(CHANGE, "new: not in the set before; changed: other than there.", words=("new", "changed"))
    return SentFile(file.name, file.title, (said, *file.sent), file.key)
