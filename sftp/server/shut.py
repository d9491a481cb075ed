"""What paramiko leaves open, shut: every length and count is bounded, and what nobody asked for is not listened to."""

from typing import Any

from paramiko import Message, SSHException, Transport
from paramiko.common import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EOF,
    MSG_CHANNEL_OPEN,
    MSG_CHANNEL_REQUEST,
    MSG_CHANNEL_WINDOW_ADJUST,
    MSG_GLOBAL_REQUEST,
    MSG_KEXINIT,
    MSG_NEWKEYS,
    cMSG_DISCONNECT,
)
from paramiko.kex_curve25519 import KexCurve25519
from paramiko.packet import Packetizer

from sftp.ahead import Ahead
from sftp.server.bounds import BANNER_BYTES, PACKET_BYTES, Bounds

TOO_MANY_CONNECTIONS = 12  # RFC 4253, 11.1
_READ_AHEAD = 128  # how much paramiko takes with the banner at a time

# What is old and weak among what paramiko offers. SHA-1 signatures of RSA keys it does not offer any more; the NIST
# curves, and groups of 2,048 bits, auditors do not take any more.
NOT_OFFERED = {
    "kex": [
        "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
        "diffie-hellman-group-exchange-sha256", "diffie-hellman-group14-sha256",
    ],
    "ciphers": ["aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"],
    "macs": ["hmac-sha2-512", "hmac-sha1", "hmac-md5", "hmac-sha1-96", "hmac-md5-96"],
    "pubkeys": ["ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"],
}  # fmt: skip


class Strict(Message):
    """A message that ends where it ends. Paramiko's gives zeros for what is not there, so that a count of four billion
    is four billion rounds."""

    def get_bytes(self, n: int) -> bytes:
        """Raises SSHException where fewer are left."""
        found: bytes = self.packet.read(n)
        if len(found) < n:
            raise SSHException("a message is shorter than it says")
        return found


class Packets(Packetizer):
    """Reads no more than a packet or a banner may have, and counts what comes and goes."""

    def __init__(self, socket: Any) -> None:
        super().__init__(Ahead(socket))
        self.packets = self.bytes = self._greeting = 0

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        if not 0 <= n <= PACKET_BYTES:
            raise SSHException("a packet is longer than packets are")
        self.bytes += n
        found: bytes = super().read_all(n, check_rekey)
        return found

    def write_all(self, out: bytes) -> None:
        self.bytes += len(out)
        super().write_all(out)

    def readline(self, timeout: float) -> str:
        found: str = super().readline(timeout)
        if len(found) > BANNER_BYTES:
            raise SSHException("a banner is longer than banners are")
        return found

    def _read_timeout(self, timeout: float) -> bytes:
        """Of the banner alone."""
        if self._greeting > BANNER_BYTES + _READ_AHEAD:
            raise SSHException("a banner is longer than banners are")
        found: bytes = super()._read_timeout(timeout)
        self._greeting += len(found)
        return found

    def read_message(self) -> tuple[int, Message]:
        kind, message = super().read_message()
        self.packets += 1
        strict = Strict(message.asbytes())
        strict.seqno = message.seqno
        return kind, strict


class ServerTransport(Transport):
    """Paramiko's SSH for one client. What a server has no use for is not understood, and nothing is logged: what comes
    from a stranger stays out of logs."""

    _handler_table: dict[int, Any]
    _kex_info = Transport._kex_info | {"curve25519-sha256": KexCurve25519}
    _preferred_kex = (*Transport._preferred_kex, "curve25519-sha256")

    def __init__(self, socket: Any, bounds: Bounds) -> None:
        super().__init__(socket, disabled_algorithms=NOT_OFFERED, packetizer_class=Packets)
        self._bounds = bounds
        self.handshake_timeout = self.banner_timeout = bounds.login_seconds
        wanted = (MSG_KEXINIT, MSG_NEWKEYS, MSG_GLOBAL_REQUEST, MSG_CHANNEL_OPEN)
        for kind in [each for each in self._handler_table if each not in wanted]:
            del self._handler_table[kind]
        known = Transport._channel_handler_table
        wanted_of_channels = (MSG_CHANNEL_WINDOW_ADJUST, MSG_CHANNEL_REQUEST, MSG_CHANNEL_EOF, MSG_CHANNEL_CLOSE)
        self._channel_handler_table = {kind: known[kind] for kind in wanted_of_channels}
        self._channel_handler_table[MSG_CHANNEL_DATA] = self._fed

    def _fed(self, channel: Any, message: Message) -> None:
        """The window that a client was given is not paramiko's to forget."""
        if len(channel.in_buffer) > self._bounds.unread_bytes:
            raise SSHException("a channel is fed beyond its window")
        channel._feed(message)

    _CLIENT_ID = "ect-file-exchange"

    def _log(self, *_: Any) -> None:
        pass

    def say_goodbye(self, code: int, words: str) -> None:
        """End the connection with words that clients show."""
        message = Message()
        message.add_byte(cMSG_DISCONNECT)
        message.add_int(code)
        message.add_string(words)
        message.add_string("en")
        self._send_message(message)
        self.close()
