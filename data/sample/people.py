"""The sample's people: participants, where they teach, how they train, who mentors whom."""

from datetime import date

import polars as pl

from data.sample.draws import draws, uuids, whole
from schemas.columns import INSTANT
from schemas.frames import joined

ECTS_A_YEAR, MENTORS_A_YEAR = 34_000, 26_000
FIRST = (
    "Amara Bilal Catrin Dylan Efua Farah Gareth Hana Imran Joanna Kofi Leila Marcus Niamh Olu Priya Rhys Saira Tomasz "
    "Una Viktor Wren Xanthe Yusuf Zofia"
).split()
LAST = (
    "Abbott Bell Chowdhury Dunne Evans Farrow Grant Hussain Ilves Jarvis Kaur Lowe Mensah Nowak Okafor Parry Quaye "
    "Rahman Sands Tudor Usman Vance Walsh Young Zeller"
).split()
SEASONS = pl.DataFrame({"season": ["september", "january", "april"], "opens": [92, 214, 304], "width": [25, 20, 20]})


def enrolments(scale: float, periods: pl.DataFrame, partnerships: pl.DataFrame, day: date) -> pl.DataFrame:
    """One row per participant, role and first contract period: who, where, with whom, when they started, what befell them.

    Fate is one of: plain, withdrawn, deferred, resumed, transferred, interest (no partnership yet).
    """
    counts = {"ect": max(60, round(ECTS_A_YEAR * scale)), "mentor": max(45, round(MENTORS_A_YEAR * scale))}
    people = pl.concat(
        [
            pl.DataFrame({"contract_period": [year]})
            .select(
                "contract_period",
                pl.lit(role).alias("participant_type"),
                pl.int_ranges(0, count).alias("number"),
            )
            .explode("number")
            for year in periods["contract_period"]
            for role, count in counts.items()
        ]
    )
    size = people.height
    season = draws("season", size)
    people = people.with_columns(
        pl.when(season < 0.8).then(pl.lit("september")).when(season < 0.92).then(pl.lit("january"))
        .otherwise(pl.lit("april")).alias("season"),
        _family(size).alias("family"),
        _fate(size).alias("fate"),
    )  # fmt: skip
    people = _placed(people, partnerships, "place")
    people = people.join(SEASONS, on="season", maintain_order="left").join(
        periods.select("contract_period", period_started="started_on"), on="contract_period", maintain_order="left"
    )
    wait = pl.col("opens") + (draws("start", size) * pl.col("width")).cast(pl.Int64)
    people = people.with_columns(
        (pl.col("period_started") + pl.duration(days=wait)).alias("started_on"),
        _schedule().alias("schedule_identifier"),
        _participant_ids(people),
    )
    started = people.drop("opens", "width").filter(pl.col("started_on") <= day)
    return started.with_columns(
        uuids("school periods", started.height).alias("school_period_id"),
        uuids("training periods", started.height).alias("training_period_id"),
        (pl.col("started_on") + pl.duration(days=pl.lit(whole("stay", started.height, 400) + 40))).alias("changed_on"),
    ).with_columns(
        # What has not happened by the day has not happened; a week is left to write things down.
        pl.when((pl.col("changed_on") > day - pl.duration(days=7)) & (pl.col("fate") != "interest"))
        .then(pl.lit("plain")).otherwise(pl.col("fate")).alias("fate")
    )  # fmt: skip


def _placed(people: pl.DataFrame, partnerships: pl.DataFrame, name: str) -> pl.DataFrame:
    """Give each row any partnership of its contract period: school_id, partnership_id, lead_provider_id."""
    places = partnerships.select(
        "contract_period",
        "school_id",
        "partnership_id",
        "lead_provider_id",
        pl.int_range(pl.len()).over("contract_period").alias("turn"),
        pl.len().cast(pl.Int64).over("contract_period").alias("places"),
    )
    counts = places.select("contract_period", "places").unique()
    people = people.with_columns(whole(name, people.height, 1 << 40).alias("draw"))
    people = people.join(counts, on="contract_period", maintain_order="left")
    people = people.with_columns((pl.col("draw") % pl.col("places")).alias("turn")).drop("draw", "places")
    placed = people.join(places.drop("places"), on=["contract_period", "turn"], maintain_order="left")
    return placed.drop("turn")


