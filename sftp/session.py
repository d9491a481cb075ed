"""One client's SFTP requests, answered in its jail, in words where they are refused."""

import errno
import logging
import os
import posixpath
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paramiko

from sftp.audit import Audit
from sftp.bounds import Bounds
from sftp.jail import Jail, Refused
from sftp.local import LocalMailbox
from sftp.mailbox import FROM_DFE
from sftp.uploads import Allowance, Download, Upload

log = logging.getLogger("ectx.sftp")
_WRITES = os.O_WRONLY | os.O_RDWR


class Session(paramiko.SFTPServerInterface):
    """A client in its jail. open_handles is set by the Subsystem."""

    open_handles: Callable[[], int]

    def __init__(
        self,
        door: paramiko.ServerInterface,
        mailbox: Path,
        allowance: Allowance,
        bounds: Bounds,
        audit: Audit,
        is_here: Callable[[], None],
    ) -> None:
        super().__init__(door)
        LocalMailbox(mailbox).prepare()
        self._jail, self._allowance, self._bounds, self._audit = Jail(mailbox), allowance, bounds, audit
        self._is_here, self._why, self.has_ended = is_here, "", False

    def why(self) -> str:
        """The words for the answer that is sent next, once."""
        said, self._why = self._why, ""
        return said

    def _answering(self, act: Callable[[], Any]) -> Any:
        """Do what was asked. What cannot be is answered with SFTP's number for it, told to the client and written down."""
        self._is_here()
        try:
            found = act()
        except FileNotFoundError:
            return paramiko.SFTP_NO_SUCH_FILE
        except OSError as error:
            self._why = str(error.strerror) if isinstance(error, Refused) else ""
            self._audit("refused", why=self._why or os.strerror(error.errno or 0))
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                return paramiko.SFTP_NO_SUCH_FILE
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        return paramiko.SFTP_OK if found is None else found

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        def listed() -> list[paramiko.SFTPAttributes]:
            self._demand_handle()
            return [paramiko.SFTPAttributes.from_stat(status, name) for name, status in self._jail.listing(path)]

        return self._answering(listed)

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        return self._answering(lambda: paramiko.SFTPAttributes.from_stat(self._jail.status(path)))

    lstat = stat

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
        return self._answering(lambda: self._upload(path, flags) if flags & _WRITES else self._download(path))

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
        if not flags & os.O_TRUNC and self._jail.exists(path):
            raise Refused("Files are sent whole: send it again from the start.")
        self._allowance.admit(self._jail)
        return Upload(
            self._jail, path, self._allowance, self._bounds.file_bytes, self._answering, self._audit,
            lambda: self.has_ended,
        )  # fmt: skip

    def remove(self, path: str) -> int:
        return self._change("removed", lambda: self._jail.remove(path))

    def rename(self, oldpath: str, newpath: str) -> int:
        return self._change("renamed", lambda: self._jail.rename(oldpath, newpath, False))

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        return self._change("renamed", lambda: self._jail.rename(oldpath, newpath, True))

    def _change(self, event: str, act: Callable[[], None]) -> int:
        def changed() -> None:
            act()
            self._audit(event)

        return self._answering(changed)

    def mkdir(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        return self._refuse("Folders cannot be made.")

    def rmdir(self, path: str) -> int:
        return self._refuse("Folders cannot be removed.")

    def symlink(self, target_path: str, path: str) -> int:
        return self._refuse("Links cannot be made.")

    def readlink(self, path: str) -> int:
        return self._refuse("There are no links.")

    def _refuse(self, why: str) -> int:
        def refused() -> None:
            raise Refused(why)

        return self._answering(refused)

    def chattr(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        """Times and rights that a client sets after an upload are not kept, and not refused."""
        return self._answering(lambda: self._jail.demand_writable(path))


class Subsystem(paramiko.SFTPServer):
    """Paramiko's reading of the protocol, with our words in its answers."""

    server: Session

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.server.open_handles = lambda: len(self.file_table) + len(self.folder_table)

    def _send_status(self, request_number: int, code: int, desc: str | None = None) -> None:
        super()._send_status(request_number, code, self.server.why() or desc)

    def finish_subsystem(self) -> None:
        self.server.has_ended = True
        super().finish_subsystem()
