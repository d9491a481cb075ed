"""A statement's files: their columns, in the interface's order. What a column holds is said in schemas.columns; here only what
is particular to it in one file."""

from schemas.outbound.files import SentFile, sent
from schemas.vocabulary import OF_DECLARATIONS, SECTIONS

_ROLE = "ECTs' or mentors' training, where the contract parts them."

STATEMENT = SentFile(
    "statement",
    "The standardised milestone payment file",
    (
        sent("statement_id"),
        sent("version", least=1),
        sent("status"),
        sent("lead_provider_id"),
        sent("lead_provider_name"),
        sent("contract_period", least=2021),
        sent("statement_month"),
        sent("deadline_date"),
        sent("payment_date"),
        sent("line", least=1),
        sent("section", "What the line is for. All others add up to the total."),
        sent("participant_type?", _ROLE),
        sent("declaration_type?"),
        sent("band?"),
        sent("count?"),
        sent("rate?"),
        sent("amount"),
        sent("description?"),
    ),
    key=("line", "section", "declaration_type", "band"),
)

DECLARATIONS = SentFile(
    "declarations",
    "Each declaration behind the money",
    (
        sent("line_type"),
        sent("declaration_id"),
        sent("participant_id"),
        sent("trn?"),
        sent("full_name?"),
        sent("participant_type", "Declared for an ECT's or a mentor's training."),
        sent("declaration_type"),
        sent("declaration_date"),
        sent("created_at"),
        sent("state"),
        sent("evidence_held?"),
        sent("schedule_identifier?", words=()),
        sent("mentor_id?"),
        sent("school_urn"),
        sent("school_name"),
        sent("delivery_partner_id", "The delivery partner when the declaration was made."),
        sent("delivery_partner_name"),
        sent("band?", "The contract's band; blank for mentors' flat rate, for over volume and for voided."),
        sent("rate?", "What the declaration is worth, exact. Pounds."),
        sent("amount", "What it comes to in pence that add up."),
        sent("uplift_amount"),
        sent("share_rate?"),
        sent("share_amount"),
        sent("your_reference?", "Your reference, as sent with the declaration."),
    ),
    key=("line_type", "declaration_id", "band"),
)

PARTNERS = SentFile(
    "delivery-partners",
    "Each delivery partner's share",
    (
        sent("delivery_partner_id"),
        sent("delivery_partner_name"),
        sent("section", words=OF_DECLARATIONS),
        sent("participant_type?", _ROLE),
        sent("declaration_type"),
        sent("count", least=1),
        sent("amount", "The partner's share."),
    ),
    key=("delivery_partner_id", "section", "participant_type", "declaration_type"),
)

# What a delivery partner may see: not the lead provider's own prices, and no new column before it is named here. The shape of
# every file in delivery-partners/.
_FOR_PARTNERS = {
    "line_type", "declaration_id", "participant_id", "trn", "full_name", "participant_type", "declaration_type",
    "declaration_date", "created_at", "state", "evidence_held", "schedule_identifier", "mentor_id", "school_urn", "school_name",
    "delivery_partner_id", "delivery_partner_name", "uplift_amount", "share_rate", "share_amount", "your_reference",
}  # fmt: skip
PARTNER = SentFile(
    "delivery-partner",
    "One delivery partner's declarations",
    tuple(each for each in DECLARATIONS.sent if each.column.name in _FOR_PARTNERS),
)

DISCREPANCIES = SentFile(
    "discrepancies",
    "What you expected against what is due",
    (
        sent("participant_id"),
        sent("trn?", "Teacher reference number, of participants of yours."),
        sent("full_name?", "The participant's name, of participants of yours."),
        sent("participant_type"),
        sent("declaration_type"),
        sent("declaration_id?", "The declaration, where there is one."),
        sent("delivery_partner_name?", "The delivery partner of what is due."),
        sent("expected_amount?"),
        sent("due_amount"),
        sent("difference?", "Due less expected; blank where you sent no amount."),
        sent("reason_code"),
        sent("reason", "The same in words.", kind="sentence"),
        sent("what_to_do"),
        sent("your_reference?"),
    ),
    has_sentences=True,
)

CHANGES = SentFile(
    "changes",
    "What changed since the version before",
    (
        sent("change"),
        sent("section", "Where on the statement.", words=(*SECTIONS[:-1], "voided")),
        sent("declaration_id?", "The declaration; blank for fees, adjustments and VAT."),
        sent("participant_id?"),
        sent("participant_type?"),
        sent("declaration_type?"),
        # What stands here comes from our own files, and is defused already.
        sent("delivery_partner_name?", "The delivery partner.", kind="word"),
        sent("amount_before"),
        sent("amount_now"),
        sent("difference", "Now less before; all rows add up to what the total moved by."),
        sent("what_changed"),
    ),
    has_sentences=True,
)

FILES = (STATEMENT, DECLARATIONS, PARTNERS, PARTNER, DISCREPANCIES, CHANGES)
