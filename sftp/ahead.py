"""Taking what lies there at once: paramiko asks for each part of a packet by itself, and a question costs more than the part."""

from typing import Any

TAKEN_AT_ONCE = 128 << 10  # bytes


class Ahead:
    """A socket, or a channel, of which is taken what lies there, and handed on as it is asked for: a packet is asked for in several
    parts."""

    def __init__(self, socket: Any) -> None:
        self._socket, self._taken, self._at = socket, b"", 0

    def recv(self, n: int) -> bytes:
        """At most n bytes; none at the end. Raises what the socket raises."""
        if not self.holds():
            self._taken, self._at = self._socket.recv(max(n, TAKEN_AT_ONCE)), 0
        found = self._taken[self._at : self._at + n]
        self._at += len(found)
        return found

    def holds(self) -> bool:
        """Whether something is at hand that has not been asked for yet."""
        return self._at < len(self._taken)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)
