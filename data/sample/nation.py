"""A deterministic, believable extract, from a classroom to the nation. Nobody in it exists."""

from datetime import datetime
from pathlib import Path

import polars as pl

from data.records.extract import write_table
from data.sample import contracts as money
from data.sample import people
from data.sample.contracts import SAMPLE_NOW
from data.sample.declarations import declarations
from schemas.facts import contract_periods, milestones
from schemas.frames import joined
from schemas.lifecycle import is_live
from schemas.records.tables import RECORDS


def sample_records(scale: float, now: datetime = SAMPLE_NOW) -> dict[str, pl.DataFrame]:
    """Every table of the extract, as it stands at an instant. scale 1 is the nation: some 60,000 participants a contract period."""
    periods, calendar, providers = contract_periods(), milestones(), money.lead_providers()
    partners, schools = money.delivery_partners(scale), money.schools(scale)
    pairs = money.pairings(providers, partners, periods)
    partnerships = money.partnerships(schools, pairs, periods)
    school_years = money.school_contract_periods(schools, periods)
    contracts = money.contracts(providers, scale)
    statements = money.statements(contracts["contracts"], now.date())
    enrolments = people.enrolments(scale, periods, partnerships, now.date())
    participants = people.participants(enrolments, now.date())
    school_periods, training_periods, chain = people.periods(enrolments, partnerships)
    mentorships = people.mentorships(school_periods)
    made = declarations(chain, participants, calendar, statements, school_years, mentorships, school_periods, now)
    tables = {
        "contract_periods": periods,
        "milestones": calendar,
        "lead_providers": providers,
        "delivery_partners": partners,
        "provider_delivery_partners": pairs,
        "schools": schools,
        "school_contract_periods": school_years,
        "partnerships": partnerships,
        "participants": _completed_mentors(participants, made, training_periods, school_periods),
        "participant_id_changes": _merged(participants),
        "school_merges": pl.DataFrame(schema=dict.fromkeys(RECORDS["school_merges"].columns, pl.String)),
        "school_periods": school_periods,
        "training_periods": training_periods,
        "mentorships": mentorships,
        **contracts,
        "statements": statements,
        "adjustments": money.adjustments(statements),
        "declarations": made,
    }
    return {name: tables[name].select(list(RECORDS[name].columns)).sort(RECORDS[name].key) for name in RECORDS}


def _completed_mentors(
    participants: pl.DataFrame, made: pl.DataFrame, training_periods: pl.DataFrame, school_periods: pl.DataFrame
) -> pl.DataFrame:
    """Mentors with a live completed declaration are done with their training (transforms/mentor_completion.py)."""
    roles = training_periods.select("training_period_id", "school_period_id").join(
        school_periods.filter(participant_type="mentor").select("school_period_id", "participant_id"),
        on="school_period_id",
    )
    done = made.filter(is_live() & (pl.col("declaration_type") == "completed")).join(roles, on="training_period_id")
    ended = done.group_by("participant_id").agg(pl.col("declaration_date").max().dt.date().alias("ended"))
    people = joined(participants, ended, "participant_id")
    reason = pl.when(pl.col("ended").is_not_null()).then(pl.lit("completed_declaration_received"))
    return people.with_columns(mentor_funding_end_date="ended", mentor_funding_end_reason=reason).drop("ended")


def _merged(participants: pl.DataFrame) -> pl.DataFrame:
    """A few people were once recorded twice."""
    survivors = participants.gather_every(997)
    return survivors.select(
        money.uuids("merged", survivors.height).alias("from_participant_id"),
        pl.col("participant_id").alias("to_participant_id"),
        (pl.col("created_at") + pl.duration(days=30)).alias("changed_at"),
    )


def write_sample(folder: Path, scale: float, now: datetime = SAMPLE_NOW) -> dict[str, int]:
    """Write the extract as CSV. Returns rows by table."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = sample_records(scale, now)
    for name, rows in tables.items():
        write_table(rows, folder / f"{name}.csv")
    return {name: rows.height for name, rows in tables.items()}
