"""Rows × records × now → verdicts, in file order: firsts of each owner together, then seconds, and so on.

A row sees the effects of the accepted rows above it. Rows of different owners do not touch one another, so all rows of
one rank are judged at once, their effects brought into the frames, then the next rank. The same for every kind.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import polars as pl

from schemas.files import Kind
from schemas.form import form_rules, with_owners
from schemas.reading import Sheet
from schemas.rules import findings
from schemas.snapshot import Snapshot
from transforms.changes import ChangeSet, Submission, new_ids, with_effects
from transforms.findings import Findings
from transforms.update import VERDICTS, Update
from transforms.updates import UPDATES

ROWS_AT_ONCE = 100_000


@dataclass(frozen=True)
class Judgement:
    """What became of a file's rows.

    verdicts: row_number, outcome (`accepted`, `rejected`, `already-done`), declaration_id, state, statement_month, notes.
    found: what is wrong with the rejected ones. changes: what the accepted rows bring about.
    rejected: what is kept of the rejected rows (of declarations: see transforms.rejected); it changes no record.
    """

    verdicts: pl.DataFrame
    found: Findings
    changes: ChangeSet
    rejected: pl.DataFrame

    @property
    def findings(self) -> pl.DataFrame:
        """row_number, position, code, field, message: all in one frame."""
        return self.found.all()


def judge(sheet: Sheet, kind: Kind, snapshot: Snapshot, submission: Submission) -> Judgement:
    """Judge every row, as at the instant and the London day that the submission was received."""
    update = UPDATES[kind.name]
    whose = update.owner(sheet.values, snapshot) if update.owner else None
    rows = with_owners(kind, sheet.values, whose)
    verdicts, found, changes = [pl.DataFrame(schema=VERDICTS)], Findings(), ChangeSet()
    kept = [pl.DataFrame()]
    last = rows["earlier_rows"].max() or 0
    if kind.most_rows_of_one_owner is not None:
        last = min(last, kind.most_rows_of_one_owner)
    for rank, ranked in _ranks(rows, kind):
        if rank:
            snapshot = _only_those_of(ranked, kind, snapshot)
        steps = []
        for portion in ranked.iter_slices(ROWS_AT_ONCE):
            told, broken, step, rejected = _judge_portion(portion, kind, update, snapshot, submission)
            verdicts.append(told)
            found.add(broken)
            steps.append(step)
            kept.append(rejected)
        changes = changes.then(*steps)
        if rank != last:
            snapshot = with_effects(snapshot, ChangeSet().then(*steps))
    all_told = pl.concat(verdicts)
    if last:  # one rank comes in file order as it is
        all_told = all_told.sort("row_number")
    return Judgement(all_told, found, changes, pl.concat(kept, how="diagonal"))


def _ranks(rows: pl.DataFrame, kind: Kind) -> Iterator[tuple[int, pl.DataFrame]]:
    """The rows of one rank after another: rows of one rank have different owners. Those beyond what a file may hold of
    one owner (rule FILE-014) change nothing, so they come all at once."""
    most = kind.most_rows_of_one_owner
    ranked = rows.select("earlier_rows") if most is None else rows.select(pl.col("earlier_rows").clip(upper_bound=most))
    for rank in sorted(ranked["earlier_rows"].unique()):
        yield rank, rows.filter(ranked["earlier_rows"] == rank)


def _judge_portion(
    rows: pl.DataFrame, kind: Kind, update: Update, snapshot: Snapshot, submission: Submission
) -> tuple[pl.DataFrame, pl.DataFrame, ChangeSet, pl.DataFrame]:
    """(verdicts, findings, changes, what is kept of rejected rows) of rows that do not touch one another."""
    joined = update.facts(rows, snapshot, submission)
    broken = findings((*form_rules(kind), *update.rules), joined, rows.select(kind.columns))
    done = _already_done(joined, broken, update)
    broken = broken.join(done, on="row_number", how="anti", maintain_order="left")
    joined = _with_outcome(joined, broken, done, submission)
    changes = update.effects(joined.filter(pl.col("outcome") == "accepted"), snapshot, submission)
    refused = joined.filter(pl.col("outcome") == "rejected")
    kept = update.rejected(refused, broken, snapshot, submission) if update.rejected else pl.DataFrame()
    return update.told(joined, submission).select(list(VERDICTS)), broken, changes, kept


def _already_done(joined: pl.DataFrame, broken: pl.DataFrame, update: Update) -> pl.DataFrame:
    """row_number of rows whose form and ids are in order and that ask for what an earlier one brought about."""
    if "asks_for_what_is_done" not in joined.columns:
        return joined.select("row_number").clear()
    barred = broken.filter(pl.col("code").is_in(update.ids) | pl.col("code").str.starts_with("FILE-"))
    done = joined.filter(pl.col("asks_for_what_is_done")).select("row_number")
    return done.join(barred, on="row_number", how="anti")


def _with_outcome(
    joined: pl.DataFrame, broken: pl.DataFrame, done: pl.DataFrame, submission: Submission
) -> pl.DataFrame:
    """Add outcome and, for accepted rows, new_id: the id of the record that the row may make."""
    rejected = broken.select("row_number").unique().with_columns(outcome=pl.lit("rejected"))
    named = pl.concat([rejected, done.with_columns(outcome=pl.lit("already-done"))])
    joined = joined.join(named, on="row_number", how="left", maintain_order="left")
    joined = joined.with_columns(pl.col("outcome").fill_null("accepted"))
    accepted = joined.filter(pl.col("outcome") == "accepted").select("row_number")
    ids = accepted.with_columns(new_ids(submission, accepted["row_number"]))
    return joined.join(ids, on="row_number", how="left", maintain_order="left")


def _only_those_of(rows: pl.DataFrame, kind: Kind, snapshot: Snapshot) -> Snapshot:
    """The snapshot cut down to the participants of these rows, where participants own them: later ranks are small."""
    if "participant" not in kind.owned_by:
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
