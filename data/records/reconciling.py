"""A fresh extract against what the exchange has made and changed since DfE last showed the records.

Whose word counts, column by column, for a record that the exchange made or changed (data.tables.own_changes):
the extract agrees → it is seen; the extract still says what stood before, and is not known to be newer → it is stale
there, and ours is kept; otherwise it is DfE's later word, and ours is given up. Both are reported. A record made here
that the extract lacks is kept, unless an extract has shown it before and this one is newer: then DfE has removed it.
All other records, and all other tables, are as the extract has them.
"""

from dataclasses import dataclass
from datetime import datetime

import polars as pl
from sqlalchemy import Connection, text

from data.applying import WHOLE_ROW
from data.database import Database
from data.reader import Reader, as_stored
from data.tables import events
from schemas.columns import INSTANT, parse_instant, typed
from schemas.events import REPLACED_BY_RECORDS, SYSTEM
from schemas.instants import rfc3339, rfc3339_text
from schemas.records.tables import RECORDS, Table
from schemas.reports import Reconciled

_OWN = "SELECT record_id, column_name, before, changed_at, seen_at FROM own_changes WHERE table_name = ?"


@dataclass(frozen=True)
class _Table:
    """One table's side by side: ours (of the records that are our own), theirs, and what is our own about them."""

    spec: Table
    ours: pl.DataFrame
    theirs: pl.DataFrame
    own: pl.DataFrame
    as_of: datetime

    @property
    def is_older(self) -> pl.Expr:
        """Whether the extract speaks of an instant before our change, or before the extract that showed it first, or none
        has shown it yet: then what it says is what stood before."""
        as_of = pl.lit(self.as_of, INSTANT)
        return pl.col("seen_at").is_null() | (as_of < pl.col("changed_at")) | (as_of < pl.col("seen_at"))

    @property
    def key(self) -> str:
        return self.spec.key[0]


