"""Statements and their declarations moving along: submitted → eligible; open → payable → paid (handbook: payments 9)."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl
from sqlalchemy import Connection, literal, null, select, update
from sqlalchemy.sql.expression import Select, insert

from data.applying import apply_changes, own_change
from data.casting import INSTANT
from data.database import Database
from data.tables import RECORD_TABLES, declarations, events, statements

contracts = RECORD_TABLES["contracts"]
training_periods, school_periods = RECORD_TABLES["training_periods"], RECORD_TABLES["school_periods"]
participants, partnerships = RECORD_TABLES["participants"], RECORD_TABLES["partnerships"]


@dataclass
class Settled:
    """statement_ids: those that became payable. held: lead provider id → how many of theirs are due and stay open."""

    statement_ids: list[str] = field(default_factory=list)
    held: Counter[str] = field(default_factory=Counter)


def settle_due(connection: Connection, today: date, now: datetime, held_from: dict[str, date] | None = None) -> Settled:
    """Open statements whose deadline has passed become payable, their eligible declarations with them.

    Output and service statements alike (ours: payments 13.7). held_from: lead provider id → the first deadline whose
    statements stay as they are, for not all that was received by then is judged.
    """
    query = (
        select(statements.c.statement_id, statements.c.deadline_date, contracts.c.lead_provider_id)
        .join(contracts, contracts.c.contract_id == statements.c.contract_id)
        .where(statements.c.status == "open", statements.c.deadline_date < today)
        .order_by(statements.c.statement_id)
    )
    done = Settled()
    for statement_id, deadline, owner in connection.execute(query).all():
        if held_from and owner in held_from and deadline >= held_from[owner]:
            done.held[owner] += 1
        else:
            done.statement_ids.append(statement_id)
    make_payable(connection, done.statement_ids, now)
    return done


def make_payable(connection: Connection, statement_ids: list[str], now: datetime) -> None:
    """These open statements become payable, and their eligible declarations."""
    for statement_id in statement_ids:
        _move_declarations(connection, "payment", statement_id, "eligible", "payable", now)
        _move_statement(connection, statement_id, now, status="payable")
        _statement_event(connection, statement_id, "statement_marked_payable", "system", now)


def mark_paid(connection: Connection, statement_id: str, now: datetime) -> None:
    """A payable statement becomes paid: its payable declarations paid, those awaiting clawback clawed back."""
    _move_declarations(connection, "payment", statement_id, "payable", "paid", now)
    _move_declarations(connection, "clawback", statement_id, "awaiting_clawback", "clawed_back", now)
    _move_statement(connection, statement_id, now, status="paid", marked_as_paid_at=now)
    _statement_event(connection, statement_id, "statement_authorised_for_payment", "dfe_staff_user", now)


def status_and_deadline(connection: Connection, statement_id: str) -> tuple[str, date, str] | None:
    """(status, deadline, lead_provider_id) of a statement, or None."""
    query = (
        select(statements.c.status, statements.c.deadline_date, contracts.c.lead_provider_id)
        .join(contracts, contracts.c.contract_id == statements.c.contract_id)
        .where(statements.c.statement_id == statement_id)
    )
    row = connection.execute(query).first()
    return (row[0], row[1], row[2]) if row else None


def _move_declarations(
    connection: Connection, link: str, statement_id: str, before: str, after: str, now: datetime
) -> None:
    """Move the declarations that a statement pays (link `payment`) or takes back (`clawback`) from one status to the
    next."""
    own_change(
        connection, "declarations", f"{link}_status",
        f"t.{link}_statement_id = :statement AND t.{link}_status = :status", now, statement=statement_id, status=before,
    )  # fmt: skip
    status = declarations.c[f"{link}_status"]
    which = (declarations.c[f"{link}_statement_id"] == statement_id, status == before)
    connection.execute(
        insert(events).from_select(_EVENT_COLUMNS, _events_of(which, f"teacher_declaration_{after}", now))
    )
    connection.execute(update(declarations).where(*which).values({status: after, declarations.c.updated_at: now}))


def _move_statement(connection: Connection, statement_id: str, now: datetime, **values: object) -> None:
    for column in values:
        own_change(connection, "statements", column, "t.statement_id = :statement", now, statement=statement_id)
    connection.execute(update(statements).where(statements.c.statement_id == statement_id).values(**values))


@dataclass
class Attached:
    """What became of submitted declarations whose participants are eligible: how many went onto a statement, and the
    ids of those for which there is none (with the contract period)."""

    eligible: int = 0
    nowhere: list[tuple[str, int]] = field(default_factory=list)


def attach_eligible(database: Database, connection: Connection, today: date, now: datetime) -> Attached:
    """Submitted declarations of participants who have become eligible in that role become eligible, on the open output
    statement of their lead provider and contract period with the earliest deadline not yet past.

    Source: handbook, domain 6.3 and 7.1. Where there is no such statement the declaration stays submitted, to be told
    to an operator (payments 10); in RECT the eligibility change fails with it.
    """
    found = _frame(connection, _submitted_and_eligible())
    whose = ["lead_provider_id", "contract_period"]
    following = _frame(connection, _next_statements(today)).unique(whose, keep="first", maintain_order=True)
    if found.is_empty():
        return Attached()
    placed = found.join(following, on=whose, how="left", maintain_order="left")
    moved = placed.filter(pl.col("statement_id").is_not_null())
    moment = pl.lit(now, INSTANT)
    change = moved.select(
        "declaration_id", pl.lit("eligible").alias("payment_status"), payment_statement_id="statement_id",
        updated_at=moment,
    )  # fmt: skip
    happened = moved.drop("contract_period").with_columns(
        moment.alias("happened_at"),
        pl.lit("teacher_declaration_eligible").alias("type"),
        pl.lit("system").alias("author"),
        pl.lit('{"payment_status":"no_payment"}').alias("before"),
        pl.lit('{"payment_status":"eligible"}').alias("after"),
    )
    apply_changes(database, connection, {}, [("declarations", change)], happened, now)
    nowhere = placed.filter(pl.col("statement_id").is_null()).select("declaration_id", "contract_period")
    return Attached(moved.height, list(nowhere.iter_rows()))


def _frame(connection: Connection, query: Select) -> pl.DataFrame:
    """The answer to a short question: ids as text, contract_period as integer."""
    names = [column.name for column in query.selected_columns]
    schema = {name: pl.Int64 if name == "contract_period" else pl.String for name in names}
    return pl.DataFrame([tuple(row) for row in connection.execute(query)], schema, orient="row")


def _submitted_and_eligible() -> Select:
    """declaration, training period, participant, lead provider, contract period."""
    is_ect, is_mentor = school_periods.c.participant_type == "ect", school_periods.c.participant_type == "mentor"
    eligible = (is_ect & participants.c.ect_first_became_eligible_at.is_not(None)) | (
        is_mentor & participants.c.mentor_first_became_eligible_at.is_not(None)
    )
    return (
        select(
            declarations.c.declaration_id,
            declarations.c.training_period_id,
            school_periods.c.participant_id,
            partnerships.c.lead_provider_id,
            partnerships.c.contract_period,
        )
        .join(training_periods, training_periods.c.training_period_id == declarations.c.training_period_id)
        .join(school_periods, school_periods.c.school_period_id == training_periods.c.school_period_id)
        .join(participants, participants.c.participant_id == school_periods.c.participant_id)
        .join(partnerships, partnerships.c.partnership_id == training_periods.c.partnership_id)
        .where(declarations.c.payment_status == "no_payment", eligible)
        .order_by(declarations.c.declaration_id)
    )


def _next_statements(today: date) -> Select:
    """lead provider, contract period, open output statement; the earliest deadline not yet past first."""
    return (
        select(contracts.c.lead_provider_id, contracts.c.contract_period, statements.c.statement_id)
        .join(contracts, contracts.c.contract_id == statements.c.contract_id)
        .where(statements.c.fee_type == "output", statements.c.status == "open", statements.c.deadline_date >= today)
        .order_by(statements.c.deadline_date)
    )


_EVENT_COLUMNS = (
    "happened_at", "type", "author", "lead_provider_id", "participant_id", "declaration_id", "training_period_id",
    "statement_id",
)  # fmt: skip


def _events_of(which: tuple, kind: str, now: datetime) -> Select:
    statement = declarations.c.payment_statement_id
    if kind == "teacher_declaration_clawed_back":
        statement = declarations.c.clawback_statement_id
    return (
        select(
            literal(now, events.c.happened_at.type),
            literal(kind),
            literal("system" if kind == "teacher_declaration_payable" else "dfe_staff_user"),
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
