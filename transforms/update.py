"""What each kind of update is made of, besides its rules: the facts they speak of, its effects, and what its sender is told."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from schemas.needs import Snapshot
from schemas.rules import in_words
from transforms.changes import Act, ChangeSet

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
class Rejections:
    """Rejected rows that are kept, for what a statement says later. table: where; rows: rejected rows with their facts, and
    their findings → what is kept of them."""

    table: str
    rows: Callable[[pl.DataFrame, pl.DataFrame, Snapshot, Act], pl.DataFrame]


@dataclass(frozen=True)
class Update:
    """One kind of update.

    facts: rows as read → rows with every column that rules, effects and answers name, among them
    `asks_for_what_is_done` (bool; a kind that has no such thing leaves it out).
    effects: accepted rows with their facts and `new_id` → what they bring about.
    answers: rows with facts, `new_id` and `outcome` → the columns of VERDICTS.
    owner: rows as read → whose row it is, null where that is not known; rows of different owners do not touch one
    another. None: the kind's owner column is the owner.
    rejections: what is kept of rejected rows, if anything is.
    of_the_file: (what the accepted rows bring about, what is kept of the rejected, the records) → what to say of the file as a
    whole.
    """

    facts: Callable[[pl.DataFrame, Snapshot, Act], pl.DataFrame]
    effects: Callable[[pl.DataFrame, Snapshot, Act], ChangeSet]
    answers: Callable[[pl.DataFrame, Act], pl.DataFrame]
    owner: Callable[[pl.DataFrame, Snapshot], pl.Series] | None = None
    rejections: Rejections | None = None
    of_the_file: Callable[[ChangeSet, pl.DataFrame, Snapshot], list[str]] = lambda changes, rejected, snapshot: []


def verdicts(rows: pl.DataFrame, *notes: pl.Expr, **cells: pl.Expr) -> pl.DataFrame:
    """VERDICTS from rows: their notes one after another, the cells that are given, and nothing for the rest."""
    nothing = pl.lit(None, pl.String)
    whole = {name: cells.get(name, nothing) for name in ("declaration_id", "state", "statement_month")}
    whole["notes"] = pl.concat_str(notes, separator=" ", ignore_nulls=True).replace("", None)
    return rows.select("row_number", "outcome", *[cell.alias(name) for name, cell in whole.items()])


def note(when: pl.Expr, template: str, rows: pl.DataFrame) -> pl.Expr:
    """The template in the row's words, for the rows that it is about."""
    return pl.when(when).then(in_words(template, rows))
