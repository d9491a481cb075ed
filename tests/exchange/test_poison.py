"""A file that cannot be judged: tried again with growing waits, then put aside by itself; nobody else waits for it."""

import errno
import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import polars as pl
import psycopg
import pytest
from polars.exceptions import PanicException

from data.outside import is_from_outside
from flows.acts.submissions import put_aside, tried_again
from flows.clock import instant
from flows.installation import Installation, open_installation
from flows.rounds.intake import intake_round
from flows.rounds.statements import statements_round
from flows.settings import Settings
from flows.upkeep.replay import replay
from tests.conftest import NOW
from tests.exchange.provider import acceptable_rows, box, put, receipts, results

AT = instant(NOW)
WAITS = [1, 2, 4, 8, 16]  # minutes


@pytest.fixture
def home(small_home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_home, tmp_path / "home"))


def claimed(installation: Installation, provider, name: str, content: str, monkeypatch) -> str:
    """A file taken and not judged yet; its submission id."""

    def cut(*_arguments, **_named):
        raise KeyboardInterrupt

    put(installation, provider, name, content)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("flows.rounds.turn.try_one", cut)
        intake_round(installation, AT)
    return installation.submissions.waiting(provider.lead_provider_id)[-1].submission_id


def lose_upload(installation: Installation, submission_id: str) -> Path:
    """The stored upload goes; returns where it has to be put back."""
    path = installation.stored_upload(installation.submissions.find(submission_id).sha256)
    path.rename(path.with_name("lost"))
    return path


def indexed(installation: Installation, provider) -> pl.DataFrame:
    return pl.read_csv(box(installation, provider) / "from-dfe" / "index.csv")


def ectx(*arguments: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "ectx"), *arguments]
    told = os.environ | {"ECTX_HOME": str(home), "ECTX_SECONDS_BETWEEN_LOOKS": "0"} | environment
    return subprocess.run(command, env=told, capture_output=True, text=True, timeout=120)


def test_a_stored_upload_that_is_gone_is_tried_five_times_more_then_put_aside(installation, provider, monkeypatch):
    rows = acceptable_rows(installation, provider)
    poison = claimed(installation, provider, "declarations-1.csv", rows[:2].write_csv(), monkeypatch)
    lose_upload(installation, poison)
    put(installation, provider, "declarations-2.csv", rows[2:4].write_csv())
    other = installation.lead_providers()[1]
    put(installation, other, "declarations.csv", acceptable_rows(installation, other).head(1).write_csv())
    now = AT
    for failures, minutes in enumerate(WAITS, 1):
        done = intake_round(installation, now)
        assert [line.split(":")[0] for line in done.troubles] == [poison]
        assert installation.submissions.find(poison).failures == failures
        # In the meantime nothing is tried, and what lies behind it waits.
        quiet = intake_round(installation, now + timedelta(minutes=minutes, seconds=-1))
        assert (quiet.outcomes, quiet.troubles, len(quiet.waits)) == ([], [], 1)
        now += timedelta(minutes=minutes)
    assert receipts(installation, other)["declarations.csv"]["rows"]["accepted"] == 1
    assert "declarations-2.csv" not in receipts(installation, provider)
    done = intake_round(installation, now)
    assert "is put aside: tried 6 times; UPLOAD-GONE: The stored upload is gone." in done.troubles[0]
    assert [outcome.submission.file_name for outcome in done.outcomes] == ["declarations-2.csv"]
    receipt = receipts(installation, provider)["declarations-1.csv"]
    assert (receipt["status"], receipt["file_errors"], receipt["rows"]["total"]) == ("set-aside", [], 0)
    assert "put it aside" in receipt["notes"][0]
    assert "We have put this file aside" in (receipt["folder"] / "receipt.html").read_text()
    assert intake_round(installation, now + timedelta(days=1)).troubles == []


