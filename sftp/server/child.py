"""One connection, in a process of its own: whatever a client does to it ends with it."""

import contextlib
import logging
import os
import resource
import signal
import socket
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import paramiko

from sftp.accounts import Accounts
from sftp.server.audit import Audit
from sftp.server.bounds import MEBIBYTE, Bounds
from sftp.server.door import Asking, Door
from sftp.server.journal import Journal
from sftp.server.session import Ground, Session
from sftp.server.shut import ServerTransport
from sftp.server.subsystem import Subsystem

WATCH_SECONDS = 0.5
THREAD_STACK_BYTES = MEBIBYTE
GONE_SECONDS = 5.0  # for its threads to put away what is open
ROOM, NO_ROOM = b"room", b"none"


@dataclass(frozen=True)
class Place:
    """What every connection is served from."""

    mailboxes: Path
    accounts: Accounts
    keys: list[paramiko.PKey]
    journal: Journal
    bounds: Bounds


class Connection:
    """One client, from its first byte to its last. parent: a socket to whoever knows how many others there are."""

    def __init__(
        self, place: Place, connection: socket.socket, parent: socket.socket, audit: Audit, address: str, number: int
    ) -> None:
        self._place, self._socket, self._parent = place, connection, parent
        self._audit = partial(audit, address=address, connection=number)
        self._started = self._last_seen = time.monotonic()
        self._stamp: Any = None
        self._is_ended = False
        self._door = Door(place.accounts, place.bounds, self._audit, self._has_room)
        self._transport = ServerTransport(connection, place.bounds)
        self._transport.auth_handler = Asking(self._transport, self._door, place.bounds)
        for key in place.keys:
            self._transport.add_server_key(key)
        self._transport.set_subsystem_handler("sftp", Subsystem, self._session)

    @property
    def account(self) -> str:
        """Whose it is; nothing while it is a stranger's."""
        return self._door.account

    def _has_room(self, account: str) -> bool:
        """Ask the parent, and be counted."""
        self._parent.send(account.encode())
        return self._parent.recv(len(ROOM)) == ROOM

    def _is_here(self) -> None:
        self._last_seen = time.monotonic()

    def _session(self, door: Door, *_: Any) -> Session:
        place = self._place
        audit = partial(self._audit, account=door.account)
        mailbox = place.mailboxes / door.account
        return Session(
            door, Ground(mailbox, door.account, place.journal, place.bounds, audit, self._is_here, time.time)
        )

    def attend(self) -> None:
        """Serve the client until it has gone."""
        self._transport.start_server(event=threading.Event(), server=self._door)
        while self._transport.is_alive():
            self._transport.join(WATCH_SECONDS)
            self._watch(time.monotonic())
        self._transport.close()
        if not self.account and not self._is_ended:
            self._audit("left", why="without logging in", tries=self._door.questions)
        deadline = time.monotonic() + GONE_SECONDS
        for thread in threading.enumerate():
            if isinstance(thread, Subsystem):
                thread.join(max(0.0, deadline - time.monotonic()))

    def _watch(self, now: float) -> None:
        """Cut off who does not log in, who has gone quiet, and whose key has been removed."""
        bounds = self._place.bounds
        if self._is_ended:
            return
        if not self.account:
            if now - self._started > bounds.login_seconds:
                self._end("no login in time")
            return
        self._allow_processor_time()
        if self._key_is_gone():
            self._end("the key was removed")
        elif now - self._last_seen > bounds.idle_seconds:
            self._end("idle for too long")

    def _key_is_gone(self) -> bool:
        """The keys are read again when their file is another."""
        stamp = self._place.accounts.stamp(self.account)
        if stamp is not None and stamp == self._stamp:
            return False
        self._stamp = stamp
        return not self._place.accounts.allows(self.account, self._door.fingerprint)

    def _allow_processor_time(self) -> None:
        bounds, moved = self._place.bounds, self._transport.packetizer
        seconds = (
            bounds.processor_seconds
            + bounds.processor_seconds_of_a_second * (time.monotonic() - self._started)
            + bounds.processor_seconds_of_a_packet * moved.packets
            + bounds.processor_seconds_of_a_mebibyte * moved.bytes / MEBIBYTE
        )
        _limit(resource.RLIMIT_CPU, bounds.login_processor_seconds + int(seconds))

    def _end(self, why: str) -> None:
        self._is_ended = True
        self._audit("ended", account=self.account, why=why)
        with contextlib.suppress(OSError):  # it has gone already
            self._socket.shutdown(socket.SHUT_RDWR)


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _own_memory() -> int:
    """Bytes of data that this process has of its own."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) << 10
    raise OSError("this system does not tell a process's memory")


def confine(bounds: Bounds) -> None:
    """What this process may use from now on. The kernel holds it; processor time grows once somebody has logged in."""
    threading.stack_size(THREAD_STACK_BYTES)
    threading.excepthook = _say_what_kind
    _limit(resource.RLIMIT_CPU, bounds.login_processor_seconds)
    _limit(resource.RLIMIT_NOFILE, bounds.descriptors)
    _limit(resource.RLIMIT_CORE, 0)
    with contextlib.suppress(OSError):
        _limit(resource.RLIMIT_DATA, _own_memory() + bounds.memory_bytes)


def _say_what_kind(failed: threading.ExceptHookArgs) -> None:
    """What an error says of what a client sent is not for a log."""
    logging.getLogger("ectx.sftp").error("a thread of a connection ended with %s", failed.exc_type.__name__)


def attend(
    place: Place, connection: socket.socket, parent: socket.socket, audit: Audit, address: str, number: int
) -> None:
    """What the child does with its life. Never returns."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
        confine(place.bounds)
        _watch_parent()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Connection(place, connection, parent, audit, address, number).attend()
    except (OSError, EOFError, paramiko.SSHException):
        pass
    except BaseException as error:
        logging.getLogger("ectx.sftp").error("a connection ended with %s", type(error).__name__)
        os._exit(1)
    finally:
        os._exit(0)


def _watch_parent() -> None:
    """End with the process that accepts connections."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
