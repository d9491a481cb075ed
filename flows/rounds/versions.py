"""New versions of statements: what changed since the one before, their files, and the promise to deliver them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import Connection

from flows.installation import Installation, LeadProvider
from flows.rounds.delivery import deliver_owed
from flows.rounds.previous import previous_tables, sums_of
from flows.stamps import calculation, libraries
from sftp.durable import on_disk
from sftp.mailbox import MailboxError
from templates.statement_files import LAST_FILE, kept_lines, write_statement
from transforms.money.computing import Computed
from transforms.money.parts import by_statement
from transforms.money.statement import Changes, Statement
from transforms.money.statement_tables import changes_table
from transforms.money.version_changes import version_changes


def write_versions(
    installation: Installation, provider: LeadProvider, computed: Computed, changed: list[Statement], now: datetime
) -> list[Callable[[Connection], None]]:
    """Write the files of one provider's new versions; returns what promises their delivery, to be called in a
    transaction."""
    if not changed:
        return []
    tables = dict(computed.tables)
    changes, tables["changes"] = _changes(installation, provider, computed, changed)
    parts = {name: by_statement(rows) for name, rows in tables.items()}
    promises = []
    for each in changed:
        own = {name: found.get(each.statement_id, tables[name].clear()) for name, found in parts.items()}
        promises.append(_write_version(installation, provider, each, own, changes.get(each.statement_id), now))
    outbox = installation.outbox / provider.lead_provider_id
    on_disk([outbox / each.path for each in changed], installation.outbox)
    return promises


def _write_version(
    installation: Installation,
    provider: LeadProvider,
    statement: Statement,
    tables: dict[str, pl.DataFrame],
    changes: Changes | None,
    now: datetime,
) -> Callable[[Connection], None]:
    folder = installation.outbox / provider.lead_provider_id / statement.path
    sha256 = write_statement(folder, statement, tables, changes, now, _made_from(installation, statement))
    replaces = statement.previous.path if statement.previous else None

    def promise(connection: Connection) -> None:
        installation.versions.add(
            connection, statement_id=statement.statement_id, version=statement.version,
            status=statement.facts["status"], content_sha256=statement.content, as_of=now, path=statement.path,
            total=statement.total, lines=kept_lines(statement),
        )  # fmt: skip
        installation.deliveries.owe(
            connection, lead_provider_id=provider.lead_provider_id, what="statement", path=statement.path,
            last_file=LAST_FILE, sha256=sha256, owed_since=now, replaces=replaces,
        )  # fmt: skip

    return promise


def _changes(
    installation: Installation, provider: LeadProvider, computed: Computed, changed: list[Statement]
) -> tuple[dict[str, Changes], pl.DataFrame]:
    """(statement_id → what changed since the version before, rows of changes.csv), for those that have one."""
    before = {
        each.statement_id: previous_tables(installation, provider, each.previous) for each in changed if each.previous
    }
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
            lines = installation.versions.lines(each.statement_id, each.previous.version)
            found[each.statement_id] = Changes(each.previous.status, sums_of(lines), counts, own, gone)
    return found, table


def _made_from(installation: Installation, statement: Statement) -> dict[str, Any]:
    return {
        "calculation": calculation(installation.service_home),
        "contract_id": statement.facts["contract_id"],
        "records_as_of": installation.records_as_of,
        "calendar": installation.calendar_version,
        "libraries": libraries(),
    }


def deliver(installation: Installation, provider: LeadProvider, now: datetime, troubles: list[str]) -> int:
    with installation.database.only_one(f"mailbox-{provider.slug}") as ours:
        if not ours:
            return 0  # whoever holds the mailbox delivers what is owed, or the next round does
        try:
            return deliver_owed(installation, provider, installation.mailbox(provider.slug), now)
        except MailboxError as error:
            troubles.append(f"{provider.slug}: {error}")
            return 0
