"""What is kept, for how long, and what can be made from it: housekeeping, backup and restore, replay."""

import os
import shutil
import threading
import time
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from data.history import events_of_participant
from data.records.extract import export_records, import_records
from flows.acts.adjust import add_adjustments
from flows.acts.void import void
from flows.clock import instant
from flows.errors import ExchangeError
from flows.installation import open_installation
from flows.rounds.intake import intake_round
from flows.rounds.statements import statements_round
from flows.settings import Settings
from flows.upkeep.backup import backup
from flows.upkeep.housekeeping import housekeeping
from flows.upkeep.replay import replay
from flows.upkeep.restore import restore
from tests.conftest import IMPORTED_AT, NOW
from tests.exchange.provider import acceptable_rows, box, pay, put, receipts
from tests.exchange.servers import SERVICES, mailbox_service
from tests.faults.state import harm, state_of

AT, LATER, MUCH_LATER = instant(NOW), instant("2027-01-05T10:00:00Z"), instant("2034-06-01T10:00:00Z")


@pytest.fixture
def small(small_home, tmp_path):
    """A house with few open statements, one file judged, another waiting."""
    home = Path(shutil.copytree(small_home, tmp_path / "home"))
    with open_installation(Settings(home=home, seconds_between_looks=0)) as opened:
        provider = opened.lead_providers()[0]
        rows = acceptable_rows(opened, provider)
        put(opened, provider, "declarations.csv", rows.head(3).write_csv())
        intake_round(opened, AT)
        put(opened, provider, "declarations-more.csv", rows[3:5].write_csv())
        yield opened


def _age(folder: Path) -> None:
    """As if the store had been written long ago."""
    for path in folder.rglob("*"):
        os.utime(path, (0, 0))


# Housekeeping


def test_nothing_goes_before_its_time(small):
    _age(small.settings.home / "uploads")
    before = state_of(small.settings, small.settings.home)
    done = housekeeping(small, AT + timedelta(days=small.settings.keep_days))
    assert (sum(done.receipts.values()), done.uploads) == (0, 0)
    assert harm(state_of(small.settings, small.settings.home), before).is_none


def test_uploads_and_receipts_go_and_the_audit_trail_stays(small):
    provider = small.lead_providers()[0]
    receipt = receipts(small, provider)["declarations.csv"]
    index = (box(small, provider) / "from-dfe" / "index.csv").read_bytes()
    with small.database.read() as reader:
        person = reader.frame("SELECT participant_id FROM events WHERE submission_id IS NOT NULL LIMIT 1").item()
        told = events_of_participant(reader, person)
    _age(small.settings.home / "uploads")
    done = housekeeping(small, MUCH_LATER)
    assert (done.receipts, done.uploads, done.troubles) == ({provider.lead_provider_id: 1}, 1, [])
    assert not receipt["folder"].exists()
    assert not (small.outbox / receipt["submission_id"]).exists()
    assert not small.stored_upload(receipt["sha256"]).exists()
    assert (box(small, provider) / "from-dfe" / "index.csv").read_bytes() == index
    with small.database.read() as reader:
        assert events_of_participant(reader, person) == told
    assert housekeeping(small, MUCH_LATER).receipts == {}


def test_what_a_receipt_said_of_rejected_rows_goes_with_it(small):
    provider = small.lead_providers()[0]
    late = acceptable_rows(small, provider).head(1).with_columns(declaration_date=pl.lit("2031-01-01"))
    put(small, provider, "declarations-wrong.csv", late.write_csv())
    intake_round(small, AT)
    asked = "SELECT rule_codes, messages FROM rejected_declarations"
    with small.database.read() as reader:
        (codes, said), *_ = reader.frame(asked).iter_rows()
    assert codes and said
    _age(small.settings.home / "uploads")
    housekeeping(small, MUCH_LATER)
    with small.database.read() as reader:
        assert set(reader.frame(asked).iter_rows()) == {(codes, None)}


