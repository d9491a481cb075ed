"""SFTP servers for tests: ours for providers; a plain one, and OpenSSH's where installed, as the service of mailboxes."""

import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko

from flows.installation import open_installation
from flows.place import PROJECT
from flows.service.sshd import write_sshd_config
from flows.settings import Settings
from sftp.accounts import Accounts
from sftp.keys import HOST_KEYS, host_key, host_keys, known_hosts_line, write_new_key
from sftp.server.bounds import Bounds
from sftp.server.jail import COUNTED, UPLOADING
from sftp.server.running import Serving, environment
from tests.tools import left_out, needed

SERVICES = ["paramiko", "openssh"]
PORTS = ["ours", "openssh"]
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Client:
    """A key pair, the pinned host key, and OpenSSH's sftp command."""

    key: Path
    known_hosts: Path
    user: str
    port: int

    def sftp(self, batch: str, check: bool = True, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        command = [needed("sftp"), "-q", "-b", "-", "-P", str(self.port), *self._options(), *options, self._address]
        return subprocess.run(command, input=batch + "\n", text=True, capture_output=True, check=check, timeout=60)

    def ssh(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """OpenSSH's own client, asking for what it should not get."""
        command = [needed("ssh"), "-p", str(self.port), *self._options(), *arguments]
        command.insert(-1 if arguments and not arguments[-1].startswith("-") else len(command), self._address)
        return subprocess.run(command, input="", text=True, capture_output=True, check=False, timeout=60)

    def _options(self) -> list[str]:
        told = (
            "IdentitiesOnly=yes",
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            f"UserKnownHostsFile={self.known_hosts}",
        )
        return ["-i", str(self.key), "-F", "none", *(part for option in told for part in ("-o", option))]

    @property
    def _address(self) -> str:
        return f"{self.user}@127.0.0.1"

    @contextmanager
    def paramiko(self) -> Iterator[paramiko.SFTPClient]:
        """A client that shows the words of an answer."""
        transport = paramiko.Transport(("127.0.0.1", self.port))
        try:
            transport.connect(username=self.user, pkey=paramiko.PKey.from_path(self.key))
            transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield paramiko.SFTPClient.from_transport(transport)
        finally:
            transport.close()


def pinned(folder: Path, port: int, *keys: paramiko.PKey, host: str = "127.0.0.1") -> Path:
    path = folder / "known_hosts"
    path.write_text("".join(known_hosts_line(host, port, key) + "\n" for key in keys))
    return path


@contextmanager
def our_server(
    mailboxes: Path, folder: Path, user: str, bounds: Bounds | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], Client, Accounts]]:
    """The embedded server, a process as `ectx serve` starts it, with one account."""
    accounts, keys = Accounts(folder / "keys"), host_keys(folder)
    accounts.add_key(user, write_new_key(folder / "id"))
    serving = Serving(
        mailboxes,
        folder / "keys",
        tuple(folder / name for name in HOST_KEYS),
        folder / "arrivals",
        folder / "logs",
        bounds or Bounds(),
    )
    with socket.create_server(("127.0.0.1", 0), backlog=128) as held, (folder / "sftp-server.log").open("ab") as log:
        command = [sys.executable, "-m", *serving.module(held.fileno())]
        process = subprocess.Popen(
            command, env=environment(), cwd=PROJECT, pass_fds=(held.fileno(),), stdout=log, stderr=log
        )
        port = held.getsockname()[1]
    try:
        yield process, Client(folder / "id", pinned(folder, port, *keys), user, port), accounts
    finally:
        process.terminate()
        process.wait(10)


@dataclass(frozen=True)
class Port:
    """A server for providers, ours or OpenSSH as `ectx sshd-config` has it, with one account and a stranger's mailbox."""

    kind: str
    mailboxes: Path
    client: Client
    accounts: Accounts
    audit: Path
    other: str

    @property
    def mailbox(self) -> Path:
        return self.mailboxes / self.client.user

    @property
    def uploading(self) -> list[str]:
        """Of our server: names of uploads that are not whole."""
        return uploading(self.mailbox)

    def audited(self) -> list[dict[str, Any]]:
        """What our server wrote down: what is on its way is waited for."""
        time.sleep(0.3)
        return [json.loads(line) for path in self.audit.glob("sftp-audit-*.jsonl") for line in path.open()]


def uploading(mailbox: Path) -> list[str]:
    """Names of uploads to our server that are not whole."""
    return [path.name for path in mailbox.glob(f"{UPLOADING}/*") if path.name != COUNTED]


