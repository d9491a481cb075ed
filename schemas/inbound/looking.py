"""One look through a file: what its bytes are, before any of them is read as a table."""

import codecs
import csv
import re
from dataclasses import dataclass
from typing import BinaryIO

from schemas.inbound.failure import FileFailure
from schemas.inbound.marks import MARK_BYTES, UTF_8, WINDOWS
from schemas.showing import shown

PIECE_BYTES = 4 << 20


LINE_CHARACTERS = 1 << 20  # and of a cell in quotes: a thousand columns of a thousand characters


WORKBOOK = "Open it in your spreadsheet and save it from there: in Excel, File > Save As > CSV UTF-8 (Comma delimited)."


SAVE_AS = "Save it as CSV UTF-8 and send it again: in Excel, File > Save As > CSV UTF-8 (Comma delimited)."


UNPACK = "Unpack it and send the CSV file that is in it."


DECRYPT = "Send the file as it was before it was encrypted: the connection encrypts whatever goes over it."


SIGNATURES = (
    (b"\xff\xfe", "It is UTF-16 text (“Unicode text”).", SAVE_AS),
    (b"\xfe\xff", "It is UTF-16 text (“Unicode text”).", SAVE_AS),
    (b"PK\x03\x04", "It is a spreadsheet workbook, or a ZIP archive.", f"{WORKBOOK} An archive: unpack it."),
    (b"\xd0\xcf\x11\xe0", "It is a workbook of an old spreadsheet.", WORKBOOK),
    (b"%PDF", "It is a PDF.", SAVE_AS),
    (b"\x1f\x8b", "It is compressed (gzip).", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "It is compressed (7-Zip).", UNPACK),
    (b"BZh", "It is compressed (bzip2).", UNPACK),
    (b"\x28\xb5\x2f\xfd", "It is compressed (Zstandard).", UNPACK),
)


# How OpenPGP's packets begin that an encrypted message begins with: RFC 9580, 4.2 and 5.
_ENCRYPTED = re.compile(rb"[\x84-\x87\x8c-\x8f\xc1\xc3\xd2\xa3]")


MOST_MARKED = 100_000


_ASCII_TO_BLANKS = b" " * 128 + bytes(range(128, 256))


_WIDE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


_MARK = codecs.BOM_UTF8


_NOT_IN_WINDOWS = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")


_LINE_END = re.compile(rb"[\r\n]")


csv.field_size_limit(LINE_CHARACTERS)


@dataclass(frozen=True)
class Seen:
    """What one look through a file tells of it. is_plain: without quotes, and with no line end but LF and CRLF. is_mixed:
    most of it is UTF-8, and some bytes are not: they are read as MARKED characters (see unmarked)."""

    encoding: str
    starts_at: int
    is_plain: bool
    is_mixed: bool = False

    @property
    def errors(self) -> str:
        return MARK_BYTES if self.is_mixed else "strict"


def empty() -> FileFailure:
    """Rule FILE-004, of a file with nothing in it."""
    return FileFailure("FILE-004", "The file is empty.", "Add a header line and at least one row.")


def look_through(content: BinaryIO) -> Seen:
    """Look at every byte once. Raises FileFailure: FILE-002 for what is no text, FILE-004 for nothing, FILE-005 and
    FILE-007 for a line, or a header, longer than any is."""
    start = content.read(8)
    for signature, meaning, advice in SIGNATURES:
        if start.startswith(signature):
            raise FileFailure("FILE-002", f"This is not a CSV file. {meaning}", advice)
    starts_at = len(_MARK) if start.startswith(_MARK) else 0
    content.seek(starts_at)
    look = _Look(start)
    while piece := content.read(PIECE_BYTES):
        look.at(piece)
    return look.seen(starts_at)


