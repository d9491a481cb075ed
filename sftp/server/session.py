"""One client's SFTP requests, answered in its jail, in words where they are refused."""

import contextlib
import errno
import logging
import os
import posixpath
import stat
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko

from sftp.local import LocalMailbox
from sftp.mailbox import FROM_DFE, MailboxError, is_unfinished
from sftp.refusals import Refusal
from sftp.server.audit import Audit
from sftp.server.bounds import Bounds
from sftp.server.jail import Jail, Refused
from sftp.server.journal import Journal, Whole
from sftp.server.uploads import Allowance, Download, Listing, Upload

log = logging.getLogger("ectx.sftp")


_WRITES = os.O_WRONLY | os.O_RDWR
# How long, and of how many files, a session knows what it has sent, though it was taken since.
SENT_SECONDS, SENT_KNOWN = 60.0, 64


@dataclass(frozen=True)
class Ground:
    """Where a session acts: the mailbox, its name, the journal of uploads, the bounds, the audit log; is_here is called
    at every request, now tells the seconds since 1970."""

    mailbox: Path
    slug: str
    journal: Journal
    bounds: Bounds
    audit: Audit
    is_here: Callable[[], None]
    now: Callable[[], float]


class Session(paramiko.SFTPServerInterface):
    """A client in its jail. open_handles is set by the Subsystem."""

    open_handles: Callable[[], int]

    def __init__(self, door: paramiko.ServerInterface, ground: Ground) -> None:
        super().__init__(door)
        LocalMailbox(ground.mailbox).prepare()
        self._ground, self._bounds, self._audit = ground, ground.bounds, ground.audit
        self._jail = Jail(ground.mailbox)
        self._uploads: dict[tuple[str, ...], Upload] = {}  # those open, by path: the session that writes them sees them
        self._sent: OrderedDict[tuple[str, ...], tuple[float, os.stat_result]] = OrderedDict()
        self._allowance = Allowance(self._jail, ground.bounds)
        self._why, self.has_ended = "", False

    def why(self) -> str:
        """The words for the answer that is sent next, once."""
        said, self._why = self._why, ""
        return said

    def is_here(self) -> None:
        self._ground.is_here()

    def answering(self, act: Callable[[], Any], upload: str | None = None) -> Any:
        """Do what was asked. What cannot be is answered with SFTP's number for it, told to the client and written down.

        upload: the path of the file that is being sent, where one is: clients show no words, so they lie in the mailbox."""
        try:
            found = act()
        except FileNotFoundError:
            return paramiko.SFTP_NO_SUCH_FILE
        except OSError as error:
            self._why = str(error.strerror) if isinstance(error, Refused) else ""
            self._audit("refused", why=self._why or os.strerror(error.errno or 0))
            if upload is not None:
                self._remember(upload, self._why or f"It could not be kept: {os.strerror(error.errno or 0)}.")
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                return paramiko.SFTP_NO_SUCH_FILE
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        return paramiko.SFTP_OK if found is None else found

    def _remember(self, path: str, why: str) -> None:
        name = path.rstrip("/").rpartition("/")[2]
        try:
            LocalMailbox(self._ground.mailbox).add_refusals([Refusal(self._ground.now(), name, why)])
        except MailboxError as error:
            log.error("a refusal could not be written down: %s", error)

    def refuse(self, why: str, number: int = errno.EACCES, upload: str | None = None) -> int:
        def refused() -> None:
            raise Refused(why, number)

        answer: int = self.answering(refused, upload)
        return answer

    def list_folder(self, path: str) -> Listing | int:
        def listed() -> Listing:
            self._demand_handle()
            return Listing(self._jail.listing(path))

        found: Listing | int = self.answering(listed)
        return found

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        def found() -> paramiko.SFTPAttributes:
            upload = self._uploads.get(tuple(self._jail.parts(path)))
            return upload.stat() if upload else paramiko.SFTPAttributes.from_stat(self._status(path))

        return self.answering(found)

    def _status(self, path: str) -> os.stat_result:
        """Of a file that this session has just sent and that was taken since, what it was: clients make sure of it, and set its
        times, after they have closed it."""
        try:
            return self._jail.status(path)
        except FileNotFoundError:
            sent_at, status = self._sent.get(tuple(self._jail.parts(path)), (0.0, None))
            if status is None or self._ground.now() > sent_at + SENT_SECONDS:
                raise
            return status

    lstat = stat

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
        if flags & _WRITES:
            return self.answering(lambda: self._upload(path, flags), upload=path)
        return self.answering(lambda: self._download(path))

    def _demand_handle(self) -> None:
        if self.open_handles() >= self._bounds.open_files:
            raise Refused(f"At most {self._bounds.open_files} files can be open at once.", errno.EMFILE)

    def _download(self, path: str) -> Download:
        self._demand_handle()
        descriptor = self._jail.open(path)
        parts = self._jail.parts(path)
        # Names under from-dfe are ours; those under to-dfe are the provider's, and may name a person.
        told = posixpath.join(*parts) if parts[0] == FROM_DFE else parts[0]

        def done(size: int) -> None:
            self._audit("download", path=told, bytes=size)

        return Download(descriptor, self._bounds.read_bytes, done)

    def _upload(self, path: str, flags: int) -> Upload:
        self._jail.demand_writable(path)
        self._demand_handle()
        parts = tuple(self._jail.parts(path))
        is_there = parts in self._uploads or self._jail.exists(path)
        if flags & os.O_APPEND and is_there:
            raise Refused("Files are sent whole: send it again from the start.")
        if not flags & os.O_CREAT and not is_there:
            raise FileNotFoundError(errno.ENOENT, "There is no such file.")
        may_replace = not flags & os.O_EXCL
        if not may_replace and is_there:
            raise Refused("There is a file of that name already.", errno.EEXIST)
        # Without O_TRUNC too it starts anew: who writes over a file (`scp`) sends all of it, and sets its size at the end.
        upload = Upload(
            self._jail, path, self._allowance, self._bounds.file_bytes,
            lambda act: self.answering(act, upload=path), self._audit,
            lambda: self.has_ended, self._is_whole, may_replace,
        )  # fmt: skip
        upload.ended = lambda: self._ended(parts, upload)
        self._uploads[parts] = upload
        return upload

    def _open_upload(self, path: str) -> Upload | None:
        """The upload of this path that this session has open. Of a path that is none it says nothing: who acts on it does."""
        with contextlib.suppress(Refused):
            return self._uploads.get(tuple(self._jail.parts(path)))
        return None

    def _ended(self, parts: tuple[str, ...], upload: Upload) -> None:
        if self._uploads.get(parts) is upload:
            del self._uploads[parts]

    def _is_whole(self, path: str, status: os.stat_result) -> None:
        """Write down when a file was whole. Where that fails its change time counts, so its sender is not troubled."""
        parts = tuple(self._jail.parts(path))
        name = parts[-1]
        self._sent[parts] = (self._ground.now(), status)
        if len(self._sent) > SENT_KNOWN:
            self._sent.popitem(last=False)
        if is_unfinished(name):
            return
        whole = Whole(name, status.st_size, status.st_mtime, status.st_ctime, self._ground.now())
        try:
            self._ground.journal.add(self._ground.slug, whole)
        except OSError as error:
            log.error("when an upload was whole could not be written down: %s", error.strerror)

    def remove(self, path: str) -> int:
        """Of a file that this session is writing: it never comes."""
        upload = self._open_upload(path)

        def act() -> None:
            if upload is None or self._jail.exists(path):
                self._jail.remove(path)
            if upload is not None:
                upload.abandon()
            self._sent.pop(tuple(self._jail.parts(path)), None)

        return self._change("removed", act)

    def rename(self, oldpath: str, newpath: str) -> int:
        return self._renamed(oldpath, newpath, False)

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        return self._renamed(oldpath, newpath, True)

    def _renamed(self, old: str, new: str, replace: bool) -> int:
        with contextlib.suppress(Refused):
            self._sent.pop(tuple(self._jail.parts(old)), None)
        if upload := self._open_upload(old):
            return self._change("renamed", lambda: self._will_be(upload, new, replace), upload=new)
        return self._change("renamed", lambda: self._is_whole(new, self._jail.rename(old, new, replace)), upload=new)

    def _will_be(self, upload: Upload, new: str, replace: bool) -> None:
        """Give an upload that is still being written another name."""
        self._jail.demand_writable(new)
        parts = tuple(self._jail.parts(new))
        if not replace and (parts in self._uploads or self._jail.exists(new)):
            raise Refused("There is a file of that name already.", errno.EEXIST)
        self._ended(tuple(self._jail.parts(upload.path)), upload)
        upload.path, self._uploads[parts] = new, upload
        upload.ended = lambda: self._ended(parts, upload)

    def _change(self, event: str, act: Callable[[], None], upload: str | None = None) -> int:
        def changed() -> None:
            act()
            self._audit(event)

        answer: int = self.answering(changed, upload)
        return answer

    def mkdir(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        """Of a folder that is there: a failure, as everywhere, so that clients that make sure of a folder go on."""
        found = self.stat(path)
        if isinstance(found, paramiko.SFTPAttributes) and stat.S_ISDIR(found.st_mode or 0):
            return self.refuse("There is a folder of that name already.", errno.EEXIST)
        return self.refuse("Folders cannot be made.")

    def rmdir(self, path: str) -> int:
        return self.refuse("Folders cannot be removed.")

    def symlink(self, target_path: str, path: str) -> int:
        return self.refuse("Links cannot be made.")

    def readlink(self, path: str) -> int:
        return self.refuse("There are no links.")

    def chattr(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        """Of a file that this session is writing, its size and times; of others, times and rights are not kept, and not
        refused. A file that waits is never made another size in place: where a client empties it to write it anew (sshfs),
        it is what it was until the new one is whole."""

        def changed() -> None:
            self._jail.demand_writable(path)
            if attr.st_size and attr.st_size != self._status(path).st_size:
                raise Refused("Files are sent whole: send it again from the start.")

        upload = self._open_upload(path)
        answer: int = upload.chattr(attr) if upload else self.answering(changed)
        return answer
