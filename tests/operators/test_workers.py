"""Work over a pool of workers: one is killed with its run, one cut off from the database, one has its clock five minutes wrong;
everything is done exactly once, and nobody waits for what happened to others."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from data.records.extract import import_records
from flows.clock import instant
from flows.installation import open_installation
from flows.rounds.rehearsal import acceptable
from tests.conftest import IMPORTED_AT
from tests.exchange.provider import acceptable_rows
from tests.exchange.servers import mailbox_service
from tests.operators.test_serve import wait_for
from tests.operators.workers import Machines, Network, Worker, at_work, network, own_settings, wrong_clock
from tests.postgresql import postgresql

LONG = 120_000  # rows of a file that takes some seconds
LONGER_THAN_ANYBODY_WAITS = 30
NEW_YEAR = "2027-01-01T00:10:00Z"
OVER = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@pytest.fixture(params=["postgresql", "sqlite"])
def machines(request: pytest.FixtureRequest, sample: Path, tmp_path: Path) -> Iterator[tuple[Machines, Network | None]]:
    settings = {"ECTX_STORE": str(tmp_path / "store"), "ECTX_SECONDS_BETWEEN_LOOKS": "0.2",
                "ECTX_INTAKE_EVERY_SECONDS": "5", "POLARS_MAX_THREADS": "1"}  # fmt: skip
    boxes, wires, host = tmp_path / "boxes", None, "127.0.0.1"
    with ExitStack() as around:
        if request.param == "postgresql":
            wires = around.enter_context(network())
            host = wires.here["all"]
            url, key, known = around.enter_context(mailbox_service("openssh", tmp_path, host))
            settings |= {
                "ECTX_MAILBOXES": f"{url}{boxes}",
                "ECTX_SFTP_KEY": str(key),
                "ECTX_SFTP_KNOWN_HOSTS": str(known),
            }
            settings["ECTX_DATABASE_URL"] = around.enter_context(postgresql(wires.here["database"]))
        else:
            settings |= {
                "ECTX_MAILBOXES": f"file://{boxes}",
                "ECTX_DATABASE_URL": f"sqlite:///{tmp_path}/shared/records.db",
            }
        made = Machines(tmp_path, settings, host)
        with open_installation(own_settings(settings, tmp_path / "test")) as installation:
            import_records(installation.database, sample, instant(IMPORTED_AT))
        around.enter_context(made.serving())
        yield made, wires


@pytest.mark.slow
def test_everything_is_done_exactly_once_whatever_becomes_of_a_machine(machines, tmp_path):
    made, wires = machines
    with open_installation(own_settings(made.settings, tmp_path / "test")) as installation:
        rows = {each.slug: _rows(installation, each) for each in installation.lead_providers()}
        providers = [each for each in installation.lead_providers() if rows[each.slug].height == 3][:5]
        cut, killed, *others = providers
        assert len(others) == 3
        before = _declarations(installation)

        # One that is cut off from the database in the middle of a long file. SQLite's workers share a machine: nothing to cut.
        if wires:
            first = made.worker("first", wires.inside)
            _send(tmp_path, cut.slug, _long(rows[cut.slug]))
            wait_for(lambda: at_work(made, first, cut.slug) and _is_claimed(installation, cut), 120)
            wires.cut("database")
            # What it held is free in half a minute, not when the network has tried for two hours.
            wait_for(lambda: not _is_held(installation, wires), LONGER_THAN_ANYBODY_WAITS)
        else:
            _send(tmp_path, cut.slug, _long(rows[cut.slug]))
        is_cut = time.monotonic()

        # One that is killed with its run, in the middle of another.
        second = made.worker("second")
        _send(tmp_path, killed.slug, _long(rows[killed.slug]))
        wait_for(lambda: at_work(made, second, killed.slug) and _is_claimed(installation, killed), 120)
        second.die()

        # One whose clock is wrong does what they were at, and what others send meanwhile.
        # Slow, a worker would ask for its runs late; fast, early. SQLite's machine has no other clock to go by.
        minutes = -5 if wires else 5
        third = made.worker("third", PYTHONPATH=wrong_clock(tmp_path / "clock", minutes))
        wait_for(lambda: "is ready" in (tmp_path / "third.txt").read_text(), 60)
        waited = {}
        sent = time.monotonic()
        for each in others:
            _send(tmp_path, each.slug, rows[each.slug])
        for each in others:
            wait_for(lambda each=each: _receipts(tmp_path, each.slug).get("declarations.csv"), 180)
            waited[each.slug] = time.monotonic() - sent
        for each in (cut, killed):
            wait_for(lambda each=each: _receipts(tmp_path, each.slug).get("declarations.csv"), 180)
        print(f"\nothers waited {waited}, the last receipt {time.monotonic() - is_cut:.0f} s after the first fault")
        assert third.process.poll() is None

        # The one that was cut off comes back, and has nothing to add.
        if wires:
            wires.mend("database")
        time.sleep(5)
        for each in providers:
            [done] = _receipts(tmp_path, each.slug).values()
            assert done["rows"]["accepted"] == 3, each.slug
        assert _declarations(installation) == before + 3 * len(providers)

        # What a dead machine left is told to operators.
        wait_for(lambda: {run["state_type"] for run in made.runs(killed.slug)} >= {"CRASHED", "COMPLETED"}, 120)

        assert max(waited.values()) <= LONGER_THAN_ANYBODY_WAITS

        # Statements, each lead provider's a run of its own. Who is at some of them dies, too; the next look begins those again.
        _start(made, "statements/daily", as_of=NEW_YEAR)
        wait_for(lambda: _at_statements(made, third), 120)
        third.die()
        made.worker("fourth")
        wait_for(lambda: not _due(installation) and not _waiting_or_at(made), 240)
        with installation.database.read() as reader:
            told = reader.frame("SELECT statement_id, version FROM statement_versions")
            owed = reader.frame("SELECT path FROM deliveries WHERE delivered_at IS NULL")
        assert told.height == told.unique().height and set(told["version"]) == {"1"}
        assert owed.is_empty()
        assert _states(made, "statements") == {"COMPLETED", "CRASHED"}

        # Extracts and guidance, likewise.
        for what in ("extracts", "guidance"):
            _start(made, f"{what}/nightly")
            wait_for(lambda: not _waiting_or_at(made), 300)
            assert _states(made, what) == {"COMPLETED"}
        for each in installation.lead_providers():
            mailbox = tmp_path / "boxes" / each.slug / "from-dfe"
            assert (mailbox / "extracts" / "full" / "index.html").is_file(), each.slug
            assert (mailbox / "guidance" / "index.html").is_file(), each.slug
            index = pl.read_csv(mailbox / "index.csv", infer_schema=False)
            assert index["what"].to_list().count("guidance") == 1
            assert index["sequence"].cast(int).to_list() == list(range(1, index.height + 1))


def _start(made: Machines, deployment: str, **parameters: Any) -> None:
    """As its schedule would, and wait until its look is over: then every lead provider's run is asked for."""
    made.run(deployment, spread=True, **parameters)
    name = deployment.split("/")[0]
    wait_for(lambda: _runs(made, f"{name} look") and not _runs(made, f"{name} look", is_over=False), 120)


