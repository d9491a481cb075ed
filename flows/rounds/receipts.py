"""Receipts in the outbox: each where it will be found by what was promised of it."""

import shutil
import uuid
from pathlib import Path
from typing import Any

from schemas.submission import Outcome, Submission
from sftp.durable import on_disk
from templates import receipt
from templates.folders import digest
from templates.receipt import LAST_FILE
from transforms.judging import Judgement

SET_ASIDE_NOTE = (
    "We have not judged this file and have put it aside: nothing in DfE's records was changed. "
    "DfE has been told. You need not send it again: once it is judged, as of when you sent it, its receipt replaces this one."
)
UNREADABLE_NOTE = (
    "We could not read this file: it was uploaded with rights that keep everybody else out. Nothing in DfE's records was "
    "changed, and we have not kept it. Let its group read it (`chmod 640` on your copy, or your program's setting for the "
    "rights of uploads) and send it again."
)


def receipt_path(submission: Submission) -> str:
    """The receipt's folder in the mailbox."""
    return f"from-dfe/receipts/{submission.submission_id}"


def receipt_folder(outbox: Path, submission_id: str, sha256: str) -> Path:
    """Where a receipt lies, by the SHA-256 of its receipt.json: one that replaces it lies beside it, so that whatever is cut
    off, what was promised is there as it was promised."""
    folder = outbox / f"{submission_id}.{sha256[:16]}"
    return folder if folder.is_dir() else outbox / submission_id  # as they were named before


def _put_in_place(unfinished: Path, outbox: Path, submission_id: str) -> str:
    sha256 = digest(unfinished / LAST_FILE)
    folder = outbox / f"{submission_id}.{sha256[:16]}"
    try:
        unfinished.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        shutil.rmtree(unfinished)  # the same is there, from a try that was cut off or one beside this
    on_disk([folder], outbox)
    return sha256


def _unfinished(outbox: Path, submission_id: str) -> Path:
    """A place of this try's own: no lock is held while a receipt is written, and a try that lost its round may not know it yet."""
    folder = _of_tries(outbox, submission_id) / uuid.uuid4().hex
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder


def _of_tries(outbox: Path, submission_id: str) -> Path:
    return outbox / ".unfinished" / submission_id


def let_go(outbox: Path, submission_id: str, sha256: str) -> None:
    """A receipt that was written and is not owed: its file is judged again."""
    shutil.rmtree(outbox / f"{submission_id}.{sha256[:16]}", ignore_errors=True)


def sweep_unfinished(outbox: Path, submission_id: str) -> None:
    """What tries that were cut off have left, once a file is judged."""
    shutil.rmtree(_of_tries(outbox, submission_id), ignore_errors=True)


def write_receipt(
    outbox: Path, outcome: Outcome, judgement: Judgement | None, provider_name: str, made_from: dict[str, Any]
) -> str:
    """Write the receipt's files. Returns the SHA-256 of receipt.json. Writing it again gives the same."""
    folder = _unfinished(outbox, outcome.submission.submission_id)
    receipt.write_receipt(folder, outcome, judgement, provider_name, made_from)
    return _put_in_place(folder, outbox, outcome.submission.submission_id)


def add_note(outbox: Path, submission_id: str, sha256: str, note: str) -> str:
    """A receipt that was written before (sha256: of its receipt.json), with a note added. Returns the SHA-256 of the new
    receipt.json. Adding it again does nothing."""
    source, folder = receipt_folder(outbox, submission_id, sha256), _unfinished(outbox, submission_id)
    shutil.copytree(source, folder)
    if not receipt.add_note(folder, note):
        sweep_unfinished(outbox, submission_id)
        return sha256
    added = _put_in_place(folder, outbox, submission_id)
    sweep_unfinished(outbox, submission_id)
    return added
