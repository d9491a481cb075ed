"""Rows of many statements, statement by statement."""

import polars as pl

Parts = dict[str, pl.DataFrame]


def by_statement(rows: pl.DataFrame) -> Parts:
    """statement_id → its rows, without that column in front."""
    parts = rows.partition_by("statement_id", as_dict=True, maintain_order=True)
    return {str(own): part for (own,), part in parts.items()}


def as_csv(rows: pl.DataFrame | None) -> str:
    """Rows as CSV, without a header; nothing for none."""
    return "" if rows is None else rows.write_csv(include_header=False)
