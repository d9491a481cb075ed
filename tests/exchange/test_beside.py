"""Rounds of many lead providers by several processes: the same files and the same report as by one, whoever dies."""

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from flows.clock import instant
from flows.installation import Installation, open_installation
from flows.rounds import beside, extracts, hands
from flows.rounds.beside import statements_of_all
from flows.rounds.extracts import extracts_round
from flows.rounds.hands import by_processes
from flows.rounds.statements import statements_lock, statements_round
from flows.settings import Settings
from tests.conftest import NOW

AT = instant(NOW)


@pytest.fixture
def home(small_home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_home, tmp_path / "home"))


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the records were the nation's: small ones are not worth the processes."""
    monkeypatch.setattr(beside, "MANY_DECLARATIONS", 0)
    monkeypatch.setattr(extracts, "MANY_BYTES", 0)


def _files(installation: Installation, pattern: str) -> dict[str, bytes]:
    found = [path for path in installation.outbox.glob(pattern) if path.is_file()]
    return {str(path.relative_to(installation.outbox)): path.read_bytes() for path in found}


def _told(done: object) -> dict[str, object]:
    return {name: value for name, value in vars(done).items() if name not in ("nowhere", "intake", "seconds")}


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


def test_whose_statements_somebody_else_makes_is_told_and_the_others_go_on(installation, provider, many):
    with installation.database.only_one(statements_lock(provider.slug)):
        done = statements_of_all(installation, AT)
    assert done.troubles == [f"{provider.slug}: another round is at its statements"]
    assert provider.name not in {each.lead_provider for each in done.made} and done.made


def test_who_cannot_be_computed_is_told_and_the_others_go_on(installation, provider, many):
    outbox = installation.outbox / provider.lead_provider_id
    outbox.parent.mkdir(exist_ok=True)
    outbox.write_text("a file where its folder should be")
    done = statements_of_all(installation, AT)
    [trouble] = done.troubles
    assert trouble.startswith(f"{provider.slug}: its statements were left as they were: ") and "Error" in trouble
    assert done.made and provider.name not in {each.lead_provider for each in done.made}
    outbox.unlink()
    after = statements_of_all(installation, AT)
    assert {each.lead_provider for each in after.made} == {provider.name} and after.troubles == []


def test_extracts_by_two_processes_are_those_by_one(installation, home, tmp_path, many, monkeypatch):
    there = Settings(home=Path(shutil.copytree(home, tmp_path / "other")), processes=2)
    with open_installation(there) as other:
        apart = extracts_round(other, AT)
    monkeypatch.setattr(extracts, "MANY_BYTES", 1 << 40)
    alone = extracts_round(installation, AT)
    assert [each.counts for each in apart.made] == [each.counts for each in alone.made] and alone.troubles == []
    assert apart.delivered == alone.delivered > 0
    books = "*/from-dfe/extracts/full.*/extract.xlsx"
    assert _files(other, books) == _files(installation, books) != {}


def test_a_set_whose_spreadsheet_cannot_be_written_is_left_as_it_was(installation, provider, many, monkeypatch):
    monkeypatch.setattr(extracts, "by_processes", lambda _, pieces, processes: by_processes(
        _die_or_go_on, [(folder, provider.lead_provider_id) for folder, *_ in pieces], processes))  # fmt: skip
    done = extracts_round(installation, AT)
    assert done.troubles == [
        f"{provider.slug}: its extract was left as it was: the process that was at it ended with -9; run it again"
    ]
    assert provider.lead_provider_id not in {each.lead_provider_id for each in done.made} and done.made


def _die_or_go_on(folder: Path, victim: str) -> None:
    if victim in str(folder):
        os.kill(os.getpid(), signal.SIGKILL)
    (folder / "extract.xlsx").write_bytes(b"")


def _piece(number: int) -> tuple[int, int]:
    print("what anybody prints is no answer")
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 3:
        raise ValueError("of Ada Lovelace")
    if number == 4:
        sys.exit(7)
    return number, os.getpid()


def test_every_piece_is_done_once_and_a_death_costs_one():
    came = by_processes(_piece, [(number,) for number in range(12)], 2)
    assert [each.value[0] for each in came if each.value] == [0, 1, *range(5, 12)]
    assert came[2].trouble == "the process that was at it ended with -9"
    assert came[3].trouble.startswith("ValueError in tests/exchange/test_beside.py") and "Ada" not in came[3].trouble
    assert came[4].trouble == "the process that was at it ended with 7"
    assert os.getpid() not in {each.value[1] for each in came if each.value}


def test_nothing_to_do_and_no_room_for_a_process(monkeypatch):
    assert by_processes(_piece, [], 2) == []
    monkeypatch.setattr(hands.sys, "executable", "/nowhere/python")
    assert {each.trouble for each in by_processes(_piece, [(0,), (1,)], 2)} == {
        "a process could not be started (FileNotFoundError)"
    }
