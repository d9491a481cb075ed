"""`ectx replay`: all stored uploads again, on the starting records, in a home of its own; then its end state against ours.

What providers sent comes from the store; what DfE did itself (statements payable and paid, voids, adjustments) comes from
the audit trail; DfE's extracts are given, in the order in which they were loaded.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import Table, select

from data.applying import apply_changes
from data.counting import keep_paid_units
from data.database import Database
from data.records.extract import import_records
from data.settling import make_payable, mark_paid
from data.tables import (
    RECORD_TABLES,
    events,
    expected_payments,
    extract_requests,
    own_changes,
    records_imports,
    rejected_declarations,
    stated_months,
    submissions,
)
from flows.acts.void import void
from flows.errors import ExchangeError
from flows.installation import Installation, open_installation
from flows.rounds.claiming import is_kept
from flows.rounds.processing import process
from flows.rounds.trying import set_aside
from flows.settings import Settings
from schemas.columns import INSTANT, typed
from schemas.events import (
    ADJUSTMENT_ADDED,
    DECLARATION_AWAITING_CLAWBACK,
    DECLARATION_VOIDED,
    DFE_STAFF,
    STATEMENT_AUTHORISED,
    STATEMENT_PAYABLE,
    SUBMISSION_RETRIED,
    SUBMISSION_SET_ASIDE,
)
from schemas.reports import Replayed
from schemas.submission import SET_ASIDE, UNREAD, Submission

# Numbers that a database gives out, and what only says how a file travelled or whether it is still kept.
_UNCOMPARED = {
    "line_number",
    "event_id",
    "import_id",
    "removed",
    "purged_at",
    "applied_number",
    "arrival",
    "failures",
    "next_try_at",
    "trouble",
    "rejected_declarations.messages",  # of rows judged before they were kept, there are none
    "extract_requests.number",  # a replay makes no extracts
}
_COMPARED = (
    *RECORD_TABLES.values(),
    submissions,
    events,
    expected_payments,
    stated_months,
    rejected_declarations,
    own_changes,
    extract_requests,
)
# What a submission was when it was claimed.
_SENT = {
    "submission_id", "lead_provider_id", "kind", "file_name", "size_bytes", "sha256", "arrival", "received_at",
    "expected_sha256",
}  # fmt: skip
# How often a file had to be tried is no part of the end.
_OF_TRIES = {SUBMISSION_SET_ASIDE, SUBMISSION_RETRIED}
# Of one instant: an extract, then files, then what a statements round settles, then what DfE did by hand.
_IMPORT, _FILE, _SETTLE, _BY_HAND = range(4)


@dataclass(frozen=True, order=True)
class _Step:
    at: datetime
    rank: int
    place: tuple[Any, ...]
    act: Callable[[Installation], None] = field(compare=False)


def replay(installation: Installation, extracts: list[Path], folder: Path) -> Replayed:
    """Replay everything into a new home in a folder that is empty or not there. Raises ExchangeError."""
    if folder.exists() and any(folder.iterdir()):
        raise ExchangeError("NOT-EMPTY", f"{folder} is not empty.", "Give a new folder.")
    loads = _rows(installation.database, records_imports)
    if len(loads) != len(extracts):
        raise ExchangeError(
            "EXTRACTS", f"DfE's records were loaded {len(loads)} times, and {len(extracts)} extracts are given.",
            "Give every extract that was loaded, in order.",
        )  # fmt: skip
    files = _rows(installation.database, submissions)
    kept = [each for each in files if is_kept(each["file_name"]) and each["sha256"] != UNREAD]
    gone = [each["submission_id"] for each in kept if not installation.stored_upload(each["sha256"]).is_file()]
    if gone:
        raise ExchangeError(
            "NOT-KEPT", f"{len(gone):,} of {len(files):,} uploads are not in the store any more, {gone[0]} the first.",
            "Start from records exported after them, on a copy that has them.",
        )  # fmt: skip
    steps = [*_loads(loads, extracts), *_files(installation, files), *_acts(installation)]
    limits = {
        name: getattr(installation.settings, name) for name in ("max_file_mebibytes", "max_file_rows", "ordered_shares")
    }
    with open_installation(Settings(home=folder, database_url="", mailboxes="", store=None, **limits)) as copy:
        for step in sorted(steps):
            step.act(copy)
        done = Replayed(len(extracts), len(files))
        for table in _COMPARED:
            ours, theirs = _counted(installation.database, table), _counted(copy.database, table)
            done.rows += int(ours["len"].sum())
            if any(differing := _differing(ours, theirs)):
                done.different[table.name] = differing
    return done


def _loads(loads: list[dict[str, Any]], extracts: list[Path]) -> list[_Step]:
    def loaded(at: datetime, extract: Path) -> Callable[[Installation], None]:
        def act(copy: Installation) -> None:
            import_records(copy.database, extract, at)
            copy.forget()

        return act

    in_order = sorted(loads, key=lambda load: load["import_id"])
    return [
        _Step(load["imported_at"], _IMPORT, (load["import_id"],), loaded(load["imported_at"], extract))
        for load, extract in zip(in_order, extracts, strict=True)
    ]


def _files(installation: Installation, rows: list[dict[str, Any]]) -> list[_Step]:
    """Each file judged when it was, in its mailbox's turn; files that nobody has judged yet are only taken."""
    providers = {each.lead_provider_id: (turn, each) for turn, each in enumerate(installation.lead_providers())}

    def judged(row: dict[str, Any]) -> Callable[[Installation], None]:
        submission = Submission(**{name: row[name] for name in Submission.__dataclass_fields__ if name in _SENT})

        def act(copy: Installation) -> None:
            stored = copy.stored_upload(submission.sha256)
            stored.parent.mkdir(parents=True, exist_ok=True)
            if (upload := installation.stored_upload(submission.sha256)).is_file():
                shutil.copyfile(upload, stored)
            copy.submissions.claim(submission, [], row["number"])
            if row["status"] == SET_ASIDE and submission.sha256 != UNREAD:
                set_aside(copy, providers[submission.lead_provider_id][1], submission, "", row["processed_at"], "")
            elif row["processed_at"]:
                process(copy, providers[submission.lead_provider_id][1], submission, row["processed_at"])

        return act

    steps = []
    last = datetime.min.replace(tzinfo=UTC)
    for row in sorted(rows, key=lambda row: row["applied_number"] or 0):
        at = row["processed_at"] or row["received_at"]
        if row["applied_number"]:
            # Judged before another that was applied first, and by nothing that one changed: it goes after it all the same.
            at = last = max(last, at)
        place = (row["applied_number"] or 0, providers[row["lead_provider_id"]][0], row["number"])
        steps.append(_Step(at, _FILE, place, judged(row)))
    return steps


