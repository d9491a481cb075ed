"""From the accounts to statements ready to be written: figures, shares, differences, tables, and what pages show."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from data.ledger import VersionRow
from data.statements import Accounts
from flows.house import House
from flows.statement_files import Statement, csv_texts
from flows.statement_page import ROWS_SHOWN
from sftp.mailbox import slug
from transforms.breakdowns import differences, share
from transforms.discrepancies import discrepancies
from transforms.explaining import unit_fees
from transforms.overview import counts, differences_by_reason, filling, gross_overflow, partner_sums
from transforms.statement_tables import StatementTables, statement_tables
from transforms.statements import compute_figures


@dataclass(frozen=True)
class Computed:
    """statements that add up; held_back: a line for each that does not; tables: by file name, rows of all statements,
    statement_id in front."""

    statements: list[Statement]
    held_back: list[str]
    tables: dict[str, pl.DataFrame]


@dataclass(frozen=True)
class _Shown:
    """What pages show, statement by statement."""

    lines: dict[str, list[dict[str, Any]]]
    counts: dict[str, list[dict[str, Any]]]
    filling: dict[str, list[dict[str, Any]]]
    partners: dict[str, list[dict[str, Any]]]
    reasons: dict[str, list[dict[str, Any]]]
    differing: dict[str, list[dict[str, Any]]]
    fees: dict[str, list[dict[str, Any]]]


def compute(house: House, accounts: Accounts, today: date, again: bool = False) -> Computed:
    """Every chosen statement of the accounts, as it would be delivered now; `again`: as its last version anew. Writes
    nothing."""
    chosen = accounts.statements.filter(pl.col("statement_id").is_in(accounts.chosen.implode()))
    figures = compute_figures(
        accounts.statements, accounts.chosen, accounts.bands, accounts.units, accounts.declarations,
        accounts.adjustments,
    )  # fmt: skip
    ordered = chosen.filter(
        pl.col("lead_provider_name").map_elements(
            lambda name: house.settings.shares_are_ordered(slug(name)), return_dtype=pl.Boolean
        )
    )
    shares = share(figures.declarations, ordered)
    wrong = differences(figures.lines, shares)
    expectations = accounts.expectations
    different = discrepancies(
        chosen, figures.declarations, accounts.bands, expectations.expected, expectations.trained, expectations.merges,
        expectations.declarations, expectations.rejected, accounts.named, today,
    )  # fmt: skip
    versions = house.ledger.versions()
    numbers = {key: last.version + (not again) for key, last in versions.items()}
    tables = statement_tables(chosen, figures.lines, shares, different, numbers)
    terms = accounts.bands.sort("contract_id", "band")
    shown = _Shown(
        lines=_by_statement(_with_rates(figures.lines, tables.lines)),
        counts=_by_statement(counts(figures.declarations)),
        filling=_by_statement(filling(figures.declarations, chosen, accounts.bands)),
        partners=_partners(partner_sums(shares.partners), shares.partners),
        reasons=_by_statement(differences_by_reason(different)),
        differing=_by_statement(_first_of(tables.discrepancies.filter(pl.col("reason_code") != "agreed"))),
        fees=_by_statement(unit_fees(chosen, accounts.bands)),
    )
    contents, held = _contents(tables), set(wrong["statement_id"])
    bands = {key[0]: part.to_dicts() for key, part in terms.partition_by("contract_id", as_dict=True).items()}
    overflown = _by_statement(
        gross_overflow(accounts.statements, accounts.chosen, accounts.bands, accounts.units)
    )
    heights = dict(figures.declarations.group_by("statement_id").len().iter_rows())
    is_ordered = set(ordered["statement_id"])
    statements = [
        _statement(facts, numbers.get(facts["statement_id"], 1), versions.get(facts["statement_id"]), contents, shown, bands, heights, is_ordered, overflown)
        for facts in chosen.sort("lead_provider_name", "contract_period", "year", "month").iter_rows(named=True)
        if facts["statement_id"] not in held
    ]
    _remember_earlier(statements, accounts.named, versions)
    return Computed(
        statements,
        [f"{row['statement_id']}: {row['what']} differ by {row['difference']}p" for row in wrong.to_dicts()],
        {
            "statement": tables.lines, "declarations": tables.declarations, "delivery-partners": tables.partners,
            "discrepancies": tables.discrepancies,
        },
    )  # fmt: skip


def _statement(
    facts: dict[str, Any],
    version: int,
    previous: VersionRow | None,
    contents: dict[str, str],
    shown: _Shown,
    bands: dict[Any, list[dict[str, Any]]],
    heights: dict[str, int],
    ordered: set[str],
    overflown: dict[str, list[dict[str, Any]]],
) -> Statement:
    own = facts["statement_id"]
    fees = {(row["participant_type"], row["declaration_type"], row["band"]): row for row in shown.fees.get(own, [])}
    return Statement(
        facts=facts,
        version=version,
        previous=previous,
        is_ordered=own in ordered,
        content=contents[own],
        lines=shown.lines[own],
        declarations=heights.get(own, 0),
        counts=shown.counts.get(own, []),
        filling=shown.filling.get(own, []),
        partners=shown.partners.get(own, []),
        reasons=shown.reasons.get(own, []),
        differing=shown.differing.get(own, []),
        fees=fees,
        terms=bands.get(facts["contract_id"], []),
        overflown=[row["declaration_type"] for row in overflown.get(own, [])],
    )


def _with_rates(lines: pl.DataFrame, written: pl.DataFrame) -> pl.DataFrame:
    """The lines with rate and amount as statement.csv writes them."""
    return lines.join(written.select("statement_id", "line", "rate", "amount"), on=["statement_id", "line"],
                      maintain_order="left")  # fmt: skip


def _by_statement(rows: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows.iter_rows(named=True):
        found.setdefault(row["statement_id"], []).append(row)
    return found


def _first_of(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.int_range(pl.len()).over("statement_id") < ROWS_SHOWN)


def _partners(sums: pl.DataFrame, lines: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Each partner's sums, with the lines that make them."""
    found = _by_statement(sums)
    own: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in lines.iter_rows(named=True):
        own.setdefault((line["statement_id"], line["delivery_partner_id"]), []).append(line)
    for statement_id, partners in found.items():
        for partner in partners:
            partner["lines"] = own[statement_id, partner["delivery_partner_id"]]
    return found


