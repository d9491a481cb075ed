"""What is owed goes into the mailbox, and the index with it. Doing it twice leaves the same."""

import json
import logging
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from data.ledger.deliveries import DeliveryRow
from data.ledger.versions import VersionOfPath
from flows.installation import Installation, LeadProvider
from flows.rounds.front import FrontTrouble, put_front
from flows.rounds.guidance_delivery import put_guidance, sweep_guidance
from flows.rounds.guidance_shared import rule_files
from flows.rounds.months import ledger_file, months_to_sum, promise_summaries, sweep_summaries
from flows.rounds.places import (
    FORECASTS,
    FULL,
    GUIDANCE,
    LEDGER,
    full_folder,
    guidance_folder,
    kept_forecasts,
    month_folder,
)
from flows.rounds.receipts import receipt_folder
from schemas.instants import rfc3339
from sftp.mailbox import Mailbox, MailboxError
from sftp.refusals import Refusal
from templates.receipt import LAST_FILE, codes_of

INDEX = "from-dfe/index.csv"
log = logging.getLogger("ectx.delivery")


def deliver_owed(installation: Installation, provider: LeadProvider, mailbox: Mailbox, now: datetime) -> int:
    """Deliver every folder that the mailbox is owed. Returns how many. The caller holds the mailbox. Raises MailboxError, after the
    others, where one is not in the store.

    Folders first, then the index that lists them, then our own note of it: cut anywhere, the next round repeats.
    """
    owed, ledger, unmade = _with_summaries(installation, provider, now)
    lost = [delivery for delivery in owed if not _in_outbox(installation, delivery).is_dir()]
    owed = [delivery for delivery in owed if delivery not in lost]
    if owed:
        unmade = _deliver(installation, provider, mailbox, owed, ledger, now) or unmade
    if lost:
        raise MailboxError(
            f"{len(lost)} folders that are owed are not in the store, {lost[0].path} the first: put them back from a backup"
        )
    if unmade:
        raise unmade
    return len(owed)


def _with_summaries(
    installation: Installation, provider: LeadProvider, now: datetime
) -> tuple[list[DeliveryRow], bytes | None, MailboxError | None]:
    """What is owed, with the summaries that are not of the newest versions; the ledger that goes with statements and summaries;
    and why those could not be made, which keeps nothing else back and is tried again by every round."""
    owed = installation.deliveries.owed(provider.lead_provider_id)
    wanted = months_to_sum(installation, provider)
    if not wanted and not any(delivery.what in ("statement", "summary") for delivery in owed):
        return owed, None, None
    try:
        ledger = promise_summaries(installation, provider, wanted, now)
    except MailboxError as error:
        return owed, None, error
    return installation.deliveries.owed(provider.lead_provider_id), ledger, None


def _any_statement(deliveries: list[DeliveryRow]) -> bool:
    return any(delivery.what == "statement" for delivery in deliveries)


def _deliver(
    installation: Installation,
    provider: LeadProvider,
    mailbox: Mailbox,
    owed: list[DeliveryRow],
    ledger: bytes | None,
    now: datetime,
) -> MailboxError | None:
    """Returns why the front page could not be made, if it could not: that keeps nothing back."""
    there = installation.deliveries.index(provider.lead_provider_id)
    pages = _put_rule_pages(installation, mailbox, owed)
    for delivery in owed:
        if delivery.what == "guidance":
            put_guidance(mailbox, _in_outbox(installation, delivery))
        else:
            mailbox.deliver(delivery.path, _in_outbox(installation, delivery), delivery.last_file)
    if refused := _refusals(installation, owed):
        mailbox.add_refusals(refused)
    numbered = {delivery.delivery_id: number for number, delivery in enumerate(owed, len(there) + 1)}
    if ledger is not None:
        mailbox.put(LEDGER, ledger)
    delivered = [*there, *(replace(each, delivered_at=now) for each in owed)]
    mailbox.put(INDEX, _index(installation, delivered))
    front_trouble = None
    try:
        put_front(installation, provider, mailbox, now, delivered)
    except FrontTrouble as error:  # the carrier's trouble is another matter: the next round does all of it again
        front_trouble = error
    mailbox.settle([*pages, *(delivery.path for delivery in owed), *([LEDGER] if ledger is not None else []), INDEX])
    installation.deliveries.delivered(numbered, {each.delivery_id: each.sha256 for each in owed}, now)
    sweep_summaries(installation, owed)
    sweep_guidance(installation, owed)
    return front_trouble


