"""A line for every login, upload, download, change and refusal: a JSON object each, in a file a day. Kept for good.

What a provider calls its files may name a person, so files under to-dfe are told by size and SHA-256 (the audit trail's
submissions have the same), never by name.
"""

import json
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

log = logging.getLogger("ectx.sftp")
Audit = Callable[..., None]  # (event, **facts)


class AuditLog:
    """Call it with an event and its facts."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder, threading.Lock()

    def __call__(self, event: str, **facts: Any) -> None:
        now = datetime.now(UTC)
        line = json.dumps({"at": f"{now:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z", "event": event, **facts})
        try:
            with self._lock:
                self._folder.mkdir(parents=True, exist_ok=True)
                with (self._folder / f"sftp-audit-{now:%Y-%m-%d}.jsonl").open("a", encoding="utf-8") as handle:
                    handle.write(line + "\n")
        except OSError as error:
            log.error("the audit line could not be written (%s): %s", error.strerror, line)