def _contents(tables: StatementTables) -> dict[str, str]:
    """A digest of everything each statement says: a new version is due when it changes.

    Not of its version's number; nor of advice, which names the next deadline and so changes with the calendar.
    """
    texts = csv_texts(
        {"declarations": tables.declarations, "delivery-partners": tables.partners}
    )
    said = {**texts, "lines": _joined(tables.lines.drop("version")), "differences": _joined(tables.discrepancies.drop("what_to_do"))}
    digests = {}
    for statement_id in said["lines"]:
        digest = hashlib.sha256()
        for name in ("lines", "declarations", "delivery-partners", "differences"):
            digest.update(said[name].get(statement_id, "").encode() + b"\0")
        digests[statement_id] = digest.hexdigest()
    return digests


def _joined(rows: pl.DataFrame) -> dict[str, str]:
    from flows.lines import csv_lines
    from flows.statement_files import joined

    return joined(rows, csv_lines(rows))


def _remember_earlier(statements: list[Statement], named: pl.DataFrame, versions: dict[str, VersionRow]) -> None:
    """To each statement the earlier ones of its lead provider and contract period whose totals are known."""
    known = {key: (last.status, int(last.total * 100)) for key, last in versions.items()}
    known |= {each.statement_id: (each.facts["status"], each.total_pence) for each in statements}
    columns = ("statement_id", "lead_provider_id", "contract_period", "year", "month")
    every: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for own, owner, period, year, month in _sorted(named.select(columns).iter_rows()):
        if own in known:
            status, pence = known[own]
            row = {"year": year, "month": month, "status": status, "pence": pence}
            every.setdefault((owner, period), []).append(row)
    for statement in statements:
        facts = statement.facts
        rows = every[facts["lead_provider_id"], facts["contract_period"]]
        now = (facts["year"], facts["month"])
        statement.earlier.extend(row for row in rows if (row["year"], row["month"]) < now)


def _sorted(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(rows, key=lambda row: (row[3], row[4]))
