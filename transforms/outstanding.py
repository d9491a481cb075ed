"""Rejected rows that have not come again: of each thing that rows ask for, the last word, where that is a refusal."""

import polars as pl

from schemas.kinds.kind import Kind
from schemas.vocabulary import PARTICIPANT_TYPES

# What rows of one owner may ask for apart.
_APART = ("course_identifier", "declaration_type", "statement_month", "contract_period")


def asked_for(kind: Kind) -> list[str]:
    """The columns that say what a row asks for: a later row with the same ones is the same thing asked for again."""
    apart = [name for name in _APART if name in kind.required and name != kind.owner]
    return [kind.owner, *apart]


def outstanding(kind: Kind, results: pl.DataFrame) -> pl.DataFrame:
    """results: number (of the submission, in order), submission_id, row_number, outcome, and the columns that say what each row
    asks for, as sent, of every file of the kind that counts (where a file takes the place of those before it: of the last).

    Returns submission_id, row_number and those columns, of rows that were rejected, and whose like was in no later row.
    """
    what = asked_for(kind)
    alike = [pl.col(name).str.strip_chars().str.to_lowercase() for name in what]
    last = results.sort("number", "row_number").with_columns(alike).unique(what, keep="last", maintain_order=True)
    return last.filter(outcome="rejected").select("submission_id", "row_number", *what)


def worth(rows: pl.DataFrame, forecast: pl.DataFrame) -> int | None:
    """What rejected declarations would pay on the next statement, in pence; None where a forecast says it of none.

    rows: participant_id, course_identifier, declaration_type. forecast: the same, and expected_amount (pounds, as text).
    """
    key = ["participant_id", "course_identifier", "declaration_type"]
    known = rows.filter(pl.col("course_identifier").is_in(list(PARTICIPANT_TYPES))).join(
        forecast.unique(key, keep="first", maintain_order=True), on=key
    )
    if known.is_empty():
        return None
    amounts = known["expected_amount"].cast(pl.Decimal(14, 2))
    return int((amounts.sum() or 0) * 100)
