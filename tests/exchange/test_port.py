"""The open port: who gets in, what they may do there, and that nobody hurts another. Ours, and OpenSSH as we configure it."""

import os
import shutil
import socket
import struct
import subprocess
import time
from contextlib import suppress

import paramiko
import pytest

from flows.rounds.intake import intake_round
from sftp.accounts import Accounts, KeyRefused
from sftp.keys import write_new_key
from sftp.server.bounds import Bounds
from sftp.server.jail import Jail
from sftp.server.names import MAX_BYTES, why_refused
from sftp.server.uploads import Allowance
from tests.attacks.raw import Sftp, as_string, logged_in
from tests.exchange.servers import PORTS, port_of
from tests.exchange.test_sftp import AT
from tests.tools import needed


@pytest.fixture(scope="module", params=PORTS)
def port(request, tmp_path_factory):
    """One server for all tests that leave it as it was."""
    with port_of(request.param, tmp_path_factory.mktemp(request.param)) as opened:
        yield opened


@pytest.fixture
def mailbox(port, tmp_path):
    """The provider's mailbox with a file each way, links that somebody else made, and things outside."""
    (tmp_path / "mine.csv").write_text("mine\n")
    (port.mailboxes / port.other / "to-dfe" / "theirs.csv").write_text("secret\n")
    (port.mailbox.parent / "outside.txt").write_text("secret\n")
    (port.mailbox / "from-dfe" / "index.csv").write_text("index\n")
    (port.mailbox / "from-dfe" / "index.csv").chmod(0o644)
    (port.mailbox / "to-dfe" / "ok.csv").write_text("ok\n")
    if port.kind == "openssh":
        shutil.chown(port.mailbox / "to-dfe" / "ok.csv", port.client.user)
    os.symlink(port.mailbox.parent / "outside.txt", port.mailbox / "to-dfe" / "link.txt")
    os.symlink(port.mailbox.parent, port.mailbox / "to-dfe" / "folder")
    yield port.mailbox
    for path in (port.mailbox / "to-dfe").iterdir():
        path.unlink()


ESCAPES = [
    "get ../{1}/to-dfe/theirs.csv {0}/got",
    "get /../{1}/to-dfe/theirs.csv {0}/got",
    "get /../outside.txt {0}/got",
    "get ....//outside.txt {0}/got",
    "get ..%2foutside.txt {0}/got",
    "get ..%c0%afoutside.txt {0}/got",
    "get ‥/outside.txt {0}/got",
    "get ．．/outside.txt {0}/got",
    "get to-dfe\\..\\..\\outside.txt {0}/got",
    "get /etc/passwd {0}/got",
    "get to-dfe/link.txt {0}/got",
    "get to-dfe/folder/outside.txt {0}/got",
    "put {0}/mine.csv from-dfe/mine.csv",
    "put {0}/mine.csv from-dfe/index.csv",
    "put {0}/mine.csv mine.csv",
    "put {0}/mine.csv to-dfe/folder/mine.csv",
    "put {0}/mine.csv ../{1}/to-dfe/mine.csv",
    "put {0}/mine.csv /{1}/to-dfe/mine.csv",
    "rm from-dfe/index.csv",
    "rename to-dfe/ok.csv ../{1}/to-dfe/x.csv",
    "rename from-dfe/index.csv to-dfe/index.csv",
    "rename from-dfe from",
    "rmdir from-dfe/receipts",
    "mkdir to-dfe/new",
    "mkdir from-dfe/new",
    "symlink /etc to-dfe/etc",
    "symlink ../.. to-dfe/up",
    "ln from-dfe/index.csv to-dfe/hard.csv",
    "ln to-dfe/link.txt to-dfe/hard.csv",
    "chmod 777 from-dfe",
    "ls .taking",
]


@pytest.mark.parametrize("command", ESCAPES)
def test_the_jail_does_not_open(port, mailbox, tmp_path, command):
    def outside():
        """All but what the provider may change."""
        found = [p for p in port.mailboxes.rglob("*") if p.parent != mailbox / "to-dfe" and p.name != "refused.csv"]
        return {p: (p.lstat().st_mode, p.read_bytes() if p.is_file() else b"") for p in found}

    before, own = outside(), set(os.listdir(mailbox / "to-dfe"))
    assert port.client.sftp(command.format(tmp_path, port.other), check=False).returncode != 0
    assert not (tmp_path / "got").exists()
    assert (outside(), set(os.listdir(mailbox / "to-dfe"))) == (before, own)


