"""partnerships.csv, schools.csv, delivery-partners.csv: where a lead provider works, could work, and with whom."""

import polars as pl

from schemas.frames import joined, marked
from schemas.lifecycle import contains
from transforms.extracts.view import View

_TUTOR = ("induction_tutor_name", "induction_tutor_email")
_NEVER_SAID = "not_yet_known"


def partnerships(view: View) -> pl.DataFrame:
    """The columns of partnerships.csv."""
    rows = view.own(view.held.partnerships)
    rows = joined(rows, view.held.schools.select("school_id", "urn", *_TUTOR), "school_id")
    names = view.held.delivery_partners.select("delivery_partner_id", delivery_partner_name="name")
    rows = joined(rows, names, "delivery_partner_id")
    training = (
        view.own_training.filter(contains(view.today)).group_by("partnership_id").len("participants_currently_training")
    )
    rows = joined(rows, training, "partnership_id")
    return rows.select(
        "urn", "school_id", "delivery_partner_id", "delivery_partner_name", *_TUTOR,
        pl.col("participants_currently_training").fill_null(0).cast(pl.Int64),
        "created_at", "updated_at", id="partnership_id", cohort="contract_period",
    )  # fmt: skip


def schools(view: View) -> pl.DataFrame:
    """The columns of schools.csv: of each contract period that is enabled, schools that are eligible, and any
    that has a partnership with anybody."""
    year = ["school_id", "contract_period"]
    enabled = view.held.contract_periods.filter("enabled").select("contract_period")
    works = view.held.partnerships.select(year).unique()
    rows = marked(view.held.schools.join(enabled, how="cross"), works, "in_partnership", on=year)
    rows = rows.filter(pl.col("eligible") | pl.col("in_partnership"))
    rows = joined(rows, view.held.school_years.select(*year, "induction_programme_choice"), year)
    rows = marked(rows, view.own(view.held.interests), "expression_of_interest", on=year)
    return rows.select(
        "name", "urn", "in_partnership", "expression_of_interest",
        pl.col("induction_programme_choice").fill_null(_NEVER_SAID),
        *[pl.when("expression_of_interest").then(name).alias(name) for name in _TUTOR],
        id="school_id", cohort="contract_period",
    )  # fmt: skip


def delivery_partners(view: View) -> pl.DataFrame:
    """The columns of delivery-partners.csv: those paired with the provider in any contract period."""
    own = view.own(view.held.pairings).sort("contract_period")
    years = own.group_by("delivery_partner_id", maintain_order=True).agg(
        pl.col("contract_period").cast(pl.String).str.join(";").alias("cohort")
    )  # fmt: skip
    rows = years.join(view.held.delivery_partners, on="delivery_partner_id")
    return rows.select("name", "cohort", id="delivery_partner_id")
