"""Whether disk, network or database failed us, rather than what we asked of them."""

import sqlite3

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

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


def database_failed(error: BaseException) -> bool:
    """Whether it is the database that failed us: then nobody's part can be done now, and to try them all takes long."""
    import psycopg

    return isinstance(error, sqlite3.Error | psycopg.Error | SQLAlchemyError) and is_from_outside(error)


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
