"""A provider with a key, and an evil client: what it may hold, and that nobody else notices."""

import os
import signal
import stat
import struct
import time
from pathlib import Path

import paramiko
import pytest

from sftp.server.bounds import MEBIBYTE, Bounds
from tests.attacks.raw import (
    FOUR_BILLION,
    Sftp,
    as_string,
    children,
    eventually,
    knocking,
    logged_in,
    processor_seconds,
)
from tests.exchange.servers import our_server, port_of, uploading

OPEN, CLOSE, WRITE, FSETSTAT, OPENDIR, READDIR, MKDIR, SETSTAT, EXTENDED = 3, 4, 6, 10, 11, 12, 14, 9, 200
STATUS, HANDLE, NAME = 101, 102, 104
READS, WRITES, CREATES, TRUNCATES, EXCLUSIVE = 1, 2, 8, 16, 32
UNSUPPORTED, BAD_MESSAGE, FAILURE = 8, 5, 4
SMALL = Bounds(file_bytes=20 * MEBIBYTE, waiting_bytes=20 * MEBIBYTE)


@pytest.fixture
def ours(tmp_path):
    (tmp_path / "mailboxes").mkdir()
    with our_server(tmp_path / "mailboxes", tmp_path, "alpha", SMALL) as server:
        yield server


@pytest.fixture
def mailbox(tmp_path):
    return tmp_path / "mailboxes" / "alpha"


@pytest.fixture
def sftp(ours):
    with logged_in(ours[1]) as transport:
        yield Sftp(transport)


def opened(sftp, name="declarations.csv", flags=WRITES | CREATES | TRUNCATES):
    kind, body = sftp.ask(OPEN, f"/to-dfe/{name}", flags, 0)
    assert kind == HANDLE
    return body


def write(sftp, handle, offset, content):
    return sftp.ask(WRITE, handle, struct.pack(">Q", offset), as_string(content))


def status_of(answer):
    assert answer[0] == STATUS
    return struct.unpack(">I", answer[1][:4])[0]


def test_hashing_beyond_the_end_is_not_offered(ours, sftp):
    """check-file beyond a file's end never ended."""
    handle = opened(sftp)
    told = sftp.ask(EXTENDED, "check-file", handle, "md5", struct.pack(">QQI", 0, 1 << 60, 0))
    assert status_of(told) == UNSUPPORTED
    assert b"check-file" not in sftp.version
    assert b"posix-rename@openssh.com" in sftp.version


EXTENDED_ATTRIBUTES = struct.pack(">II", 0x80000000, FOUR_BILLION)


@pytest.mark.parametrize(
    "request_",
    [(OPEN, "/to-dfe/a.csv", WRITES | CREATES), (MKDIR, "/to-dfe/x"), (SETSTAT, "/to-dfe/a.csv"), (FSETSTAT, "hx1")],
    ids=["open", "mkdir", "setstat", "fsetstat"],
)
def test_four_billion_attributes_are_a_bad_message(ours, sftp, request_):
    process, _, _ = ours
    for _ in range(3):
        assert status_of(sftp.ask(*request_, EXTENDED_ATTRIBUTES)) == BAD_MESSAGE
    assert status_of(sftp.ask(*request_, EXTENDED_ATTRIBUTES + as_string(b"name") * 20_000)) == BAD_MESSAGE
    assert processor_seconds(children(process.pid)) < 2


def test_a_packet_beyond_the_bound_ends_the_session_alone(ours, sftp):
    _, client, _ = ours
    sftp.channel.sendall(struct.pack(">I", (1 << 24) - 1) + b"x" * 1000)
    with pytest.raises(EOFError):
        sftp.receive()
    client.sftp("ls")


def resident_mebibytes(process):
    with open(f"/proc/{process}/status") as told:
        return next(int(line.split()[1]) for line in told if line.startswith("VmRSS:")) >> 10


def test_open_folders_hold_no_listings(ours, mailbox, sftp):
    """64 handles of a folder with 20,000 files once held 34 MiB a channel."""
    process, _, _ = ours
    folder = mailbox / "from-dfe" / "receipts"
    for number in range(20_000):
        (folder / f"20261125T100000Z-declarations-{number:06}").touch()
    child = max(children(process.pid))
    before = resident_mebibytes(child)
    handles = [sftp.ask(OPENDIR, "/from-dfe/receipts") for _ in range(60)]
    assert {kind for kind, _ in handles} == {HANDLE}
    assert sftp.ask(READDIR, handles[0][1])[0] == NAME
    assert resident_mebibytes(child) - before < 8
    names, (_, handle) = 0, handles[1]
    while (answer := sftp.ask(READDIR, handle))[0] == NAME:
        names += struct.unpack(">I", answer[1][:4])[0]
    assert names == 20_000


