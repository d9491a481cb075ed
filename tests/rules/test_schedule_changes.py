"""SCHED- rules: each broken alone, both sides of each boundary; T edited in place or split."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from tests.builders import COURSES, after, codes, event_types, inserted, judged, notes, outcomes, updated
from transforms.examples.world import (
    NOW,
    OTHERS,
    PARTICIPANT,
    SECOND_PARTNER,
    SECOND_SCHOOL,
    STRANGER,
    US,
    Declared,
    Partnership,
    Training,
    World,
    a_row,
    a_statement,
    a_training_row,
    utc,
)

TODAY, YESTERDAY, TOMORROW = date(2025, 11, 10), date(2025, 11, 9), date(2025, 11, 11)
IN_2024 = Training(contract_period=2024, started_on=date(2024, 9, 2))
IN_2021 = Training(contract_period=2021, started_on=date(2021, 9, 2))
TO_2024, TO_2025 = Partnership(2024), Partnership(2025)
LATER = NOW + timedelta(hours=1)


def change(
    *training: Training,
    to: str = "ecf-standard-january",
    year: str | None = None,
    world: World = World(),
    now=NOW,
    **row,
):
    sent = a_training_row(schedule_identifier=to, **row) | ({"contract_period": year} if year else {})
    return judged(replace(world, training=training or (Training(),)), sent, kind="schedule-changes", now=now)


@pytest.mark.parametrize("role", ["ect", "mentor"])
@pytest.mark.parametrize("year", [2023, 2024, 2025])
def test_training_that_started_before_today_is_split(role, year):
    training = Training(role=role, contract_period=year, finished_on=date(2026, 7, 1))
    judgement = change(training, course_identifier=COURSES[role])
    assert outcomes(judgement) == ["accepted"]
    assert updated(judgement, "training_periods") == [{"training_period_id": training.id, "finished_on": YESTERDAY}]
    (new,) = inserted(judgement, "training_periods")
    assert (new["started_on"], new["finished_on"]) == (TODAY, date(2026, 7, 1))
    assert (new["schedule_identifier"], new["partnership_id"]) == ("ecf-standard-january", training.partnership.id)
    assert new["school_period_id"] == training.school_period
    assert event_types(judgement) == [
        "teacher_finishes_training_period",
        "teacher_schedule_assigned_to_training_period",
        "teacher_changes_schedule_training_period",
    ]
    assert updated(judgement, "participants") == [{"participant_id": PARTICIPANT, "updated_at": NOW}]
    assert "from 10 November 2025" in notes(judgement)[0]


@pytest.mark.parametrize(
    ("end", "leaves", "expected"),
    [
        (None, None, None),
        (None, date(2026, 1, 1), date(2026, 1, 1)),
        (date(2026, 2, 1), date(2026, 1, 1), date(2026, 1, 1)),
        (TOMORROW, None, TOMORROW),
        (TOMORROW, date(2025, 11, 1), TOMORROW),
    ],
)
def test_the_new_period_ends_at_the_first_end_that_is_not_past(end, leaves, expected):
    (new,) = inserted(change(Training(finished_on=end, left_school_on=leaves)), "training_periods")
    assert new["finished_on"] == expected


@pytest.mark.parametrize(("start", "splits"), [(YESTERDAY, True), (TODAY, False), (TOMORROW, False)])
def test_training_that_starts_today_or_later_is_edited_in_place(start, splits):
    training = Training(started_on=start)
    judgement = change(training)
    assert bool(inserted(judgement, "training_periods")) is splits
    if not splits:
        (period,) = updated(judgement, "training_periods")
        assert period["training_period_id"] == training.id
        assert period["schedule_identifier"] == "ecf-standard-january"
        assert period["expression_of_interest_lead_provider_id"] is None
        assert event_types(judgement) == ["teacher_changes_schedule_training_period"]


def test_an_expression_of_interest_follows_to_the_new_contract_period():
    training = replace(IN_2024, started_on=TODAY, interest=OTHERS)
    judgement = change(training, year="2025", world=World(partnerships=(TO_2025,)))
    (period,) = updated(judgement, "training_periods")
    assert period["expression_of_interest_lead_provider_id"] == US
    assert period["expression_of_interest_contract_period"] == 2025


FAULTS = {
    "blank participant": ({"participant_id": ""}, ["SCHED-001"]),
    "stranger": ({"participant_id": STRANGER}, ["SCHED-002"]),
    "blank course": ({"course_identifier": ""}, ["SCHED-003"]),
    "unknown course": ({"course_identifier": "x"}, ["SCHED-004"]),
    "other role": ({"course_identifier": "ecf-mentor"}, ["SCHED-005"]),
    "blank schedule": ({"to": ""}, ["SCHED-007"]),
    "unknown schedule": ({"to": "ecf-standard-june"}, ["SCHED-008"]),
    "underscores": ({"to": "ecf_standard_january"}, ["SCHED-008"]),
    "no such contract period": ({"year": "2019"}, ["FILE-012"]),
    "contract period to come": ({"year": "2031"}, ["SCHED-020"]),
    "the present schedule": ({"to": "ECF-Standard-September"}, ["SCHED-010"]),
    "the present schedule, contract period named": ({"to": "ecf-standard-september", "year": "2025"}, ["SCHED-010"]),
    "a mentor's schedule": ({"to": "ecf-replacement-january"}, ["SCHED-011"]),
    "no partnership there": ({"year": "2024"}, ["SCHED-014"]),
    "everything at once": (
        {"participant_id": STRANGER, "to": "", "year": "2031"},
        ["SCHED-002", "SCHED-020", "SCHED-007"],
    ),
}


@pytest.mark.parametrize(("sent", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_row_is_refused_for_exactly_its_faults(sent, expected):
    if sent.get("year") == "2019":
        sent = {"year": "25"}
    assert codes(change(**sent)) == expected


def test_a_contract_period_without_that_schedule_is_named():
    """Replacement and reduced schedules exist in every contract period; take one away."""
    import polars as pl

    records = World().snapshot()
    gone = ~((pl.col("contract_period") == 2025) & (pl.col("schedule_identifier") == "ecf-standard-january"))
    records = replace(records, milestones=records.milestones.filter(gone))
    row = a_training_row(schedule_identifier="ecf-standard-january")
    assert codes(judged(records, row, kind="schedule-changes")) == ["SCHED-009"]


def test_a_mentor_cannot_be_on_a_reduced_schedule():
    mentor = Training(role="mentor")
    assert codes(change(mentor, to="ecf-reduced-january", course_identifier="ecf-mentor")) == ["SCHED-012"]
    assert codes(change(to="ecf-reduced-january")) == []


def test_declarations_of_today_that_would_not_fit_bar_a_change_in_place():
    today = Training(contract_period=2024, started_on=TODAY)
    fits_september_only = Declared("started", "2024-12-01T09:00:00Z", training=today)
    for status in ("eligible", "voided"):
        world = World(declared=(replace(fits_september_only, status=status),))
        assert codes(change(today, world=world)) == ["SCHED-013"]
    started_yesterday = replace(today, started_on=YESTERDAY)
    world = World(declared=(replace(fits_september_only, training=started_yesterday),))
    assert codes(change(started_yesterday, world=world)) == []


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2024-12-31T23:59:59Z", ["SCHED-013"]),
        ("2025-01-01T00:00:00Z", []),
        ("2025-03-31T22:59:59Z", []),
        ("2025-03-31T23:00:00Z", ["SCHED-013"]),
    ],
)
def test_the_new_schedules_windows_decide_by_the_london_day(at, expected):
    """The started milestone of ecf-standard-january 2024 runs from 1 January to 31 March 2025."""
    today = Training(contract_period=2024, started_on=TODAY)
    assert codes(change(today, world=World(declared=(Declared("started", at, training=today),)))) == expected


def test_a_missing_milestone_does_not_count():
    today = Training(started_on=TODAY, schedule="ecf-extended-september")
    world = World(declared=(Declared("extended-1", "2026-01-01T09:00:00Z", training=today),))
    assert codes(change(today, to="ecf-standard-september", world=world)) == []


def test_a_change_in_place_across_contract_periods_cannot_take_statements_along():
    today = replace(IN_2024, started_on=TODAY)
    declared = Declared("started", "2025-11-05T09:00:00Z", training=today, statement=a_statement(2024))
    world = World(partnerships=(TO_2025,), declared=(declared,))
    assert codes(change(today, year="2025", to="ecf-standard-september", world=world)) == ["SCHED-013"]
    free = replace(world, declared=(replace(declared, status="no_payment", statement=None),))
    assert codes(change(today, year="2025", to="ecf-standard-september", world=free)) == []


FROZEN = {2024: utc("2025-11-10T12:00:00Z")}
NEARLY = {2024: utc("2025-11-10T12:00:01Z")}


@pytest.mark.parametrize(("frozen", "expected"), [(FROZEN, ["SCHED-015"]), (NEARLY, [])])
def test_inside_a_frozen_contract_period_nothing_changes(frozen, expected):
    assert codes(change(IN_2024, world=World(frozen=frozen))) == expected


def test_into_a_frozen_contract_period_only_those_who_came_from_it():
    world = World(frozen=FROZEN, partnerships=(TO_2024,))
    assert codes(change(year="2024", world=world)) == ["SCHED-015"]
    judgement = change(year="2024", world=replace(world, person={"ect_payments_frozen_year": 2024}))
    assert codes(judgement) == []
    (person,) = updated(judgement, "participants")
    assert person["ect_payments_frozen_year"] is None
    told = judgement.verdicts["notes"][0]
    assert "Contract period 2024 is closed for payment" in told and "are paid under" not in told
    wrong_role = replace(world, person={"mentor_payments_frozen_year": 2024})
    assert codes(change(year="2024", world=wrong_role)) == ["SCHED-015"]


@pytest.mark.parametrize("role", ["ect", "mentor"])
def test_leaving_a_frozen_contract_period_is_remembered(role):
    world = World(partnerships=(TO_2025,))
    training = replace(IN_2021, role=role)
    judgement = change(training, year="2025", world=world, course_identifier=COURSES[role])
    assert codes(judgement) == []
    (person,) = updated(judgement, "participants")
    assert person[f"{role}_payments_frozen_year"] == 2021
    (new,) = inserted(judgement, "training_periods")
    assert new["partnership_id"] == TO_2025.id


def test_moving_between_open_contract_periods_leaves_frozen_years_alone():
    judgement = change(
        IN_2024, year="2025", world=World(partnerships=(TO_2025,), person={"ect_payments_frozen_year": 2021})
    )
    assert updated(judgement, "participants") == [{"participant_id": PARTICIPANT, "updated_at": NOW}]


def test_the_partnership_with_the_same_delivery_partner_else_the_newest_is_taken():
    same = Partnership(2025, created_at="2025-06-01T09:00:00Z")
    newer = Partnership(2025, partner=SECOND_PARTNER, created_at="2025-09-01T09:00:00Z")
    other = World(partnerships=(newer, same))
    (new,) = inserted(change(IN_2024, year="2025", world=other), "training_periods")
    assert new["partnership_id"] == same.id
    third = Partnership(2025, partner=STRANGER, created_at="2025-08-01T09:00:00Z")
    (new,) = inserted(change(IN_2024, year="2025", world=World(partnerships=(newer, third))), "training_periods")
    assert new["partnership_id"] == newer.id
    elsewhere = (Partnership(2025, school=SECOND_SCHOOL), Partnership(2025, provider=OTHERS))
    assert codes(change(IN_2024, year="2025", world=World(partnerships=elsewhere))) == ["SCHED-014"]


OVER = {"induction_end_date": date(2025, 10, 1)}


def test_completed_training_changes_no_more_but_for_an_ect_moving_to_reduced():
    assert codes(change(world=World(person=OVER))) == ["SCHED-016"]
    mentor = Training(role="mentor", finished_on=date(2025, 10, 1))
    done = {"mentor_funding_end_date": date(2025, 10, 1), "mentor_funding_end_reason": "completed_declaration_received"}
    assert codes(change(mentor, world=World(person=done), course_identifier="ecf-mentor")) == ["SCHED-016"]
    assert codes(change(world=World(person=done))) == []
    ended = Training(finished_on=date(2025, 10, 1))
    judgement = change(ended, to="ecf-reduced-september", world=World(person=OVER))
    assert codes(judgement) == []
    (period,) = updated(judgement, "training_periods")
    assert period["schedule_identifier"] == "ecf-reduced-september" and "finished_on" not in period
    assert inserted(judgement, "training_periods") == []


def test_a_completed_ects_declarations_are_not_held_against_the_new_windows():
    old = Training(contract_period=2024, started_on=date(2024, 9, 2))
    declared = Declared("started", "2024-07-01T09:00:00Z", training=old)
    world = World(person=OVER, declared=(declared,))
    assert codes(change(old, to="ecf-reduced-september", world=world)) == []


@pytest.mark.parametrize(("end", "expected"), [(TODAY, ["SCHED-017"]), (TOMORROW, []), (YESTERDAY, ["SCHED-017"])])
def test_whoever_has_left_cannot_change_schedule(end, expected):
    assert codes(change(Training(finished_on=end))) == expected


def test_the_deferred_have_left_and_the_withdrawn_must_resume_first():
    stopped = {"finished_on": YESTERDAY, "deferred_at": NOW - timedelta(days=1), "deferral_reason": "other"}
    assert codes(change(Training(**stopped))) == ["SCHED-017"]
    ahead = {"finished_on": TOMORROW, "withdrawn_at": NOW - timedelta(days=1), "withdrawal_reason": "other"}
    assert codes(change(Training(**ahead))) == ["SCHED-018"]


def test_training_that_starts_later_anywhere_bars_a_change():
    due = Training(provider=OTHERS, school=SECOND_SCHOOL, started_on=date(2026, 1, 5))
    assert codes(change(Training(), due)) == ["SCHED-019"]
    assert codes(change(Training(), replace(due, role="mentor"))) == []


def test_someone_who_is_joining_changes_in_place():
    joining = Training(started_on=date(2026, 1, 5))
    elsewhere = Training(provider=OTHERS, school=SECOND_SCHOOL, finished_on=date(2025, 12, 20))
    judgement = change(elsewhere, joining)
    assert codes(judgement) == [] and inserted(judgement, "training_periods") == []


def test_one_change_a_row_and_a_repeat_is_already_done():
    records = after(World(), change())
    row = a_training_row(schedule_identifier="ecf-standard-january")
    assert outcomes(judged(records, row, kind="schedule-changes", now=LATER)) == ["already-done"]
    named = judged(records, row | {"contract_period": "2025"}, kind="schedule-changes", now=LATER)
    assert codes(named) == ["SCHED-010"], "another value is another question"
    there = judged(
        records, row | {"schedule_identifier": "ecf-standard-april"}, kind="schedule-changes", now=LATER, name="b"
    )
    assert inserted(there, "training_periods") == [], "the second of a day is in place"
    records = after(records, there)
    back = judged(records, row, kind="schedule-changes", now=LATER, name="c")
    assert outcomes(back) == ["accepted"], "what the first row brought about stands no more"
    assert outcomes(judged(after(records, back), row, kind="schedule-changes", now=LATER, name="d")) == ["already-done"]


def test_after_a_change_new_declarations_follow_the_new_schedule():
    records = after(World(), change(to="ecf-standard-april"))
    assert codes(judged(records, a_row(), now=LATER)) == ["DECL-013"]
    stop = judged(records, a_training_row(reason="other"), kind="withdrawals", now=LATER)
    assert codes(stop) == ["WITHDRAW-011"]