@contextmanager
def port_of(kind: str, folder: Path, bounds: Bounds | None = None) -> Iterator[Port]:
    """kind: `ours` or `openssh`."""
    # Users of OpenSSH are this machine's: each run and each server has its own.
    user = f"ectx-test-{os.getpid()}-{next(_numbers)}"
    with _ours(folder, user, bounds) if kind == "ours" else _generated(folder, user) as port:
        yield port


@contextmanager
def _ours(folder: Path, user: str, bounds: Bounds | None) -> Iterator[Port]:
    (folder / "mailboxes" / f"{user}-other" / "to-dfe").mkdir(parents=True)
    with our_server(folder / "mailboxes", folder, user, bounds) as (_, client, accounts):
        client.sftp("ls")
        yield Port("ours", folder / "mailboxes", client, accounts, folder / "logs", f"{user}-other")


@contextmanager
def _generated(folder: Path, user: str) -> Iterator[Port]:
    """As operators would do it: `ectx sshd-config`, setup.sh, sshd. Makes users of this machine, and removes them."""
    program = needed("sshd")
    if os.geteuid() != 0:
        left_out("NOT TRIED: OpenSSH with users of its own needs root.")
    with ExitStack() as undone, socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
        # sshd wants every folder above a mailbox to be root's alone.
        place = Path(tempfile.mkdtemp(dir="/var/lib", prefix="ectx-test-"))
        undone.callback(shutil.rmtree, place)
        place.chmod(0o755)
        settings = Settings(home=folder / "home", mailboxes=f"file://{place}/mailboxes", sftp_port=port)
        with open_installation(settings) as installation:
            installation.accounts.add_key(user, write_new_key(folder / "id"))
            installation.accounts.allow(f"{user}-other")
            write_sshd_config(installation, folder / "sshd")
        for each in (user, f"{user}-other"):
            undone.callback(subprocess.run, ["userdel", each], check=False, capture_output=True)
        subprocess.run([folder / "sshd" / "setup.sh"], check=True, capture_output=True)
        subprocess.run([folder / "sshd" / "setup.sh"], check=True, capture_output=True)  # to run it again does no harm
        probe.close()
        undone.enter_context(_running([program, "-D", "-e", "-f", str(folder / "sshd" / "sshd_config")], port, folder))
        client = Client(folder / "id", pinned(folder, port, *host_keys(settings.home)), user, port)
        yield Port("openssh", place / "mailboxes", client, installation.accounts, folder, f"{user}-other")


@contextmanager
def _running(command: list[str], port: int, folder: Path, host: str = "127.0.0.1") -> Iterator[None]:
    with (folder / "sshd.log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
    try:
        for _ in range(100):
            with socket.socket() as attempt:
                if attempt.connect_ex((host, port)) == 0:
                    break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def mailbox_service(kind: str, folder: Path, host: str = "127.0.0.1") -> Iterator[tuple[str, Path, Path]]:
    """(url without path, private key, known hosts) of a server that shows this machine's folders, as operators would run. host: where
    OpenSSH listens."""
    public = write_new_key(folder / "service")
    key = host_key(folder / "service_host_key")
    with _openssh(folder, public, host) if kind == "openssh" else _plain(folder, public, key) as port:
        yield f"sftp://{_user()}@{host}:{port}", folder / "service", pinned(folder, port, key, host=host)


def _user() -> str:
    return os.environ.get("USER") or os.environ.get("LOGNAME") or "root"


@contextmanager
def _openssh(folder: Path, public: str, host: str) -> Iterator[int]:
    program = needed("sshd")
    authorized = folder / "authorized"
    authorized.write_text(public + "\n")
    with socket.create_server((host, 0)) as probe:
        port = probe.getsockname()[1]
    config = folder / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress {host}\nHostKey {folder / 'service_host_key'}\nAuthorizedKeysFile {authorized}\n"
        "Subsystem sftp internal-sftp\nPidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    with _running([program, "-D", "-e", "-f", str(config)], port, folder, host):
        yield port


@contextmanager
def _plain(folder: Path, public: str, key: paramiko.PKey) -> Iterator[int]:
    allowed = paramiko.Ed25519Key.from_private_key_file(str(folder / "service"))
    listener = socket.create_server(("127.0.0.1", 0))

    def attend(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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

    def rmdir(self, path):
        return self._try(os.rmdir, path)
