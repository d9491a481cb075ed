"""Housekeeping: stored uploads, receipts and change sets of extracts go when they have been kept long enough. Statements, full
sets and the audit trail stay."""

import logging
import shutil
import time
from datetime import datetime, timedelta
from pathlib import Path

from data.ledger.extracts import ExtractSet
from data.ledger.uploads import AgedSubmission
from flows.installation import Installation, LeadProvider
from flows.rounds.front import put_front
from flows.rounds.receipts import sweep_unfinished
from schemas.reports import HousekeepingRound
from sftp.mailbox import MailboxError

log = logging.getLogger("ectx.keeping")
KEEPING = "keeping"
UNFINISHED_SECONDS = 24 * 60 * 60
AT_ONCE = 500


def housekeeping(installation: Installation, now: datetime) -> HousekeepingRound:
    """Remove the uploads and receipts of submissions older than the settings say, and what killed rounds left behind.

    A receipt goes from the mailbox and the store, then it is written down that it went: cut anywhere, the next run repeats.
    """
    done = HousekeepingRound(now - timedelta(days=installation.settings.keep_days))
    with installation.database.only_one(KEEPING) as ours:
        if ours:
            _keep(installation, now, done)
        else:
            done.troubles.append("another housekeeping or a backup is running; run this one again after it")
    return done


def _keep(installation: Installation, now: datetime, done: HousekeepingRound) -> None:
    aged: dict[str, list[AgedSubmission]] = {}
    for each in installation.uploads.aged(done.before):
        aged.setdefault(each.lead_provider_id, []).append(each)
    changes: dict[str, list[ExtractSet]] = {}
    for made in installation.extracts.aged(now - timedelta(days=installation.settings.keep_changes_days)):
        changes.setdefault(made.lead_provider_id, []).append(made)
    for provider in installation.ever_provided_for():
        own = aged.get(provider.lead_provider_id, [])
        if own:
            _of_mailbox(installation, provider, own, now, done)
        if sets := changes.get(provider.lead_provider_id, []):
            _change_sets(installation, provider, sets, now, done)
    done.uploads = _sweep_uploads(installation)
    if not installation.is_practice:  # a practice mailbox has none, and its clock is not theirs
        sweep_audit(installation, now)
    for mark in (installation.settings.store_folder / "trying").glob("*"):
        if _is_old(mark):  # of a process that died after its file was judged
            mark.unlink(missing_ok=True)


def _of_mailbox(
    installation: Installation,
    provider: LeadProvider,
    aged: list[AgedSubmission],
    now: datetime,
    done: HousekeepingRound,
) -> None:
    with installation.database.only_one(f"mailbox-{provider.slug}") as ours:
        if not ours:
            return  # a round is at it: the next housekeeping comes soon enough
        try:
            mailbox = installation.mailbox(provider.slug)
            for start in range(0, len(aged), AT_ONCE):
                some = aged[start : start + AT_ONCE]
                for each in some:
                    mailbox.remove(f"from-dfe/receipts/{each.submission_id}")
                    for folder in (
                        installation.outbox / each.submission_id,
                        *installation.outbox.glob(f"{each.submission_id}.*"),
                    ):
                        shutil.rmtree(folder, ignore_errors=True)
                    sweep_unfinished(installation.outbox, each.submission_id)
                installation.uploads.purged([each.submission_id for each in some], now)
                done.receipts[provider.lead_provider_id] += len(some)
            put_front(installation, provider, mailbox, now)
        except MailboxError as error:
            log.warning("mailbox %s: %s", provider.slug, error)
            done.troubles.append(f"{provider.slug}: {error}")


def _change_sets(
    installation: Installation, provider: LeadProvider, sets: list[ExtractSet], now: datetime, done: HousekeepingRound
) -> None:
    """Change sets of extracts, all personal data, go from the mailbox and the store; then it is written down."""
    with installation.database.only_one(f"mailbox-{provider.slug}") as ours:
        if not ours:
            return
        try:
            mailbox = installation.mailbox(provider.slug)
            for made in sets:
                assert made.path is not None
                mailbox.remove(made.path)
                shutil.rmtree(installation.outbox / provider.lead_provider_id / made.path, ignore_errors=True)
                installation.extracts.purged(made, now)
                done.change_sets[provider.lead_provider_id] += 1
            put_front(installation, provider, mailbox, now)
        except MailboxError as error:
            log.warning("mailbox %s: %s", provider.slug, error)
            done.troubles.append(f"{provider.slug}: {error}")


def _sweep_uploads(installation: Installation) -> int:
    """Remove stored uploads that no submission needs any more, and unfinished ones. Returns how many.

    A file is moved aside before it is asked whether anybody needs it: who stores the same bytes meanwhile makes a new one.
    """
    folder, wanted = installation.settings.store_folder / "uploads", installation.uploads.wanted_uploads()
    candidates = [path for path in folder.rglob("*") if path.is_file() and path.name not in wanted]
    removed = 0
    for path in candidates:
        if not _is_old(path):
            continue
        if path.name.startswith("."):  # a killed round's
            path.unlink(missing_ok=True)
            continue
        aside = path.with_name(f".{path.name}.going")
        path.rename(aside)
        if _is_old(aside) and path.name not in installation.uploads.wanted_uploads():
            aside.unlink()
            removed += 1
        else:
            aside.rename(path)
    return removed


def sweep_audit(installation: Installation, now: datetime) -> None:
    """Remove the SFTP server's audit files that have been kept long enough."""
    before = now - timedelta(days=installation.settings.keep_audit_days)
    for path in (installation.settings.home / "logs").glob("sftp-audit-*.jsonl"):
        if path.name.removeprefix("sftp-audit-")[:10] < f"{before:%Y-%m-%d}":
            path.unlink(missing_ok=True)


def _is_old(path: Path) -> bool:
    """What is young may belong to a round that has not written it down yet."""
    try:
        return path.stat().st_mtime < time.time() - UNFINISHED_SECONDS
    except FileNotFoundError:
        return False
