"""A receipt's results: what every row is told, in the interface's columns, before the columns as sent."""

import pandera.polars as pa
import polars as pl

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
