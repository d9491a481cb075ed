"""The states that declarations, training and statements go through: which there are, which moves, what each means.

The law is in schemas/README.md, States. Expressions here speak of columns by their names in the records.
"""

from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from schemas.frames import holds

STATEMENT_STATUSES = ("open", "payable", "paid")
PAYMENT_STATUSES = ("no_payment", "eligible", "payable", "paid", "voided")
CLAWBACK_STATUSES = ("no_clawback", "awaiting_clawback", "clawed_back")
VOIDABLE_STATUSES = ("no_payment", "eligible", "payable")
# A declaration's state as providers see it.
STATES = ("submitted", "eligible", "payable", "paid", "voided", "awaiting-clawback", "clawed-back")

TRAINING_STATUSES = ("active", "deferred", "withdrawn")
# Where a participant is in a lead provider's latest training of the role.
PARTICIPANT_STATUSES = ("joining", "active", "leaving", "left")
TRANSFER_TYPES = ("new_school", "new_provider", "unknown")
TRANSFER_STATUSES = ("incomplete", "complete")


@dataclass(frozen=True)
class Side:
    """One capacity in which a declaration is on a statement: the column that links it, the column that holds its status,
    and the statuses with which it is there."""

    line_type: str
    link: str
    status: str
    statuses: tuple[str, ...]


PAID_FOR = Side("output", "payment_statement_id", "payment_status", ("eligible", "payable", "paid"))
TAKEN_BACK = Side("clawback", "clawback_statement_id", "clawback_status", ("awaiting_clawback", "clawed_back"))
VOIDED = Side("voided", "payment_statement_id", "payment_status", ("voided",))
SIDES = (PAID_FOR, TAKEN_BACK, VOIDED)
LINE_TYPES = tuple(side.line_type for side in SIDES)


@dataclass(frozen=True)
class Move:
    """Declarations that go from one status to the next because their statement does."""

    side: Side
    before: str
    after: str


# What moves when a statement becomes payable, and paid.
MOVES = {
    "payable": (Move(PAID_FOR, "eligible", "payable"),),
    "paid": (Move(PAID_FOR, "payable", "paid"), Move(TAKEN_BACK, "awaiting_clawback", "clawed_back")),
}
# The status of a statement that goes with that of what it pays for, or takes back.
HELD_ON = {
    "eligible": ("open",), "payable": ("payable",), "paid": ("paid",),
    "awaiting_clawback": ("open", "payable"), "clawed_back": ("paid",),
}  # fmt: skip


def is_taken_back() -> pl.Expr:
    """Whether money paid for a declaration is being taken back, or was."""
    return pl.col("clawback_status") != "no_clawback"


def is_live() -> pl.Expr:
    """Whether a declaration stands: neither voided nor taken back."""
    return (pl.col("payment_status") != "voided") & ~is_taken_back()


def state() -> pl.Expr:
    """A declaration's state as providers see it, from its two statuses: one of STATES."""
    return (
        pl.when(is_taken_back())
        .then(pl.col("clawback_status").cast(pl.String).str.replace("_", "-"))
        .when(pl.col("payment_status") == "no_payment")
        .then(pl.lit("submitted"))
        .otherwise(pl.col("payment_status").cast(pl.String))
    )


def next_statements(statements: pl.DataFrame, today: date, *statuses: str) -> pl.DataFrame:
    """Where the next thing goes: of each lead provider (where the frame tells them apart) and contract period the output
    statement of these statuses with the earliest deadline not yet past; rows of the frame, the earliest first."""
    is_next = (pl.col("fee_type") == "output") & (pl.col("deadline_date") >= today) & pl.col("status").is_in(statuses)
    whose = [name for name in ("lead_provider_id", "contract_period") if name in statements.columns]
    return (
        statements.filter(is_next)
        .sort("deadline_date", maintain_order=True)
        .unique(whose, keep="first", maintain_order=True)
    )


def statement_month(year: str = "year", month: str = "month") -> pl.Expr:
    """A statement's month as YYYY-MM."""
    return pl.format("{}-{}", year, pl.col(month).cast(pl.String).str.zfill(2))


def training_status() -> pl.Expr:
    """What the lead provider has made of a training period: active, deferred or withdrawn."""
    deferred_later = (pl.col("deferred_at") > pl.col("withdrawn_at")).fill_null(pl.col("withdrawn_at").is_null())
    return (
        pl.when(pl.col("withdrawn_at").is_null() & pl.col("deferred_at").is_null()).then(pl.lit("active"))
        .when(deferred_later).then(pl.lit("deferred")).otherwise(pl.lit("withdrawn"))
    )  # fmt: skip


def participant_status(today: date) -> pl.Expr:
    """Joining, active, leaving or left, of a lead provider's latest training; the first that holds. On the last day itself it is
    `left` already. Source: RECT app/services/api/training_periods/teacher_status.rb.

    Needs the columns of a training period, participant_type, induction_end_date, mentor_funding_end_date.
    """
    over = pl.when(pl.col("participant_type") == "ect").then("induction_end_date").otherwise("mentor_funding_end_date")
    completed = over.is_not_null() & (pl.col("finished_on").is_null() | (over <= pl.col("finished_on")))
    stopped = pl.col("withdrawn_at").is_not_null() | pl.col("deferred_at").is_not_null()
    ending = pl.when(pl.col("finished_on") > today).then(pl.lit("leaving")).otherwise(pl.lit("left"))
    return (
        pl.when(stopped).then(ending)
        .when(completed).then(pl.lit("active"))
        .when(pl.col("finished_on").is_not_null()).then(ending)
        .when(pl.col("started_on") > today).then(pl.lit("joining"))
        .otherwise(pl.lit("active"))
    )  # fmt: skip


def contains(day: date) -> pl.Expr:
    """Whether a period contains a day, its first and last included."""
    return (pl.col("started_on") <= day) & (pl.col("finished_on").is_null() | (pl.col("finished_on") >= day))


def is_frozen(now: datetime) -> pl.Expr:
    """Whether a contract period's payments have stopped."""
    return holds(pl.col("payments_frozen_at") <= now)
