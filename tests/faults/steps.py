"""Step boundaries of a round, and what can befall it at one of them.

A step is anything that outlives the process: a file opened to be written, renamed, removed; a statement or a commit to the
database; a request to an SFTP service. A fault `{"at": N, "do": "kill"}` kills the process (SIGKILL) just before its N-th
step; `{"at": N, "do": "cut", "kind": "write"}` cuts the SFTP connection just before its N-th request of that kind.
"""

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paramiko
from paramiko import sftp as protocol
from sqlalchemy import Engine, event

FILE_EVENTS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}
REQUESTS = {
    protocol.CMD_OPENDIR: "listing", protocol.CMD_READDIR: "listing", protocol.CMD_READ: "read",
    protocol.CMD_WRITE: "write", protocol.CMD_OPEN: "open", protocol.CMD_EXTENDED: "rename",
    protocol.CMD_RENAME: "rename", protocol.CMD_REMOVE: "remove", protocol.CMD_STAT: "stat", protocol.CMD_MKDIR: "mkdir",
}  # fmt: skip


class Steps:
    """Counts steps, by kind too, and strikes when it is time."""

    def __init__(self, fault: dict[str, Any] | None) -> None:
        self.fault = fault or {}
        self.count = 0
        self.by_kind: Counter[str] = Counter()
        self.is_watching, self.has_struck = True, False

    def tick(self, kind: str, client: paramiko.SFTPClient | None = None) -> None:
        if not self.is_watching:
            return
        self.count += 1
        self.by_kind[kind] += 1
        wanted = self.fault.get("kind")
        reached = self.by_kind[kind] if wanted == kind else None if wanted else self.count
        if reached != self.fault.get("at"):
            return
        if self.fault["do"] == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif client is not None:
            self.has_struck = True
            client.get_channel().get_transport().sock.close()  # type: ignore[union-attr]


@contextmanager
def watched(fault: dict[str, Any] | None) -> Iterator[Steps]:
    """Watch this process's steps until the end; for a process that ends soon after: some hooks cannot be taken out."""
    steps = Steps(fault)

    def audited(name: str, arguments: tuple[Any, ...]) -> None:
        if name in FILE_EVENTS or (name == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_ACCMODE):
            steps.tick("file")

    sys.addaudithook(audited)
    event.listen(Engine, "before_cursor_execute", lambda *_: steps.tick("question"))
    event.listen(Engine, "commit", lambda *_: steps.tick("commit"))
    asked = paramiko.SFTPClient._async_request

    def asking(client: paramiko.SFTPClient, owner: Any, kind: int, *arguments: Any) -> Any:
        steps.tick(REQUESTS.get(kind, "other"), client)
        return asked(client, owner, kind, *arguments)

    paramiko.SFTPClient._async_request = asking  # type: ignore[method-assign]
    try:
        yield steps
    finally:
        steps.is_watching = False
