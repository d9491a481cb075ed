"""Voids, and clawbacks of what was paid (RECT app/services/declarations/void.rb, clawback.rb)."""

import polars as pl

from schemas.events import DECLARATION_AWAITING_CLAWBACK, DECLARATION_VOIDED
from schemas.frames import holds, joined, marked
from schemas.lifecycle import is_live, is_taken_back, statement_month
from schemas.needs import Snapshot
from transforms.changes import Act, ChangeSet, events, instant, with_effects
from transforms.facts import ROLE, confirmed, latest, lower, next_statements, trained
from transforms.mentor_completion import ONE_DAY, completing, is_closed, mentor_completion
from transforms.update import ACCEPTED, DONE, Update, note, verdicts


def owner(rows: pl.DataFrame, snapshot: Snapshot) -> pl.Series:
    """The declaration's participant, where the declaration is known; else the id as sent."""
    spells = snapshot.school_periods.select("school_period_id", "participant_id")
    whose = snapshot.declarations.join(snapshot.training_periods, on="training_period_id").join(
        spells, on="school_period_id"
    )
    named = joined(
        rows.select(pl.col("declaration_id").str.to_lowercase()),
        whose.select("declaration_id", "participant_id"),
        "declaration_id",
    )
    return named.select(pl.coalesce("participant_id", "declaration_id")).to_series()


def facts(rows: pl.DataFrame, snapshot: Snapshot, act: Act) -> pl.DataFrame:
    """Rows joined to the declaration, where it is this lead provider's, and to the statement that would take a paid
    one back; whether it has been taken back already."""
    own = confirmed(trained(snapshot), act.lead_provider_id).select(
        "training_period_id", *ROLE, "lead_provider_id", "contract_period"
    )
    declared = snapshot.declarations.join(own, on="training_period_id").with_columns(is_your_declaration=pl.lit(True))
    rows = joined(lower(rows, "declaration_id"), declared, "declaration_id")
    # Money sent to a paid statement would never come back: it is frozen (CLAW-003; ours).
    following = next_statements(snapshot, act.today, "open", "payable")
    rows = joined(rows, following, "contract_period")
    rows = rows.with_columns(
        holds(pl.col("is_your_declaration")), (pl.col("payment_status") == "paid").alias("is_paid")
    )
    # Whoever took it back: the row asks for just what stands.
    stands = (pl.col("payment_status") == "voided") | is_taken_back()
    rows = rows.with_columns(holds(stands).alias("asks_for_what_is_done"))
    months = snapshot.statements.select(clawback_statement_id="statement_id", clawback_month=statement_month())
    rows = joined(rows, months, "clawback_statement_id")
    rows = _with_others(rows, snapshot)
    return _with_reopening(rows, snapshot, act)


def _with_others(rows: pl.DataFrame, snapshot: Snapshot) -> pl.DataFrame:
    """has_another: another live declaration of the same participant, role and type stands, whoever made it."""
    whose = trained(snapshot).select("training_period_id", *ROLE)
    others = snapshot.declarations.filter(is_live()).join(whose, on="training_period_id").select(
        *ROLE, "declaration_type", other_id="declaration_id"
    )  # fmt: skip
    pairs = rows.select("row_number", *ROLE, "declaration_type", "declaration_id").join(
        others, on=[*ROLE, "declaration_type"]
    )
    return marked(rows, pairs.filter(pl.col("other_id") != pl.col("declaration_id")), "has_another")