def test_an_old_time_on_an_open_upload_makes_no_room(ours, mailbox, sftp):
    """140 MiB were taken against a quota of 20: a time of long ago made a live upload look abandoned."""
    total = 0
    for number in range(12):
        handle = opened(sftp, f"declarations-{number}.csv")
        sftp.ask(FSETSTAT, handle, struct.pack(">III", 8, 1, 1))
        for offset in range(0, 4 * MEBIBYTE, 128 << 10):
            if status_of(write(sftp, handle, offset, b"x" * (128 << 10))):
                break
            total += 128 << 10
    held = sum(path.stat().st_blocks * 512 for path in mailbox.rglob("*") if path.is_file())
    assert total <= 20 * MEBIBYTE and held <= 20 * MEBIBYTE


def test_a_time_set_on_an_open_upload_is_set_when_it_is_closed(mailbox, sftp):
    handle = opened(sftp)
    write(sftp, handle, 0, b"a,b\n")
    sftp.ask(FSETSTAT, handle, struct.pack(">III", 8, 1_700_000_000, 1_700_000_001))
    write(sftp, handle, 4, b"1,2\n")
    assert status_of(sftp.ask(CLOSE, handle)) == 0
    path = mailbox / "to-dfe" / "declarations.csv"
    assert (path.read_bytes(), path.stat().st_mtime) == (b"a,b\n1,2\n", 1_700_000_001)


@pytest.mark.parametrize("size", [0, 3, 5, 1000])
def test_a_size_set_on_an_open_file_holds(mailbox, sftp, size):
    handle = opened(sftp)
    write(sftp, handle, 0, b"12345")
    assert status_of(sftp.ask(FSETSTAT, handle, struct.pack(">IQ", 1, size))) == 0
    assert status_of(sftp.ask(CLOSE, handle)) == 0
    assert (mailbox / "to-dfe" / "declarations.csv").read_bytes() == b"12345".ljust(size, b"\0")[:size]


def test_a_size_beyond_the_bounds_is_refused(mailbox, sftp):
    handle = opened(sftp)
    assert status_of(sftp.ask(FSETSTAT, handle, struct.pack(">IQ", 1, 1 << 50))) == FAILURE
    assert sftp.ask(CLOSE, handle)[0] == STATUS
    assert sum(path.stat().st_size for path in mailbox.rglob("*") if path.is_file()) < MEBIBYTE


def test_uploads_that_are_gone_already_leak_nothing(ours, mailbox):
    """59 descriptors stayed open at each disconnect until a restart."""
    process, client, _ = ours
    with logged_in(client) as transport:
        session = Sftp(transport)
        for number in range(59):
            opened(session, f"declarations-{number}.csv")
        for path in (mailbox / ".uploading").iterdir():
            path.unlink()
    assert eventually(lambda: len(children(process.pid)) == 1)
    assert len(os.listdir(f"/proc/{process.pid}/fd")) < 12
    client.sftp("ls")


def test_a_connection_that_is_killed_hinders_nobody(ours, mailbox, tmp_path):
    process, client, _ = ours
    (tmp_path / "mine.csv").write_bytes(b"x" * 19 * MEBIBYTE)
    with logged_in(client) as transport:
        session = Sftp(transport)
        handle = opened(session)
        for offset in range(0, 15 * MEBIBYTE, 1 << 17):
            write(session, handle, offset, b"x" * (1 << 17))
        child = next(each for each in children(process.pid) if _holds(each, mailbox))
        os.kill(child, 9)
        client.sftp(f"put {tmp_path / 'mine.csv'} to-dfe/declarations.csv")
    assert uploading(mailbox) == []
    assert (mailbox / "to-dfe" / "declarations.csv").stat().st_size == 19 * MEBIBYTE


def _holds(process, mailbox):
    folder = Path(f"/proc/{process}/fd")
    return any(str(mailbox / ".uploading") in os.readlink(each) for each in folder.iterdir())


