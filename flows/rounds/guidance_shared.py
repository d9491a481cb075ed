"""What of the guidance is the same for everybody, kept in the outbox: it is made anew when what it is made of is another."""

import hashlib
import shutil
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

_FOLDER, _LAST_FILE = ".guidance", "entries.json"
_MADE_OF = ("schemas", "transforms", "templates")


def shared_of(installation: Installation) -> Part:
    """As it is kept, or made now, which takes seconds: every rule is run on its examples."""
    folder = _folder(installation)
    if not (folder / _LAST_FILE).is_file():
        _make(installation, folder)
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != _LAST_FILE
    }
    return Part.read(files, (folder / _LAST_FILE).read_bytes())


def rule_files(installation: Installation, code: str) -> dict[str, bytes]:
    """The page of one rule, and its Markdown, by path in the guidance folder; nothing for a code without a page."""
    if not has_page(code):
        return {}
    folder = _folder(installation)
    paths = [f"rules/{code}.md", f"rules/{code}.html"]
    if (folder / _LAST_FILE).is_file():
        return {path: (folder / path).read_bytes() for path in paths}
    made = rule_article(code)
    return dict(zip(paths, (made.markdown.encode(), made.page().encode()), strict=True))


def _make(installation: Installation, folder: Path) -> None:
    part = shared_part(_told(installation))
    shutil.rmtree(folder.parent, ignore_errors=True)  # what was made of other code, or was cut off
    for path, content in part.files.items():
        write(folder / path, content)
    on_disk([folder], installation.outbox)
    write(folder / _LAST_FILE, part.kept_entries)


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