def test_what_a_provider_may_do(port, mailbox, tmp_path):
    port.client.sftp(
        f"put {tmp_path / 'mine.csv'} to-dfe/mine.part\nrename to-dfe/mine.part to-dfe/mine.csv\n"
        f"put {tmp_path / 'mine.csv'} to-dfe/ok.csv\nget to-dfe/ok.csv {tmp_path / 'back.csv'}\n"
        f"get from-dfe/index.csv {tmp_path / 'index.csv'}\nrm to-dfe/ok.csv\nls -l to-dfe"
    )
    assert (tmp_path / "back.csv").read_text() == (mailbox / "to-dfe" / "mine.csv").read_text() == "mine\n"
    assert (tmp_path / "index.csv").read_text() == "index\n"
    assert not (mailbox / "to-dfe" / "ok.csv").exists()


def test_no_shell_no_command_no_forwarding(port, mailbox):
    for asked in (("id",), ("-T",), ("-tt",), ("-tt", "id"), ("-s", "shell"), ("-W", "127.0.0.1:22")):
        told = port.client.ssh(*asked)
        assert told.stdout.strip() in ("", "This service allows sftp connections only."), asked
    quietly = ("-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:22")
    assert port.client.ssh(*quietly).returncode != 0
    for kind in ("direct-tcpip", "forwarded-tcpip", "x11", "direct-streamlocal@openssh.com", "tun@openssh.com"):
        with port.client.paramiko() as sftp, pytest.raises((paramiko.SSHException, EOFError)):
            sftp.get_channel().get_transport().open_channel(kind, ("127.0.0.1", 22), ("127.0.0.1", 1))
    with port.client.paramiko() as sftp, pytest.raises(paramiko.SSHException):
        sftp.get_channel().get_transport().request_port_forward("127.0.0.1", 0)


def test_no_password(port):
    with (
        paramiko.Transport(("127.0.0.1", port.client.port)) as transport,
        pytest.raises(paramiko.BadAuthenticationType),
    ):
        transport.connect(username=port.client.user, password="alder")


@pytest.mark.parametrize(
    ("bits", "algorithm", "gets_in"),
    [
        (3072, "rsa-sha2-512", True),
        (3072, "rsa-sha2-256", True),
        (3072, "ssh-rsa", False),
        (2048, "rsa-sha2-512", False),
    ],
)
def test_rsa_keys_count_when_long_enough_and_without_sha1(port, tmp_path, bits, algorithm, gets_in):
    subprocess.run(
        [needed("ssh-keygen"), "-q", "-t", "rsa", "-b", str(bits), "-N", "", "-f", tmp_path / "rsa"], check=True
    )
    # As if written by hand: `ectx provider key add` would not take a short one.
    listed = port.accounts.folder / port.client.user / "authorized_keys"
    before = listed.read_text()
    try:
        listed.write_text(before + "# a comment\n" + (tmp_path / "rsa.pub").read_text())
        rsa = type(port.client)(tmp_path / "rsa", port.client.known_hosts, port.client.user, port.client.port)
        asked = rsa.sftp("ls", check=False, options=("-o", f"PubkeyAcceptedAlgorithms={algorithm}"))
        assert (asked.returncode == 0) == gets_in, asked.stderr
    finally:
        listed.write_text(before)


def test_which_public_keys_are_taken(tmp_path):
    accounts = Accounts(tmp_path)
    short = paramiko.RSAKey.generate(2048)
    options = f'command="id" {write_new_key(tmp_path / "id")}'
    for line in (f"ssh-rsa {short.get_base64()}", "ssh-ed25519 AAAA", "ssh-dss AAAA", "nonsense", "", options, "a\nb"):
        with pytest.raises(KeyRefused):
            accounts.add_key("alder", line)
    accounts.add_key("alder", f"ssh-rsa {paramiko.RSAKey.generate(3072).get_base64()}")
    assert len(accounts.keys("alder")) == 1


@pytest.mark.parametrize("kind", PORTS)
def test_keys_are_added_rotated_and_revoked_while_running(kind, tmp_path):
    with port_of(kind, tmp_path) as port:
        old, accounts, user = port.client, port.accounts, port.client.user
        new = type(old)(tmp_path / "new", old.known_hosts, old.user, old.port)
        line = write_new_key(tmp_path / "new")
        assert new.sftp("ls", check=False).returncode != 0
        added = accounts.add_key(user, line)
        assert (old.sftp("ls").returncode, new.sftp("ls").returncode) == (0, 0)
        accounts.remove_key(user, added.fingerprint)
        assert new.sftp("ls", check=False).returncode != 0
        with old.paramiko() as open_before:
            _, gone = accounts.rotate(user, line)
            assert [len(gone), new.sftp("ls").returncode] == [1, 0]
            assert old.sftp("ls", check=False).returncode != 0
            if kind == "ours":  # OpenSSH asks for keys at the login only
                with pytest.raises((OSError, EOFError, paramiko.SSHException)):
                    for _ in range(100):
                        open_before.listdir("/")
                        time.sleep(0.1)


