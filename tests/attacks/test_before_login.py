"""A stranger without a key: nothing that it sends costs anybody else anything. Ours, and OpenSSH as we configure it."""

import os
import resource
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time
from contextlib import ExitStack

import paramiko
import pytest

from sftp.keys import write_new_key
from sftp.server.audit import LINES_OF_A_STRANGER, AuditLog
from sftp.server.bounds import BANNER_BYTES, Bounds
from sftp.server.child import confine
from tests.attacks.raw import (
    FOUR_BILLION,
    children,
    eventually,
    is_cut,
    is_running,
    knocking,
    logged_in,
    others_are_served,
    processor_seconds,
    stranger,
)
from tests.exchange.servers import PORTS, Client, our_server, port_of

EXT_INFO, USERAUTH_REQUEST, INFO_RESPONSE, GLOBAL_REQUEST, CHANNEL_OPEN = 7, 50, 61, 80, 90


@pytest.fixture(scope="module", params=PORTS)
def port(request, tmp_path_factory):
    with port_of(request.param, tmp_path_factory.mktemp(request.param)) as opened:
        yield opened


@pytest.fixture
def ours(tmp_path):
    """(the server's process, a client of it, its accounts)"""
    (tmp_path / "mailboxes").mkdir()
    with our_server(tmp_path / "mailboxes", tmp_path, "alpha") as server:
        assert eventually(lambda: children(server[0].pid))  # it has started
        yield server


UNASKED = {
    "info-response": (INFO_RESPONSE, FOUR_BILLION),
    "ext-info": (EXT_INFO, FOUR_BILLION),
    "ext-info with some": (EXT_INFO, FOUR_BILLION, *["name", "value"] * 1000),
    "forwarding": (GLOBAL_REQUEST, "tcpip-forward", True, "0.0.0.0", 80),
    "a channel": (CHANNEL_OPEN, "session", 0, 1 << 20, 1 << 15),
    "auth of nothing": (USERAUTH_REQUEST,),
    "a key that ends in the middle": (USERAUTH_REQUEST, "root", "ssh-connection", "publickey", True, "ssh-rsa"),
    "a huge exponent": (USERAUTH_REQUEST, "root", "ssh-connection", "publickey", True, "rsa-sha2-512", b"\x7f" * 200_000, b""),
}  # fmt: skip


@pytest.mark.parametrize("said", UNASKED.values(), ids=UNASKED.keys())
def test_what_nobody_asked_for_costs_nothing(port, said):
    """Three packets once kept a thread busy for hours."""
    with stranger(port.client.port) as transport:
        transport.say(*said)
        others_are_served(port)


@pytest.mark.parametrize("said", UNASKED.values(), ids=UNASKED.keys())
def test_a_stranger_uses_next_to_no_processor_time(ours, said):
    process, client, _ = ours
    with stranger(client.port) as transport:
        transport.say(*said)
        time.sleep(0.5)
        assert processor_seconds(children(process.pid)) < 1
    assert eventually(lambda: len(children(process.pid)) == 1)  # the audit log's writer


@pytest.mark.parametrize("length", [1 << 30, FOUR_BILLION, 1 << 19, 3])
def test_a_packet_that_says_it_is_huge_is_not_read(ours, length):
    process, client, _ = ours
    with knocking(client.port, b"SSH-2.0-x\r\n" + struct.pack(">IB", length, 4) + b"\x14" + b"x" * 4096) as connection:
        assert is_cut(connection)
    assert is_running(process.pid)


def test_a_banner_without_an_end_is_cut_off(port):
    with knocking(port.client.port) as connection, pytest.raises(OSError):
        for _ in range(100_000):
            connection.sendall(b"A" * 1024)
    others_are_served(port)


