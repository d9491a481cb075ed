"""A file counts from when it lay there whole, however late a round comes; and one provider's trouble is its own."""

import hashlib
import json
import os
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data.database import Database
from flows.clock import instant
from flows.installation import Installation, open_installation
from flows.rounds.intake import intake_round
from flows.rounds.looking import received, remember_all
from flows.rounds.statements import statements_round
from flows.settings import Settings
from flows.upkeep.backup import backup
from flows.upkeep.restore import restore
from sftp.local import LocalMailbox
from sftp.mailbox import Arrival
from sftp.remote import SftpMailbox
from tests.conftest import NOW
from tests.exchange.provider import acceptable_rows, box, put, receipts
from tests.exchange.servers import SERVICES, mailbox_service, our_server

AT = instant(NOW)
BEFORE, AFTER = instant("2026-12-31T23:40:00Z"), instant("2027-01-01T00:05:00Z")
JANUARY, APRIL = "2027-01", "2027-04"


@dataclass
class World:
    """What time it is, for the database and for files that are put there."""

    now: datetime

    def put(self, installation, provider, name, content) -> Path:
        path = put(installation, provider, name, content)
        os.utime(path, (self.now.timestamp(), self.now.timestamp()))
        self.changes[path.name] = self.now.timestamp()
        return path


@pytest.fixture
def world(monkeypatch) -> World:
    """A clock that a test sets. A folder's change times cannot be set: they are told as of when a test put the file."""
    made = World(AT)
    made.changes = {}

    def told(name: str, status: os.stat_result) -> float:
        return made.changes.get(name, made.now.timestamp())

    monkeypatch.setattr(Database, "now", lambda self: made.now)
    monkeypatch.setattr(LocalMailbox, "_changed", staticmethod(told))
    return made


@pytest.fixture
def home(small_home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_home, tmp_path / "home"))


@contextmanager
def carried(carrier: str, installation: Installation, folder: Path):
    """The house, its mailboxes in a folder or on an SFTP service."""
    if carrier == "folder":
        yield installation
        return
    with mailbox_service(carrier, folder) as (url, key, hosts):
        boxes = installation.settings.home / "mailboxes"
        boxes.mkdir(exist_ok=True)
        told = {"mailboxes": f"{url}{boxes}", "sftp_key": key, "sftp_known_hosts": hosts}
        with open_installation(installation.settings.model_copy(update=told)) as remote:
            yield remote


def month_of(installation, provider, name="declarations.csv") -> set[str]:
    import polars as pl

    receipt = receipts(installation, provider)[name]
    return set(pl.read_csv(receipt["folder"] / "results.csv", infer_schema=False)["statement_month"].drop_nulls())


CARRIERS = ["folder", *SERVICES]


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("first", ["intake", "statements"])
@pytest.mark.slow
def test_a_file_put_there_before_midnight_keeps_its_deadline(carrier, first, installation, provider, world, tmp_path):
    content = acceptable_rows(installation, provider).head(2).write_csv()
    with carried(carrier, installation, tmp_path) as there:
        world.now = BEFORE
        world.put(installation, provider, "declarations.csv", content)
        world.now = AFTER
        if first == "intake":
            intake_round(there, None)
        done = statements_round(there, None)
    assert done.troubles == []
    assert month_of(installation, provider) == {JANUARY}
    told = json.loads((receipts(installation, provider)["declarations.csv"]["folder"] / "received.json").read_text())
    assert told["received_at"] == "2026-12-31T23:40:00Z"
    assert told["submission_id"].startswith("20261231T234000Z-declarations-")
    assert done.settled


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.slow
def test_a_file_put_there_after_midnight_does_not(carrier, installation, provider, world, tmp_path):
    content = acceptable_rows(installation, provider).head(2).write_csv()
    with carried(carrier, installation, tmp_path) as there:
        world.now = instant("2027-01-01T00:00:01Z")
        world.put(installation, provider, "declarations.csv", content)
        world.now = AFTER
        statements_round(there, None)
    assert JANUARY not in month_of(installation, provider)


@pytest.mark.slow
def test_in_summer_the_deadline_is_londons_midnight(installation, provider, world):
    rows = acceptable_rows(installation, provider)
    with installation.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE statements SET deadline_date = '2027-06-30' WHERE status = 'open' AND fee_type = 'output' AND month = 1 AND year = 2027"
        )
    for name, moment, part in (
        ("declarations-in-time.csv", "2027-06-30T22:59:59Z", rows[:1]),
        ("declarations-late.csv", "2027-06-30T23:00:00Z", rows[1:2]),
    ):
        world.now = instant(moment)
        world.put(installation, provider, name, part.write_csv())
    world.now = instant("2027-06-30T23:05:00Z")
    statements_round(installation, None)
    assert month_of(installation, provider, "declarations-in-time.csv") == {JANUARY}
    assert JANUARY not in month_of(installation, provider, "declarations-late.csv")


