"""Statements as folders of files. Every figure comes in ready-made; lines of text are made for many statements at once."""

import json
import shutil
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from schemas.instants import rfc3339
from schemas.outbound.statements import FILES as SENT_FILES
from schemas.outbound.statements import PARTNER as PARTNER_FILE
from schemas.slugs import file_names
from templates.folders import as_json, digest, listing
from templates.lines import html_lines
from templates.rendering import INTERFACE_VERSION
from templates.statement import partner_page, statement_page
from templates.workbook import FIRST_ROW, StatementBook, rows_of
from transforms.money.statement import Changes, Statement
from transforms.money.texts import csv_lines, csv_texts, header

LAST_FILE = "manifest.json"
FILES = {file.name: file for file in SENT_FILES}
# Files whose cells hold sentences begin with a byte-order mark, by which spreadsheets know UTF-8 (handbook: interface).
BYTE_ORDER_MARK = "\ufeff"
PARTNER = ["statement_id", "delivery_partner_id", "delivery_partner_name"]
_ROW_IN_PARTNERS_PAGE = (
    ("full_name", False), ("trn", False), ("participant_type", False), ("school_name", False),
    ("declaration_type", False), ("declaration_date", False), ("line_type", False), ("share_amount", True),
    ("uplift_amount", True),
)  # fmt: skip


@dataclass(frozen=True)
class Texts:
    """The rows of many statements' files as text, by statement_id (and delivery partner): nothing where there are none."""

    csv: dict[str, dict[str, str]]
    partner_csv: dict[str, dict[tuple[str, str], str]]
    partner_html: dict[str, dict[tuple[str, str], str]]
    sheets: dict[str, dict[str, tuple[dict[str, Any], str, int]]]


def texts_of(tables: dict[str, pl.DataFrame], statement_ids: list[str]) -> Texts:
    """Everything that is written of these statements but their pages."""
    tables = {name: rows.filter(pl.col("statement_id").is_in(statement_ids)) for name, rows in tables.items()}
    declarations = tables["declarations"]
    partner_rows = declarations.select(PARTNER_FILE.columns)
    page_cells = [(pl.col(name), is_number) for name, is_number in _ROW_IN_PARTNERS_PAGE]
    page_rows = declarations.with_columns(pl.col("declaration_date").str.slice(0, 10))
    return Texts(
        csv_texts(tables),
        _by_partner(declarations, csv_lines(partner_rows)),
        _by_partner(declarations, html_lines(page_cells, page_rows)),
        {name: _sheet_texts(rows, FILES[name].columns) for name, rows in tables.items() if name != "statement"},
    )


def _by_partner(rows: pl.DataFrame, lines: pl.Series) -> dict[str, dict[tuple[str, str], str]]:
    parts = rows.select(*PARTNER, lines.alias("line")).group_by(PARTNER, maintain_order=True)
    found: dict[str, dict[tuple[str, str], str]] = {}
    for statement_id, partner_id, name, text in parts.agg(pl.col("line").str.join("\n") + "\n").iter_rows():
        found.setdefault(statement_id, {})[(partner_id, name)] = text
    return found


def _sheet_texts(rows: pl.DataFrame, columns: list[str]) -> dict[str, tuple[dict[str, Any], str, int]]:
    """statement_id → (first row, the others as XML, how many in all)."""
    place = pl.int_range(pl.len()).over("statement_id") + FIRST_ROW
    numbered = rows.with_columns(place.alias("place"))
    others = numbered.filter(pl.col("place") > FIRST_ROW)
    parts = others.select("statement_id", rows_of(others, columns, "place").alias("line"))
    whole = parts.group_by("statement_id").agg(pl.col("line").str.join(""), pl.len().alias("count"))
    texts = {key: (text, count) for key, text, count in whole.iter_rows()}
    found = {}
    for first in numbered.filter(pl.col("place") == FIRST_ROW).iter_rows(named=True):
        text, count = texts.get(first["statement_id"], ("", 0))
        found[first["statement_id"]] = (first, text, count + 1)
    return found


