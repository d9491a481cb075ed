"""One round of intake: look, take, claim, read, judge, apply, deliver, for one mailbox after another.

Every step can be cut at any instant: the next round finds what was taken, judged or owed, and carries on.
"""

import hashlib
import json
import logging
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from data.applying import apply_changes
from data.database import Reader, is_from_outside
from data.ledger import SubmissionRow
from data.snapshots import snapshot_for
from data.tables import rejected_declarations
from flows.clock import london_day
from flows.delivery import deliver_owed
from flows.house import House, LeadProvider
from flows.receipts import LAST_FILE, Outcome, received, rule_set, write_receipt
from flows.rendering import as_json
from schemas.files import KINDS, kind_of, nearest_kind
from schemas.reading import FileFailure, read_sheet, too_large
from sftp.mailbox import SIDECAR, Arrival, Mailbox, MailboxError
from sftp.names import why_refused
from transforms.changes import Submission
from transforms.judging import judge

log = logging.getLogger("ectx.intake")
OPEN_ENDED = (
    "The file does not end with a line end. If its upload may have been cut short, check that the last row is whole."
)


@dataclass
class IntakeRound:
    """What one round did, for operators: ids, counts and codes, nothing personal."""

    outcomes: list[Outcome] = field(default_factory=list)
    delivered: int = 0
    troubles: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)  # mailboxes that somebody else is at; their files are theirs to judge
    stopped: set[str] = field(default_factory=set)  # mailboxes whose files wait: disk, database or carrier failed


def plainly(name: str, act: Callable[[], Any]) -> None:
    """Do one mailbox's work here and now. flows.deployed makes a Prefect task of it instead."""
    act()


def intake_round(
    house: House, now: datetime, do: Callable[[str, Callable[[], Any]], None] = plainly, patience: float = 0.0
) -> IntakeRound:
    """Take and process every waiting file of every mailbox once. patience: seconds to wait for who is at a mailbox."""
    done = IntakeRound()
    providers = house.lead_providers()
    arrivals = _settled_arrivals(house, providers, done)
    for provider in providers:
        own = arrivals.get(provider.slug, [])
        if own or _left_over(house, provider, done):
            try:
                do(provider.slug, partial(_in_turn, house, provider, own, now, done, patience))
            except Exception as error:  # one mailbox's trouble is not another's
                _log_trouble(f"mailbox {provider.slug}", error)
                if is_from_outside(error):
                    done.stopped.add(provider.slug)
                done.troubles.append(f"{provider.slug}: {type(error).__name__}; it will be tried again next round")
    done.troubles += _strangers(house, providers)
    return done


def _left_over(house: House, provider: LeadProvider, done: IntakeRound) -> bool:
    """Whether an earlier round was cut off before it was through with this mailbox."""
    try:
        taken = house.mailbox(provider.slug).taken()
    except MailboxError:
        return False  # the look has said so already
    owner = provider.lead_provider_id
    ledger = house.ledger
    return bool(taken or ledger.waiting(owner) or ledger.owed(owner) or ledger.any_unremoved(owner))


def _strangers(house: House, providers: list[LeadProvider]) -> list[str]:
    """Mailboxes with files in them that belong to no lead provider in the records (rule FILE-003)."""
    folder, known = house.settings.mailboxes_folder, {provider.slug for provider in providers}
    if folder is None or not folder.is_dir():
        return []
    others = [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name not in known]
    waiting = [(path.name, len(house.mailbox(path.name).look())) for path in others]
    return [
        f"{name}: FILE-003, {files} files wait in a mailbox of no lead provider" for name, files in waiting if files
    ]


def _settled_arrivals(house: House, providers: list[LeadProvider], done: IntakeRound) -> dict[str, list[Arrival]]:
    """Look at every mailbox twice, with one wait between for all of them; a file without a last line end a third time."""
    first = {provider.slug: _look(house, provider.slug, done) for provider in providers}
    if not any(first.values()):
        return {}
    time.sleep(house.settings.seconds_between_looks)
    second = {name: [a for a in _look(house, name, done) if a in seen] for name, seen in first.items() if seen}
    open_ended = {
        (name, a.name)
        for name, seen in second.items()
        for a in seen
        if not a.is_sidecar and not _ends_well(house, name, a)
    }
    if not open_ended:
        return second
    time.sleep(house.settings.seconds_between_looks)
    third = {name: _look(house, name, done) for name in {name for name, _ in open_ended}}
    return {
        name: [a for a in seen if (name, a.name) not in open_ended or a in third[name]] for name, seen in second.items()
    }