@pytest.mark.parametrize("carrier", CARRIERS)
def test_taking_a_file_is_a_change_that_a_kill_does_not_date_it_by(
    carrier, installation, provider, world, tmp_path, monkeypatch
):
    content = acceptable_rows(installation, provider).head(2).write_csv()
    with carried(carrier, installation, tmp_path) as there:
        world.now = BEFORE
        world.put(installation, provider, "declarations.csv", content)
        remember_all(there)

        def cut(*_arguments):
            raise KeyboardInterrupt

        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr("data.ledger.submissions.Submissions.claim", cut)
            intake_round(there, None)
        assert [path.name for path in (box(installation, provider) / ".taking").iterdir()] == ["declarations.csv"]
        world.now = AFTER
        world.changes["declarations.csv"] = AFTER.timestamp()
        intake_round(there, None)
    assert month_of(installation, provider) == {JANUARY}
    assert installation.sightings.all() == {}


def test_a_later_chmod_moves_nothing(installation, provider, world):
    world.now = BEFORE
    path = world.put(installation, provider, "declarations.csv", "x\n")
    remember_all(installation)
    world.now = AFTER
    path.chmod(0o600)
    world.changes[path.name] = AFTER.timestamp()
    [outcome] = intake_round(installation, None).outcomes
    assert outcome.submission.received_at == BEFORE


@pytest.mark.slow
def test_backup_and_restore_move_nothing(installation, provider, world, tmp_path):
    """The file was never looked at before the copy was made: the copy looks first."""
    world.now = BEFORE
    world.put(installation, provider, "declarations.csv", acceptable_rows(installation, provider).head(2).write_csv())
    world.now = instant("2026-12-31T23:50:00Z")
    backup(installation, tmp_path / "copy", world.now)
    world.now = AFTER
    world.changes.clear()  # a restored file is a new one to its folder
    settings = Settings(home=tmp_path / "again", seconds_between_looks=0)
    restore(tmp_path / "copy", settings)
    with open_installation(settings) as restored:
        statements_round(restored, None)
        assert month_of(restored, provider) == {JANUARY}


def test_a_file_that_comes_again_looking_the_same_counts_from_then(installation, provider, world):
    world.now = BEFORE
    path = world.put(installation, provider, "declarations.csv", "x\n")
    remember_all(installation)
    kept = path.stat()
    path.unlink()
    intake_round(installation, None)
    assert installation.sightings.all() == {}
    world.now = AFTER
    world.put(installation, provider, "declarations.csv", "x\n")
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    [outcome] = intake_round(installation, None).outcomes
    assert outcome.submission.received_at == AFTER


def test_the_order_of_files_is_that_of_when_they_were_received(installation, provider, world):
    """Not that of their times of modification, which their sender may set."""
    for minutes, name in ((1, "declarations-b.csv"), (2, "declarations-a.csv"), (2, "declarations-c.csv")):
        world.now = AT + timedelta(minutes=minutes)
        path = world.put(installation, provider, name, f"{name}\n")
        os.utime(path, (0, 1000 - minutes))
    done = intake_round(installation, None)
    assert [outcome.submission.file_name for outcome in done.outcomes] == [
        "declarations-b.csv", "declarations-a.csv", "declarations-c.csv",
    ]  # fmt: skip


def test_a_rehearsal_receives_everything_at_its_instant(installation, provider, world):
    world.now = AFTER
    world.put(installation, provider, "declarations.csv", "x\n")
    [outcome] = intake_round(installation, BEFORE).outcomes
    assert outcome.submission.received_at == BEFORE


def test_a_file_that_waits_for_its_checksum_is_received_when_both_lie_there(installation, provider, world):
    installation.accounts.want_checksums(provider.slug, True)
    content = acceptable_rows(installation, provider).head(2).write_csv()
    world.now = BEFORE
    world.put(installation, provider, "declarations.csv", content)
    world.now = instant("2027-01-01T00:01:00Z")
    world.put(installation, provider, "declarations.csv.sha256", hashlib.sha256(content.encode()).hexdigest())
    world.now = AFTER
    [outcome] = intake_round(installation, None).outcomes
    assert outcome.submission.received_at == instant("2027-01-01T00:01:00Z")


