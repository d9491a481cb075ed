"""`ectx backup` and `ectx restore`: a consistent copy of the embedded default, made while it runs.

The copy holds the database, the store, the keys, and what lies in to-dfe. What lies in from-dfe is not copied: it is made
again from the store, so that it fits the database. Prefect's own database (the history of runs) is not copied either.
"""

import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import polars as pl

from flows.errors import ExchangeError
from flows.installation import Installation, keep_private
from flows.rounds.extracts import extracts_lock
from flows.rounds.guidance import guidance_lock
from flows.rounds.looking import remember_all
from flows.rounds.statements import statements_lock
from flows.service.signing_in import SECRET_FILE
from flows.upkeep.housekeeping import KEEPING
from schemas.instants import rfc3339
from sftp.durable import on_disk
from sftp.keys import HOST_KEYS
from sftp.mailbox import TAKING, TO_DFE
from templates.folders import as_json, digest, write

RECORDS, MANIFEST, LISTING, BOXES = "records.db", "backup.json", "files.csv", "mailboxes"


FORM = 2


PATIENCE_SECONDS = 600


STORED = ("uploads", "outbox")


WITH_KEYS = ("keys", *HOST_KEYS, SECRET_FILE)


def backup(installation: Installation, folder: Path, now: datetime) -> dict[str, Any]:
    """Copy everything to a folder; into one that holds an earlier copy only what is new is copied. Returns the manifest.

    Rounds wait while the database and to-dfe are copied, so that a file is in one of them; housekeeping and
    extracts, which remove things from the store, wait to the end.
    """
    _demand_sqlite(installation)
    _demand_ours(installation, folder)
    keep_private(folder)
    before = _known_digests(folder)
    (folder / MANIFEST).unlink(missing_ok=True)  # whole only when it is there
    slugs = [provider.slug for provider in installation.lead_providers()]
    makers = (lock(slug) for slug in slugs for lock in (extracts_lock, guidance_lock))
    with _alone(installation, KEEPING, *makers):  # nothing is removed meanwhile
        _copy(installation, folder)
    listed = _listed(folder, before)
    listed.write_csv(folder / LISTING)
    on_disk([folder / LISTING], folder)
    manifest = {
        "form": FORM,
        "made_at": rfc3339(now),
        "files": listed.height,
        "bytes": int(listed["bytes"].sum()),
        "files_sha256": digest(folder / LISTING),
    }
    write(folder / MANIFEST, as_json(manifest))
    on_disk([folder / MANIFEST], folder)
    return manifest


def _demand_ours(installation: Installation, folder: Path) -> None:
    """A folder that is empty, or holds an earlier copy; and a home that has something to copy. Raises ExchangeError."""
    if installation.records_as_of is None:
        raise ExchangeError("NOTHING", f"{installation.settings.home} holds no records.", "Is ECTX_HOME the right one?")
    known = {RECORDS, MANIFEST, LISTING, BOXES, *STORED, *WITH_KEYS}
    there = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    others = [name for name in there if not name.startswith(".") and name not in known]
    if others:
        raise ExchangeError(
            "NOT-EMPTY", f"{folder} holds other things ({others[0]}).", "Give a folder for the copy alone."
        )


LISTED = {"path": pl.String, "bytes": pl.Int64, "modified": pl.Int64, "sha256": pl.String}


def _known_digests(folder: Path) -> dict[tuple[str, int, int], str]:
    """(path, bytes, time of change in ns) → SHA-256 of the files of an earlier copy: what is the same is not read again."""
    try:
        manifest(folder)
        rows = pl.read_csv(folder / LISTING, schema=LISTED)
    except (ExchangeError, OSError, pl.exceptions.PolarsError):
        return {}
    return {(path, size, modified): sha256 for path, size, modified, sha256 in rows.iter_rows()}


def _listed(folder: Path, before: dict[tuple[str, int, int], str]) -> pl.DataFrame:
    """Every file of a copy: path (as in a URL, for a name may be any bytes), bytes, modified (ns), sha256."""
    rows = []
    for path in sorted(folder.rglob("*")):
        name, status = quote_from_bytes(os.fsencode(path.relative_to(folder))), path.lstat()
        if stat.S_ISREG(status.st_mode) and name not in (MANIFEST, LISTING):
            known = (name, status.st_size, status.st_mtime_ns)
            rows.append((*known, before.get(known) or digest(path)))
    return pl.DataFrame(rows, schema=LISTED, orient="row")


