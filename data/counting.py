"""How many declarations of each type every statement pays for and takes back: what bands are filled by.

A paid statement's counts do not change any more: they are counted once and kept, so that a round costs what is not paid
yet, not the history before it. Loading DfE's records afresh forgets them.
"""

import polars as pl
from sqlalchemy import Connection, delete

from data.database import Database
from data.reader import Reader
from data.tables import paid_units
from schemas.lifecycle import PAID_FOR, TAKEN_BACK, Side

UNITS = ["statement_id", "counted_as", "declaration_type"]
# Under an `ecf` contract ECTs and mentors count together: no need to know who is which.
_TOGETHER = """
SELECT n.id AS statement_id, 'all' AS counted_as, d.declaration_type, COUNT(*) AS units
FROM counting n CROSS JOIN declarations d
WHERE d.{link} = n.id AND d.{status} IN ({statuses})
GROUP BY n.id, d.declaration_type
"""
_APART = """
SELECT n.id AS statement_id, sp.participant_type AS counted_as, d.declaration_type, COUNT(*) AS units
FROM counting n CROSS JOIN declarations d CROSS JOIN training_periods tp CROSS JOIN school_periods sp
WHERE d.{link} = n.id AND d.{status} IN ({statuses})
  AND tp.training_period_id = d.training_period_id AND sp.school_period_id = tp.school_period_id
GROUP BY n.id, sp.participant_type, d.declaration_type
"""
_STATEMENTS = """
SELECT s.statement_id, c.contract_type, s.status FROM statements s JOIN contracts c ON c.contract_id = s.contract_id
"""
_KEPT = """
SELECT u.statement_id, u.counted_as, u.declaration_type, u.billed, u.refunded
FROM asked n CROSS JOIN paid_units u WHERE u.statement_id = n.id
"""


def units_of(reader: Reader, statements: pl.DataFrame) -> pl.DataFrame:
    """statements: statement_id, contract_type, status. Returns UNITS with billed and refunded, where there are any."""
    paid = statements.filter(pl.col("status") == "paid")
    kept = reader.frame(_KEPT, asked=paid["statement_id"]).cast({"billed": pl.Int64, "refunded": pl.Int64})
    rest = statements.join(kept.select("statement_id").unique(), on="statement_id", how="anti")
    return pl.concat([kept, _counted(reader, rest)])


def on_side(sql: str, side: Side) -> str:
    """A question about the declarations on statements in one capacity: {link}, {status} and {statuses} filled in."""
    statuses = ", ".join(f"'{status}'" for status in side.statuses)
    return sql.format(link=side.link, status=side.status, statuses=statuses)


def _counted(reader: Reader, statements: pl.DataFrame) -> pl.DataFrame:
    is_together = pl.col("contract_type") == "ecf"
    together, apart = (statements.filter(each)["statement_id"] for each in (is_together, ~is_together))
    sides = []
    for name, side in (("billed", PAID_FOR), ("refunded", TAKEN_BACK)):
        counts = [
            reader.frame(on_side(sql, side), counting=ids) for sql, ids in ((_TOGETHER, together), (_APART, apart))
        ]
        sides.append(pl.concat(counts).select(*UNITS, pl.col("units").cast(pl.Int64).alias(name)))
    both = sides[0].join(sides[1], on=UNITS, how="full", coalesce=True)
    return both.with_columns(pl.col("billed", "refunded").fill_null(0))


def keep_paid_units(database: Database, connection: Connection) -> None:
    """Count the paid statements that have not been counted yet, and keep the counts."""
    reader = database.reader(connection)
    paid = reader.frame(f"{_STATEMENTS} WHERE s.status = 'paid'")
    known = reader.frame("SELECT DISTINCT statement_id FROM paid_units")
    database.insert(connection, paid_units, _counted(reader, paid.join(known, on="statement_id", how="anti")))


def forget_paid_units(connection: Connection) -> None:
    """DfE's records have been loaded afresh: what was counted may be so no longer."""
    connection.execute(delete(paid_units))
