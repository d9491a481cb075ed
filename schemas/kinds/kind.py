"""What a kind of file is made of. The kinds themselves are the modules beside this one; `schemas.kinds` collects them."""

from dataclasses import dataclass
from enum import StrEnum

from schemas.columns import COLUMNS
from schemas.events import EVENTS
from schemas.needs import Need
from schemas.rules import Rule

MAX_ROWS_OF_ONE_OWNER = 50


class Owner(StrEnum):
    """Whose a row is, in the words of rule FILE-014: rows of different owners do not touch one another."""

    PARTICIPANT = "participant"
    SCHOOL_YEAR = "school and contract period"
    REQUEST = "request"
    STATEMENT = "statement"


@dataclass(frozen=True)
class Memory:
    """How a row is known to repeat an earlier one: by events of these types about the record that `link` names."""

    link: str
    types: tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    does: what an accepted row does, for those who send it. place: where it stands in lists, the most used first. owner: the
    column that says whose row it is. rules: in the order of evaluation, after those of form. needs: the records that it is judged
    by. told_done_by: codes of the rules that a row must keep before it may be called already done. memory: how repeats are known;
    None: a file is not undone, a later one takes its place. last_row_counts: a row replaces what an earlier one of the same file
    and owner did. most_rows_of_one_owner: None: as many as you like. is_judged_anew: the same file again is no repeat.
    """

    name: str
    does: str
    place: int
    required: tuple[str, ...]
    optional: tuple[str, ...]
    owner: str
    owned_by: Owner
    rules: tuple[Rule, ...]
    told_done_by: frozenset[str]
    needs: tuple[Need, ...]
    memory: Memory | None
    last_row_counts: bool = False
    most_rows_of_one_owner: int | None = MAX_ROWS_OF_ONE_OWNER
    is_judged_anew: bool = False

    def __post_init__(self) -> None:
        unknown = [name for name in (*self.columns, self.owner) if name not in COLUMNS]
        unruled = self.told_done_by - {rule.code for rule in self.rules}
        unheard = [each for each in (self.memory.types if self.memory else ()) if each not in EVENTS]
        if unknown or unruled or unheard or self.owner not in self.columns:
            raise ValueError(f"{self.name}: {unknown or unruled or unheard or self.owner} is described nowhere")

    @property
    def named_by(self) -> tuple[str, ...]:
        """The columns that tell a person which row it is."""
        by_year = self.owned_by == Owner.SCHOOL_YEAR and "contract_period" in self.columns
        return (self.owner, "contract_period") if by_year else (self.owner,)

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.required, *self.optional, "your_reference")


def codes(family: str, *numbers: int) -> frozenset[str]:
    """Rule codes: FAMILY-001 and so on."""
    return frozenset(f"{family}-{number:03}" for number in numbers)
