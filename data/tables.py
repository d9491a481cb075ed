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
    false,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from schemas.columns import COLUMNS
from schemas.instants import rfc3339
from schemas.records.tables import RECORDS, Stored

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


_TYPES: dict[str, Any] = {
    "id": String(36),
    "submission": String(80),
    "digest": String(64),
    "trn": String(7),
    "month": String(7),
    "text": Text,
    "sentence": Text,
    "word": Text,
    "json": Text,
    "path": Text,
    "integer": Integer,
    "year": Integer,
    "day": Date,
    "instant": Instant,
    "money": Money,
    "ratio": Money,
    "flag": Boolean,
}


def _column(name: str, column: Stored, in_key: bool) -> Column[Any]:
    return Column(name, _TYPES[column.kind], primary_key=in_key, nullable=column.optional, autoincrement=False)


def _own(name: str, longest: int = 0, key: bool = False, counts: bool = False, **special: Any) -> Column[Any]:
    """A column of the exchange's own memory, typed as schemas.columns says; it may be empty where its name ends in `?`.

    longest: of a word, in characters. counts: a key that the database counts up.
    """
    own, kind = name.removesuffix("?"), COLUMNS[name.removesuffix("?")].kind
    type_ = String(longest) if longest else _TYPES[kind]
    if key:
        return Column(own, type_, primary_key=True, autoincrement=counts, **special)
    return Column(own, type_, nullable=name.endswith("?"), **special)


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
    _own("submission_id", key=True),
    _own("lead_provider_id"),
    _own("number"),  # in order of arrival, from 1, per lead provider
    _own("kind?", longest=40),
    _own("file_name"),
    _own("size_bytes"),
    _own("sha256"),
    _own("expected_sha256?"),
    # Name, size and time of change in the mailbox, and whether the file has left it: what tells a file that could not
    # be removed from one that was sent again.
    _own("arrival"),
    _own("removed"),
    _own("received_at"),
    _own("processed_at?"),
    _own("status", longest=20),
    _own("duplicate_of?"),
    _own("rows_total?"),
    _own("rows_accepted?"),
    _own("rows_rejected?"),
    _own("rows_already_done?"),
    _own("rule_counts?"),
    # Tries that failed, when it is tried next, and why it failed: see flows.rounds.trying.
    _own("failures", server_default="0"),
    _own("next_try_at?"),
    _own("trouble?"),
    Column(
        "applied_number", Integer
    ),  # in which order files were applied, whoever sent them: the order in which they replay
    _own("purged_at?"),  # when its upload and its receipt were removed for their age (flows.upkeep.housekeeping)
    UniqueConstraint("lead_provider_id", "number", name="uq_submissions_number"),
    Index("ix_submissions_sha256", "lead_provider_id", "kind", "sha256"),
    Index("ix_submissions_status", "status"),
    Index("ix_submissions_applied", "applied_number"),
)
_is_in_the_mailbox = submissions.c.removed.is_(False)
Index(
    "ix_submissions_unremoved",
    submissions.c.lead_provider_id,
    sqlite_where=_is_in_the_mailbox,
    postgresql_where=_is_in_the_mailbox,
)

# Files seen in to-dfe and not claimed yet: since when each lay there whole. `arrival` is its name,
# size and time of modification; `changed` its change time in microseconds, where the carrier tells it; `is_whole`: the embedded
# server says so, so that no second look is needed. See flows.rounds.looking.
sightings = Table(
    "sightings",
    metadata,
    _own("lead_provider_id", key=True),
    _own("arrival", key=True),
    Column("changed", BigInteger),
    _own("received_at"),
    Column("is_whole", Boolean, nullable=False, server_default=false()),
)

# The mailbox of each lead provider that was ever loaded, by its id: a name may change, a mailbox does not.
mailboxes = Table(
    "mailboxes",
    metadata,
    _own("lead_provider_id", key=True),
    _own("slug"),
    _own("name"),  # the last that its owner had
    _own("since?"),
    UniqueConstraint("slug", name="uq_mailboxes_slug"),
)

# When the last finished look at a mailbox on another SFTP service began: a file that it did not see came later.
looks = Table(
    "looks",
    metadata,
    _own("lead_provider_id", key=True),
    _own("looked_at"),
)

# When DfE's records were last loaded, of which instant they speak, and how much of them.
records_imports = Table(
    "records_imports",
    metadata,
    _own("import_id", key=True, counts=True),
    _own("imported_at"),
    _own("as_of?"),  # as extract.json says; empty where there was none
    _own("rows"),
    # What was kept against the extract and what was given up to it (JSON): see data.records.reconciling.
    _own("reconciled?"),
)

# What a mailbox is owed: a finished folder in the outbox, and where it goes. `sequence` is given when delivered.
deliveries = Table(
    "deliveries",
    metadata,
    _own("delivery_id", key=True, counts=True),
    _own("lead_provider_id"),
    _own("what", longest=20),
    _own("path"),
    _own("last_file", longest=40),
    _own("sha256"),
    _own("owed_since"),
    _own("replaces?"),
    _own("delivered_at?"),
    _own("sequence?"),
    UniqueConstraint("lead_provider_id", "sequence", name="uq_deliveries_sequence"),
    Index("ix_deliveries_path", "lead_provider_id", "path"),
)
_is_owed = deliveries.c.delivered_at.is_(None)
Index("ix_deliveries_owed", deliveries.c.lead_provider_id, sqlite_where=_is_owed, postgresql_where=_is_owed)

