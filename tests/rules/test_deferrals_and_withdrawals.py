"""DEFER- and WITHDRAW- rules: each broken alone, both sides of each boundary, and what an accepted row brings about."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import polars as pl
import pytest

from schemas.facts import FOLDER
from schemas.vocabulary import DEFERRAL_REASONS, WITHDRAWAL_REASONS
from tests.builders import COURSES, MENTOR, after, codes, event_types, judged, notes, outcomes, updated
from transforms.examples.world import (
    NOW,
    OTHERS,
    PARTICIPANT,
    STRANGER,
    Training,
    World,
    a_row,
    a_training_row,
    utc,
)

KINDS = {"deferrals": "DEFER", "withdrawals": "WITHDRAW"}
ENGLISH = {"deferrals": "parental-leave", "withdrawals": "moved-school"}
STATUS = {"deferrals": ("deferred_at", "deferral_reason"), "withdrawals": ("withdrawn_at", "withdrawal_reason")}
EARLIER = utc("2025-10-20T09:00:00Z")
DEFERRED = Training(deferred_at=EARLIER, deferral_reason="other", finished_on=date(2025, 10, 20))
WITHDRAWN = Training(withdrawn_at=EARLIER, withdrawal_reason="other", finished_on=date(2025, 10, 20))
both = pytest.mark.parametrize("kind", list(KINDS))
both_roles = pytest.mark.parametrize("role", ["ect", "mentor"])


def stop(kind: str, world: World = World(), now: datetime = NOW, **changes: str):
    return judged(world, a_training_row(reason=ENGLISH[kind]) | changes, kind=kind, now=now)


@both
@both_roles
@pytest.mark.parametrize("year", [2021, 2022, 2023, 2024, 2025, 2026])
def test_training_of_either_role_and_any_contract_period_stops_today(kind, role, year):
    training = Training(role=role, contract_period=year)
    judgement = stop(kind, World(training=(training,)), course_identifier=COURSES[role])
    instant, reason = STATUS[kind]
    assert outcomes(judgement) == ["accepted"]
    assert updated(judgement, "training_periods") == [
        {"training_period_id": training.id, instant: NOW, reason: ENGLISH[kind], "finished_on": date(2025, 11, 10)}
    ]
    assert updated(judgement, "participants") == [{"participant_id": PARTICIPANT, "updated_at": NOW}]
    assert judgement.changes.inserts == {} and len(event_types(judgement)) == 1


FAULTS = {
    "blank participant": ({"participant_id": ""}, [1]),
    "stranger": ({"participant_id": STRANGER}, [2]),
    "malformed id": ({"participant_id": "x"}, ["FILE-010"]),
    "blank course": ({"course_identifier": ""}, [3]),
    "unknown course": ({"course_identifier": "ect"}, [4]),
    "other role": ({"course_identifier": "ecf-mentor"}, [5]),
    "stranger in no role": ({"participant_id": STRANGER, "course_identifier": ""}, [2, 3]),
    "blank reason": ({"reason": ""}, [7]),
    "unknown reason": ({"reason": "holiday"}, [8]),
    "underscores": ({"reason": "parental_leave"}, [8]),
    "everything blank": (
        {"participant_id": "", "course_identifier": "", "reason": "", "your_reference": "x"},
        [1, 3, 7],
    ),
}


@both
@pytest.mark.parametrize(("change", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_row_is_refused_for_exactly_its_faults(kind, change, expected):
    wanted = [each if isinstance(each, str) else f"{KINDS[kind]}-{each:03}" for each in expected]
    judgement = stop(kind, **change)
    assert codes(judgement) == wanted and outcomes(judgement) == ["rejected"]
    assert judgement.changes.updates == ()


@both
@pytest.mark.parametrize(
    ("start", "number"), [(date(2025, 11, 11), 0), (date(2025, 11, 10), 1), (date(2025, 11, 9), None)]
)
def test_training_that_starts_today_or_later_cannot_be_stopped(kind, start, number):
    first = {"deferrals": 11, "withdrawals": 10}[kind]
    expected = [] if number is None else [f"{KINDS[kind]}-{first + number:03}"]
    assert codes(stop(kind, World(training=(Training(started_on=start),)))) == expected


@both
def test_the_london_day_decides_in_summer(kind):
    """23:30 in London on 9 June is 22:30 UTC: not yet the 10th."""
    training = World(training=(Training(started_on=date(2025, 6, 10), contract_period=2024),))
    late, early = utc("2025-06-09T22:59:59Z"), utc("2025-06-09T23:00:00Z")
    first = {"deferrals": 11, "withdrawals": 10}[kind]
    assert codes(stop(kind, training, now=late)) == [f"{KINDS[kind]}-{first:03}"]
    assert codes(stop(kind, training, now=early)) == [f"{KINDS[kind]}-{first + 1:03}"]


def test_a_deferred_participant_is_not_deferred_again_but_may_be_withdrawn():
    assert codes(stop("deferrals", World(training=(DEFERRED,)))) == ["DEFER-009"]
    judgement = stop("withdrawals", World(training=(DEFERRED,)))
    assert outcomes(judgement) == ["accepted"]
    assert updated(judgement, "training_periods")[0]["finished_on"] == date(2025, 10, 20)
    assert "ended already, on 20 October 2025" in notes(judgement)[0]


def test_a_withdrawn_participant_is_neither_deferred_nor_withdrawn():
    assert codes(stop("deferrals", World(training=(WITHDRAWN,)))) == ["DEFER-010"]
    assert codes(stop("withdrawals", World(training=(WITHDRAWN,)))) == ["WITHDRAW-009"]


@pytest.mark.parametrize(
    ("deferred", "withdrawn", "code"),
    [(0, 0, "DEFER-010"), (1, 0, "DEFER-009"), (0, 1, "DEFER-010")],
    ids=["equal instants count as withdrawn", "deferred later", "withdrawn later"],
)
def test_the_later_instant_decides_the_status(deferred, withdrawn, code):
    training = replace(
        WITHDRAWN, deferred_at=EARLIER + timedelta(days=deferred), withdrawn_at=EARLIER + timedelta(days=withdrawn)
    )
    assert codes(stop("deferrals", World(training=(training,)))) == [code]


def test_an_ect_is_not_withdrawn_for_a_mentors_reason():
    reason = {"reason": "Mentor-No-Longer-Being-Mentor"}
    assert codes(stop("withdrawals", **reason)) == ["WITHDRAW-012"]
    mentor = World(training=(Training(role="mentor"),))
    judgement = stop("withdrawals", mentor, course_identifier="ecf-mentor", **reason)
    assert updated(judgement, "training_periods")[0]["withdrawal_reason"] == "mentor-no-longer-being-mentor"
    assert codes(stop("withdrawals", World(training=(WITHDRAWN,)), **reason)) == ["WITHDRAW-009"]


@both
def test_the_latest_period_with_this_provider_counts_even_when_another_trains_them_now(kind):
    left = Training(finished_on=date(2025, 10, 1))
    now_elsewhere = Training(provider=OTHERS, started_on=date(2025, 10, 2))
    judgement = stop(kind, World(training=(left, now_elsewhere)))
    (period,) = updated(judgement, "training_periods")
    assert period["training_period_id"] == left.id and period["finished_on"] == date(2025, 10, 1)


@both
def test_another_providers_participant_is_a_stranger(kind):
    assert codes(stop(kind, World(training=(Training(provider=OTHERS),)))) == [f"{KINDS[kind]}-002"]


@both
def test_someone_merged_into_another_record_is_told_the_new_id(kind):
    judgement = stop(kind, World(merged=((STRANGER, PARTICIPANT),)), participant_id=STRANGER)
    assert codes(judgement) == [f"{KINDS[kind]}-002"]
    assert PARTICIPANT in judgement.findings["message"][0]
    elsewhere = World(
        training=(Training(), Training(participant=MENTOR, provider=OTHERS)), merged=((STRANGER, MENTOR),)
    )
    assert MENTOR not in stop(kind, elsewhere, participant_id=STRANGER).findings["message"][0]


@both
def test_a_repeat_is_already_done_and_another_reason_is_not(kind):
    first = stop(kind)
    records = after(World(), first)
    later = NOW + timedelta(hours=1)
    assert outcomes(judged(records, a_training_row(reason=ENGLISH[kind]), kind=kind, now=later)) == ["already-done"]
    other = judged(records, a_training_row(reason="other"), kind=kind, now=later)
    assert codes(other) == [f"{KINDS[kind]}-009"]


@both
def test_a_row_that_asks_for_just_what_dfe_recorded_is_done_already(kind):
    training = {"deferrals": DEFERRED, "withdrawals": WITHDRAWN}[kind]
    records = World(training=(training,))
    done = stop(kind, records, reason="OTHER")
    assert outcomes(done) == ["already-done"] and done.changes.updates == ()
    assert "nothing to do" in done.verdicts["notes"][0]
    assert codes(stop(kind, records, reason=ENGLISH[kind])) == [f"{KINDS[kind]}-009"]


def test_a_deferral_that_was_followed_by_a_withdrawal_stands_no_more():
    records = after(World(), stop("deferrals"))
    withdrawn = judged(records, a_training_row(reason="other"), kind="withdrawals", now=NOW + timedelta(hours=1))
    records = after(records, withdrawn)
    again = judged(records, a_training_row(reason="parental-leave"), kind="deferrals", now=NOW + timedelta(hours=2))
    assert codes(again) == ["DEFER-010"]


@pytest.mark.parametrize(("at", "expected"), [("11:59:59", []), ("12:00:00", ["DECL-019"])])
def test_after_a_withdrawal_only_earlier_engagement_can_be_declared(at, expected):
    records = after(World(), stop("withdrawals"))
    row = a_row(declaration_date=f"2025-11-10T{at}Z")
    assert codes(judged(records, row, now=NOW + timedelta(hours=1))) == expected


def test_the_reasons_are_those_of_the_facts():
    facts = pl.read_csv(FOLDER / "withdrawal_deferral_reasons.csv")
    for action, reasons in (("defer", DEFERRAL_REASONS), ("withdraw", WITHDRAWAL_REASONS)):
        assert tuple(facts.filter(pl.col("action") == action)["reason"]) == reasons


def test_accepted_rows_say_what_they_did():
    assert notes(stop("withdrawals")) == [
        "Withdrawn from 10 November 2025; declarations dated after that will be rejected."
    ]
    assert notes(stop("deferrals"))[0].startswith("Deferred from 10 November 2025")
