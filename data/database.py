"""The way to the database: opening it, one writer at a time, long frames in and out. No table is named here.

SQLite and PostgreSQL differ in this file alone. Long answers come as one piece of delimited text made inside the
database, which Polars parses many times faster than rows can be fetched. Everything goes over one driver connection:
a second SQLite library in the process (an Arrow driver, say) would break the first one's locks.
"""

import fcntl
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import IO, Any

import polars as pl
from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, ProgrammingError

from data.reader import Reader, as_stored

MIGRATIONS = Path(__file__).parent / "migrations"


# An advisory lock's number on PostgreSQL; any constant of ours will do.
WRITER_LOCK = 0x6563_7478


BUSY_SECONDS = 60


# PostgreSQL: a machine that is cut off keeps its locks until the server notices that nobody answers: in 25 s instead of the two
# hours that are usual. Both ends look: a server that is gone is noticed as soon. Milliseconds where it says timeout.
_NOTICED = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}


SQLITE_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "cache_size=-262144",
    "mmap_size=4294967296",
    "temp_store=MEMORY",
    "wal_autocheckpoint=65536",  # pages: a long file commits at once, and is folded in when the round is over
    "automatic_index=OFF",  # ours are there; one made for a single question costs more than the question
)

SPARING = ("cache_size=-65536", "mmap_size=0")


