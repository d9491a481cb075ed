"""Long answers out of a database as frames, and frames in the form that both databases store. SQLite and PostgreSQL differ here
and in data.database alone.

Long answers come as one piece of delimited text made inside the database, which Polars parses many times faster than rows can
be fetched.
"""

import io
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import polars as pl
from sqlalchemy import Connection

from schemas.instants import rfc3339_text

# Between cells and between rows of a long answer; no cell may hold them (schemas.records.checks, rule FILE-011).
CELL_END, ROW_END = "\x1f", "\x1e"


LENT_AT_ONCE = 50_000  # ids, so that a million of them need not be spelled out in one text
SPELLED_OUT = 200  # ids that stand in the question itself: a table made for them would take longer than the answer


ROWS_AT_ONCE = 50_000


BYTES_AT_ONCE = 16 << 20


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
        if all(ids.len() <= SPELLED_OUT for ids in lent.values()):
            return self._frame(_spelled_out(lent, self._is_sqlite), sql, parameters)
        with self.lending(**lent):
            return self._frame(_NONE, sql, parameters)

    def _frame(self, lent: "_SpelledOut", sql: str, parameters: tuple[Any, ...]) -> pl.DataFrame:
        parameters = (*lent.parameters, *parameters)
        ask = self._sqlite_frame if self._is_sqlite else self._postgres_frame
        return ask(sql, parameters, lent.head)

    def long_frame(self, sql: str, shaped: Callable[[pl.DataFrame], pl.DataFrame], **lent: pl.Series) -> pl.DataFrame:
        """The same for answers of a million rows, a piece at a time: `shaped` makes of each what is kept of it."""
        with self.lending(**lent):
            pieces = self._sqlite_pieces(sql) if self._is_sqlite else self._postgres_pieces(sql)
            return pl.concat([shaped(piece) for piece in pieces])

    @contextmanager
    def lending(self, **lent: pl.Series) -> Iterator[None]:
        """Lists of ids, lent to all questions that are asked meanwhile."""
        for name, ids in lent.items():
            self.lend(name, ids)
        yield
        for name in lent:
            self._raw.cursor().execute(f"DROP TABLE {name}")

    @contextmanager
    def looking_up(self) -> Iterator[None]:
        """Questions whose answer is little of what there is, though no statistics say so: all that is joined is looked up by its
        index, a row at a time. SQLite does so as questions are written (CROSS JOIN)."""
        self._let_postgres_join("off")
        yield
        self._let_postgres_join("on")

    def _let_postgres_join(self, whole_tables: str) -> None:
        if not self._is_sqlite:
            with self._raw.cursor() as cursor:
                cursor.execute(f"SET LOCAL enable_hashjoin = {whole_tables}")
                cursor.execute(f"SET LOCAL enable_mergejoin = {whole_tables}")

    def _sqlite_frame(self, sql: str, parameters: tuple[Any, ...], head: str = "") -> pl.DataFrame:
        columns, line = self._sqlite_line(sql, parameters, head)
        try:
            whole = f"{head}SELECT CAST(group_concat({line}, '{ROW_END}') AS BLOB) FROM ({sql})"
            text = self._raw.execute(whole, parameters).fetchone()[0]
        except (sqlite3.DataError, sqlite3.OperationalError) as error:
            if "too big" not in str(error):
                raise  # beyond what SQLite holds in one value (a thousand million bytes)
            return pl.concat(list(self._sqlite_pieces(sql, parameters, head)))
        return _parsed(text, columns)

    def _sqlite_line(self, sql: str, parameters: tuple[Any, ...], head: str) -> tuple[list[str], str]:
        """The answer's columns, and a row of it as one text."""
        shape = self._raw.execute(f"{head}SELECT * FROM ({sql}) LIMIT 0", parameters).description
        columns = [name for name, *_ in shape]
        form = CELL_END.join(["%s"] * len(columns))
        cells = ", ".join(f'"{name}"' for name in columns)
        return columns, f"printf('{form}', {cells})"

    def _sqlite_pieces(self, sql: str, parameters: tuple[Any, ...] = (), head: str = "") -> Iterator[pl.DataFrame]:
        columns, line = self._sqlite_line(sql, parameters, head)
        cursor = self._raw.execute(f"{head}SELECT {line} FROM ({sql})", parameters)
        rows = cursor.fetchmany(ROWS_AT_ONCE)
        yield _parsed(ROW_END.join(text for (text,) in rows).encode() if rows else None, columns)
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            yield _parsed(ROW_END.join(text for (text,) in rows).encode(), columns)

    def _postgres_frame(self, sql: str, parameters: tuple[Any, ...], head: str = "") -> pl.DataFrame:
        pieces = list(self._postgres_text(f"{head}SELECT * FROM ({sql}) AS asked", parameters))
        return _read(b"".join(text for _, text in pieces), pieces[0][0])

    def _postgres_pieces(self, sql: str) -> Iterator[pl.DataFrame]:
        held: list[bytes] = []
        columns: list[str] = []
        size = 0
        for columns, piece in self._postgres_text(sql, ()):
            held.append(piece)
            size += len(piece)
            if size > BYTES_AT_ONCE:  # a piece of psycopg's is a whole row
                yield _read(b"".join(held), columns)
                held, size = [], 0
        yield _read(b"".join(held), columns)

    def _postgres_text(self, sql: str, parameters: tuple[Any, ...]) -> Iterator[tuple[list[str], bytes]]:
        """(columns, some of the rows as CSV); at least once."""
        from psycopg.sql import SQL, Literal

        pieces = sql.split("?")
        query: Any = SQL(pieces[0])
        for value, piece in zip(parameters, pieces[1:], strict=True):
            query = query + Literal(value) + SQL(piece)
        with self._raw.cursor() as cursor:
            cursor.execute(SQL("SELECT * FROM ({}) AS answer LIMIT 0").format(query))
            columns = [column.name for column in cursor.description]
            yield columns, b""
            with cursor.copy(SQL("COPY ({}) TO STDOUT (FORMAT csv)").format(query)) as copy:
                for some in copy:
                    yield columns, bytes(some)

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


@dataclass(frozen=True)
class _SpelledOut:
    """Lists of ids that stand before a question: what is put in front of it, and its parameters."""

    head: str = ""
    parameters: tuple[Any, ...] = ()


_NONE = _SpelledOut()


def _spelled_out(lent: dict[str, pl.Series], is_sqlite: bool) -> _SpelledOut:
    if not lent:
        return _NONE
    ids = [sorted({*each.to_list()} - {None}) for each in lent.values()]
    rows = "SELECT value FROM json_each(?)" if is_sqlite else "SELECT unnest(?::text[])"
    heads = ", ".join(f"{name}(id) AS ({rows})" for name in lent)
    return _SpelledOut(f"WITH {heads} ", tuple(json.dumps(each) if is_sqlite else each for each in ids))


def _read(text: bytes, columns: list[str]) -> pl.DataFrame:
    if not text:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    return pl.read_csv(io.BytesIO(text), has_header=False, new_columns=columns, infer_schema=False)


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
