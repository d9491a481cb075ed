"""Long answers out of a database as frames, and frames in the form that both databases store. SQLite and PostgreSQL differ here
and in data.database alone.

Long answers come as one piece of delimited text made inside the database, which Polars parses many times faster than rows can
be fetched.
"""

import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl
from sqlalchemy import Connection

from schemas.instants import rfc3339_text

# Between cells and between rows of a long answer; no cell may hold them (schemas.records.checks, rule FILE-011).
CELL_END, ROW_END = "\x1f", "\x1e"


LENT_AT_ONCE = 50_000  # ids, so that a million of them need not be spelled out in one text


ROWS_AT_ONCE = 50_000


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
