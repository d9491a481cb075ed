"""What is promised to be on disk: our files and their folders, in UTF-8 whatever the locale; nothing else is waited for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.clock import instant
from flows.rounds.intake import intake_round
from flows.rounds.statements import statements_round
from sftp.durable import on_disk
from tests.conftest import NOW
from tests.exchange.provider import acceptable_rows, box, put

AT = instant(NOW)


@pytest.fixture
def waited(monkeypatch) -> set[str]:
    """The paths that were waited for."""
    found: set[str] = set()
    wait = os.fsync

    def noted(descriptor):
        found.add(os.readlink(f"/proc/self/fd/{descriptor}"))
        wait(descriptor)

    def whole_machine():
        raise AssertionError("the whole machine is waited for")

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(os, "sync", whole_machine)
    return found


def test_files_and_the_folders_that_name_them(tmp_path, waited):
    for name in ("a/b/one.txt", "a/two.txt", "other/three.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    on_disk([tmp_path / "a", tmp_path / "gone"], tmp_path)
    assert waited == {str(tmp_path / name) for name in ("a/b/one.txt", "a/two.txt", "a/b", "a")} | {str(tmp_path)}


@pytest.mark.slow
def test_every_file_that_the_database_promises_was_waited_for(installation, waited):
    provider = installation.lead_providers()[0]
    put(installation, provider, "declarations.csv", acceptable_rows(installation, provider).head(2).write_csv())
    intake_round(installation, AT)
    statements_round(installation, AT)
    mailbox = box(installation, provider) / "from-dfe"
    for top in (
        installation.outbox / provider.lead_provider_id,
        installation.settings.home / "uploads",
        mailbox / "statements",
        mailbox / "receipts",
    ):
        files = [path for path in top.rglob("*") if path.is_file() and path.name != "received.json"]
        assert files
        for path in files:
            # An upload is waited for under the name that it has until it is whole.
            assert str(path) in waited or "uploads" in path.parts, path
            assert str(path.parent) in waited, path
    assert str(mailbox / "index.csv") in waited


@pytest.mark.slow
def test_text_is_utf_8_whatever_the_locale(tmp_path):
    """In a locale of another character set, with Python's own remedy off."""
    home, sample = tmp_path / "home", tmp_path / "sample"
    told = os.environ | {
        "ECTX_HOME": str(home),
        "ECTX_SECONDS_BETWEEN_LOOKS": "0",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "LC_ALL": "POSIX",
    }
    ectx = str(Path(sys.executable).parent / "ectx")

    def run(*arguments: str) -> None:
        done = subprocess.run([ectx, *arguments], env=told, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr.decode(errors="replace")

    run("records", "sample", str(sample), "--scale", "0.002")
    run("records", "import", str(sample), "--as-of", "2026-11-20T09:00:00Z")
    [inbox] = list((home / "mailboxes").glob("*/to-dfe"))[:1] or [_made(home)]
    (inbox / "expected-payments-für.csv").write_text(
        "statement_month,contract_period,participant_id,course_identifier,declaration_type,your_reference\n"
        "2027-01,2026,55555555-5555-4555-8555-555555555555,ecf-induction,started,Zoë — “é”\n", encoding="utf-8",
    )  # fmt: skip
    run("intake", "--as-of", NOW)
    run("statements", "--as-of", NOW)
    pages = [path for path in home.rglob("*") if path.suffix in (".html", ".csv", ".json") and path.is_file()]
    assert any("£" in path.read_text(encoding="utf-8") for path in pages if path.suffix == ".html")
    [results] = home.glob("mailboxes/*/from-dfe/receipts/*/results.csv")
    assert "Zoë — “é”" in results.read_text(encoding="utf-8")


def _made(home: Path) -> Path:
    folder = home / "mailboxes" / "alder-teaching-institute" / "to-dfe"
    folder.mkdir(parents=True)
    return folder
