"""A line for every login, upload, download, change and refusal: a JSON object each, in files by day and size.

What a provider calls its files may name a person, so files under to-dfe are told by size and SHA-256 (the audit trail's
submissions have the same), never by name. What one source does over and over is folded into one line a minute with a
count (`again`) and the sum of its bytes, so that nobody fills the disk by knocking.

One process writes: connections send it their lines.
"""

import json
import logging
import os
import select
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

log = logging.getLogger("ectx.sftp")
Audit = Callable[..., None]  # (event, **facts)

LINE_BYTES = 4096
FILE_BYTES = 64 << 20
FOLD_SECONDS = 60.0
LINES_OF_AN_ACCOUNT = 2000  # of one event in that time: more than may wait in a mailbox
LINES_OF_A_STRANGER = 6  # from one address
SOURCES = 200  # addresses of strangers, by event and account
EVERYBODY_ELSE = "many"


def _source(facts: dict[str, Any], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(facts.get(name, "")) for name in names)


class Sender:
    """Sends lines to whoever writes them: call it with an event and its facts.

    patience: seconds to wait for a writer that does not listen, a disk that does not answer say. A line that cannot be sent
    is counted, and the next one says how many were lost.
    """

    def __init__(self, socket_to_writer: socket.socket, patience: float = 0.0) -> None:
        self._socket, self.patience, self._lost = socket_to_writer, patience, 0

    def __call__(self, event: str, **facts: Any) -> None:
        told = {"event": event, **facts} | ({"lost": self._lost} if self._lost else {})
        line = json.dumps(told).encode()[:LINE_BYTES]
        try:
            try:
                self._socket.send(line, socket.MSG_DONTWAIT)
            except BlockingIOError:
                select.select([], [self._socket], [], self.patience)
                self._socket.send(line, socket.MSG_DONTWAIT)
            self._lost = 0
        except OSError:
            self._lost += 1


@dataclass
class AuditLog:
    """The writer. Times are seconds of a clock that only goes on."""

    folder: Path
    _told: Counter[tuple[str, ...]] = field(default_factory=Counter)
    _folded: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    _strangers: set[tuple[str, ...]] = field(default_factory=set)
    _began: float = 0.0

    def take(self, facts: dict[str, Any], now: float) -> None:
        """Write a line, or count it with its like."""
        if now - self._began >= FOLD_SECONDS:
            self.flush()
            self._began = now
        is_strangers = not facts.get("account") or facts["event"] == "login-refused"
        source = _source(facts, ("event", "account", "address") if is_strangers else ("event", "account"))
        if is_strangers and source not in self._told and len(self._strangers) >= SOURCES:
            # However many knock, what accounts do has lines of its own.
            facts = {"event": facts["event"], "address": EVERYBODY_ELSE}
            source = _source(facts, ("event", "account", "address"))
        elif is_strangers:
            self._strangers.add(source)
        self._told[source] += 1
        if self._told[source] <= (LINES_OF_A_STRANGER if is_strangers else LINES_OF_AN_ACCOUNT):
            self._write(facts)
            return
        told = ("event", "account", "address") if is_strangers else ("event", "account")
        folded = self._folded.setdefault(source, {name: facts[name] for name in told if name in facts})
        folded["again"] = folded.get("again", 0) + 1
        if "bytes" in facts:
            folded["bytes"] = folded.get("bytes", 0) + facts["bytes"]

    def flush(self) -> None:
        """Write how much was folded."""
        for each in self._folded.values():
            self._write(each)
        self._folded.clear()
        self._strangers.clear()
        self._told.clear()

    def _write(self, facts: dict[str, Any]) -> None:
        now = datetime.now(UTC)
        line = json.dumps({"at": f"{now:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z", **facts}) + "\n"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._file(f"sftp-audit-{now:%Y-%m-%d}").open("a", encoding="utf-8") as handle:
                handle.write(line)
        except OSError as error:
            log.error("an audit line could not be written (%s): %s", error.strerror, line)

    def _file(self, name: str) -> Path:
        """The newest of a day's files, or the one after it when that is full."""
        path, number = self.folder / f"{name}.jsonl", 1
        while path.exists() and path.stat().st_size >= FILE_BYTES:
            number += 1
            path = self.folder / f"{name}.{number}.jsonl"
        return path


def write_lines(lines: socket.socket, folder: Path) -> None:
    """Write what is sent, until nobody is left who could send."""
    audit = AuditLog(folder)
    lines.settimeout(FOLD_SECONDS)
    while True:
        try:
            line = lines.recv(LINE_BYTES)
        except TimeoutError:
            audit.flush()
            continue
        if not line:
            break
        try:
            audit.take(json.loads(line), time.monotonic())
        except ValueError:
            log.error("an audit line of %d bytes was cut", len(line))
    audit.flush()


def start_writing(folder: Path, lines: socket.socket, others: list[socket.socket]) -> int:
    """Fork the process that writes what comes by a socket. others: sockets that it must not hold, all that send among
    them. Returns its id."""
    process = os.fork()
    if process:
        return process
    try:
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, signal.SIG_IGN)  # it ends when nobody is left who could send
        for each in others:
            each.close()
        write_lines(lines, folder)
    finally:
        os._exit(0)