def test_a_checksum_that_nobody_demanded_delays_nothing(installation, provider, world):
    world.now = BEFORE
    world.put(installation, provider, "declarations.csv", "x\n")
    world.now = instant("2027-01-01T00:01:00Z")
    world.put(installation, provider, "declarations.csv.sha256", hashlib.sha256(b"x\n").hexdigest())
    [outcome] = intake_round(installation, None).outcomes
    assert outcome.submission.received_at == BEFORE


@pytest.mark.parametrize("name", ["declarations.csv", "declarations.csv.sha256"])
def test_a_kill_between_taking_a_file_and_its_checksum_loses_neither(installation, provider, world, monkeypatch, name):
    content = acceptable_rows(installation, provider).head(2).write_csv()
    world.put(installation, provider, "declarations.csv", content)
    world.put(installation, provider, "declarations.csv.sha256", hashlib.sha256(content.encode()).hexdigest())
    taking = LocalMailbox.take

    def cut(mailbox, arrival):
        answer = taking(mailbox, arrival)
        if arrival.name == name:
            raise KeyboardInterrupt
        return answer

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(LocalMailbox, "take", cut)
        intake_round(installation, None)
    [outcome] = intake_round(installation, None).outcomes
    assert (outcome.status, outcome.submission.expected_sha256) == ("accepted", outcome.submission.sha256)
    assert not [
        *(box(installation, provider) / ".taking").iterdir(),
        *(box(installation, provider) / "to-dfe").iterdir(),
    ]


# Since when a file lies there, by what a carrier tells

SEEN = instant("2027-01-01T00:05:00Z")
_AN_HOUR_AGO = SEEN - timedelta(hours=1)


@pytest.mark.parametrize(
    ("modified", "changed", "last_look", "since"),
    [
        ("2026-01-01T00:00:00Z", "2026-12-31T23:40:00Z", None, "2026-12-31T23:40:00Z"),
        ("2026-01-01T00:00:00Z", "2026-12-31T23:40:00Z", "2026-12-31T23:50:00Z", "2026-12-31T23:40:00Z"),
        ("2027-01-01T00:04:00Z", "2027-01-01T00:06:00Z", None, "2027-01-01T00:05:00Z"),
        ("2026-12-31T23:40:00Z", None, None, "2026-12-31T23:40:00Z"),
        ("2026-12-31T23:40:00Z", None, "2026-12-31T23:50:00Z", "2026-12-31T23:50:00Z"),
        ("2026-12-31T23:55:00Z", None, "2026-12-31T23:50:00Z", "2026-12-31T23:55:00Z"),
        ("2031-01-01T00:00:00Z", None, "2026-12-31T23:50:00Z", "2027-01-01T00:05:00Z"),
        ("1970-01-01T00:00:00Z", None, None, "1970-01-01T00:00:00Z"),
    ],
    ids=["a folder's change time", "whatever looks there were", "never after the look", "a service's time",
         "not before the look that did not see it", "between the looks", "a clock that is ahead", "no time at all"],
)  # fmt: skip
def test_since_when_a_file_lies_there(modified, changed, last_look, since):
    def seconds(text):
        return None if text is None else instant(text).timestamp()

    arrival = Arrival("x.csv", 1, seconds(modified), seconds(changed))
    assert received(arrival, last_look and instant(last_look), SEEN) == instant(since)


@pytest.mark.parametrize("modified", [-1e300, -1.0, 1e300, float(2**63)])
def test_no_time_that_a_service_reports_breaks_a_look(modified):
    moment = received(Arrival("x.csv", 1, modified), None, SEEN)
    assert datetime(1970, 1, 1, tzinfo=UTC) <= moment <= SEEN


@pytest.mark.parametrize("carrier", SERVICES)
def test_looks_at_a_service_are_remembered(carrier, installation, provider, world, tmp_path):
    """A file is not dated before a look that did not see it, whatever time it bears."""
    with carried(carrier, installation, tmp_path) as there:
        world.now = instant("2026-12-31T23:50:00Z")
        intake_round(there, None)
        world.now = instant("2027-01-01T00:02:00Z")
        path = world.put(installation, provider, "declarations.csv", "x\n")
        os.utime(path, (0, BEFORE.timestamp()))
        world.now = AFTER
        [outcome] = intake_round(there, None).outcomes
        assert outcome.submission.received_at == instant("2026-12-31T23:50:00Z")
        assert set(there.sightings.looks().values()) == {AFTER}


# One provider's trouble is its own


