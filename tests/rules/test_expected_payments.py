"""EXPECT- rules, and what is kept of a row."""

from decimal import Decimal

import pytest

from tests.builders import codes, event_types, inserted, judged, notes, outcomes
from transforms.examples.world import (
    NOW,
    PARTICIPANT,
    PARTNER,
    STRANGER,
    US,
    World,
)

ROW = {
    "statement_month": "2026-01",
    "contract_period": "2025",
    "participant_id": PARTICIPANT,
    "course_identifier": "ecf-induction",
    "declaration_type": "started",
    "expected_amount": "119.40",
    "delivery_partner_id": PARTNER,
    "your_reference": "A-1",
}


def expect(*rows: dict[str, str]):
    return judged(World(), *[ROW | row for row in rows], kind="expected-payments")


def test_a_row_is_kept_as_stated_and_the_records_do_not_change():
    judgement = expect({"declaration_type": "Started", "participant_id": STRANGER.upper()})
    assert outcomes(judgement) == ["accepted"]
    assert inserted(judgement, "expected_payments") == [
        {
            "submission_id": f"{NOW:%Y%m%dT%H%M%SZ}-expected-payments-a", "row_number": 1, "lead_provider_id": US,
            "statement_month": "2026-01", "contract_period": 2025, "participant_id": STRANGER,
            "participant_type": "ect", "declaration_type": "started", "expected_amount": Decimal("119.40"),
            "delivery_partner_id": PARTNER, "your_reference": "A-1",
        }
    ]  # fmt: skip
    assert list(judgement.changes.inserts) == ["expected_payments"] and judgement.changes.updates == ()
    assert event_types(judgement) == []
    assert "replaces what you stated for that month before" in notes(judgement)[0]


FAULTS = {
    **{f"blank {name}": ({name: ""}, ["EXPECT-002"]) for name in list(ROW)[:5]},
    "unknown course": ({"course_identifier": "x"}, ["EXPECT-003"]),
    "unknown type": ({"declaration_type": "x"}, ["EXPECT-003"]),
    "both unknown": ({"declaration_type": "x", "course_identifier": "x"}, ["EXPECT-003", "EXPECT-003"]),
    "malformed month": ({"statement_month": "01/02/2026"}, ["FILE-012"]),
    "malformed contract period": ({"contract_period": "2025.0"}, ["FILE-012"]),
    "a decimal comma": ({"expected_amount": "119,40"}, ["FILE-012"]),
    "shortened": ({"expected_amount": "1.19E+02"}, ["FILE-012"]),
    "parts of a penny": ({"expected_amount": "119.405"}, ["FILE-012"]),
    "malformed participant": ({"participant_id": "x"}, ["FILE-010"]),
    "malformed delivery partner": ({"delivery_partner_id": "x"}, ["FILE-010"]),
}


@pytest.mark.parametrize(("change", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_row_is_refused_for_exactly_its_faults(change, expected):
    assert codes(expect(change)) == expected


@pytest.mark.parametrize(
    "change", [{"expected_amount": ""}, {"delivery_partner_id": ""}, {"expected_amount": "-119.40"}]
)
def test_what_is_optional_may_be_blank_and_a_clawback_negative(change):
    assert outcomes(expect(change)) == ["accepted"]


def test_the_same_declaration_stated_twice_is_refused_the_second_time():
    assert [codes(expect({}, {"expected_amount": "1.00"}), n) for n in (1, 2)] == [[], ["EXPECT-001"]]
    differing = ({}, {"statement_month": "2026-04"}, {"contract_period": "2024"}, {"course_identifier": "ecf-mentor"},
                 {"declaration_type": "retained-1"}, {"participant_id": STRANGER})  # fmt: skip
    assert outcomes(expect(*differing)) == ["accepted"] * 6


def test_a_refused_row_above_states_nothing():
    assert outcomes(expect({"expected_amount": "x"}, {})) == ["rejected", "accepted"]
