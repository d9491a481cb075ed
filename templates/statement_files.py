"""A version of a statement as a folder of files. Every figure comes in ready-made."""

import json
import shutil
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from schemas.instants import rfc3339
from schemas.outbound.statements import CHANGES, DECLARATIONS, DISCREPANCIES, FILES, PARTNER
from templates.folders import as_json, digest, listing, write_csv
from templates.partner import write_partners
from templates.practice import manifest_json
from templates.rendering import INTERFACE_VERSION
from templates.statement import statement_page
from templates.statement_book import statement_book
from transforms.money.statement import Changes, Statement

LAST_FILE = "manifest.json"


def write_statement(
    folder: Path,
    statement: Statement,
    tables: dict[str, pl.DataFrame],
    changes: Changes | None,
    as_of: datetime,
    made_from: dict[str, Any],
) -> str:
    """Write a version's files. Returns the SHA-256 of manifest.json. Nobody looks at the folder until it is promised.

    tables: the statement's rows by name of the file.
    """
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "schema").mkdir(parents=True)
    written = [file for file in FILES if file is not PARTNER and _is_due(file.name, statement, changes)]
    for file in written:
        write_csv(folder / f"{file.name}.csv", tables[file.name].select(file.columns), file.has_sentences)
    for name in (*(file.name for file in written), PARTNER.name):
        (folder / "schema" / f"{name}.json").write_bytes(_schema(name))
    pages = write_partners(folder / "delivery-partners", statement, tables[DECLARATIONS.name], as_of)
    (folder / "statement.html").write_text(statement_page(statement, changes, as_of, pages), encoding="utf-8")
    book = statement_book(statement, {file.name: tables[file.name] for file in written}, as_of)
    (folder / "statement.xlsx").write_bytes(book)
    (folder / LAST_FILE).write_bytes(manifest_json(_manifest(folder, statement, changes, as_of, made_from)))
    return digest(folder / LAST_FILE)


def _is_due(name: str, statement: Statement, changes: Changes | None) -> bool:
    if name == DISCREPANCIES.name:
        return bool(statement.reasons)
    return name != CHANGES.name or (changes is not None and not changes.store_is_gone)


@cache
def _schema(name: str) -> bytes:
    return as_json(next(file for file in FILES if file.name == name).schema)


def _manifest(
    folder: Path, statement: Statement, changes: Changes | None, as_of: datetime, made_from: dict[str, Any]
) -> dict[str, Any]:
    facts = statement.facts
    totals: dict[str, Any] = {"declarations": statement.declarations, "amount": statement.amounts}
    if statement.reasons:
        totals["difference_by_reason"] = {
            row["reason_code"]: f"{Decimal(row['difference']) / 100:.2f}" for row in statement.reasons
        }
    if changes is not None:
        moved = statement.total_pence - changes.before["total"]
        totals["changed_since_previous_version"] = f"{Decimal(moved) / 100:.2f}"
    return {
        "statement_id": facts["statement_id"],
        "lead_provider_id": facts["lead_provider_id"],
        "lead_provider_name": facts["lead_provider_name"],
        "contract_period": facts["contract_period"],
        "statement_month": statement.month,
        "fee_type": facts["fee_type"],
        "deadline_date": str(facts["deadline_date"]),
        "payment_date": str(facts["payment_date"]),
        "version": statement.version,
        "status": facts["status"],
        "as_of": rfc3339(as_of),
        "previous_version": statement.previous.path if statement.previous else None,
        "delivery_partner_basis": "ordered" if statement.is_ordered else "blended",
        "interface_version": INTERFACE_VERSION,
        "made_from": made_from,
        "control_totals": totals,
        "files": listing(folder, LAST_FILE),
    }


def kept_lines(statement: Statement) -> str:
    """The lines as the ledger keeps them (JSON)."""
    columns = ("line", "section", "participant_type", "declaration_type", "band", "count", "rate", "amount")
    return json.dumps([{name: line[name] for name in columns} for line in statement.lines])
