"""Who must not be seen, over random worlds: no name, TRN or address of anybody whom a lead provider neither trains, nor has trained,
nor needs as the mentor of an ECT of its own; and nothing of others that is not its business."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.extracts.world import THEM, TODAY, US, Spell, World, a_trn, an_id, extract

PEOPLE = ("Ann", "Bob", "Cyd", "Dee", "Eve")
SCHOOLS = ("Alpha", "Beta")
STARTS = st.sampled_from([TODAY + timedelta(days=days) for days in (-400, -100, -1, 0, 1, 30)])
ENDS = st.none() | st.sampled_from([TODAY + timedelta(days=days) for days in (-50, -1, 0, 1, 90)])


@st.composite
def spells(draw: st.DrawFn) -> Spell:
    start, end = draw(STARTS), draw(ENDS)
    training = {
        "provider": draw(st.sampled_from([US, THEM, None])),
        "interest": draw(st.sampled_from([US, THEM, None])),
    }
    if training["interest"] is None:
        del training["interest"]
    if draw(st.booleans()):
        training["withdrawn_at" if draw(st.booleans()) else "deferred_at"] = None
    return Spell(
        draw(st.sampled_from(PEOPLE)), draw(st.sampled_from(["ect", "mentor"])), draw(st.sampled_from(SCHOOLS)), start,
        end if end is None or end >= start else start, (training,) if draw(st.integers(0, 5)) else (),
    )  # fmt: skip


@st.composite
def worlds(draw: st.DrawFn) -> World:
    found = draw(st.lists(spells(), min_size=1, max_size=8, unique_by=lambda each: each.id))
    ects, mentors = ([each for each in found if each.role == role] for role in ("ect", "mentor"))
    pairs = [
        (ect, mentor, draw(STARTS), draw(ENDS))
        for ect in ects for mentor in mentors
        if ect.school == mentor.school and ect.person != mentor.person and draw(st.booleans())
    ]  # fmt: skip
    declared = [
        {
            "in": (each,), "payment_status": draw(st.sampled_from(["no_payment", "paid", "voided"])), "n": number,
            "declaration_date": f"{draw(STARTS)}T10:00:00Z", "your_reference": f"{each.training[0]['provider']} secret",
            "payment_statement_id": an_id(f"statement of {each.training[0]['provider']}"), "evidence_held": "other",
        }
        for number, each in enumerate(found) if each.training and draw(st.booleans())
    ]  # fmt: skip
    return World(spells=tuple(found), mentorships=tuple(pairs), declared=tuple(declared))


def trained(world: World, provider: str) -> set[str]:
    return {each.person for each in world.spells for training in each.training if training["provider"] == provider}


def needed_as_mentors(world: World, provider: str) -> set[str]:
    """Mentors now or next of the ECTs whose latest training with the provider is at that time at a school. By brute force."""
    needed = set()
    for person in trained(world, provider):
        own = [
            each for each in world.spells
            if (each.person, each.role) == (person, "ect") and each.training and each.training[0]["provider"] == provider
        ]  # fmt: skip
        latest = {each.started_on for each in own}
        for each in own:
            if each.started_on == max(latest):
                needed |= {
                    mentor.person for ect, mentor, _, end in world.mentorships
                    if ect.id == each.id and (end is None or end >= TODAY)
                }  # fmt: skip
    return needed


@settings(max_examples=150, deadline=None)
@given(worlds())
@pytest.mark.slow
def test_nobody_else_is_named(world: World) -> None:
    for provider, other in ((US, THEM), (THEM, US)):
        files = extract(world, provider)
        known = trained(world, provider)
        may_be_named = known | needed_as_mentors(world, provider)
        said = {str(cell) for rows in files.values() for row in rows for cell in row.values() if cell is not None}
        for person in set(PEOPLE) - may_be_named:
            for secret in (person, a_trn(person), f"{person.lower()}@alpha.example"):
                assert secret not in said, (person, secret)
        assert {row["full_name"] for row in files["participants"]} == known
        assert not {row["full_name"] for row in files["unfunded-mentors"]} & known
        for row in files["declarations"]:
            assert (row["your_reference"] or "").startswith(provider) or row["your_reference"] is None
            assert row["statement_id"] != an_id(f"statement of {other}")
        assert {row["id"] for row in files["transfers"]} <= {an_id(person) for person in known}


@settings(max_examples=60, deadline=None)
@given(worlds(), st.sampled_from(PEOPLE))
@pytest.mark.slow
def test_what_befalls_a_stranger_changes_nothing(world: World, person: str) -> None:
    """Somebody whom a provider may not see: another name, TRN, e-mail, another end of their training."""
    if person in trained(world, US) | needed_as_mentors(world, US):
        return
    everything = {"full_name": "Somebody Else", "trn": "7654321", "induction_end_date": date(2026, 1, 1)}
    moved = [
        replace(each, email="else@where.example", working_pattern="part_time") if each.person == person else each
        for each in world.spells
    ]  # fmt: skip
    by_id = {each.id: each for each in moved}
    changed = replace(
        world, spells=tuple(moved), people={person: everything},
        mentorships=tuple((by_id[ect.id], by_id[mentor.id], *when) for ect, mentor, *when in world.mentorships),
        declared=tuple({**each, "in": (by_id[each["in"][0].id],)} for each in world.declared),
    )  # fmt: skip
    ids = {an_id(str(one)): an_id(str(other)) for one, other in zip(world.declared, changed.declared, strict=True)}
    for name, rows in extract(world).items():
        now = extract(changed)[name]
        if name == "declarations":
            rows = sorted(({**row, "id": ids[row["id"]]} for row in rows), key=lambda row: row["id"])
        assert now == rows, name
