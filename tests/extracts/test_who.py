"""Who and what is in an extract beside participants: declarations, transfers, unfunded mentors, schools, partners, statements."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.extracts.world import THEM, TODAY, US, Spell, World, an_id, extract, only

DAY = timedelta(days=1)
MOVED = date(2026, 1, 10)


def test_declarations_are_ones_own_in_any_state_with_what_they_are_on() -> None:
    spell = Spell()
    states = {
        "no_payment": "submitted", "eligible": "eligible", "payable": "payable", "paid": "paid", "voided": "voided",
    }  # fmt: skip
    declared = tuple(
        {"in": (spell,), "payment_status": status, "payment_statement_id": an_id("s"), "pupil_premium_uplift": True}
        for status in states
    )
    taken = tuple(
        {"in": (spell,), "payment_status": "paid", "clawback_status": status, "payment_statement_id": an_id("s"),
         "clawback_statement_id": an_id("c"), "your_reference": "=ours"}
        for status in ("awaiting_clawback", "clawed_back")
    )  # fmt: skip
    rows = {row["state"]: row for row in extract(World(spells=(spell,), declared=declared + taken))["declarations"]}
    assert set(rows) == {*states.values(), "awaiting-clawback", "clawed-back"}
    assert rows["voided"]["statement_id"] is None and rows["paid"]["statement_id"] == an_id("s")
    assert rows["clawed-back"]["clawback_statement_id"] == an_id("c") and rows["paid"]["clawback_statement_id"] is None
    assert [rows[state]["uplift_paid"] for state in ("eligible", "paid", "voided")] == ["false", "true", "false"]
    assert rows["clawed-back"]["your_reference"] == "'=ours"  # a spreadsheet runs nothing
    assert rows["paid"]["lead_provider_name"] == "Our Provider" and rows["paid"]["course_identifier"] == "ecf-induction"


@pytest.mark.parametrize(
    ("dated", "until", "is_shown"),
    [
        ("2026-01-09T12:00:00Z", MOVED, True),
        ("2026-01-10T00:00:00Z", MOVED, True),
        ("2026-01-10T23:59:59Z", MOVED, True),
        ("2026-01-11T00:00:00Z", MOVED, False),
        # In summer London's last day ends at 23:00 UTC.
        ("2025-06-30T22:59:59Z", date(2025, 6, 30), True),
        ("2025-06-30T23:00:00Z", date(2025, 6, 30), False),
        ("2026-09-01T12:00:00Z", None, True),
    ],
)
def test_anothers_declaration_is_shown_until_the_last_day_of_our_training(
    dated: str, until: date | None, is_shown: bool
) -> None:
    ours = Spell(started_on=date(2025, 6, 1), finished_on=until)
    theirs = Spell(school="Beta", started_on=(until or TODAY) + DAY, training=({"provider": THEM},))
    declared = {
        "in": (theirs,), "declaration_date": dated, "your_reference": "secret", "payment_statement_id": an_id("s"),
        "clawback_statement_id": an_id("c"), "evidence_held": "other",
    }  # fmt: skip
    rows = extract(World(spells=(ours, theirs), declared=(declared,)))["declarations"]
    assert bool(rows) == is_shown
    for row in rows:
        assert row["lead_provider_name"] == "Their Provider" and row["evidence_held"] == "other"
        assert row["statement_id"] is row["clawback_statement_id"] is row["your_reference"] is None


@pytest.mark.parametrize(
    "declared", [{"payment_status": "voided"}, {"payment_status": "paid", "clawback_status": "awaiting_clawback"}]
)
def test_anothers_declaration_that_does_not_stand_is_not_shown(declared: dict[str, Any]) -> None:
    ours, theirs = Spell(), Spell(school="Beta", started_on=MOVED, training=({"provider": THEM},))
    assert extract(World(spells=(ours, theirs), declared=({"in": (theirs,), **declared},)))["declarations"] == []


def test_anothers_declaration_in_the_other_role_or_for_somebody_else_is_not_shown() -> None:
    ours = Spell()
    as_mentor = Spell(role="mentor", school="Beta", training=({"provider": THEM},))
    somebody = Spell("Bob", training=({"provider": THEM},))
    declared = ({"in": (as_mentor,)}, {"in": (somebody,)})
    assert extract(World(spells=(ours, as_mentor, somebody), declared=declared))["declarations"] == []


def test_unfunded_mentors_are_those_nobody_here_trains_or_has_trained() -> None:
    ann, bob = Spell(), Spell("Bob", training=({"provider": THEM},))
    mentors = {
        "Unfunded": Spell("Unfunded", "mentor", training=({"provider": THEM},)),
        "Ours": Spell("Ours", "mentor"),
        "Once our ECT": Spell("Once our ECT", "mentor", training=({"provider": THEM},)),
        "Of theirs": Spell("Of theirs", "mentor", training=({"provider": THEM},)),
    }
    once = Spell("Once our ECT", "ect", started_on=date(2021, 9, 1), finished_on=date(2023, 7, 1))
    others = [Spell(f"Ect {name}") for name in mentors]
    pairs = [(ect, mentor, date(2025, 9, 1), None) for ect, mentor in zip(others, mentors.values(), strict=True)]
    pairs[3] = (bob, mentors["Of theirs"], date(2025, 9, 1), None)
    world = World(spells=(ann, bob, once, *others, *mentors.values()), mentorships=tuple(pairs))
    row = only(extract(world)["unfunded-mentors"])
    assert row["full_name"] == "Unfunded" and row["email"] == "unfunded@alpha.example"
    assert row["teacher_reference_number"] is not None
    assert {row["full_name"] for row in extract(world, THEM)["unfunded-mentors"]} == set()  # it trains them all


def test_an_unfunded_mentors_email_is_that_of_the_latest_time_at_a_school() -> None:
    ects = [Spell(), Spell("Bob", school="Beta")]
    early = Spell("Mia", "mentor", started_on=date(2024, 9, 1), training=({"provider": THEM},))
    late = Spell("Mia", "mentor", school="Beta", started_on=date(2025, 9, 1), training=({"provider": THEM},))
    pairs = ((ects[0], early, date(2025, 9, 1), None), (ects[1], late, date(2025, 9, 1), None))
    row = only(extract(World(spells=(*ects, early, late), mentorships=pairs))["unfunded-mentors"])
    assert row["email"] == "mia@beta.example"


def moves(*joining: Spell, leaves: date = MOVED, person: dict[str, Any] | None = None, **training: Any) -> World:
    """Ann leaves Alpha, trained by us, and joins."""
    left = Spell(finished_on=leaves, training=({"finished_on": leaves, **training},))
    return World(spells=(left, *joining), people={"Ann": person or {}})


def test_a_transfer_is_seen_by_both_providers() -> None:
    world = moves(Spell(school="Beta", started_on=MOVED + DAY, training=({"provider": THEM},)))
    ours, theirs = (only(extract(world, provider)["transfers"]) for provider in (US, THEM))
    assert ours == theirs
    assert ours["transfer_type"] == "new_provider" and ours["status"] == "complete"
    assert (ours["leaving_provider"], ours["joining_provider"]) == ("Our Provider", "Their Provider")
    assert (ours["leaving_date"], ours["joining_date"]) == ("2026-01-10", "2026-01-11")
    assert ours["leaving_school_urn"] != ours["joining_school_urn"] and ours["training_record_id"] == an_id("Ann ect")
    assert ours["created_at"] == "2025-09-01T08:00:00Z"


@pytest.mark.parametrize(
    ("leaves", "joins", "status"),
    [
        (TODAY - DAY, TODAY, "complete"),
        (TODAY, TODAY + DAY, "incomplete"),
        (TODAY, TODAY, "complete"),
        (TODAY + DAY, TODAY + 2 * DAY, "incomplete"),
        (TODAY + DAY, TODAY, "incomplete"),
    ],
)
def test_a_transfer_is_complete_on_the_day(leaves: date, joins: date, status: str) -> None:
    world = moves(Spell(school="Beta", started_on=joins), leaves=leaves)
    row = only(extract(world)["transfers"])
    assert row["status"] == status and row["transfer_type"] == "new_school"


def test_where_nobody_knows_the_next_school_the_transfer_has_one_side() -> None:
    row = only(extract(moves())["transfers"])
    assert row["transfer_type"] == "unknown" and row["status"] == "complete"
    assert row["joining_school_urn"] is row["joining_provider"] is row["joining_date"] is None
    # A next school whose training nobody has recorded yet is not told either.
    unknown = only(extract(moves(Spell(school="Beta", started_on=MOVED + DAY, training=())))["transfers"])
    assert unknown["transfer_type"] == "unknown" and unknown["joining_school_urn"] is None


def test_what_is_no_transfer() -> None:
    finished = {"induction_end_date": MOVED}
    assert extract(moves(person=finished))["transfers"] == []  # induction is over, and there is no next school
    stays = moves(Spell(started_on=MOVED + DAY))
    assert extract(stays)["transfers"] == []  # the same school again
    still_trained = World(spells=(Spell(finished_on=MOVED, training=({"finished_on": None},)),))
    assert extract(still_trained)["transfers"] == []  # training has no end
    of_others = World(spells=tuple(
        Spell(training=({"provider": THEM},), finished_on=end, school=school, started_on=start)
        for school, start, end in (("Alpha", date(2025, 9, 1), MOVED), ("Beta", MOVED + DAY, None))
    ))  # fmt: skip
    assert extract(of_others)["transfers"] == [] and len(extract(of_others, THEM)["transfers"]) == 1


def test_after_induction_a_transfer_to_another_school_is_one_still() -> None:
    world = moves(Spell(school="Beta", started_on=MOVED + DAY), person={"induction_end_date": MOVED})
    assert only(extract(world)["transfers"])["transfer_type"] == "new_school"


def test_a_move_to_training_led_by_the_school_names_no_provider() -> None:
    world = moves(Spell(school="Beta", started_on=MOVED + DAY, training=({"provider": None},)))
    row = only(extract(world)["transfers"])
    assert (
        row["transfer_type"] == "new_provider"
        and row["joining_provider"] is None
        and row["joining_date"] == "2026-01-11"
    )


def test_schools_are_those_that_can_take_part_in_contract_periods_that_are_enabled() -> None:
    world = World(
        partnerships=((THEM, "Closed but in partnership", 2025, "Partner"),),
        ineligible=("Closed but in partnership", "Lonely"),
        spells=(Spell(training=({"contract_period": 2021, "provider": THEM},)),),
    )
    rows = extract(world)["schools"]
    years = {(row["name"], row["cohort"]) for row in rows}
    assert {name for name, _ in years} == {"Alpha", "Closed but in partnership"}
    assert years == {("Alpha", year) for year in ("2023", "2024", "2025", "2026")} | {
        ("Closed but in partnership", "2025")
    }
    closed = next(row for row in rows if row["name"] != "Alpha")
    assert closed["in_partnership"] == "true" and closed["expression_of_interest"] == "false"
    assert closed["induction_tutor_name"] is None and closed["induction_programme_choice"] == "not_yet_known"


@pytest.mark.parametrize(
    ("training", "ours", "theirs"),
    [
        ({}, True, False),  # a partnership in which somebody trains
        ({"provider": None, "interest": US}, True, False),
        # Interest in one provider stays the first's, where another's partnership has confirmed it.
        ({"provider": THEM, "interest": US}, True, False),
        ({"provider": THEM}, False, True),
        ({"provider": None}, False, False),
    ],
)
def test_an_expression_of_interest_as_dfes_api_has_it(training: dict[str, Any], ours: bool, theirs: bool) -> None:
    world = World(spells=(Spell(training=(training,)),))
    for provider, expected in ((US, ours), (THEM, theirs)):
        row = next(r for r in extract(world, provider)["schools"] if (r["name"], r["cohort"]) == ("Alpha", "2025"))
        assert row["expression_of_interest"] == str(expected).lower()
        assert (row["induction_tutor_name"] is not None) == (row["induction_tutor_email"] is not None) == expected


def test_a_partnership_that_nobody_trains_under_is_no_interest() -> None:
    world = World(spells=(Spell("Bob", school="Beta"),), partnerships=((US, "Alpha", 2025, "Partner"),))
    row = next(r for r in extract(world)["schools"] if (r["name"], r["cohort"]) == ("Alpha", "2025"))
    assert (
        row["expression_of_interest"] == "false"
        and row["in_partnership"] == "true"
        and row["induction_tutor_name"] is None
    )
    partnership = next(r for r in extract(world)["partnerships"] if r["school_id"] == an_id("Alpha"))
    assert (
        partnership["induction_tutor_name"] == "Tutor of Alpha"
        and partnership["participants_currently_training"] == "0"
    )


@pytest.mark.parametrize(
    ("start", "end", "count"),
    [
        (TODAY, None, "1"), (TODAY - DAY, TODAY, "1"), (TODAY, TODAY, "1"), (TODAY + DAY, None, "0"),
        (TODAY - 2 * DAY, TODAY - DAY, "0"),
    ],
)  # fmt: skip
def test_who_currently_trains_in_a_partnership(start: date, end: date | None, count: str) -> None:
    world = World(spells=(Spell(started_on=start, finished_on=end),))
    assert only(extract(world)["partnerships"])["participants_currently_training"] == count


def test_a_corrected_delivery_partner_shows_on_the_participant_and_not_on_the_declaration() -> None:
    spell = Spell(training=({"partner": "Other partner"},))
    found = extract(World(spells=(spell,), declared=({"in": (spell,)},)))
    assert only(found["participants"])["delivery_partner_id"] == an_id("Other partner")
    assert only(found["declarations"])["delivery_partner_id"] == an_id("Partner")


def test_partners_come_with_their_contract_periods() -> None:
    world = World(spells=(Spell(), Spell("Bob", training=({"contract_period": 2023},))))
    row = only(extract(world)["delivery-partners"])
    assert (row["name"], row["cohort"]) == ("Partner", "2023;2025")


def test_statements_show_what_was_delivered() -> None:
    base = {
        "lead_provider_id": US, "contract_period": 2025, "year": 2026, "month": 1, "deadline_date": date(2025, 12, 31),
        "payment_date": date(2026, 1, 25), "status": "paid",
    }  # fmt: skip
    world = World(
        statements=(
            {"statement_id": an_id("told"), **base},
            {"statement_id": an_id("untold"), **base, "month": 12, "status": "open"},
            {"statement_id": an_id("theirs"), **base, "lead_provider_id": THEM},
        ),
        versions=({"statement_id": an_id("told"), "version": 3, "total": Decimal("12.50")},),
    )
    rows = {row["id"]: row for row in extract(world)["statements"]}
    told, untold = rows[an_id("told")], rows[an_id("untold")]
    assert set(rows) == {an_id("told"), an_id("untold")}
    assert (told["month"], told["year"], told["paid"], told["total"], told["version"]) == (
        "January",
        "2026",
        "true",
        "12.50",
        "3",
    )
    assert (untold["month"], untold["paid"], untold["total"], untold["version"]) == ("December", "false", None, None)
    assert told["cut_off_date"] == "2025-12-31" and told["fee_type"] == "output"
