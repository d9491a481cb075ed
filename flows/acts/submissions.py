"""`ectx submission`: files that wait to be judged, or could not be, for people: seen, tried again, put aside."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from data.ledger import CLAIMED, SET_ASIDE, SubmissionRow
from flows.clock import to_the_second
from flows.errors import ExchangeError
from flows.installation import House, LeadProvider
from flows.rounds.delivery import deliver_owed
from flows.rounds.intake import judge_waiting_of
from flows.rounds.trying import PUT_ASIDE, STAFF, TRIED_AGAIN, retry, set_aside
from sftp.mailbox import MailboxError

PATIENCE_SECONDS = 60
_DONE = {PUT_ASIDE: "put aside", TRIED_AGAIN: "tried again"}


def listed(house: House) -> list[str]:
    """A line a submission that waits or is put aside: id, lead provider, status, since when, tries that failed."""
    slugs = {each.lead_provider_id: each.slug for each in house.lead_providers()}
    return [
        f"{each.submission_id}\t{slugs.get(each.lead_provider_id, each.lead_provider_id)}\t{_status(each)}\t"
        f"received {to_the_second(each.received_at)}\t{_tries(each)}"
        for each in house.ledger.unsettled()
    ]


def shown(house: House, submission_id: str) -> list[str]:
    """What is known of a submission. No file name: it may name a person."""
    submission = _known(house, submission_id)
    lines = [
        f"submission   {submission.submission_id}",
        f"provider     {house.lead_provider(submission.lead_provider_id).slug}",
        f"kind         {submission.kind or 'unknown'}",
        f"size         {submission.size_bytes:,} bytes",
        f"sha256       {submission.sha256}",
        f"received     {to_the_second(submission.received_at)}",
        f"status       {_status(submission)}",
        f"tries        {_tries(submission)}",
        f"upload       {'kept' if house.stored_upload(submission.sha256).is_file() else 'not in the store'}",
    ]
    for at, kind, author, reason in house.ledger.events_of_submission(submission.submission_id, tuple(_DONE)):
        lines.append(f"{to_the_second(at)} {_DONE[kind]} by {author}" + (f": {reason}" if reason else ""))
    return lines


def tried_again(house: House, submission_id: str, as_of: datetime | None) -> str:
    """Judge it now, and whatever waited behind it. Returns what came of it. Raises ExchangeError."""
    with _held(house, submission_id) as (submission, provider):
        first = house.ledger.waiting(provider.lead_provider_id)[:1]
        if submission.status == CLAIMED and first[0].submission_id != submission_id:
            raise ExchangeError(
                "NOT-ITS-TURN",
                f"{submission_id} waits behind {first[0].submission_id}.",
                "Files of a mailbox keep their order.",
            )
        outcome = retry(house, provider, submission, as_of)
        behind = _go_on(house, provider, as_of)
    rows = outcome.rows
    return (
        f"{submission_id}: {outcome.status}, {rows['accepted']:,} of {rows['total']:,} rows accepted, "
        f"as of {to_the_second(submission.received_at)}{behind}"
    )


def put_aside(house: House, submission_id: str, reason: str, as_of: datetime | None) -> str:
    """Put it aside, and let what waited behind it go on. Returns what was done. Raises ExchangeError."""
    if not reason.strip():
        raise ExchangeError("NO-REASON", "The reason is blank.", "Say why; it is kept in the audit trail.")
    with _held(house, submission_id) as (submission, provider):
        if submission.status == SET_ASIDE:
            raise ExchangeError(
                "ASIDE", f"{submission_id} is put aside already.", "`ectx submission retry` has it judged."
            )
        set_aside(house, provider, submission, reason.strip(), house.now(as_of), STAFF)
        behind = _go_on(house, provider, as_of)
    return f"{submission_id} is put aside; its sender is told{behind}"


def _go_on(house: House, provider: LeadProvider, as_of: datetime | None) -> str:
    """What waited behind goes on. Returns what went wrong with it, in words to be added."""
    done = judge_waiting_of(house, provider, as_of)
    try:
        deliver_owed(house, provider, house.mailbox(provider.slug), house.now(as_of))
    except MailboxError as error:
        done.troubles.append(f"{provider.slug}: {error}")
    return "".join(f"\n{line}" for line in (*done.troubles, *done.waits))


@contextmanager
def _held(house: House, submission_id: str) -> Iterator[tuple[SubmissionRow, LeadProvider]]:
    """A submission that is not judged, and its provider, whose mailbox is held."""
    provider = house.lead_provider(_known(house, submission_id).lead_provider_id)
    with house.database.only_one(f"mailbox-{provider.slug}", PATIENCE_SECONDS) as ours:
        if not ours:
            raise ExchangeError("BUSY", "A round is at this mailbox.", "Try again in a minute.")
        submission = _known(house, submission_id)
        if submission.status not in (CLAIMED, SET_ASIDE):
            raise ExchangeError(
                "JUDGED", f"{submission_id} has been judged: {submission.status}.", "There is nothing to do."
            )
        yield submission, provider


def _known(house: House, submission_id: str) -> SubmissionRow:
    submission = house.ledger.submission(submission_id)
    if submission is None:
        raise ExchangeError(
            "NO-SUBMISSION",
            "There is no such submission.",
            "Copy the id from `ectx submission list`, or from a receipt.",
        )
    return submission


def _status(submission: SubmissionRow) -> str:
    return "waits" if submission.status == CLAIMED else submission.status


def _tries(submission: SubmissionRow) -> str:
    if not submission.failures and not submission.trouble:
        return "none failed"
    if not submission.failures:  # put aside by a person, whose reason is the trouble
        return f"none failed: {submission.trouble}"
    next_try = f", next at {to_the_second(submission.next_try_at)}" if submission.next_try_at else ""
    return f"{submission.failures} failed{next_try}: {submission.trouble}"
