"""The field's words: declaration types, roles, reasons, schedules, sections. Lists of words only, no rules."""

from itertools import product

import polars as pl

from schemas.facts import rows_of

# In the order of a participant's training (schemas/README.md, Declaration types).
DECLARATION_TYPES = (
    "started",
    "retained-1",
    "retained-2",
    "retained-3",
    "retained-4",
    "completed",
    "extended-1",
    "extended-2",
    "extended-3",
)
DECLARATION_TYPE = pl.Enum(DECLARATION_TYPES)

ROLES = ("ect", "mentor")
PARTICIPANT_TYPES = {"ecf-induction": "ect", "ecf-mentor": "mentor"}
COURSE_IDENTIFIERS = tuple(PARTICIPANT_TYPES)
COURSES = {role: course for course, role in PARTICIPANT_TYPES.items()}

# Role and type of the declarations that mentors may have once mentor funding is on (rule DECL-016).
FUNDED_MENTOR_TYPES = ("started", "completed")

CONTRACT_TYPES = ("ecf", "ittecf_ectp")
FEE_TYPES = ("output", "service")
SCHEDULE_IDENTIFIERS = tuple(row["schedule_identifier"] for row in rows_of("schedule_identifiers"))

# Why training stops.
_REASONS = rows_of("withdrawal_deferral_reasons")
DEFERRAL_REASONS = tuple(row["reason"] for row in _REASONS if row["action"] == "defer")
WITHDRAWAL_REASONS = tuple(row["reason"] for row in _REASONS if row["action"] == "withdraw")
MENTORS_ONLY_REASON = "mentor-no-longer-being-mentor"

# What a lead provider may ask for by a file.
REQUESTS = ("extract",)

# What a line of a statement is for, in a statement's order. Those of declarations come first.
OF_DECLARATIONS = ("output", "clawback", "uplift", "uplift-clawback")
SECTIONS = (*OF_DECLARATIONS, "service-fee", "adjustment", "vat", "total")

# What a row of a statement is, against the version before.
CHANGES = ("added", "removed", "changed")


def _demand_evidence() -> None:
    """Whatever the contract period, it is said which evidence goes with an ECT's declaration of every type."""
    said = {
        (row["regime"], row["declaration_type"])
        for row in rows_of("evidence_types")
        if row["participant_type"] == "ect"
    }
    if lacking := set(product(("simple", "detailed"), DECLARATION_TYPES)) - said:
        raise ValueError(f"schemas/facts/evidence_types.csv says no evidence for {lacking}")


def _demand_a_price() -> None:
    """Every declaration type has a proportion under every type of contract: a new one without is refused at once."""
    banded = [row for row in rows_of("fee_proportions") if row["calculator"] == "banded"]
    priced = {(row["contract_type"], row["declaration_type"]) for row in banded}
    if lacking := set(product(CONTRACT_TYPES, DECLARATION_TYPES)) - priced:
        raise ValueError(f"schemas/facts/fee_proportions.csv has no proportion for {lacking}")


_demand_evidence()
_demand_a_price()
