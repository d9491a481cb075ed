"""Declarations that nobody has made yet, of everybody whom a lead provider trains, each with the days as which it may be dated.

What is offered is accepted: candidates are judged by the very rules that judge a file, one by one, on the first day on which
they could be sent for the statement.
"""

from datetime import date, datetime, timedelta

import polars as pl

from schemas.columns import INSTANT
from schemas.facts import evidence_matrix
from schemas.frames import holds, joined
from schemas.instants import LONDON, day_in_london, rfc3339_text
from schemas.kinds import KINDS
from schemas.lifecycle import is_live, statement_month, training_status
from schemas.needs import Snapshot
from schemas.rules import breaches, findings
from schemas.vocabulary import COURSES, DECLARATION_TYPE, FUNDED_MENTOR_TYPES
from transforms.changes import act_of_file
from transforms.facts import ROLE, confirmed, latest, trained
from transforms.updates import UPDATES
from transforms.updates.declarations import SEQUENCE_ENFORCED_FROM

_KIND = KINDS["declarations"]
_A_DAY = timedelta(days=1)
# A row that breaks one of these could not be made true by anybody: it is no candidate.
_NEVER = ("DECL-004", "DECL-008", "DECL-011", "DECL-013", "DECL-014", "DECL-016", "DECL-022")
_WAITING = {
    "ect": "No induction start is recorded: it would be kept as submitted, and paid once one is. Ask the school and its "
    "appropriate body.",
    "mentor": "The mentor is not recorded as eligible: it would be kept as submitted, and paid once they are. Ask DfE.",
}


def candidates(
    snapshot: Snapshot, near: pl.DataFrame, lead_provider_id: str, now: datetime, today: date
) -> pl.DataFrame:
    """near: this lead provider's statements, as data.forecasts.near_statements gives them.

    Returns statement_id, statement_month, contract_period, participant_id, participant_type, course_identifier, declaration_type,
    delivery_partner_id, delivery_partner_name, school_id, window_opens, window_closes, deadline_date, evidence_wanted,
    is_possible, in_the_way; declaration_date: an instant as which it may be dated; pupil_premium_uplift, sparsity_uplift.
    """
    periods = trained(snapshot)
    own = confirmed(periods, lead_provider_id)
    live = snapshot.declarations.filter(is_live()).join(
        periods.select("training_period_id", *ROLE), on="training_period_id"
    )
    rows = _undeclared(snapshot, own, live, near)
    rows = _dated(_with_windows(rows, live), now, today)
    if rows.is_empty():
        return _judged(rows, snapshot, lead_provider_id, today, now)
    judged = [
        _judged(part, snapshot, lead_provider_id, day, now if day == today else _noon(day))
        for (day,), part in sorted(rows.partition_by("sent_on", as_dict=True).items())
    ]
    return pl.concat(judged)


def _undeclared(snapshot: Snapshot, own: pl.DataFrame, live: pl.DataFrame, near: pl.DataFrame) -> pl.DataFrame:
    """Every milestone of the schedule that each participant is on, of which no declaration stands, for each near statement of the
    contract period whose deadline is not before the milestone opens."""
    since = own.group_by(ROLE).agg(pl.col("started_on").min().alias("trained_since"))
    shown = joined(latest(own), since, ROLE).with_columns(training_status=training_status())
    flags = snapshot.contract_periods.select(
        "contract_period", "mentor_funding_enabled", "detailed_evidence_types_enabled", "uplift_fees_enabled"
    )
    statements = near.select(
        "contract_period", "statement_id", "deadline_date", "opens_on", statement_month=statement_month()
    )
    rows = shown.join(snapshot.milestones, on=["contract_period", "schedule_identifier"])
    rows = rows.join(statements, on="contract_period").filter(pl.col("start_date") <= pl.col("deadline_date"))
    rows = joined(rows, flags, "contract_period")
    is_unfunded = (pl.col("participant_type") == "mentor") & pl.col("mentor_funding_enabled")
    rows = rows.filter(~(is_unfunded & ~pl.col("declaration_type").is_in(FUNDED_MENTOR_TYPES)))
    return rows.join(live, on=[*ROLE, "declaration_type"], how="anti")


def _with_windows(rows: pl.DataFrame, live: pl.DataFrame) -> pl.DataFrame:
    """Add window_opens, window_closes: whole days as which the row may be dated: in the milestone, in training with this provider,
    before a withdrawal, and (where the order of types counts) after earlier types and before later ones."""
    place = pl.col("declaration_type").cast(DECLARATION_TYPE, strict=False).to_physical()
    others = live.select(*ROLE, place.alias("other"), day=day_in_london(pl.col("declaration_date")))
    key = [*ROLE, "declaration_type"]
    pairs = rows.select(*key, place.alias("place")).unique().join(others, on=ROLE)
    earlier = pairs.filter(pl.col("other") < pl.col("place")).group_by(key).agg(after=pl.col("day").max())
    later = pairs.filter(pl.col("other") > pl.col("place")).group_by(key).agg(before=pl.col("day").min())
    rows = joined(joined(rows, earlier, key), later, key)
    is_ordered = pl.col("contract_period") >= SEQUENCE_ENFORCED_FROM
    withdrawn = pl.when(pl.col("training_status") == "withdrawn").then(day_in_london(pl.col("withdrawn_at")) - _A_DAY)
    return rows.with_columns(
        window_opens=pl.max_horizontal(
            "start_date", "trained_since", pl.when(is_ordered).then(pl.col("after") + _A_DAY)
        ),
        window_closes=pl.min_horizontal(
            "milestone_date", "finished_on", withdrawn, pl.when(is_ordered).then(pl.col("before") - _A_DAY)
        ),
    )


