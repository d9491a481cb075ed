"""What an extract says to people: what changed since the one before, by kind, and what stands out now. Counts and ids alone."""

from dataclasses import dataclass, field

import polars as pl

from schemas.frames import joined, marked
from schemas.lifecycle import STATES
from schemas.outbound import extracts
from schemas.outbound.extracts import CHANGE, ExtractFile
from transforms.extracts.changed import Compared

SHOWN = 20  # of a long list


@dataclass
class Story:
    """happened: what came to be since the set before, in words, → of how many rows. moved: (state before, state now) →
    declarations. A story is told file by file, as they are compared."""

    happened: dict[str, int] = field(default_factory=dict)
    moved: dict[tuple[str, str], int] = field(default_factory=dict)

    def tell(self, file: ExtractFile, compared: Compared, before: pl.DataFrame | None, own_name: str) -> None:
        """own_name: the lead provider's."""
        if before is None or compared.is_same:
            return
        changed = compared.changes.filter(pl.col(CHANGE) == "changed")
        pairs = changed.join(before, on=file.key, suffix="_before", maintain_order="left")
        new = compared.changes.filter(pl.col(CHANGE) == "new")
        if file is extracts.PARTICIPANTS:
            self._participants(new, pairs, compared.removed)
        elif file is extracts.TRANSFERS:
            self._transfers(new, own_name)
        elif file is extracts.DECLARATIONS:
            self._declarations(new, pairs, own_name)
        elif new.height and file in _ADDED:
            self.happened[_ADDED[file]] = new.height

    def _count(self, words: str, rows: pl.DataFrame, *conditions: pl.Expr) -> None:
        if count := rows.filter(*conditions).height:
            self.happened[words] = count

    def _participants(self, new: pl.DataFrame, pairs: pl.DataFrame, gone: pl.DataFrame) -> None:
        def became(column: str, value: str) -> pl.Expr:
            return (pl.col(column) == value) & pl.col(f"{column}_before").ne_missing(pl.lit(value))

        def moved(column: str) -> pl.Expr:
            return pl.col(column).ne_missing(pl.col(f"{column}_before"))

        before = new.select("id", old=pl.col("previous_participant_ids").str.split(";")).explode("old")
        merged = before.join(gone, left_on="old", right_on="id", how="semi")
        self._count("Participants who joined you", new.join(merged, on="id", how="anti"))
        self._count("Participants with a new id, for DfE has merged two records", merged.unique("id"))
        self._count("Participants gone from DfE's records", gone.join(merged, left_on="id", right_on="old", how="anti"))
        kinds = {
            "Participants who are leaving": became("participant_status", "leaving"),
            "Participants who left": became("participant_status", "left"),
            "Participants deferred": became("training_status", "deferred"),
            "Participants withdrawn": became("training_status", "withdrawn"),
            "Participants whose training goes on again": became("training_status", "active"),
            "Participants newly eligible for funding": became("eligible_for_funding", "true"),
            "Mentors whose funding has ended": moved("mentor_funding_end_date")
            & pl.col("mentor_funding_end_date").is_not_null(),
            "Participants whose school changed": moved("school_urn"),
            "ECTs whose mentor changed": moved("mentor_id"),
            "Participants whose schedule or contract period changed": moved("schedule_identifier") | moved("cohort"),
            "Participants whose name, TRN or e-mail changed": moved("full_name")
            | moved("teacher_reference_number")
            | moved("email"),
        }
        for words, condition in kinds.items():
            self._count(words, pairs, condition)
        self._count(
            "Participants of whom something else changed",
            pairs,
            ~pl.any_horizontal(list(kinds.values())).fill_null(False),
        )

    def _transfers(self, new: pl.DataFrame, own_name: str) -> None:
        to_us, from_us = (pl.col(name).eq_missing(own_name) for name in ("joining_provider", "leaving_provider"))
        self._count("Transfers in, from another lead provider", new, to_us & ~from_us)
        self._count("Transfers out, to another lead provider or to where DfE does not know", new, from_us & ~to_us)
        self._count("Changes of school that stay with you", new, from_us & to_us)

    def _declarations(self, new: pl.DataFrame, pairs: pl.DataFrame, own_name: str) -> None:
        self._count("New declarations of yours", new, pl.col("lead_provider_name") == own_name)
        self._count(
            "New declarations by others, for participants of yours", new, pl.col("lead_provider_name") != own_name
        )
        moved = pairs.filter(pl.col("state") != pl.col("state_before")).group_by("state_before", "state").len()
        counted = {(before, now): count for before, now, count in moved.iter_rows()}
        places = {state: place for place, state in enumerate(STATES)}
        self.moved = dict(
            sorted(counted.items(), key=lambda each: [places.get(state, len(STATES)) for state in each[0]])
        )


