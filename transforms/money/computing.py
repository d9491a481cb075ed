"""From the accounts to statements ready to be written: figures, shares, differences, tables, and what pages show."""

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from schemas.accounts import Accounts, Expectations
from schemas.outbound.statements import DECLARATIONS, PARTNERS
from schemas.outbound.versions import Version
from transforms.money.breakdowns import Shares, differences, share
from transforms.money.discrepancies import discrepancies
from transforms.money.holding import DOES_NOT_ADD_UP, held_for_prices
from transforms.money.overview import counts, differences_by_reason, filling, gross_overflow, partner_sums
from transforms.money.parts import as_csv, by_statement
from transforms.money.statement import Rows, Statement
from transforms.money.statement_tables import StatementTables, statement_tables
from transforms.money.statements import Figures, compute_figures
from transforms.money.told_once import told_once

ByStatement = dict[str, Rows]


@dataclass(frozen=True)
class HeldBack:
    """A statement that stays in the house: code (NO-PRICE, DOES-NOT-ADD-UP) and why."""

    statement_id: str
    code: str
    why: str

    def __str__(self) -> str:
        return f"{self.statement_id}: {self.why}"


@dataclass(frozen=True)
class Terms:
    """What is not in the accounts. ordered: ids of lead providers whose delivery partners' shares go by the ordered rule;
    versions: the last version of each statement that has one; today: in London. again: the last version anew, not a new one."""

    ordered: list[str]
    versions: dict[str, Version]
    today: date
    again: bool = False


@dataclass(frozen=True)
class Computed:
    """statements that can be delivered; held_back: why others cannot; tables: by file name, rows of all statements,
    statement_id in front."""

    statements: list[Statement]
    held_back: list[HeldBack]
    tables: dict[str, pl.DataFrame]


def compute(accounts: Accounts, expectations: Expectations, terms: Terms) -> Computed:
    """Every chosen statement of the accounts, as it would be delivered now."""
    wanted = accounts.wanted
    figures = compute_figures(accounts)
    ordered = wanted.filter(pl.col("lead_provider_id").is_in(terms.ordered))
    shares = share(figures.declarations, ordered)
    wrong = _held_back(accounts, figures, shares, terms.again)
    different = discrepancies(accounts, figures, expectations, terms.today)
    step = 0 if terms.again else 1
    numbers = {key: last.version + step for key, last in terms.versions.items()}
    tables = statement_tables(accounts, figures, shares, different, numbers)
    shown, contents = _shown(accounts, figures, shares, different, tables), _contents(tables)
    held, is_ordered = {each.statement_id for each in wrong}, set(ordered["statement_id"])
    earlier = _earlier(wanted, figures.lines, accounts.named, terms.versions, held)
    statements = [
        Statement(
            facts=facts, version=numbers.get(own, 1), previous=terms.versions.get(own), is_ordered=own in is_ordered,
            content=contents[own], service_fee=figures.service_fees[own], earlier=earlier[own],
            **{name: rows.get(own, []) for name, rows in shown.items()},
        )
        for own, facts in zip(wanted["statement_id"], wanted.iter_rows(named=True), strict=True)
        if own not in held
    ]  # fmt: skip
    statements.sort(key=lambda each: (each.facts["lead_provider_name"], each.facts["contract_period"], each.month))
    return Computed(statements, wrong, tables.by_file())


def _held_back(accounts: Accounts, figures: Figures, shares: Shares, again: bool) -> list[HeldBack]:
    """What has no price (asked of what is not paid yet alone), and what does not add up."""
    found = [] if again else [HeldBack(*row) for row in held_for_prices(accounts).iter_rows()]
    for row in differences(figures.lines, shares).iter_rows(named=True):
        why = f"{row['what']} differ by {row['difference']}p"
        found.append(HeldBack(row["statement_id"], DOES_NOT_ADD_UP, why))
    return found


def _shown(
    accounts: Accounts, figures: Figures, shares: Shares, different: pl.DataFrame, tables: StatementTables
) -> dict[str, ByStatement]:
    """What pages show: name (of a field of Statement) → statement_id → rows."""
    written = tables.lines.select("statement_id", "line", "rate", "amount")
    frames = {
        "lines": figures.lines.join(written, on=["statement_id", "line"], maintain_order="left"),
        "counts": counts(figures.declarations),
        "filling": filling(figures.declarations, accounts.wanted, accounts.bands),
        "reasons": differences_by_reason(different),
        "differing": told_once(tables.discrepancies),
        "overflown": gross_overflow(accounts),
    }
    return {name: _by(frame, "statement_id") for name, frame in frames.items()} | {
        "partners": _partners(shares.partners)
    }


def _by(frame: pl.DataFrame, key: str) -> ByStatement:
    found: ByStatement = {}
    for row in frame.iter_rows(named=True):
        found.setdefault(row[key], []).append(row)
    return found


def _partners(partners: pl.DataFrame) -> ByStatement:
    """Each partner's sums, with the lines that make them."""
    found = _by(partner_sums(partners), "statement_id")
    lines: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in partners.iter_rows(named=True):
        lines.setdefault((line["statement_id"], line["delivery_partner_id"]), []).append(line)
    for statement_id, own in found.items():
        for partner in own:
            partner["lines"] = lines[statement_id, partner["delivery_partner_id"]]
    return found


def _contents(tables: StatementTables) -> dict[str, str]:
    """A digest of everything each statement says: a new version is due when it changes.

    Not of its version's number, nor of what an adjustment is for, which stays; nor of advice, which names the next
    deadline and so changes with the calendar.
    """
    said = [
        by_statement(tables.lines.drop("version", "description")),
        {own: rows.select(DECLARATIONS.columns) for own, rows in by_statement(tables.declarations).items()},
        {own: rows.select(PARTNERS.columns) for own, rows in by_statement(tables.partners).items()},
        by_statement(tables.discrepancies.drop("what_to_do")),
    ]
    digests = {}
    for statement_id in said[0]:
        text = "\0".join(as_csv(part.get(statement_id)) for part in said)
        digests[statement_id] = hashlib.sha256(text.encode()).hexdigest()
    return digests


def _earlier(
    wanted: pl.DataFrame, lines: pl.DataFrame, named: pl.DataFrame, versions: dict[str, Version], held: set[str]
) -> ByStatement:
    """To each statement the earlier ones of its lead provider and contract period whose totals are known: year, month,
    status, pence; those computed now as they come out now, the others as their last version has them."""
    known = {key: (last.status, int(last.total * 100)) for key, last in versions.items()}
    totals = dict(lines.filter(pl.col("section") == "total").select("statement_id", "pence").iter_rows())
    statuses = wanted.select("statement_id", "status").iter_rows()
    known |= {own: (status, totals[own]) for own, status in statuses if own not in held}
    every: dict[tuple[str, int], Rows] = {}
    columns = ("statement_id", "lead_provider_id", "contract_period", "year", "month")
    for own, owner, period, year, month in named.sort("year", "month").select(columns).iter_rows():
        if own in known:
            status, pence = known[own]
            row = {"year": year, "month": month, "status": status, "pence": pence}
            every.setdefault((owner, period), []).append(row)
    return {
        own: [row for row in every.get((owner, period), []) if (row["year"], row["month"]) < (year, month)]
        for own, owner, period, year, month in wanted.select(columns).iter_rows()
    }
