"""The rules of an adjustment to a statement, ADJUST-001 to ADJUST-009 (ours; limits: RECT app/models/statement/adjustment.rb).

The file is DfE's own: one broken rule refuses it whole.
"""

from decimal import Decimal

import polars as pl

from schemas.kinds.kind import Kind, Owner
from schemas.rules import Rule

LIMIT = Decimal("1000000.00")
MAX_PAYMENT_TYPE = 500
SOURCE = "RECT app/models/statement/adjustment.rb"
_AMOUNT = pl.col("pounds")


def _about(field: str, number: int, broken: pl.Expr, message: str, advice: str) -> Rule:
    return Rule(f"ADJUST-{number:03}", field, broken, message, advice, SOURCE, silenced_by=(field,))


RULES: tuple[Rule, ...] = (
    _about(
        "statement_id", 1, pl.col("statement_id").is_null(),
        "The statement_id is blank.", "Copy it from the statement's manifest.",
    ),
    _about(
        "statement_id", 2, pl.col("statement_status").is_null(),
        "There is no statement {statement_id}.", "Copy the id from the statement's manifest.",
    ),
    _about(
        "statement_id", 3, pl.col("fee_type") != "output",
        "Statement {statement_id} carries only a service fee.", "Put the adjustment on an output statement.",
    ),
    _about(
        "statement_id", 4, pl.col("statement_status") == "paid",
        "Statement {statement_id} is paid: its figures are final.", "Put the adjustment on a later statement.",
    ),
    _about(
        "payment_type", 5, pl.col("payment_type").is_null(),
        "The payment_type is blank.", "Say in words what the adjustment is for.",
    ),
    _about(
        "payment_type", 6, pl.col("payment_type").str.len_chars() > MAX_PAYMENT_TYPE,
        f"The payment_type is longer than {MAX_PAYMENT_TYPE} characters.", "Shorten it.",
    ),
    _about("amount", 7, pl.col("amount").is_null(), "The amount is blank.", "Give pounds, negative to take money back."),
    _about("amount", 8, _AMOUNT == 0, "The amount is nothing.", "Leave the row out, or give an amount."),
    _about(
        "amount", 9, (_AMOUNT > LIMIT) | (_AMOUNT < -LIMIT),
        f"The amount is beyond ±{LIMIT:,}.", "Check it; spread it over several adjustments if it is right.",
    ),
)  # fmt: skip

# No kind of a provider's: what DfE adds to or takes off statements (`ectx adjustments`).
KIND = Kind(
    name="adjustments",
    does="Adds an amount to a statement, with what it is for.",
    place=0,
    required=("statement_id", "payment_type", "amount"),
    optional=(),
    owner="statement_id",
    owned_by=Owner.STATEMENT,
    rules=RULES,
    told_done_by=frozenset(),
    needs=(),
    memory=None,
    most_rows_of_one_owner=None,
)
