"""Accepted declaration rows → a change set: what to insert, what to update, what to write in the audit trail.

Source: handbook, rules 4.4 and domain 7.6; RECT app/services/api/declarations/create.rb, mentor_completion.rb.
"""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import polars as pl

from schemas.snapshot import Snapshot

COMPLETION_REASON = "completed_declaration_received"
UTC_INSTANT = pl.Datetime("us", "UTC")


@dataclass(frozen=True)
class Submission:
    """Whose file this is and which."""

    submission_id: str
    lead_provider_id: str
    file_name: str = ""


@dataclass(frozen=True)
class ChangeSet:
    """Rows to insert and to update (by the table's key, first column), by table; events for the audit trail."""

    inserts: dict[str, pl.DataFrame] = field(default_factory=dict)
    updates: dict[str, pl.DataFrame] = field(default_factory=dict)
    events: pl.DataFrame = field(default_factory=pl.DataFrame)

    @staticmethod
    def empty() -> "ChangeSet":
        return ChangeSet()

    def then(self, later: "ChangeSet") -> "ChangeSet":
        """Both, in order. A row updated twice keeps the later values."""
        inserts = _joined(self.inserts, later.inserts)
        updates = {
            name: rows.unique(rows.columns[0], keep="last", maintain_order=True)
            for name, rows in _joined(self.updates, later.updates).items()
        }
        return ChangeSet(inserts, updates, pl.concat([self.events, later.events], how="diagonal"))


