"""The field's words: declaration types, roles, evidence, states. Lists of words only, no rules."""

import csv
from functools import cache
from pathlib import Path

import polars as pl

FACTS = Path(__file__).resolve().parent.parent / "data" / "facts"

# In the order of a participant's training (handbook: rules 4.3).
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

PARTICIPANT_TYPES = {"ecf-induction": "ect", "ecf-mentor": "mentor"}
COURSE_IDENTIFIERS = tuple(PARTICIPANT_TYPES)

# Role and type of the declarations that mentors may have once mentor funding is on (rules DECL-016).
FUNDED_MENTOR_TYPES = ("started", "completed")

# Why training stops (handbook: rules 6 and 7), as in data/facts.
DEFERRAL_REASONS = ("bereavement", "long-term-sickness", "parental-leave", "career-break", "other")
WITHDRAWAL_REASONS = (
    "left-teaching-profession",
    "moved-school",
    "mentor-no-longer-being-mentor",
    "switched-to-school-led",
    "changed-lead-provider",
    "other",
)
MENTORS_ONLY_REASON = "mentor-no-longer-being-mentor"
VOIDABLE_STATUSES = ("no_payment", "eligible", "payable")

STATEMENT_STATUSES = ("open", "payable", "paid")
PAYMENT_STATUSES = ("no_payment", "eligible", "payable", "paid", "voided")
CLAWBACK_STATUSES = ("no_clawback", "awaiting_clawback", "clawed_back")


@cache
def evidence_matrix() -> pl.DataFrame:
    """Which evidence goes with which declaration (handbook: rules 4.2).

    Returns detailed_evidence_types_enabled (bool), participant_type, declaration_type, evidence_type, evidence_rule
    (`required`; or `ignored` with a null evidence_type: whatever is sent is dropped).
    """
    matrix = pl.read_csv(FACTS / "evidence_types.csv")
    return matrix.select(
        (pl.col("regime") == "detailed").alias("detailed_evidence_types_enabled"),
        "participant_type",
        "declaration_type",
        "evidence_type",
        "evidence_rule",
    )


@cache
def schedule_identifiers() -> tuple[str, ...]:
    """The twelve schedule identifiers. Read without Polars: to import this module must start no thread."""
    with (FACTS / "schedule_identifiers.csv").open(newline="") as lines:
        return tuple(row["schedule_identifier"] for row in csv.DictReader(lines))


def state() -> pl.Expr:
    """A declaration's state as providers see it, from its two statuses (handbook: domain 7.1)."""
    return (
        pl.when(pl.col("clawback_status") != "no_clawback")
        .then(pl.col("clawback_status").cast(pl.String).str.replace("_", "-"))
        .when(pl.col("payment_status") == "no_payment")
        .then(pl.lit("submitted"))
        .otherwise(pl.col("payment_status").cast(pl.String))
    )