def test_statements_are_never_removed(small):
    provider = small.lead_providers()[0]
    statements_round(small, AT)
    made = sorted(box(small, provider).glob("from-dfe/statements/*/*/*/*"))
    housekeeping(small, MUCH_LATER)
    assert made and sorted(box(small, provider).glob("from-dfe/statements/*/*/*/*")) == made


def test_bytes_that_a_younger_submission_has_too_are_kept(small):
    provider = small.lead_providers()[0]
    first = receipts(small, provider)["declarations.csv"]
    put(small, provider, "declarations-again.csv", small.stored_upload(first["sha256"]).read_bytes())
    intake_round(small, MUCH_LATER)
    _age(small.settings.home / "uploads")
    done = housekeeping(small, MUCH_LATER)
    assert sum(done.receipts.values()) == 1
    assert small.stored_upload(first["sha256"]).exists()
    assert receipts(small, provider)["declarations-again.csv"]["status"] == "duplicate"


def test_the_same_file_after_its_upload_has_gone_is_still_a_duplicate(small):
    provider = small.lead_providers()[0]
    content = small.stored_upload(receipts(small, provider)["declarations.csv"]["sha256"]).read_bytes()
    _age(small.settings.home / "uploads")
    housekeeping(small, MUCH_LATER)
    put(small, provider, "declarations.csv", content)
    intake_round(small, MUCH_LATER)
    assert receipts(small, provider)["declarations.csv"]["status"] == "duplicate"


def test_what_is_not_judged_or_not_delivered_stays(small):
    provider = small.lead_providers()[0]
    with small.database.write() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET delivered_at = NULL, sequence = NULL")
    _age(small.settings.home / "uploads")
    assert housekeeping(small, MUCH_LATER).receipts == {}
    intake_round(small, MUCH_LATER)
    assert sum(housekeeping(small, MUCH_LATER).receipts.values()) == 1
    assert "declarations-more.csv" in receipts(small, provider)


def test_unfinished_uploads_of_killed_rounds_go_after_a_day(small):
    folder = small.settings.home / "uploads"
    young, old = folder / ".young.tmp", folder / ".old.tmp"
    young.write_bytes(b"x")
    old.write_bytes(b"x")
    os.utime(old, (0, 0))
    housekeeping(small, AT)
    assert (young.exists(), old.exists()) == (True, False)


@pytest.mark.parametrize("kind", SERVICES)
def test_receipts_go_from_an_sftp_service_too(small, kind, tmp_path):
    (tmp_path / "keys").mkdir()
    with mailbox_service(kind, tmp_path / "keys") as (url, key, hosts):
        far = small.settings.model_copy(
            update={
                "mailboxes": f"{url}{small.settings.home / 'mailboxes'}",
                "sftp_key": key,
                "sftp_known_hosts": hosts,
            }
        )
        receipt = receipts(small, small.lead_providers()[0])["declarations.csv"]
        with open_installation(far) as installation:
            assert sum(housekeeping(installation, MUCH_LATER).receipts.values()) == 1
        assert not receipt["folder"].exists()


# Backup and restore


def _restored(folder: Path, home: Path) -> Settings:
    settings = Settings(home=home, seconds_between_looks=0)
    restore(folder, settings)
    return settings


@pytest.mark.slow
def test_a_copy_restored_is_the_same_and_goes_on_the_same(small, tmp_path):
    statements_round(small, AT)
    put(small, small.lead_providers()[0], "declarations-last.csv", "participant_id\n")
    small.accounts.want_checksums(small.lead_providers()[1].slug, True)
    small.accounts.allow(small.lead_providers()[1].slug)
    backup(small, tmp_path / "copy", AT)
    copy = _restored(tmp_path / "copy", tmp_path / "restored")
    assert harm(state_of(copy, copy.home), state_of(small.settings, small.settings.home)).is_none
    assert (copy.home / "keys").is_dir()
    with open_installation(copy) as installation:
        assert installation.accounts.names() == small.accounts.names()
        assert installation.accounts.wants_checksums(small.lead_providers()[1].slug)
        statements_round(installation, LATER)
    statements_round(small, LATER)
    assert harm(state_of(copy, copy.home), state_of(small.settings, small.settings.home)).is_none


