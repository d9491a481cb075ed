"""Every column once: what its values are, what it means, which words it may hold, how wide a sheet shows it.

Records, ledger, files from providers, files to them, sheets, casts, schemas and verifying name columns, and follow what is
said here. A column of text that people write is defused wherever it is sent: that is the kind a column has unless it says
another, so that a new one is safe by default.
"""

from dataclasses import dataclass, replace

import polars as pl

from schemas.discrepancies import CODES
from schemas.lifecycle import (
    CLAWBACK_STATUSES,
    LINE_TYPES,
    PARTICIPANT_STATUSES,
    PAYMENT_STATUSES,
    STATEMENT_STATUSES,
    STATES,
    TRAINING_STATUSES,
    TRANSFER_TYPES,
)
from schemas.vocabulary import (
    CHANGES,
    CONTRACT_TYPES,
    COURSE_IDENTIFIERS,
    DECLARATION_TYPES,
    FEE_TYPES,
    REQUESTS,
    ROLES,
    SCHEDULE_IDENTIFIERS,
    SECTIONS,
)

INSTANT = pl.Datetime("us", "UTC")
MONEY = pl.Decimal(14, 2)
"""Pounds; exact, two decimals."""


@dataclass(frozen=True)
class Column:
    """One column, whatever file or table it stands in.

    kind: one of KINDS. meaning: a sentence. words: those allowed, where the list is closed. width: in a sheet, in characters.
    example: a value as it is to be written, where people write it. found_in: where a provider finds such an id. called: what people
    call it, where that is not its name in plain letters.
    """

    name: str
    kind: str = "text"
    meaning: str = ""
    words: tuple[str, ...] = ()
    width: int = 0
    example: str = ""
    found_in: str = ""
    called: str = ""

    @property
    def label(self) -> str:
        """As people say it, at the head of a sheet."""
        return self.called or self.name.replace("_", " ").capitalize()

    @property
    def shown_width(self) -> int:
        return self.width or KINDS[self.kind].width

    @property
    def is_free_text(self) -> bool:
        return self.kind == "text"

    @property
    def is_figure(self) -> bool:
        """Whether it is money, or what money is made of: what must not differ when a paid statement is computed anew."""
        return self.kind in ("money", "rate", "count")


@dataclass(frozen=True)
class Kind:
    """What a column's values are. dtype: in frames; width: of a sheet's column, in characters; number_format: in a sheet,
    where they are numbers there."""

    dtype: pl.DataType | type[pl.DataType]
    width: int = 16
    number_format: str = ""


_POUNDS, _EXACT, _MOMENT = '"£"#,##0.00;[Red]-"£"#,##0.00', "0.00####;[Red]-0.00####", 'yyyy-mm-dd"T"hh:mm:ss"Z"'
KINDS: dict[str, Kind] = {
    "text": Kind(pl.String),  # free: of people's making
    "sentence": Kind(pl.String, 60),  # of ours
    "word": Kind(pl.String),  # a code or a word of a list, ours or DfE's
    "id": Kind(pl.String, 38),  # a UUID
    "submission": Kind(pl.String, 38),  # the id of a submission
    "trn": Kind(pl.String),  # 7 digits
    "urn": Kind(pl.String),  # 6 digits
    "month": Kind(pl.String),  # YYYY-MM
    "digest": Kind(pl.String),  # a SHA-256
    "json": Kind(pl.String),
    "path": Kind(pl.String),
    "flag": Kind(pl.Boolean),
    "day": Kind(pl.Date),
    "instant": Kind(INSTANT, 22, _MOMENT),
    "year": Kind(pl.Int64, number_format="0"),
    "integer": Kind(pl.Int64, number_format="0"),
    "count": Kind(pl.Int64, number_format="#,##0"),
    "money": Kind(MONEY, number_format=_POUNDS),  # pounds
    "ratio": Kind(MONEY),  # two decimals
    "rate": Kind(pl.String, number_format=_EXACT),  # pounds, exact, up to six decimals
    "average": Kind(pl.String, number_format=_EXACT),  # the same, rounded to be shown
}

