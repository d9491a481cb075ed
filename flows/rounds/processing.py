"""One claimed file: read, judged, its accepted rows applied and its receipt owed, in one transaction."""

import json
import logging
import os
from datetime import datetime
from typing import BinaryIO

import polars as pl
from sqlalchemy import Connection

from data.applying import apply_changes
from data.reader import Reader
from data.repeats import partnerships_that_stand, undone_since
from data.snapshots import snapshot_for
from data.tables import metadata
from flows.errors import ExchangeError
from flows.installation import Installation, LeadProvider
from flows.rounds.practised import asked_of
from flows.rounds.receipts import UNREADABLE_NOTE, receipt_path, write_receipt
from flows.stamps import libraries, rule_set
from schemas.frames import joined
from schemas.inbound.failure import FileFailure
from schemas.inbound.practised import FILE, done_by
from schemas.inbound.reading import Sheet, read_sheet
from schemas.inbound.unread import refused_unread
from schemas.kinds import KINDS
from schemas.submission import UNREAD, Outcome, Submission
from sftp.server.names import why_refused
from templates.receipt import LAST_FILE
from transforms.changes import act_of_file
from transforms.judging import Judgement, judge
from transforms.receipts import outcome_counts
from transforms.repeats import First, judge_again, sent_back, still_stands
from transforms.updates import UPDATES

log = logging.getLogger("ectx.intake")
OPEN_ENDED = (
    "The file does not end with a line end. If its upload may have been cut short, check that the last row is whole."
)
MAY_BE_CUT_SHORT = ("FILE-004", "FILE-006", "FILE-007")


class AlreadyJudged(Exception):
    """Somebody else has judged this file meanwhile: there is nothing to do."""


def process(installation: Installation, provider: LeadProvider, submission: Submission, now: datetime) -> Outcome:
    """Judge a claimed file, apply what is accepted, owe the receipt: one transaction. Raises AlreadyJudged."""
    database = installation.database
    with database.write() as connection:
        if not installation.submissions.is_open(connection, submission.submission_id):
            raise AlreadyJudged(submission.submission_id)
        outcome, judgement = _judged(installation, database.reader(connection), submission, now)
        if judgement:
            changes = judgement.changes
            happened = _with_lines(changes.events, judgement.sheet)
            apply_changes(database, connection, changes.inserts, changes.updates, happened, now)
            if rejections := UPDATES[submission.kind or ""].rejections:
                database.insert(connection, metadata.tables[rejections.table], judgement.rejected)
        promise_receipt(installation, connection, provider, outcome, judgement, now)
        if outcome.set_aside:
            trouble = "its rights keep us out: it was not kept"
            installation.submissions.settle(connection, submission.submission_id, trouble=trouble)
    log.info("submission %s %s %s", submission.submission_id, outcome.status, outcome.rows)
    return outcome


def _with_lines(happened: pl.DataFrame, sheet: Sheet) -> pl.DataFrame:
    """Events with the lines of the file that brought them about."""
    if happened.is_empty():
        return happened
    lines = sheet.values.select("row_number", "line_number")
    return joined(happened, lines, "row_number")


def promise_receipt(
    installation: Installation,
    connection: Connection,
    provider: LeadProvider,
    outcome: Outcome,
    judgement: Judgement | None,
    now: datetime,
) -> None:
    """Write the receipt, owe it, and write down what became of the submission, in the transaction that is open."""
    submission = outcome.submission
    sha256 = write_receipt(installation.outbox, outcome, judgement, provider.name, _made_from(installation))
    installation.deliveries.owe(
        connection, lead_provider_id=provider.lead_provider_id, what="receipt", path=receipt_path(submission),
        last_file=LAST_FILE, sha256=sha256, owed_since=now,
    )  # fmt: skip
    counts = {f"rows_{name}": number for name, number in outcome.rows.items()}
    installation.submissions.settle(
        connection, submission.submission_id, status=outcome.status, processed_at=outcome.processed_at,
        duplicate_of=outcome.duplicate_of, rule_counts=json.dumps(outcome.rule_counts), next_try_at=None, **counts,
    )  # fmt: skip


