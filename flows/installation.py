"""The installation, opened: database, mailboxes, store, settings. Every round starts here."""

import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from data.database import Database
from data.ledger.deliveries import Deliveries
from data.ledger.extracts import Extracts
from data.ledger.records import RecordsKept
from data.ledger.rounds import Rounds
from data.ledger.sightings import Sightings
from data.ledger.submissions import Submissions
from data.ledger.uploads import Uploads
from data.ledger.versions import Versions
from flows.errors import ExchangeError
from flows.home import OfOneMailbox, settled
from flows.settings import Settings
from schemas.inbound.practised import clock_from
from schemas.instants import rfc3339
from sftp.accounts import Accounts
from sftp.durable import wait
from sftp.local import LocalMailbox
from sftp.mailbox import Mailbox, MailboxError
from sftp.server.journal import Journal
from templates.practice import written

if TYPE_CHECKING:  # loaded where they are needed: most looks find nothing to read, and most mailboxes lie here
    from schemas.inbound.reading import Limits
    from sftp.service import SftpService


@dataclass(frozen=True)
class LeadProvider:
    """Whose mailbox it is."""

    lead_provider_id: str
    name: str
    vat_registered: bool
    slug: str


@dataclass
class Installation:
    """What a round works with."""

    settings: Settings
    database: Database
    accounts: Accounts
    _service: "SftpService | None" = field(default=None, repr=False)
    _load: int | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """The ledger, a part a subject."""
        self.submissions, self.uploads = Submissions(self.database), Uploads(self.database)
        self.sightings, self.deliveries = Sightings(self.database), Deliveries(self.database)
        self.versions, self.records = Versions(self.database), RecordsKept(self.database)
        self.extracts, self.rounds = Extracts(self.database), Rounds(self.database)

    @property
    def limits(self) -> "Limits":
        from schemas.inbound.reading import Limits

        return Limits(self.settings.max_file_mebibytes << 20, self.settings.max_file_rows)

    @property
    def is_practice(self) -> bool:
        return self.settings.practice

    @property
    def is_of_one_mailbox(self) -> bool:
        """Whether it is one practice mailbox's."""
        return self._only is not None

    @property
    def _only(self) -> str | None:
        """Whose practice mailbox it is, by slug; None: everybody's installation."""
        return self.settings.home.name if isinstance(self.settings, OfOneMailbox) else None

    @property
    def service_home(self) -> Path:
        """The home of the service: of one practice mailbox, that of all of them."""
        home = self.settings.home
        return home.parent.parent if self.is_of_one_mailbox else home

    def lead_providers(self) -> list[LeadProvider]:
        return self._own(self.records.lead_providers())

    def _own(self, rows: list[tuple[str, str, bool, str]]) -> list[LeadProvider]:
        everybody = [LeadProvider(*row) for row in rows]
        return [each for each in everybody if self._only in (None, each.slug)]

    def ever_provided_for(self) -> list[LeadProvider]:
        """Those who have left the records, too: what is kept of them goes when its time has come."""
        return self._own(self.records.mailboxes())

    def lead_provider(self, name: str) -> LeadProvider:
        """By slug or id, or by a name that is one provider's alone. Raises ExchangeError (NO-PROVIDER)."""
        known = self.lead_providers()
        for found in (
            [each for each in known if name in (each.slug, each.lead_provider_id)],
            [each for each in known if name == each.name],
        ):
            if len(found) == 1:
                return found[0]
        if found:
            raise ExchangeError(
                "NO-PROVIDER",
                f"There are {len(found)} lead providers “{name}”.",
                "Give the slug: see `ectx provider list`.",
            )
        raise ExchangeError(
            "NO-PROVIDER", f"There is no lead provider “{name}” in the records.", "See `ectx provider list`."
        )

    def account(self, name: str) -> str:
        """The account of a lead provider, by slug, name or id; or that of one who has left the records, by slug."""
        return name if name in self.accounts.names() else self.lead_provider(name).slug

    def mailbox(self, name: str) -> Mailbox:
        """The mailbox of a slug, made where it is missing. Raises MailboxError."""
        folder = self.settings.mailboxes_folder
        box: Mailbox
        if folder is not None:
            box = LocalMailbox(folder / name)
        else:
            from sftp.remote import SftpMailbox

            if self._service is not None and not self._service.is_alive:
                self._service.close()
                self._service = None
            if self._service is None:
                self._service = self._connect()
            box = SftpMailbox(self._service, name)
        box.prepare()
        return box

    def _connect(self) -> "SftpService":
        from sftp.service import SftpService

        if not self.settings.mailboxes.startswith("sftp://"):
            raise MailboxError("ECTX_MAILBOXES begins with neither file:// nor sftp://: correct it.")
        key, hosts = self.settings.sftp_key, self.settings.sftp_known_hosts
        if key is None or hosts is None:
            raise MailboxError("Mailboxes over SFTP need ECTX_SFTP_KEY and ECTX_SFTP_KNOWN_HOSTS.")
        return SftpService(self.settings.mailboxes, key, hosts)

    @property
    def journal(self) -> Journal:
        """When the embedded server saw uploads whole."""
        return Journal(self.settings.journal_folder)

    @property
    def is_remote(self) -> bool:
        """Whether the mailboxes lie on another SFTP service."""
        return self.settings.mailboxes_folder is None

    def now(self, as_of: datetime | None = None) -> datetime:
        """The instant of a rehearsal, or the present one: by the database's clock, which every machine shares; of one practice
        mailbox by its own."""
        if as_of or not self.is_of_one_mailbox:
            return as_of or self.database.now()
        ours = (self.submissions.all_received(each.lead_provider_id) for each in self.lead_providers())
        return clock_from(chain.from_iterable(ours), self.records.as_of() or self.database.now())

    @property
    def outbox(self) -> Path:
        return self.settings.store_folder / "outbox"

    def stored_upload(self, sha256: str) -> Path:
        return self.settings.store_folder / "uploads" / sha256[:2] / sha256

    def store_upload(self, pieces: Iterable[bytes]) -> tuple[str, int]:
        """Keep a file under its SHA-256. Returns the digest and the size in bytes."""
        folder = self.settings.store_folder / "uploads"
        folder.mkdir(parents=True, exist_ok=True)
        unfinished, digest, size = folder / f".{uuid.uuid4().hex}.tmp", hashlib.sha256(), 0
        try:
            with unfinished.open("wb") as handle:
                for piece in pieces:
                    handle.write(piece)
                    digest.update(piece)
                    size += len(piece)
                handle.flush()
                os.fsync(handle.fileno())  # its sender's copy is let go of next
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        place = self.stored_upload(digest.hexdigest())
        place.parent.mkdir(exist_ok=True)
        unfinished.replace(place)
        for above in (place.parent, folder):  # its name, too
            wait(above)
        return digest.hexdigest(), size

    @cached_property
    def calendar_version(self) -> str:
        """The calendar's digest, looked up once a round."""
        return self.records.calendar_version()

    @cached_property
    def records_as_of(self) -> str | None:
        """When DfE's records were last loaded (RFC 3339), looked up once a round."""
        as_of = self.records.as_of()
        return rfc3339(as_of) if as_of else None

    def know_load(self, number: int) -> None:
        """Look up anew what is looked up once, if DfE's records have been loaded meanwhile."""
        if number != self._load:
            self.forget()
            self._load = number

    def forget(self) -> None:
        """Look up anew what is looked up once a round: the records have been loaded meanwhile."""
        for name in ("calendar_version", "records_as_of"):
            self.__dict__.pop(name, None)

    def close(self) -> None:
        if self._service is not None:
            self._service.close()
        self.database.engine.dispose()


def keep_private(folder: Path) -> None:
    """Make a folder that is for this user alone, and from now on make nothing that others may read."""
    os.umask(0o077)
    folder.mkdir(parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid == os.geteuid() and status.st_mode & 0o077:
        folder.chmod(0o700)


@contextmanager
def open_installation(settings: Settings | None = None) -> Iterator[Installation]:
    """Open the installation that the settings describe; its tables are brought to the newest form. What is written meanwhile says
    PRACTICE, if it is for practice. Raises ExchangeError where the home is of the other kind (flows.home)."""
    settings = settled(settings or Settings())
    keep_private(settings.home)
    if settings.store:
        keep_private(settings.store)
    database = Database(settings.database)
    database.migrate()
    shared = settings.store_folder / "demands" if settings.store else None  # workers have homes of their own
    installation = Installation(settings, database, Accounts(settings.keys_folder, shared))
    try:
        with written(settings.practice):
            yield installation
    finally:
        installation.close()
