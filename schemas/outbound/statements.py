"""Pandera models of a statement's files. What leaves is checked against them, and `schema/` is made from them."""

import pandera.polars as pa
import polars as pl

from schemas.outbound.discrepancies import REASONS
from schemas.vocabulary import DECLARATION_TYPES, STATEMENT_STATUSES

MONEY_PATTERN = r"^-?\d+\.\d\d$"
RATE_PATTERN = r"^-?\d+\.\d{2,6}$"
MONTH_PATTERN = r"^\d{4}-\d\d$"
DAY_PATTERN = r"^\d{4}-\d\d-\d\d$"
INSTANT_PATTERN = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"
SECTIONS = ("output", "clawback", "uplift", "uplift-clawback", "service-fee", "adjustment", "vat", "total")
LINE_TYPES = ("output", "clawback", "voided")
ROLES = ("ect", "mentor")
STATES = ("submitted", "eligible", "payable", "paid", "voided", "awaiting-clawback", "clawed-back")


def _text(description: str, nullable: bool = False) -> pa.Column:
    return pa.Column(pl.String, nullable=nullable, description=description)


def _one_of(words: tuple[str, ...], description: str, nullable: bool = False) -> pa.Column:
    return pa.Column(pl.String, pa.Check.isin(words), nullable=nullable, description=description)


def _like(pattern: str, description: str, nullable: bool = False) -> pa.Column:
    return pa.Column(pl.String, pa.Check.str_matches(pattern), nullable=nullable, description=description)


def _count(least: int, description: str, nullable: bool = False) -> pa.Column:
    return pa.Column(pl.Int64, pa.Check.ge(least), nullable=nullable, description=description)


def _money(description: str, nullable: bool = False) -> pa.Column:
    return _like(MONEY_PATTERN, f"{description} Pounds; negative for money owed to DfE.", nullable)


def _model(columns: dict[str, pa.Column], title: str) -> pa.DataFrameSchema:
    return pa.DataFrameSchema(columns, strict=True, ordered=True, title=title)


STATEMENT = _model(
    {
        "statement_id": _text("The statement."),
        "version": _count(1, "Its version, from 1."),
        "status": _one_of(STATEMENT_STATUSES, "open: provisional. payable: final. paid: authorised for payment."),
        "lead_provider_id": _text("The lead provider."),
        "lead_provider_name": _text("Its name."),
        "contract_period": _count(2021, "The year in which the cohort starts."),
        "statement_month": _like(MONTH_PATTERN, "The statement's month."),
        "deadline_date": _like(DAY_PATTERN, "The last day for declarations, in London."),
        "payment_date": _like(DAY_PATTERN, "The day of payment."),
        "line": _count(1, "The line's number; the total comes last."),
        "section": _one_of(SECTIONS, "What the line is for. All others add up to the total."),
        "participant_type": _one_of(ROLES, "ECTs' or mentors' training, where the contract parts them.", True),
        "declaration_type": _one_of(DECLARATION_TYPES, "The type of declaration.", True),
        "band": _text("The contract's band.", True),
        "count": _count(0, "How many declarations.", True),
        "rate": _like(RATE_PATTERN, "What one of them is worth, exact. Pounds.", True),
        "amount": _money("What the line comes to."),
    },
    "The standardised milestone payment file",
)

