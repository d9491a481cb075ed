"""From the accounts to statements ready to be written: figures, shares, differences, tables, and what pages show."""

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from data.accounts import Accounts
from data.ledger import VersionRow
from flows.installation import House
from templates.lines import csv_lines
from templates.statement import ROWS_SHOWN
from templates.statement_files import Statement, csv_texts, joined
from transforms.money.breakdowns import Shares, differences, share
from transforms.money.discrepancies import discrepancies
from transforms.money.explaining import unit_fees
from transforms.money.holding import DOES_NOT_ADD_UP, held_for_prices
from transforms.money.overview import counts, differences_by_reason, filling, gross_overflow, partner_sums
from transforms.money.statement_tables import StatementTables, statement_tables
from transforms.money.statements import Figures, compute_figures

Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class HeldBack:
    """A statement that stays in the house: code (NO-PRICE, DOES-NOT-ADD-UP) and why."""

    statement_id: str
    code: str
    why: str

    def __str__(self) -> str:
        return f"{self.statement_id}: {self.why}"


@dataclass(frozen=True)
class Computed:
    """statements that can be delivered; held_back: why others cannot; tables: by file name, rows of all statements,
    statement_id in front."""

    statements: list[Statement]
    held_back: list[HeldBack]
    tables: dict[str, pl.DataFrame]


def compute(house: House, accounts: Accounts, today: date, again: bool = False) -> Computed:
    """Every chosen statement of the accounts, as it would be delivered now; `again`: as its last version anew. Writes
    nothing."""
    chosen = accounts.statements.filter(pl.col("statement_id").is_in(accounts.chosen.implode()))
    figures = compute_figures(
        accounts.statements, accounts.chosen, accounts.bands, accounts.units, accounts.declarations,
        accounts.adjustments,
    )  # fmt: skip
    by_order = [
        each.lead_provider_id for each in house.lead_providers() if house.settings.shares_are_ordered(each.slug)
    ]
    ordered = chosen.filter(pl.col("lead_provider_id").is_in(by_order))
    shares = share(figures.declarations, ordered)
    wrong = _held_back(accounts, figures, shares, again)
    different = _different(accounts, chosen, figures, today)
    versions = house.ledger.versions()
    numbers = {key: last.version + (not again) for key, last in versions.items()}
    tables = statement_tables(chosen, figures.lines, shares, different, numbers)
    shown = _shown(accounts, chosen, figures, shares, different, tables)
    contents = _contents(tables)
    held, is_ordered = {each.statement_id for each in wrong}, set(ordered["statement_id"])
    statements = [
        Statement(
            facts=facts, version=numbers.get(own, 1), previous=versions.get(own), is_ordered=own in is_ordered,
            content=contents[own], terms=shown["terms"].get(facts["contract_id"], []),
            **{name: shown[name].get(own, []) for name in _ON_THE_PAGE},
        )
        for own, facts in zip(chosen["statement_id"], chosen.iter_rows(named=True), strict=True)
        if own not in held
    ]  # fmt: skip
    statements.sort(key=lambda each: (each.facts["lead_provider_name"], each.facts["contract_period"], each.month))
    _remember_earlier(statements, accounts.named, versions)
    return Computed(
        statements,
        wrong,
        {
            "statement": tables.lines, "declarations": tables.declarations, "delivery-partners": tables.partners,
            "discrepancies": tables.discrepancies,
        },
    )  # fmt: skip


def _held_back(accounts: Accounts, figures: Figures, shares: Shares, again: bool) -> list[HeldBack]:
    """What has no price (asked of what is not paid yet alone), and what does not add up."""
    prices = held_for_prices(accounts.statements, accounts.chosen, accounts.mismatched, accounts.declarations)
    found = [] if again else [HeldBack(*row) for row in prices.iter_rows()]
    for row in differences(figures.lines, shares).iter_rows(named=True):
        why = f"{row['what']} differ by {row['difference']}p"
        found.append(HeldBack(row["statement_id"], DOES_NOT_ADD_UP, why))
    return found


