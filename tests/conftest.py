"""What tests of the exchange share: a home with sample records, made once and copied for each test."""

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from data.records.extract import import_records
from data.sample.nation import write_sample
from flows.clock import instant
from flows.installation import Installation, LeadProvider, open_installation
from flows.settings import Settings

SCALE = 0.004
IMPORTED_AT = "2026-11-20T09:00:00Z"
NOW = "2026-12-14T10:00:00Z"


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Tests never touch a home or a server of whoever runs them."""
    import os

    for name in list(os.environ):
        if name.startswith(("ECTX_", "PREFECT_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ECTX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DO_NOT_TRACK", "1")


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sample extract as CSV."""
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, SCALE)
    return folder


@pytest.fixture(scope="session")
def filled_home(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose records are the sample's. Not to be changed: copy it."""
    home = tmp_path_factory.mktemp("filled")
    with open_installation(Settings(home=home)) as installation:
        import_records(installation.database, sample, instant(IMPORTED_AT))
    return home


@pytest.fixture(scope="session")
def small_home(filled_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with two lead providers' statements of a few months alone not paid yet, so that a round is quick. Not to be
    changed: copy it."""
    home = Path(shutil.copytree(filled_home, tmp_path_factory.mktemp("small") / "home"))
    with open_installation(Settings(home=home)) as installation:
        first, second = installation.lead_providers()[:2]
        with installation.database.write() as connection:
            connection.exec_driver_sql(
                "UPDATE statements SET status = 'paid' WHERE year * 100 + month > 202702 OR contract_id NOT IN "
                "(SELECT contract_id FROM contracts WHERE lead_provider_id IN (?, ?))",
                (first.lead_provider_id, second.lead_provider_id),
            )
    return home


@pytest.fixture
def home(filled_home: Path, tmp_path: Path) -> Path:
    """A home of the test's own with the sample's records."""
    return Path(shutil.copytree(filled_home, tmp_path / "home"))


@pytest.fixture
def installation(home: Path) -> Iterator[Installation]:
    with open_installation(Settings(home=home, seconds_between_looks=0)) as opened:
        yield opened


@pytest.fixture
def provider(installation: Installation) -> LeadProvider:
    """The lead provider whose files a test sends, where one is enough."""
    return installation.lead_providers()[0]


@pytest.fixture
def files_of() -> Callable[[Path], set[str]]:
    """The names of all files under a folder."""

    def found(folder: Path) -> set[str]:
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}

    return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that all workers are done at about the same time."""
    first = ("faults", "operators")
    items.sort(key=lambda item: next((n for n, name in enumerate(first) if name in item.path.parts), len(first)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Workers take tests a file at a time; tests of faults a ground at a time, for its story is long to tell."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFileOrGround(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            on_ground = re.search(r"(sqlite|postgresql)-(folder|sftp)", nodeid)
            return on_ground.group() if on_ground else nodeid.split("::")[0]

    config.option.loadscopereorder = False
    return ByFileOrGround(config, log)


def pytest_terminal_summary(terminalreporter) -> None:
    """What tests.faults did, over all its tests."""
    totals: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", []):
                if name == "faults" and report.when == "teardown":
                    totals.update(value)
    if totals:
        told = ("faults injected", "files lost", "rows doubled", "receipts missing")
        terminalreporter.write_line(", ".join(f"{name}: {totals[name]:,}" for name in told))