def _dated(rows: pl.DataFrame, now: datetime, today: date) -> pl.DataFrame:
    """Those that can be dated in time: with sent_on: the first day on which they can be sent for the statement, and
    declaration_date: the last instant as which they may be dated then."""
    rows = rows.with_columns(
        sent_on=pl.max_horizontal(pl.col("opens_on"), pl.col("window_opens"), pl.lit(today))
    ).filter(
        (pl.col("sent_on") <= pl.col("deadline_date"))
        & (pl.col("window_closes").is_null() | (pl.col("window_opens") <= pl.col("window_closes")))
    )
    closes_at = _noon_of(pl.col("window_closes"))
    sent_at = pl.when(pl.col("sent_on") == today).then(pl.lit(now, INSTANT)).otherwise(_noon_of(pl.col("sent_on")))
    rows = rows.with_columns(declaration_date=pl.min_horizontal(closes_at, sent_at))
    # The first day of the window may be today, and noon still to come, or the window's first noon gone.
    return rows.filter(day_in_london(pl.col("declaration_date")) >= pl.col("window_opens"))


def _noon_of(day: pl.Expr) -> pl.Expr:
    return (day.cast(pl.Datetime("us")) + timedelta(hours=12)).dt.replace_time_zone(LONDON).dt.convert_time_zone("UTC")


def _noon(day: date) -> datetime:
    moment: datetime = pl.select(_noon_of(pl.lit(day))).item()
    return moment


def _judged(rows: pl.DataFrame, snapshot: Snapshot, lead_provider_id: str, day: date, at: datetime) -> pl.DataFrame:
    """Each row judged as if it had been sent alone, with evidence that is accepted."""
    act = act_of_file("forecast", lead_provider_id, at)
    assert act.today == day
    rows = _with_evidence(rows).with_row_index("row_number", 1).cast({"row_number": pl.Int64})
    sent = rows.select(
        "row_number",
        "participant_id",
        pl.col("participant_type").replace_strict(COURSES, return_dtype=pl.String).alias("course_identifier"),
        "declaration_type",
        rfc3339_text(pl.col("declaration_date")).alias("declaration_date"),
        pl.col("evidence_wanted").str.split(";").list.first().alias("evidence_held"),
        trn=pl.lit(None, pl.String),
        your_reference=pl.lit(None, pl.String),
    )
    seen = UPDATES[_KIND.name].facts(sent, snapshot, act)
    rows = _with_verdicts(rows, seen, sent)
    years = snapshot.school_contract_periods.select(
        "school_id", "contract_period", "pupil_premium_uplift", "sparsity_uplift"
    )
    rows = joined(rows, years, ["school_id", "contract_period"])
    earns = (pl.col("declaration_type") == "started") & pl.col("uplift_fees_enabled")
    told = seen.select("row_number", "course_identifier", "delivery_partner_name", "next_statement_id")
    rows = joined(rows, told, "row_number").filter(pl.col("next_statement_id").eq_missing(pl.col("statement_id")))
    flags = ("pupil_premium_uplift", "sparsity_uplift")
    return rows.with_columns([holds(earns & pl.col(flag)).alias(flag) for flag in flags])


def _with_evidence(rows: pl.DataFrame) -> pl.DataFrame:
    """evidence_wanted: what the rules take, `;` between; null where none is wanted."""
    triple = ["detailed_evidence_types_enabled", "participant_type", "declaration_type"]
    allowed = evidence_matrix().filter(pl.col("evidence_type").is_not_null()).group_by(triple, maintain_order=True).agg(
        pl.col("evidence_type").str.join(";").alias("evidence_wanted")
    )  # fmt: skip
    return joined(rows, allowed, triple)


def _with_verdicts(rows: pl.DataFrame, seen: pl.DataFrame, sent: pl.DataFrame) -> pl.DataFrame:
    """is_possible and in_the_way; rows that could never be are left out."""
    broken = breaches(_KIND.rules, seen)
    is_broken = pl.Series([False]).new_from_index(0, seen.height)
    is_never = is_broken
    for place, which in broken.items():
        is_broken = is_broken | which
        if _KIND.rules[place].code in _NEVER:
            is_never = is_never | which
    said = findings(_KIND.rules, seen.filter(is_broken), sent.filter(is_broken).select(_KIND.columns))
    words = said.group_by("row_number", maintain_order=True).agg(pl.col("message").str.join(" "))
    rows = rows.with_columns(is_broken=is_broken, is_never=is_never, is_fundable=seen["is_fundable"])
    rows = joined(rows, words, "row_number").filter(~pl.col("is_never"))
    waits = pl.when(~pl.col("is_fundable")).then(
        pl.col("participant_type").replace_strict(_WAITING, return_dtype=pl.String)
    )
    return rows.with_columns(
        is_possible=~pl.col("is_broken") & pl.col("is_fundable"), in_the_way=pl.coalesce("message", waits)
    )
