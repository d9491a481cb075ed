"""What is owed goes into the mailbox, and the index with it. Doing it twice leaves the same."""

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl

from data.ledger.deliveries import DeliveryRow
from flows.installation import Installation, LeadProvider
from flows.rounds.places import FULL, full_folder
from flows.rounds.receipts import receipt_folder
from schemas.instants import rfc3339
from sftp.mailbox import Mailbox, MailboxError
from sftp.refusals import Refusal
from templates.receipt import LAST_FILE

INDEX = "from-dfe/index.csv"


def deliver_owed(installation: Installation, provider: LeadProvider, mailbox: Mailbox, now: datetime) -> int:
    """Deliver every folder that the mailbox is owed. Returns how many. The caller holds the mailbox. Raises MailboxError, after the
    others, where one is not in the store.

    Folders first, then the index that lists them, then our own note of it: cut anywhere, the next round repeats.
    """
    owed = installation.deliveries.owed(provider.lead_provider_id)
    if not owed:
        return 0
    lost = [delivery for delivery in owed if not _in_outbox(installation, delivery).is_dir()]
    owed = [delivery for delivery in owed if delivery not in lost]
    if owed:
        _deliver(installation, provider, mailbox, owed, now)
    if lost:
        raise MailboxError(
            f"{len(lost)} folders that are owed are not in the store, {lost[0].path} the first: put them back from a backup"
        )
    return len(owed)


def _deliver(
    installation: Installation, provider: LeadProvider, mailbox: Mailbox, owed: list[DeliveryRow], now: datetime
) -> None:
    there = installation.deliveries.index(provider.lead_provider_id)
    for delivery in owed:
        mailbox.deliver(delivery.path, _in_outbox(installation, delivery), delivery.last_file)
    if refused := _refusals(installation, owed):
        mailbox.add_refusals(refused)
    numbered = {delivery.delivery_id: number for number, delivery in enumerate(owed, len(there) + 1)}
    mailbox.put(INDEX, _index([*there, *(replace(each, delivered_at=now) for each in owed)]))
    mailbox.settle([*(delivery.path for delivery in owed), INDEX])
    installation.deliveries.delivered(numbered, now)


def deliver_again(installation: Installation, provider: LeadProvider, mailbox: Mailbox) -> int:
    """Put everything into the mailbox that was ever delivered and is still kept, and the index. Returns how many folders."""
    there = installation.deliveries.index(provider.lead_provider_id)
    count = 0
    for delivery in there:
        source = _in_outbox(installation, delivery)
        if source.is_dir():  # a receipt may be too old to be kept
            mailbox.deliver(delivery.path, source, delivery.last_file)
            count += 1
    if there:
        if refused := _refusals(installation, there):
            mailbox.add_refusals(refused)
        mailbox.put(INDEX, _index(there))
    return count


def _refusals(installation: Installation, deliveries: list[DeliveryRow]) -> list[Refusal]:
    """Of the files whose receipts these are, those that were refused whole. To tell them again changes nothing."""
    found = []
    for delivery in deliveries:
        path = _in_outbox(installation, delivery) / LAST_FILE
        if delivery.what != "receipt" or not path.is_file():
            continue
        receipt = json.loads(path.read_text(encoding="utf-8"))
        at = datetime.fromisoformat(receipt["processed_at"]).timestamp()
        found += [
            Refusal(at, receipt["file_name"], f"{each['code']}: {each['message']} {each['advice']}")
            for each in receipt["file_errors"]
        ]
    return found


def _in_outbox(installation: Installation, delivery: DeliveryRow) -> Path:
    """Receipts lie under their submission, full sets under their digest, the rest under provider and path: none meets another."""
    if delivery.what == "receipt":
        return receipt_folder(installation.outbox, delivery.path.rsplit("/", 1)[1], delivery.sha256)
    if delivery.path == FULL:
        return full_folder(installation.outbox, delivery.lead_provider_id, delivery.sha256)
    return installation.outbox / delivery.lead_provider_id / delivery.path


def _index(delivered: list[DeliveryRow]) -> bytes:
    rows = [
        {
            "sequence": number,
            "delivered_at": rfc3339(delivery.delivered_at) if delivery.delivered_at else "",
            "what": delivery.what,
            "path": delivery.path,
            "sha256": delivery.sha256,
            "replaces": delivery.replaces,
        }
        for number, delivery in enumerate(delivered, 1)
    ]
    return pl.DataFrame(rows, infer_schema_length=None).write_csv(None).encode()
