"""A receipt's results: what every row is told, in the interface's columns, before the columns as sent."""

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:  # it is loaded where results are not as promised, which is never
    import pandera.polars as pa

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

_TYPES = {"row_number": pl.Int64, "line_number": pl.Int64, "outcome": pl.String, "rule_codes": pl.String}
_MAY_LACK = ("rule_codes",)
_KEPT = {
    "lines are counted from the header": pl.col("line_number") > 1,
    "outcomes are some that there are": pl.col("outcome").is_in(OUTCOMES),
    "rejected rows say why": (pl.col("outcome") == "rejected") == pl.col("rule_codes").is_not_null(),
    "one row out for each in": pl.col("row_number") == pl.col("row_number").first() + pl.int_range(pl.len()),
}


def _model() -> "pa.DataFrameSchema":
    import pandera.polars as pa

    return pa.DataFrameSchema(
        {name: pa.Column(dtype, nullable=name in _MAY_LACK) for name, dtype in _TYPES.items()},
        checks=[
            pa.Check(lambda data, kept=kept: data.lazyframe.select(kept), name=name) for name, kept in _KEPT.items()
        ],
    )


def demand_as_promised(results: pl.DataFrame) -> None:
    """Raises Pandera's SchemaError where results are not what a receipt promises. All of it is looked at at once first, for
    Pandera's time goes by the check."""
    there = [pl.col(name).null_count() == 0 for name in _TYPES if name not in _MAY_LACK]
    as_promised = pl.all_horizontal(*there, *(kept.all() for kept in _KEPT.values()))
    if not (_TYPES.items() <= dict(results.schema).items() and results.select(as_promised).item()):
        _model().validate(results)
