"""How much one client may ask of the embedded server, so that the others are served."""

from dataclasses import dataclass

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Bounds:
    """Sizes in bytes, times in seconds. Waiting is what lies in to-dfe and what is being uploaded."""

    file_bytes: int = 256 * MEBIBYTE
    waiting_bytes: int = 2048 * MEBIBYTE
    waiting_files: int = 1000
    connections: int = 200
    connections_of_an_account: int = 20
    strangers: int = 100  # connections not logged in yet
    strangers_of_an_address: int = 20
    login_seconds: float = 30
    idle_seconds: float = 900
    login_attempts: int = 6
    channels: int = 8  # of one connection
    open_files: int = 64  # of one channel, folders too
    read_bytes: int = 256 << 10  # a longer read is answered in part, as the protocol allows
