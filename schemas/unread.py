"""What a file is refused for before it is read: its name, its checksum, its size (rules FILE-001, FILE-015, FILE-005)."""

from schemas.files import kind_of, nearest_kind
from schemas.reading import FileFailure, Limits, too_large

NO_CHECKSUM = "nothing"  # in place of the SHA-256 that a checksum file says


def refused_unread(
    file_name: str, why_refused: str | None, size_bytes: int, sha256: str, expected_sha256: str | None, limits: Limits
) -> FileFailure | None:
    """The first of these rules that the file breaks, or None.

    why_refused: what is wrong with the name as such, in words. expected_sha256: what the checksum beside the file says.
    """
    if why_refused:  # our own server refuses such an upload; others may not
        return FileFailure(
            "FILE-001", why_refused, "Give the file a plain name, like declarations.csv, and send it again."
        )
    if kind_of(file_name) is None:
        near = nearest_kind(file_name)
        return FileFailure(
            "FILE-001",
            "The file's name does not begin with a kind of file that we know, or does not end in .csv.",
            f"Name it as the guidance shows; the nearest kind is {near}: {near}.csv or {near}-anything.csv.",
        )
    if expected_sha256 == NO_CHECKSUM:
        return FileFailure(
            "FILE-015",
            "In the checksum file that lies beside the file we cannot find one SHA-256, 64 digits from 0 to f.",
            "Write it with `sha256sum`, or leave it away, and send both again.",
        )
    if expected_sha256 and expected_sha256 != sha256:
        return FileFailure(
            "FILE-015",
            "The checksum that lies beside the file does not agree with it.",
            "The upload was cut short or changed on the way: send the file and its checksum again.",
        )
    return too_large(size_bytes, limits)
