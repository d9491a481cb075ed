"""transfers.csv: participants who leave one school for another, or for nowhere known, seen by who trained and who trains them.

Source: RECT app/services/api/teachers/school_transfers/history.rb.
"""

import polars as pl

from schemas.frames import joined
from transforms.extracts.view import OWNER, ROLE, Nation, View


def transfers(view: View) -> pl.DataFrame:
    """The columns of transfers.csv."""
    rows, own = view.nation.once(_of_everybody), view.lead_provider_id
    return rows.filter(pl.col("left_by").eq_missing(own) | pl.col("joined_by").eq_missing(own)).drop(
        "left_by", "joined_by"
    )


def _of_everybody(nation: Nation) -> pl.DataFrame:
    """The columns of transfers.csv; left_by, joined_by: lead providers' ids. A transfer is a time at a school that has an end,
    whose latest training has one too, and the next time in the role: at another school, or (unless induction has ended) there
    is none."""
    following = [pl.col(name).shift(-1).over(ROLE).alias(f"next_{name}") for name in ("school_period_id", "school_id")]
    spells = nation.spells.select(*ROLE, "school_period_id", "school_id", "finished_on", *following)
    leaving = spells.filter(pl.col("finished_on").is_not_null()).drop("finished_on")
    leaving = leaving.filter(pl.col("school_id").ne_missing(pl.col("next_school_id")))
    people = nation.held.participants.select(
        "participant_id", "ect_training_record_id", "mentor_training_record_id", "induction_end_date"
    )
    leaving = leaving.join(people, on="participant_id").filter(
        pl.col("next_school_period_id").is_not_null() | pl.col("induction_end_date").is_null()
    )
    of_them = nation.training.join(leaving.select(ROLE), on=ROLE, how="semi", maintain_order="left")
    last = of_them.unique("school_period_id", keep="last", maintain_order=True)
    first = of_them.unique("school_period_id", keep="first", maintain_order=True)
    rows = leaving.join(
        last.select("school_period_id", "created_at", left_by=OWNER, leaving_date="finished_on"), on="school_period_id"
    ).filter(pl.col("leaving_date").is_not_null())
    joining = first.select(
        next_school_period_id="school_period_id", joined_by=OWNER, joining_date="started_on", joins=pl.lit(True)
    )
    return _worded(joined(rows, joining, "next_school_period_id"), nation)


def _worded(rows: pl.DataFrame, nation: Nation) -> pl.DataFrame:
    """The columns of transfers.csv, and left_by, joined_by."""
    urns = nation.urns
    rows = joined(rows, urns.rename({"urn": "leaving_school_urn"}), "school_id")
    rows = joined(rows, urns.select(next_school_id="school_id", next_urn="urn"), "next_school_id")
    names = nation.held.names
    rows = joined(rows, names.select(left_by=OWNER, leaving_provider="name"), "left_by")
    rows = joined(rows, names.select(joined_by=OWNER, joining_provider="name"), "joined_by")
    joins = pl.col("joins").is_not_null()
    is_other = pl.col("left_by").ne_missing(pl.col("joined_by"))
    is_ahead = (pl.col("leaving_date") > nation.today) | (joins & (pl.col("joining_date") > nation.today))
    return rows.select(
        "left_by", "joined_by", "leaving_school_urn", "leaving_provider", "leaving_date", "joining_provider", "joining_date",
        "created_at",
        pl.col("participant_id").alias("id"),
        pl.when(pl.col("participant_type") == "ect").then("ect_training_record_id").otherwise("mentor_training_record_id")
        .alias("training_record_id"),
        pl.when(~joins).then(pl.lit("unknown")).when(is_other).then(pl.lit("new_provider")).otherwise(pl.lit("new_school"))
        .alias("transfer_type"),
        pl.when(is_ahead).then(pl.lit("incomplete")).otherwise(pl.lit("complete")).alias("status"),
        pl.when(joins).then("next_urn").alias("joining_school_urn"),
    )  # fmt: skip
