"""What each declaration would pay that could still be made: the statement computed as if all of them had been."""

from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from schemas.accounts import Accounts
from schemas.frames import joined
from schemas.lifecycle import statement_month
from schemas.outbound.forecast import FORECAST
from schemas.vocabulary import COURSES, DECLARATION_TYPE
from transforms.money.amounts import pence_text
from transforms.money.holding import held_for_prices
from transforms.money.statements import compute_figures

_PRICED_BY = (
    "statement_id", "declaration_id", "line_type", "participant_type", "declaration_type", "declaration_date", "created_at",
    "pupil_premium_uplift", "sparsity_uplift",
)  # fmt: skip


BEYOND = "Beyond the last band of your contract: accepted if you declare it, and paid nothing."


@dataclass(frozen=True)
class Forecast:
    """rows: FORECAST's, all text. totals: statement_month, contract_period, deadline_date (day), state, declarations, pence,
    over: how many of them are beyond the last band; again, pence_again: those that are possible for an earlier statement, too.
    reasons: the same of what is blocked, by in_the_way in place of state.
    closing: of what is possible: statement_month, contract_period, closes_on (day): the last day as which it may be dated,
    where that is still to come before the deadline, else the deadline; declarations, pence."""

    rows: pl.DataFrame
    totals: pl.DataFrame
    reasons: pl.DataFrame
    closing: pl.DataFrame


def forecast(
    accounts: Accounts, candidates: pl.DataFrame, names: pl.DataFrame, schools: pl.DataFrame, today: date
) -> Forecast:
    """accounts: of one lead provider's near statements. candidates: as transforms.forecast.candidates gives them. names:
    participant_id, full_name.
    schools: school_id, school_name. A statement that cannot be priced is left out."""
    unpriced = held_for_prices(accounts)["statement_id"]
    chosen = accounts.chosen.filter(~accounts.chosen.is_in(unpriced.implode()))
    accounts = replace(accounts, chosen=chosen)
    on_chosen = pl.col("statement_id").is_in(chosen.implode())
    there = accounts.declarations.filter(on_chosen)
    # The next places go to what is possible, by the day as which it is dated: as a statement gives them; then to what is blocked.
    rows = candidates.filter(on_chosen).sort(~pl.col("is_possible"), "declaration_date", maintain_order=True)
    rows = rows.with_row_index("place").with_columns(declaration_id=pl.col("place").cast(pl.String).str.zfill(9))
    # What names a school or partner that is not in the records cannot be shown.
    rows = joined(joined(rows, names, "participant_id"), schools, "school_id").drop_nulls(
        ["school_name", "delivery_partner_name"]
    )
    possible = rows.filter("is_possible")
    worth = _priced(accounts, there, possible)
    more = _priced(accounts, there, pl.concat([possible, rows.filter(~pl.col("is_possible"))]))
    declared = _declared(there, accounts).join(worth, on=["statement_id", "declaration_id"], maintain_order="left")
    state = pl.when("is_possible").then(pl.lit("possible")).otherwise(pl.lit("blocked"))
    offered = pl.concat(
        [
            part.join(prices, on=["statement_id", "declaration_id"], maintain_order="left")
            for part, prices in ((possible, worth), (rows.filter(~pl.col("is_possible")), more))
        ]
    ).with_columns(state=state, in_the_way=pl.coalesce("in_the_way", pl.when("is_over").then(pl.lit(BEYOND))))
    every = _with_again(pl.concat([_shown(declared), _shown(offered)]))
    key = ["statement_month", "contract_period", "deadline_date"]
    counts = (
        pl.len().alias("declarations"),
        pl.col("pence").sum(),
        pl.col("is_over").sum().cast(pl.Int64).alias("over"),
        pl.col("is_again").sum().cast(pl.Int64).alias("again"),
        pl.col("pence").filter("is_again").sum().alias("pence_again"),
    )
    totals = every.group_by(*key, "state").agg(counts).sort(*key, "state")
    reasons = every.filter(pl.col("state") == "blocked").group_by(*key, "in_the_way").agg(counts)
    reasons = reasons.sort("declarations", "in_the_way", descending=[True, False])
    is_closing = pl.col("window_closes").is_between(today, pl.col("deadline_date"))
    closes = pl.when(is_closing).then("window_closes").otherwise("deadline_date").alias("closes_on")
    closing = every.filter(pl.col("state") == "possible").group_by("statement_month", "contract_period", closes).agg(
        pl.len().alias("declarations"), pl.col("pence").sum()
    )  # fmt: skip
    return Forecast(_written(every), totals, reasons, closing.sort("statement_month", "contract_period", "closes_on"))


