"""The way to the database: opening it, one writer at a time, long frames in and out. No table is named here.

SQLite and PostgreSQL differ in this file alone. Long answers come as one piece of delimited text made inside the
database, which Polars parses many times faster than rows can be fetched. Everything goes over one driver connection:
a second SQLite library in the process (an Arrow driver, say) would break the first one's locks.
"""

import fcntl
import hashlib
import io
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import polars as pl
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import TimeoutError as PoolTimeout

from schemas.instants import rfc3339_text

MIGRATIONS = Path(__file__).parent / "migrations"
# An advisory lock's number on PostgreSQL; any constant of ours will do.
WRITER_LOCK = 0x6563_7478
BUSY_SECONDS = 60
SQLITE_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "cache_size=-262144",
    "mmap_size=4294967296",
    "temp_store=MEMORY",
    "wal_autocheckpoint=65536",  # pages: a long file commits at once, and is folded in when the round is over
    "automatic_index=OFF",  # ours are there; one made for a single question costs more than the question
)
# Between cells and between rows of a long answer; no cell may hold them (schemas.records.checks, rule FILE-011).
CELL_END, ROW_END = "\x1f", "\x1e"
LENT_AT_ONCE = 50_000  # ids, so that a million of them need not be spelled out in one text
ROWS_AT_ONCE = 50_000


class Database:
    """The records and the ledger, behind one address: `sqlite:///PATH` or `postgresql://…`."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        if parsed.drivername.startswith("postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.is_sqlite = parsed.drivername.startswith("sqlite")
        self.url = parsed
        self.engine = create_engine(parsed, connect_args={"timeout": BUSY_SECONDS} if self.is_sqlite else {})
        if self.is_sqlite:
            self._prepare_sqlite(self.engine)

    def _prepare_sqlite(self, engine: Engine) -> None:
        Path(str(self.url.database)).parent.mkdir(parents=True, exist_ok=True)

        @event.listens_for(engine, "connect")
        def _connected(connection: Any, _record: Any) -> None:
            connection.isolation_level = None  # transactions are begun by us, so that they can be IMMEDIATE
            for pragma in SQLITE_PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(engine, "begin")
        def _begun(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.info.get("writer") else "BEGIN")

    def now(self) -> datetime:
        """The present instant, UTC: by the server's clock on PostgreSQL, which is the same for every machine."""
        if self.is_sqlite:
            return datetime.now(UTC)
        with self.engine.connect() as connection:
            moment: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        return moment.astimezone(UTC)

    def migrate(self) -> None:
        """Bring the tables to the newest form. Harmless when they are."""
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self.engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()

    def fold(self) -> None:
        """SQLite: everything into the one file. Nobody else may have it open."""
        if self.is_sqlite:
            with self.engine.connect() as connection:
                raw = connection.connection.driver_connection
                assert raw is not None
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that no other writer of ours runs beside: what is read during it stays true until it commits."""
        with self.engine.connect() as connection:
            connection.info["writer"] = True
            try:
                with connection.begin():
                    if not self.is_sqlite:
                        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": WRITER_LOCK})
                    yield connection
            finally:
                connection.info.pop("writer", None)

    @contextmanager
    def read(self) -> Iterator["Reader"]:
        """A reader of one consistent state of the database."""
        with self.engine.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield Reader(connection, self.is_sqlite)

    def reader(self, connection: Connection) -> "Reader":
        """A reader inside a transaction that is open: it sees what the transaction has done."""
        return Reader(connection, self.is_sqlite)

    def insert(self, connection: Connection, table: Table, rows: pl.DataFrame) -> None:
        """Insert rows, however many, in the open transaction. Columns: the table's, typed as `Reader.frame` gives them."""
        if rows.is_empty():
            return
        stored = as_stored(rows)
        raw = connection.connection.driver_connection
        assert raw is not None
        names = ", ".join(f'"{name}"' for name in stored.columns)
        if self.is_sqlite:
            marks = ", ".join("?" * stored.width)
            raw.executemany(f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})', stored.iter_rows())
            return
        with raw.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN (FORMAT csv)') as copy:
            copy.write(stored.write_csv(None, include_header=False, quote_style="non_numeric").encode())

    def update(self, connection: Connection, table: Table, key: str, rows: pl.DataFrame) -> None:
        """Set the other columns of the rows named by `key`, in the open transaction."""
        if rows.is_empty():
            return
        names = [name for name in rows.columns if name != key]
        stored = as_stored(rows).select(*names, key)
        raw = connection.connection.driver_connection
        assert raw is not None
        mark = "?" if self.is_sqlite else "%s"
        settings = ", ".join(f'"{name}" = {self._cast(table, name, mark)}' for name in names)
        change = f'UPDATE "{table.name}" SET {settings} WHERE "{key}"'
        cursor = raw.cursor()
        if stored.select(pl.col(names).n_unique() == 1).row(0) == (True,) * len(names):
            # The same for every row: one statement for all of them.
            self.reader(connection).lend("changing", rows[key])
            cursor.execute(f"{change} IN (SELECT id FROM changing)", stored.select(names).row(0))
        else:
            cursor.executemany(f"{change} = {mark}", list(stored.iter_rows()))
        cursor.close()

    def _cast(self, table: Table, name: str, mark: str) -> str:
        if self.is_sqlite:
            return mark
        return f"CAST({mark} AS {table.c[name].type.compile(self.engine.dialect)})"

    @contextmanager
    def only_one(self, name: str, patience: float = 0.0) -> Iterator[bool]:
        """Hold a named piece of work (yields whether we do). Let go when the process ends, however it ends.

        patience: seconds to wait for somebody else who holds it.
        """
        if self.is_sqlite:
            folder = Path(str(self.url.database)).parent / "locks"
            folder.mkdir(exist_ok=True)
            with (folder / f"{name}.lock").open("w", encoding="utf-8") as handle:
                yield _soon(lambda: _flocked(handle), patience)
            return
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")

        def locked() -> bool:
            held = connection.execute(text("SELECT pg_try_advisory_lock(:n)"), {"n": number}).scalar_one()
            connection.commit()
            return bool(held)

        with self.engine.connect() as connection:
            held = _soon(locked, patience)
            try:
                yield held
            finally:
                if held:
                    connection.execute(text("SELECT pg_advisory_unlock(:n)"), {"n": number})
                    connection.commit()


