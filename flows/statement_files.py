"""One version of one statement, written out as its folder. Every figure comes in ready-made."""

import calendar
import hashlib
import shutil
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from data.tables import rfc3339
from flows.rendering import INTERFACE_VERSION, as_json, digest, listing, page, write, write_csv
from schemas.outbound import PARTNER_LEAVES_OUT
from schemas.vocabulary import DECLARATION_TYPES
from sftp.mailbox import slug

LAST_FILE = "manifest.json"
SECTION_WORDS = {
    "output": "Output payments",
    "clawback": "Clawbacks",
    "uplift": "Uplift fees",
    "uplift-clawback": "Uplift clawbacks",
    "service-fee": "Service fee",
    "adjustment": "Additional adjustments",
    "vat": "VAT",
}
STATUS_WORDS = {
    "open": "Provisional: it changes as declarations arrive, until the deadline has passed.",
    "payable": "Final: awaiting authorisation for payment.",
    "paid": "Authorised for payment. These figures will not change.",
}


@dataclass(frozen=True)
class Statement:
    """One statement's facts (its row in data.statements.Accounts) and tables (transforms.statement_tables), version apart."""

    facts: dict[str, Any]
    lines: pl.DataFrame
    labels: dict[int, str]
    declarations: pl.DataFrame
    partners: pl.DataFrame
    is_ordered: bool

    @property
    def month(self) -> str:
        return f"{self.facts['year']}-{self.facts['month']:02}"

    @property
    def total(self) -> Decimal:
        return Decimal(self.lines["amount"][-1])

    def path(self, version: int) -> str:
        place = f"from-dfe/statements/{self.facts['contract_period']}/{self.month}"
        return f"{place}/v{version:02}-{self.facts['status']}"

    def content(self) -> str:
        """A digest of everything the statement says: a new version is due when it changes."""
        text = hashlib.sha256()
        for table in (self.lines.drop("version"), self.declarations, self.partners):
            text.update(table.write_csv(None).encode())
        return text.hexdigest()

    def amounts(self) -> dict[str, str]:
        """Control totals: pounds by section."""
        sums: dict[str, Decimal] = {}
        for section, amount in self.lines.select("section", "amount").iter_rows():
            sums[section] = sums.get(section, Decimal()) + Decimal(amount)
        return {section: f"{amount:.2f}" for section, amount in sums.items()}


def write_statement(
    folder: Path, statement: Statement, version: int, previous: str | None, as_of: datetime, made_from: dict[str, Any]
) -> str:
    """Write a version's files. Returns the SHA-256 of manifest.json."""
    shutil.rmtree(folder, ignore_errors=True)
    lines = statement.lines.with_columns(pl.lit(version, pl.Int64).alias("version"))
    write_csv(folder / "statement.csv", lines)
    write_csv(folder / "declarations.csv", statement.declarations)
    write_csv(folder / "delivery-partners.csv", statement.partners)
    for name, rows in _by_partner(statement.declarations):
        write_csv(folder / "delivery-partners" / f"{name}.csv", rows.drop(PARTNER_LEAVES_OUT))
    write(folder / "statement.html", _page(statement, version, previous, as_of))
    write(folder / LAST_FILE, as_json(_manifest(folder, statement, version, previous, as_of, made_from)))
    return digest(folder / LAST_FILE)


def _by_partner(declarations: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    """(file name, rows) of each delivery partner; two names that fold to one slug are told apart by their ids."""
    parts = declarations.partition_by("delivery_partner_id", "delivery_partner_name", as_dict=True, maintain_order=True)
    slugs = [slug(str(name)) for _, name in parts]
    return [
        (name if slugs.count(name) == 1 else f"{name}-{str(partner)[:8]}", rows)
        for name, ((partner, _), rows) in zip(slugs, parts.items(), strict=True)
    ]


def _manifest(
    folder: Path, statement: Statement, version: int, previous: str | None, as_of: datetime, made_from: dict[str, Any]
) -> dict[str, Any]:
    facts = statement.facts
    return {
        "statement_id": facts["statement_id"],
        "lead_provider_id": facts["lead_provider_id"],
        "lead_provider_name": facts["lead_provider_name"],
        "contract_period": facts["contract_period"],
        "statement_month": statement.month,
        "fee_type": facts["fee_type"],
        "deadline_date": str(facts["deadline_date"]),
        "payment_date": str(facts["payment_date"]),
        "version": version,
        "status": facts["status"],
        "as_of": rfc3339(as_of),
        "previous_version": previous,
        "delivery_partner_basis": "ordered" if statement.is_ordered else "blended",
        "interface_version": INTERFACE_VERSION,
        "made_from": made_from,
        "control_totals": {"declarations": statement.declarations.height, "amount": statement.amounts()},
        "files": listing(folder, LAST_FILE),
    }


def _page(statement: Statement, version: int, previous: str | None, as_of: datetime) -> str:
    lines = statement.lines.to_dicts()
    for line in lines:
        line["label"] = statement.labels.get(line["line"], "")
        line["amount"] = Decimal(line["amount"])
    amounts = {section: Decimal(amount) for section, amount in statement.amounts().items()}
    return page(
        "statement.html",
        facts=statement.facts,
        month=f"{calendar.month_name[statement.facts['month']]} {statement.facts['year']}",
        version=version,
        previous=previous,
        as_of=as_of,
        status_words=STATUS_WORDS[statement.facts["status"]],
        overview=[(words, amounts[section]) for section, words in SECTION_WORDS.items() if section in amounts],
        total=amounts["total"],
        lines=[line for line in lines if line["section"] not in ("vat", "total")],
        section_words=SECTION_WORDS,
        counts=_counts(statement.declarations),
        partners=_partner_sums(statement.partners),
        over_volume=_over_volume(statement.declarations),
    )


def _counts(declarations: pl.DataFrame) -> list[dict[str, Any]]:
    """Declarations by type: billable, clawed back, voided."""
    kinds = pl.col("line_type")
    counted = declarations.group_by("declaration_type").agg(
        *((kinds == kind).sum().alias(kind) for kind in ("output", "clawback", "voided"))
    )
    return sorted(counted.to_dicts(), key=lambda row: DECLARATION_TYPES.index(row["declaration_type"]))


def _partner_sums(partners: pl.DataFrame) -> list[dict[str, Any]]:
    sums: dict[str, dict[str, Any]] = {}
    for row in partners.iter_rows(named=True):
        partner = sums.setdefault(
            row["delivery_partner_id"], {"name": row["delivery_partner_name"], "amount": Decimal()}
        )
        partner["amount"] += Decimal(row["amount"])
    return list(sums.values())


def _over_volume(declarations: pl.DataFrame) -> int:
    """Billable declarations beyond the last band: listed, and worth nothing."""
    return declarations.filter((pl.col("line_type") == "output") & (pl.col("rate") == "0.00")).height