def write_statement(
    folder: Path,
    statement: Statement,
    texts: Texts,
    changes: Changes | None,
    as_of: datetime,
    made_from: dict[str, Any],
) -> str:
    """Write a version's files. Returns the SHA-256 of manifest.json. Nobody looks at the folder until it is promised."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "schema").mkdir(parents=True)
    own = statement.statement_id
    written = [name for name in FILES if name != "delivery-partner" and _is_due(name, statement, changes)]
    for name in written:
        columns = FILES[name].columns
        mark = BYTE_ORDER_MARK if FILES[name].has_sentences else ""
        (folder / f"{name}.csv").write_text(
            mark + header(columns) + texts.csv[name].get(own, ""), encoding="utf-8", newline=""
        )
    for name in (*written, "delivery-partner"):
        (folder / "schema" / f"{name}.json").write_bytes(_schema(name))
    _write_partners(folder / "delivery-partners", statement, texts, as_of)
    (folder / "statement.html").write_text(statement_page(statement, changes, as_of), encoding="utf-8")
    (folder / "statement.xlsx").write_bytes(_workbook(statement, texts, written, as_of))
    (folder / LAST_FILE).write_bytes(as_json(_manifest(folder, statement, changes, as_of, made_from)))
    return digest(folder / LAST_FILE)


def _is_due(name: str, statement: Statement, changes: Changes | None) -> bool:
    if name == "discrepancies":
        return bool(statement.reasons)
    return name != "changes" or (changes is not None and not changes.store_is_gone)


@cache
def _schema(name: str) -> bytes:
    return as_json(FILES[name].schema)


def _write_partners(folder: Path, statement: Statement, texts: Texts, as_of: datetime) -> None:
    rows = texts.partner_csv.get(statement.statement_id)
    if not rows:
        return
    folder.mkdir()
    pages, columns = texts.partner_html[statement.statement_id], PARTNER_FILE.columns
    sums = {partner["delivery_partner_id"]: partner for partner in statement.partners}
    for name, partner in zip(file_names(rows), rows, strict=True):
        (folder / f"{name}.csv").write_text(header(columns) + rows[partner], encoding="utf-8", newline="")
        own = sums.get(partner[0]) or {
            "delivery_partner_id": partner[0],
            "delivery_partner_name": partner[1],
            "pence": 0,
        }
        lines = own.get("lines", [])
        page = partner_page(statement, own, lines, pages[partner], f"{name}.csv", as_of)
        (folder / f"{name}.html").write_text(page, encoding="utf-8")


def _workbook(statement: Statement, texts: Texts, written: list[str], as_of: datetime) -> bytes:
    facts = statement.facts
    title = (
        f"{facts['lead_provider_name']}, statement for {statement.month}, contract period {facts['contract_period']}"
    )
    book = StatementBook(as_of, title)
    heading = [
        ("Lead provider", facts["lead_provider_name"]), ("Contract period", str(facts["contract_period"])),
        ("Month", statement.month), ("Status", facts["status"]), ("Version", str(statement.version)),
        ("Deadline", str(facts["deadline_date"])), ("Payment date", str(facts["payment_date"])),
        ("Statement id", statement.statement_id),
    ]  # fmt: skip
    sums = {section: Decimal(pence) / 100 for section, pence in statement.sums.items()}
    nothing = Decimal()
    outputs = sums.get("output", nothing) + sums.get("clawback", nothing)
    uplifts = sums.get("uplift", nothing) + sums.get("uplift-clawback", nothing)
    lines = [{**line, "amount": Decimal(line["pence"]) / 100, "what": line["label"]} for line in statement.lines]
    book.lines_sheet(heading, lines, {"total": sums["total"], "declarations": outputs + uplifts})
    declarations = {"amount": outputs, "uplift_amount": uplifts, "share_amount": outputs}
    for name, sheet, table, totals in (
        ("declarations", "Declarations", "Declarations", declarations),
        ("delivery-partners", "Delivery partners", "Partners", {"amount": outputs + uplifts}),
        ("discrepancies", "Discrepancies", "Discrepancies", _sums_of_differences(statement)),
        ("changes", "Changes", "Changes", {}),
    ):
        if name in written:
            first, rows, count = texts.sheets[name].get(statement.statement_id, (None, "", 0))
            book.long_sheet(sheet, table, FILES[name].columns, first, rows, count, totals)
    return book.finished()


def _sums_of_differences(statement: Statement) -> dict[str, Decimal]:
    columns = {"expected_amount": "expected", "due_amount": "due", "difference": "difference"}
    return {column: Decimal(sum(row[name] for row in statement.reasons)) / 100 for column, name in columns.items()}


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
