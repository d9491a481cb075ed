"""Records that cannot be shown as they are: shown as well as they can be, and told to operators by id."""

from dataclasses import replace
from datetime import date

import polars as pl

from data.holdings import load_holdings
from flows.clock import instant
from flows.installation import Installation
from tests.extracts.world import MADE, THEM, TODAY, US, Spell, World, an_id, extract, only, training_id
from transforms.extracts.doubts import doubts_of
from transforms.extracts.view import Nation


def told(world: World) -> dict[str, list[str]]:
    """The first words of each doubt → its ids."""
    return {doubt.what.split(":")[0]: doubt.cases for doubt in doubts_of(Nation(world.holdings(), TODAY))}


def test_what_is_in_order_is_not_told() -> None:
    mentor, ect = Spell("Mia", "mentor"), Spell()
    assert told(World(spells=(ect, mentor), mentorships=((ect, mentor, date(2025, 9, 1), None),))) == {}


def test_somebody_eligible_in_a_role_who_was_never_at_a_school_in_it() -> None:
    world = World(people={"Ann": {"mentor_first_became_eligible_at": MADE}})
    assert told(world) == {"Eligible in a role, and never at a school in it": [f"{an_id('Ann')} as mentor"]}
    assert len(extract(world)["participants"]) == 1


def test_training_that_overlaps_shows_that_with_the_latest_start() -> None:
    world = World(spells=(Spell(training=({}, {"started_on": date(2025, 12, 1), "partner": "Other partner"})),))
    (what,) = told(world)
    assert what.startswith("Training of one person in one role that overlaps") and told(world)[what] == [
        training_id(Spell(), 1)
    ]
    assert only(extract(world)["participants"])["training_started_on"] == "2025-12-01"


def test_training_and_times_at_schools_that_lead_nowhere_cost_their_rows_alone() -> None:
    world = World(spells=(Spell(), Spell("Bob"), Spell("Cyd", school="Beta")))
    held = world.holdings()
    broken = replace(
        held,
        school_periods=held.school_periods.filter(pl.col("participant_id") != an_id("Bob")),
        schools=held.schools.filter(pl.col("name") != "Beta"),
    )
    doubts = {doubt.what.split(":")[0]: doubt.cases for doubt in doubts_of(Nation(broken, TODAY))}
    assert doubts["Training at no time at a school"] == [training_id(Spell("Bob"))]
    assert doubts["Times at schools that are not in the records"] == [Spell("Cyd", school="Beta").id]
    rows = extract_of(broken)
    assert [row["full_name"] for row in rows] == ["Ann"]


def extract_of(held) -> list[dict]:  # type: ignore[no-untyped-def, type-arg]
    from schemas.outbound.extracts import PARTICIPANTS
    from transforms.extracts.making import make
    from transforms.extracts.view import View

    made = make(View(Nation(held, TODAY), US), PARTICIPANTS)
    assert [each for each in made.left_out if an_id("Cyd") in each]
    return made.rows.to_dicts()


def test_merges_in_a_chain_are_the_survivors_and_those_that_lead_nowhere_are_told(installation: Installation) -> None:
    provider = installation.lead_providers()[0]
    with installation.database.read() as reader:
        own = load_holdings(reader, [provider.lead_provider_id], False).school_periods["participant_id"].min()
    old = [an_id(name) for name in ("one", "two", "three", "lost")]
    chain = [
        (old[0], old[1], "2025-01-03"),
        (old[1], own, "2025-01-02"),
        (old[2], own, "2025-01-01"),
        (old[3], THEM, "2025-01-01"),
    ]
    with installation.database.write() as connection:
        for one, other, day in chain:
            connection.exec_driver_sql(
                "INSERT INTO participant_id_changes VALUES (?, ?, ?)", (one, other, f"{day}T00:00:00Z")
            )
    with installation.database.read() as reader:
        for has_all in (False, True):
            ids = (
                [each.lead_provider_id for each in installation.lead_providers()]
                if has_all
                else [provider.lead_provider_id]
            )
            held = load_holdings(reader, ids, has_all)
            found = held.merges.filter(pl.col("participant_id") == own)["previous_participant_ids"].to_list()
            assert found == [f"{old[2]};{old[1]};{old[0]}"]
            (doubt,) = [
                each
                for each in doubts_of(Nation(held, instant("2026-12-15T04:00:00Z").date()))
                if "merged" in each.what
            ]
            assert doubt.cases == [old[3]]
