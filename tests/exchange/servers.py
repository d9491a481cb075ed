"""SFTP servers for tests: ours for providers; a plain one, and OpenSSH's where installed, as the service of mailboxes."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import paramiko

from sftp.accounts import Accounts
from sftp.server import SftpServer, host_key, write_new_key
from tests.tools import needed

SERVICES = ["paramiko", "openssh"]


@dataclass(frozen=True)
class Client:
    """A key pair, the pinned host key, and OpenSSH's sftp command."""

    key: Path
    known_hosts: Path
    user: str
    port: int

    def sftp(self, batch: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [
            needed("sftp"), "-q", "-b", "-", "-i", str(self.key), "-P", str(self.port), "-F", "none", "-o", "IdentitiesOnly=yes",
            "-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={self.known_hosts}", f"{self.user}@127.0.0.1",
        ]  # fmt: skip
        return subprocess.run(command, input=batch + "\n", text=True, capture_output=True, check=check, timeout=60)


def pinned(folder: Path, port: int, key: paramiko.PKey) -> Path:
    path = folder / "known_hosts"
    path.write_text(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n")
    return path


@contextmanager
def our_server(mailboxes: Path, folder: Path, user: str) -> Iterator[tuple[SftpServer, Client, Accounts]]:
    """The embedded server, with one account."""
    accounts, key = Accounts(folder / "keys"), host_key(folder / "host_key")
    accounts.add_key(user, write_new_key(folder / "id"))
    server = SftpServer(mailboxes, accounts, key, "127.0.0.1", 0)
    server.start()
    try:
        yield server, Client(folder / "id", pinned(folder, server.port, key), user, server.port), accounts
    finally:
        server.stop()


@contextmanager
def mailbox_service(kind: str, folder: Path) -> Iterator[tuple[str, Path, Path]]:
    """(url without path, private key, known hosts) of a server that shows this machine's folders, as operators would run."""
    public = write_new_key(folder / "service")
    key = host_key(folder / "service_host_key")
    start = _openssh if kind == "openssh" else _plain
    with start(folder, public, key) as port:
        yield f"sftp://{_user()}@127.0.0.1:{port}", folder / "service", pinned(folder, port, key)


def _user() -> str:
    return os.environ.get("USER") or os.environ.get("LOGNAME") or "root"


@contextmanager
def _openssh(folder: Path, public: str, key: paramiko.PKey) -> Iterator[int]:
    program = needed("sshd")
    authorized = folder / "authorized"
    authorized.write_text(public + "\n")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config = folder / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder / 'service_host_key'}\nAuthorizedKeysFile {authorized}\n"
        "Subsystem sftp internal-sftp\nPidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([program, "-D", "-e", "-f", str(config)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as attempt:
                if attempt.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _plain(folder: Path, public: str, key: paramiko.PKey) -> Iterator[int]:
    allowed = paramiko.Ed25519Key.from_private_key_file(str(folder / "service"))
    listener = socket.create_server(("127.0.0.1", 0))

    def attend(connection: socket.socket) -> None:
        transport = paramiko.Transport(connection)
        transport.add_server_key(key)
        transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _WholeDisk)
        transport.start_server(server=_Door(allowed))

    def listen() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=attend, args=(connection,), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


class _Door(paramiko.ServerInterface):
    def __init__(self, allowed: paramiko.PKey) -> None:
        self._allowed = allowed

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.AUTH_SUCCESSFUL if key == self._allowed else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED


class _WholeDisk(paramiko.SFTPServerInterface):
    """Every path of this machine, as the tests' own user may see it."""

    def _try(self, act, *arguments):
        try:
            return act(*arguments) or paramiko.SFTP_OK
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    def list_folder(self, path):
        def listed():
            return [paramiko.SFTPAttributes.from_stat(each.lstat(), each.name) for each in Path(path).iterdir()]

        try:
            return listed()
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    def stat(self, path):
        return self._try(lambda: paramiko.SFTPAttributes.from_stat(os.stat(path)))

    lstat = stat

    def open(self, path, flags, attr):
        def opened():
            handle = paramiko.SFTPHandle(flags)
            mode = "wb" if flags & os.O_WRONLY else "r+b" if flags & os.O_RDWR else "rb"
            handle.readfile = handle.writefile = os.fdopen(os.open(path, flags, 0o644), mode)
            return handle

        return self._try(opened)

    def remove(self, path):
        return self._try(os.remove, path)

    def rename(self, oldpath, newpath):
        if os.path.exists(newpath):
            return paramiko.SFTP_FAILURE
        return self._try(os.rename, oldpath, newpath)

    def posix_rename(self, oldpath, newpath):
        return self._try(os.replace, oldpath, newpath)

    def mkdir(self, path, attr):
        return self._try(os.mkdir, path)
