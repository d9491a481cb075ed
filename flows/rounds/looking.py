"""Looks at the mailboxes: which files have settled, and since when each lies there whole.

That instant decides for which deadline a file counts, so it does not depend on when a round comes. It is written down
before a file is taken, for taking it is a change, and it is told by the claim from then on.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from data.outside import is_from_outside
from flows.installation import Installation, LeadProvider
from sftp.mailbox import Arrival, MailboxError
from sftp.server.journal import Whole

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Looks:
    """What was seen. settled: slug → files that were the same at two looks; unseen: slugs of mailboxes that could not be
    looked at, in whole or for a moment; troubles: why, for operators; stale: slug → sightings of files that no look has
    found any more."""

    settled: dict[str, list[Arrival]] = field(default_factory=dict)
    unseen: set[str] = field(default_factory=set)
    troubles: list[str] = field(default_factory=list)
    stale: dict[str, list[str]] = field(default_factory=dict)


def look_at_all(installation: Installation, providers: list[LeadProvider]) -> Looks:
    """Look at every mailbox twice, with one wait between for all of them; a file without a last line end a third time. Where the
    embedded server saw every file closed, one look is enough."""
    done = Looks()
    first = look_once(installation, providers, done)
    whole = installation.sightings.whole() if any(first.values()) else set()
    known = {
        each.slug: all(
            (each.lead_provider_id, a.identity, microseconds(a.changed or 0)) in whole for a in first[each.slug]
        )
        for each in providers
        if first.get(each.slug)
    }
    done.settled = {slug: first[slug] for slug, is_whole in known.items() if is_whole}
    with_files = [each for each in providers if not known.get(each.slug, True)]
    if not with_files:
        return done
    time.sleep(installation.settings.seconds_between_looks)
    second = _look(installation, with_files, done)
    seen = {name: [a for a in found if a in first[name]] for name, found in second.items()}
    open_ended = {
        (name, a.name)
        for name, found in seen.items()
        for a in found
        if not a.is_sidecar and not _ends_well(installation, name, a)
    }
    if open_ended:
        time.sleep(installation.settings.seconds_between_looks)
        again = [each for each in with_files if each.slug in {name for name, _ in open_ended}]
        third = _look(installation, again, done)
        seen = {
            name: [a for a in found if (name, a.name) not in open_ended or a in third.get(name, [])]
            for name, found in seen.items()
        }
    done.settled |= seen
    return done


def look_once(installation: Installation, providers: list[LeadProvider], done: Looks) -> dict[str, list[Arrival]]:
    """One look: what lies in each mailbox that can be seen, by slug, and is written down; what has gone is stale."""
    found = _look(installation, providers, done)
    _find_stale(installation, providers, found, done)
    return found


def remember_all(installation: Installation) -> None:
    """One look at every mailbox, so that what lies there is written down, as far as each can be seen."""
    _look(installation, installation.lead_providers(), Looks())


def microseconds(seconds: float) -> int:
    """Seconds as whole microseconds, cut."""
    return int(seconds * 1_000_000)


def take_in_journal(installation: Installation, providers: list[LeadProvider]) -> None:
    """Take into the database when the embedded server saw uploads whole. Cut off, it is all taken again."""
    for provider in providers:
        if provider.slug not in installation.journal.slugs():
            continue
        with installation.journal.taken(provider.slug) as uploads:
            now, mailbox = installation.database.now(), installation.mailbox(provider.slug)
            there = {each.identity for each in (*mailbox.look(), *mailbox.taken())}
            rows = {row["arrival"]: row for row in (_whole(provider.lead_provider_id, each, now) for each in uploads)}
            installation.sightings.saw_whole([row for arrival, row in rows.items() if arrival in there])


def _whole(owner: str, upload: Whole, now: datetime) -> dict[str, Any]:
    """A row of data.tables.sightings."""
    arrival = Arrival(upload.name, upload.size_bytes, upload.modified, upload.changed)
    return {
        "lead_provider_id": owner,
        "arrival": arrival.identity,
        "changed": microseconds(upload.changed),
        "received_at": min(_EPOCH + timedelta(seconds=upload.at), now),
        "is_whole": True,
    }


def _look(installation: Installation, providers: list[LeadProvider], done: Looks) -> dict[str, list[Arrival]]:
    """The files of every mailbox that can be seen; those not seen before are written down."""
    for provider in providers:
        try:
            take_in_journal(installation, [provider])
        except Exception as error:  # one mailbox's trouble is not another's
            done.troubles.append(
                f"{provider.slug}: its journal of uploads could not be read ({type(error).__name__}): change times count"
            )
    known = installation.sightings.all()
    # Before the first look nobody can have sent anything to an exchange that had no records.
    before, never = (
        (installation.sightings.looks(), installation.records.first_loaded()) if installation.is_remote else ({}, None)
    )
    found: dict[str, list[Arrival]] = {}
    new: list[dict[str, Any]] = []
    looked: dict[str, datetime] = {}
    for provider in providers:
        owner, began = provider.lead_provider_id, installation.database.now()
        try:
            arrivals = installation.mailbox(provider.slug).look()
        except Exception as error:  # one mailbox's trouble is not another's
            told = str(error) if isinstance(error, MailboxError) else type(error).__name__
            done.troubles.append(f"{provider.slug}: {told}")
            done.unseen.add(provider.slug)
            continue
        found[provider.slug] = arrivals
        fresh = [each for each in arrivals if (owner, each.identity) not in known]
        ended = installation.database.now() if fresh else began
        new += [_sighting(owner, each, before.get(owner, never), ended) for each in fresh]
        if installation.is_remote:
            looked[owner] = began
    try:
        installation.sightings.saw(new, looked)
    except Exception as error:
        if not is_from_outside(error):
            raise
        done.troubles.append(
            f"what was seen could not be written down ({type(error).__name__}): new files wait for the next round"
        )
        done.unseen |= {each.slug for each in providers}
    return found


def _sighting(owner: str, arrival: Arrival, last_look: datetime | None, now: datetime) -> dict[str, Any]:
    """A row of data.tables.sightings."""
    return {
        "lead_provider_id": owner,
        "arrival": arrival.identity,
        "changed": None if arrival.changed is None else microseconds(arrival.changed),
        "received_at": received(arrival, last_look, now),
    }


def received(arrival: Arrival, last_look: datetime | None, now: datetime) -> datetime:
    """Since when a file seen for the first time lies there whole.

    In a folder: its change time, which its sender cannot set. Over another SFTP service, which tells no such thing: the
    time of modification that it reports, but not before the last finished look that did not see the file so (last_look).
    Never after the look that sees it (now).
    """
    seconds = arrival.modified if arrival.changed is None else arrival.changed
    latest = (now - _EPOCH) / timedelta(seconds=1)
    # Whatever number a service may report: it is bounded before it is made an instant of.
    moment = now if seconds >= latest else _EPOCH + timedelta(seconds=max(seconds, 0))
    if arrival.changed is None and last_look is not None:
        moment = max(moment, min(last_look, now))
    return moment


def _find_stale(
    installation: Installation, providers: list[LeadProvider], found: dict[str, list[Arrival]], done: Looks
) -> None:
    """Sightings of files that are in no mailbox any more: whoever holds the mailbox makes sure, and forgets them."""
    slugs = {each.lead_provider_id: each.slug for each in providers}
    there = {name: {each.identity for each in arrivals} for name, arrivals in found.items()}
    for owner, arrival in installation.sightings.all():
        name = slugs.get(owner)
        if name in there and arrival not in there[name]:
            done.stale.setdefault(name, []).append(arrival)


def forget_gone(installation: Installation, provider: LeadProvider, stale: Iterable[str]) -> None:
    """Forget sightings of files that lie neither in to-dfe nor among those taken. The caller holds the mailbox."""
    mailbox = installation.mailbox(provider.slug)
    there = {each.identity for each in (*mailbox.look(), *mailbox.taken())}
    installation.sightings.forget(provider.lead_provider_id, [each for each in stale if each not in there])


def _ends_well(installation: Installation, name: str, arrival: Arrival) -> bool:
    try:
        return installation.mailbox(name).last_byte(arrival) in (b"\n", b"\r", b"")
    except MailboxError:
        return False
