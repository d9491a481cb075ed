"""The sample's declarations, in every state, attached to the statements of the calendar."""

from datetime import date, datetime

import polars as pl

from data.sample.draws import draws, uuids, whole
from schemas.columns import INSTANT
from schemas.frames import holds

# How likely a participant who made it to a milestone is to be declared for it.
DECLARED = {"ect": 0.80, "mentor": 0.64}


def declarations(
    chain: pl.DataFrame,
    people: pl.DataFrame,
    milestones: pl.DataFrame,
    statements: pl.DataFrame,
    school_years: pl.DataFrame,
    mentorships: pl.DataFrame,
    school_periods: pl.DataFrame,
    now: datetime,
) -> pl.DataFrame:
    """chain: sample_people.periods. now: the instant of which the sample speaks. Returns the table `declarations`."""
    made = _made(chain, _windows(milestones), now)
    made = made.join(people.select("participant_id", "ect_first_became_eligible_at", "mentor_first_became_eligible_at"),
                     on="participant_id")  # fmt: skip
    is_ect = pl.col("participant_type") == "ect"
    fundable = pl.when(is_ect).then("ect_first_became_eligible_at").otherwise("mentor_first_became_eligible_at")
    made = made.with_columns(fundable=fundable.is_not_null(), created_day=pl.col("created_at").dt.date())
    made = _attached(made, statements)
    made = _voided_and_clawed_back(made, statements, now.date())
    mentors = mentorships.join(
        school_periods.select(mentor_school_period_id="school_period_id", mentor_id="participant_id"),
        on="mentor_school_period_id",
    ).select(school_period_id="ect_school_period_id", mentor_id="mentor_id")
    made = made.join(mentors, on="school_period_id", how="left").join(
        school_years.select("school_id", "contract_period", "pupil_premium_uplift", "sparsity_uplift"),
        on=["school_id", "contract_period"], how="left",
    )  # fmt: skip
    earns = (pl.col("declaration_type") == "started") & (pl.col("contract_period") <= 2024)
    made = made.sort("created_at", "training_period_id", "declaration_type")
    return made.select(
        uuids("declarations", made.height).alias("declaration_id"),
        "training_period_id",
        "declaration_type",
        "declaration_date",
        _evidence().alias("evidence_held"),
        "delivery_partner_id",
        pl.when(is_ect).then("mentor_id").alias("mentor_id"),
        "payment_status",
        "clawback_status",
        "payment_statement_id",
        "clawback_statement_id",
        (earns & holds(pl.col("pupil_premium_uplift"))).alias("pupil_premium_uplift"),
        (earns & holds(pl.col("sparsity_uplift"))).alias("sparsity_uplift"),
        pl.lit(None, pl.String).alias("your_reference"),
        "created_at",
        pl.col("created_at").alias("updated_at"),
    )


def _windows(milestones: pl.DataFrame) -> pl.DataFrame:
    """When each type is declared: the milestone's window; where it is open-ended, the cohort's terms.

    Returns contract_period, season, declaration_type, opens, closes (days).
    """
    dated = milestones.filter(
        pl.col("schedule_identifier").str.starts_with("ecf-standard") & (pl.col("contract_period") == 2024)
    )
    years = milestones.select(pl.col("contract_period").unique()).with_columns(pl.col("contract_period") - 2024)
    pattern = dated.drop("contract_period").join(years.rename({"contract_period": "later"}), how="cross")
    return pattern.select(
        (pl.col("later") + 2024).alias("contract_period"),
        pl.col("schedule_identifier").str.replace("ecf-standard-", "").alias("season"),
        "declaration_type",
        pl.col("start_date").dt.offset_by(pl.format("{}y", "later")).alias("opens"),
        pl.col("milestone_date").dt.offset_by(pl.format("{}y", "later")).alias("closes"),
    ).join(
        milestones.filter(pl.col("contract_period") == 2021)
        .select(
            "contract_period",
            pl.col("schedule_identifier").str.replace("ecf-standard-", "").alias("season"),
            "declaration_type",
            early="start_date",
            early_end="milestone_date",
        ),
        on=["contract_period", "season", "declaration_type"],
        how="left",
    ).with_columns(opens=pl.coalesce("early", "opens"), closes=pl.coalesce("early_end", "closes"))  # fmt: skip


