"""Deliveries: folders that mailboxes are owed, and those that they have."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from data.ledger.asking import Asking
from data.tables import deliveries


@dataclass(frozen=True)
class DeliveryRow:
    """A folder that a mailbox is owed or has. See data.tables.deliveries."""

    delivery_id: int
    lead_provider_id: str
    what: str
    path: str
    last_file: str
    sha256: str
    replaces: str | None
    delivered_at: datetime | None
    sequence: int | None


_DELIVERY = [deliveries.c[name] for name in DeliveryRow.__dataclass_fields__]


class Deliveries(Asking):
    """See data.tables.deliveries."""

    @staticmethod
    def owe(connection: Connection, **delivery: Any) -> None:
        """Promise a mailbox a folder that lies in the outbox. A folder of the same path that is owed still is replaced;
        one that is there already will be."""
        c = deliveries.c
        same = (c.lead_provider_id == delivery["lead_provider_id"], c.path == delivery["path"])
        owed = update(deliveries).where(*same, c.delivered_at.is_(None))
        if connection.execute(owed.values(sha256=delivery["sha256"], owed_since=delivery["owed_since"])).rowcount:
            return
        if connection.execute(select(c.delivery_id).where(*same, c.sha256 == delivery["sha256"]).limit(1)).first():
            return  # it is there, word for word
        if connection.execute(select(c.delivery_id).where(*same).limit(1)).first():
            delivery = {"replaces": delivery["path"], **delivery}
        connection.execute(insert(deliveries).values(**delivery))

    def receipt_sha256(self, lead_provider_id: str, path: str) -> str | None:
        """Of the newest delivery of a folder: the SHA-256 of its last file."""
        c = deliveries.c
        query = select(c.sha256).where(c.lead_provider_id == lead_provider_id, c.path == path)
        rows = self._all(query.order_by(c.delivery_id.desc()).limit(1))
        return str(rows[0][0]) if rows else None

    def promised(self, lead_provider_id: str, path: str) -> int:
        """How many deliveries of a folder there were, owed ones included."""
        c = deliveries.c
        query = select(func.count()).where(c.lead_provider_id == lead_provider_id, c.path == path)
        return int(self._all(query)[0][0])

    def owed(self, lead_provider_id: str) -> list[DeliveryRow]:
        """What a mailbox is still owed, oldest first."""
        c = deliveries.c
        query = select(*_DELIVERY).where(c.lead_provider_id == lead_provider_id, c.delivered_at.is_(None))
        return [DeliveryRow(*row) for row in self._all(query.order_by(c.delivery_id))]

    def whose_are_owed(self) -> set[str]:
        """Ids of the lead providers whose mailboxes are owed something."""
        c = deliveries.c
        return {row[0] for row in self._all(select(c.lead_provider_id).where(c.delivered_at.is_(None)).distinct())}

    def summaries(self, lead_provider_id: str) -> dict[str, str]:
        """Path of each month's summary that a mailbox has or is owed → the SHA-256 of the newest one's last file."""
        c = deliveries.c
        query = select(c.path, c.sha256).where(c.lead_provider_id == lead_provider_id, c.what == "summary")
        return {row.path: row.sha256 for row in self._all(query.order_by(c.delivery_id))}

    def delivered(self, numbered: dict[int, int], digests: dict[int, str], now: datetime) -> None:
        """Write down that deliveries are there: their id → the mailbox's number for them, and the SHA-256 of the last file that is
        there. One that was promised anew meanwhile is owed still."""
        c = deliveries.c
        with self._database.write() as connection:
            for delivery_id, sequence in numbered.items():
                same = (c.delivery_id == delivery_id, c.sha256 == digests[delivery_id])
                change = update(deliveries).where(*same, c.delivered_at.is_(None))
                connection.execute(change.values(delivered_at=now, sequence=sequence))

    def index(self, lead_provider_id: str) -> list[DeliveryRow]:
        """Everything ever delivered to a mailbox, by number."""
        c = deliveries.c
        query = select(*_DELIVERY).where(c.lead_provider_id == lead_provider_id, c.sequence.is_not(None))
        return [DeliveryRow(*row) for row in self._all(query.order_by(c.sequence))]