def _copy(installation: Installation, folder: Path) -> None:
    slugs = [provider.slug for provider in installation.lead_providers()]
    with _alone(installation, *map(statements_lock, slugs), *(f"mailbox-{slug}" for slug in slugs)):
        shutil.rmtree(folder / BOXES, ignore_errors=True)
        boxes = installation.settings.mailboxes_folder
        for box in sorted(boxes.iterdir()) if boxes and boxes.is_dir() else []:
            for name in (TO_DFE, TAKING):
                _copy_new(box / name, folder / BOXES / box.name / name)
        remember_all(installation)  # since when each of them lies there goes with it
        copy_database(Path(str(installation.database.url.database)), folder / RECORDS)
    store, home = installation.settings.store_folder, installation.settings.home
    for name in STORED:
        _copy_new(store / name, folder / name)
        _remove_gone(store / name, folder / name)
    for name in WITH_KEYS:
        _copy_new(home / name, folder / name)
        _remove_gone(home / name, folder / name)
    on_disk([folder], folder.parent)


def demand_real(installation: Installation) -> None:
    """Raises ExchangeError (PRACTICE) for a home of practice."""
    if installation.is_practice:
        raise ExchangeError(
            "PRACTICE",
            "What is made up is neither copied nor replayed.",
            "An empty file reset.csv makes a mailbox anew.",
        )


def _demand_sqlite(installation: Installation) -> None:
    if not installation.database.is_sqlite:
        raise ExchangeError(
            "NOT-EMBEDDED",
            "The records are on PostgreSQL.",
            "Use pg_dump first, then copy ECTX_STORE and the home's keys.",
        )


@contextmanager
def _alone(installation: Installation, *names: str) -> Iterator[None]:
    """Hold pieces of work, so that nobody does them meanwhile."""
    with installation.database.only_some(names, PATIENCE_SECONDS) as ours:
        if len(ours) < len(names):
            raise ExchangeError("BUSY", "A round has been running for long.", "Try again when it has ended.")
        yield


def copy_database(source: Path, target: Path) -> None:
    """A consistent copy of an SQLite database that may be in use."""
    unfinished = target.with_name(f".{target.name}.tmp")
    unfinished.unlink(missing_ok=True)
    reading, writing = sqlite3.connect(source), sqlite3.connect(unfinished)
    try:
        reading.backup(writing)
    finally:
        writing.close()
        reading.close()
    unfinished.replace(target)


def _copy_new(source: Path, target: Path) -> None:
    """Copy a file, or a folder's files but unfinished ones, unless the same are there; times with them."""
    if source.is_file():
        _copy_file(source, target)
        return
    for here, folders, names in os.walk(source):
        there = target / Path(here).relative_to(source)
        there.mkdir(parents=True, exist_ok=True)
        folders[:] = [name for name in folders if not Path(here, name).is_symlink()]
        for name in names:
            path = Path(here, name)
            if not name.startswith(".") and not path.is_symlink() and path.exists():
                _copy_file(path, there / name)


def _remove_gone(source: Path, target: Path) -> None:
    """What housekeeping has removed, and a key that was revoked, leave the copy too."""
    for path in target.rglob("*") if target.is_dir() else []:
        if path.is_file() and not (source / path.relative_to(target)).is_file():
            path.unlink()


def _copy_file(source: Path, target: Path) -> None:
    try:
        status = source.stat()
    except FileNotFoundError:
        return  # its sender took it back
    if target.is_file():
        there = target.stat()
        if (there.st_size, there.st_mtime_ns) == (status.st_size, status.st_mtime_ns):
            return
    unfinished = target.with_name(f".{target.name}.tmp")
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # a key is nobody else's at any moment
    try:
        reading = os.fdopen(os.open(source, os.O_RDONLY | os.O_NOFOLLOW), "rb")
    except FileNotFoundError:
        unfinished.unlink()
        return  # its sender took it back
    except PermissionError:
        unfinished.unlink()
        if source.parent.name not in (TO_DFE, TAKING):
            raise
        return  # its sender's rights keep us out: intake puts it aside
    with reading, unfinished.open("wb") as writing:
        shutil.copyfileobj(reading, writing, 1 << 20)
    os.utime(unfinished, ns=(status.st_atime_ns, status.st_mtime_ns))
    unfinished.replace(target)


def manifest(folder: Path) -> dict[str, Any]:
    """What a copy says of itself. Raises ExchangeError where the folder holds no whole one."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        is_whole = manifest["form"] < FORM or manifest["files_sha256"] == digest(folder / LISTING)
    except (OSError, ValueError, KeyError) as error:
        raise ExchangeError(
            "NO-BACKUP", f"{folder} holds no whole copy.", "Give a folder that `ectx backup` has finished."
        ) from error
    if manifest["form"] < FORM:
        raise ExchangeError(
            "OLD-BACKUP", f"{folder} was made by an earlier version, which did not write down what is in it.",
            "Restore it with that version, then make a new copy with this one.",
        )  # fmt: skip
    if not is_whole:
        raise ExchangeError("NO-BACKUP", f"{folder}/{LISTING} is not what was copied.", "Use another copy.")
    return manifest
