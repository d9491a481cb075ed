"""Statements and their declarations moving along: submitted → eligible; open → payable → paid (data/README.md, Settling)."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl
from sqlalchemy import ColumnElement, Connection, literal, null, select, update
from sqlalchemy.sql.expression import Select, insert

from data.applying import apply_changes, own_change
from data.database import Database
from data.reader import Reader
from data.tables import RECORD_TABLES, declarations, events, statements
from schemas.columns import INSTANT, typed
from schemas.events import (
    DECLARATION_CLAWED_BACK,
    DECLARATION_ELIGIBLE,
    DECLARATION_PAID,
    DECLARATION_PAYABLE,
    DFE_STAFF,
    STATEMENT_AUTHORISED,
    STATEMENT_PAYABLE,
    SYSTEM,
)
from schemas.frames import joined
from schemas.lifecycle import MOVES, next_statements
from schemas.reports import Attached

contracts = RECORD_TABLES["contracts"]
training_periods, school_periods = RECORD_TABLES["training_periods"], RECORD_TABLES["school_periods"]


@dataclass
class Settled:
    """statement_ids: those that became payable. held: lead provider id → how many of theirs are due and stay open."""

    statement_ids: list[str] = field(default_factory=list)
    held: Counter[str] = field(default_factory=Counter)


def settle_due(
    connection: Connection,
    today: date,
    now: datetime,
    held_from: dict[str, date] | None = None,
    owners: Collection[str] | None = None,
) -> Settled:
    """Open statements whose deadline has passed become payable, their eligible declarations with them.

    Output and service statements alike (ours). held_from: lead provider id → the first deadline whose
    statements stay as they are, for not all that was received by then is judged. owners: ids of the lead providers whose
    statements move; None: everybody's.
    """
    query = (
        select(statements.c.statement_id, statements.c.deadline_date, contracts.c.lead_provider_id)
        .join(contracts, contracts.c.contract_id == statements.c.contract_id)
        .where(statements.c.status == "open", statements.c.deadline_date < today)
        .order_by(statements.c.statement_id)
    )
    done = Settled()
    for statement_id, deadline, owner in connection.execute(query).all():
        if owners is not None and owner not in owners:
            continue
        if held_from and owner in held_from and deadline >= held_from[owner]:
            done.held[owner] += 1
        else:
            done.statement_ids.append(statement_id)
    make_payable(connection, done.statement_ids, now)
    return done


_DUE = """
SELECT DISTINCT c.lead_provider_id FROM statements s JOIN contracts c ON c.contract_id = s.contract_id
WHERE s.status = 'open' AND s.deadline_date < ?
"""


def due_owners(reader: Reader, today: date) -> set[str]:
    """Ids of the lead providers of whom a statement is open though its deadline has passed."""
    return set(reader.frame(_DUE, str(today))["lead_provider_id"])


def make_payable(connection: Connection, statement_ids: list[str], now: datetime) -> None:
    """These open statements become payable, and their eligible declarations."""
    for statement_id in statement_ids:
        _move_declarations(connection, statement_id, "payable", now)
        _move_statement(connection, statement_id, now, status="payable")
        _statement_event(connection, statement_id, STATEMENT_PAYABLE, SYSTEM, now)


def mark_paid(connection: Connection, statement_id: str, now: datetime) -> None:
    """A payable statement becomes paid: its payable declarations paid, those awaiting clawback clawed back."""
    _move_declarations(connection, statement_id, "paid", now)
    _move_statement(connection, statement_id, now, status="paid", marked_as_paid_at=now)
    _statement_event(connection, statement_id, STATEMENT_AUTHORISED, DFE_STAFF, now)


def status_and_deadline(connection: Connection, statement_id: str) -> tuple[str, date, str] | None:
    """(status, deadline, lead_provider_id) of a statement, or None."""
    query = (
        select(statements.c.status, statements.c.deadline_date, contracts.c.lead_provider_id)
        .join(contracts, contracts.c.contract_id == statements.c.contract_id)
        .where(statements.c.statement_id == statement_id)
    )
    row = connection.execute(query).first()
    return (row[0], row[1], row[2]) if row else None


# What is told of a declaration that moved, and who moved it.
_MOVED = {
    "payable": (DECLARATION_PAYABLE, SYSTEM),
    "paid": (DECLARATION_PAID, DFE_STAFF),
    "clawed_back": (DECLARATION_CLAWED_BACK, DFE_STAFF),
}


def _move_declarations(connection: Connection, statement_id: str, becomes: str, now: datetime) -> None:
    """Move the declarations on a statement along with it (schemas.lifecycle.MOVES)."""
    for move in MOVES[becomes]:
        side = move.side
        own_change(
            connection, "declarations", side.status, f"t.{side.link} = :statement AND t.{side.status} = :status", now,
            statement=statement_id, status=move.before,
        )  # fmt: skip
        link, status = declarations.c[side.link], declarations.c[side.status]
        which = (link == statement_id, status == move.before)
        told = _events_of(which, link, *_MOVED[move.after], now)
        connection.execute(insert(events).from_select(_EVENT_COLUMNS, told))
        connection.execute(
            update(declarations).where(*which).values({status: move.after, declarations.c.updated_at: now})
        )


def _move_statement(connection: Connection, statement_id: str, now: datetime, **values: object) -> None:
    for column in values:
        own_change(connection, "statements", column, "t.statement_id = :statement", now, statement=statement_id)
    connection.execute(update(statements).where(statements.c.statement_id == statement_id).values(**values))


def attach_eligible(database: Database, connection: Connection, today: date, now: datetime) -> Attached:
    """Submitted declarations of participants who have become eligible in that role become eligible, on the open output
    statement of their lead provider and contract period with the earliest deadline not yet past.

    Where there is no such statement the declaration stays submitted, to be told to an operator (data/README.md, Settling);
    in RECT the eligibility change fails with it.
    """
    reader = database.reader(connection)
    found = typed(reader.frame(_SUBMITTED_AND_ELIGIBLE)).sort("declaration_id")
    if found.is_empty():
        return Attached()
    whose = ["lead_provider_id", "contract_period"]
    following = next_statements(typed(reader.frame(_STATEMENTS)), today, "open").select(*whose, "statement_id")
    placed = joined(found, following, whose)
    moved = placed.filter(pl.col("statement_id").is_not_null())
    moment = pl.lit(now, INSTANT)
    change = moved.select(
        "declaration_id", pl.lit("eligible").alias("payment_status"), payment_statement_id="statement_id",
        updated_at=moment,
    )  # fmt: skip
    happened = moved.drop("contract_period").with_columns(
        moment.alias("happened_at"),
        pl.lit(DECLARATION_ELIGIBLE).alias("type"),
        pl.lit(SYSTEM).alias("author"),
        pl.lit('{"payment_status":"no_payment"}').alias("before"),
        pl.lit('{"payment_status":"eligible"}').alias("after"),
    )
    apply_changes(database, connection, {}, [("declarations", change)], happened, now)
    nowhere = placed.filter(pl.col("statement_id").is_null()).select("declaration_id", "contract_period")
    return Attached(moved.height, list(nowhere.iter_rows()))


_SUBMITTED_AND_ELIGIBLE = """
SELECT d.declaration_id, d.training_period_id, sp.participant_id, p.lead_provider_id, p.contract_period
FROM declarations d
JOIN training_periods tp ON tp.training_period_id = d.training_period_id
JOIN school_periods sp ON sp.school_period_id = tp.school_period_id
JOIN participants t ON t.participant_id = sp.participant_id
JOIN partnerships p ON p.partnership_id = tp.partnership_id
WHERE d.payment_status = 'no_payment'
  AND CASE WHEN sp.participant_type = 'ect' THEN t.ect_first_became_eligible_at
           ELSE t.mentor_first_became_eligible_at END IS NOT NULL
"""
_STATEMENTS = """
SELECT c.lead_provider_id, c.contract_period, s.statement_id, s.fee_type, s.status, s.deadline_date
FROM statements s JOIN contracts c ON c.contract_id = s.contract_id
WHERE s.status = 'open'
"""


_EVENT_COLUMNS = (
    "happened_at", "type", "author", "lead_provider_id", "participant_id", "declaration_id", "training_period_id",
    "statement_id",
)  # fmt: skip


def _events_of(which: tuple, statement: ColumnElement[str], type_: str, author: str, now: datetime) -> Select:
    """An event a declaration, as a question of its own: there may be many."""
    return (
        select(
            literal(now, events.c.happened_at.type),
            literal(type_),
            literal(author),
            null(),
            school_periods.c.participant_id,
            declarations.c.declaration_id,
            declarations.c.training_period_id,
            statement,
        )
        .join(training_periods, training_periods.c.training_period_id == declarations.c.training_period_id)
        .join(school_periods, school_periods.c.school_period_id == training_periods.c.school_period_id)
        .where(*which)
    )


def _statement_event(connection: Connection, statement_id: str, kind: str, author: str, now: datetime) -> None:
    connection.execute(insert(events).values(happened_at=now, type=kind, author=author, statement_id=statement_id))
