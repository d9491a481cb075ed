"""The way to the database: opening it, one writer at a time, long frames in and out. No table is named here.

SQLite and PostgreSQL differ in this file alone. Long reads go over ADBC, which hands over Arrow columns; long writes
go over the open transaction's own driver connection, so that they commit or vanish with everything else in it.
"""

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from adbc_driver_manager import dbapi as adbc_api
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.engine import make_url

MIGRATIONS = Path(__file__).parent / "migrations"
# An advisory lock's number on PostgreSQL; any constant of ours will do.
WRITER_LOCK = 0x6563_7478
BUSY_SECONDS = 60
# ADBC's SQLite driver guesses a column's type from its first batch: one batch holds any answer of ours.
ROWS_IN_A_BATCH = 1 << 24

READER_PRAGMAS = ("cache_size=-262144", "mmap_size=4294967296", "temp_store=MEMORY")


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
            for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-262144", "mmap_size=4294967296"):
                connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(engine, "begin")
        def _begun(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.info.get("writer") else "BEGIN")

    def migrate(self) -> None:
        """Bring the tables to the newest form. Harmless when they are."""
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self.engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()

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
        """A reader of what is committed. Inside `write`, that is the state the transaction began with."""
        if self.is_sqlite:
            from adbc_driver_sqlite import dbapi as driver

            connection = driver.connect(str(self.url.database))
            with connection.cursor() as cursor:
                for pragma in READER_PRAGMAS:
                    cursor.execute(f"PRAGMA {pragma}")
        else:
            from adbc_driver_postgresql import dbapi as driver

            connection = driver.connect(self.url.set(drivername="postgresql").render_as_string(hide_password=False))
        try:
            yield Reader(connection, self.is_sqlite)
        finally:
            connection.close()

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
        with_cursor = raw.cursor()
        with_cursor.executemany(f'UPDATE "{table.name}" SET {settings} WHERE "{key}" = {mark}', list(stored.iter_rows()))
        with_cursor.close()

    def _cast(self, table: Table, name: str, mark: str) -> str:
        if self.is_sqlite:
            return mark
        return f"CAST({mark} AS {table.c[name].type.compile(self.engine.dialect)})"

    @contextmanager
    def only_one(self, name: str) -> Iterator[bool]:
        """Hold a named piece of work, if nobody else does (yields whether). Let go when the process ends, however it ends."""
        if self.is_sqlite:
            folder = Path(str(self.url.database)).parent / "locks"
            folder.mkdir(exist_ok=True)
            with (folder / f"{name}.lock").open("w") as handle:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    yield False
                    return
                yield True
            return
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")
        with self.engine.connect() as connection:
            held = connection.execute(text("SELECT pg_try_advisory_lock(:n)"), {"n": number}).scalar_one()
            connection.commit()
            try:
                yield bool(held)
            finally:
                if held:
                    connection.execute(text("SELECT pg_advisory_unlock(:n)"), {"n": number})
                    connection.commit()


class Reader:
    """One connection for long answers, with room for temporary tables."""

    def __init__(self, connection: adbc_api.Connection, is_sqlite: bool) -> None:
        self._connection = connection
        self._is_sqlite = is_sqlite

    def frame(self, sql: str, *parameters: Any) -> pl.DataFrame:
        """The answer to `sql` as stored: text for ids; days, instants, money as text on SQLite. See data.casting."""
        if not self._is_sqlite:
            for number in range(1, len(parameters) + 1):
                sql = sql.replace("?", f"${number}", 1)
        with self._connection.cursor() as cursor:
            if self._is_sqlite:
                cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": ROWS_IN_A_BATCH})
            cursor.execute(sql, parameters or None)
            answer = pl.from_arrow(cursor.fetch_arrow_table())
        assert isinstance(answer, pl.DataFrame)
        return answer

    def lend(self, name: str, rows: pl.DataFrame) -> None:
        """Put `rows` (text and integer columns) in a temporary table, for joins in this reader's later questions."""
        with self._connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS temp.{name}" if self._is_sqlite else f"DROP TABLE IF EXISTS {name}")
            cursor.adbc_ingest(name, rows.to_arrow(compat_level=pl.CompatLevel.oldest()), mode="create", temporary=True)
            if not self._is_sqlite:
                cursor.execute(f"ANALYZE {name}")


def as_stored(rows: pl.DataFrame) -> pl.DataFrame:
    """Days, instants, money as the text that both databases take; everything else as it is."""
    shaped = []
    for name, dtype in rows.schema.items():
        column = pl.col(name)
        if dtype == pl.Date:
            shaped.append(column.dt.strftime("%Y-%m-%d"))
        elif isinstance(dtype, pl.Datetime):
            shaped.append(instant_text(column).alias(name))
        elif dtype.is_decimal() or isinstance(dtype, pl.Enum | pl.Categorical):
            shaped.append(column.cast(pl.String))
        else:
            shaped.append(column)
    return rows.select(shaped)


def instant_text(column: pl.Expr) -> pl.Expr:
    """A UTC instant as RFC 3339 text, its fraction shown only where there is one, without zeros at its end."""
    whole = column.dt.strftime("%Y-%m-%dT%H:%M:%S")
    fraction = column.dt.strftime("%.6f").str.strip_chars_end("0").str.strip_chars_end(".")
    has_fraction = column.dt.microsecond() != 0
    return pl.when(has_fraction).then(pl.concat_str(whole, fraction, pl.lit("Z"))).otherwise(whole + "Z")
