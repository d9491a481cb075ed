"""Every table once. DfE's records follow schemas.records.tables; the exchange's own memory is written out here."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from schemas.records.tables import RECORDS
from schemas.records.tables import Column as RecordColumn

metadata = MetaData()


class Instant(TypeDecorator[datetime]):
    """A moment in UTC. SQLite has no such type: there it is RFC 3339 text, to the microsecond where one is given."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | datetime | None:
        if value is None or dialect.name != "sqlite":
            return value
        return rfc3339(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.astimezone(UTC)


class Money(TypeDecorator[Decimal]):
    """Exact pounds or ratios. SQLite would make floats of them: there they are text with two decimals."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String())
        return dialect.type_descriptor(Numeric(14, 2))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | Decimal | None:
        return None if value is None else f"{value:.2f}" if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


def rfc3339(moment: datetime) -> str:
    """An instant as our files write it: UTC, `Z`, no fraction unless there is one, no zeros at its end."""
    utc = moment.astimezone(UTC)
    fraction = f"{utc.microsecond:06d}".rstrip("0")
    return utc.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if fraction else "") + "Z"


_TYPES: dict[str, Any] = {
    "id": String(36),
    "trn": String(7),
    "text": Text,
    "integer": Integer,
    "day": Date,
    "instant": Instant,
    "money": Money,
    "ratio": Money,
    "flag": Boolean,
}


def _column(name: str, column: RecordColumn, in_key: bool) -> Column[Any]:
    return Column(name, _TYPES[column.kind], primary_key=in_key, nullable=column.optional, autoincrement=False)


# What statements count by, so that history is counted from the index alone.
_COUNTED = {
    "payment_statement_id": ("declaration_type", "payment_status"),
    "clawback_statement_id": ("declaration_type", "clawback_status"),
}


def _table(name: str) -> Table:
    spec = RECORDS[name]
    indexes = [Index(f"ix_{name}_{c}", c, *_COUNTED.get(c, ())) for c, column in spec.columns.items() if column.indexed]
    columns = [_column(c, column, c in spec.key) for c, column in spec.columns.items()]
    return Table(name, metadata, *columns, *indexes)


RECORD_TABLES: dict[str, Table] = {name: _table(name) for name in RECORDS}

declarations = RECORD_TABLES["declarations"]
statements = RECORD_TABLES["statements"]
lead_providers = RECORD_TABLES["lead_providers"]

# One row a file taken from a mailbox: what became of it. `status` is `claimed` until it is judged.
submissions = Table(
    "submissions",
    metadata,
    Column("submission_id", String(80), primary_key=True),
    Column("lead_provider_id", String(36), nullable=False),
    Column("number", Integer, nullable=False),  # in order of arrival, from 1, per lead provider
    Column("kind", String(40)),
    Column("file_name", Text, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("expected_sha256", String(64)),
    # Name, size and time of change in the mailbox, and whether the file has left it: what tells a file that could not
    # be removed from one that was sent again.
    Column("arrival", Text, nullable=False),
    Column("removed", Boolean, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("processed_at", Instant),
    Column("status", String(20), nullable=False),
    Column("duplicate_of", String(80)),
    Column("rows_total", Integer),
    Column("rows_accepted", Integer),
    Column("rows_rejected", Integer),
    Column("rows_already_done", Integer),
    Column("rule_counts", Text),
    # Tries that failed, when it is tried next, and why it failed: see flows.rounds.trying.
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("next_try_at", Instant),
    Column("trouble", Text),
    Column(
        "purged_at", Instant
    ),  # when its upload and its receipt were removed for their age (flows.upkeep.housekeeping)
    UniqueConstraint("lead_provider_id", "number", name="uq_submissions_number"),
    Index("ix_submissions_sha256", "lead_provider_id", "kind", "sha256"),
    Index("ix_submissions_status", "status"),
)

# Files seen in to-dfe and not claimed yet: since when each lay there whole (handbook: interface 1). `arrival` is its name,
# size and time of modification; `changed` its change time in microseconds, where the carrier tells it. See flows.rounds.looking.
sightings = Table(
    "sightings",
    metadata,
    Column("lead_provider_id", String(36), primary_key=True),
    Column("arrival", Text, primary_key=True),
    Column("changed", BigInteger),
    Column("received_at", Instant, nullable=False),
)

# The mailbox of each lead provider that was ever loaded, by its id: a name may change, a mailbox does not.
mailboxes = Table(
    "mailboxes",
    metadata,
    Column("lead_provider_id", String(36), primary_key=True),
    Column("slug", Text, nullable=False),
    Column("name", Text, nullable=False),  # the last that its owner had
    Column("since", Instant),
    UniqueConstraint("slug", name="uq_mailboxes_slug"),
)

# When the last finished look at a mailbox on another SFTP service began: a file that it did not see came later.
looks = Table(
    "looks",
    metadata,
    Column("lead_provider_id", String(36), primary_key=True),
    Column("looked_at", Instant, nullable=False),
)

# When DfE's records were last loaded, of which instant they speak, and how much of them.
records_imports = Table(
    "records_imports",
    metadata,
    Column("import_id", Integer, primary_key=True, autoincrement=True),
    Column("imported_at", Instant, nullable=False),
    Column("as_of", Instant),  # as extract.json says; empty where there was none
    Column("rows", Text, nullable=False),
    # What was kept against the extract and what was given up to it (JSON): see data.records.reconciling.
    Column("reconciled", Text),
)

# What a mailbox is owed: a finished folder in the outbox, and where it goes. `sequence` is given when delivered.
deliveries = Table(
    "deliveries",
    metadata,
    Column("delivery_id", Integer, primary_key=True, autoincrement=True),
    Column("lead_provider_id", String(36), nullable=False),
    Column("what", String(20), nullable=False),
    Column("path", Text, nullable=False),
    Column("last_file", String(40), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("owed_since", Instant, nullable=False),
    Column("replaces", Text),
    Column("delivered_at", Instant),
    Column("sequence", Integer),
    UniqueConstraint("lead_provider_id", "sequence", name="uq_deliveries_sequence"),
    Index("ix_deliveries_path", "lead_provider_id", "path"),
)

# Every version of a statement that was made, with all its figures (`lines` is JSON), so that none is ever recomputed.
statement_versions = Table(
    "statement_versions",
    metadata,
    Column("statement_id", String(36), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("status", String(10), nullable=False),
    Column("content_sha256", String(64), nullable=False),
    Column("as_of", Instant, nullable=False),
    Column("path", Text, nullable=False),
    Column("total", Money, nullable=False),
    Column("lines", Text, nullable=False),
)

# What paid statements pay for and take back, counted once: see data.counting.
paid_units = Table(
    "paid_units",
    metadata,
    Column("statement_id", String(36), primary_key=True),
    Column("counted_as", String(10), primary_key=True),
    Column("declaration_type", String(20), primary_key=True),
    Column("billed", Integer, nullable=False),
    Column("refunded", Integer, nullable=False),
)

# The audit trail: one row a change, in the field's own event types (handbook: domain 6.6).
events = Table(
    "events",
    metadata,
    Column("event_id", Integer, primary_key=True, autoincrement=True),
    Column("happened_at", Instant, nullable=False),
    Column("type", String(60), nullable=False),
    Column("author", String(30), nullable=False),
    Column("lead_provider_id", String(36)),
    Column("submission_id", String(80)),
    Column("row_number", Integer),
    Column("participant_id", String(36), index=True),
    Column("declaration_id", String(36), index=True),
    Column("training_period_id", String(36)),
    Column("partnership_id", String(36), index=True),
    Column("statement_id", String(36), index=True),
    Column("line_number", Integer),  # of the file, where its row begins
    Column("reason", Text),  # DfE's, where DfE acted
    Column("before", Text),
    Column("after", Text),
)

# What providers said they expect to be paid: every accepted row. The last file that names a month stands for it.
expected_payments = Table(
    "expected_payments",
    metadata,
    Column("submission_id", String(80), primary_key=True),
    Column("row_number", Integer, primary_key=True, autoincrement=False),
    Column("lead_provider_id", String(36), nullable=False),
    Column("statement_month", String(7), nullable=False),
    Column("contract_period", Integer, nullable=False),
    Column("participant_id", String(36), nullable=False),
    Column("participant_type", String(10), nullable=False),
    Column("declaration_type", String(20), nullable=False),
    Column("expected_amount", Money),
    Column("delivery_partner_id", String(36)),
    Column("your_reference", Text),
    Index("ix_expected_payments_month", "lead_provider_id", "contract_period", "statement_month"),
)

# Which months each list of expected payments stands for: the last one that names a month is the one that counts.
stated_months = Table(
    "stated_months",
    metadata,
    Column("submission_id", String(80), primary_key=True),
    Column("lead_provider_id", String(36), nullable=False, index=True),
    Column("contract_period", Integer, primary_key=True, autoincrement=False),
    Column("statement_month", String(7), primary_key=True),
)

# Rows of such lists that were turned away; a month that could not be read is null.
rejected_expectations = Table(
    "rejected_expectations",
    metadata,
    Column("submission_id", String(80), primary_key=True),
    Column("row_number", Integer, primary_key=True, autoincrement=False),
    Column("line_number", Integer, nullable=False),
    Column("lead_provider_id", String(36), nullable=False),
    Column("statement_month", String(7)),
    Column("contract_period", Integer),
    Column("participant_id", String(36), nullable=False),
    Column("participant_type", String(10), nullable=False),
    Column("declaration_type", String(20), nullable=False),
    Column("rule_codes", Text, nullable=False),
)

# Declarations that were turned away, of participants whom DfE knows: what a discrepancy names (transforms.money.discrepancies).
rejected_declarations = Table(
    "rejected_declarations",
    metadata,
    Column("submission_id", String(80), primary_key=True),
    Column("row_number", Integer, primary_key=True, autoincrement=False),
    Column("lead_provider_id", String(36), nullable=False),
    Column("participant_id", String(36), nullable=False, index=True),
    Column("participant_type", String(10), nullable=False),
    Column("declaration_type", String(20), nullable=False),
    Column("rule_codes", Text, nullable=False),
    Column("line_number", Integer),
)

# Partnerships made here that went over into another one when their school was merged: the old id stays known.
partnership_moves = Table(
    "partnership_moves",
    metadata,
    Column("from_partnership_id", String(36), primary_key=True),
    Column("to_partnership_id", String(36), nullable=False),
    Column("moved_at", Instant, nullable=False),
)

# Which records the exchange made (`column_name` is `*`) or changed, with the value that DfE's last extract gave: what
# loading a fresh extract is reconciled by. `seen_at`: when an extract first showed the change. See data.records.reconciling.
own_changes = Table(
    "own_changes",
    metadata,
    Column("table_name", String(40), primary_key=True),
    Column("record_id", String(36), primary_key=True),
    Column("column_name", String(40), primary_key=True),
    Column("before", Text),
    Column("changed_at", Instant, nullable=False),
    Column("seen_at", Instant),
    sqlite_with_rowid=False,
)