class _Look:
    def __init__(self, start: bytes) -> None:
        self._start = start
        self._decoder = codecs.getincrementaldecoder(UTF_8)()
        self._is_utf_8 = self._is_windows = self._is_plain = self._is_blank = True
        self._odd = self._wide = 0  # bytes beyond ASCII that are no UTF-8; that are
        self._line, self._length, self._ends_in_return = 1, 0, False

    def at(self, piece: bytes) -> None:
        if b"\0" in piece:
            raise self._no_text("it holds NUL bytes, as UTF-16 text and workbooks do")
        self._measure(piece)
        if self._is_utf_8:
            self._decode(piece)
        if not self._is_utf_8:
            self._weigh(piece)
        if not piece.isascii():
            self._is_windows = self._is_windows and not _NOT_IN_WINDOWS.search(piece)
        if self._is_plain:
            lone = (self._ends_in_return and piece[:1] != b"\n") or re.search(rb"\r[^\n]", piece)
            self._is_plain = b'"' not in piece and not lone
        self._ends_in_return = piece[-1:] == b"\r"

    def _decode(self, piece: bytes) -> None:
        try:
            text = self._decoder.decode(piece)
        except UnicodeDecodeError:
            self._is_utf_8 = self._is_blank = False
            return
        self._is_blank = self._is_blank and not text.strip()
        self._wide += len(piece) - len(text)

    def _weigh(self, piece: bytes) -> None:
        """Of a file that is not UTF-8, or not all of it."""
        beyond = b" ".join(piece.translate(_ASCII_TO_BLANKS).split())
        wide = sum(map(len, _WIDE.findall(beyond)))
        self._wide += wide
        self._odd += len(beyond) - beyond.count(b" ") - wide

    def _no_text(self, why: str) -> FileFailure:
        read_as = shown(self._start[:8].decode(WINDOWS, "replace"))
        if _ENCRYPTED.match(self._start):
            message = f"This is not a CSV file: it begins with “{read_as}”, as an encrypted file (PGP) does."
            return FileFailure("FILE-002", message, DECRYPT)
        return FileFailure("FILE-002", f"This is not a CSV file: it begins with “{read_as}”, and {why}.", SAVE_AS)

    def _measure(self, piece: bytes) -> None:
        """Lines longer than any is: what is within a piece is measured when the piece is read."""
        first = _LINE_END.search(piece)
        if first is None:
            self._length += len(piece)
        else:
            self._demand_short(self._length + first.start())
            self._line += piece.count(b"\n")
            self._length = len(piece) - 1 - max(piece.rfind(b"\n"), piece.rfind(b"\r"))
        self._demand_short(self._length)

    def _demand_short(self, length: int) -> None:
        # A character has four bytes at most.
        if length > 4 * LINE_CHARACTERS:
            raise too_long(self._line)

    def seen(self, starts_at: int) -> Seen:
        try:
            self._decoder.decode(b"", final=self._is_utf_8)
        except UnicodeDecodeError:
            self._is_utf_8, self._odd = False, 1
        enough = 1 if self._is_windows else self._odd
        is_mixed = not self._is_utf_8 and self._odd <= MOST_MARKED and self._wide >= enough
        if not self._is_utf_8 and not self._is_windows and not is_mixed:
            raise self._no_text("its characters are neither UTF-8 nor Windows-1252")
        if self._is_blank:
            raise empty()
        encoding = UTF_8 if is_mixed or self._is_utf_8 else WINDOWS
        return Seen(encoding, starts_at, self._is_plain and not self._ends_in_return, is_mixed)


def too_long(line: int) -> FileFailure:
    """Rule FILE-005, of a line that is too long; FILE-007 where it is the first. line: from 1."""
    most = f"{LINE_CHARACTERS:,} characters"
    if line == 1:
        advice = (
            "Take out what stands after the last column that you use, and check that each row has a line of its own."
        )
        return FileFailure("FILE-007", f"The header has more than {most}, which is the limit.", advice, 1)
    advice = "Check that each row has a line of its own in the export, and send it again."
    return FileFailure("FILE-005", f"A line has more than {most}, which is the limit.", advice, line)
