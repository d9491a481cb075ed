"""How much one client may ask of the embedded server, so that the others are served."""

from dataclasses import dataclass

KIBIBYTE, MEBIBYTE = 1 << 10, 1 << 20
PACKET_BYTES = 256 * KIBIBYTE  # as OpenSSH has it, for packets of SSH and of SFTP alike
ANSWERS_AT_ONCE, ANSWERED_BYTES = 16, 128 * KIBIBYTE  # that go together, where a client has asked for more meanwhile
BANNER_BYTES = 255  # RFC 4253, 4.2


@dataclass(frozen=True)
class Bounds:
    """Sizes in bytes, times in seconds. Waiting is what lies in to-dfe and what is being uploaded."""

    file_bytes: int = 256 * MEBIBYTE
    waiting_bytes: int = 2048 * MEBIBYTE
    waiting_files: int = 1000
    connections: int = 200
    connections_of_an_account: int = 20
    strangers: int = 100  # connections not logged in yet
    strangers_undisturbed: int = 50  # beyond them each newcomer may cost one of them its place
    strangers_of_an_address: int = 20
    login_seconds: float = 30
    idle_seconds: float = 900
    life_seconds: float = 24 * 60 * 60  # of one connection
    login_attempts: int = 6
    login_questions: int = 24  # requests to log in of every kind, those answered with "go on" too
    refusal_seconds: float = 0.05  # whatever a login is refused for, the answer takes this long
    channels: int = 8  # of one connection
    open_files: int = 64  # of one channel, folders too
    read_bytes: int = 256 * KIBIBYTE  # a longer read is answered in part, as the protocol allows
    unread_bytes: int = 4 * MEBIBYTE  # what a channel has sent and nobody has taken yet

    # Of the process of one connection.
    memory_bytes: int = 192 * MEBIBYTE  # beyond what it starts with
    descriptors: int = 700
    login_processor_seconds: int = 2
    processor_seconds: float = 20  # after login, and beside these:
    processor_seconds_of_a_second: float = 0.02  # to wake up and look around
    processor_seconds_of_a_packet: float = 0.001
    processor_seconds_of_a_mebibyte: float = 0.25
