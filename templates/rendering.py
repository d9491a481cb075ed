"""Frames and facts → files in the outbox. Writes folders; decides nothing."""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from data.tables import rfc3339
from flows.clock import LONDON

INTERFACE_VERSION = "1"
PIECE_BYTES = 1 << 20


def in_london(moment: datetime) -> str:
    """An instant as people in England write it."""
    local = moment.astimezone(LONDON)
    return f"{local.day} {local:%B %Y} at {local:%H:%M}"


def pounds(amount: Decimal) -> str:
    """£1,234.50; −£12.00 for money owed to DfE."""
    return f"{'−' if amount < 0 else ''}£{abs(amount):,.2f}"


_TYPED = re.compile(r"([-−])?\s*£?\s*([-−])?\s*(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d{2}))?")


def typed_pounds(text: str) -> Decimal:
    """Pounds as a person types them: 1234.50, £1,234.50, -12.00. Raises ValueError where it is none of these."""
    found = _TYPED.fullmatch(text.strip())
    if found is None or (found[1] and found[2]):
        raise ValueError(text)
    amount = Decimal(f"{found[3].replace(',', '')}.{found[4] or '00'}")
    return -amount if found[1] or found[2] else amount


def pence_in_pounds(pence: int) -> str:
    """The same from whole pence."""
    return pounds(Decimal(pence) / 100)


def long_day(day: Any) -> str:
    return f"{day.day} {day:%B %Y}"


@cache
def templates(escaped: bool = True) -> ImmutableSandboxedEnvironment:
    """The templates, sandboxed: a missing name is an error; everything put into a page is escaped, into a text it is not."""
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(str(files("templates"))),
        autoescape=escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=not escaped,
    )
    environment.filters |= {
        "in_london": in_london,
        "pounds": pounds,
        "pence": pence_in_pounds,
        "long_day": long_day,
        "thousands": "{:,}".format,
    }
    return environment


def page(template: str, **facts: Any) -> str:
    """An HTML page."""
    return templates().get_template(template).render(**facts)


def text(template: str, filters: dict[str, Callable[..., str]], **facts: Any) -> str:
    """A file of plain text; its filters write values the way its readers need."""
    environment = templates(escaped=False).overlay()
    environment.filters = environment.filters | filters
    return environment.get_template(template).render(**facts)


def as_json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, default=_plain) + "\n").encode()


def _plain(value: Any) -> str:
    return rfc3339(value) if isinstance(value, datetime) else str(value)


def write(path: Path, content: bytes | str) -> None:
    """A whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.tmp")
    unfinished.write_bytes(content.encode() if isinstance(content, str) else content)
    unfinished.replace(path)


def write_csv(path: Path, rows: pl.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.tmp")
    rows.write_csv(unfinished, null_value="")
    unfinished.replace(path)


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
