"""Rows of statements as lines of CSV."""

from collections.abc import Sequence

import polars as pl

from schemas.outbound.statements import FILES

NEEDS_QUOTES = '[",\r\n]'


def csv_lines(rows: pl.DataFrame) -> pl.Series:
    """Each row as a line of CSV without its end: quotes where needed, nothing for null."""
    return rows.select(
        pl.concat_str([_cell(name, rows.schema[name]) for name in rows.columns], separator=",")
    ).to_series()


def _cell(name: str, dtype: pl.DataType) -> pl.Expr:
    text = pl.col(name).cast(pl.String)
    if dtype == pl.String:
        quoted = pl.concat_str(pl.lit('"'), text.str.replace_all('"', '""', literal=True), pl.lit('"'))
        text = pl.when(text.str.contains(NEEDS_QUOTES)).then(quoted).otherwise(text)
    return text.fill_null("")


def header(names: Sequence[str]) -> str:
    return ",".join(names) + "\n"


def csv_texts(tables: dict[str, pl.DataFrame]) -> dict[str, dict[str, str]]:
    """tables: name of a file → its rows, with statement_id. Returns name → statement_id → the rows as CSV."""
    columns = {file.name: file.columns for file in FILES}
    return {name: joined(rows, csv_lines(rows.select(columns[name]))) for name, rows in tables.items()}


def joined(rows: pl.DataFrame, lines: pl.Series) -> dict[str, str]:
    """statement_id → its rows' lines, each with its end."""
    parts = rows.select("statement_id", lines.alias("line")).group_by("statement_id", maintain_order=True)
    return dict(parts.agg(pl.col("line").str.join("\n") + "\n").iter_rows())
