"""How many declarations of each type every statement pays for and takes back: what bands are filled by.

A paid statement's counts do not change any more: they are counted once and kept, so that a round costs what is not paid
yet, not the history before it. Loading DfE's records afresh forgets them.
"""

import polars as pl
from sqlalchemy import Connection, delete

from data.database import Database, Reader
from data.tables import paid_units

UNITS = ["statement_id", "counted_as", "declaration_type"]
# Under an `ecf` contract ECTs and mentors count together: no need to know who is which.
_TOGETHER = """
SELECT n.statement_id, 'all' AS counted_as, d.declaration_type, COUNT(*) AS units
FROM together n CROSS JOIN declarations d
WHERE d.{link} = n.statement_id AND d.{status} IN ({wanted})
GROUP BY n.statement_id, d.declaration_type
"""
_APART = """
SELECT n.statement_id, sp.participant_type AS counted_as, d.declaration_type, COUNT(*) AS units
FROM apart n CROSS JOIN declarations d CROSS JOIN training_periods tp CROSS JOIN school_periods sp
WHERE d.{link} = n.statement_id AND d.{status} IN ({wanted})
  AND tp.training_period_id = d.training_period_id AND sp.school_period_id = tp.school_period_id
GROUP BY n.statement_id, sp.participant_type, d.declaration_type
"""
PAID_FOR = ("payment_statement_id", "payment_status", "'eligible', 'payable', 'paid'")
TAKEN_BACK = ("clawback_statement_id", "clawback_status", "'awaiting_clawback', 'clawed_back'")
_STATEMENTS = """
SELECT s.statement_id, c.contract_type, s.status FROM statements s JOIN contracts c ON c.contract_id = s.contract_id
"""
_KEPT = """
SELECT u.statement_id, u.counted_as, u.declaration_type, u.billed, u.refunded
FROM asked n CROSS JOIN paid_units u WHERE u.statement_id = n.statement_id
"""


def units_of(reader: Reader, statements: pl.DataFrame) -> pl.DataFrame:
    """statements: statement_id, contract_type, status. Returns UNITS with billed and refunded, where there are any."""
    paid = statements.filter(pl.col("status") == "paid")
    reader.lend("asked", "statement_id", paid["statement_id"])
    kept = reader.frame(_KEPT).cast({"billed": pl.Int64, "refunded": pl.Int64})
    rest = statements.join(kept.select("statement_id").unique(), on="statement_id", how="anti")
    return pl.concat([kept, _counted(reader, rest)])


def _counted(reader: Reader, statements: pl.DataFrame) -> pl.DataFrame:
    together = pl.col("contract_type") == "ecf"
    reader.lend("together", "statement_id", statements.filter(together)["statement_id"])
    reader.lend("apart", "statement_id", statements.filter(~together)["statement_id"])
    sides = []
    for name, (link, status, wanted) in (("billed", PAID_FOR), ("refunded", TAKEN_BACK)):
        counts = [reader.frame(sql.format(link=link, status=status, wanted=wanted)) for sql in (_TOGETHER, _APART)]
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
