"""A practice mailbox's clock, and what a file asks of it. The clock is where its files have brought it: no other note is
kept of it, so that nothing can be at odds with what was received.
"""

from dataclasses import replace
from datetime import datetime

from flows.installation import Installation, LeadProvider
from schemas.inbound.practised import EARLIEST, FILE, RESET, STATEMENTS, Asked, asked_by, has_begun, not_empty
from schemas.inbound.unread import refused_for_checksum
from schemas.submission import Submission

MOST_OF_NOTHING = 16  # bytes: a mark of the encoding and a line end, as some editors save an empty file


def clock_of(mailbox: Installation, as_of: datetime | None) -> datetime:
    """The clock of a practice mailbox, or a later instant in its place (as_of)."""
    return max(mailbox.now(), as_of) if as_of else mailbox.now()


def earliest_of(mailbox: Installation, provider: LeadProvider) -> datetime | None:
    """Where the clock may begin, of a mailbox whose records do not say of when they are, until a file has moved it; else None: it
    has begun."""
    received = mailbox.submissions.all_received(provider.lead_provider_id)
    return None if mailbox.records.says_as_of() or has_begun(received) else EARLIEST


def asked_of(mailbox: Installation, submission: Submission) -> Asked:
    """What a file that was taken asks for, and why nothing is done, if so. What is refused as a file of any service is refused is
    not among that."""
    asked = asked_by(submission.file_name, submission.received_at)
    if asked.failure or asked.act == FILE:
        return asked
    failure = refused_for_checksum(submission.sha256, submission.expected_sha256)
    if failure is None and not _is_empty(mailbox, submission):
        failure = not_empty(asked.act)
    return replace(asked, failure=failure)


def _is_empty(mailbox: Installation, submission: Submission) -> bool:
    if submission.size_bytes > MOST_OF_NOTHING:
        return False
    try:
        content = mailbox.stored_upload(submission.sha256).read_bytes()
    except FileNotFoundError:
        return submission.size_bytes == 0
    return not content.strip(b"\xef\xbb\xfe\xff\xbf\x00 \t\r\n\x1a")


def asks_for_reset(asked: Asked) -> bool:
    return asked.act == RESET and asked.failure is None


def asks_to_move_on(asked: Asked) -> bool:
    return asked.act == STATEMENTS and asked.failure is None
