"""How the embedded server is started: as a process with nothing in its environment but what Python needs."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from sftp.server.bounds import Bounds

# What a program needs to find its language and its libraries; no setting, no address, no secret.
PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH", "SYSTEMROOT")


@dataclass(frozen=True)
class Serving:
    """What the server serves, and where it keeps things."""

    mailboxes: Path
    keys: Path
    host_keys: tuple[Path, ...]
    journal: Path
    logs: Path
    bounds: Bounds

    def module(self, descriptor: int) -> list[str]:
        """The module to run and its arguments; descriptor: of a listening socket that it inherits."""
        told = {
            "mailboxes": str(self.mailboxes), "keys": str(self.keys), "host_keys": [str(key) for key in self.host_keys],
            "journal": str(self.journal), "logs": str(self.logs), "bounds": asdict(self.bounds), "descriptor": descriptor,
        }  # fmt: skip
        return ["sftp.server", json.dumps(told)]


def environment() -> dict[str, str]:
    """The server's own. Few memory arenas, for it has many small threads."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {"MALLOC_ARENA_MAX": "2"}
