"""One claimed file: read, judged, its accepted rows applied and its receipt owed, in one transaction."""

import json
import logging
import os
from datetime import datetime
from typing import BinaryIO

import polars as pl

from data.applying import apply_changes
from data.database import Reader
from data.ledger import UNREAD, SubmissionRow
from data.repeats import partnerships_that_stand, undone_since
from data.snapshots import MEMORY, snapshot_for
from data.tables import rejected_declarations, rejected_expectations
from flows.clock import london_day
from flows.errors import ExchangeError
from flows.installation import House, LeadProvider
from flows.rounds.claiming import receipt_path
from flows.rounds.receipts import LAST_FILE, UNREADABLE_NOTE, Outcome, write_receipt
from flows.stamps import libraries, rule_set
from schemas.inbound.reading import FileFailure, Sheet, read_sheet
from schemas.inbound.unread import refused_unread
from schemas.kinds.kind import KINDS
from sftp.server.names import why_refused
from transforms.changes import Submission
from transforms.judging import judge
from transforms.repeats import First, judge_again, sent_back, still_stands
from transforms.updates.expected_payments import of_the_whole_file

log = logging.getLogger("ectx.intake")
OPEN_ENDED = (
    "The file does not end with a line end. If its upload may have been cut short, check that the last row is whole."
)


MAY_BE_CUT_SHORT = ("FILE-004", "FILE-006", "FILE-007")


class Judged(Exception):
    """Somebody else has judged this file meanwhile: there is nothing to do."""


def process(house: House, provider: LeadProvider, submission: SubmissionRow, now: datetime) -> Outcome:
    """Judge a claimed file, apply what is accepted, owe the receipt: one transaction. Raises Judged."""
    with house.database.write() as connection:
        if not house.ledger.is_open(connection, submission.submission_id):
            raise Judged(submission.submission_id)
        outcome = _judged(house, house.database.reader(connection), submission, now)
        if outcome.judgement:
            changes = outcome.judgement.changes
            happened = _with_lines(changes.events, outcome.sheet)
            apply_changes(house.database, connection, changes.inserts, changes.updates, happened, now)
            rejected = rejected_expectations if submission.kind == "expected-payments" else rejected_declarations
            house.database.insert(connection, rejected, outcome.judgement.rejected)
        promise_receipt(house, connection, provider, outcome, now)
        if outcome.set_aside:
            house.ledger.settle(connection, submission.submission_id, trouble="its rights keep us out: it was not kept")
    log.info("submission %s %s %s", submission.submission_id, outcome.status, outcome.rows)
    return outcome.without_rows()


def _with_lines(happened: pl.DataFrame, sheet: Sheet | None) -> pl.DataFrame:
    """Events with the lines of the file that brought them about."""
    if sheet is None or happened.is_empty():
        return happened
    lines = sheet.values.select("row_number", "line_number")
    return happened.join(lines, on="row_number", how="left", maintain_order="left")


def promise_receipt(house: House, connection, provider: LeadProvider, outcome: Outcome, now: datetime) -> None:  # type: ignore[no-untyped-def]
    """Write the receipt, owe it, and write down what became of the submission, in the transaction that is open."""
    submission = outcome.submission
    sha256 = write_receipt(house.outbox, outcome, provider.name, _made_from(house))
    house.ledger.owe(
        connection, lead_provider_id=provider.lead_provider_id, what="receipt", path=receipt_path(submission),
        last_file=LAST_FILE, sha256=sha256, owed_since=now,
    )  # fmt: skip
    counts = {f"rows_{name}": number for name, number in outcome.rows.items()}
    house.ledger.settle(
        connection, submission.submission_id, status=outcome.status, processed_at=outcome.processed_at,
        duplicate_of=outcome.duplicate_of, rule_counts=json.dumps(outcome.rule_counts), next_try_at=None, **counts,
    )  # fmt: skip


def _made_from(house: House) -> dict[str, object]:
    return {
        "rule_set": rule_set(),
        "records_as_of": house.records_as_of,
        "calendar": house.calendar_version,
        "libraries": libraries(),
    }


def _judged(house: House, reader: Reader, submission: SubmissionRow, now: datetime) -> Outcome:
    """Read and judge one file, in the order of rules section 2."""
    if submission.sha256 == UNREAD:
        return Outcome(submission, now, set_aside=UNREADABLE_NOTE)
    failure = refused_unread(
        submission.file_name, why_refused(submission.file_name), submission.size_bytes, submission.sha256,
        submission.expected_sha256, house.limits,
    )  # fmt: skip
    if failure:
        return Outcome(submission, now, failure=failure)
    first = house.ledger.taken_whole(submission)
    kind = KINDS[submission.kind or ""]
    if first and kind.name not in MEMORY:  # what is expected is replaced, never undone
        return Outcome(submission, now, duplicate_of=first.submission_id)
    with _stored(house, submission) as content:
        notes = [] if _ends_well(content) else [OPEN_ENDED]
        try:
            sheet = read_sheet(content, kind, house.limits)
        except FileFailure as failure:
            # Whether a file was cut short matters where it may be why it cannot be read.
            told = notes if failure.code in MAY_BE_CUT_SHORT else []
            return Outcome(submission, now, failure=failure, notes=told)
    snapshot = snapshot_for(reader, kind.name, sheet.values, submission.lead_provider_id)
    today = london_day(submission.received_at)
    whose = Submission(submission.submission_id, submission.lead_provider_id, submission.received_at, today)
    if first is None or sent_back(sheet):
        judgement = judge(sheet, kind, snapshot, whose)
        notes += of_the_whole_file(judgement.changes, judgement.rejected, snapshot)
        return Outcome.of_rows(submission, now, sheet, judgement, notes)
    moved = partnerships_that_stand(reader, first.submission_id)
    stands = still_stands(sheet, kind, snapshot, whose, moved)
    if stands.all():
        return Outcome(submission, now, duplicate_of=first.submission_id)
    causes = undone_since(reader, kind.name, first.submission_id, submission.lead_provider_id)
    sent_first = First(first.submission_id, first.file_name, first.received_at, causes)
    judgement = judge_again(sheet, kind, snapshot, whose, sent_first, stands)
    return Outcome.of_rows(submission, now, sheet, judgement, notes)


def _ends_well(content: BinaryIO) -> bool:
    """Whether a file is empty, or ends with a line end. It is left at its start."""
    size = content.seek(0, os.SEEK_END)
    content.seek(max(0, size - 1))
    last = content.read(1)
    content.seek(0)
    return last in (b"\n", b"\r", b"")


def _stored(house: House, submission: SubmissionRow) -> BinaryIO:
    """The stored upload, open. Raises ExchangeError (UPLOAD-GONE) where it alone is gone; a store that is not there is trouble
    from outside."""
    try:
        return house.stored_upload(submission.sha256).open("rb")
    except FileNotFoundError:
        if not (house.settings.store_folder / "uploads").is_dir():
            raise
    # Not from within the handler: what it is chained to would pass for trouble from outside.
    raise ExchangeError("UPLOAD-GONE", "The stored upload is gone.", "Put it back into the store from a backup.")