@pytest.mark.slow
def test_a_later_retry_judges_it_as_of_when_it_was_received_and_replaces_the_receipt(
    installation, provider, monkeypatch, tmp_path, sample
):
    rows = acceptable_rows(installation, provider)
    poison = claimed(installation, provider, "declarations.csv", rows[:2].write_csv(), monkeypatch)
    place = lose_upload(installation, poison)
    home = installation.settings.home
    with installation.database.write() as connection:
        connection.exec_driver_sql("UPDATE statements SET status = 'open' WHERE year = 2027 AND month = 4")
    done = ectx("submission", "set-aside", poison, "--reason", "The store lost it.", "--as-of", NOW, home=home)
    assert (done.returncode, done.stderr) == (0, "")
    listed = ectx("submission", "list", home=home).stdout
    assert poison in listed and "set-aside" in listed and "declarations.csv" not in listed
    # Its deadline passes; it holds nothing up any more.
    after = statements_round(installation, instant("2027-01-01T00:05:00Z"))
    assert after.settled and after.troubles == []
    again = ectx("submission", "retry", poison, "--as-of", "2027-01-02T10:00:00Z", home=home)
    assert again.returncode == 1 and "NOT-JUDGED" in again.stderr and "UPLOAD-GONE" in again.stderr
    place.with_name("lost").rename(place)
    again = ectx("submission", "retry", poison, "--as-of", "2027-01-02T10:00:00Z", home=home)
    assert again.returncode == 0, again.stderr
    assert "accepted, 2 of 2 rows" in again.stdout
    receipt = receipts(installation, provider)["declarations.csv"]
    assert (receipt["status"], receipt["received_at"]) == ("accepted", NOW)
    assert set(results(receipt)["statement_month"]) == {"2027-04"}
    rows_of = indexed(installation, provider).filter(pl.col("path") == f"from-dfe/receipts/{poison}")
    assert rows_of["replaces"].to_list() == [None, f"from-dfe/receipts/{poison}"]
    told = ectx("submission", "show", poison, home=home).stdout
    assert "put aside by dfe_staff_user: The store lost it." in told and "tried again by dfe_staff_user" in told
    assert ectx("submission", "retry", poison, home=home).returncode == 1
    assert ectx("submission", "show", "nonsense", home=home).returncode == 1
    assert ectx("submission", "set-aside", poison, home=home).returncode == 2


@pytest.mark.slow
def test_what_is_put_aside_can_be_replayed(installation, provider, monkeypatch, tmp_path, sample):
    from data.records.extract import import_records

    with open_installation(Settings(home=tmp_path / "own", seconds_between_looks=0)) as own:
        import_records(own.database, sample, instant("2026-11-20T09:00:00Z"))
        rows = acceptable_rows(own, provider)
        aside = claimed(own, provider, "declarations.csv", rows[:2].write_csv(), monkeypatch)
        lost = lose_upload(own, aside)
        now = AT
        for minutes in [*WAITS, 0]:
            intake_round(own, now)
            now += timedelta(minutes=minutes)
        assert own.submissions.find(aside).status == "set-aside"
        lost.with_name("lost").rename(lost)
        put(own, provider, "declarations-2.csv", rows[2:4].write_csv())
        intake_round(own, now)
        assert replay(own, [sample], tmp_path / "again").different == {}
        tried_again(own, aside, now + timedelta(hours=1))
        assert replay(own, [sample], tmp_path / "once more").different == {}


def test_statements_of_all_others_move_while_a_poisoned_file_waits(installation, provider, monkeypatch):
    poison = claimed(installation, provider, "declarations.csv", "x\n", monkeypatch)
    lose_upload(installation, poison)
    done = statements_round(installation, instant("2027-01-01T00:05:00Z"))
    assert done.settled
    assert any(line.startswith(f"{provider.slug}: ") and "is not judged yet" in line for line in done.troubles)
    with installation.database.read() as reader:
        open_still = reader.frame(
            "SELECT c.lead_provider_id FROM statements s JOIN contracts c ON c.contract_id = s.contract_id "
            "WHERE s.status = 'open' AND s.deadline_date = '2026-12-31'"
        )
    assert set(open_still["lead_provider_id"]) == {provider.lead_provider_id}


