"""What of the guidance is the same for everybody, kept in the outbox: it is made anew when what it is made of is another."""

import hashlib
import json
import shutil
from contextlib import suppress
from functools import cache
from pathlib import Path

from flows.installation import Installation
from flows.place import PROJECT
from sftp.durable import on_disk
from sftp.mailbox import UNFINISHED
from templates.folders import write
from templates.guidance.pack import Part, shared_part
from templates.guidance.rules import has_page, rule_article
from templates.guidance.shared import Told
from templates.practice import is_practice

_FOLDER, _LAST_FILE = ".guidance", "entries.json"
_MADE_OF = ("schemas", "transforms", "templates")


def shared_of(installation: Installation) -> Part:
    """As it is kept, or made now, which takes seconds: every rule is run on its examples."""
    folder = _folder(installation)
    return _kept(folder) or _put(installation, folder, _kept(_beside(folder)) or shared_part(_told(installation)))


def rule_files(installation: Installation, code: str) -> dict[str, bytes]:
    """The page of one rule, and its Markdown, by path in the guidance folder; nothing for a code without a page."""
    if not has_page(code):
        return {}
    paths = [f"rules/{code}.md", f"rules/{code}.html"]
    for folder in (_folder(installation), _beside(_folder(installation))):
        with suppress(OSError):
            if (folder / _LAST_FILE).is_file():
                return {path: (folder / path).read_bytes() for path in paths}
    made = rule_article(code)
    return dict(zip(paths, (made.text.encode(), made.page().encode()), strict=True))


def _kept(folder: Path) -> Part | None:
    """What is kept, if it is whole and as it was made."""
    try:
        said = json.loads((folder / _LAST_FILE).read_bytes())
        files = {path: (folder / path).read_bytes() for path in said["sha256"]}
        if any(hashlib.sha256(content).hexdigest() != said["sha256"][path] for path, content in files.items()):
            return None
        return Part.read(files, said["entries"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _put(installation: Installation, folder: Path, part: Part) -> Part:
    """Keep it in the outbox; and beside the project, where that can be written, for other installations of the same code."""
    shutil.rmtree(folder.parent, ignore_errors=True)  # what was made of other code, or was cut off
    _write(folder, part)
    on_disk([folder], installation.outbox)
    if not (_beside(folder) / _LAST_FILE).is_file():
        with suppress(OSError):
            _write(_beside(folder), part)
    return part


def _write(folder: Path, part: Part) -> None:
    for path, content in part.files.items():
        write(folder / path, content)
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in part.files.items()}
    write(folder / _LAST_FILE, json.dumps({"sha256": digests, "entries": part.kept_entries}))


def _beside(folder: Path) -> Path:
    return PROJECT / ".made" / folder.name


def _folder(installation: Installation) -> Path:
    made_of = f"{_code()} {_told(installation)}"
    return installation.outbox / _FOLDER / hashlib.sha256(made_of.encode()).hexdigest()[:16]


def _told(installation: Installation) -> Told:
    settings = installation.settings
    return Told(
        settings.max_file_mebibytes,
        settings.max_file_rows,
        settings.keep_changes_days,
        round(settings.sftp_idle_seconds / 60),
        settings.max_waiting_files,
        settings.max_waiting_mebibytes,
        UNFINISHED,
        is_practice(),
    )


@cache
def _code() -> str:
    """A digest of everything that guidance is made of: code, templates, facts."""
    found = hashlib.sha256()
    for room in _MADE_OF:
        for path in sorted((PROJECT / room).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                found.update(path.relative_to(PROJECT).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()