def test_a_banner_of_many_lines_is_cut_off(ours):
    _, client, _ = ours
    with knocking(client.port, b"hello\r\n" * (BANNER_BYTES // 2)) as connection:
        assert is_cut(connection)


def test_a_hundred_who_are_silent_lock_nobody_out(port):
    with ExitStack() as crowd:
        for number in range(120):
            crowd.enter_context(knocking(port.client.port, source=f"127.0.0.{2 + number % 60}"))
            time.sleep(0.01)
        if port.kind == "ours":
            for _ in range(3):
                others_are_served(port)
        else:  # sshd turns newcomers away by chance, so a client may have to come again
            assert any(port.client.sftp("ls", check=False).returncode == 0 for _ in range(20))


def test_a_hundred_from_ones_own_address_lock_nobody_out_of_ours(ours):
    _, client, _ = ours
    with ExitStack() as crowd:
        for _ in range(120):
            crowd.enter_context(knocking(client.port))
        for _ in range(3):
            client.sftp("ls")


def test_logins_without_a_channel_take_their_own_accounts_places_alone(tmp_path):
    """200 of them once shut everybody out, and left no line."""
    (tmp_path / "mailboxes").mkdir()
    bounds = Bounds(connections=12, connections_of_an_account=5)
    with our_server(tmp_path / "mailboxes", tmp_path, "alpha", bounds) as (_, client, accounts), ExitStack() as held:
        accounts.add_key("beta", write_new_key(tmp_path / "beta"))
        beta = Client(tmp_path / "beta", client.known_hosts, "beta", client.port)
        for _ in range(5):
            held.enter_context(logged_in(client))
        for _ in range(20):
            with pytest.raises(paramiko.SSHException), logged_in(client):
                pass
        beta.sftp("ls")
        refused = [each for each in audited(tmp_path) if each.get("why") == "too many connections at once"]
        assert refused and all(each["account"] == "alpha" for each in refused)
    with our_server(tmp_path / "mailboxes", tmp_path, "alpha", bounds) as (_, client, _):
        client.sftp("ls")


def audited(folder):
    import json

    time.sleep(0.3)
    return [json.loads(line) for path in (folder / "logs").glob("sftp-audit-*.jsonl") for line in path.open()]


METHODS = {
    "none": ["none"],
    "password": ["password", False, "secret"],
    "password change": ["password", True, "secret", "other"],
    "keyboard-interactive": ["keyboard-interactive", "", ""],
    "hostbased": ["hostbased", "ssh-ed25519", b"", "host", "user", b""],
    "made up": ["\x1b[31mmade up\u202e", b""],
    "a key of another": ["publickey", False, "ssh-ed25519", b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + b"k" * 32],
    "ecdsa": ["publickey", False, "ecdsa-sha2-nistp256", b"\x00\x00\x00\x13ecdsa-sha2-nistp256"],
    "dsa": ["publickey", False, "ssh-dss", b"\x00\x00\x00\x07ssh-dss"],
    "a signature of nothing": ["publickey", True, "ssh-ed25519", b"x", b""],
}  # fmt: skip


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
def test_every_failed_try_is_counted_bounded_and_leaves_a_line(ours, tmp_path, method):
    _, client, _ = ours
    with stranger(client.port) as transport:
        transport.auth_handler = None
        for _ in range(Bounds.login_attempts + 1):
            transport.say(USERAUTH_REQUEST, "alpha", "ssh-connection", *method)
        assert eventually(lambda: not transport.is_alive())
    told = [each for each in audited(tmp_path) if each["event"] == "login-refused"]
    assert len(told) == Bounds.login_attempts
    assert {each["account"] for each in told} == {"alpha"}
    assert "\x1b" not in str(told) and "secret" not in str(told)


def test_the_own_key_is_offered_and_never_proven(ours, tmp_path):
    process, client, accounts = ours
    line = accounts.keys("alpha")[0].line.split()
    import base64

    with stranger(client.port) as transport:
        transport.auth_handler = None
        for _ in range(Bounds.login_questions + 5):
            if not transport.is_alive():
                break
            transport.say(
                USERAUTH_REQUEST, "alpha", "ssh-connection", "publickey", False, line[0], base64.b64decode(line[1])
            )
            time.sleep(0.01)
        assert eventually(lambda: not transport.is_alive())
    assert [each["tries"] for each in audited(tmp_path) if each["event"] == "left"] == [Bounds.login_questions + 1]


def test_one_who_offers_other_keys_first_gets_in_with_the_right_one(ours, tmp_path):
    """An agent offers what it has: ECDSA keys, DSA, FIDO; each fails, and the next is tried."""
    _, client, _ = ours
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(tmp_path / "ecdsa")], check=True)
    done = client.sftp("ls", options=("-o", f"IdentityFile={tmp_path / 'ecdsa'}"))
    assert "to-dfe" in done.stdout


@pytest.mark.slow
def test_a_known_and_an_unknown_account_take_the_same_time(tmp_path):
    """Whatever the answer, it is held back until a moment that depends on nothing."""
    (tmp_path / "mailboxes").mkdir()
    bounds = Bounds(refusal_seconds=0.2)
    with our_server(tmp_path / "mailboxes", tmp_path, "alpha", bounds) as (_, client, accounts):
        for number in range(30):
            accounts.add_key("alpha", write_new_key(tmp_path / f"k{number}"))
        write_new_key(tmp_path / "other")
        other, taken = paramiko.PKey.from_path(tmp_path / "other"), {"alpha": [], "nobody": []}
        for _ in range(3):
            for name, times in taken.items():
                with knocking(client.port) as connection:
                    transport = paramiko.Transport(connection)
                    transport.start_client(timeout=10)
                    for _ in range(2):
                        began = time.monotonic()
                        with pytest.raises(paramiko.AuthenticationException):
                            transport.auth_publickey(name, other)
                        times.append(time.monotonic() - began)
                    transport.close()
        assert min(min(times) for times in taken.values()) >= 0.2
        assert abs(statistics.median(taken["alpha"]) - statistics.median(taken["nobody"])) < 0.1


# Each with a client that needs it; README says the same.
WARNED_OF = {"curve25519-sha256", "curve25519-sha256@libssh.org", "diffie-hellman-group16-sha512", "hmac-sha2-256"}