def _participant_ids(people: pl.DataFrame) -> pl.Series:
    """New people each year; but a few mentors of 2024 and later were ECTs of 2021."""
    ids = uuids("participants", people.height)
    numbered = people.select("contract_period", "participant_type", "number", ids.alias("participant_id"))
    early = numbered.filter((pl.col("contract_period") == 2021) & (pl.col("participant_type") == "ect"))
    returning = (
        (pl.col("contract_period") == 2024) & (pl.col("participant_type") == "mentor") & (pl.col("number") % 20 == 0)
    )
    people = joined(numbered, early.select("number", before="participant_id"), "number")
    chosen = (
        pl.when(returning & pl.col("before").is_not_null()).then(pl.col("before")).otherwise(pl.col("participant_id"))
    )
    return people.select(chosen.alias("participant_id")).to_series()


def _family(size: int) -> pl.Series:
    draw = draws("family", size).to_frame("d")
    return draw.select(
        pl.when(pl.col("d") < 0.94).then(pl.lit("standard")).when(pl.col("d") < 0.98).then(pl.lit("extended"))
        .otherwise(pl.lit("special"))
    ).to_series()  # fmt: skip


def _schedule() -> pl.Expr:
    special = pl.when(pl.col("participant_type") == "ect").then(pl.lit("reduced")).otherwise(pl.lit("replacement"))
    family = pl.when(pl.col("family") == "special").then(special).otherwise(pl.col("family"))
    return pl.format("ecf-{}-{}", family, pl.col("season"))


def _fate(size: int) -> pl.Series:
    draw = draws("fate", size).to_frame("d")
    fates = (("withdrawn", 0.05), ("deferred", 0.065), ("resumed", 0.08), ("transferred", 0.12), ("interest", 0.13))
    fate = pl.lit("plain")
    for name, below in reversed(fates):
        fate = pl.when(pl.col("d") < below).then(pl.lit(name)).otherwise(fate)
    return draw.select(fate).to_series()


def participants(enrolments: pl.DataFrame, day: date) -> pl.DataFrame:
    """One row per person. Nearly all are eligible; the others' declarations stay submitted."""
    known = draws("eligible", enrolments.height) < 0.97
    eligible_at = pl.when(known).then(pl.col("started_on").cast(INSTANT) + pl.duration(days=3, hours=11))
    roles = enrolments.with_columns(
        eligible_at=eligible_at, created=pl.col("started_on").cast(INSTANT) + pl.duration(hours=8)
    )
    is_ect = pl.col("participant_type") == "ect"
    people = roles.group_by("participant_id", maintain_order=True).agg(
        pl.col("eligible_at").filter(is_ect).min().alias("ect_first_became_eligible_at"),
        pl.col("eligible_at").filter(~is_ect).min().alias("mentor_first_became_eligible_at"),
        pl.col("started_on").filter(is_ect).min().alias("induction_start_date"),
        pl.col("created").min().alias("created_at"),
    )
    size = people.height
    trn = (pl.int_range(size) * 7919 + 1_234_567) % 10_000_000
    names = zip(whole("first", size, len(FIRST)), whole("last", size, len(LAST)), strict=True)
    ended = pl.col("induction_start_date") + pl.duration(days=730)
    finished = pl.when(pl.col("ect_first_became_eligible_at").is_not_null() & (ended <= day)).then(ended)
    nothing_day, nothing_year = pl.lit(None, pl.Date), pl.lit(None, pl.Int64)
    return people.select(
        "participant_id",
        trn.cast(pl.String).str.zfill(7).alias("trn"),
        pl.Series("full_name", [f"{FIRST[f]} {LAST[n]}" for f, n in names]),
        uuids("ect records", size).alias("ect_training_record_id"),
        uuids("mentor records", size).alias("mentor_training_record_id"),
        "ect_first_became_eligible_at",
        "mentor_first_became_eligible_at",
        nothing_year.alias("ect_payments_frozen_year"),
        nothing_year.alias("mentor_payments_frozen_year"),
        nothing_day.alias("mentor_funding_end_date"),
        pl.lit(None, pl.String).alias("mentor_funding_end_reason"),
        nothing_day.alias("ect_ineligible_for_funding_on"),
        pl.when(pl.col("ect_first_became_eligible_at").is_not_null()).then("induction_start_date"),
        finished.alias("induction_end_date"),
        finished.alias("most_recent_induction_period_end_date"),
        "created_at",
        pl.col("created_at").alias("updated_at"),
    )


