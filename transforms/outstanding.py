"""Rejected rows that have not come again, as far as can be told: of each thing that rows ask for, the last word, where that is a
refusal; less those whose rejected.csv was sent back."""

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
    """results: number (of the submission, in order), submission_id, row_number, line_number, returned_line (as sent in a file that
    has `errors`, as our rejected.csv does; else null), outcome, and the columns that say what each row asks for, as sent, of every
    file of the kind that counts (where a file takes the place of those before it: of the last).

    Returns submission_id, row_number and those columns, of rejected rows that have not come again. A row that lacks one of them is
    told from no other.
    """
    what = asked_for(kind)
    alike = [pl.col(name).str.strip_chars().str.to_lowercase().replace("", None) for name in what]
    rows = results.sort("number", "row_number").with_columns(alike)
    is_named = pl.all_horizontal(pl.col(what).is_not_null())
    last = rows.filter(is_named).unique(what, keep="last", maintain_order=True)
    open_ = pl.concat([last, rows.filter(~is_named)]).filter(outcome="rejected")
    return (
        open_.join(_sent_back(rows), on=["number", "line_number"], how="anti")
        .sort("number", "row_number")
        .select("submission_id", "row_number", *what)
    )


def _sent_back(rows: pl.DataFrame) -> pl.DataFrame:
    """number, line_number of rejected rows that a later file holds as our rejected.csv has them: of the newest file before it in
    which such a line was rejected."""
    rejected = rows.filter(outcome="rejected").select("number", "line_number")
    returned = rows.select(back="number", line_number=pl.col("returned_line").cast(pl.Int64)).drop_nulls()
    pairs = returned.join(rejected, on="line_number").filter(pl.col("number") < pl.col("back"))
    return pairs.group_by("back", "line_number").agg(pl.col("number").max()).select("number", "line_number").unique()


def worth(rows: pl.DataFrame, forecast: pl.DataFrame) -> dict[str, int]:
    """What rejected declarations would pay on the next statement, in pence: by submission, of those of which a forecast says it.

    rows: submission_id, participant_id, course_identifier, declaration_type. forecast: the last three, expected_amount (pounds, as
    text), and state: what is declared already, or cannot be declared as things stand, is not at stake.
    """
    key = ["participant_id", "course_identifier", "declaration_type"]
    possible = forecast.filter(state="possible").unique(key, keep="first", maintain_order=True)
    known = rows.filter(pl.col("course_identifier").is_in(list(PARTICIPANT_TYPES))).join(possible, on=key)
    pounds = pl.col("expected_amount").cast(pl.Decimal(14, 2)).sum()
    return {own: int(amount * 100) for own, amount in known.group_by("submission_id").agg(pounds).iter_rows()}
