"""What the records hold beside a new declaration: live ones, the order of dates, what was taken back, evidence, mentor."""

import polars as pl

from schemas.events import DECLARATION_AWAITING_CLAWBACK, DECLARATION_VOIDED
from schemas.frames import holds, joined
from schemas.instants import day_in_london, long_day_text
from schemas.lifecycle import is_live, statement_month
from schemas.needs import Snapshot
from schemas.vocabulary import DECLARATION_TYPE, DECLARATION_TYPES
from transforms.changes import Act
from transforms.facts import ROLE, latest

_UNDOING = (DECLARATION_VOIDED, DECLARATION_AWAITING_CLAWBACK)


# Said where another lead provider's declaration decides that this one may not see: always the same words.
UNSEEN = "DfE holds a declaration that stands in its way. If you think that is wrong, ask DfE."


def live_declarations(snapshot: Snapshot, periods: pl.DataFrame, own: pl.DataFrame, act: Act) -> pl.DataFrame:
    """Live declarations of anybody's, with the participant, role and lead provider of each, is_own, and is_visible: whether
    this lead provider may see it (ours: DfE's service misses one made during that period's last day)."""
    whose = periods.select("training_period_id", *ROLE, "lead_provider_id")
    until = latest(own).select(*ROLE, is_trained=pl.lit(True), trained_until="finished_on")
    declared = snapshot.declarations.filter(is_live()).join(whose, on="training_period_id", maintain_order="left")
    declared = joined(declared, until, ROLE)
    day = day_in_london(pl.col("declaration_date"))
    is_own = pl.col("lead_provider_id").eq_missing(pl.lit(act.lead_provider_id))
    in_time = pl.col("trained_until").is_null() | (day <= pl.col("trained_until"))
    return declared.with_columns(
        is_own.alias("is_own"), (is_own | (holds(pl.col("is_trained")) & in_time)).alias("is_visible")
    )


def with_live(rows: pl.DataFrame, snapshot: Snapshot, live: pl.DataFrame) -> pl.DataFrame:
    """The live declaration of the same participant, role and type; the own one, or one that may be seen, where there are
    others."""
    same = (
        live.sort("is_own", "is_visible", descending=True, maintain_order=True)
        .select(
            *ROLE,
            "declaration_type",
            live_declaration_id="declaration_id",
            live_lead_provider_id="lead_provider_id",
            live_declared_at="declaration_date",
            live_evidence="evidence_held",
            live_payment_status="payment_status",
            live_statement_id="payment_statement_id",
            live_is_own="is_own",
            live_is_visible="is_visible",
        )
        .unique([*ROLE, "declaration_type"], keep="first", maintain_order=True)
    )
    months = snapshot.statements.select(live_statement_id="statement_id", live_statement_month=statement_month())
    same = same.join(months, on="live_statement_id", how="left").with_columns(standing_words=_standing())
    return joined(rows, same, [*ROLE, "declaration_type"])


def _standing() -> pl.Expr:
    """What stands in the way of declaring it again, as far as this lead provider may see it."""
    day = long_day_text(day_in_london(pl.col("live_declared_at")))
    month = pl.col("live_statement_month")
    on = pl.when(month.is_null()).then(pl.lit("")).otherwise(pl.format(", on the statement of {}", month.fill_null("")))
    own = pl.format(
        "You have declared it already: {}, dated {}{}. If that one is wrong, void it first; if it is right, there is nothing "
        "to do.", "live_declaration_id", day, on,
    )  # fmt: skip
    visible = pl.format("Another lead provider has declared it already, dated {}. There is nothing to do.", day)
    return pl.when("live_is_own").then(own).when("live_is_visible").then(visible).otherwise(pl.lit(UNSEEN))


