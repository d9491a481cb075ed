"""Files of a folder that is delivered: each whole or not there, listed with size and SHA-256."""

import codecs
import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from schemas.instants import rfc3339


def as_json(value: dict[str, Any]) -> bytes:
    """A JSON file of ours: UTF-8, indented by two, a line break at its end."""
    return (json.dumps(value, indent=2, ensure_ascii=False, default=_plain) + "\n").encode()


def _plain(value: Any) -> str:
    return rfc3339(value) if isinstance(value, datetime) else str(value)


def write(path: Path, content: bytes | str) -> None:
    """A whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.tmp")
    unfinished.write_bytes(content.encode() if isinstance(content, str) else content)
    unfinished.replace(path)


def write_csv(path: Path, rows: pl.DataFrame, has_mark: bool = False) -> None:
    """A table as CSV, with its header. has_mark: it begins with a byte-order mark, by which spreadsheets know UTF-8."""
    with path.open("wb") as file:
        file.write(codecs.BOM_UTF8 if has_mark else b"")
        rows.write_csv(file)


def digest(path: Path) -> str:
    """A file's SHA-256."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def listing(folder: Path, leave_out: str) -> list[dict[str, Any]]:
    """Name, bytes and sha256 of each file in a folder but the one that will hold this list."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    names = [(path.relative_to(folder).as_posix(), path) for path in found]
    return [
        {"name": name, "bytes": path.stat().st_size, "sha256": digest(path)}
        for name, path in names
        if name != leave_out
    ]
