"""What a lead provider may see and do inside its mailbox, held by directory descriptors: no link is ever followed."""

import contextlib
import errno
import fcntl
import os
import posixpath
import stat
import struct
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sftp.mailbox import FROM_DFE, TO_DFE
from sftp.server.names import why_refused

VISIBLE = (TO_DFE, FROM_DFE)
UPLOADING, COUNTED = ".uploading", ".counted"  # the second lies in the first
_TWO_NUMBERS = struct.Struct(">QQ")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PLAIN = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Refused(OSError):
    """What a client may not do, in words for it."""

    def __init__(self, why: str, number: int = errno.EACCES) -> None:
        super().__init__(number, why)


class Jail:
    """One mailbox as its provider sees it. Paths are as the client sent them; `OSError` says what is not allowed.

    An upload is written in a folder that the provider does not see, and moved to to-dfe when it is whole.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / UPLOADING).mkdir(mode=0o700, exist_ok=True)

    @staticmethod
    def parts(path: str) -> list[str]:
        """The names of a path, `..` and all resolved inside the jail."""
        if "\0" in path:
            raise Refused("A path has no NUL character.")
        return [part for part in posixpath.normpath("/" + path).split("/") if part]

    @contextmanager
    def parent(self, path: str) -> Iterator[tuple[int, str]]:
        """(descriptor of the folder a path lies in, last name)."""
        parts = self.parts(path)
        if parts and parts[0] not in VISIBLE:
            raise FileNotFoundError(errno.ENOENT, "There is no such file.")
        descriptor = os.open(self.root, _FOLDER)
        try:
            for part in parts[:-1]:
                inner = os.open(part, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor, parts[-1] if parts else "."
        finally:
            os.close(descriptor)

    def demand_writable(self, *paths: str) -> None:
        """Only files directly in to-dfe, of a name that is read alike everywhere. Raises Refused."""
        for path in paths:
            parts = self.parts(path)
            if len(parts) != 2 or parts[0] != TO_DFE:
                raise Refused(f"Only files in {TO_DFE} can be changed, and it has no folders.")
            if why := why_refused(parts[1]):
                raise Refused(why)

    def status(self, path: str) -> os.stat_result:
        with self.parent(path) as (folder, name):
            return os.stat(name, dir_fd=folder, follow_symlinks=False)

    def listing(self, path: str) -> "Entries":
        """Names and states of a folder's plain files and folders, one by one: however many there are, few are held."""
        with self.parent(path) as (folder, name):
            return Entries(os.open(name, _FOLDER, dir_fd=folder), is_root=not self.parts(path))

    def open(self, path: str) -> int:
        """A descriptor of a plain file, to be read."""
        with self.parent(path) as (folder, name):
            descriptor = os.open(name, os.O_RDONLY | _PLAIN, dir_fd=folder)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise Refused("This is not a plain file.")
        return descriptor

    def exists(self, path: str) -> bool:
        try:
            self.status(path)
        except FileNotFoundError:
            return False
        return True

    def start_upload(self) -> tuple[str, int]:
        """(a name under UPLOADING, its descriptor, to be written and read). It lives as long as the descriptor is open,
        whoever else has died. The caller holds the mailbox (alone)."""
        name = uuid.uuid4().hex
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _PLAIN
        with self._uploading() as folder:
            descriptor = os.open(name, flags, 0o640, dir_fd=folder)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return name, descriptor

    def finish_upload(self, name: str, path: str, may_replace: bool = True) -> None:
        """Give an upload its own name, in place of a file that had it. Raises Refused."""
        self.demand_writable(path)
        with self.alone(), self._uploading() as source, self.parent(path) as (target, final):
            if may_replace:
                os.rename(name, final, src_dir_fd=source, dst_dir_fd=target)
            else:
                self._link(name, final, source, target)
            os.fsync(target)

    @staticmethod
    def _link(name: str, final: str, source: int, target: int) -> None:
        """Move without replacing."""
        taken = Refused("There is a file of that name already.", errno.EEXIST)
        try:
            os.link(name, final, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
        except FileExistsError:
            raise taken from None
        except OSError as error:  # a file system without links
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP):
                raise
            if final in os.listdir(target):
                raise taken from None
            os.rename(name, final, src_dir_fd=source, dst_dir_fd=target)
            return
        os.unlink(name, dir_fd=source)

    def drop_upload(self, name: str) -> None:
        """Harmless when it is gone already."""
        with self._uploading() as folder, contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else counts, or lets in, what this mailbox holds meanwhile."""
        with self._uploading() as folder:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield

    def waiting(self) -> tuple[int, int]:
        """(files, bytes) in to-dfe and being uploaded. What a killed process left of uploads is removed. The caller holds
        the mailbox (alone)."""
        count = size = 0
        for folder in (TO_DFE, UPLOADING):
            with os.scandir(self.root / folder) as entries:
                for entry in entries:
                    if folder == UPLOADING and entry.name == COUNTED:
                        continue
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if folder == UPLOADING and not self._is_live(entry.name):
                        self.drop_upload(entry.name)
                        continue
                    count, size = count + 1, size + status.st_size
        return count, size

    def counted(self) -> tuple[int, int] | None:
        """What was written down last as waiting (count); None: nothing was. The caller holds the mailbox (alone)."""
        with self._uploading() as folder:
            try:
                descriptor = os.open(COUNTED, os.O_RDONLY | _PLAIN, dir_fd=folder)
            except FileNotFoundError:
                return None
        try:
            found = os.pread(descriptor, _TWO_NUMBERS.size, 0)
        finally:
            os.close(descriptor)
        return _TWO_NUMBERS.unpack(found) if len(found) == _TWO_NUMBERS.size else None

    def count(self, files: int, size: int) -> None:
        """Write down how much waits, for everybody who lets something in. The caller holds the mailbox (alone)."""
        with self._uploading() as folder:
            descriptor = os.open(COUNTED, os.O_WRONLY | os.O_CREAT | _PLAIN, 0o600, dir_fd=folder)
        try:
            os.pwrite(descriptor, _TWO_NUMBERS.pack(files, size), 0)
        finally:
            os.close(descriptor)

    def _is_live(self, name: str) -> bool:
        """Whether the process that writes an upload is still there."""
        try:
            with self._uploading() as folder:
                descriptor = os.open(name, os.O_RDONLY | _PLAIN, dir_fd=folder)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    @contextmanager
    def _uploading(self) -> Iterator[int]:
        descriptor = os.open(self.root / UPLOADING, _FOLDER)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def remove(self, path: str) -> None:
        self.demand_writable(path)
        with self.parent(path) as (folder, name):
            os.unlink(name, dir_fd=folder)

    def rename(self, old: str, new: str, replace: bool) -> os.stat_result:
        """Returns what the file is now, on disk under its new name."""
        self.demand_writable(old, new)
        with self.alone(), self.parent(old) as (source, old_name), self.parent(new) as (target, new_name):
            if replace:
                os.rename(old_name, new_name, src_dir_fd=source, dst_dir_fd=target)
            else:
                self._link(old_name, new_name, source, target)
            os.fsync(target)
            return os.stat(new_name, dir_fd=target, follow_symlinks=False)


class Entries:
    """A folder that is read entry by entry, until it is closed. It owns the descriptor."""

    def __init__(self, descriptor: int, is_root: bool) -> None:
        self._descriptor, self._is_root = descriptor, is_root
        self._entries = os.scandir(descriptor)

    def __iter__(self) -> Iterator[tuple[str, os.stat_result]]:
        return self

    def __next__(self) -> tuple[str, os.stat_result]:
        while True:
            entry = next(self._entries)
            if self._is_root and entry.name not in VISIBLE:
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
                return entry.name, status

    def close(self) -> None:
        self._entries.close()
        os.close(self._descriptor)
