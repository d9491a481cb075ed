"""What is new in the mailboxes.

The embedded server writes down each upload that it saw whole, and that journal is watched; files that came some other way
(OpenSSH) by watching the folders, once they have come to rest.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

from flows.installation import Installation

FOLDER_SECONDS = 1.0
_Entry = tuple[str, int, int]


class Watch:
    """What is new in the mailboxes of a folder. Slugs come out once for each thing that is new."""

    def __init__(self, installation: Installation) -> None:
        self._journal = installation.journal
        self._folder = installation.settings.mailboxes_folder
        self._rest = max(FOLDER_SECONDS, installation.settings.seconds_between_looks)
        self._told: set[_Entry] = set()
        self._handed: dict[str, set[_Entry]] = {}
        self._moved: dict[str, tuple[float, set[_Entry]]] = {}
        self._looked = 0.0

    def new(self) -> list[str]:
        """Slugs of mailboxes in which something has come to rest since it was last asked."""
        found = self._told_by_server()
        if time.monotonic() - self._looked >= FOLDER_SECONDS:
            self._looked = time.monotonic()
            found += [slug for slug in self._lying_there() if slug not in found]
        return found

    def is_there(self, slug: str) -> bool:
        """Whether anything lies in a mailbox still, or the server has told of something that nobody has read."""
        return self.is_told(slug) or bool(self._entries(slug))

    def is_told(self, slug: str) -> bool:
        """Whether the server has told of something that nobody has read."""
        return any(size and name.split(".")[0] == slug for name, size, _ in _files(self._journal.folder))

    def bytes_of(self, slug: str) -> int:
        """How much waits in a mailbox."""
        return sum(size for _, size, _ in self._entries(slug))

    def _told_by_server(self) -> list[str]:
        told = {entry for entry in _files(self._journal.folder) if entry[1]}
        fresh, self._told = told - self._told, told
        return sorted({name.split(".")[0] for name, *_ in fresh})

    def _lying_there(self) -> list[str]:
        if self._folder is None or not self._folder.is_dir():
            return []
        found = []
        for slug in sorted(each.name for each in os.scandir(self._folder) if each.is_dir()):
            try:
                there = set(_listed(self._folder / slug / "to-dfe"))
            except OSError:  # nothing is known, so nothing has gone
                continue
            since, before = self._moved.get(slug, (0.0, None))
            if there != before:
                self._moved[slug] = (time.monotonic(), there)
                self._handed[slug] = self._handed.get(slug, set()) & there  # what comes again, as it was, is new
            elif there - self._handed.get(slug, set()) and time.monotonic() - since >= self._rest:
                self._handed[slug] = there
                found.append(slug)
        return found

    def _entries(self, slug: str) -> set[_Entry]:
        return set(_files(self._folder / slug / "to-dfe")) if self._folder else set()


def _files(folder: Path) -> list[_Entry]:
    """(name, size, time of modification) of what lies in a folder under its own name, in order of name."""
    try:
        return _listed(folder)
    except OSError:  # it goes as we look, or was never there
        return []


def _listed(folder: Path) -> list[_Entry]:
    """The same, of a folder that can be looked at. Raises OSError."""
    found = []
    for each in os.scandir(folder):
        if not each.name.startswith("."):
            with suppress(FileNotFoundError):  # it is taken as we look
                status = each.stat(follow_symlinks=False)
                found.append((each.name, status.st_size, status.st_mtime_ns))
    return sorted(found)
