"""What each kind of update is made of: its rules, the facts they speak of, its effects, and what its sender is told."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from schemas.rules import Rule, in_words
from schemas.snapshot import Snapshot
from transforms.changes import ChangeSet, Submission

VERDICTS = {
    "row_number": pl.Int64,
    "outcome": pl.String,
    "declaration_id": pl.String,
    "state": pl.String,
    "statement_month": pl.String,
    "notes": pl.String,
}
ACCEPTED, DONE = pl.col("outcome") == "accepted", pl.col("outcome") == "already-done"


@dataclass(frozen=True)
class Update:
    """One kind of update.

    rules: in the order of evaluation. ids: codes of those that a row must keep before it may be called already done.
    facts: rows as read → rows with every column that rules, effects and notes name, among them
    `asks_for_what_is_done` (bool; a kind that has no such thing leaves it out).
    effects: accepted rows with their facts and `new_id` → what they bring about.
    told: rows with facts, `new_id` and `outcome` → the columns of VERDICTS.
    owner: rows as read → whose row it is, null where that is not known; rows of different owners do not touch one
    another. None: the kind's owner column is the owner.
    rejected: rejected rows with their facts, and their findings → what is kept of them, if anything is.
    """

    rules: tuple[Rule, ...]
    ids: frozenset[str]
    facts: Callable[[pl.DataFrame, Snapshot, Submission], pl.DataFrame]
    effects: Callable[[pl.DataFrame, Snapshot, Submission], ChangeSet]
    told: Callable[[pl.DataFrame, Submission], pl.DataFrame]
    owner: Callable[[pl.DataFrame, Snapshot], pl.Series] | None = None
    rejected: Callable[[pl.DataFrame, pl.DataFrame, Snapshot, Submission], pl.DataFrame] | None = None


def codes(family: str, *numbers: int) -> frozenset[str]:
    return frozenset(f"{family}-{number:03}" for number in numbers)


def verdicts(rows: pl.DataFrame, *notes: pl.Expr, **told: pl.Expr) -> pl.DataFrame:
    """VERDICTS from rows: their notes one after another, whatever else is told, and nothing for the rest."""
    nothing = pl.lit(None, pl.String)
    cells = {name: told.get(name, nothing) for name in ("declaration_id", "state", "statement_month")}
    cells["notes"] = pl.concat_str(notes, separator=" ", ignore_nulls=True).replace("", None)
    return rows.select("row_number", "outcome", *[cell.alias(name) for name, cell in cells.items()])


def note(when: pl.Expr, template: str, rows: pl.DataFrame) -> pl.Expr:
    """The template in the row's words, for the rows that it is about."""
    return pl.when(when).then(in_words(template, rows))