def test_an_auditor_finds_nothing_to_fail_and_few_things_to_warn_of(port):
    command = [
        sys.executable,
        "-m",
        "ssh_audit.ssh_audit",
        "-n",
        "--skip-rate-test",
        "-p",
        str(port.client.port),
        "127.0.0.1",
    ]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout
    assert "ssh-ed25519" in told and "[fail]" not in told
    assert {line.split()[1] for line in told.splitlines() if "-- [warn]" in line} <= WARNED_OF


def test_who_knocks_all_day_does_not_fill_the_disk(tmp_path):
    audit, now = AuditLog(tmp_path), 0.0
    for number in range(20_000):
        now += 0.001
        audit.take(
            {"event": "login-refused", "address": f"10.0.{number % 7}.1", "account": "", "key": f"k{number}"}, now
        )
    audit.flush()
    lines = [line for path in tmp_path.glob("*.jsonl") for line in path.open()]
    assert len(lines) == 7 * (LINES_OF_A_STRANGER + 1)
    assert sum(line.count('"again"') for line in lines) == 7


def test_who_knocks_from_everywhere_does_not_fill_the_disk(tmp_path):
    audit = AuditLog(tmp_path)
    for number in range(20_000):
        audit.take({"event": "left", "address": f"10.{number % 250}.{number // 250}.1"}, 0.0)
    audit.flush()
    lines = [line for path in tmp_path.glob("*.jsonl") for line in path.open()]
    assert len(lines) < 300 and '"address": "many"' in "".join(lines)


def test_however_many_knock_what_an_account_does_has_its_own_lines(tmp_path):
    audit = AuditLog(tmp_path)
    for number in range(2_000):
        audit.take({"event": "login-refused", "address": f"10.1.{number % 250}.{number // 250}", "account": ""}, 0.0)
    for number in range(300):
        audit.take(
            {"event": "upload", "address": "10.9.9.9", "account": "alpha", "bytes": 1, "sha256": str(number)}, 0.0
        )
    audit.flush()
    lines = [line for path in tmp_path.glob("*.jsonl") for line in path.open()]
    assert sum('"sha256"' in line and '"alpha"' in line for line in lines) == 300


def test_what_is_asked_for_beside_sftp_leaves_a_line(ours, tmp_path):
    _, client, _ = ours
    for asked in (["id"], ["-tt"], ["-R", "0:localhost:1", "-N", "-oExitOnForwardFailure=yes"]):
        client.ssh(*asked)
    told = {each["why"] for each in audited(tmp_path) if each["event"] == "refused"}
    assert told >= {
        f"{what} is not given: SFTP alone" for what in ("running a command", "a terminal", "forwarding of a port")
    }


def test_the_audit_log_goes_by_size(tmp_path, monkeypatch):
    monkeypatch.setattr("sftp.server.audit.FILE_BYTES", 1000)
    audit = AuditLog(tmp_path)
    for number in range(50):
        audit.take({"event": "upload", "account": "alpha", "address": "a", "bytes": number}, 0.0)
    files = sorted(tmp_path.glob("sftp-audit-*.jsonl"))
    assert len(files) > 3 and all(path.stat().st_size < 1200 for path in files)


def test_the_server_holds_no_secret_and_no_address(ours):
    process, client, _ = ours
    with logged_in(client):
        for each in (process.pid, *children(process.pid)):
            with open(f"/proc/{each}/environ", "rb") as environment:
                names = {part.split(b"=")[0].decode() for part in environment.read().split(b"\0") if part}
            assert not {name for name in names if name.startswith(("ECTX", "PREFECT"))}
            with open(f"/proc/{each}/maps") as maps:
                loaded = maps.read()
            assert not [name for name in ("polars", "duckdb", "psycopg", "pyarrow") if name in loaded]


def test_when_the_parent_dies_so_do_its_children(ours):
    process, client, _ = ours
    with logged_in(client):
        left = children(process.pid)
        assert len(left) == 2
        process.kill()
        assert eventually(lambda: not any(map(is_running, left)))


def test_the_writer_of_the_audit_log_is_replaced(ours, tmp_path):
    process, client, _ = ours
    os.kill(children(process.pid)[0], signal.SIGKILL)
    time.sleep(1)
    client.sftp("ls")
    assert [each["event"] for each in audited(tmp_path)] == ["login"]


def _in_a_child(act) -> int:
    """The signal that ended a confined process, or minus what it exited with."""
    process = os.fork()
    if not process:
        try:
            signal.signal(signal.SIGXCPU, signal.SIG_DFL)
            confine(Bounds(login_processor_seconds=1, memory_bytes=64 << 20, descriptors=50))
            act()
        except (MemoryError, OSError):
            os._exit(3)
        finally:
            os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return -code


def test_a_spin_a_growth_and_a_leak_end_with_their_process():
    def spin():
        while True:
            pass

    def grow():
        held = []
        while True:
            held.append(bytearray(1 << 20))

    def leak():
        held = []
        while True:
            held.append(socket.socket())

    assert _in_a_child(spin) == signal.SIGXCPU
    assert _in_a_child(grow) == -3
    assert _in_a_child(leak) == -3
    assert resource.getrlimit(resource.RLIMIT_CPU)[0] == resource.RLIM_INFINITY
