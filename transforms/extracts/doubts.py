"""Records that cannot be shown as they are: told to operators by id, with why. What can be shown of them is."""

import polars as pl

from schemas.records.doubts import Doubt
from transforms.extracts.view import OWNER, ROLE, Nation

_ROLES = {"ect": "ect_first_became_eligible_at", "mentor": "mentor_first_became_eligible_at"}


def doubts_of(nation: Nation) -> list[Doubt]:
    """Of what a nation holds, declarations apart."""
    held, training = nation.held, nation.training
    spells = held.school_periods
    found = [
        (
            "Eligible in a role, and never at a school in it: not shown",
            _without_school(nation),
        ),
        (
            "Training at no time at a school: not shown",
            held.training_periods.join(spells, on="school_period_id", how="anti")["training_period_id"],
        ),
        (
            "Times at schools of people who are not in the records: not shown",
            spells.join(held.participants, on="participant_id", how="anti")["school_period_id"],
        ),
        (
            "Times at schools that are not in the records: not shown",
            spells.join(held.schools, on="school_id", how="anti")["school_period_id"],
        ),
        (
            "Training of one person in one role that overlaps: of each lead provider that with the latest start is shown",
            _overlapping(training),
        ),
        (
            "Participants merged into somebody who is not in the records: known to nobody",
            held.lost_merges["from_participant_id"],
        ),
    ]
    return [Doubt(what, ids.sort().to_list()) for what, ids in found if ids.len()]


def _without_school(nation: Nation) -> pl.Series:
    held = nation.held
    # Of one lead provider's extract alone, mentors whom others train are held without their times at schools.
    others = held.mentorships.select(participant_id="mentor_id").join(
        held.school_periods, on="participant_id", how="anti"
    )
    known = held.participants.join(others, on="participant_id", how="anti")
    people = [
        known.filter(pl.col(column).is_not_null()).select("participant_id", participant_type=pl.lit(role))
        for role, column in _ROLES.items()
    ]
    lonely = pl.concat(people).join(nation.held.school_periods, on=ROLE, how="anti")
    return lonely.select(pl.format("{} as {}", "participant_id", "participant_type")).to_series()


def _overlapping(training: pl.DataFrame) -> pl.Series:
    """The later of two periods, of which the earlier has not ended when it starts."""
    ordered = training.filter(pl.col(OWNER).is_not_null())  # by start, as Nation.training is
    ended, is_open = (pl.col("finished_on").shift(1).over(ROLE), pl.col("finished_on").is_null().shift(1).over(ROLE))
    overlaps = (is_open | (ended >= pl.col("started_on"))).fill_null(False)
    return ordered.filter(overlaps)["training_period_id"]
