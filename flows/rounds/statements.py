"""Statements: settle what falls due, compute what is not paid, deliver what changed; authorise one."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
from sqlalchemy import Connection

from data.accounts import load_accounts, submitted_without_statement
from data.counting import keep_paid_units
from data.ledger import DeliveredVersion
from data.settling import mark_paid, settle_due, status_and_deadline
from flows.clock import london_day
from flows.errors import ExchangeError
from flows.installation import House, LeadProvider
from flows.rounds.computing import Computed, compute
from flows.rounds.delivery import deliver_owed
from flows.rounds.intake import IntakeRound, held_from, intake_round
from flows.rounds.previous import previous_tables, sums_of
from flows.stamps import calculation, libraries
from flows.upkeep.verify import not_as_delivered
from sftp.durable import on_disk
from sftp.mailbox import MailboxError
from templates.rendering import pounds
from templates.statement_files import LAST_FILE, Changes, Statement, Texts, kept_lines, texts_of, write_statement
from transforms.money.statement_tables import changes_table
from transforms.money.version_changes import version_changes

WRITERS = 2
INTAKE_SECONDS = 600  # a mailbox of many long files is judged in less
log = logging.getLogger("ectx.statements")


@dataclass(frozen=True)
class Made:
    """A version that was made: for operators, money by section and counts. before: the version before's total."""

    lead_provider: str
    statement_id: str
    path: str
    declarations: int
    amounts: dict[str, str]
    over_volume: int = 0
    unrefunded: int = 0
    overflown: tuple[str, ...] = ()
    before: Decimal | None = None

    @property
    def total(self) -> Decimal:
        return Decimal(self.amounts["total"])


@dataclass
class StatementsRound:
    """What one round did.

    made: new versions; not_wanted: open statements that are not delivered yet, for nothing is on them and their deadlines
    are far; standing: every statement not yet paid, as it is now; nowhere: declarations that are submitted, and
    on no statement (data.accounts.submitted_without_statement).
    """

    intake: IntakeRound
    settled: list[str] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)
    unchanged: int = 0
    not_wanted: int = 0
    delivered: int = 0
    held_back: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    standing: list[Made] = field(default_factory=list)
    nowhere: pl.DataFrame = field(default_factory=pl.DataFrame)


def statements_round(house: House, as_of: datetime | None) -> StatementsRound:
    """Judge what has arrived, then move statements along, then deliver every statement not yet paid that changed.

    What was received by a deadline counts for it, so nothing of a provider's moves while a file of theirs waits, or their
    mailbox has not been seen since; all others go on. as_of: the instant of a rehearsal; None: now.
    """
    done = StatementsRound(IntakeRound())
    with house.database.only_one("statements") as ours:
        if not ours:
            done.troubles.append("another statements round is at work")
            return done
        today = london_day(house.now(as_of))  # of before the looks: what came later cannot be missed by them
        # This round comes once a day: no file may take it with it.
        done.intake = intake_round(house, as_of, patience=INTAKE_SECONDS, apart=as_of is None)
        providers, now = house.lead_providers(), house.now(as_of)
        with house.database.write() as connection:
            settled = settle_due(connection, today, now, held_from(house, providers, done.intake))
            keep_paid_units(house.database, connection)
        done.settled = settled.statement_ids
        done.troubles += [_held(each, settled.held[each.lead_provider_id], done.intake) for each in providers
                          if settled.held[each.lead_provider_id]]  # fmt: skip
        with house.database.read() as reader:
            accounts = load_accounts(reader)
            done.nowhere = submitted_without_statement(reader)
        computed = compute(house, accounts, today)
        done.held_back = [str(each) for each in computed.held_back]
        _deliver_all(house, computed, today, now, done)
    return done


def _held(provider: LeadProvider, statements: int, intake: IntakeRound) -> str:
    """A line for operators on statements whose deadline has passed and that stay open."""
    if provider.slug in intake.busy:
        why = "another round is at its mailbox; run this one again after it"
    elif provider.slug in intake.unseen:
        why = "its mailbox could not be looked at since the deadline"
    else:
        why = "a file received by the deadline is not judged yet (`ectx submission list`)"
    return f"{provider.slug}: {statements} statements stay open past their deadline, since {why}"


