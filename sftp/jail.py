"""What a lead provider may see and do inside its mailbox, held by directory descriptors: no link is ever followed."""

import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sftp.mailbox import FROM_DFE, TO_DFE

VISIBLE = (TO_DFE, FROM_DFE)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Jail:
    """One mailbox as its provider sees it. Paths are as the client sent them; `OSError` says what is not allowed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @staticmethod
    def parts(path: str) -> list[str]:
        """The names of a path, `..` and all resolved inside the jail."""
        return [part for part in posixpath.normpath("/" + path).split("/") if part]

    @contextmanager
    def parent(self, path: str) -> Iterator[tuple[int, str]]:
        """(descriptor of the folder a path lies in, last name)."""
        parts = self.parts(path)
        if parts and parts[0] not in VISIBLE:
            raise FileNotFoundError(2, "no such file")
        descriptor = os.open(self.root, _FOLDER)
        try:
            for part in parts[:-1]:
                inner = os.open(part, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor, parts[-1] if parts else "."
        finally:
            os.close(descriptor)

    def is_writable(self, path: str) -> bool:
        """Only files directly in to-dfe, of a name that a file system and a spreadsheet read alike."""
        parts = self.parts(path)
        return len(parts) == 2 and parts[0] == TO_DFE and parts[1].isprintable() and "\\" not in parts[1]

    def demand_writable(self, *paths: str) -> None:
        if not all(self.is_writable(path) for path in paths):
            raise PermissionError(13, "only files in to-dfe can be changed")

    def status(self, path: str) -> os.stat_result:
        with self.parent(path) as (folder, name):
            return os.stat(name, dir_fd=folder, follow_symlinks=False)

    def listing(self, path: str) -> list[tuple[str, os.stat_result]]:
        """Names and states of a folder's plain files and folders."""
        with self.parent(path) as (folder, name):
            descriptor = os.open(name, _FOLDER, dir_fd=folder)
        try:
            names = os.listdir(descriptor)
            if not self.parts(path):
                names = [name for name in names if name in VISIBLE]
            found = []
            for name in names:
                try:
                    status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
                    found.append((name, status))
            return found
        finally:
            os.close(descriptor)

    def open(self, path: str, flags: int) -> int:
        with self.parent(path) as (folder, name):
            descriptor = os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o640, dir_fd=folder)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise PermissionError(13, "not a plain file")
        return descriptor

    def remove(self, path: str) -> None:
        self.demand_writable(path)
        with self.parent(path) as (folder, name):
            os.unlink(name, dir_fd=folder)

    def rename(self, old: str, new: str, replace: bool) -> None:
        self.demand_writable(old, new)
        with self.parent(old) as (source, old_name), self.parent(new) as (target, new_name):
            if not replace and new_name in os.listdir(target):
                raise FileExistsError(17, "there is a file of that name")
            os.rename(old_name, new_name, src_dir_fd=source, dst_dir_fd=target)
