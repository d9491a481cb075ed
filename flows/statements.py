"""Statements: settle what falls due, compute what is not paid, deliver what changed; authorise one."""

import hashlib
import json
import logging
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import polars as pl
from sqlalchemy import Connection

from data.ledger import VersionRow
from data.settling import mark_paid, settle_due, status_and_deadline
from data.statements import Accounts, load_accounts
from flows.clock import london_day
from flows.delivery import deliver_owed
from flows.errors import ExchangeError
from flows.house import House, LeadProvider
from flows.intake import IntakeRound, intake_round
from flows.statement_files import LAST_FILE, Statement, write_statement
from sftp.mailbox import MailboxError, slug
from transforms.breakdowns import differences, share
from transforms.statement_tables import statement_tables
from transforms.statements import BANDING, compute_figures

log = logging.getLogger("ectx.statements")


@dataclass(frozen=True)
class Made:
    """A version that was made: for operators, money by section and counts."""

    lead_provider: str
    statement_id: str
    path: str
    declarations: int
    amounts: dict[str, str]


@dataclass
class StatementsRound:
    """What one round did."""

    intake: IntakeRound
    settled: list[str] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)
    unchanged: int = 0
    delivered: int = 0
    held_back: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


def statements_round(house: House, now: datetime) -> StatementsRound:
    """Judge what has arrived, then move statements along, then deliver every statement not yet paid that changed."""
    done = StatementsRound(intake_round(house, now))
    with house.database.only_one("statements") as ours:
        if not ours:
            done.troubles.append("another statements round is at work")
            return done
        with house.database.write() as connection:
            done.settled = settle_due(connection, london_day(now), now)
        with house.database.read() as reader:
            accounts = load_accounts(reader)
        statements, done.held_back = compute(house, accounts)
        _deliver_all(house, statements, now, done)
    return done


def compute(house: House, accounts: Accounts) -> tuple[list[Statement], list[str]]:
    """(statements that add up, a line for each that does not)."""
    figures = compute_figures(
        accounts.statements,
        accounts.chosen,
        accounts.bands,
        accounts.units,
        accounts.declarations,
        accounts.adjustments,
    )
    chosen = accounts.statements.filter(pl.col("statement_id").is_in(accounts.chosen.implode()))
    ordered = chosen.filter(
        pl.col("lead_provider_name").map_elements(
            lambda name: house.settings.shares_are_ordered(slug(name)), return_dtype=pl.Boolean
        )
    )
    shares = share(figures.declarations, ordered)
    wrong = differences(figures.lines, shares)
    held = [f"{row['statement_id']}: {row['what']} differ by {row['difference']}p" for row in wrong.to_dicts()]
    tables = statement_tables(chosen, figures.lines, shares)
    lines, declarations, partners = (_parts(table) for table in (tables.lines, tables.declarations, tables.partners))
    labels = _parts(figures.lines.filter(pl.col("label").is_not_null()))
    made = []
    held_ids, ordered_ids = set(wrong["statement_id"]), set(ordered["statement_id"])
    for facts in chosen.sort("lead_provider_name", "contract_period", "year", "month").iter_rows(named=True):
        own = facts["statement_id"]
        if own in held_ids:
            continue
        named = labels.get(own)
        made.append(
            Statement(
                facts,
                lines[own],
                dict(named.select("line", "label").iter_rows()) if named is not None else {},
                declarations.get(own, tables.declarations.clear()).drop("statement_id"),
                partners.get(own, tables.partners.clear()).drop("statement_id"),
                own in ordered_ids,
            )
        )
    return made, held


def _parts(table: pl.DataFrame) -> dict[Any, pl.DataFrame]:
    return {key[0]: part for key, part in table.partition_by("statement_id", as_dict=True, maintain_order=True).items()}


def _deliver_all(house: House, statements: list[Statement], now: datetime, done: StatementsRound) -> None:
    versions = house.ledger.versions()
    by_provider: dict[str, list[Statement]] = {}
    for statement in statements:
        by_provider.setdefault(statement.facts["lead_provider_id"], []).append(statement)
    for provider in house.lead_providers():
        own = by_provider.get(provider.lead_provider_id, [])
        changed = []
        for statement in own:
            last = versions.get(statement.facts["statement_id"])
            content = statement.content()
            if last is not None and last.content_sha256 == content:
                done.unchanged += 1
            else:
                changed.append((statement, content, last))
        owed = [_write_version(house, provider, *each, now) for each in changed]
        with house.database.write() as connection:
            for promise in owed:
                promise(connection)
        done.made += [_made(provider, statement, last) for statement, _, last in changed]
        done.delivered += _deliver(house, provider, now, done.troubles)


