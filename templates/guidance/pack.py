"""The guidance of one lead provider, put together: pages, Markdown, what lies beside them; what changed since the last version."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from markupsafe import Markup

from schemas.kinds import KINDS
from schemas.outbound.guidance import Whose
from templates.guidance.marking import Article, article
from templates.guidance.shared import Told, shared_articles, shared_files
from templates.practice import manifest_json
from templates.rendering import INTERFACE_VERSION

LAST_FILE = "manifest.json"
_FRONT = "index"
_MOST_SAID = 20
_HTML, _MARKDOWN = ".html", ".md"


@dataclass(frozen=True)
class Entry:
    """What a search finds: a page's path, without its ending, its title, and its words."""

    path: str
    title: str
    text: str


@dataclass(frozen=True)
class Part:
    """Some of a pack: path in the guidance folder → content; and what a search finds in it."""

    files: dict[str, bytes]
    entries: list[Entry]

    @classmethod
    def of(cls, articles: Iterable[Article], files: Mapping[str, bytes]) -> "Part":
        made = dict(files)
        entries = []
        for each in articles:
            made[each.path + _HTML] = each.page().encode()
            made[each.path + _MARKDOWN] = each.text.encode()
            entries.append(Entry(each.path, each.title, each.words))
        return cls(made, entries)

    @classmethod
    def read(cls, files: dict[str, bytes], entries: list[dict[str, str]]) -> "Part":
        """From what was kept of it."""
        return cls(files, [Entry(**each) for each in entries])

    @property
    def kept_entries(self) -> list[dict[str, str]]:
        return [asdict(each) for each in self.entries]


def shared_part(told: Told) -> Part:
    """What is the same for everybody."""
    return Part.of(shared_articles(told), shared_files())


def version_of(
    whose: Whose, parts: list[Part], before: dict[str, Any] | None, least: int = 1
) -> tuple[dict[str, bytes], dict[str, Any]] | None:
    """A new version: its files but the manifest, and what the manifest says, `files` apart. None where nothing in it is new.

    before: the manifest of the version before; None: there is none. least: the smallest number that the new one may have.
    """
    files = {path: content for part in parts for path, content in part.files.items()}
    entries = [entry for part in parts for entry in part.entries]
    front = _front(whose, entries, 0, [], 0)
    plain = hashlib.sha256(front.page(search=_search(entries)).encode()).hexdigest()
    number = max(least, before["version"] + 1 if before else 1)
    if before:
        digests = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
        was = {each["name"]: each["sha256"] for each in before["files"] if not _is_front(each["name"])}
        if digests == was and before["front"] == plain:
            return None
        changes = _changes(was, digests, {each.path: each.title for each in entries})
        others = sum(
            was.get(path) != digest for path, digest in digests.items() if not path.endswith((_HTML, _MARKDOWN))
        )
        front = _front(whose, entries, number, changes, others)
    files[_FRONT + _HTML] = front.page(search=_search(entries)).encode()
    files[_FRONT + _MARKDOWN] = front.text.encode()
    said = {
        "version": number,
        "lead_provider_id": whose.lead_provider_id,
        "interface_version": INTERFACE_VERSION,
        "front": plain,
    }
    return files, said


def manifest(said: dict[str, Any], files: Mapping[str, bytes]) -> bytes:
    """manifest.json."""
    listed = [
        {"name": path, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for path, content in sorted(files.items())
    ]
    return manifest_json({**said, "files": listed})


def is_kept_for_ever(path: str) -> bool:
    """Whether a file stays in the mailbox when the rule that it was made of is gone: receipts link it."""
    return path.startswith("rules/")


def _front(whose: Whose, entries: list[Entry], version: int, changes: list[dict[str, str]], others: int) -> Article:
    """others: how many files that are no pages are new or changed."""
    building = [each for each in entries if each.path.startswith("building/")]
    return article(
        _FRONT, "index.md", whose=whose, version=version, changes=changes[:_MOST_SAID],
        more=max(len(changes) - _MOST_SAID, 0), others=others, kinds=KINDS.values(),
        building=building,
    )  # fmt: skip


def _is_front(path: str) -> bool:
    return path in (_FRONT + _HTML, _FRONT + _MARKDOWN)


def _changes(was: dict[str, str], now: dict[str, str], titles: dict[str, str]) -> list[dict[str, str]]:
    """Pages that are new or changed: what, title, path."""
    return [
        {"what": "Changed" if path in was else "New", "title": titles[own], "path": own}
        for path, digest in now.items()
        if path.endswith(_MARKDOWN) and was.get(path) != digest and (own := path.removesuffix(_MARKDOWN)) in titles
    ]


def _search(entries: list[Entry]) -> Markup:
    """What a page searches in, as a script may hold it."""
    rows = [{"path": each.path + _HTML, "title": each.title, "text": each.text} for each in entries]
    return Markup(json.dumps(rows, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", " "))
