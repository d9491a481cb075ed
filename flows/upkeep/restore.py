"""`ectx restore`: an installation from a copy. What was delivered is delivered again."""

import hashlib
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import polars as pl

from flows.errors import ExchangeError
from flows.installation import keep_private, open_installation
from flows.rounds.delivery import deliver_again
from flows.settings import Settings
from flows.upkeep.backup import BOXES, LISTED, LISTING, RECORDS, STORED, WITH_KEYS, manifest
from sftp.durable import on_disk
from sftp.mailbox import pieces
from templates.folders import digest


def restore(folder: Path, settings: Settings) -> dict[str, Any]:
    """Make an installation from a copy, in a home that is empty. Returns the copy's manifest. Raises ExchangeError.

    The database comes last: until it is there, the same command does it all again.
    """
    listed = manifest(folder)
    home, store = settings.home.resolve(), settings.store_folder
    if settings.database_url:
        raise ExchangeError("NOT-EMBEDDED", "Only the embedded default is restored.", "Unset ECTX_DATABASE_URL.")
    if (home / RECORDS).exists():
        raise ExchangeError("NOT-EMPTY", f"{home} holds records already.", "Set ECTX_HOME to an empty folder.")
    keep_private(home)
    unfinished = home / f"{RECORDS}.restoring"
    for suffix in ("", "-wal", "-shm"):
        Path(f"{unfinished}{suffix}").unlink(missing_ok=True)
    boxes = settings.mailboxes_folder
    places = {
        RECORDS: unfinished,
        **{name: store / name for name in STORED},
        **{name: home / name for name in WITH_KEYS},
        **({BOXES: boxes} if boxes else {}),
    }
    wanted = {}
    for quoted, _, _, sha256 in pl.read_csv(folder / LISTING, schema=LISTED).iter_rows():
        name = Path(os.fsdecode(unquote_to_bytes(quoted)))
        first, *rest = name.parts
        if first in places:
            wanted[name] = (places[first].joinpath(*rest), sha256)
    # All is looked at before anything is written: a copy that is not whole leaves nothing behind.
    _demand_nothing_else(list(places.values()), {target for target, _ in wanted.values()})
    for name, (target, sha256) in wanted.items():
        base = next(each for each in (home, store, boxes) if each and target.is_relative_to(each))
        _demand_copied(folder, name, base, target, sha256)
    for name, (target, sha256) in wanted.items():
        _put_back(folder, name, target, sha256)
    with open_installation(settings.model_copy(update={"database_url": f"sqlite:///{unfinished}"})) as installation:
        for provider in installation.lead_providers():
            deliver_again(installation, provider, installation.mailbox(provider.slug))
        installation.database.fold()
    on_disk([store / name for name in STORED], store)
    on_disk([unfinished, *(home / name for name in WITH_KEYS), *([boxes] if boxes else [])], home)
    unfinished.replace(home / RECORDS)
    for suffix in ("-wal", "-shm"):
        Path(f"{unfinished}{suffix}").unlink(missing_ok=True)
    on_disk([home / RECORDS], home)
    return listed


def _demand_nothing_else(places: list[Path], wanted: set[Path]) -> None:
    """A home to restore into holds nothing but what an earlier try of the same copy put there."""
    for place in places:
        for path in (place, *place.rglob("*")) if place.exists() else []:
            if path.is_file() and path not in wanted and not path.name.startswith("."):
                raise ExchangeError("NOT-EMPTY", f"{path} is not of this copy.", "Set ECTX_HOME to an empty folder.")


def _demand_copied(folder: Path, name: Path, base: Path, target: Path, sha256: str) -> None:
    """A file of a copy is what was copied, and nothing on the way to it, or from `base` to its place, is a link."""
    if name.is_absolute() or ".." in name.parts:
        raise _not_copied(name)
    for start, path in ((folder, folder / name), (base, target)):
        if any(each.is_symlink() for each in (path, *path.parents) if each != start and each.is_relative_to(start)):
            raise ExchangeError(
                "LINK", f"{path} is a link, or lies behind one.", "Take the link away; nothing is followed."
            )
    if not (folder / name).is_file() or digest(folder / name) != sha256:
        raise _not_copied(name)


def _put_back(folder: Path, name: Path, target: Path, sha256: str) -> None:
    """One file of a copy to its place."""
    if target.is_file() and digest(target) == sha256:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished, found = target.with_name(f".{target.name}.tmp"), hashlib.sha256()
    unfinished.unlink(missing_ok=True)
    try:
        source = os.fdopen(os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW), "rb")
    except OSError as error:
        raise _not_copied(name) from error
    with source, os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as writing:
        for piece in pieces(source):
            found.update(piece)
            writing.write(piece)
        status = os.fstat(source.fileno())
    if found.hexdigest() != sha256:
        unfinished.unlink()
        raise _not_copied(name)
    os.utime(unfinished, ns=(status.st_atime_ns, status.st_mtime_ns))
    unfinished.replace(target)


def _not_copied(name: Path) -> ExchangeError:
    return ExchangeError("NO-BACKUP", f"{name} is not what was copied.", "Use another copy.")
