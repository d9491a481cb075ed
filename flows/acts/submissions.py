"""`ectx submission`: files that wait to be judged, or could not be, for people: seen, tried again, put aside."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from flows.clock import to_the_second
from flows.errors import ExchangeError
from flows.installation import Installation, LeadProvider
from flows.rounds.delivery import deliver_owed
from flows.rounds.practised import asked_of
from flows.rounds.trying import retry, set_aside
from flows.rounds.turn import judge_waiting_of
from schemas.events import DFE_STAFF, SUBMISSION_RETRIED, SUBMISSION_SET_ASIDE
from schemas.inbound.practised import FILE
from schemas.submission import CLAIMED, SET_ASIDE, Submission
from sftp.mailbox import MailboxError

PATIENCE_SECONDS = 60
_DONE = {SUBMISSION_SET_ASIDE: "put aside", SUBMISSION_RETRIED: "tried again"}


def listed(installation: Installation) -> list[str]:
    """A line a submission that waits or is put aside: id, lead provider, status, since when, tries that failed."""
    slugs = {each.lead_provider_id: each.slug for each in installation.lead_providers()}
    return [
        f"{each.submission_id}\t{slugs.get(each.lead_provider_id, each.lead_provider_id)}\t{_status(each)}\t"
        f"received {to_the_second(each.received_at)}\t{_tries(each)}"
        for each in installation.submissions.unsettled()
    ]


def shown(installation: Installation, submission_id: str) -> list[str]:
    """What is known of a submission. No file name: it may name a person."""
    submission = _known(installation, submission_id)
    lines = [
        f"submission   {submission.submission_id}",
        f"provider     {installation.lead_provider(submission.lead_provider_id).slug}",
        f"kind         {submission.kind or 'unknown'}",
        f"size         {submission.size_bytes:,} bytes",
        f"sha256       {submission.sha256}",
        f"received     {to_the_second(submission.received_at)}",
        f"status       {_status(submission)}",
        f"tries        {_tries(submission)}",
        f"upload       {'kept' if installation.stored_upload(submission.sha256).is_file() else 'not in the store'}",
    ]
    for at, kind, author, reason in installation.submissions.events_of(submission.submission_id, tuple(_DONE)):
        lines.append(f"{to_the_second(at)} {_DONE[kind]} by {author}" + (f": {reason}" if reason else ""))
    return lines


def tried_again(installation: Installation, submission_id: str, as_of: datetime | None) -> str:
    """Judge it now, and whatever waited behind it. Returns what came of it. Raises ExchangeError."""
    with _held(installation, submission_id) as (submission, provider):
        first = installation.submissions.waiting(provider.lead_provider_id)[:1]
        if submission.status == CLAIMED and first[0].submission_id != submission_id:
            raise ExchangeError(
                "NOT-ITS-TURN",
                f"{submission_id} waits behind {first[0].submission_id}.",
                "Files of a mailbox keep their order.",
            )
        if installation.is_practice and asked_of(installation, submission).act != FILE:
            raise ExchangeError(
                "SEND-AGAIN", f"{submission_id} does something by being received.", "It has to be sent again."
            )
        outcome = retry(installation, provider, submission, as_of)
        behind = _go_on(installation, provider, as_of)
    rows = outcome.rows
    return (
        f"{submission_id}: {outcome.status}, {rows['accepted']:,} of {rows['total']:,} rows accepted, "
        f"as of {to_the_second(submission.received_at)}{behind}"
    )


def put_aside(installation: Installation, submission_id: str, reason: str, as_of: datetime | None) -> str:
    """Put it aside, and let what waited behind it go on. Returns what was done. Raises ExchangeError."""
    if not reason.strip():
        raise ExchangeError("NO-REASON", "The reason is blank.", "Say why; it is kept in the audit trail.")
    with _held(installation, submission_id) as (submission, provider):
        if submission.status == SET_ASIDE:
            raise ExchangeError(
                "ASIDE", f"{submission_id} is put aside already.", "`ectx submission retry` has it judged."
            )
        set_aside(installation, provider, submission, reason.strip(), installation.now(as_of), DFE_STAFF)
        behind = _go_on(installation, provider, as_of)
    return f"{submission_id} is put aside; its sender is told{behind}"


def _go_on(installation: Installation, provider: LeadProvider, as_of: datetime | None) -> str:
    """What waited behind goes on. Returns what went wrong with it, in words to be added."""
    done = judge_waiting_of(installation, provider, as_of)
    try:
        deliver_owed(installation, provider, installation.mailbox(provider.slug), installation.now(as_of))
    except MailboxError as error:
        done.troubles.append(f"{provider.slug}: {error}")
    return "".join(f"\n{line}" for line in (*done.troubles, *done.waits))


@contextmanager
def _held(installation: Installation, submission_id: str) -> Iterator[tuple[Submission, LeadProvider]]:
    """A submission that is not judged, and its provider, whose mailbox is held."""
    provider = installation.lead_provider(_known(installation, submission_id).lead_provider_id)
    with installation.database.only_one(f"mailbox-{provider.slug}", PATIENCE_SECONDS) as ours:
        if not ours:
            raise ExchangeError("BUSY", "A round is at this mailbox.", "Try again in a minute.")
        submission = _known(installation, submission_id)
        if submission.status not in (CLAIMED, SET_ASIDE):
            raise ExchangeError(
                "JUDGED", f"{submission_id} has been judged: {submission.status}.", "There is nothing to do."
            )
        yield submission, provider


def _known(installation: Installation, submission_id: str) -> Submission:
    submission = installation.submissions.find(submission_id)
    if submission is None:
        raise ExchangeError(
            "NO-SUBMISSION",
            "There is no such submission.",
            "Copy the id from `ectx submission list`, or from a receipt.",
        )
    return submission


def _status(submission: Submission) -> str:
    return "waits" if submission.status == CLAIMED else submission.status


def _tries(submission: Submission) -> str:
    if not submission.failures and not submission.trouble:
        return "none failed"
    if not submission.failures:  # put aside by a person, whose reason is the trouble
        return f"none failed: {submission.trouble}"
    next_try = f", next at {to_the_second(submission.next_try_at)}" if submission.next_try_at else ""
    return f"{submission.failures} failed{next_try}: {submission.trouble}"