@pytest.mark.parametrize(
    "error",
    [sqlite3.OperationalError("no such column: x"), ValueError("a fault"), MemoryError(), PanicException("a panic")],
    ids=lambda error: type(error).__name__,
)
def test_a_fault_of_our_own_counts_against_the_file(installation, provider, monkeypatch, error):
    if isinstance(error, sqlite3.OperationalError):
        error.sqlite_errorcode = sqlite3.SQLITE_ERROR

    def broken(*_arguments):
        raise error

    poison = claimed(
        installation,
        provider,
        "declarations.csv",
        "participant_id,course_identifier,declaration_type,declaration_date\na,b,c,d\n",
        monkeypatch,
    )
    with monkeypatch.context() as patched:
        patched.setattr("flows.rounds.answering.snapshot_for", broken)
        done = intake_round(installation, AT)
    assert installation.submissions.find(poison).failures == 1
    assert type(error).__name__ in done.troubles[0] and "a fault" not in done.troubles[0]
    intake_round(installation, AT + timedelta(minutes=1))
    assert receipts(installation, provider)["declarations.csv"]["status"] == "rejected"


def test_a_store_that_is_not_there_is_trouble_from_outside(installation, provider, monkeypatch):
    waiting = claimed(installation, provider, "declarations.csv", "x\n", monkeypatch)
    uploads = installation.settings.home / "uploads"
    uploads.rename(uploads.with_name("unmounted"))
    assert len(intake_round(installation, AT).troubles) == 1
    assert installation.submissions.find(waiting).failures == 0
    uploads.with_name("unmounted").rename(uploads)
    assert intake_round(installation, AT).troubles == []


SITE = """
import os, sys
def watch(event, arguments):
    if event == "open" and str(arguments[0]).endswith(os.environ["POISON"]):
        os.kill(os.getpid(), 9)
sys.addaudithook(watch)
"""


@pytest.mark.slow
def test_a_file_that_takes_its_process_with_it_takes_nobody_elses_again(installation, provider, monkeypatch, tmp_path):
    """The first try dies with its round. Every later one is a process of its own: the round lives, and the rest is judged."""
    home, other = installation.settings.home, installation.lead_providers()[1]
    poison = claimed(installation, provider, "declarations.csv", "x\n", monkeypatch)
    put(installation, other, "declarations.csv", "another\n")
    (tmp_path / "sitecustomize.py").write_text(SITE)
    deadly = {"PYTHONPATH": str(tmp_path), "POISON": installation.submissions.find(poison).sha256}
    first = ectx("intake", "--as-of", NOW, home=home, **deadly)
    assert first.returncode == -signal.SIGKILL
    second = ectx("intake", "--as-of", NOW, home=home, **deadly)
    assert (
        second.returncode == 1 and "was killed by signal 9; it is tried again at 2026-12-14T10:01:00Z" in second.stderr
    )
    assert receipts(installation, other)["declarations.csv"]["status"] == "rejected"
    # As long as it does, no round goes with it.
    again = ectx("intake", "--as-of", "2026-12-14T10:01:00Z", home=home, **deadly)
    assert again.returncode == 1 and "it is tried again at 2026-12-14T10:03:00Z" in again.stderr
    assert len(again.stderr.splitlines()) == 1
    # Whatever it was is gone: the process apart judges it.
    third = ectx("intake", "--as-of", "2026-12-14T10:03:00Z", home=home)
    assert (third.returncode, third.stderr) == (0, "")
    assert receipts(installation, provider)["declarations.csv"]["status"] == "rejected"
    assert list((home / "trying").iterdir()) == []


def test_a_process_apart_judges_as_any_other(installation, provider, monkeypatch):
    rows = acceptable_rows(installation, provider)
    bad = rows[2:3].with_columns(declaration_type=pl.lit("retained1"))
    waiting = claimed(installation, provider, "declarations.csv", pl.concat([rows[:2], bad]).write_csv(), monkeypatch)
    mark = installation.settings.home / "trying" / waiting
    mark.parent.mkdir(exist_ok=True)
    mark.touch()
    [outcome] = intake_round(installation, AT).outcomes
    assert (outcome.status, outcome.rows["accepted"], outcome.rule_counts) == ("partially-accepted", 2, {"DECL-010": 1})
    receipt = receipts(installation, provider)["declarations.csv"]
    assert receipt["processed_at"] == NOW and receipt["rows"] == outcome.rows