_COLUMNS = (
    # Whose, and what
    Column("lead_provider_id", "id", "The lead provider.", called="Lead provider’s id"),
    Column("lead_provider_name", meaning="Its name.", called="Lead provider"),
    Column("delivery_partner_id", "id", "The delivery partner.",
           found_in="id in delivery-partners.csv of your extract", called="Delivery partner’s id"),
    Column("delivery_partner_name", meaning="Its name.", width=34, called="Delivery partner"),
    Column("name"),
    Column("slug", "word"),
    Column("school_id", "id"),
    Column("from_school_id", "id"),
    Column("to_school_id", "id"),
    Column("urn", "word"),
    Column("school_urn", "urn", "The school's URN.", example="123456", called="School URN"),
    Column("school_name", meaning="The school's name.", width=34, called="School"),
    Column("induction_tutor_name"),
    Column("induction_tutor_email"),
    Column("eligible", "flag"),
    Column("induction_programme_choice", "word", words=("not_yet_known", "provider_led", "school_led")),
    Column("pupil_premium_uplift", "flag"),
    Column("sparsity_uplift", "flag"),
    Column("partnership_id", "id", found_in="id in partnerships.csv of your extract"),
    Column("from_partnership_id", "id"),
    Column("to_partnership_id", "id"),
    Column("vat_registered", "flag"),
    # Calendars
    Column("contract_period", "year", "The year in which the cohort starts.", example="2025"),
    Column("enabled", "flag"),
    Column("payments_frozen_at", "instant"),
    Column("mentor_funding_enabled", "flag"),
    Column("detailed_evidence_types_enabled", "flag"),
    Column("uplift_fees_enabled", "flag"),
    Column("schedule_identifier", "word", "The schedule.", SCHEDULE_IDENTIFIERS, called="Schedule"),
    Column("start_date", "day"),
    Column("milestone_date", "day"),
    Column("year", "integer"),
    Column("month", "integer"),
    Column("statement_month", "month", "The statement's month.", example="2026-01", called="Month"),
    # People and their training
    Column("participant_id", "id", "The participant.",
           found_in="id in participants.csv of your extract", called="Participant’s id"),
    Column("from_participant_id", "id"),
    Column("to_participant_id", "id"),
    Column("participant_type", "word", "An ECT's or a mentor's training.", ROLES, called="ECT or mentor"),
    Column("course_identifier", "word", "An ECT's or a mentor's training.", COURSE_IDENTIFIERS),
    Column("trn", "trn", "Teacher reference number.", example="0123456", called="TRN"),
    Column("full_name", meaning="The participant's name.", width=26, called="Name"),
    Column("ect_training_record_id", "id"),
    Column("mentor_training_record_id", "id"),
    Column("ect_first_became_eligible_at", "instant"),
    Column("mentor_first_became_eligible_at", "instant"),
    Column("ect_payments_frozen_year", "year"),
    Column("mentor_payments_frozen_year", "year"),
    Column("mentor_funding_end_date", "day"),
    Column("mentor_funding_end_reason", "word", words=(
        "completed_declaration_received", "completed_during_early_roll_out", "started_not_completed",
    )),
    Column("ect_ineligible_for_funding_on", "day"),
    Column("induction_start_date", "day"),
    Column("induction_end_date", "day"),
    Column("most_recent_induction_period_end_date", "day"),
    Column("school_period_id", "id"),
    Column("ect_school_period_id", "id"),
    Column("mentor_school_period_id", "id"),
    Column("started_on", "day"),
    Column("finished_on", "day"),
    Column("email"),
    Column("working_pattern", "word", words=("full_time", "part_time")),
    Column("training_period_id", "id"),
    Column("training_programme", "word", words=("provider_led", "school_led")),
    Column("expression_of_interest_lead_provider_id", "id"),
    Column("expression_of_interest_contract_period", "year"),
    Column("withdrawn_at", "instant"),
    Column("withdrawal_reason", "word"),
    Column("deferred_at", "instant"),
    Column("deferral_reason", "word"),
    Column("mentor_id", "id", "An ECT's mentor at the time.", called="Mentor’s id"),
    # Declarations
    Column("declaration_id", "id", "The declaration.",
           found_in="id in declarations.csv of your extract, or results.csv of the receipt", called="Declaration’s id"),
    Column("declaration_type", "word", "The type of declaration.", DECLARATION_TYPES),
    Column("declaration_date", "instant", "When the engagement was."),
    Column("evidence_held", "word", "The evidence held."),
    Column("payment_status", "word", words=PAYMENT_STATUSES),
    Column("clawback_status", "word", words=CLAWBACK_STATUSES),
    Column("payment_statement_id", "id"),
    Column("clawback_statement_id", "id"),
    Column("state", "word", "The declaration's state when this version was made.", STATES),
    Column("line_type", "word", "In which capacity the declaration is on this statement.", LINE_TYPES, called="Counted as"),
    Column("your_reference", meaning="Your reference, as sent."),
    Column("reason", "word"),  # of a deferral or withdrawal
    Column("request", "word", "What you ask for.", REQUESTS, example="extract"),
    # Contracts and statements
    Column("contract_id", "id"),
    Column("contract_type", "word", words=CONTRACT_TYPES),
    Column("vat_rate", "ratio"),
    Column("recruitment_target", "integer"),
    Column("mentor_recruitment_target", "integer"),
    Column("setup_fee", "money"),
    Column("monthly_service_fee", "money"),
    Column("uplift_fee_per_declaration", "money"),
    Column("mentor_fee_per_declaration", "money"),
    Column("fee_per_declaration", "money"),
    Column("output_fee_ratio", "ratio"),
    Column("service_fee_ratio", "ratio"),
    Column("band", "word", "The contract's band."),
    Column("capacity", "integer"),
    Column("statement_id", "id", "The statement.", found_in="id in statements.csv of your extract", called="Statement’s id"),
    Column("fee_type", "word", words=FEE_TYPES),
    Column("deadline_date", "day", "The last day for declarations, in London.", called="Deadline"),
    Column("payment_date", "day", "The day of payment."),
    Column("status", "word", "open: so far. payable: closed to declarations. paid: authorised for payment.", STATEMENT_STATUSES),
    Column("marked_as_paid_at", "instant"),
    Column("version", "integer", "Its version, from 1."),
    Column("line", "integer", "The line's number; the total comes last."),
    Column("section", "word", "What the line is for.", SECTIONS, called="What it is for"),
    Column("count", "count", "How many declarations."),
    Column("rate", "rate", "What one of them is worth, exact. Pounds."),
    Column("amount", "money", "What the line comes to.", example="-250.00"),
    Column("uplift_amount", "money", "The uplift that it earns; negative where it is clawed back.", called="Uplift"),
    Column("share_rate", "average", "The same on the delivery partners' basis in force, to six places.",
           called="Rate of the share"),
    Column("share_amount", "money", "What it adds to its delivery partner's share, uplift apart.",
           called="Delivery partner’s share"),
    Column("pair_statement_id", "id", "Of a clawback, the statement that paid; of what was clawed back, the one that does so.",
           called="The other statement’s id"),
    Column("description", meaning="What an adjustment is for.", width=40),
    Column("adjustment_id", "id"),
    Column("payment_type", "word"),  # what an adjustment is for, as DfE says
    Column("total", "money"),
    # What was expected, and what has changed
    Column("expected_amount", "money", "What you expect; 0.00 where it is not on your list.", example="119.40",
           called="You expected"),
    Column("due_amount", "money", "What this statement holds for it, uplift included, before VAT.", called="Due"),
    Column("difference", "money"),
    Column("reason_code", "word", "Why they differ.", CODES, called="Reason, as a code"),
    Column("what_to_do", "sentence", "What to do about it."),
    Column("change", "word", "Against the version before.", CHANGES),
    Column("amount_before", "money", "What it came to before, uplift included.", called="Before"),
    Column("amount_now", "money", "What it comes to now.", called="Now"),
    Column("what_changed", "sentence", "The same in words."),
    # Files and what became of them
    Column("submission_id", "submission"),
    Column("duplicate_of", "submission"),
    Column("number", "integer"),
    Column("kind", "word"),
    Column("file_name"),
    Column("size_bytes", "integer"),
    Column("sha256", "digest"),
    Column("expected_sha256", "digest"),
    Column("content_sha256", "digest"),
    Column("arrival"),
    Column("removed", "flag"),
    Column("row_number", "integer"),
    Column("line_number", "integer"),
    Column("rows_total", "integer"),
    Column("rows_accepted", "integer"),
    Column("rows_rejected", "integer"),
    Column("rows_already_done", "integer"),
    Column("rule_counts", "json"),
    Column("rule_codes", "word"),
    Column("messages", "sentence"),
    Column("failures", "integer"),
    Column("trouble", "sentence"),
    Column("what", "word"),
    Column("path", "path"),
    Column("last_file", "word"),
    Column("replaces", "path"),
    Column("sequence", "integer"),
    Column("delivery_id", "integer"),
    Column("lines", "json"),
    Column("counted_as", "word"),
    Column("billed", "integer"),
    Column("refunded", "integer"),
    # Extracts, in the words of DfE's API
    Column("id", "id", "What names the row in DfE's records."),
    Column("file", "word", "The file, without `.csv`."),
    Column("cohort", "year", "The contract period."),
    Column("teacher_reference_number", "trn", "Teacher reference number."),
    Column("training_record_id", "id", "The participant's training record in this role."),
    Column("training_status", "word", "What you have made of the training.", TRAINING_STATUSES),
    Column("participant_status", "word", "Where the participant is in the training shown, today.", PARTICIPANT_STATUSES),
    Column("eligible_for_funding", "flag", "Whether DfE pays for the role; empty: not known yet."),
    Column("withdrawal_date", "instant", "When the participant was withdrawn."),
    Column("deferral_date", "instant", "When the participant was deferred."),
    Column("overall_induction_start_date", "day", "When induction began; ECTs alone."),
    Column("training_started_on", "day", "The first day of the training shown."),
    Column("training_finished_on", "day", "Its last day; empty: open."),
    Column("school_started_on", "day", "The first day at that school, in this role."),
    Column("school_finished_on", "day", "The last day there; empty: still there."),
    Column("mentor_ineligible_for_funding_reason", "word", "Why a mentor's funding has ended."),
    Column("cohort_changed_after_payments_frozen", "flag", "Whether they came from a contract period that is closed for payment."),
    Column("previous_participant_ids", "word", "Ids that DfE has merged into this one, `;` between, the earliest first."),
    Column("uplift_paid", "flag", "Whether it was paid with an uplift."),
    Column("participants_currently_training", "count", "Training in this partnership today."),
    Column("in_partnership", "flag", "Whether the school has a partnership with anybody in the contract period."),
    Column("expression_of_interest", "flag", "Whether the school has chosen you for somebody, in the contract period."),
    Column("transfer_type", "word", "Where they went, as far as DfE knows.", TRANSFER_TYPES),
    Column("leaving_school_urn", "urn", "The school that they leave."),
    Column("leaving_provider", meaning="Who trained them there."),
    Column("leaving_date", "day", "The last day of training there."),
    Column("joining_school_urn", "urn", "The school that they join."),
    Column("joining_provider", meaning="Who trains them there."),
    Column("joining_date", "day", "The first day of training there."),
    Column("cut_off_date", "day", "The last day for declarations, in London."),
    Column("paid", "flag", "Whether it is authorised for payment."),
    # Forecasts
    Column("window_opens", "day"),
    Column("window_closes", "day"),
    Column("evidence_wanted", "word"),
    Column("in_the_way", "sentence"),
    # The trail
    Column("event_id", "integer"),
    Column("type", "word"),
    Column("author", "word"),
    Column("before", "json"),
    Column("after", "json"),
    Column("import_id", "integer"),
    Column("rows", "json"),
    Column("reconciled", "json"),
    Column("table_name", "word"),
    Column("record_id", "id"),
    Column("column_name", "word"),
    # Instants of the records and of ours
    Column("created_at", "instant", "When the declaration was made.", called="Declared at"),
    Column("updated_at", "instant"),
    Column("changed_at", "instant"),
    Column("merged_at", "instant"),
    Column("moved_at", "instant"),
    Column("received_at", "instant"),
    Column("processed_at", "instant"),
    Column("next_try_at", "instant"),
    Column("purged_at", "instant"),
    Column("owed_since", "instant"),
    Column("delivered_at", "instant"),
    Column("happened_at", "instant"),
    Column("imported_at", "instant"),
    Column("looked_at", "instant"),
    Column("seen_at", "instant"),
    Column("since", "instant"),
    Column("as_of", "instant"),
)  # fmt: skip

