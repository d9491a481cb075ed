"""VOID- and CLAW- rules: each broken alone, every state, and what becomes of mentors' completion."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from tests.builders import after, codes, event_types, inserted, judged, notes, outcomes, updated
from transforms.examples.world import (
    NOW,
    OTHERS,
    PARTICIPANT,
    SECOND_SCHOOL,
    STRANGER,
    Declared,
    Training,
    World,
    a_row,
    a_statement,
    an_id,
)

STATEMENT = a_statement()
STARTED = Declared("started", "2025-10-01T09:00:00Z", statement=STATEMENT)
PAID = replace(STARTED, status="paid")
BEING_CLAWED_BACK = replace(PAID, clawback="awaiting_clawback", clawback_statement=STATEMENT)


def void(*declared: Declared, which: Declared | str | None = None, world: World = World(), now=NOW):
    chosen = which or declared[0]
    row = {"declaration_id": chosen if isinstance(chosen, str) else chosen.id}
    return judged(replace(world, declared=declared), row, kind="voids", now=now)


@pytest.mark.parametrize("status", ["no_payment", "eligible", "payable"])
@pytest.mark.parametrize("role", ["ect", "mentor"])
def test_what_is_not_paid_is_voided_and_stays_on_its_statement(status, role):
    statement = None if status == "no_payment" else STATEMENT
    training = Training(role=role)
    declared = replace(STARTED, status=status, statement=statement, training=training)
    judgement = void(declared, world=World(training=(training,)))
    assert updated(judgement, "declarations") == [
        {"declaration_id": declared.id, "payment_status": "voided", "updated_at": NOW}
    ]
    assert judgement.changes.inserts == {} and updated(judgement, "participants") == []
    assert event_types(judgement) == ["teacher_declaration_voided"]
    told = judgement.verdicts.row(0, named=True)
    assert (told["declaration_id"], told["state"], told["statement_month"]) == (declared.id, "voided", None)
    assert "may be declared again" in told["notes"]


def test_what_is_paid_is_clawed_back_on_the_next_statement():
    deadlines = tuple((date(2025, month, 28), "output", "open") for month in (12, 11))
    judgement = void(PAID, world=World(deadlines=deadlines))
    assert updated(judgement, "declarations") == [
        {
            "declaration_id": PAID.id, "clawback_status": "awaiting_clawback",
            "clawback_statement_id": a_statement(2025, date(2025, 11, 28)), "updated_at": NOW,
        }
    ]  # fmt: skip
    assert event_types(judgement) == ["teacher_declaration_awaiting_clawback"]
    told = judgement.verdicts.row(0, named=True)
    assert (told["state"], told["statement_month"]) == ("awaiting-clawback", "2025-11")


def test_blank_malformed_unknown_and_others_declarations_are_refused():
    assert codes(judged(World(), {"declaration_id": "", "your_reference": "x"}, kind="voids")) == ["VOID-002"]
    assert codes(void(STARTED, which="12345")) == ["FILE-010"]
    assert codes(void(STARTED, which=STRANGER)) == ["VOID-003"]
    theirs = Training(provider=OTHERS)
    declared = replace(STARTED, training=theirs)
    assert codes(void(declared, world=World(training=(Training(finished_on=date(2025, 9, 30)), theirs)))) == [
        "VOID-003"
    ]


def test_ids_are_matched_in_any_case():
    assert outcomes(void(STARTED, which=STARTED.id.upper())) == ["accepted"]


@pytest.mark.parametrize(
    ("declared", "state"),
    [
        (replace(STARTED, status="voided"), "voided"),
        (BEING_CLAWED_BACK, "awaiting-clawback"),
        (replace(BEING_CLAWED_BACK, clawback="clawed_back"), "clawed-back"),
    ],
)
def test_what_is_voided_or_clawed_back_already_whoever_did_it_is_done(declared, state):
    judgement = void(declared)
    assert outcomes(judgement) == ["already-done"] and judgement.changes.updates == ()
    assert judgement.verdicts.select("declaration_id", "state").row(0) == (declared.id, state)


@pytest.mark.parametrize(
    ("deadline", "kind", "expected"),
    [
        (date(2025, 11, 9), "output", ["CLAW-003"]),
        (date(2025, 11, 10), "output", []),
        (date(2025, 12, 31), "service", ["CLAW-003"]),
    ],
)
def test_a_clawback_needs_an_output_statement_whose_deadline_is_not_past(deadline, kind, expected):
    world = World(deadlines=((deadline, kind, "open"),))
    assert codes(void(PAID, world=world)) == expected
    assert codes(void(STARTED, world=world)) == []


def test_a_clawback_is_refused_when_only_another_contract_period_has_statements():
    training = Training(contract_period=2020)
    declared = replace(PAID, training=training)
    assert codes(void(declared, world=World(training=(training,)))) == ["CLAW-003"]


def test_a_repeat_is_already_done_and_what_dfe_voided_is_not():
    records = after(World(declared=(STARTED,)), void(STARTED))
    row = {"declaration_id": STARTED.id}
    again = judged(records, row, kind="voids", now=NOW + timedelta(hours=1))
    assert outcomes(again) == ["already-done"] and again.verdicts["state"][0] == "voided"
    twice = judged(World(declared=(STARTED,)), row, row, kind="voids")
    assert outcomes(twice) == ["accepted", "already-done"]


def test_a_voided_type_can_be_declared_again_as_a_new_declaration():
    records = after(World(declared=(STARTED,)), void(STARTED))
    judgement = judged(records, a_row(declaration_date="2025-10-01T09:00:00Z"), now=NOW + timedelta(hours=1))
    assert outcomes(judgement) == ["accepted"]
    assert inserted(judgement, "declarations")[0]["declaration_id"] != STARTED.id


MENTORING = Training(role="mentor", finished_on=date(2025, 11, 3))
COMPLETED = Declared("completed", "2025-11-03T12:00:00Z", training=MENTORING)
ENDED = {"mentor_funding_end_date": date(2025, 11, 3), "mentor_funding_end_reason": "completed_declaration_received"}


def undo(training: Training = MENTORING, *others: Training, declared: Declared = COMPLETED, person=ENDED):
    declared = replace(declared, training=training)
    return void(declared, world=World(training=(training, *others), person=person))


@pytest.mark.parametrize("status", ["eligible", "paid"])
@pytest.mark.parametrize("leaves", [None, date(2026, 7, 20)])
def test_taking_back_a_mentors_completed_opens_their_training_again(status, leaves):
    judgement = undo(replace(MENTORING, left_school_on=leaves), declared=replace(COMPLETED, status=status))
    (person,) = updated(judgement, "participants")
    assert person == {
        "participant_id": PARTICIPANT, "mentor_funding_end_date": None, "mentor_funding_end_reason": None,
        "updated_at": NOW,
    }  # fmt: skip
    (opened,) = inserted(judgement, "training_periods")
    assert (opened["started_on"], opened["finished_on"]) == (date(2025, 11, 4), leaves)
    assert opened["partnership_id"] == MENTORING.partnership.id
    assert event_types(judgement)[1:] == ["mentor_completion_status_change"]
    assert "goes on from 4 November 2025" in notes(judgement)[0]


def test_training_that_is_still_open_needs_no_new_period():
    judgement = undo(replace(MENTORING, finished_on=date(2025, 11, 11)))
    assert inserted(judgement, "training_periods") == []
    assert updated(judgement, "participants")[0]["mentor_funding_end_date"] is None


@pytest.mark.parametrize(
    ("leaves", "expected"), [(date(2025, 11, 3), ["VOID-006"]), (date(2025, 11, 4), []), (None, [])]
)
def test_training_cannot_reopen_after_the_mentor_left_the_school(leaves, expected):
    assert codes(undo(replace(MENTORING, left_school_on=leaves))) == expected


def test_training_cannot_reopen_over_other_training():
    later = Training(role="mentor", provider=OTHERS, school=SECOND_SCHOOL, started_on=date(2026, 1, 5))
    assert codes(undo(MENTORING, later)) == ["VOID-006"]
    assert codes(undo(replace(MENTORING, left_school_on=date(2026, 1, 4)), later)) == []
    assert codes(undo(MENTORING, replace(later, role="ect"))) == []


def test_an_ects_completed_and_a_mentors_started_reopen_nothing():
    ect = Training(finished_on=date(2025, 11, 3))
    assert inserted(undo(ect), "training_periods") == []
    started = undo(declared=replace(COMPLETED, kind="started"))
    assert inserted(started, "training_periods") == [] and updated(started, "participants") == []


def test_another_live_completed_declaration_counts_from_then_on():
    """The records should never hold two; if they do, the one that is left says when training ended."""
    other = Declared("completed", "2025-10-20T12:00:00Z", training=MENTORING)
    judgement = void(COMPLETED, other, world=World(training=(MENTORING,), person=ENDED))
    assert updated(judgement, "participants")[0]["mentor_funding_end_date"] == date(2025, 10, 20)
    assert inserted(judgement, "training_periods") == []


def test_a_completed_declared_and_voided_leaves_the_mentor_as_before_but_for_the_gap():
    world = World(training=(replace(MENTORING, finished_on=None),))
    row = a_row(
        course_identifier="ecf-mentor", declaration_type="completed", declaration_date="2025-11-03T12:00:00Z",
        evidence_held="75-percent-engagement-met",
    )  # fmt: skip
    declared = judged(world, row)
    records = after(world, declared)
    made = declared.verdicts["declaration_id"][0]
    voided = judged(records, {"declaration_id": made}, kind="voids", now=NOW + timedelta(hours=1))
    records = after(records, voided)
    person = records.participants.row(0, named=True)
    assert person["mentor_funding_end_date"] is None and person["mentor_funding_end_reason"] is None
    spans = records.training_periods.sort("started_on").select("started_on", "finished_on").rows()
    assert spans == [(date(2025, 9, 1), date(2025, 11, 3)), (date(2025, 11, 4), None)]


def test_a_51st_void_of_one_participants_declarations_is_refused():
    many = tuple(Declared("started", f"2025-10-01T09:{m:02}:00Z", status="voided") for m in range(51))
    rows = [{"declaration_id": each.id} for each in many]
    judgement = judged(World(declared=many), *rows, kind="voids")
    assert [outcomes(judgement)[49], codes(judgement, 51)] == ["already-done", ["FILE-014"]]
    strangers = judged(World(), *[{"declaration_id": an_id(str(n))} for n in range(51)], kind="voids")
    assert codes(strangers, 51) == ["VOID-003"]


# What is in the records already


def test_a_clawback_never_goes_to_a_paid_statement():
    """A paid statement and a payable one with deadlines ahead, then an open one: what a paid one takes never comes back."""
    paid, payable, still_open = date(2025, 11, 28), date(2025, 12, 10), date(2025, 12, 31)
    deadlines = ((paid, "output", "paid"), (payable, "output", "payable"), (still_open, "output", "open"))
    [change] = updated(void(PAID, world=World(deadlines=deadlines)), "declarations")
    assert change["clawback_statement_id"] == a_statement(2025, payable)
    assert codes(void(PAID, world=World(deadlines=deadlines[:1]))) == ["CLAW-003"]


@pytest.mark.parametrize("status", ["eligible", "paid"])
def test_a_void_of_one_of_two_promises_nothing(status):
    one = replace(STARTED, status=status)
    other = Declared("started", "2025-10-02T09:00:00Z", training=Training(provider=OTHERS))
    world = World(training=(Training(), Training(provider=OTHERS, finished_on=date(2025, 9, 30))))
    told = notes(void(one, other, world=world))[0]
    assert "may be declared again" not in told and "Another started declaration stands for this participant" in told
    assert "may be declared again" in notes(void(one))[0]


DFES_END = {
    "mentor_funding_end_date": date(2021, 4, 19),
    "mentor_funding_end_reason": "completed_during_early_roll_out",
}


@pytest.mark.parametrize("recorded", [DFES_END, DFES_END | {"mentor_funding_end_reason": "completed_declaration_received"}],
                         ids=["early roll-out", "a completed declaration elsewhere"])  # fmt: skip
def test_an_end_of_funding_that_dfe_recorded_stays_through_a_completed_and_its_void(recorded):
    world = World(training=(replace(MENTORING, finished_on=None),), person=recorded)
    row = a_row(
        course_identifier="ecf-mentor", declaration_type="completed", declaration_date="2025-11-03T12:00:00Z",
        evidence_held="75-percent-engagement-met",
    )  # fmt: skip
    declared = judged(world, row)
    records = after(world, declared)
    assert {name: records.participants[name][0] for name in recorded} == recorded
    assert records.training_periods["finished_on"].to_list() == [date(2025, 11, 3)]
    made = declared.verdicts["declaration_id"][0]
    voided = judged(records, {"declaration_id": made}, kind="voids", now=NOW + timedelta(hours=1))
    records = after(records, voided)
    assert {name: records.participants[name][0] for name in recorded} == recorded


def test_a_completed_of_dfes_that_is_voided_leaves_another_reason():
    """No trail of ours: an end for another reason than a completed declaration is not taken away."""
    judgement = void(COMPLETED, world=World(training=(MENTORING,), person=DFES_END))
    assert updated(judgement, "participants")[0]["mentor_funding_end_date"] == DFES_END["mentor_funding_end_date"]