def _acts(installation: Installation) -> list[_Step]:
    """What was settled, paid, voided and adjusted, as the audit trail tells it."""
    told = _rows(installation.database, events)
    steps: list[_Step] = []
    moved: dict[datetime, list[str]] = {}
    for each in told:
        if each["type"] == STATEMENT_PAYABLE:
            moved.setdefault(each["happened_at"], []).append(each["statement_id"])
    steps += [_Step(at, _SETTLE, (0,), _settled(at, ids)) for at, ids in moved.items()]
    for each in told:
        if each["type"] == STATEMENT_AUTHORISED:
            act = _paid(each)
        elif (
            each["author"] == DFE_STAFF
            and each["type"] in (DECLARATION_VOIDED, DECLARATION_AWAITING_CLAWBACK)
            and each["reason"]
        ):
            act = _voided(each)
        elif each["type"] == ADJUSTMENT_ADDED:
            act = _adjusted(each)
        else:
            continue
        steps.append(_Step(each["happened_at"], _BY_HAND, (each["event_id"],), act))
    return steps


def _settled(at: datetime, statement_ids: list[str]) -> Callable[[Installation], None]:
    def act(copy: Installation) -> None:
        with copy.database.write() as connection:
            make_payable(connection, statement_ids, at)
            keep_paid_units(copy.database, connection)

    return act


def _paid(event: dict[str, Any]) -> Callable[[Installation], None]:
    def act(copy: Installation) -> None:
        with copy.database.write() as connection:
            mark_paid(connection, event["statement_id"], event["happened_at"])

    return act


def _voided(event: dict[str, Any]) -> Callable[[Installation], None]:
    def act(copy: Installation) -> None:
        void(copy, event["declaration_id"], event["reason"], event["happened_at"])

    return act


def _adjusted(event: dict[str, Any]) -> Callable[[Installation], None]:
    def act(copy: Installation) -> None:
        made = json.loads(event["after"], parse_float=Decimal)
        row = {**made, "amount": Decimal(str(made["amount"])), "statement_id": event["statement_id"]}
        rows = pl.DataFrame([row], schema_overrides={"amount": pl.Decimal(14, 2)})
        told = {name: event[name] for name in ("type", "author", "lead_provider_id", "statement_id", "after")}
        happened = pl.DataFrame([told]).select(pl.lit(event["happened_at"], INSTANT).alias("happened_at"), pl.all())
        with copy.database.write() as connection:
            columns = ["adjustment_id", "statement_id", "payment_type", "amount"]
            apply_changes(
                copy.database, connection, {"adjustments": rows.select(columns)}, [], happened, event["happened_at"]
            )

    return act


def _rows(database: Database, table: Table) -> list[dict[str, Any]]:
    with database.engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(select(table).order_by(*table.primary_key))]


def _counted(database: Database, table: Table) -> pl.DataFrame:
    """A table's rows, whatever the database, and how often each is there (column `len`)."""
    kept = [f'"{column.name}"' for column in table.c if not {column.name, str(column)} & _UNCOMPARED]
    left_out = ", ".join(f"'{name}'" for name in sorted(_OF_TRIES))
    of_tries = f" WHERE type NOT IN ({left_out})" if table is events else ""
    with database.read() as reader:
        rows = reader.frame(f"SELECT {', '.join(kept)} FROM {table.name}{of_tries}")
    return typed(rows).group_by(pl.all()).len()


def _differing(ours: pl.DataFrame, theirs: pl.DataFrame) -> tuple[int, int]:
    """How many rows only the one has, and how many only the other."""
    rows = [name for name in ours.columns if name != "len"]
    both = ours.join(theirs, on=rows, how="full", nulls_equal=True, suffix="_there").select(
        more=pl.col("len").cast(pl.Int64).fill_null(0) - pl.col("len_there").cast(pl.Int64).fill_null(0)
    )["more"]
    return int(both.clip(lower_bound=0).sum()), int((-both).clip(lower_bound=0).sum())
