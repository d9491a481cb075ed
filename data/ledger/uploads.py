"""What is kept of providers, for as long as it is: uploads and receipts."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update

from data.ledger.asking import Asking
from data.tables import deliveries, rejected_declarations, rejected_expectations, submissions
from schemas.submission import CLAIMED


@dataclass(frozen=True)
class AgedSubmission:
    """A submission whose upload and receipt may go."""

    submission_id: str
    lead_provider_id: str
    sha256: str


class Uploads(Asking):
    """See data.tables.submissions."""

    def aged(self, before: datetime) -> list[AgedSubmission]:
        """Judged submissions received before an instant, their receipts delivered, that are still kept; oldest first."""
        s, d = submissions.c, deliveries.c
        owed = select(d.path).where(
            d.lead_provider_id == s.lead_provider_id, d.delivered_at.is_(None), d.what == "receipt"
        )
        query = (
            select(s.submission_id, s.lead_provider_id, s.sha256)
            .where(s.received_at < before, s.status != CLAIMED, s.removed.is_(True), s.purged_at.is_(None))
            .where(~owed.where(d.path == "from-dfe/receipts/" + s.submission_id).exists())
            .order_by(s.received_at, s.submission_id)
        )
        return [AgedSubmission(*row) for row in self._all(query)]

    def purged(self, submission_ids: list[str], now: datetime) -> None:
        """Write down that uploads and receipts are gone, and let go of what receipts said that is kept besides."""
        with self._database.write() as connection:
            for submission_id in submission_ids:
                which = submissions.c.submission_id == submission_id
                connection.execute(update(submissions).where(which).values(purged_at=now))
                for table in (rejected_declarations, rejected_expectations):
                    said = update(table).where(table.c.submission_id == submission_id)
                    connection.execute(said.values(messages=None))

    def kept_bytes(self, lead_provider_id: str) -> int:
        """How much the uploads of a lead provider have that are still kept, each counted once."""
        c = submissions.c
        kept = select(c.sha256, c.size_bytes).where(c.lead_provider_id == lead_provider_id, c.purged_at.is_(None))
        each = kept.distinct().subquery()
        return int(self._all(select(func.coalesce(func.sum(each.c.size_bytes), 0)))[0][0])

    def wanted_uploads(self) -> set[str]:
        """The SHA-256 of every upload that a submission still needs."""
        return {
            row[0]
            for row in self._all(select(submissions.c.sha256).where(submissions.c.purged_at.is_(None)).distinct())
        }