def _put_rule_pages(installation: Installation, mailbox: Mailbox, owed: list[DeliveryRow]) -> list[str]:
    """The page of each rule that a receipt links is there before the receipt is. Returns what was put. Trouble with a page keeps no
    receipt back: the next round of guidance brings it."""
    put = []
    for code in sorted({code for receipt in _receipts(installation, owed) for code in codes_of(receipt)}):
        if mailbox.is_there(f"{GUIDANCE}/rules/{code}.html"):
            continue
        try:
            files = rule_files(installation, code)
        except Exception as error:
            log.warning("page of rule %s: %s", code, type(error).__name__)
            continue
        for path, content in files.items():
            mailbox.put(f"{GUIDANCE}/{path}", content)
            put.append(f"{GUIDANCE}/{path}")
    return put


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
        _put_rule_pages(installation, mailbox, there)
        if refused := _refusals(installation, there):
            mailbox.add_refusals(refused)
        if _any_statement(there):
            with suppress(MailboxError):  # what the store lacks is told by the next round that needs it
                mailbox.put(LEDGER, ledger_file(installation, provider))
        for path in kept_forecasts(installation.outbox, provider.lead_provider_id).glob("*"):
            mailbox.put(f"{FORECASTS}/{path.name}", path.read_bytes())
        mailbox.put(INDEX, _index(installation, there))
        with suppress(MailboxError):  # the next delivery makes it
            put_front(installation, provider, mailbox, installation.now(None))
    return count


def _refusals(installation: Installation, deliveries: list[DeliveryRow]) -> list[Refusal]:
    """Of the files whose receipts these are, those that were refused whole. To tell them again changes nothing."""
    return [
        Refusal(
            datetime.fromisoformat(receipt["processed_at"]).timestamp(),
            receipt["file_name"],
            f"{each['code']}: {each['message']} {each['advice']}",
        )
        for receipt in _receipts(installation, deliveries)
        for each in receipt["file_errors"]
    ]


def _receipts(installation: Installation, deliveries: list[DeliveryRow]) -> list[dict[str, Any]]:
    """The receipt.json of each receipt among these that is still kept."""
    paths = [_in_outbox(installation, each) / LAST_FILE for each in deliveries if each.what == "receipt"]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]


def _in_outbox(installation: Installation, delivery: DeliveryRow) -> Path:
    """Receipts lie under their submission, full sets under their digest, the rest under provider and path: none meets another."""
    if delivery.what == "receipt":
        return receipt_folder(installation.outbox, delivery.path.rsplit("/", 1)[1], delivery.sha256)
    if delivery.path == FULL:
        return full_folder(installation.outbox, delivery.lead_provider_id, delivery.sha256)
    if delivery.what == "guidance":
        return guidance_folder(installation.outbox, delivery.lead_provider_id, delivery.sha256)
    if delivery.what == "summary":
        return month_folder(installation.outbox, delivery.lead_provider_id, delivery.path, delivery.sha256)
    return installation.outbox / delivery.lead_provider_id / delivery.path


def _index(installation: Installation, delivered: list[DeliveryRow]) -> bytes:
    """Everything delivered, by number; of statements, which one it is and what it came to."""
    versions = installation.versions.of_paths(delivered[0].lead_provider_id) if _any_statement(delivered) else {}
    rows = [
        {
            "sequence": number,
            "delivered_at": rfc3339(delivery.delivered_at) if delivery.delivered_at else "",
            "what": delivery.what,
            "path": delivery.path,
            "sha256": delivery.sha256,
            "replaces": delivery.replaces,
            **_said_of(versions.get(delivery.path)),
        }
        for number, delivery in enumerate(delivered, 1)
    ]
    return pl.DataFrame(rows, infer_schema_length=None).write_csv(None).encode()


def _said_of(version: VersionOfPath | None) -> dict[str, str | int | None]:
    if version is None:
        return dict.fromkeys(("month", "contract_period", "status", "total"))
    return {
        "month": version.month,
        "contract_period": version.contract_period,
        "status": version.status,
        "total": f"{version.total:.2f}",
    }
