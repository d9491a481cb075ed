"""DfE's records extract in and out: a folder with one CSV or Parquet file a table."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from sqlalchemy import Connection, delete, text

from data.counting import forget_paid_units
from data.database import Database
from data.reader import Reader, as_stored
from data.records.merging import move_with_schools, write_moves
from data.records.reconciling import reconcile, write_down
from data.records.survivors import survivors
from data.settling import attach_eligible
from data.tables import RECORD_TABLES, mailboxes, records_imports
from schemas.columns import typed
from schemas.instants import london_day
from schemas.records.checks import (
    FAULTS_SHOWN,
    LINKED_COLUMNS,
    PRICED,
    PRICED_BY,
    ExtractRefused,
    Fault,
    form_faults,
    link_faults,
    price_faults,
    sense_faults,
)
from schemas.records.doubts import NEEDED, doubts_of
from schemas.records.tables import RECORDS, Table
from schemas.reports import Imported, Reconciled
from schemas.slugs import new_mailboxes

AS_OF_FILE = "extract.json"


def import_records(database: Database, folder: Path, as_of: datetime | None) -> Imported:
    """Replace the tables that `folder` holds, in one transaction, but for what the exchange has accepted and the extract
    does not know yet (data.records.reconciling). Submitted declarations of people who are eligible go onto a statement.

    as_of: the instant of the load; None: that from which nobody else writes, so that all replays in the order in which it was.
    Raises ExtractRefused, naming file, row, column and reason, when anything is wrong; then nothing is changed.
    """
    cells, speaks_of = read_extract(folder), extract_as_of(folder)
    faults = [fault for name, rows in cells.items() for fault in form_faults(RECORDS[name], rows)]
    if faults:
        raise _refused(faults, folder)
    counts = {name: rows.height for name, rows in cells.items()}
    with database.write() as connection:
        now = as_of or database.now()
        reader, found = database.reader(connection), Reconciled()
        merged = {name: reconcile(reader, RECORDS[name], rows, found, speaks_of or now) for name, rows in cells.items()}
        move_with_schools(reader, cells, merged, found)
        keys = _keys(reader, {name: rows for name, (rows, _) in merged.items()})
        for name, table in RECORDS.items():
            if name in cells:
                faults += sense_faults(table, cells[name]) + link_faults(table, cells[name], keys)
                faults += _of_kept(table, merged[name][1], keys)
            elif any(column.points_at.split(".")[0] in cells for column in table.columns.values()):
                faults += _left_hanging(reader, table, keys)
        faults += _broken_chains(reader, merged)
        owned = _mailboxes(reader, cells, faults) if "lead_providers" in cells and not faults else None
        if not faults and any(name in cells for name in (*PRICED_BY, *PRICED)):
            faults += price_faults(_as_they_will_be(reader, merged, (*PRICED_BY, *PRICED)), set(cells))
        if faults:
            raise _refused(faults, folder)
        write_down(database, connection, found, now, speaks_of or now)
        write_moves(database, connection, found, now)
        for name, (rows, _) in merged.items():
            _replace(database, connection, name, rows)
        if owned is not None:
            _own_mailboxes(connection, owned, merged["lead_providers"][0], now)
        forget_paid_units(connection)
        attached = attach_eligible(database, connection, london_day(now), now)
        told = {"kept": found.kept.height, "overruled": found.overruled.height, "eligible": attached.eligible}
        connection.execute(
            records_imports.insert().values(
                imported_at=now,
                as_of=speaks_of,
                rows=json.dumps(counts),
                reconciled=json.dumps(told | {"nowhere": attached.nowhere}),
            )
        )
        doubts = doubts_of(_as_they_will_be(reader, merged, NEEDED), london_day(now))
    return Imported(counts, found, attached, doubts)


def _mailboxes(reader: Reader, cells: dict[str, pl.DataFrame], faults: list[Fault]) -> pl.DataFrame:
    """The mailboxes that new lead providers get; what stands against one goes to the faults."""
    known = reader.frame("SELECT lead_provider_id, slug, name FROM mailboxes ORDER BY lead_provider_id")
    made, refused = new_mailboxes(cells["lead_providers"], known)
    faults += [Fault("lead_providers", row, "name", reason) for row, reason in refused]
    return made


def _own_mailboxes(connection: Connection, made: pl.DataFrame, lead_providers: pl.DataFrame, now: datetime) -> None:
    """Give new lead providers their mailboxes, for good; remember what their owners are called."""
    names = dict(lead_providers.select("lead_provider_id", "name").iter_rows())
    for provider, folder in made.iter_rows():
        connection.execute(
            mailboxes.insert().values(lead_provider_id=provider, slug=folder, name=names[provider], since=now)
        )
    for provider, name in names.items():
        connection.execute(mailboxes.update().where(mailboxes.c.lead_provider_id == provider).values(name=name))


_CHAINS = (
    (
        "participant_id_changes",
        "from_participant_id",
        "to_participant_id",
        "changed_at",
        "participants",
        "participant_id",
    ),
)


def _broken_chains(reader: Reader, merged: dict[str, tuple[pl.DataFrame, pl.DataFrame]]) -> list[Fault]:
    """Merges that lead, at once or through others, to nobody who is there."""
    faults = []
    for name, old, new, at, target, key in _CHAINS:
        if name not in merged and target not in merged:
            continue
        stands = "" if name in merged else ", in the records already,"
        rows = _as_they_will_be(reader, merged, [name])[name].with_row_index("row", 1)
        there = merged[target][0][key] if target in merged else reader.frame(f'SELECT "{key}" FROM "{target}"')[key]
        led = survivors(rows.select(old=old, new=new, at=at), there)
        ends = pl.Series([*there, *led], dtype=pl.String)
        lost = rows.filter(~pl.col(new).is_in(ends.implode()))
        for row, value in lost.select("row", old).head(FAULTS_SHOWN).iter_rows():
            reason = f"{value}{stands} leads, through other rows or at once, to no row in {target}"
            faults.append(Fault(name, 0 if stands else row, new, reason))
    return faults


def _as_they_will_be(
    reader: Reader, merged: dict[str, tuple[pl.DataFrame, pl.DataFrame]], names: Iterable[str]
) -> dict[str, pl.DataFrame]:
    """Tables as text: as given, else as they stand."""
    found = {}
    for name in names:
        columns = ", ".join(f'"{column}"' for column in RECORDS[name].columns)
        found[name] = merged[name][0] if name in merged else reader.frame(f'SELECT {columns} FROM "{name}"')
    return found


def _of_kept(table: Table, kept: pl.DataFrame, keys: dict[str, pl.Series]) -> list[Fault]:
    """Records made here and kept, that point at something which the extract no longer holds."""
    faults = []
    for fault in link_faults(table, kept, keys):
        record = kept[table.key[0]][fault.row - 1]
        reason = f"{fault.reason}, but {record}, accepted here since, points at it; load an extract that still holds it"
        faults.append(replace(fault, row=0, reason=reason))
    return faults


def _refused(faults: list[Fault], folder: Path) -> ExtractRefused:
    """The faults, each under the name of its file."""
    names = {path.stem: path.name for path in folder.iterdir() if path.suffix in (".csv", ".parquet")}
    return ExtractRefused([replace(fault, file=names.get(fault.file, fault.file)) for fault in faults])


def read_extract(folder: Path) -> dict[str, pl.DataFrame]:
    """Every table the folder holds, as text cells in the table's own order. Empty cells are null."""
    files = sorted(path for path in folder.glob("*") if path.suffix in (".csv", ".parquet")) if folder.is_dir() else []
    if not files:
        raise ExtractRefused([Fault(str(folder), 0, "", "holds no .csv or .parquet file of the records")])
    unknown = [path for path in files if path.stem not in RECORDS]
    if unknown:
        known = ", ".join(RECORDS)
        raise ExtractRefused([Fault(path.name, 0, "", f"is not a table of the records ({known})") for path in unknown])
    twice = sorted({path.stem for path in files if sum(path.stem == other.stem for other in files) > 1})
    if twice:
        raise ExtractRefused([Fault(stem, 0, "", "is there both as CSV and as Parquet; keep one") for stem in twice])
    return {path.stem: _read(path) for path in files}


