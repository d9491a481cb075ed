"""`ectx backup` and `ectx restore`: a consistent copy of the embedded default, made while it runs.

The copy holds the database, the store, the keys, and what lies in to-dfe. What lies in from-dfe is not copied: it is made
again from the store, so that it fits the database. Prefect's own database (the history of runs) is not copied either.
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from data.tables import rfc3339
from flows.delivery import deliver_again
from flows.errors import ExchangeError
from flows.house import House, open_house
from flows.keeping import KEEPING
from flows.looking import remember_all
from flows.rendering import as_json, digest, write
from flows.settings import Settings
from flows.signing_in import SECRET_FILE
from sftp.durable import on_disk
from sftp.mailbox import TAKING, TO_DFE

RECORDS, MANIFEST, BOXES = "records.db", "backup.json", "mailboxes"
FORM = 1
PATIENCE_SECONDS = 600
STORED = ("uploads", "outbox")
WITH_KEYS = ("keys", "host_key", SECRET_FILE)


def backup(house: House, folder: Path, now: datetime) -> dict[str, Any]:
    """Copy everything to a folder; into one that holds an earlier copy only what is new is copied. Returns the manifest.

    Rounds wait while the database and to-dfe are copied, so that a file is in one of them; the store only ever grows.
    """
    _demand_sqlite(house)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)  # whole only when it is there
    with _alone(house, KEEPING):  # nothing is removed meanwhile
        _copy(house, folder)
    listed = [path for path in folder.rglob("*") if path.is_file()]
    manifest = {
        "form": FORM,
        "made_at": rfc3339(now),
        "files": len(listed),
        "bytes": sum(path.stat().st_size for path in listed),
        "records_sha256": digest(folder / RECORDS),
    }
    write(folder / MANIFEST, as_json(manifest))
    on_disk([folder / MANIFEST], folder)
    return manifest


def _copy(house: House, folder: Path) -> None:
    mailboxes = (f"mailbox-{provider.slug}" for provider in house.lead_providers())
    with _alone(house, "statements", *mailboxes):
        shutil.rmtree(folder / BOXES, ignore_errors=True)
        boxes = house.settings.mailboxes_folder
        for box in sorted(boxes.iterdir()) if boxes and boxes.is_dir() else []:
            for name in (TO_DFE, TAKING):
                _copy_new(box / name, folder / BOXES / box.name / name)
        remember_all(house)  # since when each of them lies there goes with it
        _copy_database(Path(str(house.database.url.database)), folder / RECORDS)
    store, home = house.settings.store_folder, house.settings.home
    for name in STORED:
        _copy_new(store / name, folder / name)
        _remove_gone(store / name, folder / name)
    for name in WITH_KEYS:
        _copy_new(home / name, folder / name)
        _remove_gone(home / name, folder / name)
    on_disk([folder], folder.parent)


def restore(folder: Path, settings: Settings) -> dict[str, Any]:
    """Make an installation from a copy, in a home that is empty. Returns the copy's manifest. Raises ExchangeError.

    The database comes last: until it is there, the same command does it all again.
    """
    manifest = _manifest(folder)
    home, store = settings.home.resolve(), settings.store_folder
    if settings.database_url:
        raise ExchangeError("NOT-EMBEDDED", "Only the embedded default is restored.", "Unset ECTX_DATABASE_URL.")
    if (home / RECORDS).exists():
        raise ExchangeError("NOT-EMPTY", f"{home} holds records already.", "Set ECTX_HOME to an empty folder.")
    home.mkdir(parents=True, exist_ok=True)
    for name in STORED:
        _copy_new(folder / name, store / name)
    for name in WITH_KEYS:
        _copy_new(folder / name, home / name)
    boxes = settings.mailboxes_folder
    if boxes:
        for box in sorted((folder / BOXES).iterdir()) if (folder / BOXES).is_dir() else []:
            _copy_new(box, boxes / box.name)
    unfinished = home / f"{RECORDS}.restoring"
    for suffix in ("", "-wal", "-shm"):
        Path(f"{unfinished}{suffix}").unlink(missing_ok=True)
    shutil.copy2(folder / RECORDS, unfinished)
    with open_house(settings.model_copy(update={"database_url": f"sqlite:///{unfinished}"})) as house:
        for provider in house.lead_providers():
            deliver_again(house, provider, house.mailbox(provider.slug))
        house.database.fold()
    on_disk([store / name for name in STORED], store)
    on_disk([unfinished, *(home / name for name in WITH_KEYS), *([boxes] if boxes else [])], home)
    unfinished.replace(home / RECORDS)
    for suffix in ("-wal", "-shm"):
        Path(f"{unfinished}{suffix}").unlink(missing_ok=True)
    on_disk([home / RECORDS], home)
    return manifest


def _demand_sqlite(house: House) -> None:
    if not house.database.is_sqlite:
        raise ExchangeError(
            "NOT-EMBEDDED",
            "The records are on PostgreSQL.",
            "Use pg_dump first, then copy ECTX_STORE and the home's keys.",
        )


@contextmanager
def _alone(house: House, *names: str) -> Iterator[None]:
    """Hold pieces of work, so that nobody does them meanwhile."""
    with ExitStack() as held:
        for name in names:
            if not held.enter_context(house.database.only_one(name, PATIENCE_SECONDS)):
                raise ExchangeError("BUSY", "A round has been running for long.", "Try again when it has ended.")
        yield


def _copy_database(source: Path, target: Path) -> None:
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
    """Copy a file, or a folder's files but unfinished ones, unless the same are there; times and rights with them."""
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
    shutil.copy2(source, unfinished)
    unfinished.replace(target)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        is_whole = manifest["form"] == FORM and manifest["records_sha256"] == digest(folder / RECORDS)
    except (OSError, ValueError, KeyError) as error:
        raise ExchangeError(
            "NO-BACKUP", f"{folder} holds no whole copy.", "Give a folder that `ectx backup` has finished."
        ) from error
    if not is_whole:
        raise ExchangeError("NO-BACKUP", f"{folder}/{RECORDS} is not what was copied.", "Use another copy.")
    return manifest