# SQLite's codes for what disk, memory or another process did; SQLITE_ERROR, a mistake in our own SQL, is not among them.
_SQLITE_OUTSIDE = frozenset((5, 6, 8, 9, 10, 11, 13, 14, 15, 26))
# Classes of PostgreSQL's codes that say the same: connection, transaction state (read-only), resources, operator, system.
_POSTGRESQL_OUTSIDE = ("08", "25", "40", "53", "55", "57", "58")


def is_from_outside(error: BaseException) -> bool:
    """Whether disk, network or database failed us, rather than what we asked of them: then later may do."""
    seen: BaseException | None = error
    while seen is not None:
        if _is_outside(seen):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _is_outside(error: BaseException) -> bool:
    import psycopg  # only where something has failed already

    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        return isinstance(error, sqlite3.OperationalError) if code is None else code & 0xFF in _SQLITE_OUTSIDE
    if isinstance(error, psycopg.Error):
        if error.sqlstate:
            return error.sqlstate.startswith(_POSTGRESQL_OUTSIDE)
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return isinstance(error, OSError | PoolTimeout)


def _flocked(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _soon(held: Callable[[], bool], patience: float) -> bool:
    """Try until it is held, or patience is at an end."""
    end = time.monotonic() + patience
    while not held():
        if time.monotonic() >= end:
            return False
        time.sleep(0.1)
    return True


class Reader:
    """Long answers as frames, and room for lists of ids to join them with."""

    def __init__(self, connection: Connection, is_sqlite: bool) -> None:
        self._raw: Any = connection.connection.driver_connection
        self._is_sqlite = is_sqlite
        connection.exec_driver_sql("SELECT 1")  # the transaction begins here, not at the first long question

    def frame(self, sql: str, *parameters: Any, **lent: pl.Series) -> pl.DataFrame:
        """The answer to `sql` (parameters as `?`), every column text, null where null or empty (schemas.columns.typed).

        lent: lists of ids that the question joins: a table of that name with one column, `id`, while it is asked.
        """
        with self.lending(**lent):
            return self._sqlite_frame(sql, parameters) if self._is_sqlite else self._postgres_frame(sql, parameters)

    @contextmanager
    def lending(self, **lent: pl.Series) -> Iterator[None]:
        """Lists of ids, lent to all questions that are asked meanwhile."""
        for name, ids in lent.items():
            self.lend(name, ids)
        yield
        for name in lent:
            self._raw.cursor().execute(f"DROP TABLE {name}")

    def _sqlite_frame(self, sql: str, parameters: tuple[Any, ...]) -> pl.DataFrame:
        columns = [name for name, *_ in self._raw.execute(f"SELECT * FROM ({sql}) LIMIT 0", parameters).description]
        form = CELL_END.join(["%s"] * len(columns))
        cells = ", ".join(f'"{name}"' for name in columns)
        line = f"printf('{form}', {cells})"
        try:
            whole = f"SELECT CAST(group_concat({line}, '{ROW_END}') AS BLOB) FROM ({sql})"
            text = self._raw.execute(whole, parameters).fetchone()[0]
        except (sqlite3.DataError, sqlite3.OperationalError) as error:
            if "too big" not in str(error):
                raise
            return self._in_pieces(f"SELECT {line} FROM ({sql})", parameters, columns)
        return _parsed(text, columns)

    def _in_pieces(self, sql: str, parameters: tuple[Any, ...], columns: list[str]) -> pl.DataFrame:
        """For answers beyond what SQLite holds in one value (a thousand million bytes)."""
        cursor, pieces = self._raw.execute(sql, parameters), []
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            pieces.append(_parsed(ROW_END.join(line for (line,) in rows).encode(), columns))
        return pl.concat(pieces)

    def _postgres_frame(self, sql: str, parameters: tuple[Any, ...]) -> pl.DataFrame:
        from psycopg.sql import SQL, Literal

        pieces = sql.split("?")
        query: Any = SQL(pieces[0])
        for value, piece in zip(parameters, pieces[1:], strict=True):
            query = query + Literal(value) + SQL(piece)
        with self._raw.cursor() as cursor:
            cursor.execute(SQL("SELECT * FROM ({}) AS answer LIMIT 0").format(query))
            columns = [column.name for column in cursor.description]
            with cursor.copy(SQL("COPY ({}) TO STDOUT (FORMAT csv)").format(query)) as copy:
                text = b"".join(bytes(piece) for piece in copy)
        if not text:
            return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
        return pl.read_csv(io.BytesIO(text), has_header=False, new_columns=columns, infer_schema=False)

    def lend(self, name: str, ids: pl.Series) -> None:
        """Put ids in a temporary table `name` of one column, `id`, for statements that are no questions."""
        ids = ids.drop_nulls().unique().sort()
        cursor = self._raw.cursor()
        cursor.execute(f"DROP TABLE IF EXISTS {name}")
        cursor.execute(f"CREATE TEMP TABLE {name} (id TEXT)")
        for some in ids.to_frame().iter_slices(LENT_AT_ONCE):
            listed = some.to_series().to_list()
            if self._is_sqlite:
                cursor.execute(f"INSERT INTO {name} SELECT value FROM json_each(?)", (json.dumps(listed),))
            else:
                cursor.execute(f"INSERT INTO {name} SELECT unnest(%s::text[])", (listed,))
        # Without it SQLite takes the list for a million rows, and reads a whole index first to spare itself look-ups.
        cursor.execute(f"ANALYZE {name}")
        cursor.close()


def _parsed(text: bytes | None, columns: list[str]) -> pl.DataFrame:
    if text is None:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    if len(columns) == 1:
        text += ROW_END.encode()  # or a null in the last row would be no row at all
    return pl.read_csv(
        io.BytesIO(text),
        has_header=False,
        new_columns=columns,
        separator=CELL_END,
        eol_char=ROW_END,
        quote_char=None,
        infer_schema=False,
    )


def as_stored(rows: pl.DataFrame) -> pl.DataFrame:
    """Days, instants, money as the text that both databases take; everything else as it is."""
    shaped = []
    for name, dtype in rows.schema.items():
        column = pl.col(name)
        if dtype == pl.Date:
            shaped.append(column.dt.strftime("%Y-%m-%d"))
        elif isinstance(dtype, pl.Datetime):
            shaped.append(rfc3339_text(column).alias(name))
        elif dtype.is_decimal() or isinstance(dtype, pl.Enum | pl.Categorical):
            shaped.append(column.cast(pl.String))
        else:
            shaped.append(column)
    return rows.select(shaped)
