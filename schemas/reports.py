"""What rounds and acts did, for operators: ids, counts and codes, nothing personal. templates.operators puts it in words."""

from collections import Counter
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import polars as pl

from schemas.records.doubts import Doubt
from schemas.submission import Outcome

_FINDINGS = {
    "table": pl.String,
    "record_id": pl.String,
    "column": pl.String,
    "before": pl.String,
    "after": pl.String,
}


@dataclass
class Reconciled:
    """What was found in one load. Each: table, record_id, column (`*` for the whole record), before, after.

    seen: ours, and now DfE's too. kept: ours, which the extract does not know yet (after: what the extract says).
    overruled: ours, given up to DfE's word (before: ours, after: the extract's). rehoused: partnerships that moved with
    their school (school_id) or into another one (`*`); moved: the latter, old id and new; orphaned: training of DfE's that
    keeps its partnership, for something was declared on it (data.records.merging).
    """

    seen: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_FINDINGS))
    kept: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_FINDINGS))
    overruled: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_FINDINGS))
    rehoused: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_FINDINGS))
    orphaned: pl.DataFrame = field(default_factory=pl.DataFrame)
    moved: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(
            schema=dict.fromkeys(("from_partnership_id", "to_partnership_id"), pl.String)
        )
    )

    def add(self, which: str, table: str, rows: pl.DataFrame) -> None:
        """rows: record_id, column, before, after."""
        if rows.height:
            told = rows.select(pl.lit(table).alias("table"), "record_id", "column", "before", "after")
            setattr(self, which, pl.concat([getattr(self, which), told]))


@dataclass
class Attached:
    """What became of submitted declarations whose participants are eligible: how many went onto a statement, and the
    ids of those for which there is none (with the contract period)."""

    eligible: int = 0
    nowhere: list[tuple[str, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Imported:
    """What a load did. counts: rows by table, as the extract has them. doubts: what the records say that somebody has to
    look at (schemas.records.doubts)."""

    counts: dict[str, int]
    reconciled: Reconciled
    attached: Attached
    doubts: list[Doubt] = field(default_factory=list)


@dataclass
class IntakeRound:
    """What one round did, for operators: ids, counts and codes, nothing personal.

    extracts: how many were made for those who asked. busy: slugs of mailboxes that somebody else is at. unseen: slugs of those
    that could not be looked at, or emptied. waits: a line for each file that waits for its next try, and for what will soon not
    go on. goes_on: slugs of mailboxes whose turn was over before their files were.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    delivered: int = 0
    extracts: int = 0
    troubles: list[str] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)
    unseen: set[str] = field(default_factory=set)
    goes_on: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Made:
    """A version that was made: for operators, money by section and counts. before: the version before's total."""

    lead_provider: str
    statement_id: str
    path: str
    declarations: int
    amounts: dict[str, str]
    over_volume: int = 0
    unrefunded: int = 0
    overflown: tuple[str, ...] = ()
    before: Decimal | None = None

    @property
    def total(self) -> Decimal:
        return Decimal(self.amounts["total"])


@dataclass
class StatementsRound:
    """What one round did.

    made: new versions; not_wanted: open statements that are not delivered yet, for nothing is on them and their deadlines
    are far; standing: every statement not yet paid, as it is now; nowhere: declarations that are submitted, and
    on no statement (data.accounts.submitted_without_statement).
    """

    intake: IntakeRound
    settled: list[str] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)
    unchanged: int = 0
    not_wanted: int = 0
    delivered: int = 0
    held_back: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    standing: list[Made] = field(default_factory=list)
    nowhere: pl.DataFrame = field(default_factory=pl.DataFrame)


def add_report(whole: Any, part: Any) -> None:
    """Add what one part of a round did to what the round did: lists after one another, counts together."""
    for each in fields(whole):
        ours, theirs = getattr(whole, each.name), getattr(part, each.name)
        if is_dataclass(ours):
            add_report(ours, theirs)
        elif isinstance(ours, pl.DataFrame):
            setattr(whole, each.name, pl.concat([ours, theirs], how="diagonal"))
        elif isinstance(ours, set):
            ours |= theirs
        else:
            setattr(whole, each.name, ours + theirs)


@dataclass(frozen=True)
class ExtractMade:
    """What became of one lead provider's extract. counts: by file, rows, new, changed, removed. delivered: a set was made,
    for something differed or somebody asked. seconds: what it took, beside what is done for all."""

    lead_provider_id: str
    counts: dict[str, dict[str, int]]
    delivered: bool
    seconds: float


@dataclass
class ExtractsRound:
    """What one round did. doubts: records that could not be shown as they are, with why. busy: slugs of those whose extract
    somebody else makes now."""

    made: list[ExtractMade] = field(default_factory=list)
    delivered: int = 0
    seconds: float = 0.0
    doubts: list[Doubt] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)


@dataclass
class GuidanceRound:
    """What one round did. made: lead providers for whom there was something new; busy: slugs of those whose guidance somebody else
    makes now."""

    made: int = 0
    delivered: int = 0
    seconds: float = 0.0
    troubles: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)


@dataclass
class HousekeepingRound:
    """What housekeeping did. receipts, change_sets: removed, by lead provider id; uploads: files removed from the store."""

    before: datetime
    receipts: Counter[str] = field(default_factory=Counter)
    change_sets: Counter[str] = field(default_factory=Counter)
    uploads: int = 0
    troubles: list[str] = field(default_factory=list)


@dataclass
class Verified:
    """statements: how many were computed anew; alarms: figures or files that are not as paid; moved_on: files in which
    only names, states and the like have changed in the records since."""

    statements: int = 0
    alarms: list[str] = field(default_factory=list)
    moved_on: int = 0


@dataclass
class Replayed:
    """What a replay did and found. different: table → (rows that are here only, rows that are in the replay only)."""

    extracts: int
    files: int
    rows: int = 0
    different: dict[str, tuple[int, int]] = field(default_factory=dict)
