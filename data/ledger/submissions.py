"""Submissions: files that were taken, tried and judged."""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from data.ledger.asking import Asking
from data.ledger.sightings import forget
from data.tables import events, submissions
from schemas.inbound.repeats import UNDONE_SINCE
from schemas.submission import CLAIMED, SET_ASIDE, Judged, Submission

_JUDGED = [submissions.c[name] for name in Judged.__dataclass_fields__]
_SUBMISSION = [submissions.c[name] for name in Submission.__dataclass_fields__]


class Submissions(Asking):
    """See data.tables.submissions."""

    def claim(self, row: Submission, arrivals: list[str], number: int | None = None) -> Submission:
        """Write down that a file was taken. It is `claimed` until it is judged. Returns it, or what somebody else has made
        of this very arrival meanwhile. arrivals: those that it came of, whose sightings are told by it from now on.
        number: its place among its lead provider's, where that is known."""
        with self._database.write() as connection:
            there = connection.execute(self._same_arrival(row.lead_provider_id, row.arrival, row.sha256)).first()
            if there and number is None:
                return Submission(*there)
            forget(connection, row.lead_provider_id, arrivals)
            c = submissions.c
            last = select(func.coalesce(func.max(c.number), 0)).where(c.lead_provider_id == row.lead_provider_id)
            number = number or connection.execute(last).scalar_one() + 1
            connection.execute(insert(submissions).values(**vars(row), number=number, removed=False))
            return row

    def unremoved(self, lead_provider_id: str, arrival: str, sha256: str) -> Submission | None:
        """The submission that this very arrival became, while its file is not known to have left the mailbox."""
        rows = self._all(self._same_arrival(lead_provider_id, arrival, sha256))
        return Submission(*rows[0]) if rows else None

    @staticmethod
    def _same_arrival(lead_provider_id: str, arrival: str, sha256: str) -> Any:
        c = submissions.c
        same = (c.lead_provider_id == lead_provider_id, c.arrival == arrival, c.sha256 == sha256, c.removed.is_(False))
        return select(*_SUBMISSION).where(*same)

    def came_of(self, lead_provider_id: str, arrival: str) -> bool:
        """Whether a submission came of this very arrival, whose file is not known to have left the mailbox."""
        c = submissions.c
        same = (c.lead_provider_id == lead_provider_id, c.arrival == arrival, c.removed.is_(False))
        return bool(self._all(select(c.submission_id).where(*same).limit(1)))

    def removed(self, submission_id: str) -> None:
        with self._database.write() as connection:
            connection.execute(
                update(submissions).where(submissions.c.submission_id == submission_id).values(removed=True)
            )

    def any_unremoved(self, lead_provider_id: str) -> bool:
        """Whether a file of theirs is not known to have left the mailbox."""
        c = submissions.c
        query = select(c.submission_id).where(c.lead_provider_id == lead_provider_id, c.removed.is_(False)).limit(1)
        return bool(self._all(query))

    def with_something_open(self) -> set[str]:
        """Ids of the lead providers of whom a submission is not judged, or a file is not known to have left the mailbox."""
        c = submissions.c
        unjudged = select(c.lead_provider_id).where(c.status == CLAIMED)
        return {row[0] for row in self._all(unjudged.union(select(c.lead_provider_id).where(c.removed.is_(False))))}

    def all_removed(self, lead_provider_id: str) -> None:
        """Write down that none of a lead provider's claimed files is in the mailbox any more."""
        if self.any_unremoved(lead_provider_id):
            whose = (submissions.c.lead_provider_id == lead_provider_id, submissions.c.removed.is_(False))
            with self._database.write() as connection:
                connection.execute(update(submissions).where(*whose).values(removed=True))

    def failed(self, submission_id: str, failures: int, next_try_at: datetime | None, trouble: str) -> None:
        """Write down that a try failed, and when the next one is due."""
        with self._database.write() as connection:
            self.settle(connection, submission_id, failures=failures, next_try_at=next_try_at, trouble=trouble)

    def find(self, submission_id: str) -> Submission | None:
        rows = self._all(select(*_SUBMISSION).where(submissions.c.submission_id == submission_id))
        return Submission(*rows[0]) if rows else None

    def unsettled(self) -> list[Submission]:
        """Submissions that wait to be judged or are put aside, in the order in which they were received."""
        c = submissions.c
        query = select(*_SUBMISSION).where(c.status.in_([CLAIMED, SET_ASIDE])).order_by(c.received_at, c.submission_id)
        return [Submission(*row) for row in self._all(query)]

    def events_of(self, submission_id: str, kinds: tuple[str, ...]) -> list[tuple[datetime, str, str, str]]:
        """(when, type, author, reason) of events of these kinds, in order."""
        c = events.c
        query = select(c.happened_at, c.type, c.author, c.reason).where(
            c.submission_id == submission_id, c.type.in_(kinds)
        )
        return [tuple(row) for row in self._all(query.order_by(c.event_id))]

    @staticmethod
    def is_open(connection: Connection, submission_id: str) -> bool:
        """Whether nobody has judged it yet, seen from inside the transaction that would."""
        status = connection.execute(
            select(submissions.c.status).where(submissions.c.submission_id == submission_id)
        ).scalar_one()
        return status in (CLAIMED, SET_ASIDE)

    @staticmethod
    def tell(connection: Connection, **event: Any) -> None:
        """An event of the audit trail."""
        connection.execute(insert(events).values(**event))

    def received_since(self, lead_provider_id: str, moment: datetime) -> list[Judged]:
        """Their submissions received since an instant whose receipts are kept, in order of arrival."""
        c = submissions.c
        query = select(*_JUDGED).where(
            c.lead_provider_id == lead_provider_id, c.received_at >= moment, c.purged_at.is_(None)
        )
        return [Judged(*row) for row in self._all(query.order_by(c.number))]

    def all_received(self, lead_provider_id: str) -> list[tuple[str, datetime, str]]:
        """(file name, when received, status) of all their submissions, in order of arrival."""
        c = submissions.c
        query = select(c.file_name, c.received_at, c.status).where(c.lead_provider_id == lead_provider_id)
        return [tuple(row) for row in self._all(query.order_by(c.number))]

    def last_judged(self, lead_provider_id: str, file_name: str) -> tuple[Submission, datetime] | None:
        """The last submission of a file of this name (in any case of letters) that was judged, and when."""
        c = submissions.c
        query = select(c.processed_at, *_SUBMISSION).where(
            c.lead_provider_id == lead_provider_id, func.lower(c.file_name) == file_name.lower(), c.processed_at.is_not(None),
            c.purged_at.is_(None),
        )  # fmt: skip
        rows = self._all(query.order_by(c.number.desc()).limit(1))
        return (Submission(*rows[0][1:]), rows[0][0]) if rows else None

    def exists(self, submission_id: str) -> bool:
        return bool(self._all(select(submissions.c.submission_id).where(submissions.c.submission_id == submission_id)))

    def waiting(self, lead_provider_id: str) -> list[Submission]:
        """Submissions taken and not yet judged, in order of arrival."""
        c = submissions.c
        query = select(*_SUBMISSION).where(c.lead_provider_id == lead_provider_id, c.status == CLAIMED)
        return [Submission(*row) for row in self._all(query.order_by(c.number))]

    def taken_whole(self, row: Submission, is_replaced: bool) -> Submission | None:
        """The first submission of the same bytes and kind, if no row of them was ever rejected (rule FILE-013, whose own
        rejections do not count: the same bytes get the same answer every time).

        is_replaced: a later file of the kind takes its place; then only if no other has been taken since.
        """
        c = submissions.c
        kind = (c.lead_provider_id == row.lead_provider_id, c.kind == row.kind, c.submission_id != row.submission_id)
        same = select(c.rule_counts, c.rows_rejected, c.status, c.number, *_SUBMISSION).where(
            *kind, c.sha256 == row.sha256
        )
        before = self._all(same.order_by(c.number))
        if any(each[1] and set(json.loads(each[0] or "{}")) - {UNDONE_SINCE.code} for each in before):
            return None
        whole = [each for each in before if each[2] == "accepted"]
        if whole and is_replaced:
            last = self._all(select(func.max(c.number)).where(*kind, c.rows_accepted > 0))[0][0]
            whole = whole if whole[-1][3] == last else []
        return Submission(*whole[0][4:]) if whole else None

    @staticmethod
    def next_applied(connection: Connection) -> int:
        """The place of a submission among those applied, in the transaction that applies it: no other writer runs beside it."""
        last = select(func.coalesce(func.max(submissions.c.applied_number), 0))
        return int(connection.execute(last).scalar_one()) + 1

    @staticmethod
    def settle(connection: Connection, submission_id: str, **outcome: Any) -> None:
        """Write down what became of a submission, in the transaction that applies it."""
        connection.execute(update(submissions).where(submissions.c.submission_id == submission_id).values(**outcome))