def _made(provider: LeadProvider, statement: Statement, last: VersionRow | None) -> Made:
    path = statement.path(last.version + 1 if last else 1)
    return Made(
        provider.name, statement.facts["statement_id"], path, statement.declarations.height, statement.amounts()
    )


def _write_version(
    house: House, provider: LeadProvider, statement: Statement, content: str, last: VersionRow | None, now: datetime
) -> Any:
    """Write the files now; returns what promises their delivery, to be called in a transaction."""
    version = last.version + 1 if last else 1
    path = statement.path(version)
    folder = house.outbox / provider.lead_provider_id / path
    sha256 = write_statement(folder, statement, version, last.path if last else None, now, _made_from(house, statement))

    def promise(connection: Connection) -> None:
        house.ledger.add_version(
            connection, statement_id=statement.facts["statement_id"], version=version, status=statement.facts["status"],
            content_sha256=content, as_of=now, path=path, total=statement.total, lines=_lines(statement),
        )  # fmt: skip
        house.ledger.owe(
            connection, lead_provider_id=provider.lead_provider_id, what="statement", path=path, last_file=LAST_FILE,
            sha256=sha256, owed_since=now, replaces=last.path if last else None,
        )  # fmt: skip

    return promise


def _lines(statement: Statement) -> str:
    columns = ("line", "section", "participant_type", "declaration_type", "band", "count", "rate", "amount")
    return json.dumps(statement.lines.select(columns).to_dicts())


def _made_from(house: House, statement: Statement) -> dict[str, Any]:
    return {
        "calculation": hashlib.sha256(BANDING.encode()).hexdigest()[:12],
        "contract_id": statement.facts["contract_id"],
        "records_as_of": house.records_as_of,
        "calendar": house.calendar_version,
    }


def _deliver(house: House, provider: LeadProvider, now: datetime, troubles: list[str]) -> int:
    with house.database.only_one(f"mailbox-{provider.slug}") as ours:
        if not ours:
            return 0  # whoever holds the mailbox delivers what is owed, or the next round does
        try:
            return deliver_owed(house, provider, house.mailbox(provider.slug), now)
        except MailboxError as error:
            troubles.append(f"{provider.slug}: {error}")
            return 0


def authorise(house: House, statement_id: str, now: datetime) -> tuple[Statement, str]:
    """Mark a payable statement paid, and freeze its figures. Returns it and the path of its paid version.

    Raises ExchangeError: NO-STATEMENT, NOT-PAYABLE, DOES-NOT-ADD-UP. Then nothing is changed.
    Ours (payments 13.7): service statements, and outputs that carry only fees, are authorised the same way.
    """
    with house.database.only_one("statements") as ours:
        if not ours:
            raise ExchangeError("BUSY", "Statements are being made at this moment.", "Try again in a minute.")
        with house.database.write() as connection:
            known = status_and_deadline(connection, statement_id)
            if known is None:
                raise ExchangeError(
                    "NO-STATEMENT", f"There is no statement {statement_id}.", "Copy the id from a manifest."
                )
            status, deadline, owner = known
            if status != "payable" or deadline >= london_day(now):
                advice = (
                    "It is paid already."
                    if status == "paid"
                    else f"Its deadline is {deadline}; run `ectx statements` after it."
                )
                raise ExchangeError("NOT-PAYABLE", f"Statement {statement_id} is {status}.", advice)
            mark_paid(connection, statement_id, now)
            statements, held = compute(house, load_accounts(house.database.reader(connection), [statement_id]))
            if held:
                raise ExchangeError("DOES-NOT-ADD-UP", held[0], "Tell the engineers; nothing was changed.")
            provider = house.lead_provider(owner)
            last = house.ledger.versions().get(statement_id)
            statement = statements[0]
            _write_version(house, provider, statement, statement.content(), last, now)(connection)
            path = statement.path(last.version + 1 if last else 1)
    _deliver(house, provider, now, [])
    return statement, path


def money_by_section(made: list[Made]) -> dict[str, Decimal]:
    """Sums over versions made, for operators."""
    sums: dict[str, Decimal] = {}
    for each in made:
        for section, amount in each.amounts.items():
            sums[section] = sums.get(section, Decimal()) + Decimal(amount)
    return sums
