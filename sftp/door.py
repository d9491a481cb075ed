"""Who is let in: holders of a public key of the account they name, for SFTP alone."""

from collections.abc import Callable

import paramiko

from sftp.accounts import Accounts
from sftp.audit import Audit
from sftp.bounds import Bounds


class Door(paramiko.ServerInterface):
    """One connection's. No shell, no command, no forwarding: paramiko refuses what is not allowed here.

    has_room: whether the account may open another connection. too_often: ends the connection.
    """

    def __init__(
        self,
        accounts: Accounts,
        bounds: Bounds,
        audit: Audit,
        has_room: Callable[[str], bool],
        too_often: Callable[[], None],
    ) -> None:
        self._accounts, self._bounds, self._audit = accounts, bounds, audit
        self._has_room, self._too_often = has_room, too_often
        self.account, self.fingerprint = "", ""
        self._failures = self._channels = 0
        self._is_announced = False

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        if self._accounts.allows(username, key.fingerprint):
            self.account, self.fingerprint = username, key.fingerprint
            return paramiko.AUTH_SUCCESSFUL
        # An unknown name is whatever a stranger typed: it is not written down.
        known = username if username in self._accounts.names() else ""
        self._audit("login-refused", account=known, key=key.fingerprint)
        self._failures += 1
        if self._failures >= self._bounds.login_attempts:
            self._too_often()
        return paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        """Paramiko asks only those who are logged in."""
        if not self._is_announced:
            self._is_announced = True
            self._audit("login", account=self.account, key=self.fingerprint)
        if kind != "session":
            self._audit("refused", account=self.account, why=f"channels of the kind {kind[:30]!r} are not opened")
            return paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        if self._channels >= self._bounds.channels or not self._has_room(self.account):
            self._audit("refused", account=self.account, why="too many sessions at once")
            return paramiko.OPEN_FAILED_RESOURCE_SHORTAGE
        self._channels += 1
        return paramiko.OPEN_SUCCEEDED

    def check_channel_subsystem_request(self, channel: paramiko.Channel, name: str) -> bool:
        return name == "sftp" and super().check_channel_subsystem_request(channel, name)
