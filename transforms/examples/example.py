"""Rules shown: a row that breaks one, and the same row put right, judged as any other. What they are told is what a receipt
says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from schemas.inbound.reading import Limits, read_sheet
from schemas.kinds import KINDS
from transforms.changes import act_of_file
from transforms.examples.world import NOW, US, World
from transforms.judging import Judgement, judge


@dataclass(frozen=True)
class Example:
    """One rule, shown.

    code: the rule. why: what it is for, for those who send files. wrong: cells of a row that breaks it in `world`. right: cells
    that change to put it right; none: nothing in the file can, and the advice says what else. before: rows above it in the file.
    holds: what the records hold, in words, where that is what matters. right_at: when the same row is right, where time puts it
    right.
    """

    code: str
    why: str
    wrong: Mapping[str, str]
    right: Mapping[str, str] | None = None
    world: World = field(default_factory=World)
    before: tuple[Mapping[str, str], ...] = ()
    holds: str = ""
    right_at: datetime | None = None

    @property
    def put_right(self) -> dict[str, str] | None:
        """The whole row put right; None where it cannot be."""
        if self.right is None and self.right_at is None:
            return None
        return {**self.wrong, **(self.right or {})}


@dataclass(frozen=True)
class Shown:
    """What a receipt says of an example's row: outcome, codes of the rules that it breaks, what is said of each, notes."""

    outcome: str
    codes: tuple[str, ...]
    messages: tuple[str, ...]
    notes: str


def shown_wrong(kind: str, example: Example) -> Shown:
    """What is said of the row that breaks the rule."""
    return _judged(kind, example, example.wrong, NOW)


def shown_right(kind: str, example: Example) -> Shown | None:
    """What is said of the row put right; None where it cannot be."""
    row = example.put_right
    return None if row is None else _judged(kind, example, row, example.right_at or NOW)


def file_of(kind: str, *rows: Mapping[str, str]) -> bytes:
    """These rows as a file of the kind: the columns that it must have, and those that a row fills."""
    filled = {name for row in rows for name in row}
    columns = [name for name in KINDS[kind].columns if name in KINDS[kind].required or name in filled]
    cells = [[row.get(name) for name in columns] for row in rows]
    return pl.DataFrame(cells, schema=dict.fromkeys(columns, pl.String), orient="row").write_csv().encode()


_known: dict[tuple[str, bytes, str, datetime], Shown] = {}


def _judged(kind: str, example: Example, row: Mapping[str, str], at: datetime) -> Shown:
    """Many rows put right are the same one: each is judged once."""
    file = file_of(kind, *example.before, row)
    key = (kind, file, repr(example.world), at)
    if key not in _known:
        act = act_of_file(f"{at:%Y%m%dT%H%M%SZ}-{kind}-example", US, at)
        sheet = read_sheet(file, KINDS[kind], Limits())
        _known[key] = _of_last_row(judge(sheet, KINDS[kind], example.world.snapshot(), act))
    return _known[key]


def _of_last_row(judgement: Judgement) -> Shown:
    last = judgement.verdicts["row_number"].max()
    verdict = judgement.verdicts.filter(pl.col("row_number") == last).row(0, named=True)
    found = judgement.findings.filter(pl.col("row_number") == last).sort("position")
    return Shown(verdict["outcome"], tuple(found["code"]), tuple(found["message"]), verdict["notes"] or "")
