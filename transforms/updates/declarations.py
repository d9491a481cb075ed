"""Declarations: the records that a row speaks of, and what follows from an accepted one.

Source: handbook, rules 4 and 4.4; RECT app/services/api/declarations/create.rb.
"""

import polars as pl

from schemas.events import DECLARATION_AWAITING_CLAWBACK, DECLARATION_CREATED, DECLARATION_VOIDED
from schemas.facts import evidence_matrix
from schemas.instants import day_in_london, long_day_text, with_instants
from schemas.lifecycle import contains, is_frozen, is_live, statement_month, training_status
from schemas.needs import Snapshot
from schemas.vocabulary import DECLARATION_TYPE, DECLARATION_TYPES
from transforms.changes import Act, ChangeSet, events, instant, said, with_effects
from transforms.facts import (
    ROLE,
    confirmed,
    latest,
    lower,
    next_statements,
    trained,
    with_participant,
)
from transforms.mentor_completion import completing, mentor_completion
from transforms.rejected import rejected_declarations
from transforms.update import ACCEPTED, DONE, Rejections, Update, note, verdicts

# Declarations of contract periods from this year on must follow one another (handbook: rules 4.3).
SEQUENCE_ENFORCED_FROM = 2025
_UNDOING = (DECLARATION_VOIDED, DECLARATION_AWAITING_CLAWBACK)
# Said where another lead provider's declaration decides that this one may not see: always the same words.
UNSEEN = "DfE holds a declaration that stands in its way. If you think that is wrong, ask DfE."
DECLARED_AGAIN = "it is now declared again."


def facts(rows: pl.DataFrame, snapshot: Snapshot, act: Act) -> pl.DataFrame:
    """rows: the kind's columns as read. Returns them, words in lower case, with the columns that the DECL- rules, the
    effects and the notes use."""
    rows = lower(with_instants(rows), "declaration_type", "evidence_held").with_columns(
        instant(act.at).alias("received_at")
    )
    periods = trained(snapshot)
    own = confirmed(periods, act.lead_provider_id)
    rows = with_participant(rows, snapshot, own)
    rows = _with_lost_zeros(rows)
    # Nothing is said of a TRN unless the participant is this provider's.
    same_trn = pl.col("trn").is_null() | pl.col("trn").eq_missing(pl.col("held_trn"))
    rows = rows.with_columns((~pl.col("is_your_participant") | same_trn).alias("trn_agrees"))
    rows = _with_training(rows, snapshot, periods, own, act)
    live = _live_declarations(snapshot, periods, own, act)
    rows = _with_sequence(_with_live(rows, snapshot, live), live)
    rows = _with_voided(rows, snapshot, periods, act)
    return _with_already_done(_with_evidence(rows), snapshot, act)


def _with_lost_zeros(rows: pl.DataFrame) -> pl.DataFrame:
    """A TRN whose zeros in front a spreadsheet has dropped, by the record of this provider's own participant: short_trn is
    then what was sent, and trn the record's."""
    is_short = pl.col("is_your_participant") & pl.col("trn").str.contains(r"^[0-9]{1,6}$")
    is_short = (is_short & (pl.col("trn").str.zfill(7) == pl.col("held_trn"))).fill_null(False)
    short = pl.when(is_short).then("trn").alias("short_trn")
    return rows.with_columns(short, pl.when(is_short).then("held_trn").otherwise("trn").alias("trn"))


