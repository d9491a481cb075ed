"""Declaration rows joined to the records they speak of: every column that schemas.declarations names.

Nothing is judged here but whether a row is already done.
"""

from datetime import date, datetime

import polars as pl

from schemas.snapshot import Snapshot
from schemas.vocabulary import DECLARATION_TYPE, DECLARATION_TYPES, PARTICIPANT_TYPES, evidence_matrix

ROLE = ["participant_id", "participant_type"]
# Declarations of contract periods from this year on must follow one another (handbook: rules 4.3).
SEQUENCE_ENFORCED_FROM = 2025


def with_facts(
    rows: pl.DataFrame, snapshot: Snapshot, lead_provider_id: str, now: datetime, today: date
) -> pl.DataFrame:
    """rows: the kind's columns as read, declared_at, declaration_day, written_day, is_last_nanosecond.

    Returns them, words in lower case, with the columns that the DECL- rules and the effects use.
    """
    rows = rows.with_columns(
        pl.col("participant_id", "course_identifier", "declaration_type", "evidence_held").str.to_lowercase(),
        pl.lit(now, pl.Datetime("us", "UTC")).alias("received_at"),
    )
    rows = rows.with_columns(
        pl.col("course_identifier")
        .replace_strict(PARTICIPANT_TYPES, default=None, return_dtype=pl.String)
        .alias("participant_type")
    )
    confirmed = snapshot.training_periods.filter(pl.col("lead_provider_id") == lead_provider_id)
    rows = _with_participant(rows, snapshot, confirmed)
    rows = _with_training(rows, snapshot, confirmed, now, today)
    rows = _with_declarations(rows, snapshot)
    return _with_already_done(_with_evidence(rows), snapshot, lead_provider_id)


def latest(training_periods: pl.DataFrame) -> pl.DataFrame:
    """T: of each participant and role, the training period with the latest start (handbook: domain 6.3)."""
    return training_periods.sort("started_on", "training_period_id").unique(ROLE, keep="last", maintain_order=True)


def is_frozen(now: datetime) -> pl.Expr:
    """Whether a contract period's payments have stopped."""
    return (pl.col("payments_frozen_at") <= now).fill_null(False)


def next_statements(statements: pl.DataFrame, today: date) -> pl.DataFrame:
    """Where a new declaration of each contract period goes: output, open, earliest deadline not yet past.

    Returns contract_period, next_statement_id, next_statement_month (YYYY-MM), next_deadline.
    """
    able = statements.filter(
        (pl.col("fee_type") == "output") & (pl.col("status") == "open") & (pl.col("deadline_date") >= today)
    )
    able = able.sort("deadline_date").unique("contract_period", keep="first", maintain_order=True)
    return able.select(
        "contract_period",
        pl.col("statement_id").alias("next_statement_id"),
        statement_month().alias("next_statement_month"),
        pl.col("deadline_date").alias("next_deadline"),
    )


def statement_month() -> pl.Expr:
    """A statement's month as YYYY-MM, from year and month."""
    return pl.format("{}-{}", pl.col("year"), pl.col("month").cast(pl.String).str.zfill(2))


def _with_participant(rows: pl.DataFrame, snapshot: Snapshot, confirmed: pl.DataFrame) -> pl.DataFrame:
    yours = confirmed.select("participant_id", is_your_participant=pl.lit(True)).unique("participant_id")
    people = snapshot.participants.rename({"trn": "held_trn"}).join(yours, on="participant_id", how="left")
    rows = rows.join(people, on="participant_id", how="left", maintain_order="left")
    return rows.with_columns(
        pl.col("is_your_participant").fill_null(False),
        # Nothing is said of a TRN unless the participant is this provider's.
        (~pl.col("is_your_participant").fill_null(False) | pl.col("trn").is_null() | pl.col("trn").eq_missing(pl.col("held_trn")))
        .alias("trn_agrees"),
    )  # fmt: skip


def _with_training(
    rows: pl.DataFrame, snapshot: Snapshot, confirmed: pl.DataFrame, now: datetime, today: date
) -> pl.DataFrame:
    period = latest(confirmed).select(
        *ROLE, "training_period_id", "school_period_id", "school_id", "delivery_partner_id", "contract_period",
        "schedule_identifier", "started_on", "finished_on", "withdrawn_at", "deferred_at",
    )  # fmt: skip
    rows = rows.join(period, on=ROLE, how="left", maintain_order="left")
    flags = snapshot.contract_periods.select(
        "contract_period", "mentor_funding_enabled", "detailed_evidence_types_enabled", "uplift_fees_enabled"
    )
    rows = rows.join(flags, on="contract_period", how="left", maintain_order="left")
    milestones = snapshot.milestones.rename({"start_date": "milestone_start", "milestone_date": "milestone_end"})
    rows = rows.join(
        milestones, on=["contract_period", "schedule_identifier", "declaration_type"], how="left", maintain_order="left"
    )
    rows = rows.join(
        next_statements(snapshot.statements, today), on="contract_period", how="left", maintain_order="left"
    )
    now_training = snapshot.training_periods.filter(
        (pl.col("started_on") <= today) & (pl.col("finished_on").is_null() | (pl.col("finished_on") >= today))
    )
    frozen = now_training.join(snapshot.contract_periods.filter(is_frozen(now)), on="contract_period", how="semi")
    frozen = frozen.select(*ROLE, is_in_frozen_contract_period=pl.lit(True)).unique(ROLE)
    rows = rows.join(frozen, on=ROLE, how="left", maintain_order="left")
    eligible_at = pl.when(pl.col("participant_type") == "ect").then("ect_first_became_eligible_at").otherwise(
        "mentor_first_became_eligible_at"
    )  # fmt: skip
    deferred_later = (pl.col("deferred_at") > pl.col("withdrawn_at")).fill_null(False)
    return rows.with_columns(
        (eligible_at.is_not_null() & pl.col("participant_type").is_not_null()).alias("is_fundable"),
        (pl.col("withdrawn_at").is_not_null() & ~deferred_later).alias("is_withdrawn"),
        (pl.col("contract_period") >= SEQUENCE_ENFORCED_FROM).fill_null(False).alias("sequence_is_enforced"),
    )


