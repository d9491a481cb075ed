"""Declarations: the records that a row speaks of, and what follows from an accepted one.

Source: RECT app/services/api/declarations/create.rb, app/services/declarations/create.rb.
"""

from functools import cache

import polars as pl

from schemas.events import DECLARATION_CREATED
from schemas.facts import evidence_matrix
from schemas.frames import holds, joined
from schemas.instants import with_instants
from schemas.lifecycle import contains, is_frozen, training_status
from schemas.needs import Snapshot
from transforms.changes import Act, ChangeSet, events, instant, said, with_effects
from transforms.declared import live_declarations, with_live, with_mentor, with_sequence, with_voided
from transforms.facts import ROLE, confirmed, latest, lower, next_statements, trained, with_participant
from transforms.mentor_completion import completing, mentor_completion
from transforms.rejected import rejected_declarations
from transforms.update import ACCEPTED, DONE, Rejections, Update, note, verdicts

# Declarations of contract periods from this year on must follow one another (schemas/README.md, Declaration types).
SEQUENCE_ENFORCED_FROM = 2025


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
    live = live_declarations(snapshot, periods, own, act)
    rows = with_sequence(with_live(rows, snapshot, live), live)
    rows = with_voided(rows, snapshot, periods, act)
    return _with_already_done(_with_evidence(rows), snapshot, act)


def _with_lost_zeros(rows: pl.DataFrame) -> pl.DataFrame:
    """A TRN whose zeros in front a spreadsheet has dropped, by the record of this provider's own participant: short_trn is
    then what was sent, and trn the record's."""
    is_short = pl.col("is_your_participant") & pl.col("trn").str.contains(r"^[0-9]{1,6}$")
    is_short = holds(is_short & (pl.col("trn").str.zfill(7) == pl.col("held_trn")))
    short = pl.when(is_short).then("trn").alias("short_trn")
    return rows.with_columns(short, pl.when(is_short).then("held_trn").otherwise("trn").alias("trn"))


def _with_training(
    rows: pl.DataFrame, snapshot: Snapshot, periods: pl.DataFrame, own: pl.DataFrame, act: Act
) -> pl.DataFrame:
    period = latest(own).select(
        *ROLE, "training_period_id", "school_period_id", "school_id", "partnership_id", "delivery_partner_id",
        "contract_period", "schedule_identifier", "withdrawn_at", training_status().alias("training_status"),
    )  # fmt: skip
    rows = joined(rows, period, ROLE)
    partners = snapshot.delivery_partners.select("delivery_partner_id", delivery_partner_name="name")
    rows = joined(rows, partners, "delivery_partner_id")
    flags = snapshot.contract_periods.select(
        "contract_period", "mentor_funding_enabled", "detailed_evidence_types_enabled", "uplift_fees_enabled"
    )
    rows = joined(rows, flags, "contract_period")
    milestones = snapshot.milestones.rename({"start_date": "milestone_start", "milestone_date": "milestone_end"})
    rows = joined(rows, milestones, ["contract_period", "schedule_identifier", "declaration_type"])
    following = next_statements(snapshot, act.today, "open")
    rows = joined(rows, following, "contract_period")
    frozen = snapshot.contract_periods.filter(is_frozen(act.at))
    in_frozen = periods.filter(contains(act.today)).join(frozen, on="contract_period", how="semi")
    in_frozen = in_frozen.select(*ROLE, is_in_frozen_contract_period=pl.lit(True)).unique(ROLE)
    rows = joined(rows, in_frozen, ROLE)
    eligible_at = pl.when(pl.col("participant_type") == "ect").then("ect_first_became_eligible_at").otherwise(
        "mentor_first_became_eligible_at"
    )  # fmt: skip
    return rows.with_columns(
        (eligible_at.is_not_null() & pl.col("participant_type").is_not_null()).alias("is_fundable"),
        holds(pl.col("training_status") == "withdrawn").alias("is_withdrawn"),
        holds(pl.col("contract_period") >= SEQUENCE_ENFORCED_FROM).alias("sequence_is_enforced"),
    )


def _with_evidence(rows: pl.DataFrame) -> pl.DataFrame:
    """evidence_is_dropped, evidence_is_allowed, allowed_evidence (in words), evidence_stored (what would be kept)."""
    allowed, one = _evidence()
    rows = joined(rows, allowed, _ALLOWED_BY)
    rows = joined(rows, one, [*_ALLOWED_BY, "evidence_held"])
    return rows.with_columns(holds(pl.col("evidence_is_dropped", "evidence_is_allowed"))).with_columns(
        pl.when(~pl.col("evidence_is_dropped")).then("evidence_held").alias("evidence_stored")
    )


_ALLOWED_BY = ("detailed_evidence_types_enabled", "participant_type", "declaration_type")


@cache
def _evidence() -> tuple[pl.DataFrame, pl.DataFrame]:
    """(of each kind of declaration allowed_evidence, evidence_is_dropped; each evidence_held that is allowed)."""
    allowed = evidence_matrix().group_by(_ALLOWED_BY, maintain_order=True).agg(
        pl.col("evidence_type").drop_nulls().str.join(", ").alias("allowed_evidence"),
        (pl.col("evidence_rule") == "ignored").any().alias("evidence_is_dropped"),
    )  # fmt: skip
    one = evidence_matrix().filter(pl.col("evidence_type").is_not_null()).select(
        *_ALLOWED_BY, evidence_held="evidence_type", evidence_is_allowed=pl.lit(True)
    )  # fmt: skip
    return allowed, one


def _with_already_done(rows: pl.DataFrame, snapshot: Snapshot, act: Act) -> pl.DataFrame:
    """asks_for_what_is_done: the live declaration is this provider's, of this instant, and of this row's evidence,
    either as it would be kept or as an accepted row once said it (schemas/README.md, How rows are judged)."""
    sent = snapshot.events.filter((pl.col("type") == DECLARATION_CREATED) & pl.col("after").is_not_null()).select(
        live_declaration_id="declaration_id", evidence_sent=said("evidence_sent"), was_sent=pl.lit(True)
    )
    rows = joined(rows, sent.unique("live_declaration_id"), "live_declaration_id")
    same_evidence = pl.col("live_evidence").eq_missing(pl.col("evidence_stored")) | (
        holds(pl.col("was_sent")) & pl.col("evidence_sent").eq_missing(pl.col("evidence_held"))
    )
    done = (
        (pl.col("live_lead_provider_id") == act.lead_provider_id)
        & (pl.col("live_declared_at") == pl.col("declared_at"))
        & pl.col("training_period_id").is_not_null()
        & pl.col("trn_agrees")
        & same_evidence
    )
    return rows.with_columns(holds(done).alias("asks_for_what_is_done"))


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
    rows = joined(accepted, years, ["school_id", "contract_period"])
    rows = with_mentor(rows, snapshot.mentorships)
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
        (earns & holds(pl.col("pupil_premium_uplift"))).alias("pupil_premium_uplift"),
        (earns & holds(pl.col("sparsity_uplift"))).alias("sparsity_uplift"),
        "your_reference",
        instant(act.at).alias("created_at"),
        instant(act.at).alias("updated_at"),
    )


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
