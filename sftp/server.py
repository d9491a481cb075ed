"""The embedded SFTP server: one jailed mailbox a lead provider, ed25519 keys only. No shell, no forwarding.

An upload is written under a hidden name and takes its own when the client closes it: what a client that died left
behind never looks whole.
"""

import logging
import os
import socket
import threading
from pathlib import Path
from typing import Any

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sftp.accounts import Accounts
from sftp.jail import Jail
from sftp.local import LocalMailbox

log = logging.getLogger("ectx.sftp")
HANDSHAKE_SECONDS = 30
IDLE_SECONDS = 15 * 60
_WRITES = os.O_WRONLY | os.O_RDWR


def host_key(path: Path) -> paramiko.PKey:
    """The server's own key, made once."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".tmp")
        write_new_key(unfinished)
        unfinished.replace(path)
    return paramiko.Ed25519Key.from_private_key_file(str(path))


def write_new_key(path: Path) -> str:
    """Make an ed25519 key pair: the private key at `path`, readable by its owner alone. Returns the public line."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(private)
    return key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


class _Door(paramiko.ServerInterface):
    """Lets in who holds a key of the account they name."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self.account = ""

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        known = username in self._accounts.names()
        if known and any(key.fingerprint == each.fingerprint for each in self._accounts.keys(username)):
            self.account = username
            return paramiko.AUTH_SUCCESSFUL
        log.info("refused login account=%s key=%s", username if known else "unknown", key.fingerprint)
        return paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED if kind == "session" else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED


class _Upload(paramiko.SFTPHandle):
    """A file being written; it appears under its name when it is closed."""

    def __init__(self, session: "_Session", path: str, hidden: str, descriptor: int, flags: int) -> None:
        super().__init__(flags)
        self._session, self._path, self._hidden = session, path, hidden
        self.writefile = self.readfile = os.fdopen(descriptor, "r+b" if flags & os.O_RDWR else "wb")

    def chattr(self, attr: paramiko.SFTPAttributes) -> int:
        if attr.st_mtime is not None:
            self.writefile.flush()
            os.utime(self.writefile.fileno(), (attr.st_atime or attr.st_mtime, attr.st_mtime))
        return paramiko.SFTP_OK

    def stat(self) -> paramiko.SFTPAttributes:
        self.writefile.flush()
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.writefile.fileno()))

    def close(self) -> None:
        if self.writefile.closed:
            return
        status = None
        try:
            self.writefile.flush()
            status = os.fstat(self.writefile.fileno())
        finally:
            super().close()
        if self._session.is_ending:
            log.info("upload cut short account=%s", self._session.account)
            return
        self._session.jail.rename(self._hidden, self._path, replace=True)
        log.info("uploaded account=%s bytes=%d", self._session.account, status.st_size)


class _Download(paramiko.SFTPHandle):
    def __init__(self, descriptor: int, flags: int) -> None:
        super().__init__(flags)
        self.readfile = os.fdopen(descriptor, "rb")

    def stat(self) -> paramiko.SFTPAttributes:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))


def _answer(error: OSError) -> int:
    return paramiko.SFTPServer.convert_errno(error.errno or 0)


class _Session(paramiko.SFTPServerInterface):
    """One client in its jail."""

    def __init__(self, server: _Door, mailboxes: Path) -> None:
        super().__init__(server)
        self.account = server.account
        self.is_ending = False
        self._uploads = 0
        mailbox = LocalMailbox(mailboxes / server.account)
        mailbox.prepare()
        self.jail = Jail(mailbox.root)

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        try:
            return [paramiko.SFTPAttributes.from_stat(status, name) for name, status in self.jail.listing(path)]
        except OSError as error:
            return _answer(error)

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat(self.jail.status(path))
        except OSError as error:
            return _answer(error)

    lstat = stat

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
        try:
            if not flags & _WRITES:
                return _Download(self.jail.open(path, os.O_RDONLY), flags)
            self.jail.demand_writable(path)
            return self._upload(path, flags)
        except OSError as error:
            return _answer(error)

    def _upload(self, path: str, flags: int) -> paramiko.SFTPHandle:
        if not flags & os.O_TRUNC and not flags & os.O_CREAT:
            raise PermissionError(13, "files are sent whole")
        self._uploads += 1
        folder, name = path.rsplit("/", 1) if "/" in path else ("", path)
        hidden = f"{folder}/.{name}.{os.getpid()}-{id(self):x}-{self._uploads}.part"
        descriptor = self.jail.open(hidden, (flags & _WRITES) | os.O_CREAT | os.O_EXCL)
        return _Upload(self, path, hidden, descriptor, flags & _WRITES)

    def remove(self, path: str) -> int:
        return self._try(self.jail.remove, path)

    def rename(self, oldpath: str, newpath: str) -> int:
        return self._try(self.jail.rename, oldpath, newpath, False)

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        return self._try(self.jail.rename, oldpath, newpath, True)

    def chattr(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        """Times and rights that a client sets after an upload are not kept, and not refused."""
        return paramiko.SFTP_OK if self.jail.is_writable(path) else paramiko.SFTP_PERMISSION_DENIED

    def _try(self, act: Any, *arguments: Any) -> int:
        try:
            act(*arguments)
        except OSError as error:
            return _answer(error)
        return paramiko.SFTP_OK


class _Subsystem(paramiko.SFTPServer):
    def finish_subsystem(self) -> None:
        # Whatever is open now was cut off, not closed.
        self.server.is_ending = True
        super().finish_subsystem()


class SftpServer:
    """Serves the mailboxes under one folder until it is stopped."""

    def __init__(self, mailboxes: Path, accounts: Accounts, key: paramiko.PKey, host: str, port: int) -> None:
        self._mailboxes, self._accounts, self._key = mailboxes, accounts, key
        self._socket = socket.create_server((host, port), backlog=50)
        self._stopping = threading.Event()
        self._transports: set[paramiko.Transport] = set()
        self.port: int = self._socket.getsockname()[1]

    def serve(self) -> None:
        """Accept connections until stop()."""
        self._socket.settimeout(0.5)
        while not self._stopping.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            except OSError:
                break
            threading.Thread(target=self._attend, args=(connection,), daemon=True).start()

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self.serve, daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        self._stopping.set()
        self._socket.close()
        for transport in list(self._transports):
            transport.close()

    def _attend(self, connection: socket.socket) -> None:
        transport = paramiko.Transport(connection)
        self._transports.add(transport)
        try:
            transport.banner_timeout = transport.auth_timeout = HANDSHAKE_SECONDS
            transport.add_server_key(self._key)
            transport.set_subsystem_handler("sftp", _Subsystem, _Session, self._mailboxes)
            door = _Door(self._accounts)
            transport.start_server(server=door)
            channel = transport.accept(HANDSHAKE_SECONDS)
            if channel is None:
                transport.close()
                return
            log.info("login account=%s", door.account)
            channel.settimeout(IDLE_SECONDS)
            transport.join()
        except (paramiko.SSHException, EOFError, OSError):
            log.info("connection ended early")
        finally:
            self._transports.discard(transport)
            transport.close()
