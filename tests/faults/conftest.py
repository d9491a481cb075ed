"""Counts every fault that was injected, over all tests and workers, and prints what they did at the end."""

import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.grounds import ground
from tests.faults.lives import Lives
from tests.faults.story import tell
from tests.faults.worker import Worker

# `make test` tries this alone: kills while files are taken, on the ground that a fresh machine has.
IN_EVERY_RUN = ("test_killed_at_a_step_boundary[intake-sqlite-folder]",)
SEED = int(os.environ.get("FAULTS_SEED", "1"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    ours = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in ours:
        if item.name not in IN_EVERY_RUN:
            item.add_marker(pytest.mark.slow)
    is_whole = not any(part in given for given in config.args for part in ("::", ".py"))
    gone = set(IN_EVERY_RUN) - {item.name for item in ours}
    if ours and is_whole and gone:
        raise pytest.UsageError(f"tests/faults: there is no {', '.join(sorted(gone))}: `make test` would try no kill")


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Chosen by the seed and the test's name alone, so that a failure comes back."""
    return random.Random(f"{SEED} {request.node.path.stem} {request.node.name}")


@pytest.fixture(scope="session")
def lives_on(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lives]:
    """A ground (named by the parameter) with the story told on it once without faults, and a worker to be killed.

    tests.conftest keeps a ground's tests together, so that its story is told once.
    """
    folder: Path = tmp_path_factory.mktemp(request.param.replace("-", "_"))
    with ground(request.param, folder) as told_on:
        worker = Worker(folder)
        yield Lives(told_on, worker, tell(told_on, worker, folder / "story"), folder)
        worker.close()


@pytest.fixture
def lives(lives_on: Lives, record_property) -> Iterator[Lives]:
    """The same, counting for this test."""
    lives_on.counts = Counter()
    yield lives_on
    record_property("faults", dict(lives_on.counts))