def _made_from(installation: Installation) -> dict[str, object]:
    return {
        "rule_set": rule_set(),
        "records_as_of": installation.records_as_of,
        "calendar": installation.calendar_version,
        "libraries": libraries(),
    }


def _judged(
    installation: Installation, reader: Reader, submission: Submission, now: datetime
) -> tuple[Outcome, Judgement | None]:
    """Read and judge one file: first what needs no reading, then as a table, then row by row."""
    if submission.sha256 == UNREAD:
        return Outcome(submission, now, set_aside=UNREADABLE_NOTE), None
    asked = asked_of(installation, submission) if installation.is_practice else None
    if asked and (asked.failure or asked.act != FILE):
        return Outcome(submission, now, asked.failure, done="" if asked.failure else done_by(asked)), None
    failure = refused_unread(
        asked.name if asked else submission.file_name, why_refused(submission.file_name), submission.size_bytes, submission.sha256,
        submission.expected_sha256, installation.limits,
    )  # fmt: skip
    if failure:
        return Outcome(submission, now, failure=failure), None
    kind = KINDS[submission.kind or ""]
    first = (
        None
        if kind.is_judged_anew
        else installation.submissions.taken_whole(submission, is_replaced=kind.memory is None)
    )
    if first and kind.memory is None:  # it is replaced, never undone
        return Outcome(submission, now, duplicate_of=first.submission_id), None
    with _stored(installation, submission) as content:
        notes = [] if _ends_well(content) else [OPEN_ENDED]
        try:
            sheet = read_sheet(content, kind, installation.limits)
        except FileFailure as failure:
            # Whether a file was cut short matters where it may be why it cannot be read.
            said = notes if failure.code in MAY_BE_CUT_SHORT else []
            return Outcome(submission, now, failure=failure, notes=said), None
    owner = submission.lead_provider_id
    snapshot = snapshot_for(reader, kind.needs, sheet.values, owner)
    act = act_of_file(submission.submission_id, owner, submission.received_at)
    if first is None or kind.memory is None or sent_back(sheet):
        judgement = judge(sheet, kind, snapshot, act)
        notes += UPDATES[kind.name].of_the_file(judgement.changes, judgement.rejected, snapshot)
        return _outcome(submission, now, judgement, notes), judgement
    moved = partnerships_that_stand(reader, first.submission_id)
    stands = still_stands(sheet, kind, snapshot, act, moved)
    if stands.all():
        return Outcome(submission, now, duplicate_of=first.submission_id), None
    causes = undone_since(reader, kind.memory, first.submission_id, owner)
    sent_first = First(first.submission_id, first.file_name, first.received_at, causes)
    judgement = judge_again(sheet, kind, snapshot, act, sent_first, stands)
    return _outcome(submission, now, judgement, notes), judgement


def _outcome(submission: Submission, now: datetime, judgement: Judgement, notes: list[str]) -> Outcome:
    return Outcome(
        submission,
        now,
        notes=[*judgement.sheet.notes, *notes],
        rows=outcome_counts(judgement.verdicts),
        rule_counts=dict(sorted(judgement.found.by_code.items())),
    )


def _ends_well(content: BinaryIO) -> bool:
    """Whether a file is empty, or ends with a line end. It is left at its start."""
    size = content.seek(0, os.SEEK_END)
    content.seek(max(0, size - 1))
    last = content.read(1)
    content.seek(0)
    return last in (b"\n", b"\r", b"")


def _stored(installation: Installation, submission: Submission) -> BinaryIO:
    """The stored upload, open. Raises ExchangeError (UPLOAD-GONE) where it alone is gone; a store that is not there is trouble
    from outside."""
    try:
        return installation.stored_upload(submission.sha256).open("rb")
    except FileNotFoundError:
        if not (installation.settings.store_folder / "uploads").is_dir():
            raise
    # Not from within the handler: what it is chained to would pass for trouble from outside.
    raise ExchangeError("UPLOAD-GONE", "The stored upload is gone.", "Put it back into the store from a backup.")
