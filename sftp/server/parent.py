"""Accepts connections, and hands each to a child forked for it. It reads no stranger's byte: what comes back from a child
is the name of the account that has logged in."""

import contextlib
import gc
import itertools
import logging
import os
import random
import selectors
import signal
import socket
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from sftp.server.audit import Sender, start_writing
from sftp.server.child import NO_ROOM, ROOM, WATCH_SECONDS, Place, attend

log = logging.getLogger("ectx.sftp")
ACCOUNT_BYTES = 255
CHILDS_PATIENCE = 0.5  # seconds for an audit line; the parent has none
LATE_SECONDS = 2.0  # a child ends itself; one that does not is ended
ENDS = {signal.SIGXCPU: "too much processor time", signal.SIGKILL: "killed", signal.SIGTERM: "stopped"}


@dataclass(eq=False)
class Child:
    """A connection's process, and what is known of it. account: empty while it is a stranger's."""

    process: int
    socket: socket.socket
    address: str
    number: int
    started: float
    account: str = ""
    why_ended: str = ""

    def end(self, why: str = "") -> None:
        self.why_ended = self.why_ended or why
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)


class Parent:
    """Serves until SIGTERM, or until the process that started it has gone."""

    def __init__(self, listener: socket.socket, place: Place, logs: Path) -> None:
        self._listener, self._place, self._bounds, self._logs = listener, place, place.bounds, logs
        self._children: dict[int, Child] = {}
        self._selector = selectors.DefaultSelector()
        self._numbers = itertools.count(1)
        self._lines_in, self._lines_out = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._audit = Sender(self._lines_in)
        self._turned_away: Counter[str] = Counter()
        self._told_at = 0.0
        self._starter = os.getppid()
        self._is_stopping = False

    def serve(self) -> None:
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        self._listener.setblocking(False)
        self._start_audit()
        self._selector.register(self._listener, selectors.EVENT_READ)
        gc.collect()
        gc.freeze()  # what all children share stays shared
        while not self._is_stopping and os.getppid() == self._starter:
            for key, _ in self._selector.select(WATCH_SECONDS):
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._hear(key.data)
            self._bury()
            self._watch(time.monotonic())
        for each in self._children.values():
            each.end("stopped")

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._is_stopping = True

    def _start_audit(self) -> None:
        others = [self._listener, self._lines_in, *(each.socket for each in self._children.values())]
        self._auditor = start_writing(self._logs, self._lines_out, others)

    def _accept(self) -> None:
        try:
            connection, (address, *_) = self._listener.accept()
        except BlockingIOError:
            return
        except OSError as error:
            log.error("no connection can be accepted: %s", error.strerror)  # out of descriptors: they come back
            time.sleep(WATCH_SECONDS)
            return
        with connection:
            if self._make_room(address):
                self._fork(connection, address)
            else:
                self._turned_away[address] += 1

    def _make_room(self, address: str) -> bool:
        """Whether a newcomer is let to the door. Where many strangers stand there, one of them goes for it, by chance:
        whoever is silent loses its place sooner or later, and who logs in is there for an instant only."""
        bounds = self._bounds
        strangers = [each for each in self._children.values() if not each.account and not each.why_ended]
        of_address = [each for each in strangers if each.address == address]
        beyond = len(strangers) - bounds.strangers_undisturbed
        if len(of_address) >= bounds.strangers_of_an_address:
            self._turn_away(random.choice(of_address))
        elif beyond > 0 and random.random() * (bounds.strangers - bounds.strangers_undisturbed) <= beyond:
            self._turn_away(self._one_of(strangers))
        elif len(self._children) >= bounds.connections:
            if not strangers:
                return False
            self._turn_away(self._one_of(strangers))
        return True

    @staticmethod
    def _one_of(strangers: list[Child]) -> Child:
        """By chance; the more there are of an address, the likelier for each of them."""
        crowd = Counter(each.address for each in strangers)
        return random.choices(strangers, [crowd[each.address] for each in strangers])[0]

    def _turn_away(self, stranger: Child) -> None:
        self._turned_away[stranger.address] += 1
        stranger.end("turned away")

    def _fork(self, connection: socket.socket, address: str) -> None:
        ours, childs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        number = next(self._numbers)
        try:
            process = os.fork()
        except OSError as error:
            log.error("no process can be made for a connection: %s", error.strerror)
            ours.close()
            childs.close()
            return
        if not process:
            self._become_child(ours)
            self._audit.patience = CHILDS_PATIENCE
            attend(self._place, connection, childs, self._audit, address, number)
        childs.close()
        ours.setblocking(False)
        child = Child(process, ours, address, number, time.monotonic())
        self._children[process] = child
        self._selector.register(ours, selectors.EVENT_READ, child)

    def _become_child(self, ours: socket.socket) -> None:
        """Let go of what is not this connection's."""
        self._selector.close()
        for each in (self._listener, self._lines_out, ours, *(other.socket for other in self._children.values())):
            each.close()

    def _hear(self, child: Child) -> None:
        """A child says whose it is, once, and is told whether there is room."""
        try:
            said = child.socket.recv(ACCOUNT_BYTES)
        except OSError:
            said = b""
        if not said:
            self._selector.unregister(child.socket)
            return
        account = said.decode("ascii", "replace")
        if child.account or account not in self._place.accounts.names():
            child.end("its process said what it should not")
            return
        of_account = sum(each.account == account for each in self._children.values())
        has_room = of_account < self._bounds.connections_of_an_account
        if has_room:
            child.account = account
        with contextlib.suppress(OSError):
            child.socket.send(ROOM if has_room else NO_ROOM)

    def _bury(self) -> None:
        while self._children or self._auditor:
            try:
                process, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not process:
                return
            if process == self._auditor:
                log.error("the audit log's writer ended; another is started")
                self._start_audit()
                continue
            if child := self._children.pop(process, None):
                self._forget(child, status)

    def _forget(self, child: Child, status: int) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(child.socket)
        child.socket.close()
        code = os.waitstatus_to_exitcode(status)
        if code and child.why_ended != "turned away":
            why = child.why_ended or (ENDS.get(-code, f"signal {-code}") if code < 0 else "its process failed")  # type: ignore[call-overload]
            self._audit("ended", address=child.address, connection=child.number, account=child.account, why=why)

    def _watch(self, now: float) -> None:
        for each in self._children.values():
            age = now - each.started
            if not each.account and age > self._bounds.login_seconds + LATE_SECONDS:
                each.end("no login in time")
            elif age > self._bounds.life_seconds:
                each.end("connected for too long")
        if self._turned_away and now - self._told_at > 1:
            self._told_at = now
            turned_away, self._turned_away = self._turned_away, Counter()
            for address, count in turned_away.items():
                self._audit("turned-away", address=address, connections=count)
