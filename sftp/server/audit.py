"""A line for every login, upload, download, change and refusal: a JSON object each, in files by day and size.

What a provider calls its files may name a person, so files under to-dfe are told by size and SHA-256 (the audit trail's
submissions have the same), never by name. What one source does over and over is folded into one line a minute with a
count (`again`) and the sum of its bytes, so that nobody fills the disk by knocking.

One process writes: connections send it their lines.
"""

import json
import logging
import os
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
LINES_OF_AN_ACCOUNT = 200  # of one event from one address in that time
LINES_OF_A_STRANGER = 6
SOURCES = 200
EVERYBODY_ELSE = "many"
_SOURCE = ("event", "account", "address")


def _source(facts: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(facts.get(name, "")) for name in _SOURCE)


class Sender:
    """Sends lines to whoever writes them: call it with an event and its facts."""

    def __init__(self, socket_to_writer: socket.socket) -> None:
        self._socket = socket_to_writer

    def __call__(self, event: str, **facts: Any) -> None:
        try:
            self._socket.send(json.dumps({"event": event, **facts}).encode()[:LINE_BYTES])
        except OSError as error:
            log.error("an audit line could not be sent: %s", error.strerror)


@dataclass
class AuditLog:
    """The writer. Times are seconds of a clock that only goes on."""

    folder: Path
    _told: Counter[tuple[str, ...]] = field(default_factory=Counter)
    _folded: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    _began: float = 0.0

    def take(self, facts: dict[str, Any], now: float) -> None:
        """Write a line, or count it with its like."""
        if now - self._began >= FOLD_SECONDS:
            self.flush()
            self._began = now
        source = _source(facts)
        if source not in self._told and len(self._told) >= SOURCES:
            facts = {"event": facts["event"], "address": EVERYBODY_ELSE}
            source = _source(facts)
        self._told[source] += 1
        is_strangers = not facts.get("account") or facts["event"] == "login-refused"
        if self._told[source] <= (LINES_OF_A_STRANGER if is_strangers else LINES_OF_AN_ACCOUNT):
            self._write(facts)
            return
        folded = self._folded.setdefault(source, {name: facts[name] for name in _SOURCE if name in facts})
        folded["again"] = folded.get("again", 0) + 1
        if "bytes" in facts:
            folded["bytes"] = folded.get("bytes", 0) + facts["bytes"]

    def flush(self) -> None:
        """Write how much was folded."""
        for each in self._folded.values():
            self._write(each)
        self._folded.clear()
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
