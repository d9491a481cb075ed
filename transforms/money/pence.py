"""Exact amounts → pence that add up, by largest remainder (transforms/README.md, Pence)."""

import math
from fractions import Fraction

import polars as pl


def rounded(exact: Fraction) -> int:
    """Pounds → pence, rounded once, half away from zero."""
    pence = abs(exact) * 100
    whole = math.floor(pence + Fraction(1, 2))
    return whole if exact >= 0 else -whole


def shared_pence(exact: list[Fraction], total: int) -> list[int]:
    """Exact pounds → pence that make `total`: each cut down, then a penny each by largest remainder, earlier first."""
    pence = [math.floor(amount * 100) for amount in exact]
    remainders = [amount * 100 - cut for amount, cut in zip(exact, pence, strict=True)]
    short = total - sum(pence)
    if not 0 <= short <= len(exact):
        raise ArithmeticError(f"{total} pence cannot be shared over {len(exact)} amounts that make {sum(exact)} pounds")
    for place in sorted(range(len(exact)), key=lambda place: -remainders[place])[:short]:
        pence[place] += 1
    return pence


def shared_pence_by_group(rows: pl.DataFrame, group: list[str], order: list[str]) -> pl.Series:
    """The same for many groups at once, in whole numbers.

    rows: the group's columns, numerator and denominator (whole numbers: exact pence = numerator ÷ denominator, one
    denominator a group), total (pence, the group's), the columns that order them. Returns pence, in the rows' order.
    """
    cut = pl.col("numerator").floordiv(pl.col("denominator"))
    parts = rows.select(
        *dict.fromkeys([*group, *order]),
        "total",
        cut.alias("cut"),
        (pl.col("numerator") - cut * pl.col("denominator")).alias("remainder"),
        (pl.col("numerator") == 0).alias("is_nothing"),
        pl.int_range(pl.len()).alias("place"),
    )
    # What is worth nothing gets nothing. A group whose total was itself shared may lack more than a penny each.
    parts = parts.sort(*group, "is_nothing", pl.col("remainder") * -1, *order, maintain_order=True)
    short = (pl.col("total") - pl.col("cut").sum()).over(group)
    sharers = pl.max_horizontal((~pl.col("is_nothing")).sum().cast(pl.Int64).over(group), 1)
    each, more = short.floordiv(sharers), short - short.floordiv(sharers) * sharers
    penny = each + (pl.int_range(pl.len()).over(group) < more).cast(pl.Int64)
    topped = parts.with_columns(pl.when("is_nothing").then(0).otherwise(penny).alias("penny"))
    return topped.sort("place").select((pl.col("cut") + pl.col("penny")).alias("pence")).to_series()