def test_garbage_and_silence_hurt_nobody(port):
    rubbish = (
        b"GET / HTTP/1.0\r\n\r\n",
        b"\0" * 1000,
        b"SSH-2.0-x\r\n" + b"\xff" * 100_000,
        b"SSH-2.0-" + b"x" * 300_000,
    )
    with _silent(port.client.port, 10):
        for each in rubbish:
            # suppress: it is cut off before it has said all
            with socket.create_connection(("127.0.0.1", port.client.port)) as connection, suppress(OSError):
                connection.sendall(each)
            assert port.client.sftp("ls").returncode == 0


class _silent:
    """Connections that say nothing, or the first half of something."""

    def __init__(self, port, count):
        self._port, self._count = port, count

    def __enter__(self):
        self.sockets = [socket.create_connection(("127.0.0.1", self._port)) for _ in range(self._count)]
        for each in self.sockets[::2]:
            each.sendall(b"SSH-2.0-hal")
        return self.sockets

    def __exit__(self, *_):
        for each in self.sockets:
            each.close()


@pytest.mark.parametrize("kind", PORTS)
def test_files_go_both_ways_through_the_port(kind, tmp_path):
    """A provider's SFTP and a round over the folder, with the rights that setup.sh gives."""
    with port_of(kind, tmp_path) as port:
        (tmp_path / "voids.csv").write_text("declaration_id,reason\n")
        port.client.sftp(f"put {tmp_path / 'voids.csv'} to-dfe/")
        assert [path.name for path in (port.mailbox / "to-dfe").iterdir()] == ["voids.csv"]
        taken = _taken(port, tmp_path)
        assert taken == b"declaration_id,reason\n"


def _taken(port, tmp_path):
    from sftp.local import LocalMailbox

    box = LocalMailbox(port.mailbox)
    box.prepare()
    [arrival] = box.look()
    assert box.take(arrival)
    content = b"".join(box.read(arrival))
    box.discard(arrival)
    box.put("from-dfe/index.csv", b"delivered\n")
    port.client.sftp(f"get from-dfe/index.csv {tmp_path / 'index.csv'}")
    assert (tmp_path / "index.csv").read_text() == "delivered\n"
    return content


# Ours alone from here: what OpenSSH leaves to the file system and to syslog.

SMALL = Bounds(file_bytes=2 << 20, waiting_bytes=3 << 20, waiting_files=3, idle_seconds=4, login_seconds=1.5)


@pytest.fixture
def small(tmp_path):
    with port_of("ours", tmp_path, SMALL) as opened:
        yield opened


def _put(sftp, path, size):
    with sftp.open(path, "wb") as handle:
        handle.write(b"x" * size)


def test_a_file_too_large_is_refused_in_words(small):
    with small.client.paramiko() as sftp:
        with pytest.raises(OSError, match="at most 2 MiB: split it"):
            _put(sftp, "to-dfe/large.csv", (2 << 20) + 1)
        _put(sftp, "to-dfe/exact.csv", 2 << 20)
        handle = sftp.open("to-dfe/gap.csv", "wb")
        handle.seek(1 << 40)
        with pytest.raises(OSError, match="at most 2 MiB"):
            handle.write(b"x")
        with pytest.raises(OSError, match="at most 2 MiB"):  # a client may look at the last answer alone
            sftp._request(paramiko.sftp.CMD_CLOSE, handle.handle)
    assert [path.name for path in (small.mailbox / "to-dfe").iterdir()] == ["exact.csv"]
    assert small.uploading == []


def test_what_waits_in_a_mailbox_is_bounded(small):
    with small.client.paramiko() as sftp:
        for name in "abc":
            _put(sftp, f"to-dfe/{name}.csv", 1000)
        with pytest.raises(OSError, match="3 files wait to be taken"):
            _put(sftp, "to-dfe/d.csv", 1000)
        sftp.remove("to-dfe/a.csv")
        sftp.remove("to-dfe/b.csv")
        _put(sftp, "to-dfe/d.csv", 2 << 20)
        with pytest.raises(OSError, match="may have 3 MiB in all"):
            _put(sftp, "to-dfe/e.csv", 2 << 20)


