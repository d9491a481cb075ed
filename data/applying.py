"""A change set into the tables, in the transaction that is open: all of it or nothing. What the exchange made or changed
is written down as its own, so that a fresh extract can be reconciled with it (data.records.reconciling)."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl
from sqlalchemy import Connection, text

from data.database import Database
from data.tables import RECORD_TABLES, events, expected_payments, metadata, own_changes, stated_months
from schemas.columns import INSTANT
from schemas.instants import rfc3339
from schemas.records.tables import RECORDS

WHOLE_ROW = "*"
# What moves whenever anything does, and says nothing by itself.
_UNTOLD = ("updated_at",)
# A column changed again before an extract has shown the first change keeps what stood before the first.
_OWN = """
INSERT INTO own_changes (table_name, record_id, column_name, before, changed_at, seen_at)
SELECT '{table}', t."{key}", '{column}', CAST(t."{column}" AS TEXT), {now}, NULL
FROM {named} t
WHERE {which}
ON CONFLICT (table_name, record_id, column_name) DO UPDATE SET
  before = CASE WHEN own_changes.seen_at IS NULL THEN own_changes.before ELSE excluded.before END,
  changed_at = excluded.changed_at, seen_at = NULL
"""


def apply_changes(
    database: Database,
    connection: Connection,
    inserts: dict[str, pl.DataFrame],
    updates: Sequence[tuple[str, pl.DataFrame]],
    happened: pl.DataFrame,
    now: datetime,
) -> None:
    """inserts: rows by table; updates: (table, rows with the key first), in order; happened: rows of events."""
    for name, rows in inserts.items():
        database.insert(connection, metadata.tables[name], rows)
        if name in RECORDS:
            database.insert(connection, own_changes, _made(name, rows, now))
        if name == expected_payments.name:
            database.insert(connection, stated_months, rows.select(list(stated_months.columns.keys())).unique())
    for name, rows in updates:
        key = rows.columns[0]
        told = [column for column in rows.columns[1:] if column not in _UNTOLD]
        if told and rows.height:
            database.reader(connection).lend("changing", rows[key])
            for column in told:
                own_change(connection, name, column, f't."{key}" IN (SELECT id FROM changing)', now)
        database.update(connection, RECORD_TABLES[name], key, rows)
    database.insert(connection, events, happened)


def _made(table: str, rows: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Rows of own_changes for records that were not there before."""
    return rows.select(
        pl.lit(table).alias("table_name"),
        pl.col(RECORDS[table].key[0]).alias("record_id"),
        pl.lit(WHOLE_ROW).alias("column_name"),
        pl.lit(None, pl.String).alias("before"),
        pl.lit(now, INSTANT).alias("changed_at"),
        pl.lit(None, INSTANT).alias("seen_at"),
    )


def own_change(connection: Connection, table: str, column: str, which: str, now: datetime, **values: object) -> None:
    """Write down that the exchange is about to change a column of the rows `which` (SQL over `t`; :names as given)."""
    moment = "CAST(:moment AS TIMESTAMPTZ)" if connection.dialect.name == "postgresql" else ":moment"
    sql = _OWN.format(table=table, key=RECORDS[table].key[0], column=column, now=moment, named=table, which=which)
    connection.execute(text(sql), {"moment": rfc3339(now), **values})
