"""Authorising a statement for payment: what was delivered, and what was read, is what is paid."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import Connection

from data.ledger.versions import DeliveredVersion
from data.settling import mark_paid, status_and_deadline
from flows.errors import ExchangeError
from flows.installation import Installation, LeadProvider
from flows.rounds.accounts import computed_of
from flows.rounds.as_delivered import Delivered, compared
from flows.rounds.statements import statements_lock
from flows.rounds.versions import deliver, write_versions
from schemas.instants import london_day
from templates.rendering import pounds
from transforms.money.computing import Computed
from transforms.money.statement import Statement


def authorise(
    installation: Installation, statement_id: str, total: Decimal, as_of: datetime | None
) -> tuple[Statement, str]:
    """Mark a payable statement paid, and freeze its figures. Returns it and the path of its paid version.

    total: pounds, VAT included, as whoever authorises it has read them. It is paid only if it comes to what its newest
    version said that was delivered, figure by figure, and to that total.
    Raises ExchangeError: NO-STATEMENT, NOT-PAYABLE, NOT-DELIVERED, NOT-AS-DELIVERED, NOT-THE-TOTAL, NO-PRICE,
    DOES-NOT-ADD-UP. Then nothing is changed.
    Ours: service statements, and outputs that carry only fees, are authorised the same way.
    """
    provider = _whose(installation, statement_id)
    with installation.database.only_one(statements_lock(provider.slug)) as ours:
        if not ours:
            raise ExchangeError("BUSY", "Statements are being made at this moment.", "Try again in a minute.")
        with installation.database.write() as connection:
            now = installation.now(as_of)
            _demand_payable(connection, statement_id, london_day(now))
            seen = _delivered(installation, statement_id)
            mark_paid(connection, statement_id, now)
            reader = installation.database.reader(connection)
            computed = computed_of(installation, reader, london_day(now), [statement_id])
            for held in computed.held_back:
                raise ExchangeError(held.code, str(held), "Nothing was changed; see what `ectx statements` holds back.")
            statement = computed.statements[0]
            _demand_as_seen(installation, provider, computed, statement, seen, total)
            for promise in write_versions(installation, provider, computed, [statement], now):
                promise(connection)
    deliver(installation, provider, now, [])
    return statement, statement.path


def _delivered(installation: Installation, statement_id: str) -> DeliveredVersion:
    """The newest version of a payable statement, which has been delivered. Raises ExchangeError (NOT-DELIVERED)."""
    newest = installation.versions.newest(statement_id)
    if newest is None or newest.status != "payable":
        raise ExchangeError(
            "NOT-DELIVERED", f"No payable version of {statement_id} has been made.", "Run `ectx statements` first."
        )
    if newest.delivered_at is None:
        raise ExchangeError(
            "NOT-DELIVERED",
            f"Version {newest.version} of {statement_id} is still owed: its lead provider has not got it.",
            "Run `ectx statements`, read what it delivers, and authorise that.",
        )
    return newest


def _demand_as_seen(
    installation: Installation,
    provider: LeadProvider,
    computed: Computed,
    statement: Statement,
    seen: DeliveredVersion,
    total: Decimal,
) -> None:
    """That a statement comes to what was delivered and to what was typed. Raises ExchangeError."""
    own = statement.statement_id
    delivered = Delivered(own, provider.lead_provider_id, seen.path, seen.sha256)
    different = compared(installation, delivered, computed).different
    if different or statement.total != seen.total:
        told = "; ".join(different) or "its total differs"
        raise ExchangeError(
            "NOT-AS-DELIVERED",
            f"Statement {own} comes to {pounds(statement.total)} now; version {seen.version}, as delivered, says "
            f"{pounds(seen.total)}: {told}.",
            "Nothing was changed. Run `ectx statements`, read the version that it delivers, and authorise that.",
        )
    if total != statement.total:
        raise ExchangeError(
            "NOT-THE-TOTAL",
            f"Statement {own} comes to {pounds(statement.total)}, and {pounds(total)} was typed: "
            f"{pounds(abs(total - statement.total))} {'more' if total > statement.total else 'less'}.",
            "Nothing was changed. Read the total of the version delivered last, and type that.",
        )


def _whose(installation: Installation, statement_id: str) -> LeadProvider:
    """Whose statement it is. Raises ExchangeError (NO-STATEMENT)."""
    owner = installation.records.owner_of_statement(statement_id)
    if owner is None:
        raise _no_statement(statement_id)
    return installation.lead_provider(owner)


def _no_statement(statement_id: str) -> ExchangeError:
    return ExchangeError("NO-STATEMENT", f"There is no statement {statement_id}.", "Copy the id from a manifest.")


def _demand_payable(connection: Connection, statement_id: str, today: date) -> None:
    """Raises ExchangeError where a statement is not payable, or cannot be paid."""
    known = status_and_deadline(connection, statement_id)
    if known is None:
        raise _no_statement(statement_id)
    status, deadline, _ = known
    if status != "payable" or deadline >= today:
        advice = (
            "It is paid already."
            if status == "paid"
            else f"Its deadline is {deadline}; run `ectx statements` after it."
        )
        raise ExchangeError("NOT-PAYABLE", f"Statement {statement_id} is {status}.", advice)
