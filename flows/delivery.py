"""What is owed goes into the mailbox, and the index with it. Doing it twice leaves the same."""

from datetime import datetime

import polars as pl

from data.ledger import DeliveryRow
from data.tables import rfc3339
from flows.house import House, LeadProvider
from flows.rendering import on_disk
from sftp.mailbox import Mailbox

INDEX = "from-dfe/index.csv"


def deliver_owed(house: House, provider: LeadProvider, mailbox: Mailbox, now: datetime) -> int:
    """Deliver every folder that the mailbox is owed. Returns how many. The caller holds the mailbox.

    Folders first, then the index that lists them, then our own note of it: cut anywhere, the next round repeats.
    """
    owed = house.ledger.owed(provider.lead_provider_id)
    if not owed:
        return 0
    there = house.ledger.index(provider.lead_provider_id)
    for delivery in owed:
        mailbox.deliver(delivery.path, house.outbox / _outbox_name(delivery), delivery.last_file)
    numbered = {delivery.delivery_id: number for number, delivery in enumerate(owed, len(there) + 1)}
    mailbox.put(INDEX, _index(there, owed, now))
    on_disk()
    house.ledger.delivered(numbered, now)
    return len(owed)


def _outbox_name(delivery: DeliveryRow) -> str:
    """Receipts lie under their submission, statements under provider and path, so that none meets another."""
    if delivery.what == "receipt":
        return delivery.path.rsplit("/", 1)[1]
    return f"{delivery.lead_provider_id}/{delivery.path}"


def _index(there: list[DeliveryRow], owed: list[DeliveryRow], now: datetime) -> bytes:
    rows = [
        {
            "sequence": number,
            "delivered_at": rfc3339(delivery.delivered_at or now),
            "what": delivery.what,
            "path": delivery.path,
            "sha256": delivery.sha256,
            "replaces": delivery.replaces,
        }
        for number, delivery in enumerate([*there, *owed], 1)
    ]
    return pl.DataFrame(rows, infer_schema_length=None).write_csv(None).encode()