def _with_reopening(rows: pl.DataFrame, snapshot: Snapshot, act: Act) -> pl.DataFrame:
    """reopens_on: the day from which a mentor's training goes on once their completed declaration is taken back;
    cannot_reopen: that day is past their time at the school, or the training would overlap other training."""
    periods = trained(snapshot).filter(pl.col("participant_type") == "mentor")
    closed = latest(confirmed(periods, act.lead_provider_id)).filter(is_closed(act)).select(
        "participant_id", "school_period_finished_on", reopens_on=pl.col("finished_on") + pl.lit(ONE_DAY)
    )  # fmt: skip
    reopening = completing(rows).select("row_number", "participant_id").join(closed, on="participant_id")
    too_late = holds(pl.col("reopens_on") > pl.col("school_period_finished_on"))
    others = periods.select("participant_id", other_start="started_on", other_end="finished_on")
    pairs = reopening.join(others, on="participant_id")
    ends_before = holds(pl.col("other_end") < pl.col("reopens_on"))
    starts_after = holds(pl.col("other_start") > pl.col("school_period_finished_on"))
    overlapping = pairs.filter(~ends_before & ~starts_after).select("row_number")
    barred = pl.concat([reopening.filter(too_late).select("row_number"), overlapping])
    rows = joined(rows, reopening.select("row_number", "reopens_on"), "row_number")
    return marked(rows, barred, "cannot_reopen")


def effects(accepted: pl.DataFrame, snapshot: Snapshot, act: Act) -> ChangeSet:
    """A paid declaration awaits clawback on the next statement; any other is voided, and stays linked to its own."""
    now = instant(act.at)
    voided = accepted.filter(~pl.col("is_paid")).with_columns(statement_id="payment_statement_id")
    refunded = accepted.filter("is_paid").with_columns(statement_id="next_statement_id")
    updates = (
        ("declarations", voided.select("declaration_id", payment_status=pl.lit("voided"), updated_at=now)),
        (
            "declarations",
            refunded.select(
                "declaration_id",
                clawback_status=pl.lit("awaiting_clawback"),
                clawback_statement_id="next_statement_id",
                updated_at=now,
            ),
        ),
    )
    payment, clawback = pl.col("payment_status"), pl.col("clawback_status")
    happened = pl.concat(
        [
            events(voided, DECLARATION_VOIDED, act, {"payment_status": payment}, {"payment_status": pl.lit("voided")}),
            events(
                refunded, DECLARATION_AWAITING_CLAWBACK, act, {"clawback_status": clawback},
                {"clawback_status": pl.lit("awaiting_clawback")},
            ),
        ]
    )  # fmt: skip
    taken_back = ChangeSet({}, tuple(update for update in updates if update[1].height), happened)
    if completing(accepted).is_empty():
        return taken_back
    return taken_back.then(mentor_completion(accepted, with_effects(snapshot, taken_back), act))


def answers(rows: pl.DataFrame, _act: Act) -> pl.DataFrame:
    """The declaration's new state, and the statement that takes the money back."""
    voided, refunded = ACCEPTED & ~pl.col("is_paid"), ACCEPTED & pl.col("is_paid")
    alone = ~pl.col("has_another")
    standing = (
        pl.when(pl.col("payment_status") == "voided")
        .then(pl.lit("voided"))
        .otherwise(pl.col("clawback_status").str.replace("_", "-"))
    )
    return verdicts(
        rows,
        note(voided & alone, "Voided: it will not be paid, and {declaration_type} may be declared again.", rows),
        note(
            refunded & alone,
            "It was paid: the money is clawed back on the statement of {next_statement_month}, and {declaration_type} "
            "may be declared again.",
            rows,
        ),
        note(voided & ~alone, "Voided: it will not be paid.", rows),
        note(
            refunded & ~alone, "It was paid: the money is clawed back on the statement of {next_statement_month}.", rows
        ),
        note(
            ACCEPTED & ~alone,
            "Another {declaration_type} declaration stands for this participant: until it is voided too, none can be made.",
            rows,
        ),
        note(ACCEPTED & pl.col("reopens_on").is_not_null(), "The mentor's training goes on from {reopens_on}.", rows),
        note(DONE, "This declaration has been voided or clawed back already: nothing to do.", rows),
        declaration_id=pl.when(ACCEPTED | DONE).then("declaration_id"),
        state=pl.when(voided)
        .then(pl.lit("voided"))
        .when(refunded)
        .then(pl.lit("awaiting-clawback"))
        .when(DONE)
        .then(standing),
        statement_month=pl.when(refunded).then("next_statement_month").when(DONE).then("clawback_month"),
    )


UPDATE = Update(facts, effects, answers, owner)