def _with_declarations(rows: pl.DataFrame, snapshot: Snapshot) -> pl.DataFrame:
    """The live declaration of the same type, and where the others of the role leave room for this date."""
    live = snapshot.declarations.select(
        *ROLE,
        "declaration_type",
        live_declaration_id="declaration_id",
        live_lead_provider_id="lead_provider_id",
        live_declared_at="declaration_date",
        live_evidence="evidence_held",
        live_payment_status="payment_status",
        live_statement_id="payment_statement_id",
    ).unique([*ROLE, "declaration_type"], keep="first", maintain_order=True)
    months = snapshot.statements.select(live_statement_id="statement_id", live_statement_month=statement_month())
    live = live.join(months, on="live_statement_id", how="left")
    rows = rows.join(live, on=[*ROLE, "declaration_type"], how="left", maintain_order="left")
    enforced = rows.filter(
        pl.col("sequence_is_enforced")
        & pl.col("declared_at").is_not_null()
        & pl.col("declaration_type").is_in(DECLARATION_TYPES)
    ).select("row_number", *ROLE, _place("declaration_type").alias("place"))
    others = snapshot.declarations.select(
        *ROLE, _place("declaration_type").alias("other"), "declaration_type", "declaration_date"
    )
    pairs = enforced.join(others, on=ROLE)
    earlier = pairs.filter(pl.col("other") < pl.col("place")).sort("declaration_date").group_by("row_number").agg(
        pl.col("declaration_date").last().alias("latest_of_earlier_types"), pl.col("declaration_type").last().alias("earlier_type")
    )  # fmt: skip
    later = pairs.filter(pl.col("other") > pl.col("place")).sort("declaration_date").group_by("row_number").agg(
        pl.col("declaration_date").first().alias("earliest_of_later_types"), pl.col("declaration_type").first().alias("later_type")
    )  # fmt: skip
    rows = rows.join(earlier, on="row_number", how="left", maintain_order="left")
    rows = rows.join(later, on="row_number", how="left", maintain_order="left")
    before = pl.format(" {} is dated {}.", "earlier_type", pl.col("latest_of_earlier_types").dt.strftime("%-d %B %Y"))
    after = pl.format(" {} is dated {}.", "later_type", pl.col("earliest_of_later_types").dt.strftime("%-d %B %Y"))
    return rows.with_columns(
        pl.concat_str(
            pl.when(pl.col("declared_at") < pl.col("latest_of_earlier_types")).then(before).otherwise(pl.lit("")),
            pl.when(pl.col("declared_at") > pl.col("earliest_of_later_types")).then(after).otherwise(pl.lit("")),
        ).alias("sequence_facts")
    )


def _place(column: str) -> pl.Expr:
    return pl.col(column).cast(DECLARATION_TYPE).to_physical()


def _with_evidence(rows: pl.DataFrame) -> pl.DataFrame:
    """evidence_is_dropped, evidence_is_allowed, allowed_evidence (in words), evidence_stored (what would be kept)."""
    triple = ["detailed_evidence_types_enabled", "participant_type", "declaration_type"]
    allowed = evidence_matrix().group_by(triple, maintain_order=True).agg(
        pl.col("evidence_type").drop_nulls().str.join(", ").alias("allowed_evidence"),
        (pl.col("evidence_rule") == "ignored").any().alias("evidence_is_dropped"),
    )  # fmt: skip
    one = evidence_matrix().filter(pl.col("evidence_type").is_not_null()).select(
        *triple, evidence_held="evidence_type", evidence_is_allowed=pl.lit(True)
    )  # fmt: skip
    rows = rows.join(allowed, on=triple, how="left", maintain_order="left")
    rows = rows.join(one, on=[*triple, "evidence_held"], how="left", maintain_order="left")
    return rows.with_columns(pl.col("evidence_is_dropped", "evidence_is_allowed").fill_null(False)).with_columns(
        pl.when(~pl.col("evidence_is_dropped")).then("evidence_held").alias("evidence_stored")
    )


def _with_already_done(rows: pl.DataFrame, snapshot: Snapshot, lead_provider_id: str) -> pl.DataFrame:
    """asks_for_what_is_done: the live declaration is this provider's, of this instant, and of this row's evidence,
    either as it would be kept or as an accepted row once said it (handbook: rules 1, Rows, repeats and order)."""
    rows = rows.join(
        snapshot.sent_evidence.rename({"declaration_id": "live_declaration_id"}).with_columns(was_sent=pl.lit(True)),
        on="live_declaration_id", how="left", maintain_order="left",
    )  # fmt: skip
    same_evidence = pl.col("live_evidence").eq_missing(pl.col("evidence_stored")) | (
        pl.col("was_sent").fill_null(False) & pl.col("evidence_sent").eq_missing(pl.col("evidence_held"))
    )
    done = (
        (pl.col("live_lead_provider_id") == lead_provider_id)
        & (pl.col("live_declared_at") == pl.col("declared_at"))
        & pl.col("training_period_id").is_not_null()
        & pl.col("trn_agrees")
        & same_evidence
    )
    return rows.with_columns(done.fill_null(False).alias("asks_for_what_is_done"))
