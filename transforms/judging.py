"""Rows × records × now → verdicts, in file order: firsts of each owner together, then seconds, and so on.

A row sees the effects of the accepted rows above it. Rows of different participants do not touch one another, so all
rows of one rank are judged at once, their effects brought into the frames, then the next rank.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime

import polars as pl

from schemas.declarations import RULES
from schemas.files import Kind
from schemas.form import form_rules, with_owners
from schemas.instants import with_instants
from schemas.reading import Sheet
from schemas.rules import FINDINGS, findings
from schemas.snapshot import Snapshot
from transforms.effects import ChangeSet, Submission, declaration_effects, with_effects
from transforms.facts import with_facts

ROWS_AT_ONCE = 100_000
VERDICTS = {
    "row_number": pl.Int64,
    "outcome": pl.String,
    "declaration_id": pl.String,
    "state": pl.String,
    "statement_month": pl.String,
    "notes": pl.String,
}


@dataclass(frozen=True)
class Judgement:
    """What became of a file's rows.

    verdicts: row_number, outcome (`accepted`, `rejected`, `already-done`), declaration_id, state, statement_month, notes.
    findings: row_number, position, code, field, message. changes: what the accepted rows bring about.
    """

    verdicts: pl.DataFrame
    findings: pl.DataFrame
    changes: ChangeSet


def judge_declarations(
    sheet: Sheet, kind: Kind, snapshot: Snapshot, submission: Submission, now: datetime, today: date
) -> Judgement:
    """Judge every row. now: when the file was received (UTC); today: its London day."""
    rows = with_instants(with_owners(kind, sheet.values))
    rules = (*form_rules(kind), *RULES)
    rows = rows.with_columns(pl.col("earlier_rows").alias("rank"))
    verdicts, found = [pl.DataFrame(schema=VERDICTS)], [pl.DataFrame(schema=FINDINGS)]
    changes = ChangeSet.empty()
    for chosen in _turns(rows):
        if chosen["rank"][0]:
            snapshot = _only_those_of(rows.filter(pl.col("rank") >= chosen["rank"][0]), snapshot)
        joined = with_facts(chosen, snapshot, submission.lead_provider_id, now, today)
        broken = findings(rules, joined, chosen.select(kind.columns))
        done = _already_done(joined, broken)
        broken = broken.join(done, on="row_number", how="anti", maintain_order="left")
        joined = _with_outcome(joined, broken, done)
        made, step = declaration_effects(
            joined.filter(pl.col("outcome") == "accepted"), snapshot, submission, now, today
        )
        changes, snapshot = changes.then(step), with_effects(snapshot, made, step)
        verdicts.append(_verdicts(joined, made))
        found.append(broken)
    told, said = pl.concat(verdicts), pl.concat(found)
    if rows["rank"].max():  # one rank comes in file order as it is
        told, said = told.sort("row_number"), said.sort("row_number", "position")
    return Judgement(told, said, changes)


def _turns(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The rows of one rank after another, in portions that keep memory small: rows of one rank have different owners."""
    for rank in sorted(rows["rank"].unique()):
        yield from rows.filter(pl.col("rank") == rank).iter_slices(ROWS_AT_ONCE)


# Tested before a row may be called already done (handbook: rules 1).
_FORM_AND_IDS = {f"DECL-{number:03}" for number in (3, 4, 5, 6, 7, 8, 9, 10, 15, 25)}


def _already_done(joined: pl.DataFrame, broken: pl.DataFrame) -> pl.DataFrame:
    """row_number of rows whose form and ids are in order and that ask for what an earlier one brought about."""
    barred = broken.filter(pl.col("code").is_in(_FORM_AND_IDS) | pl.col("code").str.starts_with("FILE-"))
    done = joined.filter(pl.col("asks_for_what_is_done")).select("row_number")
    return done.join(barred, on="row_number", how="anti")


def _with_outcome(joined: pl.DataFrame, broken: pl.DataFrame, done: pl.DataFrame) -> pl.DataFrame:
    rejected = broken.select("row_number").unique().with_columns(outcome=pl.lit("rejected"))
    named = pl.concat([rejected, done.with_columns(outcome=pl.lit("already-done"))])
    joined = joined.join(named, on="row_number", how="left", maintain_order="left")
    return joined.with_columns(pl.col("outcome").fill_null("accepted"))


def _verdicts(joined: pl.DataFrame, made: pl.DataFrame) -> pl.DataFrame:
    """What each row is told: accepted rows of what they made, already-done rows of what stands."""
    made = made.select("row_number", made_id="declaration_id")
    joined = joined.join(made, on="row_number", how="left", maintain_order="left")
    accepted, done = pl.col("outcome") == "accepted", pl.col("outcome") == "already-done"
    eligible = accepted & pl.col("is_fundable")
    standing = pl.col("live_payment_status").replace({"no_payment": "submitted"})
    state = (
        pl.when(eligible).then(pl.lit("eligible")).when(accepted).then(pl.lit("submitted")).when(done).then(standing)
    )
    return joined.select(
        "row_number",
        "outcome",
        pl.when(accepted).then("made_id").when(done).then("live_declaration_id").alias("declaration_id"),
        state.alias("state"),
        pl.when(eligible).then("next_statement_month").when(done).then("live_statement_month").alias("statement_month"),
        _notes(accepted, done).alias("notes"),
    )


def _notes(accepted: pl.Expr, done: pl.Expr) -> pl.Expr:
    dropped = accepted & pl.col("evidence_is_dropped") & pl.col("evidence_held").is_not_null()
    extended = (pl.col("participant_type") == "mentor") & pl.col("declaration_type").str.starts_with("extended")
    parts = [
        pl.when(accepted & pl.col("is_fundable")).then(
            pl.format("On the statement of {}, which closes on {}.", "next_statement_month",
                      pl.col("next_deadline").dt.strftime("%-d %B %Y"))
        ),
        pl.when(accepted & ~pl.col("is_fundable") & (pl.col("participant_type") == "ect")).then(
            pl.lit("Kept as submitted: no induction start is recorded yet. Ask the school and its appropriate body.")
        ),
        pl.when(accepted & ~pl.col("is_fundable") & (pl.col("participant_type") == "mentor")).then(
            pl.lit("Kept as submitted: the mentor is not recorded as eligible yet. Ask DfE.")
        ),
        pl.when(dropped).then(pl.lit("Evidence is not kept for this type in this contract period.")),
        pl.when(accepted & extended).then(pl.lit("Extended declarations are not meant for mentors: please check.")),
        pl.when(done).then(pl.lit("This declaration has been made already: nothing to do.")),
    ]  # fmt: skip
    return pl.concat_str(parts, separator=" ", ignore_nulls=True).replace("", None)


def _only_those_of(rows: pl.DataFrame, snapshot: Snapshot) -> Snapshot:
    """The snapshot cut down to the participants of these rows."""
    owners = rows.select(participant_id="owner").unique()
    cut = {
        name: getattr(snapshot, name).join(owners, on="participant_id", how="semi")
        for name in ("participants", "training_periods", "declarations")
    }
    return replace(snapshot, **cut)
