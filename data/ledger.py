"""The exchange's own memory: submissions, deliveries owed, statement versions. Small questions and small writes."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, delete, func, insert, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from data.database import Database
from data.tables import (
    RECORD_TABLES,
    Instant,
    deliveries,
    events,
    lead_providers,
    looks,
    mailboxes,
    records_imports,
    sightings,
    statement_versions,
    statements,
    submissions,
)

contracts = RECORD_TABLES["contracts"]
CLAIMED, SET_ASIDE = "claimed", "set-aside"
UNREAD = "0" * 64  # in place of the SHA-256 of a file that could not be read
REPEATED = "FILE-013"
AT_ONCE = 500  # of what a question names one by one


@dataclass(frozen=True)
class SubmissionRow:
    """A file that was taken. See data.tables.submissions."""

    submission_id: str
    lead_provider_id: str
    kind: str | None
    file_name: str
    size_bytes: int
    sha256: str
    arrival: str
    received_at: datetime
    expected_sha256: str | None = None
    status: str = CLAIMED
    failures: int = 0
    next_try_at: datetime | None = None
    trouble: str | None = None


@dataclass(frozen=True)
class AgedSubmission:
    """A submission whose upload and receipt may go."""

    submission_id: str
    lead_provider_id: str
    sha256: str


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


@dataclass(frozen=True)
class VersionRow:
    """A version of a statement. See data.tables.statement_versions."""

    statement_id: str
    version: int
    status: str
    content_sha256: str
    path: str
    total: Decimal


@dataclass(frozen=True)
class FinalVersion:
    """A statement that is payable or paid in the records, with its last version (version_status: as that has it)."""

    lead_provider_id: str
    lead_provider_name: str
    contract_period: int
    statement_month: str
    statement_id: str
    fee_type: str
    status: str
    deadline_date: date
    payment_date: date
    version: int | None
    version_status: str | None
    lines: str


@dataclass(frozen=True)
class PaidVersion:
    """The paid version of a statement, and the SHA-256 of its manifest."""

    statement_id: str
    lead_provider_id: str
    contract_period: int
    version: int
    path: str
    sha256: str


@dataclass(frozen=True)
class DeliveredVersion:
    """A version of a statement, the SHA-256 of its manifest, and when it was delivered; None while it is owed."""

    version: int
    status: str
    path: str
    total: Decimal
    sha256: str
    delivered_at: datetime | None


_SUBMISSION = [submissions.c[name] for name in SubmissionRow.__dataclass_fields__]
_DELIVERY = [deliveries.c[name] for name in DeliveryRow.__dataclass_fields__]
_VERSION = [statement_versions.c[name] for name in VersionRow.__dataclass_fields__]


def _as_delivered(*columns: ColumnElement[Any]) -> Select[Any]:
    """Versions of statements with their contract and the delivery of their folder; those never delivered are left out."""
    v, s, c, d = statement_versions.c, statements.c, contracts.c, deliveries.c
    return (
        select(*columns)
        .join_from(statement_versions, statements, s.statement_id == v.statement_id)
        .join(contracts, c.contract_id == s.contract_id)
        .join(deliveries, (d.path == v.path) & (d.lead_provider_id == c.lead_provider_id))
    )


def _looked(lead_provider_id: str, looked_at: datetime) -> dict[str, Any]:
    return {"lead_provider_id": lead_provider_id, "looked_at": looked_at}


def _kept_or_replaced(insertion: Any, table: Table) -> Any:
    """A sighting that is there stays as it is; a look gives way to a later one."""
    if table is sightings:
        return insertion.on_conflict_do_nothing()
    later = insertion.excluded.looked_at
    key = list(table.primary_key)
    return insertion.on_conflict_do_update(
        index_elements=key, set_={"looked_at": later}, where=looks.c.looked_at < later
    )


class Ledger:
    """Questions and small writes, each in a transaction of its own unless it is handed one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _all(self, query: Any) -> list[Any]:
        with self._database.engine.connect() as connection:
            return list(connection.execute(query))

    def lead_providers(self) -> list[tuple[str, str, bool, str]]:
        """(id, name, vat_registered, slug of its mailbox), by name."""
        c, m = lead_providers.c, mailboxes.c
        query = select(c.lead_provider_id, c.name, c.vat_registered, m.slug).join_from(
            lead_providers, mailboxes, m.lead_provider_id == c.lead_provider_id
        )
        return [tuple(row) for row in self._all(query.order_by(c.name, c.lead_provider_id))]

    # Submissions

    def claim(self, row: SubmissionRow, arrivals: list[str], number: int | None = None) -> SubmissionRow:
        """Write down that a file was taken. It is `claimed` until it is judged. Returns it, or what somebody else has made
        of this very arrival meanwhile. arrivals: those that it came of, whose sightings are told by it from now on.
        number: its place among its lead provider's, where that is known."""
        with self._database.write() as connection:
            there = connection.execute(self._same_arrival(row.lead_provider_id, row.arrival, row.sha256)).first()
            if there and number is None:
                return SubmissionRow(*there)
            self._forget_sightings(connection, row.lead_provider_id, arrivals)
            c = submissions.c
            last = select(func.coalesce(func.max(c.number), 0)).where(c.lead_provider_id == row.lead_provider_id)
            number = number or connection.execute(last).scalar_one() + 1
            connection.execute(insert(submissions).values(**vars(row), number=number, removed=False))
            return row

    def unremoved(self, lead_provider_id: str, arrival: str, sha256: str) -> SubmissionRow | None:
        """The submission that this very arrival became, while its file is not known to have left the mailbox."""
        rows = self._all(self._same_arrival(lead_provider_id, arrival, sha256))
        return SubmissionRow(*rows[0]) if rows else None

    @staticmethod
    def _same_arrival(lead_provider_id: str, arrival: str, sha256: str) -> Any:
        c = submissions.c
        same = (c.lead_provider_id == lead_provider_id, c.arrival == arrival, c.sha256 == sha256, c.removed.is_(False))
        return select(*_SUBMISSION).where(*same)

    def came_of(self, lead_provider_id: str, arrival: str) -> bool:
        """Whether a submission came of this very arrival, whose file is not known to have left the mailbox."""
        c = submissions.c
        same = (c.lead_provider_id == lead_provider_id, c.arrival == arrival, c.removed.is_(False))
        return bool(self._all(select(c.submission_id).where(*same).limit(1)))

    def removed(self, submission_id: str) -> None:
        with self._database.write() as connection:
            connection.execute(
                update(submissions).where(submissions.c.submission_id == submission_id).values(removed=True)
            )

    def any_unremoved(self, lead_provider_id: str) -> bool:
        """Whether a file of theirs is not known to have left the mailbox."""
        c = submissions.c
        query = select(c.submission_id).where(c.lead_provider_id == lead_provider_id, c.removed.is_(False)).limit(1)
        return bool(self._all(query))

    def all_removed(self, lead_provider_id: str) -> None:
        """Write down that none of a lead provider's claimed files is in the mailbox any more."""
        if self.any_unremoved(lead_provider_id):
            whose = (submissions.c.lead_provider_id == lead_provider_id, submissions.c.removed.is_(False))
            with self._database.write() as connection:
                connection.execute(update(submissions).where(*whose).values(removed=True))

    # Sightings: since when files that are not claimed yet lay in their mailboxes whole

    def sightings(self) -> dict[tuple[str, str], datetime]:
        """(lead provider id, arrival) → since when it lay there whole."""
        c = sightings.c
        query = select(c.lead_provider_id, c.arrival, c.received_at)
        return {(row[0], row[1]): row[2] for row in self._all(query)}

    def changed_when_seen(self, lead_provider_id: str) -> dict[str, int | None]:
        """Arrival → the change time (microseconds since 1970) that goes with its sighting."""
        c = sightings.c
        return {
            row[0]: row[1]
            for row in self._all(select(c.arrival, c.changed).where(c.lead_provider_id == lead_provider_id))
        }

    def looks(self) -> dict[str, datetime]:
        """Lead provider id → when the last finished look at their mailbox began."""
        return {row[0]: row[1] for row in self._all(select(looks.c.lead_provider_id, looks.c.looked_at))}

    def saw(self, found: list[dict[str, Any]], looked: dict[str, datetime]) -> None:
        """Write down new sightings (rows of the table; one that is there already stays), and when looks began."""
        if not found and not looked:
            return
        with self._database.write() as connection:
            dialect: Any = sqlite if self._database.is_sqlite else postgresql
            for rows, table in ((found, sightings), ([_looked(*each) for each in looked.items()], looks)):
                if rows:
                    connection.execute(_kept_or_replaced(dialect.insert(table), table), rows)

    def saw_whole(self, found: list[dict[str, Any]]) -> None:
        """Write down what the embedded server saw closed (rows of the table): it knows best, and the last time counts."""
        if not found:
            return
        with self._database.write() as connection:
            dialect: Any = sqlite if self._database.is_sqlite else postgresql
            insertion = dialect.insert(sightings)
            known = {name: insertion.excluded[name] for name in ("changed", "received_at")}
            statement = insertion.on_conflict_do_update(index_elements=list(sightings.primary_key), set_=known)
            connection.execute(statement, found)

    def forget_sightings(self, lead_provider_id: str, arrivals: list[str]) -> None:
        """Files that are gone: should one come back that looks the same, it has come anew."""
        if arrivals:
            with self._database.write() as connection:
                self._forget_sightings(connection, lead_provider_id, arrivals)

    @staticmethod
    def _forget_sightings(connection: Connection, lead_provider_id: str, arrivals: list[str]) -> None:
        for start in range(0, len(arrivals), AT_ONCE):
            some = sightings.c.arrival.in_(arrivals[start : start + AT_ONCE])
            connection.execute(delete(sightings).where(sightings.c.lead_provider_id == lead_provider_id, some))

    # Tries

    def failed(self, submission_id: str, failures: int, next_try_at: datetime | None, trouble: str) -> None:
        """Write down that a try failed, and when the next one is due."""
        with self._database.write() as connection:
            self.settle(connection, submission_id, failures=failures, next_try_at=next_try_at, trouble=trouble)

    def submission(self, submission_id: str) -> SubmissionRow | None:
        rows = self._all(select(*_SUBMISSION).where(submissions.c.submission_id == submission_id))
        return SubmissionRow(*rows[0]) if rows else None

    def unsettled(self) -> list[SubmissionRow]:
        """Submissions that wait to be judged or are put aside, in the order in which they were received."""
        c = submissions.c
        query = select(*_SUBMISSION).where(c.status.in_([CLAIMED, SET_ASIDE])).order_by(c.received_at, c.submission_id)
        return [SubmissionRow(*row) for row in self._all(query)]

    def events_of_submission(self, submission_id: str, kinds: tuple[str, ...]) -> list[tuple[datetime, str, str, str]]:
        """(when, type, author, reason) of events of these kinds, in order."""
        c = events.c
        query = select(c.happened_at, c.type, c.author, c.reason).where(
            c.submission_id == submission_id, c.type.in_(kinds)
        )
        return [tuple(row) for row in self._all(query.order_by(c.event_id))]

    @staticmethod
    def is_open(connection: Connection, submission_id: str) -> bool:
        """Whether nobody has judged it yet, seen from inside the transaction that would."""
        status = connection.execute(
            select(submissions.c.status).where(submissions.c.submission_id == submission_id)
        ).scalar_one()
        return status in (CLAIMED, SET_ASIDE)

    @staticmethod
    def tell(connection: Connection, **event: Any) -> None:
        """An event of the audit trail."""
        connection.execute(insert(events).values(**event))

    def last_judged(self, lead_provider_id: str, file_name: str) -> tuple[SubmissionRow, datetime] | None:
        """The last submission of a file of this name (in any case of letters) that was judged, and when."""
        c = submissions.c
        query = select(c.processed_at, *_SUBMISSION).where(
            c.lead_provider_id == lead_provider_id, func.lower(c.file_name) == file_name.lower(), c.processed_at.is_not(None),
            c.purged_at.is_(None),
        )  # fmt: skip
        rows = self._all(query.order_by(c.number.desc()).limit(1))
        return (SubmissionRow(*rows[0][1:]), rows[0][0]) if rows else None

    def exists(self, submission_id: str) -> bool:
        return bool(self._all(select(submissions.c.submission_id).where(submissions.c.submission_id == submission_id)))

    def waiting(self, lead_provider_id: str) -> list[SubmissionRow]:
        """Submissions taken and not yet judged, in order of arrival."""
        c = submissions.c
        query = select(*_SUBMISSION).where(c.lead_provider_id == lead_provider_id, c.status == CLAIMED)
        return [SubmissionRow(*row) for row in self._all(query.order_by(c.number))]

    def taken_whole(self, row: SubmissionRow) -> SubmissionRow | None:
        """The first submission of the same bytes and kind, if no row of them was ever rejected (rule FILE-013, whose own
        rejections do not count: the same bytes get the same answer every time).

        What is expected to be paid is replaced by later files: there, only if no other has been taken since (ours).
        """
        c = submissions.c
        kind = (c.lead_provider_id == row.lead_provider_id, c.kind == row.kind, c.submission_id != row.submission_id)
        same = select(c.rule_counts, c.rows_rejected, c.status, c.number, *_SUBMISSION).where(
            *kind, c.sha256 == row.sha256
        )
        before = self._all(same.order_by(c.number))
        if any(each[1] and set(json.loads(each[0] or "{}")) - {REPEATED} for each in before):
            return None
        whole = [each for each in before if each[2] == "accepted"]
        if whole and row.kind == "expected-payments":
            last = self._all(select(func.max(c.number)).where(*kind, c.rows_accepted > 0))[0][0]
            whole = whole if whole[-1][3] == last else []
        return SubmissionRow(*whole[0][4:]) if whole else None

    @staticmethod
    def settle(connection: Connection, submission_id: str, **outcome: Any) -> None:
        """Write down what became of a submission, in the transaction that applies it."""
        connection.execute(update(submissions).where(submissions.c.submission_id == submission_id).values(**outcome))

    # Keeping

    def aged(self, before: datetime) -> list[AgedSubmission]:
        """Judged submissions received before an instant, their receipts delivered, that are still kept; oldest first."""
        s, d = submissions.c, deliveries.c
        owed = select(d.path).where(
            d.lead_provider_id == s.lead_provider_id, d.delivered_at.is_(None), d.what == "receipt"
        )
        query = (
            select(s.submission_id, s.lead_provider_id, s.sha256)
            .where(s.received_at < before, s.status != CLAIMED, s.removed.is_(True), s.purged_at.is_(None))
            .where(~owed.where(d.path == "from-dfe/receipts/" + s.submission_id).exists())
            .order_by(s.received_at, s.submission_id)
        )
        return [AgedSubmission(*row) for row in self._all(query)]

    def purged(self, submission_ids: list[str], now: datetime) -> None:
        """Write down that uploads and receipts are gone."""
        with self._database.write() as connection:
            for submission_id in submission_ids:
                which = submissions.c.submission_id == submission_id
                connection.execute(update(submissions).where(which).values(purged_at=now))

    def kept_bytes(self, lead_provider_id: str) -> int:
        """How much the uploads of a lead provider have that are still kept, each counted once."""
        c = submissions.c
        kept = select(c.sha256, c.size_bytes).where(c.lead_provider_id == lead_provider_id, c.purged_at.is_(None))
        each = kept.distinct().subquery()
        return int(self._all(select(func.coalesce(func.sum(each.c.size_bytes), 0)))[0][0])

    def wanted_uploads(self) -> set[str]:
        """The SHA-256 of every upload that a submission still needs."""
        return {
            row[0]
            for row in self._all(select(submissions.c.sha256).where(submissions.c.purged_at.is_(None)).distinct())
        }

    # Deliveries

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

    def owed(self, lead_provider_id: str) -> list[DeliveryRow]:
        """What a mailbox is still owed, oldest first."""
        c = deliveries.c
        query = select(*_DELIVERY).where(c.lead_provider_id == lead_provider_id, c.delivered_at.is_(None))
        return [DeliveryRow(*row) for row in self._all(query.order_by(c.delivery_id))]

    def delivered(self, numbered: dict[int, int], now: datetime) -> None:
        """Write down that deliveries are there: their id → the mailbox's number for them."""
        c = deliveries.c
        with self._database.write() as connection:
            for delivery_id, sequence in numbered.items():
                change = update(deliveries).where(c.delivery_id == delivery_id, c.delivered_at.is_(None))
                connection.execute(change.values(delivered_at=now, sequence=sequence))

    def index(self, lead_provider_id: str) -> list[DeliveryRow]:
        """Everything ever delivered to a mailbox, by number."""
        c = deliveries.c
        query = select(*_DELIVERY).where(c.lead_provider_id == lead_provider_id, c.sequence.is_not(None))
        return [DeliveryRow(*row) for row in self._all(query.order_by(c.sequence))]

    # Statements

    def versions(self) -> dict[str, VersionRow]:
        """The last version of every statement that has one."""
        c = statement_versions.c
        last = select(c.statement_id, func.max(c.version).label("version")).group_by(c.statement_id).subquery()
        same = (c.statement_id == last.c.statement_id) & (c.version == last.c.version)
        return {row[0]: VersionRow(*row) for row in self._all(select(*_VERSION).join(last, same))}

    def version_lines(self, statement_id: str, version: int) -> list[dict[str, Any]]:
        """The lines of a version as they were delivered: section, count, rate, amount and so on."""
        c = statement_versions.c
        query = select(c.lines).where(c.statement_id == statement_id, c.version == version)
        found: list[dict[str, Any]] = json.loads(self._all(query)[0][0])
        return found

    def final_versions(self, year: int, month: int) -> list[FinalVersion]:
        """The payable and paid statements of a month, by lead provider and contract period.

        Left out: those that DfE's records brought along as paid, of which no version was ever made here.
        """
        v, s, c, p = statement_versions.c, statements.c, contracts.c, lead_providers.c
        last = select(v.statement_id, func.max(v.version).label("version")).group_by(v.statement_id).subquery()
        query = (
            select(
                c.lead_provider_id, p.name, c.contract_period, literal(f"{year}-{month:02}"), s.statement_id, s.fee_type,
                s.status, s.deadline_date, s.payment_date, v.version, v.status, func.coalesce(v.lines, "[]"),
            )
            .join(contracts, c.contract_id == s.contract_id)
            .join(lead_providers, p.lead_provider_id == c.lead_provider_id)
            .outerjoin(last, last.c.statement_id == s.statement_id)
            .outerjoin(
                statement_versions, (v.statement_id == last.c.statement_id) & (v.version == last.c.version)
            )
            .where(s.year == year, s.month == month)
            .where((s.status == "payable") | ((s.status == "paid") & v.version.is_not(None)))
            .order_by(p.name, c.contract_period, s.statement_id)
        )  # fmt: skip
        return [FinalVersion(*row) for row in self._all(query)]

    def paid_versions(self, statement_id: str | None = None) -> list[PaidVersion]:
        """The paid version of every statement that has one, or of the one named; by lead provider and contract period."""
        v, c, d = statement_versions.c, contracts.c, deliveries.c
        query = (
            _as_delivered(v.statement_id, c.lead_provider_id, c.contract_period, v.version, v.path, d.sha256)
            .where(v.status == "paid")
            .order_by(c.lead_provider_id, c.contract_period, v.statement_id)
        )
        if statement_id is not None:
            query = query.where(v.statement_id == statement_id)
        return [PaidVersion(*row) for row in self._all(query)]

    def newest_version(self, statement_id: str) -> DeliveredVersion | None:
        """The last version of a statement that was made."""
        v, d = statement_versions.c, deliveries.c
        query = (
            _as_delivered(v.version, v.status, v.path, v.total, d.sha256, d.delivered_at)
            .where(v.statement_id == statement_id)
            .order_by(v.version.desc())
            .limit(1)
        )
        rows = self._all(query)
        return DeliveredVersion(*rows[0]) if rows else None

    @staticmethod
    def add_version(connection: Connection, **version: Any) -> None:
        connection.execute(insert(statement_versions).values(**version))

    # Records

    def records_as_of(self) -> datetime | None:
        """The instant of which DfE's records speak: as their last extract says, else when it was loaded."""
        found = self._all(select(func.max(records_imports.c.import_id)))[0][0]
        if found is None:
            return None
        moment = func.coalesce(records_imports.c.as_of, records_imports.c.imported_at, type_=Instant())
        query = select(moment).where(records_imports.c.import_id == found)
        return self._all(query)[0][0]

    def first_loaded(self) -> datetime | None:
        """When DfE's records were loaded for the first time."""
        first: datetime | None = self._all(select(func.min(records_imports.c.imported_at)))[0][0]
        return first

    def calendar_version(self) -> str:
        """A short digest of contract periods and milestones as they stand in the records."""
        import hashlib

        parts = []
        for name in ("contract_periods", "milestones"):
            table = RECORD_TABLES[name]
            rows = self._all(select(*table.c).order_by(*table.primary_key))
            parts.append([[str(value) for value in row] for row in rows])
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
