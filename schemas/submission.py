"""A file that was taken, and what became of it."""

from dataclasses import dataclass, field
from datetime import datetime

from schemas.inbound.failure import FileFailure
from schemas.inbound.repeats import UNDONE_SINCE

CLAIMED, SET_ASIDE = "claimed", "set-aside"
UNREAD = "0" * 64  # in place of the SHA-256 of a file that could not be read
NO_ROWS = {"total": 0, "accepted": 0, "rejected": 0, "already_done": 0}


@dataclass(frozen=True)
class Submission:
    """A file that was taken. See data.tables.submissions."""

    submission_id: str
    lead_provider_id: str
    kind: str | None
    file_name: str
    size_bytes: int
    sha256: str
    arrival: str
    received_at: datetime
    expected_sha256: str | None = None
    status: str = CLAIMED
    failures: int = 0
    next_try_at: datetime | None = None
    trouble: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of one submission: counts of rows and of rules broken; nothing of what is in it.

    failure: why it is refused whole. duplicate_of: the submission that took it before. set_aside: why it is not judged, in words
    for its sender. done: what a file of practice that holds no rows has brought about, in words.
    """

    submission: Submission
    processed_at: datetime
    failure: FileFailure | None = None
    duplicate_of: str | None = None
    notes: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=lambda: dict(NO_ROWS))
    rule_counts: dict[str, int] = field(default_factory=dict)
    set_aside: str = ""
    done: str = ""

    @property
    def is_repeat(self) -> bool:
        """Whether it was sent before, and its rows are told what has undone them since."""
        return set(self.rule_counts) == {UNDONE_SINCE.code}

    @property
    def status(self) -> str:
        if self.set_aside:
            return SET_ASIDE
        if self.duplicate_of:
            return "duplicate"
        if self.failure or not self.rows["rejected"] < max(self.rows["total"], 1):
            return "rejected"
        return "partially-accepted" if self.rows["rejected"] else "accepted"


@dataclass(frozen=True)
class Judged:
    """What came of a submission. kind: None where the file is of none; rule_counts: JSON."""

    submission_id: str
    kind: str | None
    file_name: str
    received_at: datetime
    status: str
    rows_total: int | None
    rows_rejected: int | None
    rule_counts: str | None
    trouble: str | None