def _with_again(rows: pl.DataFrame) -> pl.DataFrame:
    """is_again: whether the same declaration is possible for an earlier statement of the contract period, too."""
    whose = ["contract_period", "participant_id", "course_identifier", "declaration_type"]
    is_possible = pl.col("state") == "possible"
    first = pl.col("deadline_date").filter(is_possible).min().over(whose)
    return rows.with_columns(is_again=is_possible & (pl.col("deadline_date") > first))


def _priced(accounts: Accounts, there: pl.DataFrame, offered: pl.DataFrame) -> pl.DataFrame:
    """statement_id, declaration_id, pence (uplift included), is_over (beyond the last band) of what is there and what is
    offered. The offered take the next places,
    in their order: dated after all that is there."""
    latest = pl.max_horizontal(there["declaration_date"].max(), offered["declaration_date"].max())
    entries = offered.with_columns(line_type=pl.lit("output"), declaration_date=latest, created_at=latest)
    entries = entries.cast(
        {"declaration_date": there.schema["declaration_date"], "created_at": there.schema["created_at"]}
    )
    both = pl.concat([there.select(_PRICED_BY), entries.select(_PRICED_BY)], how="vertical_relaxed")
    figures = compute_figures(replace(accounts, declarations=both))
    paid = figures.declarations.filter(pl.col("line_type") == "output")
    is_over = pl.col("nothing_because").eq_missing(pl.lit("over-volume")).alias("is_over")
    return paid.select("statement_id", "declaration_id", is_over, pence=pl.col("pence") + pl.col("uplift_pence"))


def _declared(there: pl.DataFrame, accounts: Accounts) -> pl.DataFrame:
    """What is on the statements already, in the columns of candidates that a forecast shows."""
    heads = accounts.wanted.select(
        "statement_id", "contract_period", "deadline_date", statement_month=statement_month()
    )
    rows = there.filter(pl.col("line_type") == "output").join(heads, on="statement_id", maintain_order="left")
    nothing, no_day = pl.lit(None, pl.String), pl.lit(None, pl.Date)
    return rows.with_columns(
        course_identifier=pl.col("participant_type").replace_strict(COURSES, return_dtype=pl.String),
        state=pl.lit("declared"), window_opens=no_day, window_closes=no_day, evidence_wanted=nothing, in_the_way=nothing,
    )  # fmt: skip


def _shown(rows: pl.DataFrame) -> pl.DataFrame:
    shown = [name for name in FORECAST.columns if name != "expected_amount"]
    return rows.select(*shown, "is_over", pl.col("pence").cast(pl.Int64)).cast({"contract_period": pl.Int64})


def _written(rows: pl.DataFrame) -> pl.DataFrame:
    order = ["statement_month", "contract_period", "participant_id", "course_identifier"]
    rows = rows.sort(*order, pl.col("declaration_type").cast(DECLARATION_TYPE), "state")
    days = pl.col("window_opens", "window_closes", "deadline_date").dt.to_string("%Y-%m-%d")
    return FORECAST.rows(rows.with_columns(days, expected_amount=pence_text(pl.col("pence")))).cast(pl.String)
