"""Rounds of many lead providers by several processes: the same files and the same report as by one, whoever dies."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.exceptions import PanicException
from sqlalchemy.exc import OperationalError

from flows.clock import instant
from flows.installation import Installation, open_installation
from flows.place import PROJECT
from flows.rounds import beside, extracts, hands, statements
from flows.rounds.beside import statements_of_all
from flows.rounds.extracts import extracts_round
from flows.rounds.hands import Came, by_processes
from flows.rounds.statements import statements_lock, statements_round
from flows.settings import Settings
from templates.operators import statements_report
from tests.conftest import NOW

AT = instant(NOW)


@pytest.fixture
def home(small_home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_home, tmp_path / "home"))


@pytest.fixture(autouse=True)
def tests_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the processes, too: of the project they know the rooms alone."""
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the records were the nation's: small ones are not worth the processes."""
    monkeypatch.setattr(beside, "MANY_DECLARATIONS", 0)
    monkeypatch.setattr(extracts, "MANY_ROWS", 0)


def _files(installation: Installation, pattern: str) -> dict[str, bytes]:
    found = [path for path in installation.outbox.glob(pattern) if path.is_file()]
    return {str(path.relative_to(installation.outbox)): path.read_bytes() for path in found}


def _told(done: object) -> dict[str, object]:
    return {name: value for name, value in vars(done).items() if name not in ("nowhere", "intake", "seconds")}


@pytest.mark.slow
def test_statements_by_two_processes_are_those_by_one(installation, home, tmp_path, many):
    there = Settings(home=Path(shutil.copytree(home, tmp_path / "other")), processes=2)
    with open_installation(there) as other:
        apart, alone = statements_of_all(other, AT), statements_round(installation, AT)
        assert alone.made and {**_told(apart), "settled": sorted(apart.settled)} == {
            **_told(alone),
            "settled": sorted(alone.settled),
        }
        assert apart.nowhere.sort("declaration_id").equals(alone.nowhere)
        assert apart.intake == alone.intake
        versions = "*/from-dfe/statements/*/*/v*/**/*"
        assert _files(other, versions) == _files(installation, versions) != {}
        assert [each.path for each in statements_of_all(other, AT).made] == []


def test_small_rounds_start_no_process(installation, monkeypatch):
    monkeypatch.setattr(beside, "by_processes", None)
    assert statements_of_all(installation, AT).made
    assert statements_of_all(installation, AT, []).made == []


@pytest.mark.slow
def test_whose_statements_somebody_else_makes_is_told_and_the_others_go_on(installation, provider, many):
    with installation.database.only_one(statements_lock(provider.slug)):
        done = statements_of_all(installation, AT)
    assert done.troubles == [f"{provider.slug}: another round is at its statements"]
    assert provider.name not in {each.lead_provider for each in done.made} and done.made


@pytest.mark.slow
@pytest.mark.parametrize("least", [0, 1 << 40], ids=["by two", "by one"])
def test_whose_files_cannot_be_written_is_told_and_the_others_go_on(installation, provider, monkeypatch, least):
    monkeypatch.setattr(beside, "MANY_DECLARATIONS", least)
    outbox = installation.outbox / provider.lead_provider_id
    outbox.parent.mkdir(exist_ok=True)
    outbox.write_text("a file where its folder should be")
    done = statements_of_all(installation, AT)
    [trouble] = done.troubles
    assert trouble.startswith(f"{provider.slug}: the round of its statements did not come to its end (")
    assert "Error" in trouble and trouble.endswith("; what it had done stands; run this one again")
    assert done.made and provider.name not in {each.lead_provider for each in done.made}
    outbox.unlink()
    after = statements_of_all(installation, AT)
    assert {each.lead_provider for each in after.made} == {provider.name} and after.troubles == []