def _with_training(
    rows: pl.DataFrame, snapshot: Snapshot, periods: pl.DataFrame, own: pl.DataFrame, act: Act
) -> pl.DataFrame:
    period = latest(own).select(
        *ROLE, "training_period_id", "school_period_id", "school_id", "partnership_id", "delivery_partner_id",
        "contract_period", "schedule_identifier", "withdrawn_at", training_status().alias("training_status"),
    )  # fmt: skip
    rows = rows.join(period, on=ROLE, how="left", maintain_order="left")
    partners = snapshot.delivery_partners.select("delivery_partner_id", delivery_partner_name="name")
    rows = rows.join(partners, on="delivery_partner_id", how="left", maintain_order="left")
    flags = snapshot.contract_periods.select(
        "contract_period", "mentor_funding_enabled", "detailed_evidence_types_enabled", "uplift_fees_enabled"
    )
    rows = rows.join(flags, on="contract_period", how="left", maintain_order="left")
    milestones = snapshot.milestones.rename({"start_date": "milestone_start", "milestone_date": "milestone_end"})
    rows = rows.join(
        milestones, on=["contract_period", "schedule_identifier", "declaration_type"], how="left", maintain_order="left"
    )
    following = next_statements(snapshot, act.today, "open")
    rows = rows.join(following, on="contract_period", how="left", maintain_order="left")
    frozen = snapshot.contract_periods.filter(is_frozen(act.at))
    in_frozen = periods.filter(contains(act.today)).join(frozen, on="contract_period", how="semi")
    in_frozen = in_frozen.select(*ROLE, is_in_frozen_contract_period=pl.lit(True)).unique(ROLE)
    rows = rows.join(in_frozen, on=ROLE, how="left", maintain_order="left")
    eligible_at = pl.when(pl.col("participant_type") == "ect").then("ect_first_became_eligible_at").otherwise(
        "mentor_first_became_eligible_at"
    )  # fmt: skip
    return rows.with_columns(
        (eligible_at.is_not_null() & pl.col("participant_type").is_not_null()).alias("is_fundable"),
        (pl.col("training_status") == "withdrawn").fill_null(False).alias("is_withdrawn"),
        (pl.col("contract_period") >= SEQUENCE_ENFORCED_FROM).fill_null(False).alias("sequence_is_enforced"),
    )


def _live_declarations(snapshot: Snapshot, periods: pl.DataFrame, own: pl.DataFrame, act: Act) -> pl.DataFrame:
    """Live declarations of anybody's, with the participant, role and lead provider of each, is_own, and is_visible: whether
    this lead provider may see it (handbook: domain 12)."""
    whose = periods.select("training_period_id", *ROLE, "lead_provider_id")
    until = latest(own).select(*ROLE, is_trained=pl.lit(True), trained_until="finished_on")
    declared = snapshot.declarations.filter(is_live()).join(whose, on="training_period_id", maintain_order="left")
    declared = declared.join(until, on=ROLE, how="left", maintain_order="left")
    day = day_in_london(pl.col("declaration_date"))
    is_own = pl.col("lead_provider_id").eq_missing(pl.lit(act.lead_provider_id))
    in_time = pl.col("trained_until").is_null() | (day <= pl.col("trained_until"))
    return declared.with_columns(
        is_own.alias("is_own"), (is_own | (pl.col("is_trained").fill_null(False) & in_time)).alias("is_visible")
    )


def _with_live(rows: pl.DataFrame, snapshot: Snapshot, live: pl.DataFrame) -> pl.DataFrame:
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
    return rows.join(same, on=[*ROLE, "declaration_type"], how="left", maintain_order="left")


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


def _with_sequence(rows: pl.DataFrame, live: pl.DataFrame) -> pl.DataFrame:
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
    return rows.join(nearest, on="row_number", how="left", maintain_order="left")


def _dated(kind: str, at: str) -> pl.Expr:
    return pl.format("{} is dated {}.", kind, long_day_text(day_in_london(pl.col(at))))


def _with_voided(rows: pl.DataFrame, snapshot: Snapshot, periods: pl.DataFrame, act: Act) -> pl.DataFrame:
    """undone: where this very declaration of this provider's was made before and taken back: `voided` or `taken back`, with
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
        undone=pl.when(was_voided).then(pl.lit("voided")).otherwise(pl.lit("taken back")), declared_at="declaration_date",
    )  # fmt: skip
    return rows.join(last, on=[*ROLE, "declaration_type", "declared_at"], how="left", maintain_order="left")


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


def _with_already_done(rows: pl.DataFrame, snapshot: Snapshot, act: Act) -> pl.DataFrame:
    """asks_for_what_is_done: the live declaration is this provider's, of this instant, and of this row's evidence,
    either as it would be kept or as an accepted row once said it (handbook: rules 1, Rows, repeats and order)."""
    sent = snapshot.events.filter((pl.col("type") == DECLARATION_CREATED) & pl.col("after").is_not_null()).select(
        live_declaration_id="declaration_id", evidence_sent=said("evidence_sent"), was_sent=pl.lit(True)
    )
    rows = rows.join(sent.unique("live_declaration_id"), on="live_declaration_id", how="left", maintain_order="left")
    same_evidence = pl.col("live_evidence").eq_missing(pl.col("evidence_stored")) | (
        pl.col("was_sent").fill_null(False) & pl.col("evidence_sent").eq_missing(pl.col("evidence_held"))
    )
    done = (
        (pl.col("live_lead_provider_id") == act.lead_provider_id)
        & (pl.col("live_declared_at") == pl.col("declared_at"))
        & pl.col("training_period_id").is_not_null()
        & pl.col("trn_agrees")
        & same_evidence
    )
    return rows.with_columns(done.fill_null(False).alias("asks_for_what_is_done"))


def effects(accepted: pl.DataFrame, snapshot: Snapshot, act: Act) -> ChangeSet:
    """Each accepted row is a new declaration; a mentor's completed ends their funded training."""
    made = _declarations(accepted, snapshot, act)
    rows = accepted.with_columns(declaration_id="new_id", statement_id=pl.when("is_fundable").then("next_statement_id"))
    # What the row said of evidence is kept where the record does not keep it.
    unkept = pl.col("evidence_held").ne_missing(pl.col("evidence_stored"))
    happened = events(rows, DECLARATION_CREATED, act, after={"evidence_sent": pl.col("evidence_held")}).with_columns(
        pl.when(rows.select(unkept).to_series()).then("after").alias("after")
    )
    created = ChangeSet({"declarations": made} if made.height else {}, events=happened)
    if completing(rows).is_empty():
        return created
    return created.then(mentor_completion(rows, with_effects(snapshot, created), act))