@pytest.mark.slow
def test_a_mailbox_that_cannot_be_seen_holds_its_provider_alone(installation, world, monkeypatch):
    first, second = installation.lead_providers()[:2]
    content = acceptable_rows(installation, first).head(2).write_csv()
    world.now = BEFORE
    world.put(installation, first, "declarations.csv", content)
    world.now = AFTER
    look = LocalMailbox.look

    def blind(mailbox):
        if mailbox.root.name == first.slug:
            from sftp.mailbox import MailboxError

            raise MailboxError("The mailbox's file system failed.")
        return look(mailbox)

    with monkeypatch.context() as patched:
        patched.setattr(LocalMailbox, "look", blind)
        done = statements_round(installation, None)
    owners = _owners(installation, done.settled)
    assert owners == {second.lead_provider_id}
    assert any(line.startswith(f"{first.slug}: ") and "could not be looked at" in line for line in done.troubles)
    # An hour later the mailbox is back: what lay there in time is in time.
    world.now = AFTER + timedelta(hours=1)
    done = statements_round(installation, None)
    assert done.troubles == []
    assert _owners(installation, done.settled) == {first.lead_provider_id}
    assert month_of(installation, first) == {JANUARY}


@pytest.mark.slow
def test_a_round_that_began_before_midnight_moves_nothing_of_that_day(installation, provider, world, monkeypatch):
    """Files may have come between its looks and midnight."""
    statements_round(installation, BEFORE)
    world.now = instant("2026-12-31T23:59:58Z")
    turn = installation.lead_providers

    def slowly():
        found = turn()
        world.now = instant("2027-01-01T00:03:00Z")
        return found

    monkeypatch.setattr(installation, "lead_providers", slowly)
    assert statements_round(installation, None).settled == []
    assert statements_round(installation, None).settled != []


def test_a_busy_mailbox_holds_its_provider_alone(installation, world):
    first, second = installation.lead_providers()[:2]
    world.now = BEFORE
    world.put(installation, first, "declarations.csv", "x\n")
    world.now = AFTER
    with installation.database.only_one(f"mailbox-{first.slug}"), pytest.MonkeyPatch.context() as patched:
        patched.setattr("flows.rounds.statements.INTAKE_SECONDS", 0.1)
        done = statements_round(installation, None)
    assert _owners(installation, done.settled) == {second.lead_provider_id}
    assert any("another round is at its mailbox" in line for line in done.troubles)


def _owners(installation, statement_ids) -> set[str]:
    with installation.database.read() as reader:
        found = reader.frame(
            "SELECT s.statement_id, c.lead_provider_id FROM statements s JOIN contracts c ON c.contract_id = s.contract_id"
        )
    return {owner for key, owner in found.iter_rows() if key in statement_ids}


# What was taken stays somewhere, whatever fails on the way back


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_file_that_cannot_go_back_is_not_removed(carrier, installation, provider, tmp_path, monkeypatch):
    """The take finds a changed file, and giving it back fails (a full quota, say): it stays taken, and goes back later."""
    path = put(installation, provider, "declarations.csv", "whole\n")
    with carried(carrier, installation, tmp_path) as there:
        mailbox = there.mailbox(provider.slug)
        [seen] = mailbox.look()
        stale = replace(seen, size_bytes=seen.size_bytes - 1)
        with monkeypatch.context() as patched:
            if carrier == "folder":
                patched.setattr("os.link", _no_quota)
                patched.setattr(Path, "rename", _only_into_taking(Path.rename))
            else:
                import paramiko

                patched.setattr(paramiko.SFTPClient, "rename", _only_into_taking(paramiko.SFTPClient.rename))
            with pytest.raises(Exception, match=r"failed"):
                mailbox.take(stale)
        assert (box(installation, provider) / ".taking" / "declarations.csv").read_text() == "whole\n"
        first = intake_round(there, AT)  # nobody has seen it whole: it goes back
        assert (first.outcomes, path.read_text()) == ([], "whole\n")
        assert len(intake_round(there, AT).outcomes) == 1


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_newer_file_in_its_place_wins(carrier, installation, provider, tmp_path):
    put(installation, provider, "declarations.csv", "old\n")
    with carried(carrier, installation, tmp_path) as there:
        mailbox = there.mailbox(provider.slug)
        [seen] = mailbox.look()
        assert mailbox.take(seen)
        put(installation, provider, "declarations.csv", "newer\n")
        mailbox.give_back(seen)
        assert mailbox.taken() == []
    assert (box(installation, provider) / "to-dfe" / "declarations.csv").read_text() == "newer\n"


