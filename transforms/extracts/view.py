"""What the files of an extract share: training with whom, where; the training shown; who mentors whom now.

A Nation is worked out once for all lead providers, a View for one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property

import polars as pl

from schemas.frames import joined
from schemas.holdings import Holdings
from schemas.lifecycle import is_live

ROLE = ["participant_id", "participant_type"]
OWNER = "lead_provider_id"
_OWNERS = pl.Categorical
_NOT_FOR_DECLARATIONS = (
    "participants", "school_periods", "training_periods", "partnerships", "mentorships", "schools", "school_years", "interests",
)  # fmt: skip


@dataclass(frozen=True)
class Nation:
    """The records as they are to be shown, on a London day."""

    held: Holdings
    today: date
    _done: "dict[Callable[[Nation], pl.DataFrame], pl.DataFrame]" = field(default_factory=dict, repr=False)

    @cached_property
    def training(self) -> pl.DataFrame:
        """Every training period of the participants: the columns of training_periods; participant_id, participant_type,
        school_id; lead_provider_id, delivery_partner_id, contract_period of its partnership (null without one)."""
        spells = self.held.school_periods.select("school_period_id", *ROLE, "school_id")
        partnerships = self.held.partnerships.select("partnership_id", OWNER, "delivery_partner_id", "contract_period")
        # Ordered before it is joined, so that few columns are there twice: of the nation, they are much of what is in memory.
        periods = self.held.training_periods.sort("started_on", "training_period_id")
        periods = periods.join(spells, on="school_period_id", maintain_order="left")  # without one it is not shown
        return joined(periods, partnerships, "partnership_id")

    @cached_property
    def assigned(self) -> pl.DataFrame:
        """Each ECT's mentor now, or next: of the mentorships of a time at a school the earliest that contains today or starts
        later. Columns of mentorships; school_period_id is the ECT's."""
        now = self.held.mentorships.filter(pl.col("finished_on").is_null() | (pl.col("finished_on") >= self.today))
        return (
            now.sort("started_on", "mentor_school_period_id")
            .unique("ect_school_period_id", keep="first", maintain_order=True)
            .rename({"ect_school_period_id": "school_period_id"})
        )

    @cached_property
    def urns(self) -> pl.DataFrame:
        """school_id, urn of every school."""
        return self.held.schools.select("school_id", "urn")

    @cached_property
    def spells(self) -> pl.DataFrame:
        """Times at schools, of each participant and role in order."""
        return self.held.school_periods.sort(*ROLE, "started_on", "school_period_id")

    @cached_property
    def declared(self) -> pl.DataFrame:
        """Declarations, with declared_by: the lead provider of their training (a category, for they are many)."""
        whose = self.training.select("training_period_id", pl.col(OWNER).cast(_OWNERS).alias("declared_by"))
        links = joined(self.held.declarations.select("training_period_id"), whose, "training_period_id")
        return self.held.declarations.with_columns(links["declared_by"])

    def once(self, work: "Callable[[Nation], pl.DataFrame]") -> pl.DataFrame:
        """What a file works out for all lead providers at once."""
        if work not in self._done:
            self._done[work] = work(self)
        return self._done[work]

    @cached_property
    def shared_declared(self) -> pl.DataFrame:
        """Live declarations of participants whom several lead providers train or have trained in the role, with these two."""
        trained_by = self.training.filter(pl.col(OWNER).is_not_null()).select(*ROLE, OWNER).unique()
        shared = trained_by.group_by(ROLE).len().filter(pl.col("len") > 1)
        theirs = self.training.select("training_period_id", *ROLE).join(shared, on=ROLE, how="semi")
        is_theirs = pl.col("training_period_id").is_in(theirs["training_period_id"].implode())
        return self.declared.filter(is_theirs & is_live()).join(theirs, on="training_period_id")

    def for_declarations(self) -> "Nation":
        """What declarations need of it, which are many: the rest is let go of."""
        nothing = {name: getattr(self.held, name).clear() for name in _NOT_FOR_DECLARATIONS}
        training = self.training.select("training_period_id", *ROLE, OWNER, "started_on", "finished_on")
        return Nation(replace(self.held, **nothing), self.today)._with_training(training)

    def of_those_trained_by(self, lead_provider_id: str) -> "Nation":
        """With no other training than that, by anybody, of participants and roles that this lead provider trains or has trained."""
        own = self.training.filter(pl.col(OWNER) == lead_provider_id).select(ROLE)
        training = self.training.join(own, on=ROLE, how="semi", maintain_order="left")
        return Nation(self.held, self.today)._with_training(training)

    def with_declarations(self, declarations: pl.DataFrame) -> "Nation":
        return Nation(replace(self.held, declarations=declarations), self.today)._with_training(self.training)

    def _with_training(self, training: pl.DataFrame) -> "Nation":
        self.__dict__["training"] = training  # worked out already
        return self


@dataclass(frozen=True)
class View:
    """What one lead provider is shown of it."""

    nation: Nation
    lead_provider_id: str

    @property
    def held(self) -> Holdings:
        return self.nation.held

    @property
    def today(self) -> date:
        return self.nation.today

    @cached_property
    def own_training(self) -> pl.DataFrame:
        """Training with this lead provider, by partnership. Columns of Nation.training, ordered by start."""
        return self.nation.training.filter(pl.col(OWNER) == self.lead_provider_id)

    @cached_property
    def shown(self) -> pl.DataFrame:
        """The training that is shown: of each participant and role the one with the latest start."""
        return self.own_training.unique(ROLE, keep="last", maintain_order=True)

    def own(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Of rows that belong to lead providers, this one's."""
        return rows.filter(pl.col(OWNER) == self.lead_provider_id)