def _deliver_all(house: House, computed: Computed, today: date, now: datetime, done: StatementsRound) -> None:
    by_provider: dict[str, list[Statement]] = {}
    for statement in computed.statements:
        by_provider.setdefault(statement.facts["lead_provider_id"], []).append(statement)
    for provider in house.lead_providers():
        own = by_provider.get(provider.lead_provider_id, [])
        changed = [statement for statement in own if statement.has_changed and statement.is_wanted(today)]
        done.not_wanted += sum(not statement.is_wanted(today) for statement in own)
        promises = _write_versions(house, provider, computed, changed, now)
        with house.database.write() as connection:
            for promise in promises:
                promise(connection)
        done.unchanged += sum(not statement.has_changed for statement in own)
        done.made += [_made(statement) for statement in changed]
        done.standing += [_made(statement) for statement in own]
        done.delivered += _deliver(house, provider, now, done.troubles)


def _made(statement: Statement) -> Made:
    return Made(
        statement.facts["lead_provider_name"],
        statement.statement_id,
        statement.path,
        statement.declarations,
        statement.amounts,
        sum(row["over_volume"] for row in statement.counts),
        sum(row["unrefunded"] for row in statement.counts),
        tuple(row["declaration_type"] for row in statement.overflown),
        statement.previous.total if statement.previous else None,
    )


def _write_versions(
    house: House, provider: LeadProvider, computed: Computed, changed: list[Statement], now: datetime
) -> list[Callable[[Connection], None]]:
    """Write the files of one provider's new versions; returns what promises their delivery, to be called in a
    transaction."""
    if not changed:
        return []
    tables = dict(computed.tables)
    changes, tables["changes"] = _changes(house, provider, computed, changed)
    texts = texts_of(tables, [statement.statement_id for statement in changed])

    def written(each: Statement) -> Callable[[Connection], None]:
        return _write_version(house, provider, each, texts, changes.get(each.statement_id), now)

    # Compressing spreadsheets and writing files leave Python free for the next statement's pages.
    with ThreadPoolExecutor(WRITERS) as pool:
        promises = list(pool.map(written, changed))
    own = house.outbox / provider.lead_provider_id
    on_disk([own / each.path for each in changed], house.outbox)
    return promises


def _write_version(
    house: House, provider: LeadProvider, statement: Statement, texts: Texts, changes: Changes | None, now: datetime
) -> Callable[[Connection], None]:
    folder = house.outbox / provider.lead_provider_id / statement.path
    sha256 = write_statement(folder, statement, texts, changes, now, _made_from(house, statement))
    replaces = statement.previous.path if statement.previous else None

    def promise(connection: Connection) -> None:
        house.ledger.add_version(
            connection, statement_id=statement.statement_id, version=statement.version,
            status=statement.facts["status"], content_sha256=statement.content, as_of=now, path=statement.path,
            total=statement.total, lines=kept_lines(statement),
        )  # fmt: skip
        house.ledger.owe(
            connection, lead_provider_id=provider.lead_provider_id, what="statement", path=statement.path,
            last_file=LAST_FILE, sha256=sha256, owed_since=now, replaces=replaces,
        )  # fmt: skip

    return promise


def _changes(
    house: House, provider: LeadProvider, computed: Computed, changed: list[Statement]
) -> tuple[dict[str, Changes], pl.DataFrame]:
    """(statement_id → what changed since the version before, rows of changes.csv), for those that have one."""
    before = {each.statement_id: previous_tables(house, provider, each.previous) for each in changed if each.previous}
    held = {statement_id: tables for statement_id, tables in before.items() if tables is not None}
    ids = pl.col("statement_id").is_in(list(held))
    now = {name: computed.tables[name].filter(ids) for name in ("declarations", "statement")}
    was = {
        name: pl.concat([tables[name].select(now[name].columns).cast(now[name].schema) for tables in held.values()])
        if held
        else now[name].clear()
        for name in now
    }
    rows = version_changes(was["declarations"], now["declarations"], was["statement"], now["statement"])
    told: dict[str, list[dict[str, Any]]] = {}
    table = changes_table(rows)
    for row, pence in zip(table.iter_rows(named=True), rows["difference"], strict=True):
        told.setdefault(row["statement_id"], []).append({**row, "difference": pence})
    found = {}
    for each in changed:
        if each.previous:
            own = told.get(each.statement_id, [])
            counts = {word: sum(row["change"] == word for row in own) for word in ("added", "removed", "changed")}
            gone = before[each.statement_id] is None
            lines = house.ledger.version_lines(each.statement_id, each.previous.version)
            found[each.statement_id] = Changes(each.previous.status, sums_of(lines), counts, own, gone)
    return found, table