class Database:
    """The records and the ledger, behind one address: `sqlite:///PATH` or `postgresql://…`."""

    def __init__(self, url: str | URL) -> None:
        parsed = make_url(url)
        if parsed.drivername.startswith("postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.is_sqlite = parsed.drivername.startswith("sqlite")
        self.url = parsed
        if self.is_sqlite:
            Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
        self.engine = _engine(parsed, self.is_sqlite)

    def now(self) -> datetime:
        """The present instant, UTC: by the server's clock on PostgreSQL, which is the same for every machine."""
        if self.is_sqlite:
            return datetime.now(UTC)
        with self.engine.connect() as connection:
            moment: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        return moment.astimezone(UTC)

    def migrate(self) -> None:
        """Bring the tables to the newest form. Costs next to nothing when they are: Alembic is not even loaded."""
        if self._is_newest():
            return
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self.engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()

    def _is_newest(self) -> bool:
        """Whether the tables have the form of the last migration, whose file's name begins with its revision."""
        last = max(each.name for each in (MIGRATIONS / "versions").glob("[0-9]*.py")).partition("_")[0]
        try:
            with self.engine.connect() as connection:
                found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
        except DBAPIError as error:
            if not self.is_sqlite and not isinstance(error, ProgrammingError):
                raise  # it cannot be reached
            return False  # there are none yet; or what is wrong is said by who needs them
        return list(found) == [last]

    def fold(self) -> None:
        """SQLite: everything into the one file. Nobody else may have it open."""
        if self.is_sqlite:
            with self.engine.connect() as connection:
                raw = connection.connection.driver_connection
                assert raw is not None
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @contextmanager
    def write(self, is_sparing: bool = False) -> Iterator[Connection]:
        """A transaction that no other writer of ours runs beside: what is read during it stays true until it commits.
        is_sparing: as with `read`."""
        with self.engine.connect() as connection, self._kept_small(connection, is_sparing):
            connection.info["writer"] = True
            try:
                with connection.begin():
                    if not self.is_sqlite:
                        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": WRITER_LOCK})
                    yield connection
            finally:
                connection.info.pop("writer", None)

    @contextmanager
    def read(self, is_sparing: bool = False) -> Iterator["Reader"]:
        """A reader of one consistent state of the database. is_sparing: whole tables are read, once: what is read is not kept
        in memory."""
        with self.engine.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with self._kept_small(connection, is_sparing), connection.begin():
                yield Reader(connection, self.is_sqlite)

    @contextmanager
    def _kept_small(self, connection: Connection, is_sparing: bool) -> Iterator[None]:
        """SQLite: what is read meanwhile is neither kept in memory nor mapped into it."""
        if not (self.is_sqlite and is_sparing):
            yield
            return
        self._set(connection, SPARING)
        try:
            yield
        finally:
            self._set(connection, SQLITE_PRAGMAS)

    @staticmethod
    def _set(connection: Connection, pragmas: tuple[str, ...]) -> None:
        raw: Any = connection.connection.driver_connection
        for pragma in pragmas:
            raw.execute(f"PRAGMA {pragma}").close()

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
        """Hold a named piece of work (yields whether we do). Let go when the process ends, however it ends; on PostgreSQL, when
        its machine is cut off, as soon as the server notices (`_NOTICED`).

        patience: seconds to wait for somebody else who holds it.
        """
        with self.only_some([name], patience) as ours:
            yield bool(ours)

    @contextmanager
    def only_some(self, names: Iterable[str], patience: float = 0.0) -> Iterator[set[str]]:
        """Hold those of these pieces of work that nobody else holds: yields their names. patience: for all of them together."""
        end, names = time.monotonic() + patience, sorted(set(names))  # of one order, so that no two wait for each other
        with ExitStack() as held:
            if self.is_sqlite:
                yield {
                    name for name in names if _soon(partial(_flocked, held.enter_context(self._lock_file(name))), end)
                }
                return
            connection = held.enter_context(self.engine.connect())
            ours: dict[str, int] = {}
            try:
                for name in names:
                    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")
                    if _soon(partial(_advised, connection, "SELECT pg_try_advisory_lock(:n)", number), end):
                        ours[name] = number
                yield set(ours)
            finally:
                for number in ours.values():
                    _advised(connection, "SELECT pg_advisory_unlock(:n)", number)

    def forget(self, name: str) -> None:
        """A piece of work that nobody will hold any more. On SQLite its lock is a file."""
        if self.is_sqlite:
            self._lock_path(name).unlink(missing_ok=True)

    def _lock_file(self, name: str) -> IO[str]:
        path = self._lock_path(name)
        path.parent.mkdir(exist_ok=True)
        return path.open("w", encoding="utf-8")

    def _lock_path(self, name: str) -> Path:
        return Path(str(self.url.database)).parent / "locks" / f"{name}.lock"


@lru_cache(maxsize=4)
def _engine(url: URL, is_sqlite: bool) -> Engine:
    """The engine of an address, one for as long as this process lives: it remembers the text of each question of ours, which takes
    a tenth of a small file's time to make. What is closed is its connections: whoever puts another file in a database's place first
    has everybody in this process close theirs."""
    if is_sqlite:
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin)
        return engine
    # What the address says counts.
    beside = {name: value for name, value in {**_NOTICED, "connect_timeout": 5}.items() if name not in url.query}
    engine = create_engine(url, connect_args=beside)
    event.listen(engine, "connect", _notice_soon)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by us, so that they can be IMMEDIATE
    for pragma in SQLITE_PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.info.get("writer") else "BEGIN")


def _notice_soon(connection: Any, _record: Any) -> None:
    """Tell the server, too, how long it waits for us; over a socket of its own machine it has no use for that."""
    names = (name if name.startswith("tcp_") else f"tcp_{name}" for name in _NOTICED)
    said = "; ".join(f"SET {name} = {value}" for name, value in zip(names, _NOTICED.values(), strict=True))
    connection.execute(said)
    connection.commit()


def _advised(connection: Connection, question: str, number: int) -> bool:
    """Ask for an advisory lock of the session, in a transaction of its own."""
    held = connection.execute(text(question), {"n": number}).scalar_one()
    connection.commit()
    return bool(held)


def _flocked(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _soon(held: Callable[[], bool], end: float) -> bool:
    """Try until it is held, or that instant (time.monotonic) has come."""
    while not held():
        if time.monotonic() >= end:
            return False
        time.sleep(0.1)
    return True
