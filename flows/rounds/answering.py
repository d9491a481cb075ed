"""What a file is answered, by the records as one reader sees them: read, judged, its receipt written. Nothing is changed, and
nobody is kept waiting."""

import os
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from data.reader import Reader
from data.repeats import partnerships_that_stand, undone_since
from data.since import JudgedBy, judged_by, moment_of
from data.snapshots import snapshot_for
from flows.errors import ExchangeError
from flows.installation import Installation, LeadProvider
from flows.rounds.practised import asked_of
from flows.rounds.receipts import UNREADABLE_NOTE, write_receipt
from flows.stamps import libraries, rule_set
from schemas.inbound.failure import FileFailure
from schemas.inbound.practised import FILE, done_by
from schemas.inbound.reading import Sheet, read_sheet
from schemas.inbound.unread import refused_unread
from schemas.kinds import KINDS
from schemas.kinds.kind import Kind
from schemas.needs import Snapshot
from schemas.submission import UNREAD, Outcome, Submission
from sftp.server.names import why_refused
from transforms.anew import judge_anew, whose_rows
from transforms.changes import Act, act_of_file
from transforms.judging import Judgement, judge
from transforms.receipts import outcome_counts
from transforms.repeats import First, judge_again, sent_back, still_stands
from transforms.updates import UPDATES

OPEN_ENDED = (
    "The file does not end with a line end. If its upload may have been cut short, check that the last row is whole."
)
MAY_BE_CUT_SHORT = ("FILE-004", "FILE-006", "FILE-007")


@dataclass(frozen=True)
class Answer:
    """What became of a file, if nothing that it was judged by (`by`; None: no record) changes before it is applied.

    is_first: whether all its rows were judged as new ones. receipt: the SHA-256 of the receipt.json that lies in the outbox.
    """

    outcome: Outcome
    judgement: Judgement | None
    by: JudgedBy | None
    is_first: bool
    receipt: str

    def stands(self, reader: Reader) -> bool:
        return self.by is None or self.by.changed(reader) == {}


def answer(
    installation: Installation,
    provider: LeadProvider,
    reader: Reader,
    submission: Submission,
    as_of: datetime | None,
    before: Answer | None = None,
) -> Answer:
    """Judge a file as at the instant at which it was received. as_of: of a rehearsal or a replay, at which it is processed.
    before: its answer by the records as they were, of which those rows that others have touched since are judged again."""
    moment = moment_of(reader)
    installation.know_load(moment.loads)
    # After all that it is judged by was committed, and before it is itself. (The order of applying is `applied_number`.)
    now = installation.now(as_of)
    judged = _judged(installation, reader, submission, now, before)
    by = judged_by(moment, judged.by) if judged.by else None
    receipt = receipt_of(installation, provider, judged.outcome, judged.judgement)
    return Answer(judged.outcome, judged.judgement, by, judged.is_first, receipt)


def receipt_of(
    installation: Installation, provider: LeadProvider, outcome: Outcome, judgement: Judgement | None
) -> str:
    """Write the receipt into the outbox. Returns the SHA-256 of its receipt.json."""
    made_from = {
        "rule_set": rule_set(installation.service_home),
        "records_as_of": installation.records_as_of,
        "calendar": installation.calendar_version,
        "libraries": libraries(),
    }
    return write_receipt(installation.outbox, outcome, judgement, provider.name, made_from)


@dataclass(frozen=True)
class _Judged:
    """What became of a file. by: the records that it was judged by, if by any."""

    outcome: Outcome
    judgement: Judgement | None = None
    by: Snapshot | None = None
    is_first: bool = False


def _judged(
    installation: Installation, reader: Reader, submission: Submission, now: datetime, before: Answer | None
) -> _Judged:
    """Read and judge one file: first what needs no reading, then as a table, then row by row."""
    if submission.sha256 == UNREAD:
        return _Judged(Outcome(submission, now, set_aside=UNREADABLE_NOTE))
    asked = asked_of(installation, submission) if installation.is_practice else None
    if asked and (asked.failure or asked.act != FILE):
        return _Judged(Outcome(submission, now, asked.failure, done="" if asked.failure else done_by(asked)))
    failure = refused_unread(
        asked.name if asked else submission.file_name, why_refused(submission.file_name), submission.size_bytes, submission.sha256,
        submission.expected_sha256, installation.limits,
    )  # fmt: skip
    if failure:
        return _Judged(Outcome(submission, now, failure=failure))
    kind = KINDS[submission.kind or ""]
    first = (
        None
        if kind.is_judged_anew
        else installation.submissions.taken_whole(submission, is_replaced=kind.memory is None)
    )
    if first and kind.memory is None:  # it is replaced, never undone
        return _Judged(Outcome(submission, now, duplicate_of=first.submission_id))
    with _stored(installation, submission) as content:
        notes = [] if _ends_well(content) else [OPEN_ENDED]
        try:
            sheet = read_sheet(content, kind, installation.limits)
        except FileFailure as failure:
            # Whether a file was cut short matters where it may be why it cannot be read.
            said = notes if failure.code in MAY_BE_CUT_SHORT else []
            return _Judged(Outcome(submission, now, failure=failure, notes=said))
    owner = submission.lead_provider_id
    snapshot = snapshot_for(reader, kind.needs, sheet.values, owner)
    act = act_of_file(submission.submission_id, owner, submission.received_at)
    if first is None or kind.memory is None or sent_back(sheet):
        judgement = _judged_by_rows(reader, sheet, kind, snapshot, act, None if first else before)
        notes += UPDATES[kind.name].of_the_file(judgement.changes, judgement.rejected, snapshot)
        return _Judged(_outcome(submission, now, judgement, notes), judgement, snapshot, is_first=first is None)
    moved = partnerships_that_stand(reader, first.submission_id)
    stands = still_stands(sheet, kind, snapshot, act, moved)
    if stands.all():
        return _Judged(Outcome(submission, now, duplicate_of=first.submission_id), by=snapshot)
    causes = undone_since(reader, kind.memory, first.submission_id, owner)
    sent_first = First(first.submission_id, first.file_name, first.received_at, causes)
    judgement = judge_again(sheet, kind, snapshot, act, sent_first, stands)
    return _Judged(_outcome(submission, now, judgement, notes), judgement, snapshot)


def _judged_by_rows(
    reader: Reader, sheet: Sheet, kind: Kind, snapshot: Snapshot, act: Act, before: Answer | None
) -> Judgement:
    """Every row; or, of a file that was judged before, those of whoever was touched since, from their first."""
    if before and before.is_first and before.by and before.judgement:  # is_first has both
        changed = before.by.changed(reader)
        owners = None if changed is None else whose_rows(kind, changed, snapshot)
        if owners is not None:
            return judge_anew(before.judgement, kind, snapshot, act, owners)
    return judge(sheet, kind, snapshot, act)


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