def test_two_uploads_at_once_share_the_bound(small):
    with small.client.paramiko() as one, small.client.paramiko() as other:
        first, second = one.open("to-dfe/a.csv", "wb"), other.open("to-dfe/b.csv", "wb")
        first.write(b"x" * (2 << 20))
        with pytest.raises(OSError, match="in all"):
            second.write(b"x" * (2 << 20))


@pytest.mark.slow
def test_who_is_silent_or_does_not_log_in_is_cut_off(small):
    with small.client.paramiko() as sftp, _silent(small.client.port, 2) as sockets:
        time.sleep(5.5)
        with pytest.raises((OSError, EOFError)):
            sftp.listdir("/")
        for each in sockets:
            each.settimeout(5)
            while each.recv(1000):
                pass
    assert [each["why"] for each in small.audited() if each["event"] == "ended"].count("idle for too long") == 1


@pytest.mark.slow
def test_a_crowd_is_turned_away_and_the_others_are_served(tmp_path):
    bounds = Bounds(strangers_of_an_address=5, connections_of_an_account=2, login_seconds=3)
    with port_of("ours", tmp_path, bounds) as port, port.client.paramiko() as sftp:
        with _silent(port.client.port, 15):
            time.sleep(0.5)
            assert sftp.listdir("/to-dfe") == []
        time.sleep(1.5)
        with port.client.paramiko() as second:
            assert second.listdir("/to-dfe") == []
            with pytest.raises(paramiko.SSHException), port.client.paramiko():
                pass
            told = port.client.ssh("-s", "sftp")
            assert "At most 2 connections of one account at once" in told.stderr
        assert sum(each["connections"] for each in port.audited() if each["event"] == "turned-away") >= 10


def test_guessing_at_keys_ends(small, tmp_path):
    keys = [part for n in range(8) for part in ("-i", str(tmp_path / f"k{n}")) if write_new_key(tmp_path / f"k{n}")]
    stranger = type(small.client)(tmp_path / "k0", small.client.known_hosts, small.client.user, small.client.port)
    assert stranger.ssh(*keys, "-s", "sftp").returncode != 0
    refused = [each for each in small.audited() if each["event"] == "login-refused"]
    assert len(refused) == SMALL.login_attempts
    assert all(each["key"].startswith("SHA256:") and each["account"] == small.client.user for each in refused)


def test_what_a_session_may_hold_open_is_bounded(small):
    with small.client.paramiko() as sftp:
        (small.mailbox / "from-dfe" / "index.csv").write_text("index\n")
        held = [sftp.open("from-dfe/index.csv") for _ in range(SMALL.open_files)]
        with pytest.raises(OSError, match="can be open at once"):
            sftp.open("from-dfe/index.csv")
        assert held[0].read() == b"index\n"


@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_an_upload_cut_short_is_never_there(small, size):
    with small.client.paramiko() as sftp:
        handle = sftp.open("to-dfe/declarations.csv", "wb")
        handle.write(b"x" * size)
        handle.flush()
        sftp.get_channel().get_transport().sock.close()
    for _ in range(100):
        if not small.uploading:
            break
        time.sleep(0.05)
    assert small.uploading == [] and list((small.mailbox / "to-dfe").iterdir()) == []
    assert [each["bytes"] for each in small.audited() if each["event"] == "upload-cut"] == [size]


def test_what_a_killed_process_left_goes_and_what_lives_stays(tmp_path):
    for folder in ("to-dfe", ".uploading"):
        (tmp_path / folder).mkdir()
    jail = Jail(tmp_path)
    with jail.alone():
        name, descriptor = jail.start_upload()
        os.write(descriptor, b"12345")
        os.utime(descriptor, (0, 0))  # a client may set any time
        (tmp_path / ".uploading" / "dead").write_bytes(b"1234567")
        assert jail.waiting() == (1, 5)
        assert os.listdir(tmp_path / ".uploading") == [name]
        os.close(descriptor)
        assert jail.waiting() == (0, 0)


