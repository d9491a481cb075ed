"""RESUME- rules: each broken alone, both sides of each boundary, and the period that an accepted row opens."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from tests.builders import COURSES, after, codes, event_types, inserted, judged, notes, outcomes, updated
from transforms.examples.world import (
    NOW,
    OTHERS,
    PARTICIPANT,
    SECOND_SCHOOL,
    STRANGER,
    Training,
    World,
    a_row,
    a_training_row,
    utc,
)

TODAY, YESTERDAY, TOMORROW = date(2025, 11, 10), date(2025, 11, 9), date(2025, 11, 11)
LEFT = Training(finished_on=date(2025, 10, 20), deferred_at=utc("2025-10-20T09:00:00Z"), deferral_reason="other")
WITHDRAWN = replace(
    LEFT, deferred_at=None, deferral_reason=None, withdrawn_at=LEFT.deferred_at, withdrawal_reason="other"
)


def resume(*training: Training, **changes: str):
    return judged(World(training=training), a_training_row(**changes), kind="resumptions")


@pytest.mark.parametrize("role", ["ect", "mentor"])
@pytest.mark.parametrize("left", [LEFT, WITHDRAWN], ids=["deferred", "withdrawn"])
@pytest.mark.parametrize("year", [2021, 2024, 2025])
@pytest.mark.parametrize("leaves", [None, date(2026, 7, 20)])
def test_training_goes_on_in_a_new_period(role, left, year, leaves):
    training = replace(left, role=role, contract_period=year, left_school_on=leaves)
    judgement = resume(training, course_identifier=COURSES[role])
    assert outcomes(judgement) == ["accepted"]
    (new,) = inserted(judgement, "training_periods")
    assert (new["started_on"], new["finished_on"], new["school_period_id"]) == (TODAY, leaves, training.school_period)
    assert (new["partnership_id"], new["schedule_identifier"]) == (training.partnership.id, training.schedule)
    assert new["expression_of_interest_lead_provider_id"] is None
    assert new["withdrawn_at"] is None and new["deferred_at"] is None
    assert updated(judgement, "training_periods") == []
    assert updated(judgement, "participants") == [{"participant_id": PARTICIPANT, "updated_at": NOW}]
    assert event_types(judgement) == ["teacher_resumes_training_period"]
    assert notes(judgement)[0].startswith("Resumed from 10 November 2025")


FAULTS = {
    "blank participant": ({"participant_id": ""}, ["RESUME-001"]),
    "stranger": ({"participant_id": STRANGER}, ["RESUME-002"]),
    "blank course": ({"course_identifier": ""}, ["RESUME-003"]),
    "unknown course": ({"course_identifier": "x"}, ["RESUME-004"]),
    "other role": ({"course_identifier": "ecf-mentor"}, ["RESUME-005"]),
}


@pytest.mark.parametrize(("change", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_row_is_refused_for_exactly_its_faults(change, expected):
    assert codes(resume(LEFT, **change)) == expected


def test_active_training_and_training_that_merely_ended_cannot_be_resumed():
    assert codes(resume(Training())) == ["RESUME-007"]
    assert codes(resume(Training(finished_on=date(2025, 10, 1)))) == ["RESUME-007"]


ELSEWHERE = {
    "led by the school": Training(provider=None, schedule=None, started_on=date(2025, 11, 1)),
    "another lead provider": Training(provider=OTHERS, started_on=date(2025, 11, 1)),
    "ending today": Training(provider=OTHERS, started_on=date(2025, 11, 1), finished_on=TODAY),
}


@pytest.mark.parametrize("other", ELSEWHERE.values(), ids=ELSEWHERE)
def test_training_elsewhere_today_at_the_same_school_refuses(other):
    assert codes(resume(LEFT, other)) == ["RESUME-008"]


def test_training_elsewhere_that_ended_yesterday_does_not():
    other = Training(provider=OTHERS, started_on=date(2025, 11, 1), finished_on=YESTERDAY)
    assert outcomes(resume(LEFT, other)) == ["accepted"]


@pytest.mark.parametrize(("finished", "expected"), [(TODAY, ["RESUME-009"]), (YESTERDAY, [])])
def test_training_that_ended_today_waits_until_tomorrow(finished, expected):
    assert codes(resume(replace(LEFT, finished_on=finished))) == expected


@pytest.mark.parametrize(("leaves", "expected"), [(TODAY, ["RESUME-010"]), (TOMORROW, []), (None, [])])
def test_whoever_has_left_the_school_cannot_be_resumed_there(leaves, expected):
    assert codes(resume(replace(LEFT, left_school_on=leaves))) == expected


def test_training_to_come_anywhere_must_not_overlap():
    due = Training(provider=OTHERS, school=SECOND_SCHOOL, started_on=date(2026, 1, 5))
    assert codes(resume(LEFT, due)) == ["RESUME-011"]
    leaves_before = replace(LEFT, left_school_on=date(2026, 1, 4))
    assert codes(resume(leaves_before, due)) == []
    assert codes(resume(replace(LEFT, left_school_on=date(2026, 1, 5)), due)) == ["RESUME-011"]


def test_training_now_at_another_school_refuses_too():
    other = Training(provider=OTHERS, school=SECOND_SCHOOL, started_on=date(2025, 11, 1))
    assert codes(resume(LEFT, other)) == ["RESUME-011"]


def test_training_with_an_end_still_ahead_would_overlap_itself():
    assert codes(resume(replace(LEFT, finished_on=TOMORROW))) == ["RESUME-011"]


def test_training_of_the_other_role_is_no_obstacle():
    assert outcomes(resume(LEFT, Training(role="mentor", provider=OTHERS))) == ["accepted"]


def test_a_repeat_is_already_done_until_training_stops_again():
    world = World(training=(LEFT,))
    records = after(world, judged(world, a_training_row(), kind="resumptions"))
    again = judged(records, a_training_row(), kind="resumptions", now=NOW + timedelta(hours=1))
    assert outcomes(again) == ["already-done"]
    tomorrow = NOW + timedelta(days=1)
    stopped = after(records, judged(records, a_training_row(reason="other"), kind="deferrals", now=tomorrow))
    assert codes(judged(stopped, a_training_row(), kind="resumptions", now=tomorrow)) == ["RESUME-009"]


def test_what_was_resumed_today_cannot_be_stopped_today_but_can_be_declared_for():
    world = World(training=(WITHDRAWN,))
    records = after(world, judged(world, a_training_row(), kind="resumptions"))
    later = NOW + timedelta(hours=1)
    assert codes(judged(records, a_training_row(reason="other"), kind="deferrals", now=later)) == ["DEFER-012"]
    assert codes(judged(records, a_training_row(reason="other"), kind="withdrawals", now=later)) == ["WITHDRAW-011"]
    declared = judged(records, a_row(declaration_date="2025-11-10T12:30:00Z"), now=later)
    assert outcomes(declared) == ["accepted"]
    assert inserted(declared, "declarations")[0]["training_period_id"] != WITHDRAWN.id
