"""Which list of expected payments stands for what, which statement each month is compared with, and what is expected of it.

Why a row that has no statement is compared with another one: transforms/README.md, What was expected.
"""

import polars as pl

from schemas.accounts import Expectations
from schemas.frames import holds, joined
from schemas.lifecycle import statement_month

MONTH = ["lead_provider_id", "contract_period", "statement_month"]
DECLARED = ["lead_provider_id", "participant_id", "participant_type", "declaration_type"]


def lists_compared(stated: pl.DataFrame, named: pl.DataFrame, chosen: pl.Series) -> pl.DataFrame:
    """The lists that stand, with the statement each of their months is compared with, where that is one of the chosen.

    stated: every month that a list has named: MONTH, submission_id, number, received_at, file_name, in order. named: every
    statement that there is. Returns lists as in schemas.accounts.Expectations.
    """
    last = stated.unique(MONTH, keep="last", maintain_order=True)
    last = last.join(_paid_and_compared(stated, named), on=MONTH, how="anti")
    return _compared_with(last, named).filter(pl.col("statement_id").is_in(chosen.implode()))


def expected(expectations: Expectations) -> pl.DataFrame:
    """Each declaration once a statement: statement_id, DECLARED, expected_amount, delivery_partner_id, your_reference,
    misplaced_words."""
    return _each_once(_not_corrected_since(expectations.rows, expectations.lists))


def _paid_and_compared(stated: pl.DataFrame, named: pl.DataFrame) -> pl.DataFrame:
    """Months whose statement is paid, and was compared with a list by then: it holds what was stated, and a later list of the
    same month is told so on its receipt."""
    paid = named.filter((pl.col("fee_type") == "output") & (pl.col("status") == "paid")).select(
        "lead_provider_id", "contract_period", "marked_as_paid_at", statement_month=statement_month()
    )
    first = stated.group_by(MONTH).agg(
        pl.col("received_at").min().alias("first_at"), pl.col("received_at").max().alias("last_at")
    )
    told = paid.join(first, on=MONTH).filter(
        (pl.col("first_at") < pl.col("marked_as_paid_at")) & (pl.col("last_at") > pl.col("marked_as_paid_at"))
    )
    return told.select(MONTH).unique()


def _compared_with(stated: pl.DataFrame, named: pl.DataFrame) -> pl.DataFrame:
    """The lists' months with the statement that each is compared with, and misplaced_words where that is not its own.

    It is its own where there is one, and that was not paid before the list came. Else every pound is to appear somewhere: on
    that month's statement of another contract period, or on the next month's, or the last before; of those that could
    still change when the list came.
    """
    output = named.filter(pl.col("fee_type") == "output").select(
        "lead_provider_id",
        "statement_id",
        "status",
        "marked_as_paid_at",
        its_month=statement_month(),
        its_period="contract_period",
    )
    pairs = stated.join(output, on="lead_provider_id")
    is_own = (pl.col("its_month") == pl.col("statement_month")) & (pl.col("its_period") == pl.col("contract_period"))
    is_able = (pl.col("status") != "paid") | holds(pl.col("marked_as_paid_at") > pl.col("received_at"))
    pairs = pairs.with_columns(is_own=is_own, is_able=is_able).with_columns(
        has_own=(pl.col("is_own")).any().over(MONTH)
    )
    later = pl.col("its_month") >= pl.col("statement_month")
    distance = (_months("its_month") - _months("statement_month")).abs()
    same_month = pl.col("its_month") == pl.col("statement_month")
    best = pairs.filter("is_able").sort(
        ~pl.col("is_own"), ~same_month, ~later, distance, -pl.col("its_period"), "statement_id"
    ).unique(MONTH, keep="first", maintain_order=True)  # fmt: skip
    where = pl.format("{} of contract period {}", "statement_month", "contract_period")
    why = pl.when("has_own").then(pl.lit("whose statement had been paid by then")).otherwise(
        pl.lit("for which you have no statement")
    )  # fmt: skip
    words = pl.format("You stated it for {}, {}. ", where, why)
    return best.with_columns(misplaced_words=pl.when(~pl.col("is_own")).then(words)).select(
        *stated.columns, "statement_id", "misplaced_words"
    )


def _months(name: str) -> pl.Expr:
    """A month as a number, to count with."""
    return pl.col(name).str.slice(0, 4).cast(pl.Int64) * 12 + pl.col(name).str.slice(5, 2).cast(pl.Int64)


def _not_corrected_since(rows: pl.DataFrame, lists: pl.DataFrame) -> pl.DataFrame:
    """Without rows stated for months that have no statement, where a later list states the same declaration for one that has."""
    numbered = joined(rows, lists.select("submission_id", "number").unique(), "submission_id")
    placed = (
        numbered.filter(pl.col("misplaced_words").is_null())
        .group_by(DECLARED)
        .agg(pl.col("number").max().alias("later"))
    )
    numbered = joined(numbered, placed, DECLARED)
    is_corrected = pl.col("misplaced_words").is_not_null() & (pl.col("later") > pl.col("number"))
    return numbered.filter(~holds(is_corrected)).drop("number", "later")


def _each_once(rows: pl.DataFrame) -> pl.DataFrame:
    """One row a declaration and statement: what was stated for it under several months, together."""
    key = ["statement_id", *DECLARED]
    columns = [*key, "expected_amount", "delivery_partner_id", "your_reference", "misplaced_words"]
    if not rows.select(key).is_duplicated().any():
        return rows.select(columns)
    amount = pl.col("expected_amount")
    together = pl.when(amount.is_not_null().any()).then(amount.sum()).alias("expected_amount")
    words = pl.col("misplaced_words").drop_nulls().first()
    counted = (
        pl.when(pl.len() > 1).then(words + "It is counted together with what you stated for it here. ").otherwise(words)
    )
    own_first = rows.sort(pl.col("misplaced_words").is_not_null(), maintain_order=True)
    return own_first.group_by(key, maintain_order=True).agg(
        together, pl.col("delivery_partner_id", "your_reference").first(), counted.alias("misplaced_words")
    ).select(columns)  # fmt: skip


def rejected_of_lists(expectations: Expectations) -> pl.DataFrame:
    """The last line of a list that was turned away for each declaration, by the statements it may be of."""
    rows, lists = expectations.rejected_of_lists, expectations.lists
    lists = lists.select(
        "submission_id",
        "statement_id",
        "lead_provider_id",
        "file_name",
        its_month="statement_month",
        its_period="contract_period",
    )
    pairs = rows.join(lists, on="submission_id").filter(
        (pl.col("statement_month").is_null() | (pl.col("statement_month") == pl.col("its_month")))
        & (pl.col("contract_period").is_null() | (pl.col("contract_period") == pl.col("its_period")))
    )
    return pairs.sort("line_number").unique(["statement_id", *DECLARED], keep="last", maintain_order=True).select(
        "statement_id", *DECLARED, list_submission="submission_id", list_file="file_name", list_line="line_number",
        list_codes="rule_codes", list_messages="messages",
    )  # fmt: skip
