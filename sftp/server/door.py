"""Who is let in: holders of a public key of the account they name, for SFTP alone."""

import base64
import hashlib
import time
from collections.abc import Callable
from typing import Any

import paramiko
from paramiko import AUTH_FAILED, AUTH_SUCCESSFUL, Message, PKey
from paramiko.auth_handler import AuthHandler
from paramiko.common import MSG_SERVICE_REQUEST, MSG_USERAUTH_REQUEST, cMSG_USERAUTH_PK_OK

from sftp.accounts import Accounts
from sftp.server.audit import Audit
from sftp.server.bounds import Bounds
from sftp.server.shut import TOO_MANY_CONNECTIONS, ServerTransport, Strict

ALGORITHMS = {"ssh-ed25519": "ssh-ed25519", "rsa-sha2-256": "ssh-rsa", "rsa-sha2-512": "ssh-rsa"}
METHODS = ("none", "password", "publickey", "keyboard-interactive", "hostbased")


def fingerprint_of(blob: bytes) -> str:
    """A public key's name, as OpenSSH writes it: nothing of the key is read for it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


class Door(paramiko.ServerInterface):
    """One connection's. No shell, no command, no forwarding: paramiko refuses what is not allowed here.

    has_room: whether the account may have another connection; asked once, when its key is proven.
    """

    def __init__(self, accounts: Accounts, bounds: Bounds, audit: Audit, has_room: Callable[[str], bool]) -> None:
        self._accounts, self._bounds, self._audit, self.has_room = accounts, bounds, audit, has_room
        self.account, self.fingerprint = "", ""
        self.failures = self.questions = self._channels = 0

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def key(self, username: str, algorithm: str, blob: bytes) -> PKey | None:
        """The account's own key that was offered: what the stranger sent is compared, never read."""
        kind = ALGORITHMS.get(algorithm)
        offered = fingerprint_of(blob)
        for known in self._accounts.keys(username) if username in self._accounts.names() else []:
            if known.fingerprint == offered and known.line.split()[0] == kind:
                return PKey.from_type_string(kind, base64.b64decode(known.line.split()[1]))
        return None

    def refused(self, username: str, method: str, offered: str = "", why: str = "") -> None:
        """A try that failed. An unknown name is whatever a stranger typed: it is not written down."""
        self.failures += 1
        known = username if username in self._accounts.names() else ""
        told = method if method in METHODS else "another method"
        facts = {"key": offered} if offered else {}
        self._audit("login-refused", account=known, method=told, **facts, **({"why": why} if why else {}))

    def entered(self, username: str, fingerprint: str) -> None:
        self.account, self.fingerprint = username, fingerprint
        self._audit("login", account=username, key=fingerprint)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        """Paramiko asks only those who are logged in."""
        if kind != "session":
            self._audit("refused", account=self.account, why="channels of other kinds than sessions are not opened")
            return paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        if self._channels >= self._bounds.channels:
            self._audit("refused", account=self.account, why="too many sessions at once")
            return paramiko.OPEN_FAILED_RESOURCE_SHORTAGE
        self._channels += 1
        return paramiko.OPEN_SUCCEEDED

    def check_channel_direct_tcpip_request(self, chanid: int, origin: Any, destination: Any) -> int:
        self._audit("refused", account=self.account, why="nothing is forwarded")
        return paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def _never(self, what: str) -> bool:
        self._audit("refused", account=self.account, why=f"{what} is not given: SFTP alone")
        return False

    def check_channel_shell_request(self, *_: Any) -> bool:
        return self._never("a shell")

    def check_channel_exec_request(self, *_: Any) -> bool:
        return self._never("running a command")

    def check_channel_pty_request(self, *_: Any) -> bool:
        return self._never("a terminal")

    def check_channel_x11_request(self, *_: Any) -> bool:
        return self._never("X11 forwarding")

    def check_channel_forward_agent_request(self, *_: Any) -> bool:
        return self._never("forwarding of an agent")

    def check_port_forward_request(self, *_: Any) -> bool:
        return self._never("forwarding of a port")

    def check_channel_subsystem_request(self, channel: paramiko.Channel, name: str) -> bool:
        return name == "sftp" and super().check_channel_subsystem_request(channel, name)


