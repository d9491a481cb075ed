"""A short story of every kind of round, told once without faults: where each round starts, and where it has to end."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from data.records.extract import import_records
from data.sample.nation import write_sample
from flows.clock import instant
from flows.installation import Installation, LeadProvider, open_installation
from flows.settings import Settings
from tests.conftest import IMPORTED_AT, NOW
from tests.exchange.provider import acceptable_rows, box
from tests.faults.state import State, state_of
from tests.faults.worker import Worker

SCALE = 0.001
# First sets; then change sets; then one that is made in the round that judges who asks for it.
EVENING, NIGHT, ASKED = "2026-12-14T20:00:00Z", "2026-12-16T04:00:00Z", "2026-12-16T12:00:00Z"
LATER, AFTER_IT, PAID_AT = "2026-12-15T10:00:00Z", "2027-01-01T00:10:00Z", "2027-01-20T10:00:00Z"
_PUT_AT = 1_797_000_000  # seconds: files carry the same time in every telling, and with it the same submission ids


@dataclass
class Stage:
    """One round: the home it starts from (and database, on PostgreSQL), the state it ends in, how many steps it takes."""

    action: str
    as_of: str
    start: Path
    end: State
    steps: int
    by_kind: dict[str, int]
    statement_id: str | None = None


@dataclass
class Ground:
    """Where a story is told: `settings(home)` gives the carrier and the database that a copy of a home works with, and
    `copied(source, target)` makes that copy, database and all, and `dropped(home)` lets go of its database."""

    name: str
    settings: Callable[[Path], dict[str, str]]
    copied: Callable[[Path, Path], None]
    dropped: Callable[[Path], None]


def put(installation: Installation, provider: LeadProvider, name: str, content: str) -> None:
    path = box(installation, provider) / "to-dfe" / name
    path.write_text(content)
    os.utime(path, (_PUT_AT, _PUT_AT + len(list(path.parent.iterdir()))))


def first_home(folder: Path, settings: dict[str, str]) -> None:
    """Records of two lead providers, with one month's statements alone not paid; and files of every sort waiting."""
    write_sample(folder / "sample", SCALE)
    (folder / "mailboxes").mkdir()
    with open_installation(Settings(**settings)) as installation:
        import_records(installation.database, folder / "sample", instant(IMPORTED_AT))
        first, second = installation.lead_providers()[:2]
        with installation.database.write() as connection:
            connection.exec_driver_sql(
                "UPDATE statements SET status = 'paid' WHERE year * 100 + month <> 202701 OR contract_id NOT IN "
                f"(SELECT contract_id FROM contracts WHERE lead_provider_id IN ('{first.lead_provider_id}', "
                f"'{second.lead_provider_id}') AND contract_period IN (2025, 2026))"
            )
        for provider in (first, second):
            rows = acceptable_rows(installation, provider)
            wrong = rows[:1].with_columns(evidence_held=pl.lit("a-note"))
            put(installation, provider, "declarations.csv", pl.concat([rows[:3], wrong]).write_csv())
            put(installation, provider, "declarations-again.csv", pl.concat([rows[:3], wrong]).write_csv())
            put(installation, provider, "withdrawals.csv", _withdrawal(rows[2:3]))
            put(installation, provider, "expected-payments.csv", _expected(rows[:2]))
            put(installation, provider, "nonsense.txt", "what is this\n")
    shutil.rmtree(folder / "sample")


def _withdrawal(rows: pl.DataFrame) -> str:
    return rows.select("participant_id", "course_identifier", reason=pl.lit("moved-school")).write_csv()


def _expected(rows: pl.DataFrame) -> str:
    month = {"statement_month": pl.lit("2027-01"), "contract_period": pl.lit("2026")}
    return rows.select("participant_id", "course_identifier", "declaration_type", **month).write_csv()


def tell(ground: Ground, worker: Worker, folder: Path) -> dict[str, Stage]:
    """Every round once, without a fault."""
    stages: dict[str, Stage] = {}
    home = folder / "telling"
    home.mkdir(parents=True)
    first_home(home, ground.settings(home))
    rounds = [
        ("intake", "intake", NOW),
        ("open", "statements", NOW),
        ("evening", "extracts", EVENING),
        ("changed", "statements", LATER),
        ("night", "extracts", NIGHT),
        ("asked", "intake", ASKED),
        ("payable", "statements", AFTER_IT),
        ("paid", "authorise", PAID_AT),
    ]
    for name, action, as_of in rounds:
        statement_id = None
        with open_installation(Settings(**ground.settings(home))) as installation:
            if name == "changed":
                for provider in installation.lead_providers()[:2]:
                    fresh = acceptable_rows(installation, provider)[4:6]
                    put(installation, provider, "declarations-more.csv", fresh.write_csv())
                    put(installation, provider, "expected-payments-more.csv", _expected(fresh))
            if name == "asked":
                put(installation, installation.lead_providers()[0], "requests.csv", "request\nextract\n")
            if action == "authorise":
                with installation.database.read() as reader:
                    statement_id = reader.frame(
                        "SELECT MIN(statement_id) AS statement_id FROM statements WHERE status = 'payable'"
                    )["statement_id"][0]
        start = folder / name
        ground.copied(home, start)
        settings = ground.settings(home)
        ended = worker.run(action=action, as_of=as_of, settings=settings, statement_id=statement_id)
        assert ended["status"] == 0 and not ended["troubles"], ended
        end = state_of(Settings(**settings), home)
        stages[name] = Stage(action, as_of, start, end, ended["steps"], ended["by_kind"], statement_id)
    return stages
