"""Partnerships: school, lead provider and delivery partner for one contract period.

Source: RECT app/services/school_partnerships/create.rb, assign_training_periods.rb.
"""

import polars as pl

from schemas.events import PARTNERSHIP_CREATED, TRAINING_ASSIGNED
from schemas.frames import holds, joined
from schemas.inbound.patterns import URN, YEAR
from schemas.needs import Snapshot
from transforms.changes import Act, ChangeSet, events, instant, said, touched
from transforms.facts import lower
from transforms.update import ACCEPTED, DONE, Update, note, verdicts


def owner(rows: pl.DataFrame, _snapshot: Snapshot) -> pl.Series:
    """School and contract period; nobody's where either is blank or not of its form."""
    urn = pl.when(pl.col("school_urn").str.contains(URN)).then("school_urn")
    year = pl.when(pl.col("contract_period").str.contains(YEAR)).then("contract_period")
    return rows.select(pl.format("{} {}", urn, year)).to_series()


def facts(rows: pl.DataFrame, snapshot: Snapshot, act: Act) -> pl.DataFrame:
    """Rows joined to contract period, school, delivery partner, pairing and existing partnership; who waits there."""
    rows = lower(rows, "delivery_partner_id").with_columns(
        pl.lit(act.today).alias("today"), year=pl.col("contract_period").cast(pl.Int64, strict=False)
    )
    periods = snapshot.contract_periods.select("enabled", year="contract_period", period_started_on="started_on")
    schools = snapshot.schools.select("school_id", "eligible", school_urn="urn")
    choices = snapshot.school_contract_periods.select("school_id", "induction_programme_choice", year="contract_period")
    rows = joined(rows, periods, "year")
    rows = joined(rows, schools, "school_urn")
    rows = joined(rows, choices, ["school_id", "year"])
    rows = with_delivery_partner(rows, snapshot, "year")
    return _with_existing(rows, snapshot, act)


def with_delivery_partner(rows: pl.DataFrame, snapshot: Snapshot, year: str) -> pl.DataFrame:
    """Add delivery_partner_name (null where there is no such partner) and is_paired, with this lead provider in the
    contract period in the column `year`."""
    partners = snapshot.delivery_partners.select("delivery_partner_id", delivery_partner_name="name")
    pairs = snapshot.provider_delivery_partners.select(
        "delivery_partner_id", pl.col("contract_period").alias(year), is_paired=pl.lit(True)
    )
    rows = joined(rows, partners, "delivery_partner_id")
    rows = joined(rows, pairs, ["delivery_partner_id", year])
    return rows.with_columns(holds(pl.col("is_paired")))


def _with_existing(rows: pl.DataFrame, snapshot: Snapshot, act: Act) -> pl.DataFrame:
    """existing_partnership_id (of this lead provider, whoever delivers); whether an earlier row made it so."""
    own = snapshot.partnerships.filter(pl.col("lead_provider_id") == act.lead_provider_id)
    made = snapshot.events.filter(pl.col("type") == PARTNERSHIP_CREATED).select(
        "partnership_id", asked_partner=said("delivery_partner_id")
    )
    own = own.join(made.unique("partnership_id"), on="partnership_id", how="left").sort("created_at", "partnership_id")
    existing = own.select(
        "school_id", "asked_partner", year="contract_period", existing_partnership_id="partnership_id",
        present_partner="delivery_partner_id",
    )  # fmt: skip
    first = existing.unique(["school_id", "year"], keep="first", maintain_order=True)
    rows = joined(rows, first.drop("asked_partner", "present_partner"), ["school_id", "year"])
    same = existing.filter(pl.col("asked_partner") == pl.col("present_partner")).select(
        "school_id", "year", delivery_partner_id="present_partner", standing_partnership_id="existing_partnership_id"
    )
    same = same.unique(["school_id", "year", "delivery_partner_id"], keep="first", maintain_order=True)
    rows = joined(rows, same, ["school_id", "year", "delivery_partner_id"])
    waiting = _waiting(snapshot, act).group_by("school_id", "year").agg(
        pl.col("participant_id").n_unique().alias("waiting")
    )  # fmt: skip
    rows = joined(rows, waiting, ["school_id", "year"])
    return rows.with_columns(pl.col("standing_partnership_id").is_not_null().alias("asks_for_what_is_done"))


def _waiting(snapshot: Snapshot, act: Act) -> pl.DataFrame:
    """Training periods without a partnership whose school has told DfE of this lead provider: school_id, year,
    training_period_id, participant_id."""
    interested = snapshot.training_periods.filter(
        pl.col("partnership_id").is_null() & (pl.col("expression_of_interest_lead_provider_id") == act.lead_provider_id)
    )
    schools = snapshot.school_periods.select("school_period_id", "school_id", "participant_id")
    return interested.join(schools, on="school_period_id", maintain_order="left").select(
        "school_id", "training_period_id", "participant_id", year="expression_of_interest_contract_period"
    )


def effects(accepted: pl.DataFrame, snapshot: Snapshot, act: Act) -> ChangeSet:
    """The partnership is made, and takes over everybody at the school who was waiting for it."""
    now = instant(act.at)
    rows = accepted.with_columns(partnership_id="new_id")
    made = rows.select(
        "partnership_id",
        pl.lit(act.lead_provider_id).alias("lead_provider_id"),
        "delivery_partner_id",
        "school_id",
        pl.col("year").alias("contract_period"),
        now.alias("created_at"),
        now.alias("updated_at"),
    )
    taken = rows.select("row_number", "partnership_id", "school_id", "year").join(
        _waiting(snapshot, act), on=["school_id", "year"], maintain_order="left"
    )
    after = {
        "delivery_partner_id": pl.col("delivery_partner_id"),
        "contract_period": pl.col("contract_period"),
        "school_urn": pl.col("school_urn"),
    }
    happened = pl.concat(
        [
            events(rows, PARTNERSHIP_CREATED, act, after=after),
            events(taken, TRAINING_ASSIGNED, act, after={"partnership_id": pl.col("partnership_id")}),
        ]
    )
    updates = (("training_periods", taken.select("training_period_id", "partnership_id")), touched(taken, act))
    return ChangeSet({"partnerships": made} if made.height else {}, updates, happened)


def answers(rows: pl.DataFrame, _act: Act) -> pl.DataFrame:
    one, more = pl.col("waiting") == 1, pl.col("waiting") > 1
    return verdicts(
        rows,
        note(
            ACCEPTED,
            "Partnership {new_id} made with school {school_urn} and {delivery_partner_name} for contract period "
            "{contract_period}.",
            rows,
        ),
        note(ACCEPTED & one, "1 participant who waited for it now trains with you.", rows),
        note(ACCEPTED & more, "{waiting} participants who waited for it now train with you.", rows),
        note(DONE, "A row of yours has made this partnership already: {standing_partnership_id}. Nothing to do.", rows),
    )


UPDATE = Update(facts, effects, answers, owner)