def test_the_next_copy_takes_what_is_new_and_drops_what_is_gone(small, tmp_path):
    copy = tmp_path / "copy"
    backup(small, copy, AT)
    first = {path: path.stat().st_mtime_ns for path in (copy / "uploads").rglob("*") if path.is_file()}
    inodes = {path: path.stat().st_ino for path in first}
    intake_round(small, AT)
    backup(small, copy, AT)
    assert {path: path.stat().st_ino for path in first} == inodes
    assert len([path for path in (copy / "uploads").rglob("*") if path.is_file()]) == len(first) + 1
    _age(small.settings.home / "uploads")
    housekeeping(small, MUCH_LATER)
    backup(small, copy, MUCH_LATER)
    assert [path for path in (copy / "uploads").rglob("*") if path.is_file()] == []


@pytest.mark.slow
def test_a_copy_made_while_rounds_run_is_consistent(small, tmp_path):
    """Whatever it caught, plain rounds on it end where the original ends: nothing lost, nothing judged twice."""
    provider = small.lead_providers()[0]
    rows = acceptable_rows(small, provider)
    stop = threading.Event()

    def busy() -> None:
        with open_installation(small.settings) as installation:
            for number in range(200):
                if stop.is_set():
                    return
                put(
                    installation,
                    provider,
                    f"declarations-{number}.csv",
                    rows[5 + number % 20 : 6 + number % 20].write_csv(),
                )
                intake_round(installation, AT)

    for attempt in range(3):
        stop.clear()
        rounds = threading.Thread(target=busy)
        rounds.start()
        time.sleep(0.3)
        backup(small, tmp_path / "copy", AT)
        caught = {path.name for path in (box(small, provider) / "to-dfe").iterdir()}
        stop.set()
        rounds.join()
        copy = _restored(tmp_path / "copy", tmp_path / f"restored{attempt}")
        with open_installation(copy) as installation:
            assert intake_round(installation, AT).troubles == []
            there = installation.submissions._all(_submissions())
            assert len({row.arrival for row in there}) == len(there)
            assert all(installation.stored_upload(row.sha256).is_file() for row in there)
            assert {row.status for row in there} <= {"accepted", "duplicate", "rejected"}
            names = set(receipts(installation, provider))
            assert len(list(box(installation, provider).glob("from-dfe/receipts/*/receipt.json"))) == len(there)
        assert caught <= names | {path.name for path in (box(small, provider) / "to-dfe").iterdir()} | set(
            receipts(small, provider)
        )


def _submissions():
    from sqlalchemy import select

    from data.tables import submissions

    return select(submissions.c.arrival, submissions.c.sha256, submissions.c.status)