def _runs(made: Machines, name: str, is_over: bool | None = None) -> list[dict[str, Any]]:
    """Of what begins so. is_over: those that are, or are not."""
    found = [run for run in made.asked("flow_runs/filter", {}) if run["name"].startswith(name)]
    return [run for run in found if is_over is None or (run["state_type"] in OVER) == is_over]


def _states(made: Machines, job: str) -> set[str]:
    """In which the runs of a job of one lead provider each are."""
    runs = [run for run in _runs(made, f"{job} ") if not run["name"].startswith(f"{job} look")]
    assert len(runs) >= len({tag for run in runs for tag in run["tags"]} - {"of one lead provider"}) > 0
    return {run["state_type"] for run in runs}


def _send(folder: Path, slug: str, rows: pl.DataFrame) -> None:
    """As OpenSSH would put it there: under another name first."""
    place = folder / "boxes" / slug / "to-dfe"
    place.mkdir(parents=True, exist_ok=True)
    rows.write_csv(place / ".unfinished")
    (place / ".unfinished").rename(place / "declarations.csv")


def _rows(installation, provider) -> pl.DataFrame:
    """Three rows that are accepted now, whenever that is after the middle of November 2026."""
    rows = acceptable_rows(installation, provider).filter(declaration_type="started")
    rows = rows.with_columns(declaration_date=pl.lit("2026-11-15T14:00:00Z"))
    with installation.database.read() as reader:
        return acceptable(reader, "declarations", rows, provider.lead_provider_id, instant()).head(3)


def _long(rows: pl.DataFrame) -> pl.DataFrame:
    """The same rows, and many that are rejected."""
    nobody = pl.select(
        participant_id=pl.format("{}-0000-4000-8000-000000000000", pl.int_range(LONG).cast(pl.String).str.zfill(8))
    )
    wrong = pl.concat([rows.head(1).drop("participant_id")] * LONG).with_columns(nobody["participant_id"])
    return pl.concat([rows, wrong.select(rows.columns)])


def _receipts(folder: Path, slug: str) -> dict[str, Any]:
    found = (folder / "boxes" / slug / "from-dfe" / "receipts").glob("*/receipt.json")
    read = [json.loads(path.read_text()) for path in found]
    assert len({each["file_name"] for each in read}) == len(read)
    return {each["file_name"]: each for each in read}


def _is_held(installation, wires: Network) -> bool:
    """Whether PostgreSQL believes that the one who was cut off is there still."""
    with installation.database.read() as reader:
        there = reader.frame(
            "SELECT pid FROM pg_stat_activity WHERE client_addr::text LIKE ?", f"{wires.here['database'][:-1]}2%"
        )
    return there.height > 0


def _is_claimed(installation, provider) -> bool:
    return bool(installation.submissions.waiting(provider.lead_provider_id))


def _declarations(installation) -> int:
    with installation.database.read() as reader:
        return int(reader.frame("SELECT COUNT(*) AS n FROM declarations")["n"][0])


def _due(installation) -> int:
    """How many statements are open after their deadline."""
    with installation.database.read() as reader:
        due = "SELECT statement_id FROM statements WHERE status = 'open' AND deadline_date < ?"
        return reader.frame(due, NEW_YEAR[:10]).height


def _at_statements(made: Machines, worker: Worker) -> bool:
    ours = worker.runs()
    return any(run["id"] in ours and run["state_type"] == "RUNNING" for run in _runs(made, "statements "))


def _waiting_or_at(made: Machines) -> bool:
    """Whether a run of one lead provider is at work or to begin."""
    runs = made.asked("flow_runs/filter", {"flow_runs": {"tags": {"all_": ["of one lead provider"]}}})
    return any(run["state_type"] not in OVER for run in runs)