def extract_as_of(folder: Path) -> datetime | None:
    """The instant of which an extract speaks, where its extract.json says so."""
    path = folder / AS_OF_FILE
    try:
        said = json.loads(path.read_text(encoding="utf-8-sig"))
        moment = datetime.fromisoformat(said["as_of"])
        if moment.tzinfo is None:
            raise ValueError(said["as_of"])
        return moment.astimezone(UTC)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        reason = 'is not {"as_of": "2026-11-20T09:00:00Z"}, with the instant of which the records speak'
        raise ExtractRefused([Fault(path.name, 0, "as_of", reason)]) from error


def _read(path: Path) -> pl.DataFrame:
    try:
        if path.suffix == ".parquet":
            return _as_cells(pl.read_parquet(path))
        return pl.read_csv(path, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise ExtractRefused([Fault(path.name, 0, "", f"cannot be read: {reason}")]) from error


def _as_cells(rows: pl.DataFrame) -> pl.DataFrame:
    """Typed columns, as a Parquet file may hold them, to the text that a CSV would hold."""
    flags = [pl.col(name).cast(pl.String) for name, dtype in rows.schema.items() if dtype == pl.Boolean]
    cells = as_stored(rows.with_columns(flags))
    return cells.select(pl.all().cast(pl.String))


def _keys(reader: Reader, cells: dict[str, pl.DataFrame]) -> dict[str, pl.Series]:
    """The values that links may point at: the new rows' where a table is given, else those in the database."""
    keys = {}
    for target in LINKED_COLUMNS:
        table, column = target.split(".")
        given = cells.get(table)
        keys[target] = reader.frame(f'SELECT "{column}" FROM "{table}"').to_series() if given is None else given[column]
    return keys


def _left_hanging(reader: Reader, table: Table, keys: dict[str, pl.Series]) -> list[Fault]:
    """Rows already in the database whose link would break because the table it points into is replaced."""
    columns = ", ".join(f'"{name}"' for name, column in table.columns.items() if column.points_at)
    order = ", ".join(f'"{name}"' for name in table.key)
    return link_faults(table, reader.frame(f'SELECT {columns} FROM "{table.name}" ORDER BY {order}'), keys)


def _replace(database: Database, connection: Connection, name: str, cells: pl.DataFrame) -> None:
    """Empty the table and fill it. Indexes are made afresh after the rows: far cheaper than row by row."""
    table = RECORD_TABLES[name]
    for index in table.indexes:
        index.drop(connection)
    connection.execute(delete(table))
    rows = typed(cells.select(list(RECORDS[name].columns)))
    database.insert(connection, table, rows.sort(RECORDS[name].key))
    for index in table.indexes:
        index.create(connection)
    if database.is_sqlite:
        connection.execute(text(f'ANALYZE "{name}"'))


def export_records(database: Database, folder: Path, parquet: bool = False) -> dict[str, int]:
    """Write every table to `folder`, rows ordered by key. Importing them again changes nothing. Returns rows by table."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = {}
    with database.read() as reader:
        for name, table in RECORDS.items():
            columns = ", ".join(f'"{column}"' for column in table.columns)
            rows = typed(reader.frame(f'SELECT {columns} FROM "{name}"')).sort(table.key)
            write_table(rows, folder / f"{name}.{'parquet' if parquet else 'csv'}")
            counts[name] = rows.height
    return counts


def write_table(rows: pl.DataFrame, path: Path) -> None:
    """One table as the extract has it, under a temporary name until it is whole."""
    unfinished = path.with_name(f".{path.name}.tmp")
    if path.suffix == ".parquet":
        rows.write_parquet(unfinished)
    else:
        as_stored(rows).write_csv(unfinished)
    unfinished.replace(path)
