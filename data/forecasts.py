"""What a forecast is made from, out of the database: the statements that are near, and who could still be declared for them."""

from datetime import date, timedelta

import polars as pl

from data.reader import Reader
from data.snapshots import snapshot_for
from schemas.columns import typed
from schemas.kinds import KINDS
from schemas.needs import Snapshot

# How long before its deadline a statement is near (as an open one is first delivered then).
NEAR = timedelta(days=62)
_DECLARATIONS = KINDS["declarations"]
_OPEN = """
SELECT s.statement_id, s.year, s.month, s.deadline_date, c.lead_provider_id, c.contract_period
FROM statements s JOIN contracts c ON c.contract_id = s.contract_id
WHERE s.fee_type = 'output' AND s.status = 'open'
"""
_TRAINED = """
SELECT DISTINCT s.participant_id FROM partnerships p CROSS JOIN training_periods t CROSS JOIN school_periods s
WHERE p.lead_provider_id = ? AND p.contract_period IN ({periods}) AND t.partnership_id = p.partnership_id
  AND s.school_period_id = t.school_period_id
"""
_NAMES = """
SELECT p.participant_id, p.full_name FROM named n CROSS JOIN participants p WHERE p.participant_id = n.id
"""
_SCHOOLS = "SELECT s.school_id, s.name AS school_name FROM named n CROSS JOIN schools s WHERE s.school_id = n.id"


def near_statements(reader: Reader, today: date) -> pl.DataFrame:
    """Open output statements whose deadline is not past, and is near: statement_id, year, month, deadline_date, lead_provider_id,
    contract_period, opens_on: the first day on which what is declared goes on it."""
    whose = ["lead_provider_id", "contract_period"]
    ahead = typed(reader.frame(_OPEN)).filter(pl.col("deadline_date") >= today).sort("deadline_date")
    after = pl.col("deadline_date").shift(1).over(whose) + timedelta(days=1)
    rows = ahead.with_columns(opens_on=after.fill_null(today))
    return rows.filter(pl.col("deadline_date") <= today + NEAR)


def trained_snapshot(reader: Reader, lead_provider_id: str, contract_periods: list[int]) -> Snapshot:
    """What declarations are judged by, of everybody whom a lead provider trains or has trained in these contract periods."""
    people = reader.frame(_TRAINED.format(periods=", ".join(map(str, contract_periods))), lead_provider_id)
    nothing = pl.lit(None, pl.String)
    values = people.with_columns([nothing.alias(name) for name in _DECLARATIONS.columns if name != "participant_id"])
    return snapshot_for(reader, _DECLARATIONS.needs, values, lead_provider_id)


def names_in(reader: Reader, snapshot: Snapshot) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(participant_id, full_name; school_id, school_name) of those in a snapshot."""
    return (
        reader.frame(_NAMES, named=snapshot.participants["participant_id"]),
        reader.frame(_SCHOOLS, named=snapshot.school_periods["school_id"]),
    )
