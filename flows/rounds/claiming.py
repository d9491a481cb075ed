"""Taking files out of their senders' reach: stored, written down, told, and only then let go of.

Cut anywhere, the next round finds the taken file and does the rest.
"""

import hashlib
import logging
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from flows.installation import Installation, LeadProvider
from flows.rounds.looking import microseconds, take_in_journal
from flows.rounds.looking import received as seen_since
from flows.rounds.receipts import add_note, receipt_path
from schemas.inbound.names import kind_of
from schemas.inbound.practised import FILE, asked_by
from schemas.inbound.unread import NO_CHECKSUM, is_of_practice
from schemas.submission import UNREAD, Submission
from sftp.mailbox import SIDECAR, Arrival, Mailbox, Unreadable
from sftp.server.names import why_refused
from templates.practice import manifest_json
from templates.receipt import LAST_FILE, received

LATE_CHECKSUM = timedelta(minutes=1)
MOST_OF_A_CHECKSUM = 4 << 10  # bytes
JOURNAL_SECONDS = 2.0
NEARLY_FULL = 0.8  # of what is kept of one provider
log = logging.getLogger("ectx.intake")
_SHA256 = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


@dataclass(frozen=True)
class Ready:
    """A file to be taken, the checksum beside it, and when both lay there as they had to."""

    arrival: Arrival
    sidecar: Arrival | None
    received_at: datetime