def _different(accounts: Accounts, chosen: pl.DataFrame, figures: Figures, today: date) -> pl.DataFrame:
    told = accounts.expectations
    return discrepancies(
        chosen, figures.declarations, accounts.bands, told.expected, told.trained, told.merges, told.declarations,
        told.rejected, accounts.named, today, told.partners, told.rejected_of_lists,
    )  # fmt: skip


_ON_THE_PAGE = ("lines", "counts", "filling", "partners", "reasons", "differing", "fees", "overflown")


def _shown(
    accounts: Accounts,
    chosen: pl.DataFrame,
    figures: Figures,
    shares: Shares,
    different: pl.DataFrame,
    tables: StatementTables,
) -> dict[str, Rows]:
    """What pages show, by statement_id; and the bands (`terms`) by contract_id."""
    written = tables.lines.select("statement_id", "line", "rate", "amount")
    lines = figures.lines.join(written, on=["statement_id", "line"], maintain_order="left")
    told = tables.discrepancies.filter(pl.col("reason_code") != "agreed")
    first_told = told.filter(pl.int_range(pl.len()).over("statement_id") < ROWS_SHOWN)
    overflown = gross_overflow(accounts.statements, accounts.chosen, accounts.bands, accounts.units)
    frames = {
        "lines": lines,
        "counts": counts(figures.declarations),
        "filling": filling(figures.declarations, chosen, accounts.bands),
        "reasons": differences_by_reason(different),
        "differing": first_told,
        "fees": unit_fees(chosen, accounts.bands),
        "overflown": overflown,
    }
    rows = {name: _by(frame, "statement_id") for name, frame in frames.items()}
    terms = _by(accounts.bands.sort("contract_id", "band"), "contract_id")
    return rows | {"partners": _partners(shares.partners), "terms": terms}


def _by(frame: pl.DataFrame, key: str) -> Rows:
    found: Rows = {}
    for row in frame.iter_rows(named=True):
        found.setdefault(row[key], []).append(row)
    return found


def _partners(partners: pl.DataFrame) -> Rows:
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

    Not of its version's number; nor of advice, which names the next deadline and so changes with the calendar.
    """
    said = [
        _joined(tables.lines.drop("version")),
        *csv_texts({"declarations": tables.declarations, "delivery-partners": tables.partners}).values(),
        _joined(tables.discrepancies.drop("what_to_do")),
    ]
    digests = {}
    for statement_id in said[0]:
        text = "\0".join(part.get(statement_id, "") for part in said)
        digests[statement_id] = hashlib.sha256(text.encode()).hexdigest()
    return digests


def _joined(rows: pl.DataFrame) -> dict[str, str]:
    return joined(rows, csv_lines(rows))


def _remember_earlier(statements: list[Statement], named: pl.DataFrame, versions: dict[str, VersionRow]) -> None:
    """To each statement the earlier ones of its lead provider and contract period whose totals are known."""
    known = {key: (last.status, int(last.total * 100)) for key, last in versions.items()}
    known |= {each.statement_id: (each.facts["status"], each.total_pence) for each in statements}
    every: dict[tuple[str, int], list[dict[str, Any]]] = {}
    columns = ("statement_id", "lead_provider_id", "contract_period", "year", "month")
    for own, owner, period, year, month in named.sort("year", "month").select(columns).iter_rows():
        if own in known:
            status, pence = known[own]
            row = {"year": year, "month": month, "status": status, "pence": pence}
            every.setdefault((owner, period), []).append(row)
    for statement in statements:
        facts = statement.facts
        now = (facts["year"], facts["month"])
        rows = every[facts["lead_provider_id"], facts["contract_period"]]
        statement.earlier.extend(row for row in rows if (row["year"], row["month"]) < now)
