"""Statements and their declarations moving along: open → payable → paid (handbook: payments 9)."""

from datetime import date, datetime

from sqlalchemy import Connection, literal, null, select, update
from sqlalchemy.sql.expression import Select, insert

from data.tables import RECORD_TABLES, declarations, events, statements

contracts = RECORD_TABLES["contracts"]
training_periods, school_periods = RECORD_TABLES["training_periods"], RECORD_TABLES["school_periods"]


def settle_due(connection: Connection, today: date, now: datetime) -> list[str]:
    """Open statements whose deadline has passed become payable, their eligible declarations with them.

    Output and service statements alike (ours: payments 13.7). Returns their ids.
    """
    due = select(statements.c.statement_id).where(statements.c.status == "open", statements.c.deadline_date < today)
    ids = [row[0] for row in connection.execute(due.order_by(statements.c.statement_id))]
    for statement_id in ids:
        on_it = (declarations.c.payment_statement_id == statement_id, declarations.c.payment_status == "eligible")
        _move_declarations(connection, on_it, {"payment_status": "payable"}, "teacher_declaration_payable", now)
        connection.execute(update(statements).where(statements.c.statement_id == statement_id).values(status="payable"))
        _statement_event(connection, statement_id, "statement_marked_payable", "system", now)
    return ids


def mark_paid(connection: Connection, statement_id: str, now: datetime) -> None:
    """A payable statement becomes paid: its payable declarations paid, those awaiting clawback clawed back."""
    paid = (declarations.c.payment_statement_id == statement_id, declarations.c.payment_status == "payable")
    _move_declarations(connection, paid, {"payment_status": "paid"}, "teacher_declaration_paid", now)
    refunded = (
        declarations.c.clawback_statement_id == statement_id,
        declarations.c.clawback_status == "awaiting_clawback",
    )
    _move_declarations(connection, refunded, {"clawback_status": "clawed_back"}, "teacher_declaration_clawed_back", now)
    connection.execute(
        update(statements).where(statements.c.statement_id == statement_id).values(status="paid", marked_as_paid_at=now)
    )
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


def _move_declarations(connection: Connection, which: tuple, change: dict[str, str], kind: str, now: datetime) -> None:
    connection.execute(insert(events).from_select(_EVENT_COLUMNS, _events_of(which, kind, now)))
    connection.execute(update(declarations).where(*which).values(**change, updated_at=now))


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
