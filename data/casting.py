"""Stored columns → typed frames. The same for every database and every question."""

import polars as pl

from schemas.records import RECORDS

_KINDS = {name: column.kind for table in RECORDS.values() for name, column in table.columns.items()}
_KINDS |= {"received_at": "instant", "processed_at": "instant", "owed_since": "instant", "delivered_at": "instant"}
_KINDS |= {"happened_at": "instant", "as_of": "instant", "total": "money"}
INSTANT = pl.Datetime("us", "UTC")
MONEY = pl.Decimal(14, 2)


def typed(frame: pl.DataFrame) -> pl.DataFrame:
    """Give each column that carries a record's name its type: Date, Datetime (UTC), Decimal(14, 2), Boolean or text."""
    return frame.with_columns([_cast(name, dtype) for name, dtype in frame.schema.items()])


def _cast(name: str, dtype: pl.DataType) -> pl.Expr:
    kind, column = _KINDS.get(name, "text"), pl.col(name)
    if kind == "instant":
        return parse_instant(column) if dtype == pl.String else column.cast(INSTANT)
    if kind == "day":
        return column.str.to_date("%Y-%m-%d") if dtype == pl.String else column.cast(pl.Date)
    if kind in ("money", "ratio"):
        return column.cast(pl.String).cast(MONEY)
    if kind == "flag":
        return column == "true" if dtype == pl.String else column.cast(pl.Boolean)
    if kind == "integer":
        return column.cast(pl.Int64)
    return column.cast(pl.String)


def parse_instant(column: pl.Expr) -> pl.Expr:
    """RFC 3339 text in UTC → instant; null where it is not of that form."""
    whole = column.str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", strict=False)
    fraction = column.str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", strict=False)
    return pl.when(column.str.len_bytes() == 20).then(whole).otherwise(fraction).dt.replace_time_zone("UTC")
