"""Rows × records × now → verdicts, in file order, and what the accepted rows bring about. The same for every kind.

A row sees the effects of the accepted rows above it. Rows of different owners do not touch one another, so rows are
judged in turns (transforms.turns): all that nothing can have come between at once, their effects brought into the
frames, then the next.
"""

from dataclasses import dataclass, replace

import polars as pl

from schemas.frames import joined
from schemas.inbound.form import form_rules, with_owners
from schemas.inbound.reading import Sheet
from schemas.kinds.kind import Kind, Owner
from schemas.needs import Snapshot
from schemas.rules import findings
from transforms.changes import Act, ChangeSet, new_ids, with_effects
from transforms.findings import Findings
from transforms.turns import Turns, up_to_the_first_accepted
from transforms.update import ACCEPTED, VERDICTS, Update
from transforms.updates import UPDATES

SMALL_BYTES = 64 << 20


def rows_at_once(values: pl.DataFrame) -> int:
    """How many rows are judged together: many are quicker, and of a large file many take memory."""
    return 100_000 if values.estimated_size() <= SMALL_BYTES else 25_000


@dataclass(frozen=True)
class Judgement:
    """What became of a file's rows.

    sheet: the file as it was read. verdicts: row_number, outcome (`accepted`, `rejected`, `already-done`), declaration_id,
    state, statement_month, notes.
    found: what is wrong with the rejected ones. changes: what the accepted rows bring about.
    rejected: what is kept of the rejected rows (of declarations: see transforms.rejected); it changes no record.
    """

    sheet: Sheet
    verdicts: pl.DataFrame
    found: Findings
    changes: ChangeSet
    rejected: pl.DataFrame

    @property
    def findings(self) -> pl.DataFrame:
        """row_number, position, code, field, message: all in one frame."""
        return self.found.all()


def judge(sheet: Sheet, kind: Kind, snapshot: Snapshot, act: Act, only: pl.Series | None = None) -> Judgement:
    """Judge every row, as at the instant and the London day of the act. only: those of these owners alone."""
    update = UPDATES[kind.name]
    whose = update.owner(sheet.values, snapshot) if update.owner else None
    rows = with_owners(kind, sheet.values, whose)
    if only is not None:
        rows = rows.filter(pl.col("owner").is_in(only.implode()))
    verdicts, found, changes = [pl.DataFrame(schema=VERDICTS)], Findings(), ChangeSet()
    kept = [pl.DataFrame()]
    turns, at_once = Turns(rows, kind), rows_at_once(sheet.values)
    while turns.rows_left:
        turn = turns.rows()
        if turns.number > 1:
            snapshot = _only_those_of(turn, kind, snapshot)
        steps = []
        for portion in turn.iter_slices(at_once):
            judged = _judge_portion(turns.still_open(portion), kind, update, snapshot, act)
            turns.judged(judged.rows)
            verdicts.append(judged.verdicts)
            found.add(judged.broken)
            steps.append(judged.changes)
            kept.append(judged.rejected)
        turns.end()
        changes = changes.then(*steps)
        if turns.rows_left:
            snapshot = with_effects(snapshot, ChangeSet().then(*steps))
    answered = pl.concat(verdicts)
    if turns.number > 1:  # the first turn's rows come in file order as they are
        answered = answered.sort("row_number")
    return Judgement(sheet, answered, found, changes, pl.concat(kept, how="diagonal"))


@dataclass(frozen=True)
class _Judged:
    """What became of some rows: row_number, owner, earlier_rows and outcome; then as in Judgement."""

    rows: pl.DataFrame
    verdicts: pl.DataFrame
    broken: pl.DataFrame
    changes: ChangeSet
    rejected: pl.DataFrame


def _judge_portion(rows: pl.DataFrame, kind: Kind, update: Update, snapshot: Snapshot, act: Act) -> _Judged:
    """Judge rows by the records as they are. Of each owner, those up to the first that is accepted are answered: what
    comes after it has to see its effects."""
    seen = update.facts(rows, snapshot, act)
    broken = findings((*form_rules(kind), *kind.rules), seen, rows.select(kind.columns))
    done = _already_done(seen, broken, kind)
    broken = broken.join(done, on="row_number", how="anti", maintain_order="left")
    seen = up_to_the_first_accepted(_with_outcome(seen, broken, done, act))
    broken = broken.join(seen.select("row_number"), on="row_number", how="semi", maintain_order="left")
    accepted = seen.filter(ACCEPTED)
    changes = ChangeSet() if accepted.is_empty() else update.effects(accepted, snapshot, act)
    refused = seen.filter(pl.col("outcome") == "rejected")
    kept = update.rejections.rows(refused, broken, snapshot, act) if update.rejections else pl.DataFrame()
    answered = update.answers(seen, act).select(list(VERDICTS))
    return _Judged(seen.select("row_number", "owner", "earlier_rows", "outcome"), answered, broken, changes, kept)


def _already_done(seen: pl.DataFrame, broken: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """row_number of rows whose form and ids are in order and that ask for what an earlier one brought about."""
    if "asks_for_what_is_done" not in seen.columns:
        return seen.select("row_number").clear()
    barred = broken.filter(pl.col("code").is_in(kind.told_done_by) | pl.col("code").str.starts_with("FILE-"))
    done = seen.filter(pl.col("asks_for_what_is_done")).select("row_number")
    return done.join(barred, on="row_number", how="anti")


def _with_outcome(seen: pl.DataFrame, broken: pl.DataFrame, done: pl.DataFrame, act: Act) -> pl.DataFrame:
    """Add outcome and, for accepted rows, new_id: the id of the record that the row may make."""
    rejected = broken.select("row_number").unique().with_columns(outcome=pl.lit("rejected"))
    named = pl.concat([rejected, done.with_columns(outcome=pl.lit("already-done"))])
    seen = joined(seen, named, "row_number")
    seen = seen.with_columns(pl.col("outcome").fill_null("accepted"))
    accepted = seen.filter(pl.col("outcome") == "accepted").select("row_number")
    ids = accepted.with_columns(new_ids(act, accepted["row_number"]))
    return joined(seen, ids, "row_number")


def _only_those_of(rows: pl.DataFrame, kind: Kind, snapshot: Snapshot) -> Snapshot:
    """The snapshot cut down to the participants of these rows, where participants own them: later ranks are small."""
    if kind.owned_by != Owner.PARTICIPANT:
        return snapshot
    people = rows.select(participant_id="owner").drop_nulls().unique()
    spells = snapshot.school_periods.join(people, on="participant_id", how="semi")
    periods = snapshot.training_periods.join(spells, on="school_period_id", how="semi")
    return replace(
        snapshot,
        participants=snapshot.participants.join(people, on="participant_id", how="semi"),
        school_periods=spells,
        training_periods=periods,
        declarations=snapshot.declarations.join(periods, on="training_period_id", how="semi"),
    )