COLUMNS: dict[str, Column] = {column.name: column for column in _COLUMNS}


def column(name: str, **special: object) -> Column:
    """A column as one table or file has it: what is special to it there is given. Raises KeyError for one not described."""
    return replace(COLUMNS[name], **special)  # type: ignore[arg-type]


def typed(frame: pl.DataFrame) -> pl.DataFrame:
    """Give each column of text that is described here its type: Date, Datetime (UTC), Decimal(14, 2), Boolean, Int64."""
    return frame.with_columns([_cast(name) for name, dtype in frame.schema.items() if dtype == pl.String])


def _cast(name: str) -> pl.Expr:
    kind, value = COLUMNS[name].kind if name in COLUMNS else "text", pl.col(name)
    if kind == "instant":
        return parse_instant(value)
    if kind == "day":
        return value.str.to_date("%Y-%m-%d")
    if kind == "flag":
        return value.is_in(["true", "1", "t"])
    return value.cast(KINDS[kind].dtype)


def parse_instant(value: pl.Expr) -> pl.Expr:
    """RFC 3339 text in UTC, or PostgreSQL's own (`2025-11-03 09:30:00+00`), → instant; null where it is neither."""
    plain = value.str.replace(" ", "T", literal=True).str.replace("+00", "Z", literal=True)
    whole = plain.str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", strict=False)
    fraction = plain.str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", strict=False)
    return pl.when(plain.str.len_bytes() == 20).then(whole).otherwise(fraction).dt.replace_time_zone("UTC")