def _made_from(house: House, statement: Statement) -> dict[str, Any]:
    return {
        "calculation": calculation(),
        "contract_id": statement.facts["contract_id"],
        "records_as_of": house.records_as_of,
        "calendar": house.calendar_version,
        "libraries": libraries(),
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


def authorise(house: House, statement_id: str, total: Decimal, now: datetime) -> tuple[Statement, str]:
    """Mark a payable statement paid, and freeze its figures. Returns it and the path of its paid version.

    total: pounds, VAT included, as whoever authorises it has read them. It is paid only if it comes to what its newest
    version said that was delivered, figure by figure, and to that total.
    Raises ExchangeError: NO-STATEMENT, NOT-PAYABLE, NOT-DELIVERED, NOT-AS-DELIVERED, NOT-THE-TOTAL, NO-PRICE,
    DOES-NOT-ADD-UP. Then nothing is changed.
    Ours (payments 13.7): service statements, and outputs that carry only fees, are authorised the same way.
    """
    with house.database.only_one("statements") as ours:
        if not ours:
            raise ExchangeError("BUSY", "Statements are being made at this moment.", "Try again in a minute.")
        with house.database.write() as connection:
            provider = house.lead_provider(_payable(connection, statement_id, london_day(now)))
            seen = _delivered(house, statement_id)
            mark_paid(connection, statement_id, now)
            accounts = load_accounts(house.database.reader(connection), [statement_id])
            computed = compute(house, accounts, london_day(now))
            for held in computed.held_back:
                raise ExchangeError(held.code, str(held), "Nothing was changed; see what `ectx statements` holds back.")
            statement = computed.statements[0]
            _demand_as_seen(house, provider, computed, statement, seen, total)
            for promise in _write_versions(house, provider, computed, [statement], now):
                promise(connection)
    _deliver(house, provider, now, [])
    return statement, statement.path


def _delivered(house: House, statement_id: str) -> DeliveredVersion:
    """The newest version of a payable statement, which has been delivered. Raises ExchangeError (NOT-DELIVERED)."""
    newest = house.ledger.newest_version(statement_id)
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
    house: House,
    provider: LeadProvider,
    computed: Computed,
    statement: Statement,
    seen: DeliveredVersion,
    total: Decimal,
) -> None:
    """That a statement comes to what was delivered and to what was typed. Raises ExchangeError."""
    own = statement.statement_id
    different = not_as_delivered(house, provider.lead_provider_id, seen.path, seen.sha256, computed, own)
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


def _payable(connection: Connection, statement_id: str, today: date) -> str:
    """Whose payable statement it is. Raises ExchangeError where it is none, or cannot be paid."""
    known = status_and_deadline(connection, statement_id)
    if known is None:
        raise ExchangeError("NO-STATEMENT", f"There is no statement {statement_id}.", "Copy the id from a manifest.")
    status, deadline, owner = known
    if status != "payable" or deadline >= today:
        advice = (
            "It is paid already."
            if status == "paid"
            else f"Its deadline is {deadline}; run `ectx statements` after it."
        )
        raise ExchangeError("NOT-PAYABLE", f"Statement {statement_id} is {status}.", advice)
    return owner


def money_by_section(made: list[Made]) -> dict[str, Decimal]:
    """Sums over versions made, for operators."""
    sums: dict[str, Decimal] = {}
    for each in made:
        for section, amount in each.amounts.items():
            sums[section] = sums.get(section, Decimal()) + Decimal(amount)
    return sums
