"""PARTNER- and PARTNERUPD- rules: each broken alone, both sides of each boundary, and who is taken over."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.builders import MENTOR, after, codes, event_types, inserted, judged, notes, outcomes, updated
from transforms.examples.world import (
    NOW,
    OTHERS,
    PARTICIPANT,
    PARTNER,
    SCHOOL,
    SECOND_PARTNER,
    SECOND_SCHOOL,
    STRANGER,
    US,
    Declared,
    Partnership,
    Training,
    World,
    a_row,
    utc,
)

NOBODY = World(training=())
LATER = NOW + timedelta(hours=1)
ROW = {"school_urn": "123456", "delivery_partner_id": PARTNER, "contract_period": "2025"}


def make(world: World = NOBODY, now=NOW, **changes: str):
    return judged(world, ROW | changes, kind="partnerships", now=now)


def test_a_partnership_is_made():
    judgement = make()
    (made,) = inserted(judgement, "partnerships")
    assert made | {"partnership_id": ""} == {
        "partnership_id": "", "lead_provider_id": US, "delivery_partner_id": PARTNER, "school_id": SCHOOL,
        "contract_period": 2025, "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    assert event_types(judgement) == ["school_partnership_created"]
    assert made["partnership_id"] in notes(judgement)[0] and "First Partner" in notes(judgement)[0]


INTERESTED = Training(provider=None, interest=US)


def test_those_who_wait_on_an_expression_of_interest_are_taken_over():
    world = World(
        training=(
            INTERESTED,
            replace(INTERESTED, participant=MENTOR, role="mentor"),
            replace(INTERESTED, participant=STRANGER, interest=OTHERS),
            replace(INTERESTED, participant=STRANGER, role="mentor", contract_period=2024),
            replace(INTERESTED, participant=PARTNER, school=SECOND_SCHOOL),
        )
    )
    judgement = make(world)
    (made,) = inserted(judgement, "partnerships")
    taken = updated(judgement, "training_periods")
    assert {each["training_period_id"] for each in taken} == {each.id for each in world.training[:2]}
    assert all(set(each) == {"training_period_id", "partnership_id"} for each in taken), "their interest stays"
    assert {each["partnership_id"] for each in taken} == {made["partnership_id"]}
    assert {each["participant_id"] for each in updated(judgement, "participants")} == {PARTICIPANT, MENTOR}
    assert event_types(judgement).count("training_period_assigned_to_school_partnership") == 2
    assert "2 participants who waited for it now train with you" in notes(judgement)[0]
    declared = judged(after(world, judgement), a_row(), now=LATER)
    assert outcomes(declared) == ["accepted"], "they are visible from then on"


FAULTS = {
    "blank contract period": ({"contract_period": ""}, ["PARTNER-001", "PARTNER-010"]),
    "blank school": ({"school_urn": ""}, ["PARTNER-002"]),
    "blank delivery partner": ({"delivery_partner_id": ""}, ["PARTNER-003"]),
    "malformed contract period": ({"contract_period": "25/26"}, ["FILE-012", "PARTNER-010"]),
    "malformed school": ({"school_urn": "1234"}, ["FILE-012"]),
    "malformed delivery partner": ({"delivery_partner_id": "x"}, ["FILE-010"]),
    "no such contract period": ({"contract_period": "2031"}, ["PARTNER-004", "PARTNER-010"]),
    "closed contract period": ({"contract_period": "2021"}, ["PARTNER-006", "PARTNER-010"]),
    "no such school": ({"school_urn": "999999"}, ["PARTNER-007"]),
    "no such delivery partner": ({"delivery_partner_id": STRANGER}, ["PARTNER-009"]),
    "not paired there": ({"contract_period": "2023"}, ["PARTNER-010"]),
    "everything unknown": (
        {"contract_period": "2031", "school_urn": "999999", "delivery_partner_id": STRANGER},
        ["PARTNER-004", "PARTNER-007", "PARTNER-009"],
    ),
}


@pytest.mark.parametrize(("change", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_row_is_refused_for_exactly_its_faults(change, expected):
    assert codes(make(**change)) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [("2026-05-31T22:59:59Z", ["PARTNER-005"]), ("2026-05-31T23:00:00Z", [])],
    ids=["the evening before, London summer time", "midnight in London"],
)
def test_a_contract_period_is_open_from_its_first_day(now, expected):
    assert codes(make(now=utc(now), contract_period="2026")) == expected


def test_a_frozen_contract_period_that_is_still_enabled_takes_partnerships():
    assert codes(make(World(training=(), frozen={2024: utc("2025-01-01T00:00:00Z")}), contract_period="2024")) == []


def test_an_ineligible_school_is_refused():
    assert codes(make(World(training=(), ineligible_schools=(SCHOOL,)))) == ["PARTNER-008"]


@pytest.mark.parametrize(("choice", "expected"), [("school_led", ["PARTNER-012"]), ("not_yet_known", []), (None, [])])
def test_a_school_that_leads_its_own_training_is_refused(choice, expected):
    assert codes(make(World(training=(), choice=choice))) == expected


@pytest.mark.parametrize("partner", [PARTNER, SECOND_PARTNER])
def test_one_partnership_a_school_and_contract_period_whoever_delivers(partner):
    world = World(training=(), partnerships=(Partnership(partner=partner),))
    assert codes(make(world)) == ["PARTNER-011"]
    assert Partnership(partner=partner).id in make(world).findings["message"][0]
    assert codes(make(replace(world, choice="school_led"))) == ["PARTNER-011", "PARTNER-012"]


def test_another_providers_or_another_years_partnership_is_no_obstacle():
    world = World(training=(), partnerships=(Partnership(provider=OTHERS), Partnership(2024)))
    assert codes(make(world)) == []


def test_a_repeat_is_already_done_until_the_delivery_partner_is_corrected():
    first = make()
    records = after(NOBODY, first)
    again = judged(records, ROW, kind="partnerships", now=LATER)
    assert outcomes(again) == ["already-done"]
    made = inserted(first, "partnerships")[0]["partnership_id"]
    assert made in notes(again)[0]
    correction = {"partnership_id": made, "delivery_partner_id": SECOND_PARTNER}
    records = after(records, judged(records, correction, kind="partnership-changes", now=LATER))
    assert codes(judged(records, ROW, kind="partnerships", now=LATER)) == ["PARTNER-011"]


def test_two_rows_for_one_school_act_in_order():
    judgement = judged(NOBODY, ROW, ROW | {"delivery_partner_id": SECOND_PARTNER}, ROW, kind="partnerships")
    assert outcomes(judgement) == ["accepted", "rejected", "already-done"]


PARTNERSHIP = Partnership()
TRAINED = World(declared=(Declared("started", "2025-10-01T09:00:00Z"),))


def correct(world: World = TRAINED, **changes: str):
    row = {"partnership_id": PARTNERSHIP.id, "delivery_partner_id": SECOND_PARTNER} | changes
    return judged(world, row, kind="partnership-changes")


def test_a_correction_changes_the_delivery_partner_and_no_declaration():
    judgement = correct()
    assert updated(judgement, "partnerships") == [
        {"partnership_id": PARTNERSHIP.id, "delivery_partner_id": SECOND_PARTNER, "updated_at": NOW}
    ]
    assert updated(judgement, "declarations") == [{"declaration_id": TRAINED.declared[0].id, "updated_at": NOW}]
    assert updated(judgement, "participants") == [{"participant_id": PARTICIPANT, "updated_at": NOW}]
    assert updated(judgement, "training_periods") == [] and judgement.changes.inserts == {}
    assert event_types(judgement) == ["school_partnership_updated"]
    assert "from First Partner to Second Partner" in notes(judgement)[0]


CORRECTION_FAULTS = {
    "blank partnership": ({"partnership_id": ""}, ["PARTNERUPD-001"]),
    "blank delivery partner": ({"delivery_partner_id": ""}, ["PARTNERUPD-002"]),
    "malformed partnership": ({"partnership_id": "x"}, ["FILE-010"]),
    "no such delivery partner": ({"delivery_partner_id": STRANGER}, ["PARTNERUPD-003"]),
    "no such partnership": ({"partnership_id": STRANGER}, ["PARTNERUPD-004"]),
    "both unknown": (
        {"partnership_id": STRANGER, "delivery_partner_id": STRANGER},
        ["PARTNERUPD-003", "PARTNERUPD-004"],
    ),
    "the one it has": ({"delivery_partner_id": PARTNER}, ["PARTNERUPD-006"]),
}


@pytest.mark.parametrize(("change", "expected"), CORRECTION_FAULTS.values(), ids=CORRECTION_FAULTS)
def test_a_correction_is_refused_for_exactly_its_faults(change, expected):
    assert codes(correct(**change)) == expected


def test_another_providers_partnership_cannot_be_corrected():
    theirs = Partnership(provider=OTHERS)
    assert codes(correct(World(partnerships=(theirs,)), partnership_id=theirs.id)) == ["PARTNERUPD-004"]


def test_a_delivery_partner_needs_a_pairing():
    world = replace(TRAINED, pairings=((PARTNER, 2025), (SECOND_PARTNER, 2024)))
    assert codes(correct(world)) == ["PARTNERUPD-005"]


def test_a_school_has_one_partnership_with_a_delivery_partner():
    world = replace(TRAINED, partnerships=(Partnership(partner=SECOND_PARTNER),))
    assert codes(correct(world)) == ["PARTNERUPD-006"]


def test_a_repeated_correction_is_already_done_and_going_back_is_not():
    records = after(TRAINED, correct())
    row = {"partnership_id": PARTNERSHIP.id, "delivery_partner_id": SECOND_PARTNER}
    assert outcomes(judged(records, row, kind="partnership-changes", now=LATER)) == ["already-done"]
    back = judged(records, row | {"delivery_partner_id": PARTNER}, kind="partnership-changes", now=LATER)
    assert outcomes(back) == ["accepted"]
    assert outcomes(judged(after(records, back), row, kind="partnership-changes", now=LATER, name="b")) == ["accepted"]


def test_declarations_made_later_take_the_new_delivery_partner():
    records = after(World(), correct(World()))
    made = inserted(judged(records, a_row(), now=LATER), "declarations")[0]
    assert made["delivery_partner_id"] == SECOND_PARTNER


def test_a_51st_row_for_one_school_and_contract_period_is_refused():
    rows = [ROW | {"delivery_partner_id": STRANGER}] * 51
    judgement = judged(NOBODY, *rows, kind="partnerships")
    assert [codes(judgement, n) for n in (50, 51)] == [["PARTNER-009"], ["FILE-014"]]
    two_years = [ROW | {"contract_period": str(2024 + n % 2)} for n in range(60)]
    both = judged(NOBODY, *two_years, kind="partnerships")
    assert all("FILE-014" not in codes(both, n) for n in range(1, 61))
