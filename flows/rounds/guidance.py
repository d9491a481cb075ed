"""One round of guidance: for each lead provider a new version, where something in it is new."""

import dataclasses
import hashlib
import logging
import shutil
import time
from datetime import datetime
from typing import Any

from data.guidance import load_whose
from flows.installation import Installation, LeadProvider
from flows.rounds.delivery import deliver_owed
from flows.rounds.front import put_front
from flows.rounds.guidance_delivery import put_guidance, read_manifest
from flows.rounds.guidance_shared import shared_of
from flows.rounds.places import GUIDANCE, guidance_folder
from schemas.instants import london_day, rfc3339
from schemas.outbound.guidance import Whose
from schemas.outbound.versions import NewestVersion
from schemas.reports import GuidanceRound
from sftp.durable import on_disk
from sftp.mailbox import MailboxError
from templates.folders import write
from templates.guidance.own import deadlines, own_articles, own_lists, school_year
from templates.guidance.pack import LAST_FILE, Part, manifest, version_of

PATIENCE_SECONDS = 600
MAILBOX_SECONDS = 60
DEADLINES = "deadlines.ics"
log = logging.getLogger("ectx.guidance")


def guidance_lock(slug: str) -> str:
    """What is held while a lead provider's guidance is made."""
    return f"guidance-{slug}"


def guidance_round(
    installation: Installation, as_of: datetime | None, chosen: list[LeadProvider] | None = None
) -> GuidanceRound:
    """Make and deliver the guidance of the lead providers chosen, or of all. as_of: the instant of a rehearsal; None: now. One
    provider's trouble is its own."""
    done, started = GuidanceRound(), time.monotonic()
    wanted = installation.lead_providers() if chosen is None else chosen
    with installation.database.only_some((guidance_lock(each.slug) for each in wanted), PATIENCE_SECONDS) as ours:
        done.busy = [each.slug for each in wanted if guidance_lock(each.slug) not in ours]
        providers = {each.lead_provider_id: each for each in wanted if each.slug not in done.busy}
        if not providers:
            return done
        with installation.database.only_one(
            "guidance", PATIENCE_SECONDS
        ) as alone:  # two would make what is everybody's
            if not alone:
                done.busy = [each.slug for each in wanted]
                return done
            shared = shared_of(installation)
        now = installation.now(as_of)
        with installation.database.read() as reader:
            all_of_them = load_whose(reader, {own: each.name for own, each in providers.items()})
        for whose in all_of_them:
            _one(installation, providers[whose.lead_provider_id], whose, shared, now, done)
    done.seconds = time.monotonic() - started
    return done


def _one(
    installation: Installation, provider: LeadProvider, whose: Whose, shared: Part, now: datetime, done: GuidanceRound
) -> None:
    try:
        newest = _shown(installation.versions.newest_of(provider.lead_provider_id))
        whose = dataclasses.replace(
            whose,
            newest=newest,
            vat_registered=provider.vat_registered,
            is_ordered=installation.settings.shares_are_ordered(provider.slug),
            contact=installation.settings.contact,
        )
        with installation.database.only_one(f"mailbox-{provider.slug}", MAILBOX_SECONDS) as ours:
            if not ours:
                raise MailboxError("a round has been at its mailbox for long; the next one makes its guidance")
            done.made += _promise(installation, provider, whose, shared, now)
            done.delivered += _deliver(installation, provider, now)
    except MailboxError as error:
        done.troubles.append(f"{provider.slug}: {error}")
    except Exception as error:
        log.warning("guidance %s: %s", provider.slug, type(error).__name__)
        done.troubles.append(f"{provider.slug}: {type(error).__name__} while its guidance was made; run it again")


def _shown(versions: list[NewestVersion]) -> NewestVersion | None:
    """The version whose figures explain how a statement is made: the newest that declarations are on and that stands; else one that
    may still move."""
    with_declarations = [each for each in versions if '"output"' in each.lines]
    standing = [each for each in with_declarations if each.status != "open"]
    return (standing or with_declarations[:1] or versions or [None])[-1]  # type: ignore[list-item]


def _promise(installation: Installation, provider: LeadProvider, whose: Whose, shared: Part, now: datetime) -> bool:
    """Write a new version into the outbox, and owe it. Says whether there was anything new."""
    own, outbox = provider.lead_provider_id, installation.outbox
    before = _before(installation, own)
    if before and now < datetime.fromisoformat(before["as_of"]):
        return False  # a rehearsal of an earlier day
    stamp, calendar = _calendar(whose, before, now)
    part = Part.of(own_articles(whose, london_day(now)), own_lists(whose) | {DEADLINES: calendar})
    made = version_of(whose, [part, shared], before, installation.deliveries.promised(own, GUIDANCE) + 1)
    if made is None:
        return False
    files, said = made
    unfinished = outbox / own / f"{GUIDANCE}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    for path, content in files.items():
        write(unfinished / path, content)
    last = manifest({**said, "as_of": rfc3339(now), "deadlines_as_of": rfc3339(stamp)}, files)
    write(unfinished / LAST_FILE, last)
    sha256 = hashlib.sha256(last).hexdigest()
    folder = guidance_folder(outbox, own, sha256)
    shutil.rmtree(folder, ignore_errors=True)  # of a try that was cut off
    unfinished.rename(folder)
    on_disk([folder], outbox)
    with installation.database.write() as connection:
        installation.deliveries.owe(
            connection, lead_provider_id=own, what="guidance", path=GUIDANCE, last_file=LAST_FILE, sha256=sha256,
            owed_since=now,
        )  # fmt: skip
    return True


def _before(installation: Installation, lead_provider_id: str) -> dict[str, Any] | None:
    """The manifest of the version before, as the outbox has it; None where there is none, or none that can be read."""
    sha256 = installation.deliveries.receipt_sha256(lead_provider_id, GUIDANCE)
    return read_manifest(guidance_folder(installation.outbox, lead_provider_id, sha256)) if sha256 else None


def _calendar(whose: Whose, before: dict[str, Any] | None, now: datetime) -> tuple[datetime, bytes]:
    """deadlines.ics, and when what it says last changed: programs take up an event anew only where that is later."""
    year = school_year(london_day(now))
    if before:
        stamp = datetime.fromisoformat(before["deadlines_as_of"])
        content = deadlines(whose, year, stamp)
        was = next((each["sha256"] for each in before["files"] if each["name"] == DEADLINES), "")
        if hashlib.sha256(content).hexdigest() == was:
            return stamp, content
    stamp = now.replace(microsecond=0)
    return stamp, deadlines(whose, year, stamp)


def _deliver(installation: Installation, provider: LeadProvider, now: datetime) -> int:
    """What the mailbox is owed; guidance that it has lost; its front page, whose days have moved on since yesterday."""
    mailbox = installation.mailbox(provider.slug)
    delivered = deliver_owed(installation, provider, mailbox, now)
    stands = installation.deliveries.receipt_sha256(provider.lead_provider_id, GUIDANCE)
    there = mailbox.own(f"{GUIDANCE}/{LAST_FILE}")
    if stands and (there is None or hashlib.sha256(there).hexdigest() != stands):
        put_guidance(mailbox, guidance_folder(installation.outbox, provider.lead_provider_id, stands))
    if not delivered:
        put_front(installation, provider, mailbox, now)
    return delivered