@pytest.mark.parametrize("sent", range(26))
def test_what_was_asked_is_answered_though_the_next_request_is_not_whole(port, mailbox, sent):
    """Answers go together; none waits for a client that waits for it. sent: how many bytes of the next request came."""
    with logged_in(port.client) as transport:
        session = Sftp(transport)
        handle = session.ask(3, as_string(b"from-dfe/index.csv"), 1, 0)[1]
        read = struct.pack(">I", 7) + handle + struct.pack(">QI", 0, 100)
        packet = struct.pack(">IB", len(read) + 1, 5) + read
        session.channel.sendall(packet * 37 + packet[:sent])
        answers = [session.receive() for _ in range(37)]
        session.channel.sendall(packet[sent:])
        assert {*answers, session.receive()} == {struct.pack(">BI", 103, 7) + as_string(b"index\n")}


def _allowed(tmp_path, **bounds) -> tuple[Jail, list[Allowance]]:
    """A mailbox, and two connections to it."""
    for folder in ("to-dfe", ".uploading"):
        (tmp_path / folder).mkdir(exist_ok=True)
    jail = Jail(tmp_path)
    return jail, [Allowance(jail, Bounds(**bounds)) for _ in range(2)]


def test_two_connections_together_let_no_more_in_than_there_may_be(tmp_path):
    """Whoever lets a file in adds it to what was counted; what was taken meanwhile is found out where it would be too much."""
    jail, both = _allowed(tmp_path, waiting_files=6)
    open_ = [both[number % 2].admit() for number in range(6)]
    for each in both:
        with pytest.raises(OSError, match="6 files wait to be taken"):
            each.admit()
    for name, descriptor in open_[:2]:
        jail.finish_upload(name, f"to-dfe/{name}.csv")
        os.close(descriptor)
        os.unlink(tmp_path / "to-dfe" / f"{name}.csv")  # intake has taken it
    open_ += [each.admit() for each in both]
    for each in both:
        with pytest.raises(OSError, match="6 files wait to be taken"):
            each.admit()
    for _, descriptor in open_[2:]:
        os.close(descriptor)


@pytest.mark.parametrize("piece", [70_000, 1 << 20, 5 << 20])
def test_two_connections_together_keep_no_more_bytes_than_there_may_be(tmp_path, piece):
    most = 40 << 20
    jail, both = _allowed(tmp_path, waiting_bytes=most)
    open_ = [(each, each.admit()[1]) for each in both]
    reserved, written, refused = [0, 0], [0, 0], 0
    while not refused:
        for number, (each, descriptor) in enumerate(open_):
            try:
                if written[number] + piece > reserved[number]:
                    reserved[number] = each.reserve(descriptor, reserved[number], written[number] + piece)
                written[number] += piece
            except OSError as error:
                assert "may have 40 MiB in all" in str(error)
                refused += 1
            with jail.alone():
                assert jail.waiting()[1] == sum(reserved) <= most
    assert sum(written) > most - (2 << 20) - 2 * piece  # and not much less
    for _, descriptor in open_:
        os.close(descriptor)


def test_what_waits_is_looked_through_once_however_many_files_come(tmp_path, monkeypatch):
    """It was looked through twice for each file: a thousand small ones took three times as long."""
    jail, both = _allowed(tmp_path)
    looks = []
    monkeypatch.setattr(Jail, "waiting", lambda self, told=Jail.waiting: looks.append(1) or told(self))
    for number in range(50):
        name, descriptor = both[number % 2].admit()
        assert both[number % 2].reserve(descriptor, 0, 10) >= 10
        os.ftruncate(descriptor, 10)
        jail.finish_upload(name, f"to-dfe/{number}.csv")
        os.close(descriptor)
    assert len(looks) == 2


def test_what_came_otherwise_is_found_at_the_next_look(tmp_path, monkeypatch):
    jail, (allowance, _) = _allowed(tmp_path, waiting_files=3)
    name, descriptor = allowance.admit()
    jail.finish_upload(name, "to-dfe/mine.csv")
    os.close(descriptor)
    for number in range(2):
        (tmp_path / "to-dfe" / f"{number}.csv").write_text("put there by DfE\n")
    monkeypatch.setattr("sftp.server.uploads.LOOK_SECONDS", 0)  # a minute is over
    with pytest.raises(OSError, match="3 files wait"):
        allowance.admit()


def test_what_was_counted_is_not_believed_where_it_was_cut_off(tmp_path):
    jail, both = _allowed(tmp_path, waiting_files=1)
    _, descriptor = both[0].admit()
    for content in (b"", b"1"):
        (tmp_path / ".uploading" / ".counted").write_bytes(content)
        with pytest.raises(OSError, match="1 files wait"):
            both[0].admit()
    os.close(descriptor)


