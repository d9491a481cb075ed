"""Pandera models of the files we send, and how their cells are written. Nothing leaves that does not fit its model."""

import pandera.polars as pa
import polars as pl

from schemas.showing import STARTS_A_FORMULA

OUTCOMES = ("accepted", "rejected", "already-done")
RESULT_COLUMNS = (
    "row_number",
    "line_number",
    "outcome",
    "rule_codes",
    "fields",
    "messages",
    "notes",
    "declaration_id",
    "state",
    "statement_month",
)

_OUTCOME_AGREES = (
    (pl.col("outcome") == "rejected") == pl.col("rule_codes").is_not_null(),
    pl.col("row_number") == pl.col("row_number").first() + pl.int_range(pl.len()),
)

RESULTS = pa.DataFrameSchema(
    {
        "row_number": pa.Column(pl.Int64),
        "line_number": pa.Column(pl.Int64, pa.Check.gt(1)),
        "outcome": pa.Column(pl.String, pa.Check.isin(OUTCOMES)),
        "rule_codes": pa.Column(pl.String, nullable=True),
    },
    checks=[
        pa.Check(lambda data, keeps=keeps: data.lazyframe.select(keeps), name=name)
        for name, keeps in zip(("rejected rows say why", "one row out for each in"), _OUTCOME_AGREES, strict=True)
    ],
)


def neutralised(column: pl.Expr) -> pl.Expr:
    """Text that a spreadsheet would run as a formula, with an apostrophe before it.

    Source: handbook, statements and extracts 4; RECT lib/csv_support/row_sanitizer.rb. Blanks and what cannot be seen do
    not hide the formula, nor does a full-width sign.
    """
    return (
        pl.when(column.str.contains(f"^{STARTS_A_FORMULA}")).then(pl.concat_str(pl.lit("'"), column)).otherwise(column)
    )


def defused(rows: pl.DataFrame, *names: str) -> pl.DataFrame:
    """The frame with its text columns (all, or those named) neutralised."""
    chosen = names or tuple(name for name, dtype in rows.schema.items() if dtype == pl.String)
    return rows.with_columns([neutralised(pl.col(name)).alias(name) for name in chosen])
