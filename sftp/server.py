"""The embedded SFTP server: one jailed mailbox a lead provider. Every client is bounded, so that none hurts another."""

import contextlib
import itertools
import logging
import socket
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import paramiko

from sftp.accounts import Accounts
from sftp.audit import Audit
from sftp.bounds import Bounds
from sftp.door import Door
from sftp.session import Session, Subsystem
from sftp.uploads import Allowance

log = logging.getLogger("ectx.sftp")
WATCH_SECONDS = 0.5
# What is old and weak among what paramiko offers; SHA-1 signatures of RSA keys it does not offer any more.
NOT_OFFERED = {
    "ciphers": ["aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"],
    "macs": ["hmac-sha1", "hmac-md5", "hmac-sha1-96", "hmac-md5-96"],
    "pubkeys": ["ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"],
}


class Connection:
    """One client, from its first byte to its last."""

    def __init__(self, server: "SftpServer", connection: socket.socket, address: str, number: int) -> None:
        self._server, self._socket, self.address = server, connection, address
        self._audit = partial(server.audit, address=address, connection=number)
        self._started = self._last_seen = time.monotonic()
        self._transport: paramiko.Transport | None = None
        self._door = Door(server.accounts, server.bounds, self._audit, self._has_room, self.cut)

    @property
    def account(self) -> str:
        """Whose it is; nothing while it is a stranger's."""
        transport = self._transport
        return self._door.account if transport is not None and transport.is_authenticated() else ""

    def _has_room(self, account: str) -> bool:
        return self._server.connections_of(account) <= self._server.bounds.connections_of_an_account

    def is_here(self) -> None:
        self._last_seen = time.monotonic()

    def attend(self) -> None:
        """Serve the client until it has gone. Whatever it does ends here."""
        try:
            transport = self._transport = paramiko.Transport(self._socket, disabled_algorithms=NOT_OFFERED)
            transport.handshake_timeout = self._server.bounds.login_seconds
            transport.add_server_key(self._server.key)
            transport.set_subsystem_handler("sftp", Subsystem, self._session)
            transport.start_server(server=self._door)
            transport.join()
        except (paramiko.SSHException, EOFError, OSError):
            log.info("connection ended early")
        finally:
            self.cut()
            if self._transport is not None:
                self._transport.close()
            self._socket.close()

    def _session(self, door: Door, *_: Any) -> Session:
        server = self._server
        audit = partial(self._audit, account=door.account)
        return Session(
            door, server.mailboxes / door.account, server.allowance(door.account), server.bounds, audit, self.is_here
        )

    def watch(self, now: float) -> None:
        """Cut off who does not log in, who has gone quiet, and whose key has been removed."""
        bounds = self._server.bounds
        if not self.account:
            if now - self._started > bounds.login_seconds:
                self._end("no login in time")
        elif not self._server.accounts.allows(self._door.account, self._door.fingerprint):
            self._end("the key was removed")
        elif now - self._last_seen > bounds.idle_seconds:
            self._end("idle for too long")

    def _end(self, why: str) -> None:
        self._audit("ended", account=self.account, why=why)
        self.cut()

    def cut(self) -> None:
        """End it at once, from any thread: its own finds out."""
        with contextlib.suppress(OSError):  # it has gone already
            self._socket.shutdown(socket.SHUT_RDWR)


class SftpServer:
    """Serves the mailboxes under one folder until it is stopped."""

    def __init__(
        self,
        mailboxes: Path,
        accounts: Accounts,
        key: paramiko.PKey,
        host: str,
        port: int,
        audit: Audit,
        bounds: Bounds | None = None,
    ) -> None:
        self.mailboxes, self.accounts, self.key = mailboxes, accounts, key
        self.audit, self.bounds = audit, bounds or Bounds()
        self._socket = socket.create_server((host, port), backlog=128)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[Connection] = set()
        self._allowances: dict[str, Allowance] = {}
        self._turned_away: Counter[str] = Counter()
        self._numbers = itertools.count(1)
        self.port: int = self._socket.getsockname()[1]

    def connections_of(self, account: str) -> int:
        return sum(each.account == account for each in self._now_here())

    def allowance(self, account: str) -> Allowance:
        with self._lock:
            return self._allowances.setdefault(account, Allowance(self.bounds))

    def _now_here(self) -> list[Connection]:
        with self._lock:
            return list(self._connections)

    def serve(self) -> None:
        """Accept connections until stop()."""
        threading.Thread(target=self._watch, daemon=True).start()
        self._socket.settimeout(WATCH_SECONDS)
        while not self._stopping.is_set():
            try:
                connection, (address, *_) = self._socket.accept()
            except TimeoutError:
                continue
            except OSError as error:
                if self._stopping.wait(WATCH_SECONDS):
                    break
                log.error("no connection can be accepted: %s", error.strerror)  # out of descriptors: they come back
                continue
            self._receive(connection, address)

    def _receive(self, connection: socket.socket, address: str) -> None:
        here = self._now_here()
        strangers = [each for each in here if not each.account]
        if (
            len(here) >= self.bounds.connections
            or len(strangers) >= self.bounds.strangers
            or sum(each.address == address for each in strangers) >= self.bounds.strangers_of_an_address
        ):
            self._turned_away[address] += 1
            connection.close()
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        arrived = Connection(self, connection, address, next(self._numbers))
        with self._lock:
            self._connections.add(arrived)
        threading.Thread(target=self._attend, args=(arrived,), daemon=True).start()

    def _attend(self, arrived: Connection) -> None:
        try:
            arrived.attend()
        finally:
            with self._lock:
                self._connections.discard(arrived)

    def _watch(self) -> None:
        while not self._stopping.wait(WATCH_SECONDS):
            turned_away, self._turned_away = self._turned_away, Counter()
            for address, count in turned_away.items():
                self.audit("turned-away", address=address, connections=count)
            now = time.monotonic()
            for each in self._now_here():
                each.watch(now)

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self.serve, daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        self._stopping.set()
        self._socket.close()
        for each in self._now_here():
            each.cut()
