"""One claimed file: judged while nobody waits; then, in one short transaction, its accepted rows applied and its receipt owed."""

import json
import logging
from datetime import datetime

import polars as pl
from sqlalchemy import Connection

from data.applying import apply_changes
from data.tables import metadata
from flows.installation import Installation, LeadProvider
from flows.rounds.answering import Answer, answer
from flows.rounds.receipts import let_go, receipt_path, sweep_unfinished
from schemas.frames import joined
from schemas.inbound.reading import Sheet
from schemas.submission import Outcome, Submission
from templates.receipt import LAST_FILE
from transforms.updates import UPDATES

log = logging.getLogger("ectx.intake")
LONG_BYTES = 16 << 20  # such a file looks up half the records: they are not held in memory beside it
# How often others may change what a file is judged by before they have to wait while it is judged once more.
TIMES_OUTSIDE = 5


class AlreadyJudged(Exception):
    """Somebody else has judged this file meanwhile: there is nothing to do."""


def process(
    installation: Installation, provider: LeadProvider, submission: Submission, as_of: datetime | None
) -> Outcome:
    """Judge a claimed file, apply what is accepted, owe the receipt. Raises AlreadyJudged.

    It is judged by a snapshot of the records, with no lock held. Applied is what was judged, in a transaction that no other
    writer runs beside, if nothing that it was judged by has changed since; or else it is judged again: of a file about
    participants the rows of those for whom it has changed, any other whole. So files of different lead providers come to what
    they would in the order in which they are applied.
    """
    overtaken: set[str] = set()
    answered: Answer | None = None
    try:
        for _ in range(TIMES_OUTSIDE):
            with installation.database.read(is_sparing=_is_long(submission)) as reader:
                answered = answer(installation, provider, reader, submission, as_of, answered)
            if _still_stands(installation, answered) and _apply(installation, provider, answered):
                break
            overtaken.add(answered.receipt)
        else:
            answered = _apply_inside(installation, provider, submission, as_of, answered)
    except FileNotFoundError:
        with installation.database.engine.connect() as connection:  # whoever judged it meanwhile has swept ours away
            _demand_open(installation, connection, submission)
        raise
    sweep_unfinished(installation.outbox, submission.submission_id)
    for receipt in overtaken - {answered.receipt}:
        let_go(installation.outbox, submission.submission_id, receipt)
    log.info("submission %s %s %s", submission.submission_id, answered.outcome.status, answered.outcome.rows)
    return answered.outcome


def _is_long(submission: Submission) -> bool:
    return submission.size_bytes > LONG_BYTES


def _still_stands(installation: Installation, answered: Answer) -> bool:
    """A look before the transaction: what many others did meanwhile is read while nobody waits."""
    with installation.database.read() as reader:
        return answered.stands(reader)


def _apply(installation: Installation, provider: LeadProvider, answered: Answer) -> bool:
    """Apply what was judged outside, unless something that it was judged by has changed. Says whether it is applied."""
    with installation.database.write(is_sparing=_is_long(answered.outcome.submission)) as connection:
        _demand_open(installation, connection, answered.outcome.submission)
        if not answered.stands(installation.database.reader(connection)):
            return False
        _write_down(installation, connection, provider, answered)
    return True


def _apply_inside(
    installation: Installation,
    provider: LeadProvider,
    submission: Submission,
    as_of: datetime | None,
    before: Answer | None,
) -> Answer:
    """Judge what was touched, and apply, while all others wait, so that a large file among many small ones has its turn."""
    with installation.database.write(is_sparing=_is_long(submission)) as connection:
        _demand_open(installation, connection, submission)
        reader = installation.database.reader(connection)
        answered = answer(installation, provider, reader, submission, as_of, before)
        _write_down(installation, connection, provider, answered)
    return answered


def _demand_open(installation: Installation, connection: Connection, submission: Submission) -> None:
    if not installation.submissions.is_open(connection, submission.submission_id):
        raise AlreadyJudged(submission.submission_id)


def _write_down(installation: Installation, connection: Connection, provider: LeadProvider, answered: Answer) -> None:
    database, outcome, judgement = installation.database, answered.outcome, answered.judgement
    if judgement:
        changes = judgement.changes
        happened = _with_lines(changes.events, judgement.sheet)
        apply_changes(database, connection, changes.inserts, changes.updates, happened, outcome.processed_at)
        if rejections := UPDATES[outcome.submission.kind or ""].rejections:
            database.insert(connection, metadata.tables[rejections.table], judgement.rejected)
    promise_receipt(installation, connection, provider, outcome, answered.receipt)
    if outcome.set_aside:
        trouble = "its rights keep us out: it was not kept"
        installation.submissions.settle(connection, outcome.submission.submission_id, trouble=trouble)


def _with_lines(happened: pl.DataFrame, sheet: Sheet) -> pl.DataFrame:
    """Events with the lines of the file that brought them about."""
    if happened.is_empty():
        return happened
    lines = sheet.values.select("row_number", "line_number")
    return joined(happened, lines, "row_number")


def promise_receipt(
    installation: Installation, connection: Connection, provider: LeadProvider, outcome: Outcome, sha256: str
) -> None:
    """Owe the receipt that lies in the outbox, and write down what became of the submission, in the transaction that is open."""
    submission = outcome.submission
    installation.deliveries.owe(
        connection, lead_provider_id=provider.lead_provider_id, what="receipt", path=receipt_path(submission),
        last_file=LAST_FILE, sha256=sha256, owed_since=outcome.processed_at,
    )  # fmt: skip
    counts = {f"rows_{name}": number for name, number in outcome.rows.items()}
    installation.submissions.settle(
        connection, submission.submission_id, status=outcome.status, processed_at=outcome.processed_at,
        duplicate_of=outcome.duplicate_of, rule_counts=json.dumps(outcome.rule_counts), next_try_at=None,
        applied_number=installation.submissions.next_applied(connection), **counts,
    )  # fmt: skip