def with_sequence(rows: pl.DataFrame, live: pl.DataFrame) -> pl.DataFrame:
    """Where the other declarations of the role leave room for this date."""
    enforced = rows.filter(
        pl.col("sequence_is_enforced")
        & pl.col("declared_at").is_not_null()
        & pl.col("declaration_type").is_in(DECLARATION_TYPES)
    ).select("row_number", *ROLE, _place("declaration_type").alias("place"))
    others = live.select(
        *ROLE, _place("declaration_type").alias("other"), "declaration_type", "declaration_date", "is_visible"
    )
    pairs = enforced.join(others, on=ROLE).sort("declaration_date")
    earlier, later = pairs.filter(pl.col("other") < pl.col("place")), pairs.filter(pl.col("other") > pl.col("place"))
    # All of them decide; only those that this provider may see are told.
    rows = _with_nearest(rows, earlier, "last", "latest_of_earlier_types", "earlier_type")
    rows = _with_nearest(rows, later, "first", "earliest_of_later_types", "later_type")
    rows = _with_nearest(rows, earlier.filter("is_visible"), "last", "seen_earlier_at", "seen_earlier_type")
    rows = _with_nearest(rows, later.filter("is_visible"), "first", "seen_later_at", "seen_later_type")
    before = pl.when(pl.col("declared_at") < pl.col("seen_earlier_at")).then(
        _dated("seen_earlier_type", "seen_earlier_at")
    )
    after = pl.when(pl.col("declared_at") > pl.col("seen_later_at")).then(_dated("seen_later_type", "seen_later_at"))
    seen = pl.concat_str(before, after, separator=" ", ignore_nulls=True)
    return rows.with_columns(pl.when(seen != "").then(seen).otherwise(pl.lit(UNSEEN)).alias("sequence_words"))


def _with_nearest(rows: pl.DataFrame, sorted_pairs: pl.DataFrame, which: str, at: str, kind: str) -> pl.DataFrame:
    """Add the first or last date among other declarations, and its type."""
    date, type_ = (getattr(pl.col(name), which)() for name in ("declaration_date", "declaration_type"))
    nearest = sorted_pairs.group_by("row_number", maintain_order=True).agg(date.alias(at), type_.alias(kind))
    return joined(rows, nearest, "row_number")


def _dated(kind: str, at: str) -> pl.Expr:
    return pl.format("{} is dated {}.", kind, long_day_text(day_in_london(pl.col(at))))


def with_voided(rows: pl.DataFrame, snapshot: Snapshot, periods: pl.DataFrame, act: Act) -> pl.DataFrame:
    """undone: where this very declaration of this provider's was made before and taken back: `voided` or `clawed back`, with
    undone_on: the London day on which a file of theirs did it; null where it was not their doing."""
    own = periods.filter(pl.col("lead_provider_id") == act.lead_provider_id).select("training_period_id", *ROLE)
    gone = ~is_live()
    events_of = snapshot.events.filter(pl.col("type").is_in(_UNDOING)).select("declaration_id", undone_at="happened_at")
    taken = (
        snapshot.declarations.filter(gone)
        .join(own, on="training_period_id")
        .join(events_of.sort("undone_at").unique("declaration_id", keep="last"), on="declaration_id", how="left")
    )
    was_voided = pl.col("payment_status") == "voided"
    last = taken.sort("undone_at", nulls_last=False).unique([*ROLE, "declaration_type", "declaration_date"], keep="last").select(
        *ROLE, "declaration_type", day_in_london(pl.col("undone_at")).alias("undone_on"),
        undone=pl.when(was_voided).then(pl.lit("voided")).otherwise(pl.lit("clawed back")), declared_at="declaration_date",
    )  # fmt: skip
    return joined(rows, last, [*ROLE, "declaration_type", "declared_at"])


def _place(column: str) -> pl.Expr:
    return pl.col(column).cast(DECLARATION_TYPE).to_physical()


def with_mentor(rows: pl.DataFrame, mentorships: pl.DataFrame) -> pl.DataFrame:
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
    return joined(rows, chosen, "row_number")
