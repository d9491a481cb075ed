"""When an upload was whole, as our own server saw it: on disk before its sender is told, and in the database at the next look."""

import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from flows.clock import instant
from flows.installation import open_installation
from flows.rounds.claiming import Claims
from flows.rounds.intake import intake_round
from flows.settings import Settings
from flows.upkeep.backup import backup
from flows.upkeep.restore import restore
from sftp.local import LocalMailbox
from sftp.server.bounds import Bounds
from sftp.server.journal import Journal, Whole
from tests.conftest import NOW
from tests.exchange.servers import our_server

HEADER = "declaration_id\nx\n"


@pytest.fixture
def served(installation, provider, tmp_path):
    """(the house, whose mailboxes our server serves, a client of the provider)"""
    installation.mailbox(provider.slug)
    with our_server(installation.settings.mailboxes_folder, tmp_path, provider.slug, Bounds()) as (_, client, _):
        shutil.rmtree(installation.settings.journal_folder, ignore_errors=True)
        installation.settings.journal_folder.symlink_to(tmp_path / "arrivals")
        yield installation, client


def put(client, tmp_path, content=HEADER, name="voids.csv", options=""):
    (tmp_path / "mine.csv").write_text(content)
    before = datetime.now(UTC)
    client.sftp(f"put {options} {tmp_path / 'mine.csv'} to-dfe/{name}")
    return before, datetime.now(UTC)


def received(installation):
    """When each file of a round was received."""
    return [each.submission.received_at for each in intake_round(installation, None).outcomes]


def test_an_upload_counts_from_when_it_was_closed(served, provider, tmp_path):
    installation, client = served
    before, after = put(client, tmp_path)
    path = installation.settings.mailboxes_folder / provider.slug / "to-dfe" / "voids.csv"
    time.sleep(0.2)
    path.chmod(0o600)  # moves the change time
    assert path.stat().st_ctime > after.timestamp()
    (moment,) = received(installation)
    assert before <= moment <= after


def test_one_that_is_renamed_to_its_name_counts_from_then(served, tmp_path):
    installation, client = served
    put(client, tmp_path, name="voids.csv.part")
    time.sleep(0.2)
    before = datetime.now(UTC)
    client.sftp("rename to-dfe/voids.csv.part to-dfe/voids.csv")
    (moment,) = received(installation)
    assert before <= moment <= datetime.now(UTC)


def test_another_of_the_same_looks_counts_from_its_own_close(served, provider, tmp_path):
    """Name, size and time of modification are the sender's to choose: what is in it may be another."""
    installation, client = served
    (tmp_path / "mine.csv").write_text(HEADER)
    os.utime(tmp_path / "mine.csv", (1_700_000_000, 1_700_000_000))
    client.sftp(f"put -p {tmp_path / 'mine.csv'} to-dfe/voids.csv")
    from flows.rounds.looking import remember_all

    remember_all(installation)
    time.sleep(0.2)
    before = datetime.now(UTC)
    (tmp_path / "mine.csv").write_text(HEADER.replace("x", "y"))
    os.utime(tmp_path / "mine.csv", (1_700_000_000, 1_700_000_000))
    client.sftp(f"put -p {tmp_path / 'mine.csv'} to-dfe/voids.csv")
    (moment,) = received(installation)
    assert moment >= before


def test_where_the_journal_is_lost_the_change_time_counts(served, provider, tmp_path):
    installation, client = served
    before, after = put(client, tmp_path)
    shutil.rmtree(tmp_path / "arrivals")
    installation.settings.journal_folder.unlink()
    (moment,) = received(installation)
    assert before - timedelta(seconds=1) <= moment <= after


def test_a_line_that_was_cut_is_passed_over(served, tmp_path):
    installation, client = served
    put(client, tmp_path)
    (path,) = (tmp_path / "arrivals").glob("*.jsonl")
    path.write_bytes(path.read_bytes()[:-20])
    assert len(received(installation)) == 1


def test_a_copy_carries_it(served, provider, tmp_path):
    installation, client = served
    before, after = put(client, tmp_path)
    backup(installation, tmp_path / "copy", instant(NOW))
    restore(tmp_path / "copy", Settings(home=tmp_path / "new"))
    with open_installation(Settings(home=tmp_path / "new", seconds_between_looks=0)) as again:
        (moment,) = received(again)
    assert before <= moment <= after


def test_what_is_taken_is_gone_once_it_is_in_the_database_and_not_before(tmp_path):
    journal, whole = Journal(tmp_path / "arrivals"), Whole("a.csv", 1, 2.0, 3.0, 4.0)
    journal.add("alpha", whole)
    with pytest.raises(RuntimeError), journal.taken("alpha") as taken:
        assert taken == [whole]
        journal.add("alpha", Whole("b.csv", 1, 2.0, 3.0, 5.0))  # nobody waits
        raise RuntimeError
    assert journal.slugs() == ["alpha"]
    with journal.taken("alpha") as taken:
        assert [each.name for each in taken] == ["a.csv", "b.csv"]
    assert journal.slugs() == []


def test_many_writers_lose_no_line(tmp_path):
    script = (
        "import sys; from pathlib import Path; from sftp.server.journal import Journal, Whole\n"
        "for n in range(50): Journal(Path(sys.argv[1])).add('alpha', Whole(f'{sys.argv[2]}-{n}', 1, 2.0, 3.0, 4.0))"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "j"), str(n)]) for n in range(4)]
    names: set[str] = set()
    journal = Journal(tmp_path / "j")
    while any(each.poll() is None for each in writers) or journal.slugs():
        if journal.slugs():
            with journal.taken("alpha") as taken:
                assert not names & {each.name for each in taken}
                names |= {each.name for each in taken}
    assert len(names) == 200


@pytest.mark.parametrize("when", ["before the take", "as the take begins"])
@pytest.mark.slow
def test_what_takes_a_files_place_during_a_round_does_not_count_from_its_time(
    served, provider, tmp_path, monkeypatch, when
):
    """Before the deadline a file of some content, after it another of the same name, size and time of modification."""
    installation, client = served

    def send(content):
        (tmp_path / "mine.csv").write_text(content)
        os.utime(tmp_path / "mine.csv", (1_700_000_000, 1_700_000_000))
        client.sftp(f"put -p {tmp_path / 'mine.csv'} to-dfe/voids.csv")

    send("declaration_id\nx\n")
    time.sleep(0.3)
    moments = []

    def replaced(act):
        def acting(*arguments):
            if not moments:
                moments.append(datetime.now(UTC))
                send("declaration_id\ny\n")
            return act(*arguments)

        return acting

    if when == "before the take":
        monkeypatch.setattr("flows.rounds.turn.Claims", replaced(Claims))
    else:
        monkeypatch.setattr("sftp.local.LocalMailbox.take", replaced(LocalMailbox.take))
    found = [each for _ in range(3) for each in intake_round(installation, None).outcomes]
    assert moments
    for each in found:
        content = installation.stored_upload(each.submission.sha256).read_bytes()
        assert b"x" in content or each.submission.received_at >= moments[0]
    assert len(found) == 1


def test_a_journal_has_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr("sftp.server.journal.MOST_BYTES", 1000)
    journal = Journal(tmp_path / "arrivals")
    for number in range(100):
        journal.add("alpha", Whole(f"{number}.csv", 1, 2.0, 3.0, 4.0))
    assert (tmp_path / "arrivals" / "alpha.jsonl").stat().st_size < 1200
