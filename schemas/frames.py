"""What frames are asked for again and again, by names that say it."""

from collections.abc import Sequence

import polars as pl


def joined(rows: pl.DataFrame, other: pl.DataFrame, on: str | Sequence[str], **special: object) -> pl.DataFrame:
    """The rows, in their order, each with what `other` holds for it; null where that is nothing."""
    return rows.join(other, on=on, how="left", maintain_order="left", **special)  # type: ignore[arg-type]


def marked(rows: pl.DataFrame, chosen: pl.DataFrame, name: str, on: str | Sequence[str] = "row_number") -> pl.DataFrame:
    """The rows, in their order, with `name`: whether they are among those chosen, by what `on` names."""
    keys = [on] if isinstance(on, str) else list(on)
    marks = chosen.select(keys).unique().with_columns(pl.lit(True).alias(name))
    return joined(rows, marks, keys).with_columns(holds(pl.col(name)))


def holds(condition: pl.Expr) -> pl.Expr:
    """Whether a condition holds: what is not known does not."""
    return condition.fill_null(False)
