"""Files on their way: an upload within its bounds, a download; each told in the audit log when it ends."""

import errno
import hashlib
import os
import threading
from collections.abc import Callable
from typing import Any

import paramiko

from sftp.bounds import MEBIBYTE, Bounds
from sftp.jail import Jail, Refused

Answering = Callable[[Callable[[], Any]], Any]  # runs an act; an OSError becomes the SFTP answer, with its words


class Allowance:
    """What a mailbox may still hold, over all of its provider's connections."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds, self._lock, self._left = bounds, threading.Lock(), 0

    def admit(self, jail: Jail) -> None:
        """Count anew what waits, and let one more file in. Raises Refused."""
        with self._lock:
            count, size = jail.waiting()
            self._left = self._bounds.waiting_bytes - size
            if count >= self._bounds.waiting_files:
                raise Refused(
                    f"{count:,} files wait to be taken, the most there may be: send more when they have gone.",
                    errno.EDQUOT,
                )

    def take(self, size: int) -> None:
        with self._lock:
            if size > self._left:
                most = self._bounds.waiting_bytes // MEBIBYTE
                raise Refused(
                    f"Files that wait to be taken may have {most:,} MiB in all: send more when they have gone.",
                    errno.EDQUOT,
                )
            self._left -= size


class Upload(paramiko.SFTPHandle):
    """A file being written, from its start to its end; it appears under its name when it is closed.

    is_cut: whether the client has gone; what is open then was cut off, not closed.
    """

    def __init__(
        self,
        jail: Jail,
        path: str,
        allowance: Allowance,
        most: int,
        answering: Answering,
        audit: Callable[..., None],
        is_cut: Callable[[], bool],
    ) -> None:
        super().__init__(os.O_RDWR)
        self._jail, self._path, self._allowance, self._most = jail, path, allowance, most
        self._answering, self._audit, self._is_cut = answering, audit, is_cut
        self._size, self._digest, self._is_in_order = 0, hashlib.sha256(), True
        self._open, self._broken = True, False
        self._name, self._descriptor = jail.start_upload()

    def write(self, offset: int, data: bytes) -> int:
        answer: int = self._answering(lambda: self._write(offset, data))
        self._broken = self._broken or answer != paramiko.SFTP_OK
        return answer

    def _write(self, offset: int, data: bytes) -> None:
        end = offset + len(data)
        if offset > self._size:
            raise Refused("Files are sent whole, from the start: this upload has a gap.")
        if end > self._most:
            raise Refused(f"A file has at most {self._most // MEBIBYTE:,} MiB: split it.", errno.EFBIG)
        self._allowance.take(max(0, end - self._size))
        if offset == self._size:
            self._digest.update(data)
        else:
            self._is_in_order = False
        self._size = max(self._size, end)
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, offset)
            view, offset = view[written:], offset + written

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._descriptor, min(length, 32 << 10), offset)

    def chattr(self, attr: paramiko.SFTPAttributes) -> int:
        """The time is kept; rights and owners are ours."""
        if attr.st_mtime is not None:
            os.utime(self._descriptor, (attr.st_atime or attr.st_mtime, attr.st_mtime))
        return paramiko.SFTP_OK

    def stat(self) -> paramiko.SFTPAttributes:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self._descriptor))

    def close(self) -> None:
        """Raises OSError where the file cannot be kept; it is then not there at all."""
        if not self._open:
            return
        self._open = False
        try:
            if self._is_cut() or self._broken:
                self._audit("upload-cut", bytes=self._size)
                return
            os.fsync(self._descriptor)  # the provider is told next that we have it
            self._jail.finish_upload(self._name, self._path)
            self._name = ""
            self._audit("upload", bytes=self._size, sha256=self._sha256())
        finally:
            os.close(self._descriptor)
            if self._name:
                self._jail.drop_upload(self._name)

    def _sha256(self) -> str:
        if self._is_in_order:
            return self._digest.hexdigest()
        with os.fdopen(os.dup(self._descriptor), "rb") as handle:
            handle.seek(0)
            return hashlib.file_digest(handle, "sha256").hexdigest()


class Download(paramiko.SFTPHandle):
    """A file being read."""

    def __init__(self, descriptor: int, most: int, done: Callable[[int], None]) -> None:
        super().__init__(os.O_RDONLY)
        self._descriptor, self._most, self._done, self._bytes, self._open = descriptor, most, done, 0, True

    def read(self, offset: int, length: int) -> bytes:
        data = os.pread(self._descriptor, min(length, self._most), offset)
        self._bytes += len(data)
        return data

    def stat(self) -> paramiko.SFTPAttributes:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self._descriptor))

    def close(self) -> None:
        if self._open:
            self._open = False
            os.close(self._descriptor)
            self._done(self._bytes)
