"""Whether what is written is of a practice service: then every page, manifest and receipt says so (interface, Practice).

A process is of one service, and whoever opens an installation says which.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from templates.folders import as_json

WORD = "PRACTICE"
WORDS = f"{WORD}: made-up records. Nothing here is real, and nothing is paid."
_FLAG = "practice"
_said = {_FLAG: False}


@contextmanager
def written(for_practice: bool) -> Iterator[None]:
    """What is written meanwhile is of a practice service, or of a real one."""
    before = is_practice()
    _said[_FLAG] = for_practice
    try:
        yield
    finally:
        _said[_FLAG] = before


def is_practice() -> bool:
    return _said[_FLAG]


def titled(title: str) -> str:
    """The title of a page or a workbook, which may be none; in practice it begins with the word."""
    return ": ".join(filter(None, (WORD, title))) if is_practice() else title


def manifest_json(value: dict[str, Any]) -> bytes:
    """A manifest or a receipt; in practice it has `practice: true`."""
    return as_json({_FLAG: True} | value if is_practice() else value)
