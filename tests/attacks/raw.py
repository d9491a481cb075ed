"""A client that says what no client says: messages of SSH as the test has them, before login and after."""

import os
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import paramiko
from paramiko import Message

from tests.exchange.servers import Client, Port

FOUR_BILLION = 2**32 - 1


class Raw(paramiko.Transport):
    """A client's transport whose answers nobody waits for."""

    def _log(self, *_: object) -> None:
        pass

    def say(self, kind: int, *parts: object) -> None:
        """One message: its number, then ints, bools, texts and bytes (as strings); a Message goes in as it is.

        To a server that has hung up it says nothing: what the test asks next finds out."""
        message = Message()
        message.add_byte(bytes([kind]))
        for part in parts:
            if isinstance(part, Message):
                message.add_bytes(part.asbytes())
            elif isinstance(part, bool):
                message.add_boolean(part)
            elif isinstance(part, int):
                message.add_int(part)
            else:
                message.add_string(part)
        with suppress(EOFError, OSError):
            self._send_message(message)


@contextmanager
def stranger(port: int) -> Iterator[Raw]:
    """Connected, keys exchanged, not logged in."""
    transport = Raw(socket.create_connection(("127.0.0.1", port), timeout=10))
    try:
        transport.start_client(timeout=10)
        transport.say(5, "ssh-userauth")
        yield transport
    finally:
        transport.close()


@contextmanager
def logged_in(client: Client) -> Iterator[Raw]:
    transport = Raw(socket.create_connection(("127.0.0.1", client.port), timeout=10))
    try:
        transport.connect(username=client.user, pkey=paramiko.PKey.from_path(client.key))
        yield transport
    finally:
        transport.close()


@contextmanager
def knocking(port: int, said: bytes = b"", source: str = "127.0.0.1") -> Iterator[socket.socket]:
    """A plain connection, from one of this machine's own addresses."""
    with socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0)) as connection:
        connection.sendall(said)
        yield connection


class Sftp:
    """SFTP packet by packet."""

    def __init__(self, transport: paramiko.Transport) -> None:
        self.channel = transport.open_session()
        self.channel.settimeout(10)
        self.channel.invoke_subsystem("sftp")
        self.send(1, struct.pack(">I", 3))
        self.version = self.receive()

    def send(self, kind: int, body: bytes) -> None:
        self.channel.sendall(struct.pack(">IB", len(body) + 1, kind) + body)

    def ask(self, kind: int, *parts: object) -> tuple[int, bytes]:
        """One request; returns its answer's kind and what follows its number."""
        body = struct.pack(">I", 7)
        for part in parts:
            if isinstance(part, int):
                body += struct.pack(">I", part)
            elif isinstance(part, bytes):
                body += part
            else:
                text = str(part).encode()
                body += struct.pack(">I", len(text)) + text
        self.send(kind, body)
        answer = self.receive()
        return answer[0], answer[5:]

    def receive(self) -> bytes:
        (size,) = struct.unpack(">I", self._exactly(4))
        return self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            piece = self.channel.recv(size - len(found))
            if not piece:
                raise EOFError
            found += piece
        return found


def as_string(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def is_cut(connection: socket.socket, seconds: float = 10) -> bool:
    """Whether the server ends a connection within that time."""
    connection.settimeout(seconds)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def children(process: int) -> list[int]:
    told = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True, check=False).stdout
    return [int(each) for each in told.split()]


def is_running(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat") as status:
            return status.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def processor_seconds(processes: list[int]) -> float:
    """What they have used so far, all together."""
    ticks = 0
    for each in processes:
        try:
            with open(f"/proc/{each}/stat") as status:
                told = status.read().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(told[11]) + int(told[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def eventually(holds, seconds: float = 10) -> bool:
    """Whether something comes true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return False


def others_are_served(port: Port) -> None:
    """Somebody else logs in and works, as if nothing had happened."""
    assert "to-dfe" in port.client.sftp("ls").stdout
