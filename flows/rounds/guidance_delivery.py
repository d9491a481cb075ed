"""Guidance is replaced in place: what is so already is left alone, and a page that a receipt may link never goes."""

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from data.ledger.deliveries import DeliveryRow
from flows.installation import Installation
from flows.rounds.places import GUIDANCE, guidance_folder
from sftp.mailbox import Mailbox, MailboxError
from templates.guidance.pack import LAST_FILE, is_kept_for_ever


def put_guidance(mailbox: Mailbox, source: Path) -> None:
    """Put a version into a mailbox, file by file, the manifest last; and take away what only versions before it have."""
    files = _files(source)
    if not files:
        raise MailboxError("its guidance in the store cannot be read: the next round of guidance makes it anew")
    for path in files:
        mailbox.put_or_remove(f"{GUIDANCE}/{path}", (source / path).read_bytes())
    others = {path for folder in source.parent.glob(f"{Path(GUIDANCE).name}.*") for path in _files(folder)}
    for path in sorted(others - set(files)):
        if not is_kept_for_ever(path):
            mailbox.put_or_remove(f"{GUIDANCE}/{path}", None)
    mailbox.put_or_remove(f"{GUIDANCE}/{LAST_FILE}", (source / LAST_FILE).read_bytes())


def sweep_guidance(installation: Installation, delivered: list[DeliveryRow]) -> None:
    """Remove versions from the outbox that those delivered now have replaced. The caller holds the mailbox."""
    for delivery in delivered:
        if delivery.what == "guidance":
            stays = guidance_folder(installation.outbox, delivery.lead_provider_id, delivery.sha256)
            for each in stays.parent.glob(f"{Path(GUIDANCE).name}.*"):
                if each != stays and each.suffix != ".unfinished":
                    shutil.rmtree(each, ignore_errors=True)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a version in the outbox; None where it is not there, or not as we write it."""
    try:
        said = json.loads((folder / LAST_FILE).read_text(encoding="utf-8"))
        listed = [(str(each["name"]), str(each["sha256"])) for each in said["files"]]
        moments = [datetime.fromisoformat(said[name]) for name in ("as_of", "deadlines_as_of")]
        is_whole = isinstance(said["version"], int) and isinstance(said["front"], str) and listed and moments
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return said if is_whole else None


def _files(folder: Path) -> list[str]:
    """What the manifest of a version lists; nothing of one that cannot be read."""
    said = read_manifest(folder)
    return [each["name"] for each in said["files"]] if said else []
