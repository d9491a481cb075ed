"""A change set into the tables, in the transaction that is open: all of it or nothing."""

import polars as pl
from sqlalchemy import Connection

from data.database import Database
from data.tables import RECORD_TABLES, events


def apply_changes(
    database: Database,
    connection: Connection,
    inserts: dict[str, pl.DataFrame],
    updates: dict[str, pl.DataFrame],
    happened: pl.DataFrame,
) -> None:
    """inserts, updates: rows by table of the records, updates with the key first; happened: rows of events."""
    for name, rows in inserts.items():
        database.insert(connection, RECORD_TABLES[name], rows)
    for name, rows in updates.items():
        database.update(connection, RECORD_TABLES[name], rows.columns[0], rows)
    database.insert(connection, events, happened)
