"""What lies in a mailbox and does not go on: told to its sender in from-dfe/waiting.csv."""

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from flows.installation import Installation, LeadProvider
from schemas.instants import rfc3339
from schemas.showing import shown
from sftp.mailbox import FROM_DFE, SIDECAR, Arrival, Mailbox
from sftp.refusals import plain

WAITING = f"{FROM_DFE}/waiting.csv"
HEADER = ("file_name", "waiting_since", "waits_for")
FOR_ITS_PART, TO_BE_FINISHED = timedelta(hours=1), timedelta(days=1)


def tell_what_waits(
    installation: Installation, provider: LeadProvider, mailbox: Mailbox, as_of: datetime | None
) -> list[str]:
    """Make from-dfe/waiting.csv what it is to be: gone where nothing waits. Returns a line for operators where something
    does. The caller holds the mailbox."""
    now = installation.now(as_of)
    rows = sorted(
        (since, arrival.shown_name, what)
        for arrival, since, what, patience in _waiting(installation, provider, mailbox)
        if now - since >= patience
    )
    if not rows:
        mailbox.put_or_remove(WAITING, None)
        return []
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows([plain(name), rfc3339(since), what] for since, name, what in rows)
    mailbox.put_or_remove(WAITING, written.getvalue().encode())
    files = "1 file waits" if len(rows) == 1 else f"{len(rows):,} files wait"
    return [
        f"{provider.slug}: {files} in to-dfe for a checksum, for what a checksum is of, or for an upload to be finished, "
        f"the first since {rfc3339(rows[0][0])}; its sender is told in waiting.csv"
    ]


def _waiting(
    installation: Installation, provider: LeadProvider, mailbox: Mailbox
) -> Iterable[tuple[Arrival, datetime, str, timedelta]]:
    """(file, since when, for what, after how long its sender is told)."""
    seen = {
        arrival: moment
        for (whose, arrival), moment in installation.sightings.all().items()
        if whose == provider.lead_provider_id
    }
    there = mailbox.look()
    names = {each.name.lower() for each in there}
    always = installation.accounts.wants_checksums(provider.slug)
    for each in there:
        since = seen.get(each.identity) or _since(each)
        if each.is_sidecar and each.name.lower()[: -len(SIDECAR)] not in names:
            yield (
                each,
                since,
                f"the file that it is the checksum of: {shown(each.shown_name[: -len(SIDECAR)])}",
                FOR_ITS_PART,
            )
        elif not each.is_sidecar and always and each.name.lower() + SIDECAR not in names:
            yield each, since, f"its checksum, as you have asked for: {shown(each.shown_name)}{SIDECAR}", FOR_ITS_PART
    for each in mailbox.half_sent():
        wanted = "its upload to be finished: rename it so that its name ends in .csv, or delete it"
        yield each, _since(each), wanted, TO_BE_FINISHED


def _since(arrival: Arrival) -> datetime:
    return datetime.fromtimestamp(arrival.modified if arrival.changed is None else arrival.changed, UTC)