def test_a_restore_cut_off_is_done_again(small, tmp_path, monkeypatch):
    backup(small, tmp_path / "copy", AT)
    home = tmp_path / "restored"
    from flows.upkeep import restore as module

    def dies(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(module, "deliver_again", dies)
        restore(tmp_path / "copy", Settings(home=home))
    assert not (home / "records.db").exists()
    copy = _restored(tmp_path / "copy", home)
    assert harm(state_of(copy, home), state_of(small.settings, small.settings.home)).is_none


def test_what_cannot_be_restored_is_said(small, tmp_path):
    with pytest.raises(ExchangeError, match="no whole copy"):
        restore(tmp_path, Settings(home=tmp_path / "new"))
    backup(small, tmp_path / "copy", AT)
    with pytest.raises(ExchangeError, match="holds records already"):
        restore(tmp_path / "copy", small.settings)
    with (tmp_path / "copy" / "records.db").open("ab") as handle:
        handle.write(b"x")
    with pytest.raises(ExchangeError, match="is not what was copied"):
        restore(tmp_path / "copy", Settings(home=tmp_path / "new"))


# Replay


@pytest.mark.slow
def test_a_replay_ends_where_we_are(small_home, tmp_path):
    """Files of several kinds, right and wrong, over a deadline; DfE pays, voids, adjusts and loads its records anew."""
    home = Path(shutil.copytree(small_home, tmp_path / "home"))
    with open_installation(Settings(home=home, seconds_between_looks=0)) as installation:
        extracts = [tmp_path / "first", tmp_path / "second"]
        export_records(installation.database, extracts[0])
    shutil.rmtree(home)
    with open_installation(Settings(home=home, seconds_between_looks=0)) as installation:
        import_records(installation.database, extracts[0], instant(IMPORTED_AT))
        first, second = installation.lead_providers()[:2]
        rows = acceptable_rows(installation, first)
        put(
            installation,
            first,
            "declarations.csv",
            rows.head(6).write_csv() + "nobody,ecf-induction,started,2026-12-01,other\n",
        )
        put(installation, second, "declarations.csv", acceptable_rows(installation, second).head(3).write_csv())
        put(installation, second, "nonsense.txt", "what\n")
        intake_round(installation, AT)
        with installation.database.read() as reader:
            declared = reader.frame(
                "SELECT declaration_id, participant_id FROM events WHERE submission_id IS NOT NULL AND declaration_id IS NOT NULL "
                "ORDER BY event_id"
            )
        ids = declared["declaration_id"].unique(maintain_order=True)
        put(installation, first, "voids.csv", f"declaration_id\n{ids[0]}\n")
        statements_round(installation, AT + timedelta(hours=1))
        void(installation, ids[1], "declared by mistake", AT + timedelta(hours=2))
        with installation.database.read() as reader:
            open_one = reader.frame(
                "SELECT statement_id FROM statements WHERE status = 'open' AND fee_type = 'output' ORDER BY statement_id"
            ).item(0, 0)
        (tmp_path / "adjust.csv").write_text(f"statement_id,payment_type,amount\n{open_one},Late joiners,-12.34\n")
        add_adjustments(installation, tmp_path / "adjust.csv", AT + timedelta(hours=2, minutes=30))
        export_records(installation.database, extracts[1])
        import_records(installation.database, extracts[1], AT + timedelta(hours=3))
        installation.forget()
        done = statements_round(installation, LATER)
        assert done.settled
        pay(installation, done.settled[0], LATER + timedelta(hours=2))
        put(installation, first, "declarations-2.csv", rows[6:9].write_csv())
        put(installation, first, "declarations.csv", rows.head(2).write_csv())
        intake_round(installation, LATER + timedelta(days=1))

        before = state_of(installation.settings, home)
        found = replay(installation, extracts, tmp_path / "replay")
        assert (found.different, found.files, found.extracts) == ({}, 6, 2)
        assert harm(state_of(installation.settings, home), before).is_none
        with open_installation(Settings(home=tmp_path / "replay")) as copy:
            assert _receipts(copy) == _receipts(installation)

        with installation.database.write() as connection:
            connection.exec_driver_sql(
                f"UPDATE declarations SET declaration_type = 'retained-1' WHERE declaration_id = '{ids[2]}'"
            )
        changed = replay(installation, extracts, tmp_path / "again")
        assert changed.different == {"declarations": (1, 1)}


def _receipts(installation):
    """Path and SHA-256 of every receipt that was written."""
    with installation.database.read() as reader:
        return set(reader.frame("SELECT path, sha256 FROM deliveries WHERE what = 'receipt'").iter_rows())


def test_what_cannot_be_replayed_is_said(small, sample, tmp_path):
    with pytest.raises(ExchangeError, match="loaded 1 times, and 2 extracts are given"):
        replay(small, [sample, sample], tmp_path / "replay")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(ExchangeError, match="is not empty"):
        replay(small, [sample], tmp_path / "full")
    _age(small.settings.home / "uploads")
    housekeeping(small, MUCH_LATER)
    with pytest.raises(ExchangeError, match="1 of 1 uploads are not in the store"):
        replay(small, [sample], tmp_path / "replay")