class Asking(AuthHandler):
    """Answers requests to log in (RFC 4252). Only a public key is ever listened to; every try is counted and bounded, and
    a refusal takes the same time whatever it is for."""

    transport: ServerTransport
    auth_username: str | None

    def __init__(self, transport: ServerTransport, door: Door, bounds: Bounds) -> None:
        super().__init__(transport)
        self._door, self._bounds = door, bounds

    @property
    def _server_handler_table(self) -> dict[int, Callable[[Message], None]]:
        return {
            MSG_SERVICE_REQUEST: self._parse_service_request,
            MSG_USERAUTH_REQUEST: self._parse_userauth_request,
        }

    def _parse_userauth_request(self, message: Message) -> None:
        if self.authenticated:
            return
        began = time.monotonic()
        username, service, method = message.get_text(), message.get_text(), message.get_text()
        if service != "ssh-connection":
            self._disconnect_service_not_available()
            return
        if self.auth_username not in (None, username):
            self._door.refused(username, method, why="another account was asked for on the way")
            self._disconnect_no_more_auth()
            return
        self.auth_username = username
        self._door.questions += 1
        if method == "publickey":
            self._with_key(username, message, began)
        elif method == "none" and self._door.questions == 1:  # how every client asks what it may try
            self._send_auth_result(username, method, AUTH_FAILED)
        else:
            self._door.refused(username, method)
            self._no(username, began)

    def _with_key(self, username: str, message: Message, began: float) -> None:
        is_signed, algorithm, blob = message.get_boolean(), message.get_text(), message.get_binary()
        offered = fingerprint_of(blob)
        key = self._door.key(username, algorithm, blob)
        if key is None:
            self._door.refused(username, "publickey", offered)
            self._no(username, began)
        elif not is_signed:
            self._go_on(algorithm, blob)
        elif not self._is_proven(key, username, algorithm, message.get_binary()):
            self._door.refused(username, "publickey", offered, why="the signature is not the key's")
            self._no(username, began)
        elif not self._door.has_room(username):
            self._door.refused(username, "publickey", offered, why="too many connections at once")
            most = self._bounds.connections_of_an_account
            self.transport.say_goodbye(
                TOO_MANY_CONNECTIONS, f"At most {most} connections of one account at once: close one, and try again."
            )
        else:
            self._door.entered(username, offered)
            self._send_auth_result(username, "publickey", AUTH_SUCCESSFUL)

    def _is_proven(self, key: PKey, username: str, algorithm: str, signature: bytes) -> bool:
        try:
            if Strict(signature).get_text() != algorithm:
                return False
            blob = self._get_session_blob(key, "ssh-connection", username, algorithm)
            return bool(key.verify_ssh_sig(blob, Strict(signature)))
        except Exception:  # whatever it was that was sent in a signature's place
            return False

    def _go_on(self, algorithm: str, blob: bytes) -> None:
        if self._door.questions > self._bounds.login_questions:
            self._disconnect_no_more_auth()
            return
        answer = Message()
        answer.add_byte(cMSG_USERAUTH_PK_OK)
        answer.add_string(algorithm)
        answer.add_string(blob)
        self.transport._send_message(answer)

    def _no(self, username: str, began: float) -> None:
        time.sleep(max(0.0, began + self._bounds.refusal_seconds - time.monotonic()))
        if self._door.failures >= self._bounds.login_attempts or self._door.questions > self._bounds.login_questions:
            self._disconnect_no_more_auth()
        else:
            self._send_auth_result(username, "", AUTH_FAILED)