def test_what_was_made_before_it_failed_is_told_all_the_same(installation, provider, monkeypatch):
    def fails(there, whose, *others, inner=statements.deliver):
        if whose.slug == provider.slug:
            raise OSError("no summary of a month can be written")
        return inner(there, whose, *others)

    monkeypatch.setattr(statements, "deliver", fails)
    done = statements_of_all(installation, AT)
    [trouble] = done.troubles
    assert trouble.startswith(f"{provider.slug}: the round of its statements did not come to its end (")
    assert len({each.lead_provider for each in done.made}) == len({each.lead_provider for each in done.standing}) == 2
    assert provider.slug in statements_report(done, {})
    monkeypatch.undo()
    after = statements_of_all(installation, AT)
    assert not after.made and not after.troubles
    assert after.intake.delivered + after.delivered  # what was owed


@pytest.mark.slow
def test_whose_figures_fail_is_told_and_the_others_go_on(installation, provider, monkeypatch):
    """Small records are computed together: what fails for all of them is tried for each."""

    def fails(*arguments, owners, inner=statements.computed_of):
        if provider.lead_provider_id in owners:
            raise ValueError("a figure that nobody thought of")
        return inner(*arguments, owners=owners)

    monkeypatch.setattr(statements, "computed_of", fails)
    done = statements_of_all(installation, AT)
    [trouble] = done.troubles
    assert trouble.startswith(f"{provider.slug}: the round of its statements did not come to its end (ValueError")
    assert "nobody thought of" not in trouble
    assert done.made and provider.name not in {each.lead_provider for each in done.made}
    assert done.settled  # by the try that failed for all of them
    monkeypatch.undo()
    after = statements_of_all(installation, AT)
    assert {each.lead_provider for each in after.made} == {provider.name} and after.troubles == []


@pytest.mark.slow
def test_what_fails_for_all_together_alone_is_told_too(installation, monkeypatch):
    def fails(*arguments, owners, inner=statements.computed_of):
        if len(owners) > 1:
            raise ValueError("too many")
        return inner(*arguments, owners=owners)

    monkeypatch.setattr(statements, "computed_of", fails)
    done = statements_of_all(installation, AT)
    assert len({each.lead_provider for each in done.made}) == 2
    [trouble] = done.troubles
    assert trouble.startswith("all statements together could not be made (ValueError")


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("disk I/O error"),
        OperationalError("SELECT", {}, sqlite3.OperationalError("disk I/O error")),
    ],
    ids=["by the driver", "by SQLAlchemy"],
)
def test_a_database_that_is_gone_is_tried_once(installation, monkeypatch, error):
    tried = []

    def gone(*_arguments, **_named):
        tried.append(1)
        raise error from getattr(error, "orig", None)

    monkeypatch.setattr(statements, "computed_of", gone)
    with pytest.raises(type(error)):
        statements_of_all(installation, AT)
    assert tried == [1]


@pytest.mark.slow
def test_extracts_by_two_processes_are_those_by_one(installation, home, tmp_path, many, monkeypatch):
    there = Settings(home=Path(shutil.copytree(home, tmp_path / "other")), processes=2)
    with open_installation(there) as other:
        apart = extracts_round(other, AT)
    monkeypatch.setattr(extracts, "MANY_ROWS", 1 << 40)
    alone = extracts_round(installation, AT)
    assert [each.counts for each in apart.made] == [each.counts for each in alone.made] and alone.troubles == []
    assert apart.delivered == alone.delivered > 0
    books = "*/from-dfe/extracts/full.*/extract.xlsx"
    assert _files(other, books) == _files(installation, books) != {}


@pytest.mark.slow
def test_a_set_whose_spreadsheet_cannot_be_written_is_left_as_it_was(installation, provider, many, monkeypatch):
    victim = provider.lead_provider_id
    left = installation.outbox / victim / ".extract" / "book.of-a-round-that-was-killed"
    left.mkdir(parents=True)

    def cut(_: object, pieces: list[tuple[Path, Path]], processes: int):
        return by_processes(_die_or_go_on, [(into, victim) for _, into, *_ in pieces], processes)

    monkeypatch.setattr(extracts, "by_processes", cut)
    done = extracts_round(installation, AT)
    assert done.troubles == [
        f"{provider.slug}: the process that was at it ended with -9 while its extract was made (it is left as it was); "
        "run it again"
    ]
    assert provider.lead_provider_id not in {each.lead_provider_id for each in done.made} and done.made
    assert not left.exists()


