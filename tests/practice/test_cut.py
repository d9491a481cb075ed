"""Practice killed at any instant: a plain turn afterwards ends as if nothing had happened. A mailbox is the old one or the new one."""

import os
import random
import shutil
from pathlib import Path

import pytest

from flows.installation import open_installation
from flows.settings import Settings
from tests.exchange.provider import acceptable_rows
from tests.faults.lives import shuffled
from tests.faults.state import State, harm, state_of
from tests.faults.worker import Worker
from tests.practice.conftest import Practising

AS_OF = "2026-12-01T09:00:00Z"
KILLS = None if os.environ.get("FAULTS") == "all" else 6
KILLS_IN_A_LIFE = 6


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    worker = Worker(tmp_path_factory.mktemp("worker"))
    yield worker
    worker.close()


@pytest.fixture(scope="module")
def used_home(practice_home: Path, tmp_path_factory) -> Path:
    """A practice home in which something was declared; not to be changed."""
    home = Path(shutil.copytree(practice_home, tmp_path_factory.mktemp("used") / "home"))
    with _opened(home) as installation:
        practising = Practising(installation, installation.lead_providers()[0])
        rows = acceptable_rows(installation, practising.provider).head(4)
        practising.sent("declarations@2026-12-14T10-00-00Z.csv", rows.head(2).write_csv())
        (home / "later.csv").write_text(rows.tail(2).write_csv())
    return home


def _opened(home: Path):
    return open_installation(Settings(home=home, practice=True, seconds_between_looks=0))


def _turn(worker: Worker, home: Path, **fault) -> dict:
    settings = {"home": str(home), "practice": True, "seconds_between_looks": 0}
    return worker.run(action="practice", as_of=AS_OF, settings=settings, **fault)


def _state(home: Path) -> State:
    slug = next(path.name for path in (home / "mailboxes").iterdir())
    state = state_of(Settings(home=home / "practice" / slug, practice=True), home)
    state.uploads = {path.name for path in (home / "practice" / slug / "uploads").rglob("*") if path.is_file()}
    del state.tables["paid_units"]  # kept for the next round of statements, whenever that is
    assert sorted(path.name for path in (home / "practice").iterdir()) == ["READ-ME.txt", slug]
    return state


@pytest.mark.parametrize("name", ["reset.csv", "statements@2027-01-25.csv", "declarations@2026-12-16T10-00-00Z.csv"])
@pytest.mark.slow
def test_killed_at_a_step_boundary(worker, used_home, tmp_path, name, record_property):
    (box,) = (used_home / "mailboxes").iterdir()

    def life(place: str) -> Path:
        home = Path(shutil.copytree(used_home, tmp_path / place))
        pending = home / "mailboxes" / box.name / "to-dfe" / name
        pending.write_bytes((home / "later.csv").read_bytes() if name.startswith("decl") else b"")
        os.utime(pending, (1_800_000_000, 1_800_000_000))
        return home

    undisturbed = life("undisturbed")
    steps = _turn(worker, undisturbed)["steps"]
    end, killed = _state(undisturbed), 0
    boundaries = shuffled(range(1, steps + 1), random.Random(name), KILLS)
    for start in range(0, len(boundaries), KILLS_IN_A_LIFE):
        own = sorted(boundaries[start : start + KILLS_IN_A_LIFE])
        home = life(f"life{start}")
        for step in own:
            killed += _turn(worker, home, fault={"at": step, "do": "kill"})["killed"]
        ended = _turn(worker, home)
        assert (ended["status"], ended["troubles"]) == (0, []), ended
        done = harm(_state(home), end)
        assert done.is_none, f"after kills before steps {own}: {done}"
        shutil.rmtree(home)
    assert killed
    record_property("faults", {"faults injected": killed})