def _look(house: House, name: str, done: IntakeRound) -> list[Arrival]:
    try:
        return house.mailbox(name).look()
    except MailboxError as error:
        done.troubles.append(f"{name}: {error}")
        return []


def _ends_well(house: House, name: str, arrival: Arrival) -> bool:
    try:
        return house.mailbox(name).last_byte(arrival) in (b"\n", b"\r", b"")
    except MailboxError:
        return False


def _in_turn(
    house: House, provider: LeadProvider, arrivals: list[Arrival], now: datetime, done: IntakeRound, patience: float
) -> None:
    """One mailbox's work, unless somebody else is at it."""
    with house.database.only_one(f"mailbox-{provider.slug}", patience) as ours:
        if not ours:
            done.busy.append(provider.slug)
            return
        try:
            mailbox = house.mailbox(provider.slug)
            done.delivered += deliver_owed(house, provider, mailbox, now)
            for arrival in mailbox.taken():
                _claim(house, provider, mailbox, arrival, now)
            house.ledger.all_removed(provider.lead_provider_id)  # whoever discarded them may not have lived to say so
            for arrival in _complete(house, provider, arrivals):
                if mailbox.take(arrival):
                    _claim(house, provider, mailbox, arrival, now)
            for submission in house.ledger.waiting(provider.lead_provider_id):
                if not _process_safely(house, provider, submission, now, done):
                    done.stopped.add(provider.slug)
                    break
            done.delivered += deliver_owed(house, provider, mailbox, now)
        except MailboxError as error:
            log.warning("mailbox %s: %s", provider.slug, error)
            done.troubles.append(f"{provider.slug}: {error}")
            if house.ledger.waiting(provider.lead_provider_id):
                done.stopped.add(provider.slug)


def _complete(house: House, provider: LeadProvider, arrivals: list[Arrival]) -> list[Arrival]:
    """Arrivals in order, each after its checksum; those whose checksum is wanted and missing are left to wait."""
    sidecars = {a.name.lower(): a for a in arrivals if a.is_sidecar}
    always = house.accounts.wants_checksums(provider.slug)
    ready: list[Arrival] = []
    for arrival in arrivals:
        sidecar = sidecars.get(arrival.name.lower() + SIDECAR)
        if arrival.is_sidecar or (always and sidecar is None):
            continue
        ready += [sidecar, arrival] if sidecar else [arrival]
    return ready


def _claim(house: House, provider: LeadProvider, mailbox: Mailbox, arrival: Arrival, now: datetime) -> None:
    """Keep a taken file's bytes, write it down, tell its sender, and only then let go of it."""
    if arrival.is_sidecar:
        return  # it is claimed with its file
    sha256, size = house.store_upload(mailbox.read(arrival))
    submission = house.ledger.unremoved(provider.lead_provider_id, arrival.identity, sha256)
    sidecar = next((a for a in mailbox.taken() if a.name.lower() == arrival.name.lower() + SIDECAR), None)
    if submission is None:
        expected = b"".join(mailbox.read(sidecar)).split() if sidecar else []
        told = expected[0].decode("ascii", "replace")[:64].lower() if expected else "nothing" if sidecar else None
        submission = replace(_submission(house, provider, arrival, sha256, size, now), expected_sha256=told)
        house.ledger.claim(submission)
    mailbox.put(f"{_receipt_path(submission)}/received.json", as_json(received(submission)))
    for finished in (arrival, sidecar):
        if finished:
            mailbox.discard(finished)
    house.ledger.removed(submission.submission_id)


def _receipt_path(submission: SubmissionRow) -> str:
    return f"from-dfe/receipts/{submission.submission_id}"


def _submission(
    house: House, provider: LeadProvider, arrival: Arrival, sha256: str, size: int, now: datetime
) -> SubmissionRow:
    kind = kind_of(arrival.name)
    stamp, name = now.strftime("%Y%m%dT%H%M%SZ"), kind.name if kind else "unknown"
    for attempt in range(1000):
        text = f"{provider.lead_provider_id}|{arrival.identity}|{sha256}|{attempt}"
        submission_id = f"{stamp}-{name}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
        if not house.ledger.exists(submission_id):
            break
    return SubmissionRow(
        submission_id, provider.lead_provider_id, kind.name if kind else None, arrival.name, size, sha256,
        arrival.identity, now,
    )  # fmt: skip


