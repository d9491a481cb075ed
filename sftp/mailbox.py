"""What a mailbox can do, whichever way it is carried: look, take, deliver a set so that its last file comes last."""

import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from sftp.refusals import Refusal

TO_DFE, FROM_DFE, TAKING = "to-dfe", "from-dfe", ".taking"
FOLDERS = (
    TO_DFE,
    TAKING,
    *(posixpath.join(FROM_DFE, name) for name in ("receipts", "statements", "extracts", "guidance", "forecast")),
)
UNFINISHED = (".part", ".partial", ".tmp", ".filepart", ".writing", ".uploading", ".crdownload")
_GUID = re.compile(r"\.csv\.\{?[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\}?$")
# What programs leave lying about: nobody sends it, and nobody waits for it.
_LITTER = ("thumbs.db", "desktop.ini")
SIDECAR = ".sha256"
PIECE_BYTES = 1 << 20


class MailboxError(Exception):
    """The carrier failed: the network, the disk, a right that is missing. What was asked may be asked again."""


class Unreadable(MailboxError):
    """A file that its sender's rights keep from us. To ask again changes nothing."""


@dataclass(frozen=True)
class Arrival:
    """A file in to-dfe at one look: name, size in bytes, time of modification (seconds; whole ones over SFTP), and of the
    last change of whatever kind, which only a folder tells."""

    name: str
    size_bytes: int
    modified: float
    changed: float | None = field(default=None, compare=False)

    @property
    def is_sidecar(self) -> bool:
        return self.name.lower().endswith(SIDECAR)

    @property
    def shown_name(self) -> str:
        """Its name as text that can be kept: bytes that are not UTF-8 are shown as such (and such a name is refused)."""
        return os.fsencode(self.name).decode("utf-8", "backslashreplace")

    @property
    def identity(self) -> str:
        """Tells this arrival from another of the same name."""
        return f"{self.shown_name}|{self.size_bytes}|{self.modified:.6f}"


class Mailbox(Protocol):
    """One lead provider's mailbox. Every method raises MailboxError when the carrier fails."""

    def prepare(self) -> None:
        """Make the mailbox's folders where they are missing."""

    def look(self) -> list[Arrival]:
        """The finished-looking files in to-dfe, sidecars too; uploads in progress left out."""

    def half_sent(self) -> list[Arrival]:
        """The files in to-dfe whose names say that their upload is still in progress."""

    def last_byte(self, arrival: Arrival) -> bytes:
        """The last byte of a file in to-dfe; nothing when it is empty."""

    def take(self, arrival: Arrival) -> bool:
        """Move a file out of to-dfe, out of its sender's reach. False when it is gone or has changed since the look: then
        it is given back, or its sender has put another in its place, or it stays taken."""

    def give_back(self, arrival: Arrival) -> None:
        """Put a taken file back into to-dfe, for nobody has seen it there whole; one of its name there is newer."""

    def taken(self) -> list[Arrival]:
        """Files taken and not yet discarded: what an interrupted round left."""

    def read(self, arrival: Arrival) -> Iterator[bytes]:
        """The pieces of a taken file. Raises Unreadable too."""

    def start(self, arrival: Arrival, most: int) -> bytes:
        """The first bytes of a taken file, however long it is. Raises Unreadable too."""

    def discard(self, arrival: Arrival) -> None:
        """Remove a taken file. Harmless when it is gone."""

    def deliver(self, folder: str, source: Path, last: str) -> None:
        """Put all files under `source` into a folder under from-dfe, each under a temporary name first, `last` last."""

    def put(self, path: str, content: bytes) -> None:
        """Replace one file under from-dfe as a whole."""

    def add_refusals(self, new: list[Refusal]) -> None:
        """Put refused uploads into from-dfe/refused.csv."""

    def settle(self, paths: list[str]) -> None:
        """Wait until these files and folders under from-dfe are on the carrier's disk, as far as it lets us know."""

    def is_there(self, path: str) -> bool:
        """Whether there is such a file under from-dfe."""

    def own(self, path: str) -> bytes | None:
        """A small file under from-dfe; None where there is none."""

    def put_or_remove(self, path: str, content: bytes | None) -> None:
        """Make one file under from-dfe what it is to be; None: it is not to be. What is so already is left alone."""

    def remove(self, folder: str) -> None:
        """Remove a folder under from-dfe with the files in it. Harmless when it is gone."""


def is_finished(name: str) -> bool:
    """Whether a name is that of a file that was sent."""
    return not is_unfinished(name)


def is_unfinished(name: str) -> bool:
    """Whether a name says that its upload is still in progress, or that nobody meant to send it."""
    return name.startswith(".") or is_litter(name) or _is_in_progress(name.lower())


def _is_in_progress(name: str) -> bool:
    return name.endswith(UNFINISHED) or _GUID.search(name) is not None


def is_litter(name: str) -> bool:
    """What Windows and spreadsheets put beside files: `Thumbs.db`, `desktop.ini`, `~$x.xlsx`."""
    return name.lower() in _LITTER or name.startswith("~$")


def is_half_sent(name: str) -> bool:
    """Whether a name is that of an upload in progress, of which its sender is told when it lies for long."""
    return _is_in_progress(name.lower()) and not name.startswith(".") and not is_litter(name)


def in_order(source: Path, last: str) -> list[Path]:
    """The files under a folder in the order of delivery: `last` after all others."""
    files = [path for path in source.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return sorted(files, key=lambda path: (path.relative_to(source).as_posix() == last, path.as_posix()))


def pieces(handle: IO[bytes]) -> Iterator[bytes]:
    """A file's content, a piece at a time."""
    while piece := handle.read(PIECE_BYTES):
        yield piece
