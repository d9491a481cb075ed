"""One lead provider's extract, from its rows to what its mailbox is owed. Cut anywhere, the next run makes it anew, the same."""

import json
import shutil
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from data.ledger.extracts import ExtractSet
from flows.installation import Installation, LeadProvider
from flows.rounds.places import FOLDER, FULL, full_folder
from flows.stamps import extracts as extracts_digest
from flows.stamps import libraries
from schemas.instants import rfc3339
from schemas.outbound.extracts import FILES, ExtractFile
from schemas.reports import ExtractMade
from sftp.durable import on_disk
from templates.extract import write_extract_page
from templates.extract_book import BOOK
from templates.extract_files import LAST_FILE, Set, Writing, set_file
from templates.folders import digest, write_csv
from transforms.extracts.changed import compare
from transforms.extracts.making import Rows
from transforms.extracts.story import Story

_STAMP = "%Y%m%dT%H%M%SZ"


def _memory_folder(full: Path) -> Path:
    """What is remembered of rows that are gone, beside a full set; it is never delivered."""
    return full.with_name(full.name.replace("full.", "memory.", 1))


@dataclass
class ExtractInTheMaking:
    """One lead provider's. last: the set before. last_name: the last folder of a change set that it was given. answers: submissions
    that asked for it."""

    installation: Installation
    provider: LeadProvider
    last: ExtractSet | None
    last_name: str | None
    answers: list[str]
    now: datetime
    story: Story = field(default_factory=Story)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        outbox, owner = self.installation.outbox, self.provider.lead_provider_id
        self._unfinished = outbox / owner / ".extract"
        for left in self._unfinished.glob("book.*"):  # of rounds that were killed
            shutil.rmtree(left, ignore_errors=True)
        self._book = self._unfinished / f"book.{uuid.uuid4().hex}"
        before = full_folder(outbox, owner, self.last.sha256) if self.last else None
        self.before = before if before is not None and (before / LAST_FILE).is_file() else None
        self.stamp = self._next_stamp()
        self.writing = Writing(self._unfinished / "full", self._unfinished / "changes", self.before)
        self.writing.start()

    @property
    def is_lost(self) -> bool:
        """Whether the set before is not in the store any more, so that nobody can say what changed."""
        return self.last is not None and self.before is None

    def _next_stamp(self) -> datetime:
        """The instant of this delivery, to the second, later than the one before."""
        now = self.now.replace(microsecond=0)
        taken = [self.last.as_of.replace(microsecond=0)] if self.last else []
        if self.last_name:
            taken.append(datetime.strptime(self.last_name.rsplit("/", 1)[1], _STAMP).replace(tzinfo=UTC))
        return max([now, *(each + timedelta(seconds=1) for each in taken)])

    def file_before(self, file: ExtractFile) -> pl.DataFrame | None:
        """One file of the set before; None where there is none."""
        return set_file(self.before, file) if self.before else None

    def add(self, file: ExtractFile, made: Rows, before: pl.DataFrame | None) -> None:
        """Compare one file with the set before, and write it."""
        started = time.monotonic()
        compared = compare(file, made.rows, before, self._remembered(file), rfc3339(self.stamp))
        self.writing.add(file, compared)
        self.story.tell(file, compared, before, self.provider.name)
        if file.is_first_seen:
            memory = self._unfinished / "memory"
            memory.mkdir(exist_ok=True)
            write_csv(memory / f"{file.name}.csv", compared.left)
        self.seconds += time.monotonic() - started

    def _remembered(self, file: ExtractFile) -> pl.DataFrame | None:
        path = _memory_folder(self.before) / f"{file.name}.csv" if self.before and file.is_first_seen else None
        return pl.read_csv(path, infer_schema=False) if path and path.is_file() else None

    @property
    def is_wanted(self) -> bool:
        """Whether it is another set than the one that stands, or somebody asked."""
        return self.before is None or not self.writing.is_same or bool(self.answers)

    @property
    def rows(self) -> int:
        """Of all its files."""
        return sum(counts["rows"] for counts in self.writing.counts.values())

    @property
    def book(self) -> tuple[Path, Path, datetime, str]:
        """What its spreadsheet is made of, and where (templates.extract_book): a process that is left over from a round that was
        killed may still be at another."""
        return self.writing.full, self._book, self.now, self.provider.name

    def finish(self) -> ExtractMade:
        """Promise the set to the mailbox, with its spreadsheet, unless it is the one that stands and nobody asked."""
        started = time.monotonic()
        if self.is_wanted:
            (self._book / BOOK).rename(self.writing.full / BOOK)
            self._promise()
        shutil.rmtree(self._unfinished, ignore_errors=True)
        self.seconds += time.monotonic() - started
        return ExtractMade(self.provider.lead_provider_id, self.writing.counts, self.is_wanted, self.seconds)

    def _promise(self) -> None:
        owner, outbox = self.provider.lead_provider_id, self.installation.outbox
        changes = f"{FOLDER}/changes/{self.stamp:{_STAMP}}" if self.before else None
        number = self.last.number + 1 if self.last else 1
        said = Set(
            owner, self.provider.name, number, self.now, self._said_of_before(), changes,
            self.installation.settings.keep_changes_days, self._made_from(),
        )  # fmt: skip
        write_extract_page(self.writing, said, self.story)
        sha256 = self.writing.finish(said)
        full = full_folder(outbox, owner, sha256)
        places = [(self.writing.full, full), (self._unfinished / "memory", _memory_folder(full))]
        places += [(self.writing.changes, outbox / owner / changes)] if changes else []
        for unfinished, place in places:
            shutil.rmtree(place, ignore_errors=True)  # of a run that was cut off
            place.parent.mkdir(parents=True, exist_ok=True)
            unfinished.rename(place)
        on_disk([place for _, place in places], outbox)
        deliveries = self.installation.deliveries
        promised = {"lead_provider_id": owner, "what": "extract", "last_file": LAST_FILE, "owed_since": self.now}
        with self.installation.database.write() as connection:
            made = ExtractSet(owner, number, self.now, sha256, changes)
            self.installation.extracts.add(connection, made, self.writing.counts, self.answers)
            if changes:  # before the full set, so that what its manifest names is there
                manifest = places[-1][1] / LAST_FILE
                deliveries.owe(connection, path=changes, sha256=digest(manifest), **promised)
            deliveries.owe(connection, path=FULL, sha256=sha256, **promised)

    def _said_of_before(self) -> dict[str, object] | None:
        if self.before is None:
            return None
        said = json.loads((self.before / LAST_FILE).read_text(encoding="utf-8"))
        names = {f"{file.name}.csv" for file in FILES}
        return {"as_of": said["as_of"], "sha256": {e["name"]: e["sha256"] for e in said["files"] if e["name"] in names}}

    def _made_from(self) -> dict[str, object]:
        return {
            "extracts": extracts_digest(self.installation.service_home),
            "records_as_of": self.installation.records_as_of,
            "calendar": self.installation.calendar_version,
            "libraries": libraries(),
        }


def sweep(installation: Installation, lead_provider_id: str, stands: str, kept: list[str]) -> None:
    """Remove full sets that others have replaced, and change sets that a cut left unpromised. The caller makes the extracts,
    and holds the mailbox. stands: the SHA-256 of the full set that stays. kept: folders of change sets that stay."""
    folder = installation.outbox / lead_provider_id / FOLDER
    full = full_folder(installation.outbox, lead_provider_id, stands)
    stay = {full, _memory_folder(full), *(installation.outbox / lead_provider_id / path for path in kept)}
    for each in (*folder.glob("full.*"), *folder.glob("memory.*"), *folder.glob("changes/*")):
        if each not in stay:
            shutil.rmtree(each, ignore_errors=True)
