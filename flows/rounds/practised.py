"""A practice mailbox's clock, and what a file asks of it. The clock is where its files have brought it: no other note is
kept of it, so that nothing can be at odds with what was received.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from flows.installation import Installation, LeadProvider
from schemas.inbound.practised import FILE, RESET, STATEMENTS, Asked, asked_by, not_empty
from schemas.inbound.unread import refused_for_checksum
from schemas.submission import Submission

_MOST_OF_NOTHING = 16  # bytes: a mark of the encoding and a line end, as some editors save an empty file


@dataclass(frozen=True)
class Clock:
    """now: a practice mailbox's present instant. floor: the last at which anything was received, behind which it never goes
    back; None: nothing was yet."""

    now: datetime
    floor: datetime | None

    def asked_by(self, file_name: str) -> Asked:
        """What a file of this name would ask for now."""
        return asked_by(file_name, self.now, self.floor)


def clock_of(mailbox: Installation, provider: LeadProvider, as_of: datetime | None) -> Clock:
    """It stands where a file's name last put it; until a name does so it is the real one, and never before the last file received.
    as_of: in place of the real instant."""
    received = [
        (moment, asked.sets_clock)
        for name, moment, status in mailbox.submissions.all_received(provider.lead_provider_id)
        if _counts(asked := asked_by(name, moment, moment), status)
    ]
    floor = max((moment for moment, _ in received), default=None)
    if floor and any(sets_clock for _, sets_clock in received):
        return Clock(floor, floor)
    now = mailbox.now(as_of)
    return Clock(max(floor or now, now), floor)


def _counts(asked: Asked, status: str) -> bool:
    """A reset leaves the clock alone, and so does what is refused for its name, or for what an empty file holds."""
    if asked.failure or asked.act == RESET:
        return False
    return asked.act == FILE or status != "rejected"


def asked_of(mailbox: Installation, submission: Submission) -> Asked:
    """What a file that was taken asks for, and why nothing is done, if so. What is refused as a file of any service is refused is
    not among that."""
    asked = asked_by(submission.file_name, submission.received_at, submission.received_at)
    if asked.failure or asked.act == FILE:
        return asked
    failure = refused_for_checksum(submission.sha256, submission.expected_sha256)
    if failure is None and not _is_empty(mailbox, submission):
        failure = not_empty(asked.act)
    return replace(asked, failure=failure)


def _is_empty(mailbox: Installation, submission: Submission) -> bool:
    if submission.size_bytes > _MOST_OF_NOTHING:
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
