"""Whole pence and millionths of a pound as text. No sums here."""

import polars as pl

MICROS_IN_A_PENNY = 10_000


def pence_text(column: pl.Expr) -> pl.Expr:
    """Pence (whole) → pounds with exactly two decimals; null stays null."""
    size = column.abs()
    sign = pl.when(column < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    return pl.concat_str(
        sign, size.floordiv(100).cast(pl.String), pl.lit("."), (size % 100).cast(pl.String).str.zfill(2)
    )


def rate_text(column: pl.Expr) -> pl.Expr:
    """Millionths of a pound (whole) → pounds, at least two decimals, no trailing zeros beyond; null stays null."""
    size = column.abs()
    sign = pl.when(column < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    fraction = (size % 1_000_000).cast(pl.String).str.zfill(6)
    tail = fraction.str.slice(2).str.strip_chars_end("0")
    whole = size.floordiv(1_000_000).cast(pl.String)
    return pl.concat_str(sign, whole, pl.lit("."), fraction.str.slice(0, 2), tail)


def pounds_text(column: pl.Expr) -> pl.Expr:
    """Pence (whole) → pounds as people read them: £1,234.50, or −£12.00; null stays null."""
    size = column.abs()
    sign = pl.when(column < 0).then(pl.lit("−£")).otherwise(pl.lit("£"))
    # Thousands are set apart back to front: there is no looking ahead in these patterns.
    whole = size.floordiv(100).cast(pl.String).str.reverse().str.replace_all(r"(\d{3})", "$1,").str.reverse()
    pence = (size % 100).cast(pl.String).str.zfill(2)
    return pl.concat_str(sign, whole.str.strip_chars_start(","), pl.lit("."), pence)