def reconcile(
    reader: Reader, spec: Table, theirs: pl.DataFrame, found: Reconciled, as_of: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(the table as it is to be, the records of ours that the extract lacks and that are kept), both as text cells.

    as_of: the instant of which the extract speaks.
    """
    own = reader.frame(_OWN, spec.name) if len(spec.key) == 1 else pl.DataFrame()
    if own.is_empty():
        return theirs, theirs.clear()
    own = own.with_columns(parse_instant(pl.col("changed_at")), parse_instant(pl.col("seen_at")))
    theirs = theirs.select(list(spec.columns))
    side = _Table(spec, _ours(reader, spec, own["record_id"].unique()), theirs, own, as_of)
    kept_rows = _missing(side, found)
    merged = _made_here_and_shown(side, theirs, found)
    changed = own.filter(pl.col("column_name") != WHOLE_ROW)
    for column in changed["column_name"].unique(maintain_order=True).sort():
        merged = _one_column(side, merged, column, found)
    return pl.concat([merged, kept_rows]), kept_rows


def _ours(reader: Reader, spec: Table, ids: pl.Series) -> pl.DataFrame:
    """Our rows as the extract would have them."""
    columns = ", ".join(f't."{name}"' for name in spec.columns)
    rows = typed(
        reader.frame(f'SELECT {columns} FROM own n CROSS JOIN "{spec.name}" t WHERE t."{spec.key[0]}" = n.id', own=ids)
    )
    flags = [name for name, column in spec.columns.items() if column.kind == "flag"]
    return as_stored(rows.with_columns(pl.col(flags).cast(pl.String))).select(pl.all().cast(pl.String))


def _missing(side: _Table, found: Reconciled) -> pl.DataFrame:
    """Records of our own that the extract lacks: those kept. The others DfE has removed."""
    gone = side.own.join(side.theirs.select(record_id=side.key), on="record_id", how="anti")
    gone = gone.join(side.ours.select(record_id=side.key), on="record_id", how="semi")
    made = gone.filter(pl.col("column_name") == WHOLE_ROW)
    kept = made.filter(side.is_older)
    nothing = pl.lit(None, pl.String)
    whole = {"column": pl.lit(WHOLE_ROW), "before": nothing, "after": nothing}
    found.add("kept", side.spec.name, kept.select("record_id", **whole))
    removed = gone.join(kept, on="record_id", how="anti").select("record_id").unique(maintain_order=True)
    found.add("overruled", side.spec.name, removed.select("record_id", **whole))
    return side.ours.join(kept.select(pl.col("record_id").alias(side.key)), on=side.key, how="semi")


def _made_here_and_shown(side: _Table, merged: pl.DataFrame, found: Reconciled) -> pl.DataFrame:
    """Records made here that the extract holds: it may say otherwise of what we have not changed since."""
    made = side.own.filter(pl.col("column_name") == WHOLE_ROW).select(pl.col("record_id").alias(side.key))
    both = made.join(side.theirs, on=side.key).join(side.ours, on=side.key, suffix="_ours")
    if both.is_empty():
        return merged
    found.add(
        "seen", side.spec.name,
        both.select(record_id=side.key, column=pl.lit(WHOLE_ROW), before=pl.lit(None, pl.String), after=pl.lit(None, pl.String)),
    )  # fmt: skip
    for column in side.spec.columns:
        if column in (side.key, "updated_at"):
            continue
        ours_too = side.own.filter(pl.col("column_name") == column).select(pl.col("record_id").alias(side.key))
        differ = both.filter(pl.col(column).ne_missing(pl.col(f"{column}_ours"))).join(
            ours_too, on=side.key, how="anti"
        )
        found.add(
            "overruled", side.spec.name,
            differ.select(record_id=side.key, column=pl.lit(column), before=f"{column}_ours", after=column),
        )  # fmt: skip
    return merged


def _one_column(side: _Table, merged: pl.DataFrame, column: str, found: Reconciled) -> pl.DataFrame:
    """One column that we changed, in the records that the extract holds too."""
    own = side.own.filter(pl.col("column_name") == column).select(
        pl.col("record_id").alias(side.key), "before", "changed_at", "seen_at"
    )
    if side.spec.columns[column].kind == "instant":
        own = own.with_columns(rfc3339_text(parse_instant(pl.col("before"))).alias("before"))
    has_moved = "updated_at" in side.spec.columns
    theirs, ours = side.theirs.select(side.key, theirs=pl.col(column)), side.ours.select(side.key, ours=pl.col(column))
    pairs = own.join(theirs, on=side.key).join(ours, on=side.key)
    agrees = pl.col("theirs").eq_missing(pl.col("ours"))
    stale = ~agrees & pl.col("theirs").eq_missing(pl.col("before")) & side.is_older
    told = {
        "record_id": pl.col(side.key),
        "column": pl.lit(column),
        "before": pl.col("ours"),
        "after": pl.col("theirs"),
    }
    found.add("seen", side.spec.name, pairs.filter(agrees).select(**told))
    kept = pairs.filter(stale)
    found.add("kept", side.spec.name, kept.select(**told))
    found.add("overruled", side.spec.name, pairs.filter(~agrees & ~stale).select(**told))
    if kept.is_empty():
        return merged
    values = kept.select(side.key, pl.col("ours").alias(column))
    if has_moved:
        values = values.join(side.ours.select(side.key, "updated_at"), on=side.key)
    return merged.update(values, on=side.key, include_nulls=True)


_LINKS = {
    "participants": "participant_id",
    "training_periods": "training_period_id",
    "partnerships": "partnership_id",
    "declarations": "declaration_id",
    "statements": "statement_id",
}


def write_down(database: Database, connection: Connection, found: Reconciled, now: datetime, as_of: datetime) -> None:
    """What is seen is marked so; what is given up is ours no more, and told in the audit trail."""
    moment = "CAST(:moment AS TIMESTAMPTZ)" if connection.dialect.name == "postgresql" else ":moment"
    for name in RECORDS:
        for which, act in (
            ("seen", f"UPDATE own_changes SET seen_at = COALESCE(seen_at, {moment})"),
            ("overruled", "DELETE FROM own_changes"),
        ):
            rows = getattr(found, which).filter(pl.col("table") == name)
            for column, part in rows.partition_by("column", as_dict=True).items():
                database.reader(connection).lend("settled", part["record_id"])
                # A record that DfE removed is ours in no column any more.
                only = "" if which == "overruled" and column[0] == WHOLE_ROW else "column_name = :column AND "
                sql = f"{act} WHERE {only}table_name = :name AND record_id IN (SELECT id FROM settled)"
                given = {"name": name, "column": column[0], "moment": rfc3339(as_of)}
                connection.execute(text(sql), {key: value for key, value in given.items() if f":{key}" in sql})
    given_up = found.overruled.filter(pl.col("table").is_in(list(_LINKS)))
    database.insert(connection, events, _told(given_up, now))


def _told(overruled: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """An event a column given up, linked to its record."""
    linked = [
        pl.when(pl.col("table") == table).then("record_id").alias(link) for table, link in _LINKS.items()
    ]  # fmt: skip
    return overruled.select(
        pl.lit(now, INSTANT).alias("happened_at"),
        pl.lit(REPLACED_BY_RECORDS).alias("type"),
        pl.lit(SYSTEM).alias("author"),
        *linked,
        pl.struct("column", value="before").struct.json_encode().alias("before"),
        pl.struct("column", value="after").struct.json_encode().alias("after"),
    )