def test_an_upload_is_not_carried_on_in_the_middle(small, tmp_path):
    (tmp_path / "long.csv").write_text("x" * 1000)
    (small.mailbox / "to-dfe" / "long.csv").write_text("x" * 500)
    assert small.client.sftp(f"reput {tmp_path / 'long.csv'} to-dfe/long.csv", check=False).returncode != 0
    assert (small.mailbox / "to-dfe" / "long.csv").read_text() == "x" * 500


BAD_NAMES = [
    "=cmd()|x.csv", "+1.csv", "-1.csv", "@sum.csv", "＝full-width.csv", "a\tb.csv", "a\nb.csv", "a\rb.csv", "a\u202egnp.csv",
    "a\u200bb.csv", "\ufeffa.csv", "a\u00adb.csv", "a\x7f.csv", "a\x1b[31m.csv", "a:b.csv", "a*.csv", "a?.csv", 'a"b.csv', "a<b.csv",
    "a|b.csv", "a\\b.csv", "a／b.csv", " a.csv", "a.csv ", "a.csv.", "con.csv", "NUL", "com1.txt", "Lpt9.csv", "x" * (MAX_BYTES + 1), "é" * MAX_BYTES,
]  # fmt: skip


def test_names_that_would_be_misread_are_refused_in_words(small):
    (small.mailbox / "to-dfe" / "ok.csv").write_text("ok\n")
    with small.client.paramiko() as sftp:
        for name in BAD_NAMES:
            assert why_refused(name), name
            with pytest.raises(OSError, match=r"(name|There is no|to-dfe)"):
                _put(sftp, f"to-dfe/{name}", 1)
            with pytest.raises(OSError, match=r"(name|There is no|to-dfe)"):
                sftp.posix_rename("to-dfe/ok.csv", f"to-dfe/{name}")
            assert os.listdir(small.mailbox / "to-dfe") == ["ok.csv"], name


@pytest.mark.parametrize(
    "name", ["declarations.csv", "Déclarations – décembre (2).csv", ".hidden.part", "voids-x.csv.sha256", "宣言.csv"]
)
def test_ordinary_names_are_taken(name):
    assert why_refused(name) is None


def test_every_login_upload_download_and_refusal_is_written_down(small, tmp_path):
    import hashlib

    (small.mailbox / "from-dfe" / "index.csv").write_text("index\n")
    (tmp_path / "jane-smith.csv").write_text("jane\n")
    small.client.sftp(f"put {tmp_path / 'jane-smith.csv'} to-dfe/\nget from-dfe/index.csv {tmp_path / 'got'}")
    small.client.sftp(
        f"rename to-dfe/jane-smith.csv to-dfe/jane-doe.csv\nget to-dfe/jane-doe.csv {tmp_path / 'got'}\nrm to-dfe/jane-doe.csv"
    )
    small.client.sftp("mkdir to-dfe/jane", check=False)
    told = [each for each in small.audited() if each["connection"] > 1]
    events = [each["event"] for each in told]
    assert events == ["login", "upload", "download", "login", "renamed", "download", "removed", "login", "refused"]
    upload, first, second = told[1], told[2], told[5]
    assert (upload["bytes"], upload["sha256"]) == (5, hashlib.sha256(b"jane\n").hexdigest())
    assert (first["path"], first["bytes"], second["path"]) == ("from-dfe/index.csv", 6, "to-dfe")
    assert told[-1]["why"] == "Folders cannot be made."
    assert {each["account"] for each in told} == {small.client.user}
    assert told[0]["key"] == small.accounts.keys(small.client.user)[0].fingerprint
    assert "jane" not in "".join(path.read_text() for path in small.audit.glob("*.jsonl"))


def test_an_upload_cut_over_openssh_waits_for_its_checksum(installation, tmp_path):
    """OpenSSH shows a file while it is being written; who sends checksums always is safe from that."""
    provider = installation.lead_providers()[0]
    installation.accounts.want_checksums(provider.slug, True)
    with port_of("openssh", tmp_path) as port:
        with port.client.paramiko() as sftp:
            handle = sftp.open("to-dfe/declarations.csv", "wb")
            handle.write(b"half of it")
            handle.flush()
        own = installation.settings.mailboxes_folder / provider.slug
        shutil.copytree(port.mailbox, own)
    assert (own / "to-dfe" / "declarations.csv").read_bytes() == b"half of it"
    done = intake_round(installation, AT)
    assert (done.outcomes, done.troubles) == ([], [])
    assert (own / "to-dfe" / "declarations.csv").exists()
