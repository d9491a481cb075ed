"""A fuzzer: `python -m tests.attacks.fuzz [--packets N] [--files N] [--seed S]`. Prints what was tried and what came of it.

packets: mutated messages to a running server, each on its way through the packet path, before login and after; somebody
else logs in all the while. files: mutated files to the reader.
"""

import argparse
import contextlib
import random
import socket
import struct
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import paramiko

from schemas.inbound.failure import FileFailure
from schemas.inbound.reading import Limits, read_sheet
from schemas.kinds import KINDS
from tests.attacks.raw import Raw, children, is_running
from tests.exchange.servers import Client, our_server

INTERESTING = (
    0,
    1,
    2,
    127,
    128,
    255,
    256,
    1 << 15,
    1 << 16,
    (1 << 18) + 1,
    1 << 24,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
)
MESSAGES_OF_A_CONNECTION = 400


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The same with something wrong: a length, a byte, a piece too many or too few."""
    made = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at = chance.randrange(len(made) + 1)
        what = chance.randrange(6)
        if what == 0 and len(made) >= 4:
            at = chance.randrange(len(made) - 3)
            made[at : at + 4] = struct.pack(">I", chance.choice(INTERESTING))
        elif what == 1:
            made[at : at + chance.randrange(1, 9)] = b""
        elif what == 2:
            made[at:at] = chance.randbytes(chance.choice((1, 4, 9, 300)))
        elif what == 3:
            made[at:at] = made[: chance.randrange(len(made) + 1)]
        elif made:
            made[chance.randrange(len(made))] = chance.randrange(256)
    return bytes(made[:200_000])


def text(value: str | bytes) -> bytes:
    content = value.encode() if isinstance(value, str) else value
    return struct.pack(">I", len(content)) + content


def number(value: int) -> bytes:
    return struct.pack(">I", value)


def ssh_messages() -> list[bytes]:
    """Messages of SSH as a client sends them, number first; before login and after."""
    key = text("ssh-ed25519") + text(b"k" * 32)
    ask = text("alpha") + text("ssh-connection")
    return [
        bytes([2]) + text("ignore me"),
        bytes([4]) + b"\1" + text("debug") + text("en"),
        bytes([5]) + text("ssh-userauth"),
        bytes([7]) + number(1) + text("server-sig-algs") + text("ssh-ed25519"),
        bytes([50]) + ask + text("none"),
        bytes([50]) + ask + text("password") + b"\0" + text("secret"),
        bytes([50]) + ask + text("publickey") + b"\0" + text("ssh-ed25519") + text(key),
        bytes([50]) + ask + text("publickey") + b"\1" + text("ssh-ed25519") + text(key) + text(text("ssh-ed25519") + text(b"s" * 64)),
        bytes([61]) + number(1) + text("answer"),
        bytes([80]) + text("keepalive@openssh.com") + b"\1",
        bytes([80]) + text("tcpip-forward") + b"\1" + text("0.0.0.0") + number(22),
        bytes([90]) + text("session") + number(0) + number(1 << 21) + number(1 << 15),
        bytes([90]) + text("direct-tcpip") + number(0) + number(1 << 21) + number(1 << 15) + text("h") + number(1) + text("h") + number(1),
        bytes([93]) + number(0) + number(1 << 20),
        bytes([94]) + number(0) + text(b"data"),
        bytes([95]) + number(0) + number(1) + text(b"data"),
        bytes([96]) + number(0),
        bytes([98]) + number(0) + text("exec") + b"\1" + text("id"),
        bytes([98]) + number(0) + text("pty-req") + b"\1" + text("xterm") + number(80) * 4 + text(b""),
        bytes([98]) + number(0) + text("subsystem") + b"\1" + text("sftp"),
        bytes([99]) + number(0),
        bytes([100]) + number(0),
    ]  # fmt: skip


def sftp_packets() -> list[bytes]:
    """Requests of SFTP, kind first."""
    ask, name, attributes = number(7), text("/to-dfe/declarations.csv"), number(0)
    times = number(8) + number(1) * 2
    handle = text("hx1")
    return [
        bytes([3]) + ask + name + number(26) + attributes,
        bytes([3]) + ask + name + number(1) + attributes,
        bytes([4]) + ask + handle,
        bytes([5]) + ask + handle + struct.pack(">Q", 0) + number(32768),
        bytes([6]) + ask + handle + struct.pack(">Q", 0) + text(b"a,b\n" * 50),
        bytes([7]) + ask + name,
        bytes([8]) + ask + handle,
        bytes([9]) + ask + name + times,
        bytes([10]) + ask + handle + number(1) + struct.pack(">Q", 5),
        bytes([10]) + ask + handle + number(0x80000000) + number(1) + text("a") + text("b"),
        bytes([11]) + ask + text("/from-dfe/receipts"),
        bytes([12]) + ask + handle,
        bytes([13]) + ask + name,
        bytes([14]) + ask + text("/to-dfe/x") + attributes,
        bytes([15]) + ask + text("/to-dfe/x"),
        bytes([16]) + ask + text("/../.."),
        bytes([17]) + ask + name,
        bytes([18]) + ask + name + text("/to-dfe/voids.csv"),
        bytes([19]) + ask + name,
        bytes([20]) + ask + text("/etc") + name,
        bytes([200]) + ask + text("posix-rename@openssh.com") + name + text("/to-dfe/voids.csv"),
        bytes([200]) + ask + text("check-file") + handle + text("md5") + struct.pack(">QQI", 0, 1 << 60, 256),
    ]  # fmt: skip


@dataclass
class Tried:
    """What a run of the fuzzer did."""

    sent: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    slowest_login: float = 0.0
    logins: int = 0
    troubles: list[str] = field(default_factory=list)


def fuzz_packets(count: int, seed: int, workers: int = 2) -> Tried:
    """Send so many mutated messages, by `workers` connections at once; a third each before login, after it as SSH, and
    after it as SFTP."""
    tried, enough = Tried(), threading.Event()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "mailboxes").mkdir()
        with our_server(folder / "mailboxes", folder, "alpha") as (process, client, _):
            client.sftp("ls")
            watcher = threading.Thread(target=_log_in_all_the_while, args=(client, tried, enough))
            watcher.start()
            attackers = [
                threading.Thread(
                    target=_attack, args=(client, count // workers, random.Random(f"{seed}-{each}"), tried)
                )
                for each in range(workers)
            ]
            for each in attackers:
                each.start()
            for each in attackers:
                each.join()
            enough.set()
            watcher.join()
            if not is_running(process.pid):
                tried.troubles.append("the parent died")
            deadline = time.monotonic() + 10
            while len(children(process.pid)) > 1 and time.monotonic() < deadline:
                time.sleep(0.1)
            if len(children(process.pid)) > 1:
                tried.troubles.append(f"{len(children(process.pid)) - 1} children are left")
            log = (folder / "sftp-server.log").read_text()
            if log.strip():
                tried.troubles.append(f"the server's log: {log[:500]}")
            for line in (folder / "logs").glob("*.jsonl"):
                for why in ("its process failed", "signal 11", "signal 6"):
                    if why in line.read_text():
                        tried.troubles.append(f"a child ended with: {why}")
    return tried


def _log_in_all_the_while(client: Client, tried: Tried, enough: threading.Event) -> None:
    while not enough.wait(0.3):
        began = time.monotonic()
        done = client.sftp("ls", check=False)
        tried.slowest_login = max(tried.slowest_login, time.monotonic() - began)
        tried.logins += 1
        if done.returncode:
            tried.troubles.append(f"somebody else's login failed: {done.stderr.strip()[:200]}")


def _attack(client: Client, count: int, chance: random.Random, tried: Tried) -> None:
    key = paramiko.PKey.from_path(client.key)
    ways = {"before login": ssh_messages(), "after login": ssh_messages(), "sftp": sftp_packets()}
    sent = 0
    while sent < count:
        way = chance.choice(list(ways))
        with contextlib.suppress(paramiko.SSHException, OSError, EOFError):
            sent += _one_connection(client, key, way, ways[way], chance, tried)
        tried.connections += 1


def _one_connection(
    client: Client, key: paramiko.PKey, way: str, messages: list[bytes], chance: random.Random, tried: Tried
) -> int:
    """How many were sent before the server had enough."""
    transport = Raw(socket.create_connection(("127.0.0.1", client.port), timeout=10))
    sent = 0
    try:
        if way == "before login":
            transport.start_client(timeout=10)
            transport.say(5, "ssh-userauth")
        else:
            transport.connect(username=client.user, pkey=key)
        channel = transport.open_session(timeout=10) if way == "sftp" else None
        if channel is not None:
            channel.settimeout(5)
            channel.invoke_subsystem("sftp")
            channel.sendall(struct.pack(">IBI", 5, 1, 3))
        for _ in range(MESSAGES_OF_A_CONNECTION):
            if not transport.is_active():
                break
            made = mutated(chance.choice(messages), chance)
            if channel is not None:
                # Mostly whole packets, or the first wrong length would be the last packet.
                size = len(made) if chance.random() < 0.99 else chance.choice(INTERESTING)
                channel.sendall(struct.pack(">I", size) + made)
                while channel.recv_ready():
                    channel.recv(1 << 16)
            elif made:
                message = paramiko.Message()
                message.add_bytes(made)
                transport._send_message(message)
            sent += 1
            tried.sent[way] += 1
    finally:
        transport.close()
    return sent


VALID = (
    b"participant_id,course_identifier,declaration_type,declaration_date,evidence_held,your_reference\r\n"
    b"5a4f6c1e-0000-4000-8000-000000000001,ecf-induction,started,2026-11-03T09:30:00Z,training-event-attended,\xe2\x82\xac 1\r\n"
    b'"5a4f6c1e-0000-4000-8000-000000000002","ecf-mentor","completed","2026-11-03","a ""quoted"" one","two\r\nlines"\r\n'
    b"5a4f6c1e-0000-4000-8000-000000000003,ecf-induction,retained-1,03/11/2026,,caf\xe9\n"
)


def fuzz_files(count: int, seed: int) -> Tried:
    """Read so many mutated files. Whatever is not read has to be refused by a rule."""
    tried, chance, kinds = Tried(), random.Random(seed), list(KINDS.values())
    limits = Limits()
    for _ in range(count):
        content = mutated(VALID, chance)
        try:
            sheet = read_sheet(
                content, chance.choice(kinds) if chance.random() < 0.1 else KINDS["declarations"], limits
            )
            assert sheet.values.height == sheet.cells.height
            tried.sent["read"] += 1
        except FileFailure as failure:
            tried.sent[failure.code] += 1
        except Exception as error:
            tried.troubles.append(f"{type(error).__name__}: {content!r}")
    return tried


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--packets", type=int, default=1_000_000)
    asked.add_argument("--files", type=int, default=1_000_000)
    asked.add_argument("--seed", type=int, default=1)
    options = asked.parse_args()
    for name, fuzz, count in (("packets", fuzz_packets, options.packets), ("files", fuzz_files, options.files)):
        if not count:
            continue
        began = time.monotonic()
        tried = fuzz(count, options.seed)
        told = ", ".join(f"{what}: {times:,}" for what, times in sorted(tried.sent.items()))
        print(f"{name}: {tried.sent.total():,} in {time.monotonic() - began:,.0f} s ({told})")
        if name == "packets":
            print(
                f"  {tried.connections:,} connections; {tried.logins:,} logins of another, the slowest {tried.slowest_login:.2f} s"
            )
        print("  troubles: " + ("; ".join(tried.troubles[:5]) or "none"))


if __name__ == "__main__":
    main()
