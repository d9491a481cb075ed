"""Bytes that are not UTF-8 among bytes that are: each is read as a character that stands for it."""

import codecs
import re

UTF_8, WINDOWS = "utf-8", "cp1252"


# A byte that is not UTF-8 among bytes that are, while a file is read: this character and its number.
_MARKED_AS = 0x10FF00


MARKED = "[\U0010ff80-\U0010ffff]"


MARK_BYTES = "ectx-mark-bytes"


def _marked(error: UnicodeError) -> tuple[str, int]:
    """For codecs: bytes that are not UTF-8, each as a character that stands for it."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(_MARKED_AS + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(MARK_BYTES, _marked)


def unmarked(text: str) -> str:
    """Marked bytes as Windows-1252 has them, or U+FFFD where it has none."""
    return re.sub(MARKED, lambda mark: _windows(ord(mark[0]) - _MARKED_AS), text)


def _windows(byte: int) -> str:
    return bytes([byte]).decode(WINDOWS, "replace")


def marked_bytes(text: str) -> str:
    """The marked bytes of a text, in hexadecimal."""
    return " ".join(f"{ord(mark) - _MARKED_AS:02X}" for mark in re.findall(MARKED, text))
