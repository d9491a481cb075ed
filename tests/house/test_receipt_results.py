"""What a receipt's results promise is looked at before they are written, whatever made them."""

import pandera.errors
import polars as pl
import pytest

from schemas.outbound.receipts import demand_as_promised

RIGHT = pl.DataFrame(
    {
        "row_number": [4, 5, 6],
        "line_number": [5, 6, 8],
        "outcome": ["accepted", "rejected", "already-done"],
        "rule_codes": [None, "DECL-004", None],
    },
    schema={"row_number": pl.Int64, "line_number": pl.Int64, "outcome": pl.String, "rule_codes": pl.String},
)


@pytest.mark.parametrize("rows", [RIGHT, RIGHT.head(0)])
def test_what_is_as_promised_may_be_written(rows):
    demand_as_promised(rows)


@pytest.mark.parametrize(
    "wrong",
    {
        "a row is left out": RIGHT.filter(pl.col("row_number") != 5),
        "a row comes twice": pl.concat([RIGHT, RIGHT.tail(1)]),
        "a line before the first": RIGHT.with_columns(line_number=pl.lit(1, pl.Int64)),
        "no line": RIGHT.with_columns(line_number=pl.lit(None, pl.Int64)),
        "an outcome that nobody knows": RIGHT.with_columns(outcome=pl.lit("perhaps")),
        "no outcome": RIGHT.with_columns(outcome=pl.lit(None, pl.String)),
        "a rejected row without a reason": RIGHT.with_columns(rule_codes=pl.lit(None, pl.String)),
        "an accepted row with a reason": RIGHT.with_columns(rule_codes=pl.lit("DECL-004")),
        "numbers as text": RIGHT.with_columns(pl.col("row_number").cast(pl.String)),
        "no column for it": RIGHT.drop("outcome"),
    }.items(),
    ids=lambda each: each[0],
)
def test_what_is_not_as_promised_is_not_written(wrong):
    with pytest.raises(pandera.errors.SchemaError):
        demand_as_promised(wrong[1])
