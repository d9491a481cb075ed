"""participants.csv: statuses and their edges, a day before, on, and after; both roles; what each field says."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.extracts.world import THEM, TODAY, US, Spell, World, an_id, extract, only

DAY = timedelta(days=1)
BEFORE, AFTER = TODAY - DAY, TODAY + DAY
STOPPED = datetime(2026, 1, 5, 9, tzinfo=UTC)


def one(training: dict[str, Any], person: dict[str, Any] | None = None, **spell: Any) -> dict[str, Any]:
    """What is shown of Ann, trained like this."""
    world = World(spells=(Spell(training=(training,), **spell),), people={"Ann": person or {}})
    return only(extract(world)["participants"])


@pytest.mark.parametrize(
    ("training", "person", "status"),
    [
        ({}, {}, "active"),
        ({"started_on": BEFORE}, {}, "active"),
        ({"started_on": TODAY}, {}, "active"),
        ({"started_on": AFTER}, {}, "joining"),
        ({"finished_on": AFTER}, {}, "leaving"),
        ({"finished_on": TODAY}, {}, "left"),
        ({"finished_on": BEFORE}, {}, "left"),
        ({"started_on": AFTER, "finished_on": AFTER + DAY}, {}, "leaving"),
        ({"started_on": TODAY, "finished_on": TODAY}, {}, "left"),
        ({"withdrawn_at": STOPPED, "finished_on": AFTER}, {}, "leaving"),
        ({"withdrawn_at": STOPPED, "finished_on": TODAY}, {}, "left"),
        ({"deferred_at": STOPPED, "finished_on": AFTER}, {}, "leaving"),
        ({"deferred_at": STOPPED, "finished_on": TODAY}, {}, "left"),
        # Induction over, within the training or while it is open: they are still active.
        ({}, {"induction_end_date": BEFORE}, "active"),
        ({"finished_on": TODAY}, {"induction_end_date": TODAY}, "active"),
        ({"finished_on": TODAY}, {"induction_end_date": BEFORE}, "active"),
        ({"finished_on": BEFORE}, {"induction_end_date": TODAY}, "left"),
        ({"finished_on": AFTER}, {"induction_end_date": AFTER + DAY}, "leaving"),
        # Stopped counts before induction's end.
        ({"withdrawn_at": STOPPED, "finished_on": BEFORE}, {"induction_end_date": BEFORE}, "left"),
    ],
)
def test_participant_status_on_the_day(training: dict[str, Any], person: dict[str, Any], status: str) -> None:
    assert one(training, person)["participant_status"] == status


def test_a_mentors_status_goes_by_the_end_of_funding() -> None:
    ended = {"mentor_funding_end_date": BEFORE, "mentor_funding_end_reason": "started_not_completed"}
    assert one({"finished_on": BEFORE}, ended, role="mentor")["participant_status"] == "active"
    assert one({"finished_on": BEFORE}, ended, role="ect")["participant_status"] == "left"


@pytest.mark.parametrize(
    ("training", "status", "shown"),
    [
        ({}, "active", None),
        ({"deferred_at": STOPPED, "deferral_reason": "bereavement"}, "deferred", "deferral"),
        ({"withdrawn_at": STOPPED, "withdrawal_reason": "other"}, "withdrawn", "withdrawal"),
        (
            {"deferred_at": STOPPED, "deferral_reason": "bereavement", "withdrawn_at": STOPPED, "withdrawal_reason": "other"},
            "withdrawn", "withdrawal",
        ),
        (
            {"deferred_at": STOPPED, "deferral_reason": "bereavement", "withdrawn_at": STOPPED + DAY, "withdrawal_reason": "other"},
            "withdrawn", "withdrawal",
        ),
        (
            {"deferred_at": STOPPED + DAY, "deferral_reason": "bereavement", "withdrawn_at": STOPPED, "withdrawal_reason": "other"},
            "deferred", "deferral",
        ),
    ],
)  # fmt: skip
def test_training_status_and_its_reason_alone(training: dict[str, Any], status: str, shown: str | None) -> None:
    row = one(training)
    assert row["training_status"] == status
    for name in ("withdrawal", "deferral"):
        assert (row[f"{name}_date"] is not None) == (row[f"{name}_reason"] is not None) == (name == shown)
    if shown == "withdrawal":
        assert row["withdrawal_date"].startswith("2026-01-0") and row["withdrawal_date"].endswith("T09:00:00Z")


@pytest.mark.parametrize(
    ("since", "until", "eligible"),
    [
        (None, None, None),
        (datetime(2025, 9, 3, 10, tzinfo=UTC), None, "true"),
        (None, date(2025, 9, 3), "false"),
        (datetime(2025, 9, 3, 10, tzinfo=UTC), date(2025, 9, 2), "false"),
        (datetime(2025, 9, 3, 10, tzinfo=UTC), date(2025, 9, 3), "true"),
        (datetime(2025, 9, 3, 10, tzinfo=UTC), date(2025, 9, 4), "true"),
        # 23:30 UTC in summer is the next day in London.
        (datetime(2025, 9, 2, 23, 30, tzinfo=UTC), date(2025, 9, 2), "false"),
    ],
)
def test_eligible_for_funding_goes_by_the_earlier_day(
    since: datetime | None, until: date | None, eligible: str | None
) -> None:
    person = {"ect_first_became_eligible_at": since, "ect_ineligible_for_funding_on": until}
    assert one({}, person)["eligible_for_funding"] == eligible
    person = {"mentor_first_became_eligible_at": since, "mentor_funding_end_date": until}
    assert one({}, person, role="mentor")["eligible_for_funding"] == eligible


def test_each_role_has_a_row_with_its_own_fields() -> None:
    everything = {
        "induction_start_date": date(2025, 9, 2), "induction_end_date": date(2026, 1, 2),
        "most_recent_induction_period_end_date": date(2026, 1, 3), "mentor_funding_end_date": date(2026, 2, 1),
        "mentor_funding_end_reason": "completed_declaration_received", "ect_payments_frozen_year": 2021,
    }  # fmt: skip
    world = World(
        spells=(Spell(working_pattern="part_time"), Spell(role="mentor", school="Beta", working_pattern="full_time")),
        people={"Ann": everything},
    )
    ect, mentor = extract(world)["participants"]
    assert (ect["participant_type"], mentor["participant_type"]) == ("ect", "mentor") and ect["id"] == mentor["id"]
    assert ect["training_record_id"] == an_id("Ann ect") and mentor["training_record_id"] == an_id("Ann mentor")
    of_ects = (
        "induction_end_date",
        "overall_induction_start_date",
        "most_recent_induction_period_end_date",
        "working_pattern",
    )
    of_mentors = ("mentor_funding_end_date", "mentor_ineligible_for_funding_reason")
    assert [ect[name] for name in of_ects] == ["2026-01-02", "2025-09-02", "2026-01-03", "part_time"]
    assert [mentor[name] for name in of_mentors] == ["2026-02-01", "completed_declaration_received"]
    assert not any(mentor[name] for name in of_ects) and not any(ect[name] for name in of_mentors)
    assert (
        ect["cohort_changed_after_payments_frozen"] == "true"
        and mentor["cohort_changed_after_payments_frozen"] == "false"
    )


def test_the_latest_training_with_this_provider_is_shown_even_where_it_is_over_or_to_come() -> None:
    first = Spell(
        started_on=date(2025, 9, 1), finished_on=date(2025, 12, 31), created_at=datetime(2025, 8, 1, tzinfo=UTC)
    )
    second = Spell(
        school="Beta", started_on=date(2026, 1, 1), finished_on=date(2026, 6, 1), working_pattern="part_time"
    )
    third = Spell(
        school="Gamma", started_on=date(2026, 6, 2), training=({"provider": THEM},), working_pattern="full_time"
    )
    world = World(spells=(first, second, third))
    ours, theirs = (only(extract(world, provider)["participants"]) for provider in (US, THEM))
    assert ours["email"] == "ann@beta.example" and ours["participant_status"] == "leaving"
    assert (ours["training_started_on"], ours["training_finished_on"]) == ("2026-01-01", "2026-06-01")
    assert (ours["school_started_on"], ours["school_finished_on"]) == ("2026-01-01", "2026-06-01")
    assert theirs["email"] == "ann@gamma.example" and theirs["participant_status"] == "joining"
    # Of the role anywhere: created_at of the earliest time at a school, working pattern of the latest.
    assert ours["created_at"] == theirs["created_at"] == "2025-08-01T00:00:00Z"
    assert ours["working_pattern"] == theirs["working_pattern"] == "full_time"


def test_who_is_not_shown() -> None:
    """School-led training, interest alone, and whom others train."""
    world = World(
        spells=(
            Spell("Led by school", training=({"provider": None},)),
            Spell("Only interest", training=({"provider": None, "interest": US},)),
            Spell("Theirs", training=({"provider": THEM},)),
            Spell("Led by school now", training=({"finished_on": date(2025, 12, 1)},
                                                 {"provider": None, "started_on": date(2025, 12, 2)})),
        )
    )  # fmt: skip
    assert [row["full_name"] for row in extract(world)["participants"]] == ["Led by school now"]
    assert only(extract(world)["participants"])["participant_status"] == "left"


def test_uplifts_are_the_schools_flags_where_the_contract_period_has_uplifts() -> None:
    flags = {"pupil_premium_uplift": True, "sparsity_uplift": False}
    world = World(
        spells=(Spell(training=({"contract_period": 2024},)), Spell("Bob", training=({},))),
        flags={("Alpha", 2024): flags, ("Alpha", 2025): flags},
    )
    rows = {row["full_name"]: row for row in extract(world)["participants"]}
    assert rows["Ann"]["pupil_premium_uplift"] == "true" and rows["Ann"]["sparsity_uplift"] == "false"
    assert rows["Bob"]["pupil_premium_uplift"] == "false"  # 2025 has none
    mentor = World(
        spells=(Spell(role="mentor", training=({"contract_period": 2024},)),), flags={("Alpha", 2024): flags}
    )
    assert only(extract(mentor)["participants"])["pupil_premium_uplift"] == "true"


@pytest.mark.parametrize(
    ("start", "end", "is_shown"),
    [
        (date(2025, 9, 1), None, True),
        (date(2025, 9, 1), TODAY, True),
        (date(2025, 9, 1), BEFORE, False),
        (AFTER, None, True),  # who comes next
    ],
)
def test_an_ects_mentor_is_the_one_now_or_next(start: date, end: date | None, is_shown: bool) -> None:
    mentor, ect = Spell("Mia", "mentor"), Spell()
    row = extract(World(spells=(ect, mentor), mentorships=((ect, mentor, start, end),)))["participants"]
    shown = {each["full_name"]: each["mentor_id"] for each in row}
    assert shown == {"Ann": an_id("Mia") if is_shown else None, "Mia": None}


def test_of_several_mentors_the_earliest_that_has_not_ended_counts() -> None:
    ect = Spell()
    mentors = [Spell(name, "mentor") for name in ("Gone", "Now", "Next")]
    spans = ((date(2025, 9, 1), BEFORE), (TODAY, AFTER), (AFTER + DAY, None))
    world = World(
        spells=(ect, *mentors), mentorships=tuple((ect, m, *span) for m, span in zip(mentors, spans, strict=True))
    )
    shown = {each["full_name"]: each["mentor_id"] for each in extract(world)["participants"]}
    assert shown["Ann"] == an_id("Now")


def test_the_mentor_goes_by_the_time_at_the_school_though_the_training_has_moved() -> None:
    """The mentorship is of the time at the school behind our latest training, wherever the ECT is trained now."""
    ect = Spell(training=({"finished_on": date(2025, 12, 1)}, {"provider": THEM, "started_on": date(2025, 12, 2)}))
    mentor = Spell("Mia", "mentor", training=({"provider": THEM},))
    world = World(spells=(ect, mentor), mentorships=((ect, mentor, date(2025, 9, 1), None),))
    assert only(extract(world)["participants"])["mentor_id"] == an_id("Mia")
    assert only(extract(world)["unfunded-mentors"])["full_name"] == "Mia"


def test_ids_that_were_merged_into_this_one_are_told() -> None:
    world = World(merges=(("Ann", "a;b;c"), ("Nobody", "d")))
    assert only(extract(world)["participants"])["previous_participant_ids"] == "a;b;c"