@pytest.mark.parametrize(
    ("error", "outside"),
    [
        (OSError(errno.ENOSPC, "full"), True),
        (OSError(errno.EDQUOT, "full"), True),
        (psycopg.OperationalError("the server closed the connection"), True),
        (psycopg.errors.ReadOnlySqlTransaction("read-only"), True),
        (psycopg.errors.DiskFull("full"), True),
        (psycopg.errors.AdminShutdown("gone"), True),
        (psycopg.errors.UndefinedColumn("no such column"), False),
        (psycopg.errors.SyntaxError("what"), False),
        (MemoryError(), False),
        (KeyError("x"), False),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else str(each),
)
def test_what_comes_from_outside_is_told_from_what_is_ours(error, outside):
    assert is_from_outside(error) is outside


def test_a_mistake_in_our_sql_is_ours(installation):
    with installation.database.read() as reader, pytest.raises(sqlite3.OperationalError) as raised:
        reader.frame("SELECT nothing FROM statements")
    assert not is_from_outside(raised.value)


@pytest.mark.slow
def test_files_of_a_mailbox_keep_their_order_for_people_too(installation, provider, monkeypatch):
    rows = acceptable_rows(installation, provider)
    first = claimed(installation, provider, "declarations-1.csv", rows[:1].write_csv(), monkeypatch)
    second = claimed(installation, provider, "declarations-2.csv", rows[1:2].write_csv(), monkeypatch)
    refused = ectx("submission", "retry", second, "--as-of", NOW, home=installation.settings.home)
    assert refused.returncode == 1 and f"NOT-ITS-TURN: {second} waits behind {first}." in refused.stderr
    done = ectx("submission", "retry", first, "--as-of", NOW, home=installation.settings.home)
    assert done.returncode == 0
    assert set(receipts(installation, provider)) == {"declarations-1.csv", "declarations-2.csv"}


def test_a_retry_that_is_killed_before_it_is_written_down_promises_nothing(installation, provider, monkeypatch):
    """The receipt of the file put aside is owed still: it is delivered as it was promised, not as it would have become."""
    rows = acceptable_rows(installation, provider)
    aside = claimed(installation, provider, "declarations.csv", rows[:2].write_csv(), monkeypatch)

    def cut(*_arguments, **_named):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("flows.acts.submissions.deliver_owed", cut)
        put_aside(installation, aside, "The store lost it.", AT)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("data.ledger.submissions.Submissions.settle", cut)
        tried_again(installation, aside, AT)
    intake_round(installation, AT)
    receipt = receipts(installation, provider)["declarations.csv"]
    assert receipt["status"] == "set-aside"
    [row] = indexed(installation, provider).filter(pl.col("path") == f"from-dfe/receipts/{aside}").to_dicts()
    assert hashlib.sha256((receipt["folder"] / "receipt.json").read_bytes()).hexdigest() == row["sha256"]
    tried_again(installation, aside, AT)
    assert receipts(installation, provider)["declarations.csv"]["status"] == "accepted"


@pytest.mark.slow
def test_a_process_apart_finds_a_home_that_is_named_from_where_we_stand(installation, provider, monkeypatch):
    waiting = claimed(installation, provider, "declarations.csv", "x\n", monkeypatch)
    mark = installation.settings.home / "trying" / waiting
    mark.parent.mkdir(exist_ok=True)
    mark.touch()
    home = installation.settings.home
    told = os.environ | {"ECTX_HOME": home.name, "ECTX_SECONDS_BETWEEN_LOOKS": "0"}
    command = [str(Path(sys.executable).parent / "ectx"), "intake", "--as-of", NOW]
    done = subprocess.run(command, env=told, cwd=home.parent, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert receipts(installation, provider)["declarations.csv"]["status"] == "rejected"


def test_a_folder_that_is_no_mailbox_hurts_nobody(installation, provider):
    odd = installation.settings.home / "mailboxes" / "lost+found"
    odd.mkdir(parents=True)
    (installation.settings.home / "mailboxes" / "strangers" / "to-dfe").mkdir(parents=True)
    (installation.settings.home / "mailboxes" / "strangers" / "to-dfe" / "x.csv").write_text("x\n")
    put(installation, provider, "declarations.csv", "x\n")
    done = intake_round(installation, AT)
    assert len(done.outcomes) == 1 and len(done.troubles) == 1 and done.troubles[0].startswith("strangers: FILE-003")
    assert list(odd.iterdir()) == []