def _joined(one: dict[str, pl.DataFrame], other: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    return {
        name: pl.concat([frames[name] for frames in (one, other) if name in frames])
        for name in dict.fromkeys([*one, *other])
    }


def declaration_effects(
    accepted: pl.DataFrame, snapshot: Snapshot, submission: Submission, now: datetime, today: date
) -> tuple[pl.DataFrame, ChangeSet]:
    """accepted: rows with the columns of transforms.facts.

    Returns (made, changes): made has row_number, participant_id, participant_type and the columns of the table
    declarations.
    """
    made = _declarations(accepted, snapshot, submission, now)
    changes = ChangeSet(
        inserts={"declarations": made.drop("row_number", "participant_id", "participant_type")} if made.height else {},
        events=_created_events(made, accepted, submission, now),
    )
    return made, changes.then(mentor_completion(accepted, submission, now, today))


def _declarations(accepted: pl.DataFrame, snapshot: Snapshot, submission: Submission, now: datetime) -> pl.DataFrame:
    years = snapshot.school_contract_periods.select(
        "school_id", "contract_period", "pupil_premium_uplift", "sparsity_uplift"
    )
    rows = accepted.join(years, on=["school_id", "contract_period"], how="left", maintain_order="left")
    rows = _with_mentor(rows, snapshot.mentorships)
    earns = (pl.col("declaration_type") == "started") & pl.col("uplift_fees_enabled")
    return rows.select(
        "row_number",
        "participant_id",
        "participant_type",
        declaration_ids(submission.submission_id, now, rows["row_number"]).alias("declaration_id"),
        "training_period_id",
        "declaration_type",
        pl.col("declared_at").alias("declaration_date"),
        pl.col("evidence_stored").alias("evidence_held"),
        "delivery_partner_id",
        "mentor_id",
        pl.when("is_fundable").then(pl.lit("eligible")).otherwise(pl.lit("no_payment")).alias("payment_status"),
        pl.lit("no_clawback").alias("clawback_status"),
        pl.when("is_fundable").then("next_statement_id").alias("payment_statement_id"),
        pl.lit(None, pl.String).alias("clawback_statement_id"),
        (earns & pl.col("pupil_premium_uplift").fill_null(False)).alias("pupil_premium_uplift"),
        (earns & pl.col("sparsity_uplift").fill_null(False)).alias("sparsity_uplift"),
        "your_reference",
        pl.lit(now, UTC_INSTANT).alias("created_at"),
        pl.lit(now, UTC_INSTANT).alias("updated_at"),
    )


def declaration_ids(submission_id: str, now: datetime, row_numbers: pl.Series) -> pl.Series:
    """A UUID (version 8) a row: the instant of receipt, then a digest of submission and row.

    The same submission applied again makes the same ids; ids of one file lie together in the index.
    """
    milliseconds = f"{int(now.timestamp() * 1000):012x}"
    prefix = f"{milliseconds[:8]}-{milliseconds[8:]}-8"
    ids = []
    for number in row_numbers:
        digest = hashlib.blake2b(f"{submission_id} {number}".encode(), digest_size=9).hexdigest()
        ids.append(f"{prefix}{digest[:3]}-a{digest[3:6]}-{digest[6:18]}")
    return pl.Series("declaration_id", ids, dtype=pl.String)


def _with_mentor(rows: pl.DataFrame, mentorships: pl.DataFrame) -> pl.DataFrame:
    """The mentor of the time, ECTs only: the mentorship that covers the day as written, else the nearest, else the
    earliest. RECT's source means this and does not do it: there a short mentorship nearby can win."""
    day = pl.col("written_day")
    pairs = rows.filter(pl.col("participant_type") == "ect").select("row_number", "written_day", "school_period_id")
    pairs = pairs.join(mentorships, left_on="school_period_id", right_on="ect_school_period_id")
    covers = (pl.col("started_on") <= day) & (pl.col("finished_on").is_null() | (day <= pl.col("finished_on")))
    to_start = (day - pl.col("started_on")).dt.total_days().abs()
    to_end = (day - pl.col("finished_on")).dt.total_days().abs()
    pairs = pairs.with_columns(covers=covers, distance=pl.min_horizontal(to_start, to_end))
    pairs = pairs.sort(~pl.col("covers"), "distance", "started_on", "mentor_id")
    chosen = pairs.unique("row_number", keep="first", maintain_order=True).select("row_number", "mentor_id")
    return rows.join(chosen, on="row_number", how="left", maintain_order="left")


def mentor_completion(accepted: pl.DataFrame, submission: Submission, now: datetime, today: date) -> ChangeSet:
    """A mentor's completed declaration ends their funded training (handbook: domain 7.6)."""
    done = accepted.filter((pl.col("participant_type") == "mentor") & (pl.col("declaration_type") == "completed"))
    if done.is_empty():
        return ChangeSet()
    # Another provider's live completed declaration would have refused this one: it is the latest there is.
    people = done.select(
        "participant_id",
        pl.col("declaration_day").alias("mentor_funding_end_date"),
        pl.lit(COMPLETION_REASON).alias("mentor_funding_end_reason"),
        pl.lit(now, UTC_INSTANT).alias("updated_at"),
    )
    runs_on = pl.col("finished_on").is_null() | (pl.col("finished_on") > today)
    after_start = pl.col("declared_at") > pl.col("started_on").cast(UTC_INSTANT)
    end = pl.when(after_start).then("declaration_day").otherwise(pl.col("started_on") + pl.duration(days=1))
    periods = done.filter(runs_on).select("training_period_id", end.alias("finished_on"))
    before = _json(
        mentor_funding_end_date=pl.col("mentor_funding_end_date"),
        mentor_funding_end_reason=pl.col("mentor_funding_end_reason"),
        finished_on=pl.col("finished_on"),
    )
    after = _json(
        mentor_funding_end_date=pl.col("declaration_day"),
        mentor_funding_end_reason=pl.lit(COMPLETION_REASON),
        finished_on=pl.when(runs_on).then(end).otherwise("finished_on"),
    )
    events = _events(done, "mentor_completion_status_change", submission, now, before=before, after=after)
    return ChangeSet(updates={"participants": people, "training_periods": periods}, events=events)


def _created_events(made: pl.DataFrame, accepted: pl.DataFrame, submission: Submission, now: datetime) -> pl.DataFrame:
    """One event a declaration; what the row said of evidence is kept where the record did not keep it."""
    unkept = pl.col("evidence_held").ne_missing(pl.col("evidence_stored"))
    after = pl.when(unkept).then(_json(evidence_sent=pl.col("evidence_held")))
    rows = accepted.join(made.select("row_number", "declaration_id"), on="row_number", maintain_order="left")
    rows = rows.with_columns(statement_id=pl.when("is_fundable").then("next_statement_id"))
    return _events(rows, "teacher_declaration_created", submission, now, after=after)


EVENT_LINKS = ("participant_id", "declaration_id", "training_period_id", "statement_id")


def _events(
    rows: pl.DataFrame,
    kind: str,
    submission: Submission,
    now: datetime,
    before: pl.Expr | None = None,
    after: pl.Expr | None = None,
) -> pl.DataFrame:
    nothing = pl.lit(None, pl.String)
    links = [pl.col(name) if name in rows.columns else nothing.alias(name) for name in EVENT_LINKS]
    return rows.select(
        pl.lit(now, UTC_INSTANT).alias("happened_at"),
        pl.lit(kind).alias("type"),
        pl.lit("lead_provider").alias("author"),
        pl.lit(submission.lead_provider_id).alias("lead_provider_id"),
        pl.lit(submission.submission_id).alias("submission_id"),
        "row_number",
        *links,
        (nothing if before is None else before).alias("before"),
        (nothing if after is None else after).alias("after"),
    )


def _json(**values: pl.Expr) -> pl.Expr:
    return pl.struct([value.cast(pl.String).alias(name) for name, value in values.items()]).struct.json_encode()


def with_effects(snapshot: Snapshot, made: pl.DataFrame, changes: ChangeSet) -> Snapshot:
    """The snapshot as later rows see it: new declarations live, ended training ended."""
    whose = snapshot.training_periods.select("training_period_id", "lead_provider_id")
    new = made.join(whose, on="training_period_id", how="left", maintain_order="left")
    declarations = pl.concat([snapshot.declarations, new.select(snapshot.declarations.columns)])
    changed = {"declarations": declarations}
    for table in ("participants", "training_periods"):
        if table in changes.updates:
            frame, rows = getattr(snapshot, table), changes.updates[table]
            known = [name for name in rows.columns if name in frame.columns]
            changed[table] = frame.update(rows.select(known), on=rows.columns[0])
    return replace(snapshot, **changed)
