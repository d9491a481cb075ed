"""The connection to an SFTP service that holds the mailboxes."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import paramiko

from sftp.ahead import Ahead
from sftp.mailbox import MailboxError

CONNECT_SECONDS = 30
ANSWER_SECONDS = 120


@contextmanager
def _carrying() -> Iterator[None]:
    try:
        yield
    except EOFError as error:
        raise MailboxError("The SFTP service ended the connection.") from error
    except UnicodeDecodeError as error:
        raise MailboxError("A file there has a name that is not UTF-8: it has to be renamed or removed.") from error
    except (OSError, paramiko.SSHException) as error:
        said = "".join(c if c.isprintable() else "?" for c in str(error))[:500]  # it may be the service's own words
        raise MailboxError(f"The SFTP service failed: {said or 'no answer in time'}.") from error


class SftpService:
    """One connection to the service that holds the mailboxes.

    url: `sftp://user@host:port/folder`; key_file: our private key; known_hosts: the pinned host keys.
    """

    def __init__(self, url: str, key_file: Path, known_hosts: Path) -> None:
        parts = urlsplit(url)
        self.folder = unquote(parts.path) or "/"
        self._ssh = paramiko.SSHClient()
        self._ssh.load_host_keys(str(known_hosts))
        self._ssh.set_missing_host_key_policy(paramiko.RejectPolicy())
        host, port = parts.hostname or "", parts.port or 22
        with _carrying():
            connection = socket.create_connection((host, port), CONNECT_SECONDS)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or every answer is 30 ms away
            self._ssh.connect(
                host,
                port=port,
                sock=Ahead(connection),
                username=parts.username,
                key_filename=str(key_file),
                look_for_keys=False,
                allow_agent=False,
                timeout=CONNECT_SECONDS,
                banner_timeout=CONNECT_SECONDS,
                auth_timeout=CONNECT_SECONDS,
            )
            self.client = self._ssh.open_sftp()
            channel = self.client.get_channel()
            if channel is not None:
                channel.settimeout(ANSWER_SECONDS)
                self.client.sock = Ahead(channel)
        self.folders: set[str] = set()  # known to be there, asked for once a connection
        self._has_failed = False

    @property
    def is_alive(self) -> bool:
        """Whether the connection can be used: asked of the service where something has failed on it."""
        transport = self._ssh.get_transport()
        if transport is None or not transport.is_active():
            return False
        if self._has_failed:
            try:
                self.client.normalize(".")
            except (OSError, EOFError, paramiko.SSHException):
                return False
            self._has_failed = False
        return True

    @contextmanager
    def carrying(self) -> Iterator[None]:
        """What fails is the carrier's trouble, and perhaps the connection's end."""
        try:
            with _carrying():
                yield
        except MailboxError:
            self._has_failed = True
            raise

    def close(self) -> None:
        self._ssh.close()
