"""Corrections of a partnership's delivery partner (RECT app/services/api/school_partnerships/update.rb)."""

import polars as pl

from schemas.events import PARTNERSHIP_UPDATED
from schemas.frames import holds, joined
from schemas.needs import Snapshot
from transforms.changes import Act, ChangeSet, events, instant, said, touched
from transforms.facts import lower
from transforms.update import ACCEPTED, DONE, Update, note, verdicts
from transforms.updates.partnerships import with_delivery_partner


def owner(rows: pl.DataFrame, snapshot: Snapshot) -> pl.Series:
    """The partnership's school and contract period, where the partnership is known; else the id as sent."""
    known = snapshot.partnerships.select("partnership_id", place=pl.format("{} {}", "school_id", "contract_period"))
    named = joined(rows.select(pl.col("partnership_id").str.to_lowercase()), known, "partnership_id")
    return named.select(pl.coalesce("place", "partnership_id")).to_series()


def facts(rows: pl.DataFrame, snapshot: Snapshot, act: Act) -> pl.DataFrame:
    """Rows joined to the partnership, where it is this lead provider's, and to the one it would repeat."""
    rows = lower(rows, "partnership_id", "delivery_partner_id")
    own = snapshot.partnerships.filter(pl.col("lead_provider_id") == act.lead_provider_id)
    present = own.select(
        "partnership_id", "school_id", "contract_period", present_partner="delivery_partner_id",
        is_your_partnership=pl.lit(True),
    )  # fmt: skip
    rows = joined(rows, present, "partnership_id")
    yours = own.select(moved_into="partnership_id")
    moved = snapshot.partnership_moves.select(partnership_id="from_partnership_id", moved_into="to_partnership_id")
    rows = joined(rows, moved.join(yours, on="moved_into", how="semi"), "partnership_id")
    rows = rows.with_columns(holds(pl.col("is_your_partnership")))
    names = snapshot.delivery_partners.select(present_partner="delivery_partner_id", present_name="name")
    rows = joined(rows, names, "present_partner")
    rows = with_delivery_partner(rows, snapshot, "contract_period")
    place = ["school_id", "contract_period", "delivery_partner_id"]
    same = own.sort("created_at", "partnership_id").select(*place, same_partnership_id="partnership_id")
    rows = joined(rows, same.unique(place, keep="first", maintain_order=True), place)
    asked = snapshot.events.filter(pl.col("type") == PARTNERSHIP_UPDATED).select(
        "partnership_id", delivery_partner_id=said("delivery_partner_id"), asked_before=pl.lit(True)
    )
    rows = joined(rows, asked.unique(), ["partnership_id", "delivery_partner_id"])
    stands = pl.col("present_partner") == pl.col("delivery_partner_id")
    return rows.with_columns(holds(pl.col("asked_before") & stands).alias("asks_for_what_is_done"))


def effects(accepted: pl.DataFrame, snapshot: Snapshot, act: Act) -> ChangeSet:
    """Only the delivery partner of the partnership changes; what shows it moves its `updated_at`.

    Declarations already made keep the delivery partner they were made with.
    """
    now = instant(act.at)
    partnerships = accepted.select("partnership_id", "delivery_partner_id", updated_at=now)
    periods = snapshot.training_periods.join(accepted.select("partnership_id"), on="partnership_id", how="semi")
    declarations = snapshot.declarations.join(periods, on="training_period_id", how="semi").select(
        "declaration_id", updated_at=now
    )
    people = snapshot.school_periods.join(periods, on="school_period_id", how="semi")
    happened = events(
        accepted, PARTNERSHIP_UPDATED, act,
        {"delivery_partner_id": pl.col("present_partner")}, {"delivery_partner_id": pl.col("delivery_partner_id")},
    )  # fmt: skip
    updates = (("partnerships", partnerships), ("declarations", declarations), touched(people, act))
    return ChangeSet({}, updates, happened)


def answers(rows: pl.DataFrame, _act: Act) -> pl.DataFrame:
    return verdicts(
        rows,
        note(
            ACCEPTED,
            "Corrected from {present_name} to {delivery_partner_name}. Declarations already made keep {present_name}.",
            rows,
        ),
        note(DONE, "A row of yours has made this correction already: nothing to do.", rows),
    )


UPDATE = Update(facts, effects, answers, owner)
