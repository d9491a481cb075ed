"""Paid is frozen: paid statements computed anew from the records, and compared with what was delivered.

A figure that would come out differently today is an alarm; what was paid stands (handbook: payments 13.3).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path

import polars as pl

from data.accounts import load_accounts
from data.ledger import PaidVersion
from flows.clock import london_day
from flows.errors import ExchangeError
from flows.installation import House
from flows.rounds.computing import Computed, compute
from schemas.outbound.statements import MODELS
from templates.lines import header
from templates.rendering import digest
from templates.statement_files import csv_texts

# What is money in each file, and what a row is known by.
MONEY = {
    "statement": (("line",), ("section", "declaration_type", "band", "count", "rate", "amount")),
    "declarations": (("line_type", "declaration_id"), ("band", "rate", "amount", "uplift_amount", "share_amount")),
    "delivery-partners": (
        ("delivery_partner_id", "section", "participant_type", "declaration_type"), ("count", "amount"),
    ),
}  # fmt: skip


@dataclass
class Verified:
    """statements: how many were computed anew; alarms: figures or files that are not as paid; moved_on: files in which
    only names, states and the like have changed in the records since."""

    statements: int = 0
    alarms: list[str] = field(default_factory=list)
    moved_on: int = 0


def verify(house: House, now: datetime, statement_id: str | None = None) -> Verified:
    """Compute every paid statement anew, or the one named, contract period by contract period. Changes nothing."""
    paid = house.ledger.paid_versions(statement_id)
    if statement_id is not None and not paid:
        raise ExchangeError(
            "NOT-PAID", f"No paid version of {statement_id} was delivered.", "Copy the id from a manifest."
        )
    done = Verified()
    for _, group in groupby(paid, key=lambda each: (each.lead_provider_id, each.contract_period)):
        versions = {each.statement_id: each for each in group}
        with house.database.read() as reader:
            accounts = load_accounts(reader, list(versions))
        computed = compute(house, accounts, london_day(now), again=True)
        done.statements += len(versions)
        done.alarms += [f"adds up no longer: {line}" for line in computed.held_back]
        for statement_id_, version in versions.items():
            for alarm in _differences(house, version, computed, statement_id_, done):
                done.alarms.append(f"{version.path} ({statement_id_}): {alarm}")
    return done


def not_as_delivered(
    house: House, lead_provider_id: str, version_path: str, sha256: str, computed: Computed, statement_id: str
) -> list[str]:
    """What would come out differently now from what a version said that was delivered, figure by figure."""
    version = PaidVersion(statement_id, lead_provider_id, 0, 0, version_path, sha256)
    return list(_differences(house, version, computed, statement_id, Verified()))


def _differences(
    house: House, version: PaidVersion, computed: Computed, statement_id: str, done: Verified
) -> Iterator[str]:
    folder = house.outbox / version.lead_provider_id / version.path
    manifest = folder / "manifest.json"
    if not manifest.is_file() or digest(manifest) != version.sha256:
        yield "manifest.json is not the one that was delivered"
        return
    own = {name: computed.tables[name].filter(pl.col("statement_id") == statement_id) for name in MONEY}
    texts = csv_texts(own)
    for name in MONEY:
        again = header(list(MODELS[name].columns)) + texts[name].get(statement_id, "")
        told = _compared(folder / f"{name}.csv", again, own[name], name)
        if told:
            yield told
        elif told is None:
            done.moved_on += 1


def _compared(path: Path, again: str, rows: pl.DataFrame, name: str) -> str | None:
    """'' when the bytes are the same, None when only details differ, else what money differs."""
    if not path.is_file():
        return f"{path.name} is gone"
    if path.read_bytes() == again.encode():
        return ""
    key, money = MONEY[name]
    columns = list(dict.fromkeys((*key, *money)))
    before = pl.read_csv(path, infer_schema=False).select(columns)
    now = rows.select(pl.col(column).cast(pl.String) for column in columns)
    gone, new = (
        one.join(other, on=columns, how="anti", nulls_equal=True) for one, other in ((before, now), (now, before))
    )
    if gone.is_empty() and new.is_empty():
        return None
    first = "; ".join([*_shown(gone, "was"), *_shown(new, "would be")][:FIGURES_SHOWN])
    return f"{path.name}: {max(gone.height, new.height)} rows would come out differently today ({first})"


FIGURES_SHOWN = 4


def _shown(rows: pl.DataFrame, word: str) -> list[str]:
    """The first rows as they were, or would be: ids and figures, nothing personal."""
    told = rows.head(FIGURES_SHOWN // 2).iter_rows()
    return [f"{word} {' '.join(str(cell) for cell in row if cell is not None)}" for row in told]