def _no_quota(*_arguments, **_named):
    raise OSError(122, "Disk quota exceeded")


def _only_into_taking(rename):
    def renamed(self, *arguments):
        if not str(arguments[-1]).endswith(".taking/declarations.csv"):
            _no_quota()
        return rename(self, *arguments)

    return renamed


@pytest.mark.parametrize("kind", SERVICES)
def test_a_dead_connection_is_made_anew_for_the_next_mailbox(kind, installation, tmp_path, monkeypatch):
    first, second = installation.lead_providers()[:2]
    for provider in (first, second):
        put(installation, provider, "declarations.csv", "x\n")
    look, cuts = SftpMailbox.look, []

    def cut_once(mailbox):
        if not cuts:
            cuts.append(mailbox._client.get_channel().get_transport().sock.close())
        return look(mailbox)

    with carried(kind, installation, tmp_path) as there:
        monkeypatch.setattr(SftpMailbox, "look", cut_once)
        done = intake_round(there, AT)
    assert [outcome.submission.lead_provider_id for outcome in done.outcomes] == [second.lead_provider_id]
    assert len(done.troubles) == 1 and first.slug in done.troubles[0]


# A checksum that comes late


@pytest.mark.parametrize("agrees", [True, False])
@pytest.mark.parametrize(("seconds", "is_late"), [(59, False), (61, True)])
def test_a_checksum_that_comes_within_a_minute_is_compared_and_noted(
    installation, provider, world, agrees, seconds, is_late
):
    world.put(installation, provider, "declarations.csv", "x\n")
    intake_round(installation, None)
    world.now += timedelta(seconds=seconds)
    said = hashlib.sha256(b"x\n" if agrees else b"y\n").hexdigest()
    sidecar = world.put(installation, provider, "declarations.csv.sha256", said)
    done = intake_round(installation, None)
    if not agrees and not is_late:  # it may be that of the next file of this name, which has a minute to come
        assert sidecar.exists() and not done.troubles
        world.now += timedelta(seconds=61)
        done = intake_round(installation, None)
    receipt = receipts(installation, provider)["declarations.csv"]
    noted = [note for note in receipt["notes"] if "checksum" in note]
    assert sidecar.exists() is is_late
    assert (len(noted), len(done.troubles)) == ((0, 0) if is_late else (1, 0 if agrees else 1))
    if not is_late:
        assert ("does not agree" in noted[0]) is not agrees
        assert noted[0] in (receipt["folder"] / "receipt.html").read_text()
        listed = {each["name"]: each["sha256"] for each in receipt["files"]}
        assert hashlib.sha256((receipt["folder"] / "receipt.html").read_bytes()).hexdigest() == listed["receipt.html"]
        assert intake_round(installation, None).delivered == 0


def test_a_checksum_is_that_of_the_file_which_comes_next(installation, provider, world):
    """Sent first, as guidance says, for a second file of a name that was judged a moment before."""
    world.put(installation, provider, "declarations.csv", "x\n")
    intake_round(installation, None)
    world.now += timedelta(seconds=10)
    world.put(installation, provider, "declarations.csv.sha256", hashlib.sha256(b"y\n").hexdigest())
    intake_round(installation, None)
    world.now += timedelta(seconds=1)
    world.put(installation, provider, "declarations.csv", "z\n")  # not what was promised
    [judged] = intake_round(installation, None).outcomes
    assert judged.failure and judged.failure.code == "FILE-015"
    assert not receipts(installation, provider)["declarations.csv"]["notes"]


# On our own server, with a real client


@pytest.mark.slow
def test_on_our_own_server_it_is_the_clock_when_the_file_was_closed(home, tmp_path):
    """Whatever time of modification the client sets, and however late the round."""
    old = tmp_path / "declarations.csv"
    old.write_text("x\n")
    os.utime(old, (0, 0))
    with open_installation(Settings(home=home, seconds_between_looks=0)) as installation:
        provider = installation.lead_providers()[0]
        with our_server(home / "mailboxes", tmp_path, provider.slug) as (_, client, _):
            before = datetime.now(UTC)
            client.sftp(
                f"put -p {old} to-dfe/declarations.part\nrename to-dfe/declarations.part to-dfe/declarations.csv"
            )
            after = datetime.now(UTC)
        time.sleep(1.5)
        [outcome] = intake_round(installation, None).outcomes
        # The kernel's clock for files is some milliseconds behind.
        assert before - timedelta(milliseconds=20) <= outcome.submission.received_at <= after
