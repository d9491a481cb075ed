"""Text that a spreadsheet would run as a formula, made harmless: wherever text of people's making leaves the house."""

import polars as pl

from schemas.showing import STARTS_A_FORMULA


def neutralised(column: pl.Expr) -> pl.Expr:
    """Text that a spreadsheet would run as a formula, with an apostrophe before it. Blanks and what cannot be seen do not hide
    the formula, nor does a full-width sign. Source: RECT lib/csv_support/row_sanitizer.rb."""
    return (
        pl.when(column.str.contains(f"^{STARTS_A_FORMULA}")).then(pl.concat_str(pl.lit("'"), column)).otherwise(column)
    )


def defused(rows: pl.DataFrame, *names: str) -> pl.DataFrame:
    """The frame with its text columns (all, or those named) neutralised."""
    chosen = names or tuple(name for name, dtype in rows.schema.items() if dtype == pl.String)
    return rows.with_columns([neutralised(pl.col(name)).alias(name) for name in chosen])