# Every version of a statement that was made, with all its figures (`lines` is JSON), so that none is ever recomputed.
statement_versions = Table(
    "statement_versions",
    metadata,
    _own("statement_id", key=True),
    _own("version", key=True),
    _own("status", longest=10),
    _own("content_sha256"),
    _own("as_of"),
    _own("path"),
    _own("total"),
    _own("lines"),
)

# The last round of statements that went through, of each lead provider: a digest of what it was made from, and what it told (JSON).
# See flows.rounds.unchanged.
statement_rounds = Table(
    "statement_rounds",
    metadata,
    _own("lead_provider_id", key=True),
    Column("made_from", String(64), nullable=False),
    Column("told", Text, nullable=False),
)

# What paid statements pay for and take back, counted once: see data.counting.
paid_units = Table(
    "paid_units",
    metadata,
    _own("statement_id", key=True),
    _own("counted_as", longest=10, key=True),
    _own("declaration_type", longest=20, key=True),
    _own("billed"),
    _own("refunded"),
)

# The audit trail: one row a change, in the field's own event types.
events = Table(
    "events",
    metadata,
    _own("event_id", key=True, counts=True),
    _own("happened_at"),
    _own("type", longest=60),
    _own("author", longest=30),
    _own("lead_provider_id?"),
    _own("submission_id?"),
    _own("row_number?"),
    _own("participant_id?", index=True),
    _own("declaration_id?", index=True),
    _own("training_period_id?"),
    _own("partnership_id?", index=True),
    _own("statement_id?", index=True),
    _own("line_number?"),  # of the file, where its row begins
    _own("reason?"),  # DfE's, where DfE acted
    _own("before?"),
    _own("after?"),
)

# What providers said they expect to be paid: every accepted row. The last file that names a month stands for it.
expected_payments = Table(
    "expected_payments",
    metadata,
    _own("submission_id", key=True),
    _own("row_number", key=True),
    _own("lead_provider_id"),
    _own("statement_month"),
    _own("contract_period"),
    _own("participant_id"),
    _own("participant_type", longest=10),
    _own("declaration_type", longest=20),
    _own("expected_amount?"),
    _own("delivery_partner_id?"),
    _own("your_reference?"),
    Index("ix_expected_payments_month", "lead_provider_id", "contract_period", "statement_month"),
)

# Which months each list of expected payments stands for: the last one that names a month is the one that counts.
stated_months = Table(
    "stated_months",
    metadata,
    _own("submission_id", key=True),
    _own("lead_provider_id", index=True),
    _own("contract_period", key=True),
    _own("statement_month", key=True),
)

# Rows of such lists that were turned away; a month that could not be read is null.
rejected_expectations = Table(
    "rejected_expectations",
    metadata,
    _own("submission_id", key=True),
    _own("row_number", key=True),
    _own("line_number"),
    _own("lead_provider_id"),
    _own("statement_month?"),
    _own("contract_period?"),
    _own("participant_id"),
    _own("participant_type", longest=10),
    _own("declaration_type", longest=20),
    _own("rule_codes"),
    _own("messages?"),
)

# Declarations that were turned away, of participants whom DfE knows: what a discrepancy names (transforms.money.discrepancies).
rejected_declarations = Table(
    "rejected_declarations",
    metadata,
    _own("submission_id", key=True),
    _own("row_number", key=True),
    _own("lead_provider_id"),
    _own("participant_id", index=True),
    _own("participant_type", longest=10),
    _own("declaration_type", longest=20),
    _own("rule_codes"),
    _own("line_number?"),
    _own("messages?"),
)

# The extracts that were made for each lead provider, numbered from 1: the full set's manifest by its SHA-256, and the folder of its
# change set (none with the first). `rows` is JSON: by file, rows, new, changed, removed. See flows.rounds.extracts.
extract_sets = Table(
    "extract_sets",
    metadata,
    _own("lead_provider_id", key=True),
    _own("number", key=True),
    _own("as_of"),
    _own("sha256"),
    _own("path?"),
    _own("rows"),
    _own("purged_at?"),  # when its change set was removed for its age
)

# Extracts that lead providers asked for by a file. `number` is that of the set that answered; empty until one does.
extract_requests = Table(
    "extract_requests",
    metadata,
    _own("submission_id", key=True),
    _own("row_number", key=True),
    _own("lead_provider_id", index=True),
    _own("received_at"),
    _own("number?"),
)

# Partnerships made here that went over into another one when their school was merged: the old id stays known.
partnership_moves = Table(
    "partnership_moves",
    metadata,
    _own("from_partnership_id", key=True),
    _own("to_partnership_id"),
    _own("moved_at"),
)

# Which records the exchange made (`column_name` is `*`) or changed, with the value that DfE's last extract gave: what
# loading a fresh extract is reconciled by. `seen_at`: when an extract first showed the change. See data.records.reconciling.
own_changes = Table(
    "own_changes",
    metadata,
    _own("table_name", longest=40, key=True),
    _own("record_id", key=True),
    _own("column_name", longest=40, key=True),
    _own("before?"),
    _own("changed_at"),
    _own("seen_at?"),
    sqlite_with_rowid=False,
)