def periods(enrolments: pl.DataFrame, partnerships: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """(school_periods, training_periods, chain). chain is training_periods with what declarations need to know:
    participant_id, participant_type, contract_period, lead_provider_id, delivery_partner_id, school_id, spell (1, 2)."""
    transferred, resumed = enrolments.filter(fate="transferred"), enrolments.filter(fate="resumed")
    moved = _second_school(transferred, partnerships)
    left = pl.when(pl.col("fate") == "transferred").then(pl.col("changed_on") - pl.duration(days=1))
    stopped = pl.when(pl.col("fate").is_in(["withdrawn", "deferred", "resumed"])).then("changed_on")
    first = enrolments.with_columns(
        left.alias("left_on"), pl.coalesce(left, stopped).alias("finished_on"), spell=pl.lit(1)
    )
    again = resumed.with_columns(
        uuids("resumed", resumed.height).alias("training_period_id"),
        (pl.col("changed_on") + pl.duration(days=5)).alias("started_on"),
        pl.lit(None, pl.Date).alias("finished_on"),
        pl.lit("plain").alias("fate"),
        spell=pl.lit(2),
    )
    schools = pl.concat([first, moved], how="diagonal")
    school_periods = schools.select(
        "school_period_id",
        "participant_id",
        "participant_type",
        "school_id",
        "started_on",
        pl.col("left_on").alias("finished_on"),
        pl.format("person.{}@school.example", pl.col("school_period_id").str.slice(0, 12)).alias("email"),
        pl.when(pl.col("participant_type") == "ect").then(pl.lit("full_time")).alias("working_pattern"),
        (pl.col("started_on").cast(INSTANT) + pl.duration(hours=8)).alias("created_at"),
    )
    chain = pl.concat([first, again, moved], how="diagonal").join(
        partnerships.select("partnership_id", "delivery_partner_id"), on="partnership_id"
    )
    return school_periods, _training_periods(chain), chain


def _second_school(transferred: pl.DataFrame, partnerships: pl.DataFrame) -> pl.DataFrame:
    """Where those who transferred went: another school's partnership of the same contract period, any provider."""
    moved = _placed(transferred.drop("school_id", "partnership_id", "lead_provider_id"), partnerships, "new place")
    return moved.with_columns(
        uuids("second school periods", moved.height).alias("school_period_id"),
        uuids("second training periods", moved.height).alias("training_period_id"),
        pl.col("changed_on").alias("started_on"),
        pl.lit(None, pl.Date).alias("finished_on"),
        pl.lit("plain").alias("fate"),
        spell=pl.lit(2),
    )  # fmt: skip


def _training_periods(chain: pl.DataFrame) -> pl.DataFrame:
    interest, withdrawn = pl.col("fate") == "interest", pl.col("fate") == "withdrawn"
    deferred = pl.col("fate").is_in(["deferred", "resumed"])
    changed_at = pl.col("changed_on").cast(INSTANT) + pl.duration(hours=12)
    return chain.select(
        "training_period_id",
        "school_period_id",
        pl.lit("provider_led").alias("training_programme"),
        pl.when(~interest).then("partnership_id"),
        pl.when(interest).then("lead_provider_id").alias("expression_of_interest_lead_provider_id"),
        pl.when(interest).then("contract_period").alias("expression_of_interest_contract_period"),
        "schedule_identifier",
        "started_on",
        "finished_on",
        pl.when(withdrawn).then(changed_at).alias("withdrawn_at"),
        pl.when(withdrawn).then(pl.lit("left-teaching-profession")).alias("withdrawal_reason"),
        pl.when(deferred).then(changed_at).alias("deferred_at"),
        pl.when(deferred).then(pl.lit("parental-leave")).alias("deferral_reason"),
        (pl.col("started_on").cast(INSTANT) + pl.duration(hours=8)).alias("created_at"),
    )


def mentorships(school_periods: pl.DataFrame) -> pl.DataFrame:
    """Each ECT whose school has a mentor at the time gets one: the first who was there before."""
    ects = school_periods.filter(participant_type="ect").sort("started_on")
    mentors = school_periods.filter(participant_type="mentor").sort("started_on")
    met = ects.join_asof(
        mentors, on="started_on", by="school_id", coalesce=False, suffix="_mentor", check_sortedness=False
    )
    met = met.filter(
        pl.col("school_period_id_mentor").is_not_null()
        & (pl.col("participant_id") != pl.col("participant_id_mentor"))
        & (pl.col("finished_on_mentor").is_null() | (pl.col("finished_on_mentor") > pl.col("started_on")))
    )
    return met.select(
        pl.col("school_period_id").alias("ect_school_period_id"),
        pl.col("school_period_id_mentor").alias("mentor_school_period_id"),
        "started_on",
        pl.min_horizontal("finished_on", "finished_on_mentor").alias("finished_on"),
    )