def _made(chain: pl.DataFrame, windows: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Who was declared for what, when: one a milestone, in order, while the training period that is declared on ran."""
    able = (
        chain.filter(pl.col("fate") != "interest")
        .join(
            windows.select("contract_period", "season", "declaration_type", "opens", "closes"),
            on=["contract_period", "season"],
        )
        .sort("training_period_id", "declaration_type")
    )
    mentor_from_2025 = (pl.col("participant_type") == "mentor") & (pl.col("contract_period") >= 2025)
    able = able.filter(~mentor_from_2025 | pl.col("declaration_type").is_in(["started", "completed"]))
    # Funded mentors finish within their first year.
    hurried = mentor_from_2025 & (pl.col("declaration_type") == "completed")
    able = able.with_columns(
        pl.when(hurried).then(pl.col("opens").dt.offset_by("-1y")).otherwise("opens").alias("opens"),
        pl.when(hurried).then(pl.col("closes").dt.offset_by("-1y")).otherwise("closes").alias("closes"),
    )
    opens = pl.max_horizontal("opens", pl.col("started_on") + pl.duration(days=5))
    width = (pl.col("closes") - opens).dt.total_days() - 12
    size = able.height
    day = opens + pl.duration(days=(draws("declared day", size) * width).cast(pl.Int64))
    minute = whole("declared minute", size, 540)
    able = able.with_columns(width=width, day=day).with_columns(
        (pl.col("day").cast(INSTANT) + pl.duration(hours=8, minutes=pl.lit(minute))).alias("declaration_date")
    )
    created = pl.col("declaration_date") + pl.duration(days=pl.lit(whole("delay", size, 8) + 1), hours=1)
    likely = pl.when(pl.col("participant_type") == "ect").then(DECLARED["ect"]).otherwise(DECLARED["mentor"])
    able = able.with_columns(created_at=created)
    return able.filter(
        (draws("declared", size) < likely)
        & (pl.col("width") >= 0)
        & (pl.col("created_at") < now)
        & (pl.col("finished_on").is_null() | (pl.col("created_at").dt.date() < pl.col("finished_on")))
    ).unique(["participant_id", "participant_type", "declaration_type"], keep="first", maintain_order=True)


def _attached(made: pl.DataFrame, statements: pl.DataFrame) -> pl.DataFrame:
    """The first output statement whose deadline had not passed when the declaration was made; none when not fundable."""
    outputs = statements.filter(fee_type="output").select(
        "lead_provider_id", "contract_period", "statement_id", "deadline_date", "status"
    ).sort("deadline_date")  # fmt: skip
    made = made.sort("created_day").join_asof(
        outputs, left_on="created_day", right_on="deadline_date", by=["lead_provider_id", "contract_period"],
        strategy="forward", check_sortedness=False, suffix="_statement",
    )  # fmt: skip
    frozen = pl.lit(False)
    for year, day in ((2021, pl.date(2024, 6, 18)), (2022, pl.date(2025, 6, 16))):
        frozen = frozen | ((pl.col("contract_period") == year) & (pl.col("created_day") >= day))
    made = made.filter(pl.col("statement_id").is_not_null() & ~frozen)
    # Those without an induction record are few, and only the recent ones were kept waiting.
    waiting = ~pl.col("fundable") & (pl.col("contract_period") >= 2024)
    status = pl.when(waiting).then(pl.lit("no_payment")).when(pl.col("status") == "open").then(pl.lit("eligible"))
    made = made.filter(pl.col("fundable") | waiting)
    return made.with_columns(
        status.otherwise(pl.col("status")).alias("payment_status"),
        pl.when(~waiting).then("statement_id").alias("payment_statement_id"),
    )


def _voided_and_clawed_back(made: pl.DataFrame, statements: pl.DataFrame, day: date) -> pl.DataFrame:
    """A few declarations were withdrawn before payment, a few after; some of the former were made again."""
    made = made.sort("training_period_id", "declaration_type")
    draw = draws("withdrawn declaration", made.height)
    outputs = statements.filter(fee_type="output").select(
        "lead_provider_id", "contract_period", "deadline_date",
        clawback_statement_id="statement_id", refund_status="status",
    ).sort("deadline_date")  # fmt: skip
    made = made.with_columns(draw.alias("draw"), (pl.col("deadline_date") + pl.duration(days=60)).alias("asked_on"))
    made = made.sort("asked_on").join_asof(
        outputs, left_on="asked_on", right_on="deadline_date", by=["lead_provider_id", "contract_period"],
        strategy="forward", check_sortedness=False, suffix="_refund",
    )  # fmt: skip
    voided = pl.col("draw") < 0.015
    asked = pl.col("asked_on") < pl.lit(day)
    refunded = (pl.col("draw") > 0.993) & (pl.col("payment_status") == "paid")
    refunded = refunded & pl.col("clawback_statement_id").is_not_null() & asked
    settled = (
        pl.when(pl.col("refund_status") == "paid").then(pl.lit("clawed_back")).otherwise(pl.lit("awaiting_clawback"))
    )
    made = made.with_columns(
        pl.when(voided).then(pl.lit("voided")).otherwise(pl.col("payment_status")).alias("payment_status"),
        pl.when(refunded).then(settled).otherwise(pl.lit("no_clawback")).alias("clawback_status"),
        pl.when(refunded).then("clawback_statement_id").alias("clawback_statement_id"),
    )
    again = made.filter((pl.col("draw") < 0.007) & pl.col("payment_statement_id").is_not_null()).with_columns(
        pl.when(pl.col("status") == "open")
        .then(pl.lit("eligible"))
        .otherwise(pl.col("status"))
        .alias("payment_status"),
        (pl.col("created_at") + pl.duration(minutes=90)).alias("created_at"),
    )
    return pl.concat([made, again])


def _evidence() -> pl.Expr:
    detailed, kind = pl.col("contract_period") >= 2025, pl.col("declaration_type")
    thorough = kind.is_in(["retained-2", "completed"])
    return (
        pl.when(detailed & thorough).then(pl.lit("75-percent-engagement-met"))
        .when(detailed | (kind != "started")).then(pl.lit("training-event-attended"))
    )  # fmt: skip