_ADDED = {
    extracts.PARTNERSHIPS: "New partnerships",
    extracts.UNFUNDED_MENTORS: "New unfunded mentors",
    extracts.STATEMENTS: "New statements",
}


@dataclass(frozen=True)
class StandsOut:
    """What to look at. unpartnered: schools that have chosen this provider for somebody and have no partnership with it in the
    contract period: urn, name, cohort. awaiting: submitted declarations that wait for an induction start: school_urn, name,
    declarations. idle: mentors in training, their funding not ended, who mentor none of this provider's ECTs: how many."""

    unpartnered: pl.DataFrame
    awaiting: pl.DataFrame
    idle: int


# What of a full set is looked at: file → columns.
READ: dict[ExtractFile, tuple[str, ...]] = {
    extracts.PARTICIPANTS: (
        "id", "participant_type", "school_urn", "mentor_id", "participant_status", "training_status",
        "overall_induction_start_date", "mentor_funding_end_date",
    ),
    extracts.DECLARATIONS: ("participant_id", "state", "course_identifier", "lead_provider_name"),
    extracts.PARTNERSHIPS: ("school_id", "cohort"),
    extracts.SCHOOLS: ("id", "name", "urn", "cohort", "expression_of_interest"),
}  # fmt: skip


def stands_out(files: dict[str, pl.DataFrame], own_name: str) -> StandsOut:
    """files: what READ names of a full set."""
    people, declared = files["participants"], files["declarations"]
    works = files["partnerships"].select(id="school_id", cohort="cohort")
    schools = marked(
        files["schools"].filter(pl.col("expression_of_interest") == "true"), works, "has_own", on=["id", "cohort"]
    )
    waiting = declared.filter(
        (pl.col("state") == "submitted") & (pl.col("lead_provider_name") == own_name)
        & (pl.col("course_identifier") == "ecf-induction")
    )  # fmt: skip
    ects = people.filter(pl.col("participant_type") == "ect")
    waiting = joined(
        waiting, ects.select("school_urn", "overall_induction_start_date", participant_id="id"), "participant_id"
    )
    waiting = waiting.filter(pl.col("overall_induction_start_date").is_null())
    now = pl.col("participant_status").is_in(["joining", "active", "leaving"])
    mentors = people.filter(
        (pl.col("participant_type") == "mentor") & now & (pl.col("training_status") == "active")
        & pl.col("mentor_funding_end_date").is_null()
    )  # fmt: skip
    with_somebody = ects.select(id="mentor_id").drop_nulls()
    names = files["schools"].select("urn", "name").unique("urn")
    return StandsOut(
        schools.filter(~pl.col("has_own"))
        .select("urn", "name", "cohort")
        .sort("cohort", "urn", descending=[True, False]),
        joined(
            waiting.group_by("school_urn").len("declarations"), names.rename({"urn": "school_urn"}), "school_urn"
        ).sort("declarations", "school_urn", descending=[True, False]),
        mentors.join(with_somebody, on="id", how="anti").height,
    )