def _die_or_go_on(into: Path, victim: str) -> None:
    if victim in str(into):
        os.kill(os.getpid(), signal.SIGKILL)
    into.mkdir()
    (into / "extract.xlsx").write_bytes(b"")


def _piece(number: int) -> tuple[int, int]:
    print("what anybody prints is no answer")
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 3:
        raise ValueError("of Ada Lovelace")
    if number == 4:
        sys.exit(7)
    if number == 5:
        pl.DataFrame({"a": [1]}).select(pl.col("a").map_batches(_panics)).height  # noqa: B018
    return number, os.getpid()


def _panics(_: pl.Series) -> pl.Series:
    raise PanicException("of Ada Lovelace")


def _all(pieces: list[tuple[int, ...]], act=_piece) -> list[Came]:
    came = dict(by_processes(act, pieces, 2))
    return [came[place] for place in range(len(pieces))]


@pytest.mark.slow
def test_every_piece_is_done_once_and_a_death_costs_one(capfd):
    came = _all([(number,) for number in range(12)])
    assert [each.value[0] for each in came if each.value] == [0, 1, *range(6, 12)]
    assert came[2].trouble == "the process that was at it ended with -9"
    assert came[3].trouble.startswith("ValueError in tests/exchange/test_beside.py")
    assert came[4].trouble == "the process that was at it ended with 7"
    assert "Exception" in came[5].trouble or "Error" in came[5].trouble
    assert os.getpid() not in {each.value[1] for each in came if each.value}
    said = [
        line for line in capfd.readouterr().err.splitlines() if "ectx.hands" in line
    ]  # a panic tells of itself, too
    assert len(said) >= 2 and "Ada" not in f"{came} {said}"


def test_nothing_to_do_and_no_room_for_a_process(monkeypatch):
    assert list(by_processes(_piece, [], 2)) == []
    monkeypatch.setattr(hands.sys, "executable", "/nowhere/python")
    assert {each.trouble for each in _all([(0,), (1,)])} == {"a process could not be started (FileNotFoundError)"}


def _waits(folder: Path, number: int) -> None:
    (folder / f"{number}.{os.getpid()}").touch()
    time.sleep(600)


def _gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists() or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


def _until(holds, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def _at_work(there: Path) -> tuple[subprocess.Popen[bytes], Callable[[], bool]]:
    """A process that waits for two others, of which each is at a piece; and whether both have gone, and none has come."""
    parent = subprocess.Popen([sys.executable, "-c", _ROUND, str(there)])
    _until(lambda: len(list(there.glob("*"))) == 2)
    theirs = [int(path.name.split(".")[1]) for path in there.iterdir()]
    return parent, lambda: all(map(_gone, theirs)) and len(list(there.iterdir())) == 2


@pytest.mark.slow
def test_who_is_told_to_stop_stops_all_of_it(tmp_path):
    """As Prefect tells it: by an exception wherever it is. No piece goes on, and no further one begins."""
    parent, have_stopped = _at_work(tmp_path / "other")
    parent.terminate()
    assert parent.wait(30) == 3 and have_stopped()


@pytest.mark.slow
def test_whose_parent_is_killed_goes_too(tmp_path):
    parent, have_stopped = _at_work(tmp_path / "other")
    parent.kill()
    parent.wait()
    _until(have_stopped, 10)


_ROUND = """
import signal
import sys
from pathlib import Path
from flows.rounds.hands import by_processes
from tests.exchange.test_beside import _waits
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
folder = Path(sys.argv[1])
folder.mkdir()
for _ in by_processes(_waits, [(folder, number) for number in range(5)], 2):
    pass
"""
