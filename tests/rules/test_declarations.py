"""Every DECL- rule, on both sides of its boundary."""

from datetime import date, timedelta

import polars as pl
import pytest

from schemas.kinds.declarations import RULES
from tests.builders import MENTOR, codes, judged, outcomes, updated
from transforms.examples.world import (
    NOW,
    OTHERS,
    PARTICIPANT,
    SECOND_PARTNER,
    STRANGER,
    Declared,
    Training,
    World,
    a_row,
    utc,
)

MENTOR_TRAINING = Training(role="mentor")
MENTOR_ROW = {"course_identifier": "ecf-mentor"}
OLD = Training(contract_period=2024, started_on=date(2024, 9, 1))
IN_2024 = World(training=(OLD,))
SECOND = timedelta(seconds=1)


def old_row(**changes: str) -> dict[str, str]:
    return a_row(
        declaration_type="retained-1", declaration_date="2025-02-03T09:30:00Z", evidence_held="other", **changes
    )


REFUSED = [
    ("blank participant", World(), a_row(participant_id=""), ["DECL-003"]),
    ("unknown participant", World(), a_row(participant_id=STRANGER), ["DECL-004"]),
    ("another provider's participant", World(training=(Training(provider=OTHERS),)), a_row(), ["DECL-004"]),
    ("only an expression of interest", World(training=(Training(provider=None),)), a_row(), ["DECL-004"]),
    ("an unknown participant ends the row", World(), a_row(participant_id=STRANGER, declaration_type="x"), ["DECL-004"]),
    ("malformed participant", World(), a_row(participant_id="123"), ["FILE-010"]),
    ("blank course", World(), a_row(course_identifier=""), ["DECL-005"]),
    ("unknown course", World(), a_row(course_identifier="ecf-ect"), ["DECL-006"]),
    ("blank date", World(), a_row(declaration_date=""), ["DECL-007"]),
    ("the other role", World(), a_row(**MENTOR_ROW), ["DECL-008"]),
    ("blank type", World(), a_row(declaration_type=""), ["DECL-009"]),
    ("unknown type", World(), a_row(declaration_type="retained1"), ["DECL-010"]),
    ("underscore for hyphen", World(), a_row(declaration_type="retained_1"), ["DECL-010"]),
    ("a date alone", World(), a_row(declaration_date="2025-11-03"), ["DECL-015"]),
    ("a space for T", World(), a_row(declaration_date="2025-11-03 09:30:00Z"), ["DECL-015"]),
    ("no seconds", World(), a_row(declaration_date="2025-11-03T09:30Z"), ["DECL-015"]),
    ("31 February", World(), a_row(declaration_date="2025-02-31T09:30:00Z"), ["DECL-015"]),
    ("hour 24", World(), a_row(declaration_date="2025-11-03T24:00:00Z"), ["DECL-015"]),
    ("second 60", World(), a_row(declaration_date="2025-11-03T09:30:60Z"), ["DECL-015"]),
    ("the future by a second", World(), a_row(declaration_date="2025-11-10T12:00:01Z"), ["DECL-012"]),
    ("extended is not on a standard schedule", World(), a_row(declaration_type="extended-1"), ["DECL-022"]),
    ("blank evidence, detailed", World(), a_row(evidence_held=""), ["DECL-017"]),
    ("wrong evidence", World(), a_row(evidence_held="one-term-induction"), ["DECL-018"]),
    ("wrong TRN", World(), a_row(trn="7654321"), ["DECL-025"]),
    ("no TRN held", World(trn=None), a_row(trn="0123456"), ["DECL-025"]),
    ("malformed TRN silences the comparison", World(), a_row(trn="654321"), ["FILE-012"]),
    ("mentor retained from 2025", World(training=(MENTOR_TRAINING,)), a_row(declaration_type="retained-1", **MENTOR_ROW), ["DECL-016"]),
    ("no open statement", World(deadlines=()), a_row(), ["DECL-021"]),
    ("statement payable", World(deadlines=((date(2025, 12, 31), "output", "payable"),)), a_row(), ["DECL-021"]),
    ("service statement", World(deadlines=((date(2025, 12, 31), "service", "open"),)), a_row(), ["DECL-021"]),
    ("deadline yesterday", World(deadlines=((date(2025, 11, 9), "output", "open"),)), a_row(), ["DECL-021"]),
    ("two faults at once", World(), a_row(declaration_date="2025-11-10T12:00:01Z", trn="7654321"), ["DECL-012", "DECL-025"]),
    ("everything wrong", World(), a_row(participant_id="1", course_identifier="x", declaration_date="y"),
     ["FILE-010", "DECL-006", "DECL-015"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("world", "row", "expected"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_a_row_is_refused_for_exactly_its_faults(world, row, expected):
    judgement = judged(world, row)
    assert codes(judgement) == expected
    assert outcomes(judgement) == ["rejected"]
    assert judgement.changes.inserts == {}


ACCEPTED = [
    ("a plain row", World(), a_row()),
    ("words in any case", World(), a_row(declaration_type="STARTED", course_identifier="ECF-Induction", evidence_held="Other")),
    ("an id in capitals", World(), a_row(participant_id=PARTICIPANT.upper())),
    ("this very instant", World(), a_row(declaration_date="2025-11-10T12:00:00Z")),
    ("the right TRN", World(), a_row(trn="0123456")),
    ("deadline today", World(deadlines=((date(2025, 11, 10), "output", "open"),)), a_row()),
    ("not fundable needs no statement", World(eligible=False, deadlines=()), a_row()),
    ("deferred participants may be declared for", World(training=(Training(deferred_at=utc("2025-10-01T10:00:00Z"),
     finished_on=date(2025, 10, 1)),)), a_row()),
    ("simple regime, started, no evidence", IN_2024, a_row(declaration_date="2024-11-03T09:30:00Z", evidence_held="")),
    ("simple regime, started, any evidence", IN_2024, a_row(declaration_date="2024-11-03T09:30:00Z", evidence_held="nonsense")),
    ("extended on an extended schedule", World(training=(Training(schedule="ecf-extended-september"),)),
     a_row(declaration_type="extended-1")),
]  # fmt: skip


@pytest.mark.parametrize(("world", "row"), [case[1:] for case in ACCEPTED], ids=[case[0] for case in ACCEPTED])
def test_a_row_that_keeps_every_rule_is_accepted(world, row):
    judgement = judged(world, row)
    assert codes(judgement) == []
    assert outcomes(judgement) == ["accepted"]


FORMS = [
    ("2025-11-03T09:30:00Z", "2025-11-03T09:30:00Z"),
    ("2025-11-03t09:30:00z", "2025-11-03T09:30:00Z"),
    ("2025-11-03T09:30:00.25Z", "2025-11-03T09:30:00.250Z"),
    ("2025-11-03T09:30:00,5+01", "2025-11-03T08:30:00.500Z"),
    ("2025-11-03T09:30:00-0130", "2025-11-03T11:00:00Z"),
    ("2025-11-03T09:30:00+02:00", "2025-11-03T07:30:00Z"),
    ("2025-11-03T09:30:00", "2025-11-03T09:30:00Z"),
    ("2025-07-03T09:30:00", "2025-07-03T08:30:00Z"),
]


@pytest.mark.parametrize(("text", "instant"), FORMS)
def test_every_form_of_date_and_time_is_read_as_its_instant(text, instant):
    made = judged(World(), a_row(declaration_date=text)).changes.inserts["declarations"]
    assert made["declaration_date"][0] == utc(instant)


WINDOWS = [
    ("winter, before", OLD, "2024-12-31T23:59:59Z", ["DECL-013"]),
    ("winter, first instant", OLD, "2025-01-01T00:00:00Z", []),
    ("last day, late", OLD, "2025-03-31T22:59:59.999Z", []),
    ("last day over, in summer time", OLD, "2025-03-31T23:00:00Z", ["DECL-014"]),
    ("the last nanosecond", OLD, "2025-03-31T22:59:59.999999999Z", ["DECL-014"]),
]


@pytest.mark.parametrize(
    ("training", "at", "expected"), [case[1:] for case in WINDOWS], ids=[case[0] for case in WINDOWS]
)
def test_a_milestone_window_opens_and_closes_at_london_midnight(training, at, expected):
    row = a_row(declaration_type="retained-1", declaration_date=at, evidence_held="other")
    assert codes(judged(World(training=(training,)), row)) == expected


def test_in_summer_a_window_opens_at_london_midnight():
    row = a_row(declaration_date="2024-05-31T22:59:59Z", evidence_held="")
    assert codes(judged(IN_2024, row)) == ["DECL-013"]
    assert codes(judged(IN_2024, row | {"declaration_date": "2024-05-31T23:00:00Z"})) == []


@pytest.mark.parametrize(("at", "expected"), [("10:00:00", ["DECL-019"]), ("09:59:59", [])])
def test_a_declaration_must_come_before_the_withdrawal(at, expected):
    withdrawn = Training(withdrawn_at=utc("2025-11-03T10:00:00Z"), finished_on=date(2025, 11, 3))
    assert codes(judged(World(training=(withdrawn,)), a_row(declaration_date=f"2025-11-03T{at}Z"))) == expected


def test_a_participant_deferred_after_a_withdrawal_counts_as_deferred():
    both = Training(
        withdrawn_at=utc("2025-10-03T10:00:00Z"), deferred_at=utc("2025-10-03T11:00:00Z"), finished_on=date(2025, 10, 3)
    )
    assert codes(judged(World(training=(both,)), a_row())) == []


@pytest.mark.parametrize(("frozen_at", "expected"), [(NOW, ["DECL-020"]), (NOW + SECOND, [])])
def test_a_contract_period_is_frozen_from_its_instant(frozen_at, expected):
    assert codes(judged(World(frozen={2025: frozen_at}), a_row())) == expected


def test_frozen_is_where_the_participant_trains_today_whoever_trains_them():
    elsewhere = Training(provider=OTHERS, contract_period=2022, started_on=date(2025, 10, 1))
    ours = Training(finished_on=date(2025, 9, 30))
    assert codes(judged(World(training=(ours, elsewhere)), a_row())) == ["DECL-020"]


SEQUENCES = [
    ("retained before started", "started", "2025-10-01T09:00:00Z", "retained-1", "2025-10-01T08:59:59Z", ["DECL-023"]),
    ("at the same instant", "started", "2025-10-01T09:00:00Z", "retained-1", "2025-10-01T09:00:00Z", []),
    ("started after retained", "retained-1", "2025-10-01T09:00:00Z", "started", "2025-10-01T09:00:01Z", ["DECL-023"]),
    ("started before retained", "retained-1", "2025-10-01T09:00:00Z", "started", "2025-10-01T08:00:00Z", []),
]


@pytest.mark.parametrize(
    ("there", "there_at", "new", "new_at", "expected"),
    [case[1:] for case in SEQUENCES],
    ids=[case[0] for case in SEQUENCES],
)
def test_from_2025_dates_follow_the_order_of_types(there, there_at, new, new_at, expected):
    world = World(declared=(Declared(there, there_at, "other"),))
    row = a_row(declaration_type=new, declaration_date=new_at, evidence_held="other")
    assert codes(judged(world, row)) == expected


def test_before_2025_no_order_is_kept():
    world = World(training=(OLD,), declared=(Declared("started", "2025-02-05T09:00:00Z", training=OLD),))
    assert codes(judged(world, old_row())) == []


def test_another_providers_live_declaration_takes_the_slot():
    there = Training(provider=OTHERS, contract_period=2024, started_on=date(2024, 9, 1), finished_on=date(2025, 8, 31))
    world = World(training=(Training(), there), declared=(Declared("started", "2024-10-01T09:00:00Z", training=there),))
    assert codes(judged(world, a_row())) == ["DECL-011"]


def test_the_same_declaration_again_is_already_done():
    world = World(declared=(Declared("started", "2025-11-03T09:30:00Z", "training-event-attended"),))
    judgement = judged(world, a_row(declaration_date="2025-11-03T10:30:00+01:00", your_reference="other"))
    assert outcomes(judgement) == ["already-done"]
    assert codes(judgement) == []
    assert judgement.changes.inserts == {}
    assert judgement.verdicts["declaration_id"][0] is not None


def test_already_done_wins_over_a_rule_that_time_has_broken():
    world = World(
        declared=(Declared("started", "2025-11-03T09:30:00Z", "training-event-attended"),),
        frozen={2025: NOW},
        deadlines=(),
    )
    assert outcomes(judged(world, a_row())) == ["already-done"]


@pytest.mark.parametrize("change", [{"evidence_held": "other"}, {"declaration_date": "2025-11-03T09:30:01Z"}])
def test_a_repeat_that_differs_is_refused(change):
    world = World(declared=(Declared("started", "2025-11-03T09:30:00Z", "training-event-attended"),))
    assert codes(judged(world, a_row(**change))) == ["DECL-011"]


def test_a_row_sees_the_accepted_rows_above_it():
    judgement = judged(
        World(),
        a_row(),
        a_row(),
        a_row(evidence_held="other"),
        a_row(declaration_type="retained-1", declaration_date="2025-11-03T09:29:59Z"),
    )
    assert outcomes(judgement) == ["accepted", "already-done", "rejected", "rejected"]
    assert codes(judgement, 3) == ["DECL-011"]
    assert codes(judgement, 4) == ["DECL-023"]


def test_every_rule_is_named_once_and_says_what_to_do():
    assert len({rule.code for rule in RULES}) == len(RULES)
    assert all(rule.message and rule.source for rule in RULES)
    assert {rule.code for rule in RULES} == {f"DECL-{n:03}" for n in range(3, 26)} - {"DECL-024"}


def effects(world: World, **changes: str) -> dict:
    return judged(world, a_row(**changes)).changes.inserts["declarations"].to_dicts()[0]


def test_an_eligible_declaration_goes_on_the_next_open_statement():
    later, sooner = (date(2026, 3, 31), "output", "open"), (date(2025, 12, 31), "output", "open")
    world = World(deadlines=(later, sooner))
    made = effects(world)
    statements = world.snapshot().statements
    chosen = statements.filter(pl.col("statement_id") == made["payment_statement_id"])
    assert made["payment_status"] == "eligible"
    assert chosen["deadline_date"][0] == date(2025, 12, 31)


def test_a_declaration_for_someone_not_yet_eligible_waits_without_a_statement():
    made = effects(World(eligible=False))
    assert (made["payment_status"], made["payment_statement_id"]) == ("no_payment", None)


@pytest.mark.parametrize(("training", "flags"), [(OLD, (True, False)), (Training(), (False, False))])
def test_uplifts_are_kept_on_started_where_they_are_enabled(training, flags):
    world = World(training=(training,), uplifts=(True, False))
    made = effects(world, declaration_date=f"{training.started_on.year}-11-03T09:30:00Z")
    assert (made["pupil_premium_uplift"], made["sparsity_uplift"]) == flags


def test_evidence_that_is_not_needed_is_dropped_and_said_to_be():
    judgement = judged(IN_2024, a_row(declaration_date="2024-11-03T09:30:00Z"))
    assert judgement.changes.inserts["declarations"]["evidence_held"][0] is None
    assert "not kept" in judgement.verdicts["notes"][0]


def test_the_mentor_of_the_time_is_the_one_whose_mentorship_covers_the_day():
    long, short = (MENTOR, date(2025, 9, 1), None), (STRANGER, date(2025, 11, 4), date(2025, 11, 5))
    assert effects(World(mentors=(long, short)))["mentor_id"] == MENTOR


def test_without_a_covering_mentorship_the_nearest_counts():
    far, near = (MENTOR, date(2025, 9, 1), date(2025, 9, 20)), (STRANGER, date(2025, 11, 6), None)
    assert effects(World(mentors=(far, near)))["mentor_id"] == STRANGER


def test_an_accepted_declaration_says_whose_it_counts_for():
    assert "It counts for First Partner." in judged(World(), a_row()).verdicts["notes"][0]
    moved = World(
        training=(
            Training(finished_on=date(2025, 10, 1)),
            Training(started_on=date(2025, 10, 2), partner=SECOND_PARTNER),
        )
    )
    assert "It counts for Second Partner." in judged(moved, a_row()).verdicts["notes"][0]


COMPLETION = {
    **MENTOR_ROW, "declaration_type": "completed", "evidence_held": "75-percent-engagement-met",
    "declaration_date": "2025-11-03T23:30:00Z",
}  # fmt: skip


def test_a_mentors_completed_ends_their_funding_and_their_open_training():
    judgement = judged(World(training=(MENTOR_TRAINING,)), a_row(**COMPLETION))
    (person,), (period,) = updated(judgement, "participants"), updated(judgement, "training_periods")
    assert person["mentor_funding_end_date"] == date(2025, 11, 3)
    assert person["mentor_funding_end_reason"] == "completed_declaration_received"
    assert period["finished_on"] == date(2025, 11, 3)


def test_a_mentors_training_that_has_ended_keeps_its_end():
    ended = Training(role="mentor", finished_on=date(2025, 11, 10))
    assert updated(judged(World(training=(ended,)), a_row(**COMPLETION)), "training_periods") == []


def test_a_completed_dated_before_the_start_leaves_two_days():
    training = Training(role="mentor", started_on=date(2025, 11, 8))
    (period,) = updated(judged(World(training=(training,)), a_row(**COMPLETION)), "training_periods")
    assert period["finished_on"] == date(2025, 11, 9)


def test_every_accepted_row_leaves_an_event():
    events = judged(World(), a_row()).changes.events.to_dicts()
    assert [event["type"] for event in events] == ["teacher_declaration_created"]
    assert events[0]["participant_id"] == PARTICIPANT
