"""Bands and prices: which declaration sits in which band, and what it is worth, by DuckDB over Arrow, in exact decimals."""

from pathlib import Path

import duckdb
import polars as pl

from schemas.accounts import Accounts
from schemas.facts import fee_proportions
from schemas.frames import joined

_HERE = Path(__file__).parent
BANDING, PRICES = ((_HERE / f"{name}.sql").read_text(encoding="utf-8") for name in ("banding", "prices"))
_TERMS = (
    "statement_id", "lead_provider_id", "contract_period", "contract_type", "contract_id", "payment_date",
    "mentor_fee_per_declaration",
)  # fmt: skip
_ENTRY = (
    "row", "statement_id", "line_type", "participant_type", "declaration_type", "declaration_date", "created_at",
    "declaration_id",
)  # fmt: skip
# Exact to the millionth of a pound: whole numbers of them are what everything after this counts with.
_MICROS = "CAST(unit_fee * 1000000 AS BIGINT) AS unit_micros"


def priced(accounts: Accounts) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(the declarations with position, band, proportion, ratio, fee (Decimal), rate_micros (signed), nothing_because; the
    prices: contract_id, counted_as, declaration_type, band, proportion, ratio, fee, unit_micros)."""
    declarations = accounts.declarations.with_row_index("row")
    terms = accounts.statements.select(_TERMS)
    frames = {
        "statements": terms,
        "contracts": terms.select("contract_id", "contract_type", "mentor_fee_per_declaration").unique("contract_id"),
        "chosen": accounts.chosen.to_frame("statement_id"),
        "bands": accounts.bands,
        "units": accounts.units,
        "proportions": fee_proportions(),
        "entries": declarations.select(_ENTRY),
    }
    with duckdb.connect() as connection:
        for name, frame in frames.items():
            connection.register(name, frame.to_arrow(compat_level=pl.CompatLevel.oldest()))
        connection.execute(f"CREATE TEMP TABLE prices AS {PRICES}")
        placed = connection.sql(f"SELECT * EXCLUDE (unit_fee), {_MICROS} FROM ({BANDING})").to_arrow_table()
        prices = connection.sql(f"SELECT * EXCLUDE (unit_fee), {_MICROS} FROM prices").to_arrow_table()
    worth = pl.DataFrame(pl.from_arrow(placed)).cast({"row": pl.UInt32})
    rows = joined(declarations, worth, "row")
    sign = pl.when(pl.col("line_type") == "clawback").then(-1).otherwise(1)
    signed = rows.with_columns((pl.col("unit_micros") * sign).alias("rate_micros")).drop("row", "unit_micros")
    return signed, pl.DataFrame(pl.from_arrow(prices))
