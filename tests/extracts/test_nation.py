"""The sample's nation against what has to be true of it, and against a second way of finding it: plain SQL on the database."""

from datetime import date

import polars as pl
import pytest

from data.holdings import load_declarations, load_holdings
from flows.clock import instant
from flows.installation import Installation
from schemas.outbound.extracts import FILES
from transforms.extracts.making import make
from transforms.extracts.view import Nation, View

DAY = instant("2026-12-15T04:00:00Z").date()
_TRAINED = """
SELECT DISTINCT s.participant_id AS id, s.participant_type FROM training_periods t
JOIN partnerships p ON p.partnership_id = t.partnership_id JOIN school_periods s ON s.school_period_id = t.school_period_id
WHERE p.lead_provider_id = ?
"""
_DECLARED = """
SELECT d.declaration_id AS id, d.payment_status FROM declarations d
JOIN training_periods t ON t.training_period_id = d.training_period_id
JOIN partnerships p ON p.partnership_id = t.partnership_id WHERE p.lead_provider_id = ?
"""


@pytest.fixture(scope="module")
def nation(filled_home) -> tuple[dict[str, dict[str, pl.DataFrame]], Installation]:  # type: ignore[no-untyped-def]
    from flows.installation import open_installation
    from flows.settings import Settings

    with open_installation(Settings(home=filled_home)) as installation:
        ids = [each.lead_provider_id for each in installation.lead_providers()]
        with installation.database.read() as reader:
            held = Nation(load_holdings(reader, ids, True), DAY)
            held = held.with_declarations(load_declarations(reader, held.training["training_period_id"]))
            files = {own: {file.name: make(View(held, own), file) for file in FILES} for own in ids}
            assert not any(rows.left_out for own in files.values() for rows in own.values())
            found = {own: {name: rows.rows for name, rows in each.items()} for own, each in files.items()}
        yield found, installation


def test_each_participant_once_a_role_and_nobody_missing(nation) -> None:  # type: ignore[no-untyped-def]
    files, installation = nation
    with installation.database.read() as reader:
        for own, found in files.items():
            expected = reader.frame(_TRAINED, own)
            people = found["participants"].select("id", "participant_type")
            assert people.is_unique().all() and set(people.rows()) == set(expected.rows())


def test_declarations_are_ones_own_and_live_ones_of_others(nation) -> None:  # type: ignore[no-untyped-def]
    files, installation = nation
    names = {each.lead_provider_id: each.name for each in installation.lead_providers()}
    with installation.database.read() as reader:
        for own, found in files.items():
            expected, declared = reader.frame(_DECLARED, own), found["declarations"]
            ours = declared.filter(pl.col("lead_provider_name") == names[own])
            assert set(ours["id"]) == set(expected["id"])
            voided = set(expected.filter(pl.col("payment_status") == "voided")["id"])
            assert set(ours.filter(pl.col("state") == "voided")["id"]) == voided
            others = declared.filter(pl.col("lead_provider_name") != names[own])
            assert others.height and not set(others["state"]) & {"voided", "awaiting-clawback", "clawed-back"}
            assert others["statement_id"].null_count() == others.height
            roles = found["participants"].select(
                participant_id="id", course=pl.col("participant_type").replace_strict({"ect": "ecf-induction", "mentor": "ecf-mentor"})
            )  # fmt: skip
            seen = declared.select("participant_id", course="course_identifier")
            assert seen.join(roles, on=["participant_id", "course"], how="anti").is_empty()


def test_partners_partnerships_and_participants_hang_together(nation) -> None:  # type: ignore[no-untyped-def]
    files, _ = nation
    for found in files.values():
        people, partnerships = found["participants"], found["partnerships"]
        assert set(people["delivery_partner_id"]) <= set(found["delivery-partners"]["id"])
        at = partnerships.select(school_urn="urn", cohort="cohort").unique()
        assert people.select("school_urn", "cohort").join(at, on=["school_urn", "cohort"], how="anti").is_empty()
        now = (pl.col("training_finished_on").is_null() | (pl.col("training_finished_on") >= str(DAY))) & (
            pl.col("training_started_on") <= str(DAY)
        )
        assert partnerships["participants_currently_training"].cast(pl.Int64).sum() == people.filter(now).height
        mentors = people.filter(pl.col("participant_type") == "ect")["mentor_id"].drop_nulls()
        known = set(people["id"]) | set(found["unfunded-mentors"]["id"])
        assert set(mentors) <= known
        assert not set(found["unfunded-mentors"]["id"]) & set(people["id"])


def test_transfers_have_two_sides_that_agree(nation) -> None:  # type: ignore[no-untyped-def]
    files, installation = nation
    names = {each.lead_provider_id: each.name for each in installation.lead_providers()}
    every = pl.concat([found["transfers"].with_columns(seen_by=pl.lit(names[own])) for own, found in files.items()])
    assert every.height
    key = ["id", "training_record_id", "leaving_school_urn", "leaving_date"]
    for _, rows in every.group_by(key):
        concerned = {rows["leaving_provider"][0], rows["joining_provider"][0]} - {None}
        assert set(rows["seen_by"]) == concerned and rows.drop("seen_by").n_unique() == 1
    assert (every["joining_date"].drop_nulls() <= str(date(2030, 1, 1))).all()