def test_who_must_not_replace_does_not(mailbox, sftp):
    (mailbox / "to-dfe" / "declarations.csv").write_text("the first\n")
    assert sftp.ask(OPEN, "/to-dfe/declarations.csv", WRITES | CREATES | EXCLUSIVE, 0)[0] == STATUS
    handle = opened(sftp, "voids.csv", WRITES | CREATES | EXCLUSIVE)
    write(sftp, handle, 0, b"x")
    (mailbox / "to-dfe" / "voids.csv").write_text("quicker\n")
    assert status_of(sftp.ask(CLOSE, handle)) == FAILURE
    assert [(mailbox / "to-dfe" / name).read_text() for name in ("declarations.csv", "voids.csv")] == [
        "the first\n",
        "quicker\n",
    ]


def test_what_is_sent_and_not_read_is_bounded(ours):
    """Nobody reads a channel that is no session of SFTP: the window that was given holds."""
    _, client, _ = ours
    with logged_in(client) as transport:
        channel = transport.open_session()
        channel.out_window_size = 1 << 40
        with pytest.raises((OSError, EOFError, paramiko.SSHException)):
            for _ in range(10_000):
                channel.sendall(b"x" * (1 << 15))
    client.sftp("ls")


def test_a_name_that_is_not_utf_8_is_refused_in_words(sftp):
    body = as_string("/to-dfe/déclarations.csv".encode("latin-1")) + struct.pack(">II", WRITES | CREATES, 0)
    kind, told = sftp.ask(OPEN, body)
    assert kind == STATUS and b"UTF-8" in told


def test_what_the_server_writes_is_its_users_alone(ours, mailbox, tmp_path, sftp):
    handle = opened(sftp)
    write(sftp, handle, 0, b"x")
    sftp.ask(CLOSE, handle)
    time.sleep(0.3)
    for place in (mailbox, tmp_path / "logs", tmp_path / "arrivals"):
        for path in (place, *place.rglob("*")):
            assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_revocation_holds_for_who_is_logged_in(tmp_path):
    with port_of("ours", tmp_path) as port, port.client.paramiko() as session:
        assert session.listdir("/")
        port.accounts.remove(port.client.user)
        assert eventually(lambda: not session.get_channel().get_transport().is_alive(), 3)


def test_folders_opened_and_closed_leak_nothing(ours, sftp):
    process, _, _ = ours
    child = max(children(process.pid))
    before = len(os.listdir(f"/proc/{child}/fd"))
    for _ in range(300):
        kind, handle = sftp.ask(OPENDIR, "/from-dfe")
        assert (kind, status_of(sftp.ask(CLOSE, handle))) == (HANDLE, 0)
    assert len(os.listdir(f"/proc/{child}/fd")) <= before + 1


def test_a_name_that_is_slow_to_fold_is_never_folded(ours, sftp):
    """Marks that combine are put in order, which takes the square of their number."""
    process, _, _ = ours
    name = "\u0300\u0316" * 50_000
    for _ in range(5):
        assert sftp.ask(OPEN, f"/to-dfe/{name}", WRITES | CREATES, 0)[0] == STATUS
    assert processor_seconds(children(process.pid)) < 2


def test_a_writer_of_audit_lines_that_hangs_stops_nobody(ours):
    process, client, _ = ours
    assert eventually(lambda: children(process.pid))
    (writer, *_) = children(process.pid)
    os.kill(writer, signal.SIGSTOP)
    try:
        for _ in range(300):
            with knocking(client.port, b"SSH-2.0-x\r\n"):
                pass
        client.sftp("ls")
    finally:
        os.kill(writer, signal.SIGCONT)


def test_the_bound_holds_while_uploads_shrink_and_close(ours, mailbox, tmp_path):
    """Counting what waits, and moving it, are never between one another."""
    import threading

    _, client, _ = ours
    done, is_full = threading.Event(), threading.Event()

    def shrink():
        with logged_in(client) as transport:
            session = Sftp(transport)
            handle = opened(session, "declarations-a.csv")
            session.ask(FSETSTAT, handle, struct.pack(">IQ", 1, 12 * MEBIBYTE))
            is_full.set()
            while not done.is_set():
                session.ask(FSETSTAT, handle, struct.pack(">IQ", 1, 1))
                session.ask(FSETSTAT, handle, struct.pack(">IQ", 1, 12 * MEBIBYTE))

    attacker = threading.Thread(target=shrink)
    attacker.start()
    try:
        with logged_in(client) as transport:
            session = Sftp(transport)
            assert is_full.wait(10)
            for number in range(60):
                handle = opened(session, f"voids-{number}.csv")
                assert status_of(session.ask(FSETSTAT, handle, struct.pack(">IQ", 1, 9 * MEBIBYTE))) == FAILURE
                session.ask(CLOSE, handle)
    finally:
        done.set()
        attacker.join()
