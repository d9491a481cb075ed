"""A mailbox on any SFTP server, over paramiko. Host keys are pinned: an unknown one is refused."""

import errno
import io
import posixpath
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko

from sftp.mailbox import (
    FOLDERS,
    FROM_DFE,
    TAKING,
    TO_DFE,
    Arrival,
    MailboxError,
    Unreadable,
    in_order,
    is_finished,
    is_half_sent,
)
from sftp.refusals import MOST_BYTES, REFUSED, Refusal, with_refusals
from sftp.service import SftpService

# What paramiko sends best, and what it asks for when it reads ahead: longer reads are put together, and copied.
WRITE_BYTES, READ_BYTES = 32_000, 32 << 10


class SftpMailbox:
    """See sftp.mailbox.Mailbox."""

    def __init__(self, service: SftpService, name: str) -> None:
        self._carrying, self._client, self._folders = service.carrying, service.client, service.folders
        self.root = posixpath.join(service.folder, name)

    def _at(self, *parts: str) -> str:
        return posixpath.join(self.root, *parts)

    def _make(self, folder: str) -> None:
        """Make a folder and those above it, from the mailbox's own downwards."""
        parts = folder.split("/")
        for depth in range(len(parts) + 1):
            path = self._at(*parts[:depth])
            if path in self._folders:
                continue
            try:
                self._client.stat(path)
            except FileNotFoundError:
                self._mkdir(path)
            self._folders.add(path)

    def _mkdir(self, path: str) -> None:
        try:
            self._client.mkdir(path)
        except FileNotFoundError as error:
            above = posixpath.dirname(path)
            raise MailboxError(
                f"The SFTP service has no folder {above}: make it, or correct ECTX_MAILBOXES."
            ) from error

    def prepare(self) -> None:
        with self._carrying():
            for folder in FOLDERS:
                self._make(folder)

    def look(self) -> list[Arrival]:
        return self._plain_files(TO_DFE)

    def taken(self) -> list[Arrival]:
        return self._plain_files(TAKING)

    def half_sent(self) -> list[Arrival]:
        return self._plain_files(TO_DFE, is_half_sent)

    def _plain_files(self, folder: str, wanted: Callable[[str], bool] = is_finished) -> list[Arrival]:
        with self._carrying():
            entries = self._client.listdir_attr(self._at(folder))
        found = [
            Arrival(entry.filename, entry.st_size or 0, float(entry.st_mtime or 0))
            for entry in entries
            if stat.S_ISREG(entry.st_mode or 0) and wanted(entry.filename)
        ]
        return sorted(found, key=lambda arrival: (arrival.modified, arrival.name))

    def last_byte(self, arrival: Arrival) -> bytes:
        if not arrival.size_bytes:
            return b""
        with self._carrying(), self._client.open(self._at(TO_DFE, arrival.name), "rb") as handle:
            handle.seek(arrival.size_bytes - 1)
            return handle.read(1)

    def take(self, arrival: Arrival) -> bool:
        source, target = self._at(TO_DFE, arrival.name), self._at(TAKING, arrival.name)
        with self._carrying():
            try:
                self._client.rename(source, target)
            except OSError as error:
                if error.errno == errno.ENOENT:
                    return False
                raise
            status = self._client.stat(target)
            if (status.st_size, float(status.st_mtime or 0)) == (arrival.size_bytes, arrival.modified):
                return True
            self._give_back(source, target)
            return False

    def give_back(self, arrival: Arrival) -> None:
        with self._carrying():
            self._give_back(self._at(TO_DFE, arrival.name), self._at(TAKING, arrival.name))

    def _give_back(self, source: str, target: str) -> None:
        """The taken file is removed only where a newer one of its name is seen to lie in to-dfe; whatever else keeps it
        from going back (a full quota, say), it stays, for it may be the only one there is."""
        if not self._has(source):
            try:
                self._client.rename(target, source)
                return
            except FileNotFoundError:
                return
            except OSError:
                if not self._has(source):
                    raise
        self._client.remove(target)

    def _has(self, path: str) -> bool:
        try:
            self._client.lstat(path)
        except FileNotFoundError:
            return False
        return True

    def read(self, arrival: Arrival) -> Iterator[bytes]:
        with self._carrying(), self._taken(arrival) as handle:
            handle.prefetch(arrival.size_bytes)
            while piece := handle.read(READ_BYTES):
                yield piece

    def start(self, arrival: Arrival, most: int) -> bytes:
        with self._carrying(), self._taken(arrival) as handle:
            found: bytes = handle.read(most)
            return found

    def _taken(self, arrival: Arrival) -> paramiko.SFTPFile:
        try:
            return self._client.open(self._at(TAKING, arrival.name), "rb")
        except PermissionError as error:
            raise Unreadable("A file's rights keep us out.") from error

    def discard(self, arrival: Arrival) -> None:
        with self._carrying():
            try:
                self._client.remove(self._at(TAKING, arrival.name))
            except FileNotFoundError:
                return

    def deliver(self, folder: str, source: Path, last: str) -> None:
        with self._carrying():
            for path in in_order(source, last):
                place = posixpath.join(folder, path.relative_to(source).as_posix())
                with path.open("rb") as handle:
                    self._write(place, handle)

    def put(self, path: str, content: bytes) -> None:
        with self._carrying():
            self._write(path, io.BytesIO(content))

    def is_there(self, path: str) -> bool:
        with self._carrying():
            return self._has(self._at(path))

    def put_or_remove(self, path: str, content: bytes | None) -> None:
        with self._carrying():
            if content is not None and not self._is(path, content):
                self._write(path, io.BytesIO(content))
                return
            self._drop(self._unfinished(path))  # it was cut off, with other content
            if content is None:
                self._drop(self._at(path))

    def _drop(self, path: str) -> None:
        if self._has(path):
            self._client.remove(path)

    def _is(self, path: str, content: bytes) -> bool:
        """Whether a file under from-dfe has this content; it is read only where it is as long."""
        if not self._has(self._at(path)) or self._client.stat(self._at(path)).st_size != len(content):
            return False
        with self._client.open(self._at(path), "rb") as handle:
            handle.prefetch(len(content))
            return bool(handle.read() == content)

    def add_refusals(self, new: list[Refusal]) -> None:
        path = f"{FROM_DFE}/{REFUSED}"
        with self._carrying():
            self._write(path, io.BytesIO(with_refusals(self._read(path) or b"", new)))

    def own(self, path: str) -> bytes | None:
        with self._carrying():
            return self._read(path)

    def _read(self, path: str) -> bytes | None:
        """A small file under from-dfe; None where there is none."""
        if not self._has(self._at(path)):
            return None
        with self._client.open(self._at(path), "rb") as handle:
            found: bytes = handle.read(MOST_BYTES)
            return found

    def settle(self, paths: list[str]) -> None:
        """The protocol has no such question: what the service has answered is taken for kept."""

    def remove(self, folder: str) -> None:
        with self._carrying():
            self._remove(self._at(folder))
            self._folders.clear()

    def _remove(self, path: str) -> None:
        try:
            inside = self._client.listdir_attr(path)
        except FileNotFoundError:
            return
        for entry in inside:
            inner = posixpath.join(path, entry.filename)
            if stat.S_ISDIR(entry.st_mode or 0):
                self._remove(inner)
            else:
                self._client.remove(inner)
        self._client.rmdir(path)

    def _unfinished(self, path: str) -> str:
        """Where a file under from-dfe is until it is whole."""
        folder, name = posixpath.split(path)
        return self._at(folder, f".{name}.tmp")

    def _write(self, path: str, content: io.BufferedIOBase) -> None:
        self._make(posixpath.dirname(path))
        unfinished = self._unfinished(path)
        with self._client.open(unfinished, "wb") as handle:
            handle.set_pipelined(True)
            while piece := content.read(WRITE_BYTES):
                handle.write(piece)
        self._client.posix_rename(unfinished, self._at(path))