def _declarations(accepted: pl.DataFrame, snapshot: Snapshot, act: Act) -> pl.DataFrame:
    years = snapshot.school_contract_periods.select(
        "school_id", "contract_period", "pupil_premium_uplift", "sparsity_uplift"
    )
    rows = accepted.join(years, on=["school_id", "contract_period"], how="left", maintain_order="left")
    rows = _with_mentor(rows, snapshot.mentorships)
    earns = (pl.col("declaration_type") == "started") & pl.col("uplift_fees_enabled")
    return rows.select(
        pl.col("new_id").alias("declaration_id"),
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
        instant(act.at).alias("created_at"),
        instant(act.at).alias("updated_at"),
    )


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


def answers(rows: pl.DataFrame, act: Act) -> pl.DataFrame:
    """Accepted rows of the declaration they made, already-done rows of the one that stands."""
    eligible = ACCEPTED & pl.col("is_fundable")
    waiting = ACCEPTED & ~pl.col("is_fundable")
    standing = pl.col("live_payment_status").replace({"no_payment": "submitted"})
    dropped = ACCEPTED & pl.col("evidence_is_dropped") & pl.col("evidence_held").is_not_null()
    extended = (pl.col("participant_type") == "mentor") & pl.col("declaration_type").str.starts_with("extended")
    ect, mentor = pl.col("participant_type") == "ect", pl.col("participant_type") == "mentor"
    return verdicts(
        rows,
        note(eligible, "On the statement of {next_statement_month}, which closes on {next_deadline}.", rows),
        note(ACCEPTED & pl.col("delivery_partner_name").is_not_null(), "It counts for {delivery_partner_name}.", rows),
        note(
            waiting & ect,
            "Kept as submitted: no induction start is recorded yet. Ask the school and its appropriate body.",
            rows,
        ),
        note(waiting & mentor, "Kept as submitted: the mentor is not recorded as eligible yet. Ask DfE.", rows),
        note(dropped, "Evidence is not kept for this type in this contract period.", rows),
        note(ACCEPTED & extended, "Extended declarations are not meant for mentors: please check.", rows),
        note(ACCEPTED & pl.col("undone_on").is_not_null(), f"You voided this on {{undone_on}}; {DECLARED_AGAIN}", rows),
        note(
            ACCEPTED & pl.col("undone").is_not_null() & pl.col("undone_on").is_null(),
            f"This had been {{undone}}; {DECLARED_AGAIN}",
            rows,
        ),
        note(
            pl.col("short_trn").is_not_null(),
            "trn: “{short_trn}” was taken as {trn}, for a spreadsheet has dropped the zeros in front.",
            rows,
        ),
        note(DONE, "This declaration has been made already: nothing to do.", rows),
        declaration_id=pl.when(ACCEPTED).then("new_id").when(DONE).then("live_declaration_id"),
        state=pl.when(eligible)
        .then(pl.lit("eligible"))
        .when(ACCEPTED)
        .then(pl.lit("submitted"))
        .when(DONE)
        .then(standing),
        statement_month=pl.when(eligible).then("next_statement_month").when(DONE).then("live_statement_month"),
    )


UPDATE = Update(facts, effects, answers, rejections=Rejections("rejected_declarations", rejected_declarations))
