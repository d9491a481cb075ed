"""What DfE's records say that cannot be, or that somebody has to decide: told to operators at every load, never refused.

Why each matters: data/README.md, Doubts. Frames are text, as in an extract.
"""

from dataclasses import dataclass
from datetime import date

import polars as pl

from schemas.columns import parse_instant
from schemas.frames import holds
from schemas.instants import day_in_london
from schemas.lifecycle import HELD_ON, PAID_FOR, TAKEN_BACK, Side, is_live

ROLE = ["participant_id", "participant_type"]
LAST_DAY = date(9999, 12, 31)
NEEDED = (
    "declarations", "training_periods", "school_periods", "partnerships", "statements", "contracts",
)  # fmt: skip


@dataclass(frozen=True)
class Doubt:
    """One kind: what it is, in a sentence for operators, and the ids concerned, each with what tells it from others."""

    what: str
    cases: list[str]


def doubts_of(tables: dict[str, pl.DataFrame], today: date) -> list[Doubt]:
    """tables: NEEDED, as they are to be."""
    periods = _periods(tables)
    declared = tables["declarations"].join(
        periods.select("training_period_id", *ROLE, "lead_provider_id", "contract_period"), on="training_period_id"
    )
    found = [
        Doubt(
            "Two or more live declarations of one type for one person and role: neither a void of one nor a new one puts "
            "that right by itself",
            _doubled(declared),
        ),
        Doubt("Training of one person and role that overlaps", _overlapping(periods)),
        Doubt(
            "Training of one person, role and lead provider that starts on one day in two contract periods: the last named "
            "decides rules and schedules",
            _one_start(periods),
        ),
        Doubt("Declarations on statements that cannot hold them", _misplaced(declared, tables, PAID_FOR)),
        Doubt("Clawbacks on statements that cannot hold them", _misplaced(declared, tables, TAKEN_BACK)),
        Doubt("Statements paid before their deadline was over", _paid_early(tables["statements"], today)),
    ]
    return [doubt for doubt in found if doubt.cases]


def _periods(tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Training periods with participant, role, lead provider and contract period."""
    spells = tables["school_periods"].select("school_period_id", *ROLE)
    partnerships = tables["partnerships"].select("partnership_id", "lead_provider_id", "contract_period")
    rows = tables["training_periods"].select(
        "training_period_id", "school_period_id", "partnership_id", "started_on", "finished_on"
    )
    return rows.join(spells, on="school_period_id").join(partnerships, on="partnership_id", how="left")


def _doubled(declared: pl.DataFrame) -> list[str]:
    groups = (
        declared.filter(is_live()).group_by(*ROLE, "declaration_type")
        .agg(pl.len().alias("count"), pl.col("declaration_id").sort()).filter(pl.col("count") > 1).sort(ROLE)
    )  # fmt: skip
    return [f"{kind} of {role} {who}: {', '.join(ids)}" for who, role, kind, _, ids in groups.iter_rows()]


def _overlapping(periods: pl.DataFrame) -> list[str]:
    """A period that starts before an earlier one of the same person and role has ended; to end and start on one day is
    no overlap."""
    days = pl.col("started_on", "finished_on").str.to_date("%Y-%m-%d")
    rows = periods.with_columns(days).with_columns(end=pl.col("finished_on").fill_null(LAST_DAY))
    rows = rows.sort(*ROLE, "started_on", "training_period_id").with_columns(
        earlier=pl.col("training_period_id").shift(1).over(ROLE),
        earlier_end=pl.col("end").cum_max().shift(1).over(ROLE),
    )
    found = rows.filter(holds(pl.col("started_on") < pl.col("earlier_end")))
    found = found.filter(pl.col("end") > pl.col("started_on"))
    return [
        f"{row['participant_type']} {row['participant_id']}: {row['earlier']} and {row['training_period_id']}"
        for row in found.iter_rows(named=True)
    ]


def _one_start(periods: pl.DataFrame) -> list[str]:
    whose = [*ROLE, "lead_provider_id", "started_on"]
    groups = (
        periods.filter(pl.col("lead_provider_id").is_not_null()).sort("training_period_id").group_by(whose, maintain_order=True)
        .agg(pl.col("contract_period").n_unique().alias("count"), "training_period_id").filter(pl.col("count") > 1).sort(ROLE)
    )  # fmt: skip
    return [
        f"{row['participant_type']} {row['participant_id']} on {row['started_on']}: {', '.join(row['training_period_id'])}"
        for row in groups.iter_rows(named=True)
    ]


def _misplaced(declared: pl.DataFrame, tables: dict[str, pl.DataFrame], side: Side) -> list[str]:
    """Of another lead provider or contract period, of a service statement, or of a status that does not go with theirs."""
    contracts = tables["contracts"].select("contract_id", owner="lead_provider_id", period="contract_period")
    statements = tables["statements"].join(contracts, on="contract_id").select(
        "statement_id", "fee_type", "owner", "period", statement_status="status"
    )  # fmt: skip
    there = declared.filter(pl.col(side.status).is_in(side.statuses))
    rows = there.join(statements, left_on=side.link, right_on="statement_id")
    fitting = pl.any_horizontal(
        (pl.col(side.status) == word) & pl.col("statement_status").is_in(HELD_ON[word]) for word in side.statuses
    )
    same = (pl.col("owner") == pl.col("lead_provider_id")) & (pl.col("period") == pl.col("contract_period"))
    wrong = rows.filter(~fitting | ~holds(same) | (pl.col("fee_type") != "output")).sort("declaration_id")
    return [
        f"{row['declaration_id']} ({row[side.status]}) on {row[side.link]} ({row['statement_status']}, {row['fee_type']})"
        for row in wrong.iter_rows(named=True)
    ]


def _paid_early(statements: pl.DataFrame, today: date) -> list[str]:
    marked = parse_instant(pl.col("marked_as_paid_at"))
    day = day_in_london(marked).dt.strftime("%Y-%m-%d").fill_null(today.isoformat())
    rows = statements.filter((pl.col("status") == "paid") & (day <= pl.col("deadline_date"))).sort("statement_id")
    return [f"{row['statement_id']}, deadline {row['deadline_date']}" for row in rows.iter_rows(named=True)]
