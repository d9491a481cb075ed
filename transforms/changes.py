"""What accepted rows bring about, as data: rows to insert, rows to update, events for the audit trail."""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import polars as pl

from schemas.columns import INSTANT
from schemas.events import DFE_STAFF, LEAD_PROVIDER, LINKS
from schemas.instants import london_day
from schemas.needs import Snapshot


@dataclass(frozen=True)
class Act:
    """Who acts for which lead provider, when (UTC), and on what day in London.

    submission_id: of the file that asks; None where DfE acts. seed: tells new ids apart from those of all other acts.
    """

    lead_provider_id: str
    at: datetime
    today: date
    submission_id: str | None
    seed: str
    author: str


def act_of_file(submission_id: str, lead_provider_id: str, received_at: datetime) -> Act:
    """A lead provider asks by a file, as at the instant at which it was received."""
    return Act(lead_provider_id, received_at, london_day(received_at), submission_id, submission_id, LEAD_PROVIDER)


def act_of_dfe(about: str, lead_provider_id: str, now: datetime) -> Act:
    """DfE acts itself, on a record of this lead provider's. about: the record's id."""
    return Act(lead_provider_id, now, london_day(now), None, f"dfe {about}", DFE_STAFF)


@dataclass(frozen=True)
class ChangeSet:
    """Rows to insert, by table; then rows to update (table, frame with the key first), in order; then events.

    Tables are those of the records, and `expected_payments`.
    """

    inserts: dict[str, pl.DataFrame] = field(default_factory=dict)
    updates: tuple[tuple[str, pl.DataFrame], ...] = ()
    events: pl.DataFrame = field(default_factory=pl.DataFrame)

    def then(self, *later: "ChangeSet") -> "ChangeSet":
        """All of them, in order."""
        every = (self, *later)
        names = dict.fromkeys(name for each in every for name in each.inserts)
        inserts = {name: pl.concat([c.inserts[name] for c in every if name in c.inserts]) for name in names}
        updates = tuple(update for each in every for update in each.updates if update[1].height)
        return ChangeSet(
            {name: rows for name, rows in inserts.items() if rows.height},
            updates,
            pl.concat([each.events for each in every], how="diagonal"),
        )


def events(
    rows: pl.DataFrame,
    kind: str,
    act: Act,
    before: dict[str, pl.Expr] | None = None,
    after: dict[str, pl.Expr] | None = None,
) -> pl.DataFrame:
    """One event a row, linked to whatever records the row names. before, after: the values that changed."""
    nothing = pl.lit(None, pl.String)
    links = [pl.col(name) if name in rows.columns else nothing.alias(name) for name in LINKS]
    return rows.select(
        pl.lit(act.at, INSTANT).alias("happened_at"),
        pl.lit(kind).alias("type"),
        pl.lit(act.author).alias("author"),
        pl.lit(act.lead_provider_id).alias("lead_provider_id"),
        pl.lit(act.submission_id, pl.String).alias("submission_id"),
        (pl.col("row_number") if act.submission_id else pl.lit(None, pl.Int64)).alias("row_number"),
        *links,
        (as_json(before) if before else nothing).alias("before"),
        (as_json(after) if after else nothing).alias("after"),
    )


def as_json(values: dict[str, pl.Expr]) -> pl.Expr:
    """A JSON object of texts, null where there is nothing."""
    return pl.struct([value.cast(pl.String).alias(name) for name, value in values.items()]).struct.json_encode()


def said(name: str, column: str = "after") -> pl.Expr:
    """One value of an event's JSON."""
    return pl.col(column).str.json_path_match(f"$.{name}")


def instant(moment: datetime) -> pl.Expr:
    """An instant in a column of them (UTC, microseconds)."""
    return pl.lit(moment, INSTANT)


def touched(rows: pl.DataFrame, act: Act) -> tuple[str, pl.DataFrame]:
    """The update that moves `updated_at` of the participants of these rows (ours: providers read what has changed since a day)."""
    people = rows.select("participant_id").drop_nulls().unique(maintain_order=True)
    return "participants", people.with_columns(instant(act.at).alias("updated_at"))


def new_training(rows: pl.DataFrame, act: Act, started_on: pl.Expr, finished_on: str, partnership: str) -> pl.DataFrame:
    """Rows of training_periods: each row's training, whose id is `new_id`, goes on at the same school, on the row's schedule.

    finished_on, partnership: the columns that say until when, and with which partnership.
    """
    nothing, no_instant = pl.lit(None, pl.String), pl.lit(None, INSTANT)
    return rows.select(
        pl.col("new_id").alias("training_period_id"),
        "school_period_id",
        pl.lit("provider_led").alias("training_programme"),
        pl.col(partnership).alias("partnership_id"),
        nothing.alias("expression_of_interest_lead_provider_id"),
        pl.lit(None, pl.Int64).alias("expression_of_interest_contract_period"),
        "schedule_identifier",
        started_on.alias("started_on"),
        pl.col(finished_on).alias("finished_on"),
        no_instant.alias("withdrawn_at"),
        nothing.alias("withdrawal_reason"),
        no_instant.alias("deferred_at"),
        nothing.alias("deferral_reason"),
        instant(act.at).alias("created_at"),
    )


def new_ids(act: Act, row_numbers: pl.Series) -> pl.Series:
    """A UUID (version 8) a row, for the record it may make: the instant of the act, then a digest of it and of the row.

    The same file applied again makes the same ids; ids of one file lie together in the index.
    """
    milliseconds = f"{int(act.at.timestamp() * 1000):012x}"
    prefix = f"{milliseconds[:8]}-{milliseconds[8:]}-8"
    ids = []
    for number in row_numbers:
        digest = hashlib.blake2b(f"{act.seed} {number}".encode(), digest_size=9).hexdigest()
        ids.append(f"{prefix}{digest[:3]}-a{digest[3:6]}-{digest[6:18]}")
    return pl.Series("new_id", ids, dtype=pl.String)


def with_effects(snapshot: Snapshot, changes: ChangeSet) -> Snapshot:
    """The snapshot as later rows see it."""
    changed: dict[str, pl.DataFrame] = {}

    def frame(name: str) -> pl.DataFrame:
        return changed[name] if name in changed else getattr(snapshot, name)

    for name, rows in changes.inserts.items():
        changed[name] = pl.concat([frame(name), rows.select(frame(name).columns)])
    for name, rows in changes.updates:
        own = [column for column in rows.columns if column in frame(name).columns]
        if len(own) == 1:
            continue  # nothing that judging reads
        latest = rows.select(own).unique(own[0], keep="last")
        changed[name] = frame(name).update(latest, on=own[0], include_nulls=True)
    if changes.events.height:
        changed["events"] = pl.concat([snapshot.events, changes.events.select(snapshot.events.columns)])
    return replace(snapshot, **changed)
