"""Stored columns → typed frames. The same for every database and every question."""

import polars as pl

from schemas.records.tables import RECORDS

_KINDS = {name: column.kind for table in RECORDS.values() for name, column in table.columns.items()}
_KINDS |= {"received_at": "instant", "processed_at": "instant", "owed_since": "instant", "delivered_at": "instant"}
_KINDS |= {"happened_at": "instant", "as_of": "instant", "changed_at": "instant", "seen_at": "instant"}
_KINDS |= {"total": "money", "expected_amount": "money"}
INSTANT = pl.Datetime("us", "UTC")
MONEY = pl.Decimal(14, 2)


def typed(frame: pl.DataFrame) -> pl.DataFrame:
    """Give each text column that carries a record's name its type: Date, Datetime (UTC), Decimal(14, 2), Boolean, Int64."""
    return frame.with_columns([_cast(name) for name in frame.columns])


def _cast(name: str) -> pl.Expr:
    kind, column = _KINDS.get(name, "text"), pl.col(name)
    if kind == "instant":
        return parse_instant(column)
    if kind == "day":
        return column.str.to_date("%Y-%m-%d")
    if kind in ("money", "ratio"):
        return column.cast(MONEY)
    if kind == "flag":
        return column.is_in(["true", "1", "t"])
    if kind == "integer":
        return column.cast(pl.Int64)
    return column


def parse_instant(column: pl.Expr) -> pl.Expr:
    """RFC 3339 text in UTC, or PostgreSQL's own (`2025-11-03 09:30:00+00`), → instant; null where it is neither."""
    plain = column.str.replace(" ", "T", literal=True).str.replace("+00", "Z", literal=True)
    whole = plain.str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", strict=False)
    fraction = plain.str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", strict=False)
    return pl.when(plain.str.len_bytes() == 20).then(whole).otherwise(fraction).dt.replace_time_zone("UTC")