class Claims:
    """One mailbox's files on their way in. The caller holds the mailbox. as_of: of a rehearsal, received then."""

    def __init__(
        self, installation: Installation, provider: LeadProvider, mailbox: Mailbox, as_of: datetime | None
    ) -> None:
        self._installation, self._provider, self._mailbox, self._as_of = installation, provider, mailbox, as_of
        self._seen = self._sightings()
        self._given_back = False
        # Lines for operators: what does not go on, and what soon will not.
        self.troubles: list[str] = []
        self.notices: list[str] = []

    def _sightings(self) -> dict[str, datetime]:
        """Since when each file of this mailbox lies there whole; what the embedded server has seen meanwhile first."""
        if not self._installation.is_remote:
            try:
                take_in_journal(self._installation, [self._provider])
            except OSError as error:  # the look has told of it: change times count
                log.warning("journal of %s: %s", self._provider.slug, error.strerror)
        owner = self._provider.lead_provider_id
        return {
            arrival: moment for (whose, arrival), moment in self._installation.sightings.all().items() if whose == owner
        }

    def _make_sure(self, arrivals: list[Arrival]) -> None:
        """Of a file that was put in another's place the embedded server writes the line an instant later: wait for it. A
        change of rights writes none, and moves nothing."""
        if self._installation.is_remote or not self._installation.journal.folder.is_dir():
            return
        deadline = time.monotonic() + JOURNAL_SECONDS
        while time.monotonic() < deadline:
            when_seen = self._installation.sightings.changed_when_seen(self._provider.lead_provider_id)
            other = [
                a for a in arrivals if a.changed and when_seen.get(a.identity) not in (None, microseconds(a.changed))
            ]
            if not other:
                return
            time.sleep(0.1)
            self._seen = self._sightings()

    def left_over(self) -> None:
        """What an interrupted round took: claimed, in its order. What nobody had seen whole is given back, and so is a
        checksum that was taken without its file."""
        taken = self._mailbox.taken()
        wanted = [each for each in taken if each.identity in self._seen or self._is_known(each)]
        ready = self._in_order(wanted)
        kept = {each for one in ready for each in (one.arrival, one.sidecar)}
        for arrival in taken:
            if arrival not in kept:
                self._mailbox.give_back(arrival)
                self._given_back = True
        for each in ready:
            self._claim(each)
        # Whoever discarded the others may not have lived to say so.
        self._installation.submissions.all_removed(self._provider.lead_provider_id)

    def _is_known(self, arrival: Arrival) -> bool:
        """Whether a submission came of it already, and it only has to go."""
        return self._installation.submissions.came_of(self._provider.lead_provider_id, arrival.identity)

    def take(self, settled: list[Arrival]) -> None:
        """Take and claim what is ready, in the order in which it was received."""
        if self._given_back:
            settled = [*settled, *(each for each in self._mailbox.look() if each.is_sidecar and each not in settled)]
        # What another round has claimed since the look may lie there anew: the next look dates it.
        self._make_sure(settled)
        in_order = self._in_order([each for each in settled if each.identity in self._seen])
        for ready in self._with_room(in_order):
            if ready.sidecar and not self._mailbox.take(ready.sidecar):
                continue
            if self._mailbox.take(ready.arrival):
                self._claim(ready)
            elif ready.sidecar:
                self._mailbox.give_back(ready.sidecar)

    def _with_room(self, in_order: list[Ready]) -> Iterator[Ready]:
        """Files as long as there is room for them among what is kept of this provider. What there is no room for waits, and
        what comes after it: files keep their order."""
        most = self._installation.settings.max_store_mebibytes << 20
        kept = self._installation.uploads.kept_bytes(self._provider.lead_provider_id) if in_order else 0
        for ready in in_order:
            kept += ready.arrival.size_bytes
            if kept > most:
                self.troubles.append(
                    f"{self._provider.slug}: STORE-FULL, files wait: at most {most >> 20:,} MiB are kept of one provider. "
                    "Set ECTX_MAX_STORE_MEBIBYTES higher, or ECTX_KEEP_DAYS lower and run `ectx housekeeping`"
                )
                return
            yield ready
        if in_order and kept > most * NEARLY_FULL:
            self.notices.append(
                f"{self._provider.slug}: {kept / most:.0%} of the room for what is kept of this provider is taken"
            )

    def late_checksums(self, settled: list[Arrival]) -> list[str]:
        """Compare checksums that came within a minute after their files were judged, and note it on the receipts. Returns a
        line for operators for each that does not agree."""
        if self._installation.accounts.wants_checksums(self._provider.slug):
            return []  # no file is judged before its checksum is there: this one is the next file's
        files = {each.name.lower() for each in settled if not each.is_sidecar}
        lines = []
        for sidecar in settled:
            name = sidecar.shown_name[: -len(SIDECAR)]
            judged = (
                self._installation.submissions.last_judged(self._provider.lead_provider_id, name)
                if sidecar.is_sidecar
                else None
            )
            if not judged or name.lower() in files or not self._mailbox_has_just(sidecar, judged[1]):
                continue
            submission = judged[0]
            if self._mailbox.take(sidecar):
                agrees = self._told(sidecar) == submission.sha256
                if not agrees and self._installation.now() < self._received(sidecar) + LATE_CHECKSUM:
                    # It may have been sent before the next file of this name: that one has a minute to come.
                    self._mailbox.give_back(sidecar)
                    continue
                if agrees:
                    note = "A checksum that came after the file was judged agrees with it."
                else:
                    note = (
                        "A checksum that came after the file was judged does not agree with it: the upload may have been cut "
                        "short or changed on the way. If so, send the file and its checksum again."
                    )
                    lines.append(f"{submission.submission_id}: a checksum that came after it was judged does not agree")
                self._note(submission, note)
                self._mailbox.discard(sidecar)
                self._installation.sightings.forget(self._provider.lead_provider_id, [sidecar.identity])
        return lines

    def _told(self, sidecar: Arrival) -> str:
        """The SHA-256 that a checksum file says; `nothing` where it says none, or more than one, or cannot be read."""
        try:
            start = self._mailbox.start(sidecar, MOST_OF_A_CHECKSUM)
        except Unreadable:
            return NO_CHECKSUM
        is_utf_16 = start.startswith((b"\xff\xfe", b"\xfe\xff"))  # as PowerShell writes it
        text = start.decode("utf-16" if is_utf_16 else "latin-1", "replace").lower()
        found = set(_SHA256.findall(text)) or {
            line for line in map(_joined, text.splitlines()) if _SHA256.fullmatch(line)
        }
        return found.pop() if len(found) == 1 else NO_CHECKSUM

    def _mailbox_has_just(self, sidecar: Arrival, judged_at: datetime) -> bool:
        return judged_at <= self._received(sidecar) <= judged_at + LATE_CHECKSUM

    def _note(self, submission: Submission, note: str) -> None:
        installation = self._installation
        before = installation.deliveries.receipt_sha256(submission.lead_provider_id, receipt_path(submission))
        if before is None:
            return
        sha256 = add_note(installation.outbox, submission.submission_id, before, note)
        with installation.database.write() as connection:
            installation.deliveries.owe(
                connection, lead_provider_id=submission.lead_provider_id, what="receipt", path=receipt_path(submission),
                last_file=LAST_FILE, sha256=sha256, owed_since=installation.now(self._as_of),
            )  # fmt: skip

    def _in_order(self, arrivals: list[Arrival]) -> list[Ready]:
        """Files with their checksums, by when they were received, then time of modification, then name; those whose
        checksum is wanted and missing are left to wait."""
        sidecars = {each.name.lower(): each for each in arrivals if each.is_sidecar}
        always = self._installation.accounts.wants_checksums(self._provider.slug)
        ready = []
        for arrival in arrivals:
            sidecar = sidecars.get(arrival.name.lower() + SIDECAR)
            if arrival.is_sidecar or (always and sidecar is None and not self._is_known(arrival)):
                continue
            # A file whose checksum nobody demanded was whole before the checksum came.
            moments = [self._received(each) for each in ((arrival, sidecar) if always and sidecar else (arrival,))]
            ready.append(Ready(arrival, sidecar, max(moments)))
        return sorted(ready, key=lambda each: (each.received_at, each.arrival.modified, each.arrival.name))

    def _received(self, arrival: Arrival) -> datetime:
        if self._as_of:
            return self._as_of
        return self._seen.get(arrival.identity) or seen_since(arrival, None, self._installation.now())

    def _claim(self, ready: Ready) -> None:
        installation, mailbox, owner = self._installation, self._mailbox, self._provider.lead_provider_id
        arrival, sidecar = ready.arrival, ready.sidecar
        sha256, size = self._kept(arrival)
        submission = installation.submissions.unremoved(owner, arrival.identity, sha256)
        if submission is None:
            told = self._told(sidecar) if sidecar else None
            submission = replace(self._submission(arrival, sha256, size, ready.received_at), expected_sha256=told)
            came = [each.identity for each in (arrival, sidecar) if each]
            submission = installation.submissions.claim(submission, came)
        mailbox.put(f"{receipt_path(submission)}/received.json", manifest_json(received(submission)))
        for finished in (sidecar, arrival):  # the file last: it is known by itself, a checksum is not
            if finished:
                mailbox.discard(finished)
        installation.submissions.removed(submission.submission_id)

    def _kept(self, arrival: Arrival) -> tuple[str, int]:
        """Keep a taken file, unless it is refused by its name. Returns its SHA-256 (UNREAD where we may not read it) and
        size."""
        try:
            pieces = self._mailbox.read(arrival)
            if self._is_kept(arrival.shown_name):
                return self._installation.store_upload(pieces)
            digest, size = hashlib.sha256(), 0
            for piece in pieces:
                digest.update(piece)
                size += len(piece)
            return digest.hexdigest(), size
        except Unreadable:
            return UNREAD, arrival.size_bytes

    def _is_kept(self, file_name: str) -> bool:
        if not self._installation.is_practice:
            return is_kept(file_name)
        asked = asked_by(file_name, self._as_of or self._installation.now())
        return asked.act != FILE or is_kept(asked.name)

    def _submission(self, arrival: Arrival, sha256: str, size: int, received_at: datetime) -> Submission:
        name, owner = arrival.shown_name, self._provider.lead_provider_id
        asked = asked_by(name, received_at) if self._installation.is_practice else None
        kind = kind_of(asked.name if asked else name)
        stamp = received_at.strftime("%Y%m%dT%H%M%SZ")
        called = kind.name if kind else (asked.act if asked and asked.act != FILE else "unknown")
        for attempt in range(1000):
            text = f"{owner}|{arrival.identity}|{sha256}|{attempt}"
            submission_id = f"{stamp}-{called}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
            if not self._installation.submissions.exists(submission_id):
                break
        return Submission(
            submission_id,
            owner,
            kind.name if kind else None,
            arrival.shown_name,
            size,
            sha256,
            arrival.identity,
            received_at,
        )


def is_kept(file_name: str) -> bool:
    """Whether a file of this name is kept: one that is refused for its name alone is not."""
    return kind_of(file_name) is not None and why_refused(file_name) is None and not is_of_practice(file_name)


def _joined(line: str) -> str:
    """Older certutil puts a blank between bytes."""
    return line.replace(" ", "").strip()
