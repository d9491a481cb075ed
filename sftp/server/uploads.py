"""Files on their way: an upload within its bounds, a download; each told in the audit log when it ends."""

import errno
import hashlib
import os
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from itertools import islice
from typing import Any

import paramiko

from sftp.server.bounds import MEBIBYTE, Bounds
from sftp.server.jail import Entries, Jail, Refused

Answering = Callable[[Callable[[], Any]], Any]  # runs an act; an OSError becomes the SFTP answer, with its words
ENTRIES_OF_AN_ANSWER = 64
NEAR = 16 * MEBIBYTE  # of room: where less is left, what waits is looked through
LOOK_SECONDS = 60.0  # between two looks of a connection, at most, while uploads begin
GAPS = 1024  # of an upload whose pieces come in any order


class Allowance:
    """What a mailbox may hold, over all connections of its provider. What waits is looked through at the first upload, once a
    minute, and where a bound seems near; in between whoever lets something in adds it to what was counted last. What has been
    taken since is in it still. What came otherwise than by this server is not, until the next look."""

    def __init__(self, jail: Jail, bounds: Bounds) -> None:
        self._jail, self._bounds, self._looked = jail, bounds, float("-inf")

    def admit(self) -> tuple[str, int]:
        """Let one more file in: its name for now, and its descriptor. Raises Refused."""
        with self._jail.alone():
            count, size = self._waiting(1, 0)
            if count >= self._bounds.waiting_files:
                raise Refused(
                    f"{count:,} files wait to be taken, the most there may be: send more when they have gone.",
                    errno.EDQUOT,
                )
            self._jail.count(count + 1, size)
            return self._jail.start_upload()

    def reserve(self, descriptor: int, reserved: int, wanted: int) -> int:
        """Make an upload of `reserved` bytes at least `wanted` long, and some longer, so that not every write counts what
        is there. Returns how long. Raises Refused."""
        with self._jail.alone():
            more = wanted - reserved
            count, size = self._waiting(0, more + NEAR)
            left = self._bounds.waiting_bytes - size
            if more > left:
                most = self._bounds.waiting_bytes // MEBIBYTE
                raise Refused(
                    f"Files that wait to be taken may have {most:,} MiB in all: send more when they have gone.",
                    errno.EDQUOT,
                )
            more = max(more, min(MEBIBYTE, left // 16))
            self._jail.count(count, size + more)
            os.ftruncate(descriptor, reserved + more)
            return reserved + more

    def _waiting(self, files: int, size: int) -> tuple[int, int]:
        """(files, bytes) that wait, or some more, where there is certainly room for this much beside them."""
        known = self._jail.counted() if time.monotonic() - self._looked < LOOK_SECONDS else None
        most = self._bounds
        if known and known[0] + files <= most.waiting_files and known[1] + size <= most.waiting_bytes:
            return known
        self._looked = time.monotonic()
        return self._jail.waiting()


class Ranges:
    """Which bytes of an upload were written: pieces may come in any order, as many at once as clients have on their way."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []  # (start, end), apart from one another, in order

    def add(self, start: int, end: int) -> None:
        """Raises Refused where there are more gaps than any client leaves."""
        ranges = self._ranges
        if ranges and ranges[-1][0] <= start <= ranges[-1][1]:  # it goes on where the last one ended, nearly always
            ranges[-1] = (ranges[-1][0], max(end, ranges[-1][1]))
            return
        first, last = bisect_left(ranges, start, key=_end), bisect_right(ranges, end, key=_start)
        if first < last:
            start, end = min(start, ranges[first][0]), max(end, ranges[last - 1][1])
        if start < end:
            ranges[first:last] = [(start, end)]
        if len(ranges) > GAPS:
            raise Refused("Files are sent whole, from the start: this upload has too many gaps.")

    def cut(self, size: int) -> None:
        self._ranges = [(start, min(end, size)) for start, end in self._ranges if start < size]

    def covers(self, size: int) -> bool:
        """Whether nothing is missing up to here."""
        return not size or self._ranges == [(0, size)]


def _start(each: tuple[int, int]) -> int:
    return each[0]


def _end(each: tuple[int, int]) -> int:
    return each[1]


class Upload(paramiko.SFTPHandle):
    """A file being written; it appears under its name when it is closed, and has no gap then.

    is_cut: whether the client has gone; what is open then was cut off, not closed. whole: is told what the file is once
    it has its name, before its sender is. ended: is called when it is open no more.
    """

    ended: Callable[[], None]

    def __init__(
        self,
        jail: Jail,
        path: str,
        allowance: Allowance,
        most: int,
        answering: Answering,
        audit: Callable[..., None],
        is_cut: Callable[[], bool],
        whole: Callable[[str, os.stat_result], None],
        may_replace: bool = True,
    ) -> None:
        super().__init__(os.O_RDWR)
        self._jail, self.path, self._allowance, self._most = jail, path, allowance, most
        self._answering, self._audit, self._is_cut, self._whole = answering, audit, is_cut, whole
        self._may_replace = may_replace
        self._size = self._reserved = 0
        self._written = Ranges()
        self._digest, self._is_in_order = hashlib.sha256(), True
        self._times: tuple[int, int] | None = None
        self._open, self._is_abandoned = True, False
        self._broken: OSError | None = None  # why a part of it was refused
        self._name, self._descriptor = allowance.admit()

    def write(self, offset: int, data: bytes) -> int:
        answer: int = self._answering(lambda: self._part(self._write, offset, data))
        return answer

    def _part(self, act: Callable[..., None], *given: Any) -> None:
        try:
            act(*given)
        except OSError as error:
            self._broken = self._broken or error
            raise

    def _write(self, offset: int, data: bytes) -> None:
        end = offset + len(data)
        self._demand_room(end)
        self._written.add(offset, end)
        if offset == self._size:
            self._digest.update(data)
        else:
            self._is_in_order = False
        self._size = max(self._size, end)
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, offset)
            view, offset = view[written:], offset + written

    def _demand_room(self, size: int) -> None:
        if size > self._most:
            raise Refused(f"A file has at most {self._most // MEBIBYTE:,} MiB: split it.", errno.EFBIG)
        if size > self._reserved:
            self._reserved = self._allowance.reserve(self._descriptor, self._reserved, size)

    def _resize(self, size: int) -> None:
        self._demand_room(size)
        if size < self._size:
            with self._jail.alone():  # nobody counts it while it is short
                os.ftruncate(self._descriptor, size)  # what grows again there is empty
                os.ftruncate(self._descriptor, self._reserved)
        self._is_in_order = self._is_in_order and size == self._size
        self._written.cut(size)
        if size > self._size:  # as the client wants it: empty there, which no file that is read may be
            self._written.add(self._size, size)
        self._size = size

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._descriptor, min(length, 32 << 10, max(0, self._size - offset)), offset)

    def chattr(self, attr: paramiko.SFTPAttributes) -> int:
        """A size holds at once, the times when the file is closed; rights and owners are ours."""
        if attr.st_mtime is not None:
            self._times = (attr.st_atime or attr.st_mtime, attr.st_mtime)
        if attr.st_size is None:
            return paramiko.SFTP_OK
        size = attr.st_size
        answer: int = self._answering(lambda: self._part(self._resize, size))
        return answer

    def stat(self) -> paramiko.SFTPAttributes:
        found = paramiko.SFTPAttributes.from_stat(os.fstat(self._descriptor))
        found.st_size = self._size
        if self._times:
            found.st_atime, found.st_mtime = self._times
        return found

    def abandon(self) -> None:
        """It was removed before it was whole: it never appears."""
        self._is_abandoned = True

    def close(self) -> None:
        """Raises OSError where the file cannot be kept, or a part of it was refused: it is then not there at all."""
        if not self._open:
            return
        self._open = False
        self.ended()
        try:
            if self._is_cut() or self._broken or self._is_abandoned:
                self._audit("upload-cut", bytes=self._size)
                if self._broken and not self._is_cut():  # for clients that look at the last answer alone
                    raise self._broken
                return
            if not self._written.covers(self._size):
                raise Refused("Files are sent whole, from the start: this upload has a gap.")
            os.ftruncate(self._descriptor, self._size)
            if self._times:
                os.utime(self._descriptor, self._times)
            os.fsync(self._descriptor)  # the provider is told next that we have it
            self._jail.finish_upload(self._name, self.path, self._may_replace)
            self._name = ""
            self._whole(self.path, os.fstat(self._descriptor))
            self._audit("upload", bytes=self._size, sha256=self._sha256())
        finally:
            if self._name:
                self._jail.drop_upload(self._name)
            os.close(self._descriptor)

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
        if offset >= 1 << 63:
            return b""
        data = os.pread(self._descriptor, min(length, self._most), offset)
        self._bytes += len(data)
        return data

    def stat(self) -> paramiko.SFTPAttributes:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self._descriptor))

    def chattr(self, attr: paramiko.SFTPAttributes) -> int:
        return paramiko.SFTP_PERMISSION_DENIED

    def close(self) -> None:
        if self._open:
            self._open = False
            os.close(self._descriptor)
            self._done(self._bytes)


class Listing(paramiko.SFTPHandle):
    """A folder being read, some entries at a time."""

    def __init__(self, entries: Entries) -> None:
        super().__init__(os.O_RDONLY)
        self._entries = entries

    def _get_next_files(self) -> list[paramiko.SFTPAttributes]:
        some = islice(self._entries, ENTRIES_OF_AN_ANSWER)
        return [paramiko.SFTPAttributes.from_stat(status, name) for name, status in some]

    def close(self) -> None:
        self._entries.close()