def _process_safely(
    house: House, provider: LeadProvider, submission: SubmissionRow, now: datetime, done: IntakeRound
) -> bool:
    """Process a file; whether the next one may follow.

    A fault of ours with one file does not stop another. A full disk or a lost database does: files count in the order
    in which they came, a void after its declaration, so none is judged before one that has to be tried again.
    """
    try:
        done.outcomes.append(process(house, provider, submission, now))
    except MailboxError:
        raise
    except Exception as error:
        _log_trouble(f"submission {submission.submission_id}", error)
        done.troubles.append(f"{submission.submission_id}: {type(error).__name__}; it will be tried again next round")
        return not is_from_outside(error)
    return True


def _log_trouble(what: str, error: Exception) -> None:
    """The trace without its message: what an error says of a file may be personal."""
    log.error("%s failed: %s\n%s", what, type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))


def process(house: House, provider: LeadProvider, submission: SubmissionRow, now: datetime) -> Outcome:
    """Judge a claimed file, apply what is accepted, owe the receipt: one transaction."""
    folder, path = house.outbox / submission.submission_id, _receipt_path(submission)
    with house.database.write() as connection:
        outcome = _judged(house, house.database.reader(connection), submission, now)
        if outcome.judgement:
            changes = outcome.judgement.changes
            apply_changes(house.database, connection, changes.inserts, changes.updates, changes.events, now)
            house.database.insert(connection, rejected_declarations, outcome.judgement.rejected)
        sha256 = write_receipt(folder, outcome, provider.name, _made_from(house))
        house.ledger.owe(
            connection, lead_provider_id=provider.lead_provider_id, what="receipt", path=path, last_file=LAST_FILE,
            sha256=sha256, owed_since=now,
        )  # fmt: skip
        counts = {f"rows_{name}": number for name, number in outcome.rows.items()}
        house.ledger.settle(
            connection, submission.submission_id, status=outcome.status, processed_at=outcome.processed_at,
            duplicate_of=outcome.duplicate_of, rule_counts=json.dumps(outcome.rule_counts), **counts,
        )  # fmt: skip
    log.info("submission %s %s %s", submission.submission_id, outcome.status, outcome.rows)
    return outcome.without_rows()


def _made_from(house: House) -> dict[str, str | None]:
    return {
        "rule_set": rule_set(),
        "records_as_of": house.records_as_of,
        "calendar": house.calendar_version,
    }


def _judged(house: House, reader: Reader, submission: SubmissionRow, now: datetime) -> Outcome:
    """Read and judge one file, in the order of rules section 2."""
    failure = _refused_unread(house, submission)
    if failure:
        return Outcome(submission, now, failure=failure)
    first = house.ledger.taken_whole(submission)
    if first:
        return Outcome(submission, now, duplicate_of=first)
    kind = KINDS[submission.kind or ""]
    content = house.stored_upload(submission.sha256).read_bytes()
    notes = [OPEN_ENDED] if content and content[-1:] not in (b"\n", b"\r") else []
    try:
        sheet = read_sheet(content, kind, house.limits)
    except FileFailure as failure:
        return Outcome(submission, now, failure=failure, notes=notes)
    snapshot = snapshot_for(reader, kind.name, sheet.values, submission.lead_provider_id)
    today = london_day(submission.received_at)
    whose = Submission(submission.submission_id, submission.lead_provider_id, submission.received_at, today)
    judgement = judge(sheet, kind, snapshot, whose)
    return Outcome.of_rows(submission, now, sheet, judgement, notes)


def _refused_unread(house: House, submission: SubmissionRow) -> FileFailure | None:
    """FILE-001, FILE-015, FILE-005 by size: what the name, the checksum and the size say."""
    if why := why_refused(submission.file_name):  # our own server refuses such an upload; others may not
        return FileFailure("FILE-001", why, "Give the file a plain name, like declarations.csv, and send it again.")
    kind = KINDS.get(submission.kind or "")
    if kind is None:
        near = nearest_kind(submission.file_name)
        return FileFailure(
            "FILE-001",
            "The file's name does not begin with a kind of file that we know, or does not end in .csv.",
            f"Name it as the guidance shows; the nearest kind is {near}: {near}.csv or {near}-anything.csv.",
        )
    if submission.expected_sha256 and submission.expected_sha256 != submission.sha256:
        return FileFailure(
            "FILE-015",
            "The checksum that lies beside the file does not agree with it.",
            "The upload was cut short or changed on the way: send the file and its checksum again.",
        )
    return too_large(submission.size_bytes, house.limits)
