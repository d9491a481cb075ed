"""When uploads were whole, on disk before their senders are told: one file of JSON lines a mailbox, in the home.

Intake takes the lines into the database at its next look. Where they are lost, the change times of the files count.
"""

import fcntl
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from sftp.durable import wait

MOST_BYTES = 8 << 20
OPEN, TAKEN = ".jsonl", ".taken"


@dataclass(frozen=True)
class Whole:
    """An upload as it lay in to-dfe when it was whole. Times are seconds since 1970, by this machine's clock."""

    name: str
    size_bytes: int
    modified: float
    changed: float
    at: float


class Journal:
    """The journals of all mailboxes under one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, slug: str, upload: Whole) -> None:
        """Write a line and wait until it is on disk. Raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._held(slug) as descriptor:
            os.lseek(descriptor, 0, os.SEEK_END)
            line = (json.dumps(asdict(upload)) + "\n").encode()
            start = os.fstat(descriptor).st_size
            if start > MOST_BYTES:  # nobody has looked for long, or somebody renames all day: change times count
                os.ftruncate(descriptor, 0)
                start = 0
                os.lseek(descriptor, 0, os.SEEK_SET)
            try:
                if os.write(descriptor, line) < len(line):
                    raise OSError(28, "No space left on device")
            except OSError:
                os.ftruncate(descriptor, start)
                raise
            os.fsync(descriptor)
        if not start:
            wait(self.folder)  # its name, too

    def slugs(self) -> list[str]:
        """Mailboxes of which something was written down."""
        found = self.folder.iterdir() if self.folder.is_dir() else []
        return sorted({path.name.split(".")[0] for path in found if path.suffix in (OPEN, TAKEN)})

    @contextmanager
    def taken(self, slug: str) -> Iterator[list[Whole]]:
        """What was written down of a mailbox: gone once the block has ended well. Nobody waits for the block."""
        with self._held(slug) as descriptor:
            if os.fstat(descriptor).st_size:
                (self.folder / f"{slug}{OPEN}").rename(self.folder / f"{slug}.{uuid.uuid4().hex}{TAKEN}")
        parts = sorted(self.folder.glob(f"{slug}.*{TAKEN}"), key=_written)
        lines = [line for path in parts for line in _lines(path)]
        yield [each for each in map(_read, lines) if each]
        for path in parts:
            path.unlink(missing_ok=True)

    @contextmanager
    def _held(self, slug: str) -> Iterator[int]:
        """The open journal of a mailbox, locked: the one that has the name, not one that was just taken."""
        path = self.folder / f"{slug}{OPEN}"
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if _is_same(path, descriptor):
                    yield descriptor
                    return
            finally:
                os.close(descriptor)


def _written(path: Path) -> int:
    """When a part was last written; one that somebody else is through with meanwhile is gone."""
    with suppress(FileNotFoundError):
        return path.stat().st_mtime_ns
    return 0


def _lines(path: Path) -> list[bytes]:
    with suppress(FileNotFoundError):
        return path.read_bytes().splitlines()
    return []


def _read(line: bytes) -> Whole | None:
    """A line that was cut by a full disk or a fault is none: the file's change time counts."""
    try:
        return Whole(**json.loads(line))
    except (ValueError, TypeError):
        return None


def _is_same(path: Path, descriptor: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False
