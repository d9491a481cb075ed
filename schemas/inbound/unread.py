"""What a file is refused for before it is read: its name, its checksum, its size (rules FILE-001, FILE-015, FILE-005)."""

import re
from pathlib import PurePosixPath

from schemas.inbound.failure import FileFailure
from schemas.inbound.looking import DECRYPT, SAVE_AS, UNPACK, WORKBOOK
from schemas.inbound.names import kind_of, nearest_kind
from schemas.inbound.reading import Limits, too_large
from schemas.kinds import KINDS

_EXAMPLE = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  declarations.csv"
# What a file is whose name ends otherwise than in .csv, and what to do.
_WORKBOOK = ("a spreadsheet's workbook", WORKBOOK)
_PACKED = ("compressed", UNPACK)
_ENCRYPTED = ("encrypted", DECRYPT)
_ENDINGS = {
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers"), _WORKBOOK),
    **dict.fromkeys((".gz", ".zip", ".7z", ".bz2", ".xz", ".zst", ".rar", ".tgz", ".tar"), _PACKED),
    **dict.fromkeys((".pgp", ".gpg", ".asc"), _ENCRYPTED),
    **dict.fromkeys((".pdf", ".docx", ".doc", ".html", ".htm", ".json", ".xml"), ("not a CSV file", SAVE_AS)),
}
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
    if of_practice := _OF_PRACTICE.search(file_name):
        return _for_practice(file_name[: of_practice.start()])
    if kind_of(file_name) is None:
        return _misnamed(file_name)
    return refused_for_checksum(sha256, expected_sha256) or too_large(size_bytes, limits)


def refused_for_checksum(sha256: str, expected_sha256: str | None) -> FileFailure | None:
    """Whether a file is not what the checksum beside it says (rule FILE-015). None: nothing is said of it."""
    if expected_sha256 == NO_CHECKSUM:
        return FileFailure(
            "FILE-015",
            "A checksum file lies beside the file, and we cannot find one SHA-256 in it: 64 digits from 0 to f, as in "
            f"“{_EXAMPLE}”.",
            "Write it with sha256sum, shasum -a 256, certutil -hashfile or Get-FileHash, or leave the checksum out; then send the "
            "file again.",
        )
    if expected_sha256 and expected_sha256 != sha256:
        return FileFailure(
            "FILE-015",
            "The checksum that lies beside the file does not agree with it.",
            "The upload was cut short or changed on the way: send the file and its checksum again.",
        )
    return None


# Names that a practice service alone takes (interface, Practice): they carry the clock, whatever else they are, or start a mailbox
# afresh. So nothing that was meant for practice is ever done.
_OF_PRACTICE = re.compile(r"@\d{4}-\d\d?-\d\d?(?!\d)|^reset\b[^@]*\.csv$", re.IGNORECASE)


def is_of_practice(file_name: str) -> bool:
    """Whether a service that is not for practice refuses this name for what it asks of one."""
    return _OF_PRACTICE.search(file_name) is not None


def _for_practice(bare: str) -> FileFailure:
    """bare: the name before its clock."""
    kind = kind_of(f"{bare}.csv")
    return FileFailure(
        "FILE-001",
        "So files are named for practice, and this is not a practice service: nothing was done.",
        f"{f'To mean it here, name it {kind.name}.csv. ' if kind else ''}DfE tells you where practice is.",
    )


def _misnamed(file_name: str) -> FileFailure:
    near, ending = nearest_kind(file_name), PurePosixPath(file_name).suffix.lower()
    is_what, advice = _ENDINGS.get(ending, ("", ""))
    if is_what:
        return FileFailure(
            "FILE-001", f"By its name, which ends in {ending}, this is {is_what}: we read CSV files.", advice
        )
    named = f"{near}.csv, or {near}-anything.csv" if near else f"KIND.csv, KIND being one of {', '.join(KINDS)}"
    what = "The file's name does not end in .csv." if ending != ".csv" else (
        "By its name we cannot tell which kind of file it is: a name begins with one kind, and names no other."
    )  # fmt: skip
    near_words = f"The nearest kind is {near}: name" if near else "Name"
    return FileFailure("FILE-001", what, f"{near_words} it {named}.")