_DECLARATION = {
    "line_type": _one_of(LINE_TYPES, "In which capacity the declaration is on this statement."),
    "declaration_id": _text("The declaration."),
    "participant_id": _text("The participant."),
    "trn": _text("Teacher reference number.", True),
    "full_name": _text("The participant's name.", True),
    "participant_type": _one_of(ROLES, "Declared for an ECT's or a mentor's training."),
    "declaration_type": _one_of(DECLARATION_TYPES, "The type of declaration."),
    "declaration_date": _like(INSTANT_PATTERN, "When the engagement was."),
    "created_at": _like(INSTANT_PATTERN, "When the declaration was made."),
    "state": _one_of(STATES, "The declaration's state when this version was made."),
    "evidence_held": _text("The evidence held.", True),
    "schedule_identifier": _text("The schedule.", True),
    "mentor_id": _text("An ECT's mentor at the time.", True),
    "school_urn": _text("The school's URN."),
    "school_name": _text("The school's name."),
    "delivery_partner_id": _text("The delivery partner when the declaration was made."),
    "delivery_partner_name": _text("Its name."),
    "band": _text("The contract's band; blank for mentors' flat rate, for over volume and for voided.", True),
    "rate": _like(RATE_PATTERN, "What the declaration is worth, exact. Pounds.", True),
    "amount": _money("What it comes to in pence that add up."),
    "uplift_amount": _money("The uplift that it earns or gives back."),
    "share_rate": _like(RATE_PATTERN, "The same on the delivery partners' basis in force, to six places.", True),
    "share_amount": _money("What it adds to its delivery partner's share, uplift apart."),
    "your_reference": _text("Your reference, as sent with the declaration.", True),
}
STATEMENT_DECLARATIONS = _model(_DECLARATION, "Each declaration behind the money")

STATEMENT_PARTNERS = _model(
    {
        "delivery_partner_id": _text("The delivery partner."),
        "delivery_partner_name": _text("Its name."),
        "section": _one_of(SECTIONS[:4], "What the line is for."),
        "participant_type": _one_of(ROLES, "ECTs' or mentors' training, where the contract parts them.", True),
        "declaration_type": _one_of(DECLARATION_TYPES, "The type of declaration."),
        "count": _count(1, "How many declarations."),
        "amount": _money("The partner's share."),
    },
    "Each delivery partner's share",
)

# What a delivery partner may see: everything but the lead provider's own prices.
PARTNER_LEAVES_OUT = ("band", "rate", "amount")
PARTNER_DECLARATIONS = _model(
    {name: column for name, column in _DECLARATION.items() if name not in PARTNER_LEAVES_OUT},
    "One delivery partner's declarations",
)

DISCREPANCIES = _model(
    {
        "participant_id": _text("The participant."),
        "trn": _text("Teacher reference number, of participants of yours.", True),
        "full_name": _text("The participant's name, of participants of yours.", True),
        "participant_type": _one_of(ROLES, "An ECT's or a mentor's training."),
        "declaration_type": _one_of(DECLARATION_TYPES, "The type of declaration."),
        "declaration_id": _text("The declaration, where there is one.", True),
        "delivery_partner_name": _text("The delivery partner of what is due.", True),
        "expected_amount": _money("What you expect; 0.00 where it is not on your list.", True),
        "due_amount": _money("What this statement holds for it, uplift included, before VAT."),
        "difference": _money("Due less expected; blank where you sent no amount.", True),
        "reason_code": _one_of(tuple(dict.fromkeys(reason.code for reason in REASONS)), "Why they differ."),
        "reason": _text("The same in words."),
        "what_to_do": _text("What to do about it."),
        "your_reference": _text("Your reference, as sent.", True),
    },
    "What you expected against what is due",
)

CHANGES = _model(
    {
        "change": _one_of(("added", "removed", "changed"), "Against the version before."),
        "section": _one_of((*SECTIONS[:-1], "voided"), "Where on the statement."),
        "declaration_id": _text("The declaration; blank for fees, adjustments and VAT.", True),
        "participant_id": _text("The participant.", True),
        "participant_type": _one_of(ROLES, "An ECT's or a mentor's training.", True),
        "declaration_type": _one_of(DECLARATION_TYPES, "The type of declaration.", True),
        "delivery_partner_name": _text("The delivery partner.", True),
        "amount_before": _money("What it came to before, uplift included."),
        "amount_now": _money("What it comes to now."),
        "difference": _money("Now less before; all rows add up to what the total moved by."),
        "what_changed": _text("The same in words."),
    },
    "What changed since the version before",
)

# File name → model. `delivery-partner` is the shape of every file in delivery-partners/.
MODELS = {
    "statement": STATEMENT,
    "declarations": STATEMENT_DECLARATIONS,
    "delivery-partners": STATEMENT_PARTNERS,
    "delivery-partner": PARTNER_DECLARATIONS,
    "discrepancies": DISCREPANCIES,
    "changes": CHANGES,
}
