"""An extract as two folders: the full set, and what changed since the one before. Every row comes in ready-made."""

import os
import shutil
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from schemas.instants import rfc3339
from schemas.outbound.extracts import FILES, REMOVED, ExtractFile, change_set_of
from templates.folders import digest, listing, write_csv
from templates.practice import manifest_json
from templates.rendering import INTERFACE_VERSION
from transforms.extracts.changed import Compared

LAST_FILE = "manifest.json"


@dataclass(frozen=True)
class Set:
    """What a set says of itself. number: of this lead provider's extracts, from 1. before: the digests of the CSV files of the
    set before, and as of when that was; None: there is none. changes: the change set's folder in the mailbox. kept_days: how
    long that is kept."""

    lead_provider_id: str
    lead_provider_name: str
    number: int
    as_of: datetime
    before: dict[str, Any] | None
    changes: str | None
    kept_days: int
    made_from: dict[str, Any]

    @property
    def is_lost(self) -> bool:
        """Whether there was a set before, of which nothing is kept."""
        return self.before is None and self.number > 1


@dataclass
class Writing:
    """A set in the making. full, changes: its folders, which nobody else looks at. before: the full set before; None: there is
    none. counts: by file, rows, new, changed, removed."""

    full: Path
    changes: Path
    before: Path | None
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    is_same: bool = True
    _removed: list[pl.DataFrame] = field(default_factory=list)

    def start(self) -> None:
        for folder in (self.full, self.changes):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)

    def add(self, file: ExtractFile, compared: Compared) -> None:
        """Write one file, in both sets."""
        name = f"{file.name}.csv"
        if compared.is_same and self.before is not None and _has_columns(self.before / name, file):
            _same(self.before / name, self.full / name)
        else:
            write_csv(self.full / name, compared.now)
        if self.before is not None:
            write_csv(self.changes / name, compared.changes.select(change_set_of(file).columns))
        self._removed.append(compared.removed)
        self.is_same &= compared.is_same
        self.counts[file.name] = {
            "rows": compared.now.height,
            **{word: compared.count(word) for word in ("new", "changed")},
            "removed": compared.removed.height,
        }

    def finish(self, said: Set) -> str:
        """Write what was removed and the manifests. Returns the SHA-256 of the full set's."""
        files = listing(self.full, LAST_FILE)
        rows = {name: counts["rows"] for name, counts in self.counts.items()}
        (self.full / LAST_FILE).write_bytes(
            manifest_json(_head(said, "full") | {"changes": said.changes, "rows": rows, "files": files})
        )
        if said.before is not None:
            self._write_removed()
            (self.changes / LAST_FILE).write_bytes(manifest_json(self._changes(said, files)))
        return digest(self.full / LAST_FILE)

    def _write_removed(self) -> None:
        removed = pl.concat(self._removed)
        if removed.height:
            REMOVED.model.validate(removed.with_columns(pl.col("cohort").cast(pl.Int64)))
        write_csv(self.changes / f"{REMOVED.name}.csv", removed)

    def _changes(self, said: Set, full: list[dict[str, Any]]) -> dict[str, Any]:
        assert said.before is not None
        names = {f"{file.name}.csv" for file in FILES}
        counts = {
            name: {word: own[word] for word in ("new", "changed", "removed")} for name, own in self.counts.items()
        }
        return _head(said, "changes") | {
            "full_before": said.before,
            "full_now": {
                "as_of": rfc3339(said.as_of),
                "sha256": {e["name"]: e["sha256"] for e in full if e["name"] in names},
            },
            "kept_days": said.kept_days,
            "rows": counts,
            "files": listing(self.changes, LAST_FILE),
        }


def _head(said: Set, what: str) -> dict[str, Any]:
    return {
        "what": what,
        "number": said.number,
        "lead_provider_id": said.lead_provider_id,
        "lead_provider_name": said.lead_provider_name,
        "as_of": rfc3339(said.as_of),
        "interface_version": INTERFACE_VERSION,
        "made_from": said.made_from,
    }


def _has_columns(path: Path, file: ExtractFile) -> bool:
    with path.open(encoding="utf-8") as handle:
        return handle.readline().rstrip("\n") == ",".join(file.columns)


def _same(before: Path, now: Path) -> None:
    """What has not changed is not written again: both sets share it on the disk."""
    try:
        os.link(before, now)
    except OSError:  # a file system without links
        shutil.copyfile(before, now)


def some_columns(folder: Path, file: ExtractFile, *columns: str) -> pl.DataFrame:
    """Some columns of one file of a set, all text."""
    return pl.read_csv(folder / f"{file.name}.csv", columns=list(columns), infer_schema=False)


def set_file(folder: Path, file: ExtractFile) -> pl.DataFrame:
    """One file of a set as it was delivered: its columns, all text. A column that is new since then is empty."""
    rows = pl.read_csv(folder / f"{file.name}.csv", infer_schema=False)
    lacking = [pl.lit(None, pl.String).alias(name) for name in file.columns if name not in rows.columns]
    return rows.with_columns(lacking).select(file.columns)
