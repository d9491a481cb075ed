"""A mailbox that is a folder of this machine: the embedded default, or a mounted file system."""

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sftp.durable import on_disk
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
    pieces,
)
from sftp.refusals import MOST_BYTES, REFUSED, Refusal, with_refusals

SHARED_FOLDER, SHARED_FILE = 0o2750, 0o640


@contextmanager
def _carrying() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MailboxError(f"The mailbox's file system failed: {error.strerror or error}.") from error


class LocalMailbox:
    """See sftp.mailbox.Mailbox. Links are never followed: what is not a plain file is not there."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def prepare(self) -> None:
        with _carrying():
            for folder in FOLDERS:
                self._make(self.root / folder)

    def look(self) -> list[Arrival]:
        return self._plain_files(TO_DFE)

    def taken(self) -> list[Arrival]:
        return self._plain_files(TAKING)

    def half_sent(self) -> list[Arrival]:
        return self._plain_files(TO_DFE, is_half_sent)

    def _plain_files(self, folder: str, wanted: Callable[[str], bool] = is_finished) -> list[Arrival]:
        found = []
        with _carrying(), os.scandir(self.root / folder) as entries:
            for entry in entries:
                if not wanted(entry.name):
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(status.st_mode):
                    changed = self._changed(entry.name, status)
                    found.append(Arrival(entry.name, status.st_size, status.st_mtime, changed))
        return sorted(found, key=lambda arrival: (arrival.modified, arrival.name))

    @staticmethod
    def _changed(name: str, status: os.stat_result) -> float:
        """When a file was last changed in whatever way: what its sender cannot set."""
        return status.st_ctime

    def last_byte(self, arrival: Arrival) -> bytes:
        with _carrying(), self._open(TO_DFE, arrival.name) as handle:
            handle.seek(0, os.SEEK_END)
            if not handle.tell():
                return b""
            handle.seek(-1, os.SEEK_END)
            return handle.read(1)

    def _open(self, folder: str, name: str):  # type: ignore[no-untyped-def]
        return os.fdopen(os.open(self.root / folder / name, os.O_RDONLY | os.O_NOFOLLOW), "rb")

    def take(self, arrival: Arrival) -> bool:
        source, target = self.root / TO_DFE / arrival.name, self.root / TAKING / arrival.name
        with _carrying():
            try:
                before = source.lstat()
                if arrival.changed not in (None, self._changed(arrival.name, before)):
                    return False  # its name, size and time may be the same, and what is in it another: the next look dates it
                source.rename(target)
            except FileNotFoundError:
                return False
            status = target.lstat()
            same = (status.st_ino, status.st_size, status.st_mtime)
            if same == (before.st_ino, arrival.size_bytes, arrival.modified):
                return True
            self._give_back(source, target)
            return False

    def give_back(self, arrival: Arrival) -> None:
        with _carrying():
            self._give_back(self.root / TO_DFE / arrival.name, self.root / TAKING / arrival.name)

    @staticmethod
    def _give_back(source: Path, target: Path) -> None:
        try:
            os.link(target, source, follow_symlinks=False)  # never over what the sender has put there since
        except FileExistsError:
            pass  # a newer one
        except FileNotFoundError:
            return
        except OSError:  # a file system without links
            if not source.exists():
                target.rename(source)
                return
        target.unlink(missing_ok=True)

    def read(self, arrival: Arrival) -> Iterator[bytes]:
        with _carrying(), self._taken(arrival) as handle:
            yield from pieces(handle)

    def start(self, arrival: Arrival, most: int) -> bytes:
        with _carrying(), self._taken(arrival) as handle:
            found: bytes = handle.read(most)
            return found

    def _taken(self, arrival: Arrival):  # type: ignore[no-untyped-def]
        try:
            return self._open(TAKING, arrival.name)
        except PermissionError as error:
            raise Unreadable("A file's rights keep us out.") from error

    def discard(self, arrival: Arrival) -> None:
        with _carrying():
            (self.root / TAKING / arrival.name).unlink(missing_ok=True)

    def deliver(self, folder: str, source: Path, last: str) -> None:
        with _carrying():
            for path in in_order(source, last):
                place = self.root / folder / path.relative_to(source)
                unfinished = self._started(place)
                _copy(path, unfinished)
                unfinished.replace(place)

    def put(self, path: str, content: bytes) -> None:
        with _carrying():
            place = self.root / path
            unfinished = self._started(place)
            unfinished.write_bytes(content)
            unfinished.replace(place)

    def is_there(self, path: str) -> bool:
        with _carrying():
            return (self.root / path).is_file()

    def put_or_remove(self, path: str, content: bytes | None) -> None:
        with _carrying():
            if content is not None and self._own(path, len(content) + 1) != content:
                self.put(path, content)
                return
            with self._alone():  # or it might be what a connection is just adding to
                _unfinished(self.root / path).unlink(missing_ok=True)  # it was cut off, with other content
                if content is None:
                    (self.root / path).unlink(missing_ok=True)

    def add_refusals(self, new: list[Refusal]) -> None:
        with _carrying(), self._alone():
            before = self._own(f"{FROM_DFE}/{REFUSED}") or b""
            self.put(f"{FROM_DFE}/{REFUSED}", with_refusals(before, new))

    def own(self, path: str) -> bytes | None:
        with _carrying():
            return self._own(path)

    def _own(self, path: str, most: int = MOST_BYTES) -> bytes | None:
        """A plain file of ours under from-dfe, at most so many bytes of it; None where there is none."""
        try:
            descriptor = os.open(self.root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            return None
        with os.fdopen(descriptor, "rb") as handle:
            return handle.read(most) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Connections of the embedded server and intake add to the same file."""
        descriptor = os.open(self.root / TAKING, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _started(self, place: Path) -> Path:
        """An empty file beside a place under from-dfe, with the rights and the group that it is to have there."""
        self._make(place.parent)
        unfinished = _unfinished(place)
        unfinished.unlink(missing_ok=True)
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        self._share(unfinished, SHARED_FILE)
        return unfinished

    def _make(self, folder: Path) -> None:
        """A folder and those above it; under from-dfe with the rights that it is to have there."""
        if not folder.is_dir():
            self._make(folder.parent)
            folder.mkdir(exist_ok=True)
            self._share(folder, SHARED_FOLDER)

    def _share(self, path: Path, rights: int) -> None:
        """Where from-dfe hands its group down (OpenSSH, `setup.sh`), what lies under it is its group's to read; on the
        embedded server everything is this user's alone."""
        delivered = self.root / FROM_DFE
        if not path.is_relative_to(delivered) or path == delivered:
            return
        above = delivered.stat()
        if above.st_mode & stat.S_ISGID:
            if path.stat().st_gid != above.st_gid:
                os.chown(path, -1, above.st_gid)
            path.chmod(rights)

    def settle(self, paths: list[str]) -> None:
        with _carrying():
            on_disk([self.root / path for path in paths], self.root)

    def remove(self, folder: str) -> None:
        with _carrying():
            place = self.root / folder
            if place.is_dir():
                shutil.rmtree(place)


def _unfinished(place: Path) -> Path:
    """Where a file under from-dfe is until it is whole."""
    return place.with_name(f".{place.name}.tmp")


def _copy(source: Path, target: Path) -> None:
    """A hard link would be quicker, and would let a mailbox change what we keep."""
    with source.open("rb") as reading, target.open("wb") as writing:
        shutil.copyfileobj(reading, writing, 1 << 20)
