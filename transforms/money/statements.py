"""Counts → lines → totals: every figure of a statement, exact until the pence (transforms/README.md)."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import polars as pl

from schemas.accounts import Accounts
from schemas.frames import joined
from schemas.vocabulary import DECLARATION_TYPE
from transforms.money.amounts import MICROS_IN_A_PENNY
from transforms.money.pence import rounded, shared_pence, shared_pence_by_group
from transforms.money.pricing import priced
from transforms.money.service_fees import ServiceFee, monthly_service_fee

# What a line is about; `role` is empty where a contract does not part ECTs from mentors.
LINE_KEY = ["statement_id", "section", "role", "declaration_type", "band"]
LINES: dict[str, pl.DataType | type[pl.DataType]] = {
    "statement_id": pl.String,
    "line": pl.Int64,
    "section": pl.String,
    "participant_type": pl.String,
    "declaration_type": pl.String,
    "band": pl.String,
    "count": pl.Int64,
    "rate_micros": pl.Int64,
    "pence": pl.Int64,
    "label": pl.String,
    # What the rate is made of, and why it is nothing.
    "proportion": pl.Decimal(3, 2),
    "ratio": pl.Decimal(3, 2),
    "fee": pl.Decimal(12, 2),
    "nothing_because": pl.String,
}
_MADE_OF = ("proportion", "ratio", "fee", "nothing_because")


@dataclass(frozen=True)
class Figures:
    """What statements come to.

    lines: LINES, in the order of statement.csv; rate_micros in millionths of a pound, pence negative for money owed to
        DfE; label says what an adjustment is for
    declarations: the accounts' declarations with band, position, rate_micros, pence, uplift_pence, role, proportion, ratio, fee,
        nothing_because (why a declaration is worth nothing: transforms/money/banding.sql)
    prices: what one declaration would be worth in each band: contract_id, counted_as, declaration_type, band, proportion,
        ratio, fee, unit_micros
    service_fees: statement_id → the fee that it carries, and what that is made of
    """

    lines: pl.DataFrame
    declarations: pl.DataFrame
    prices: pl.DataFrame
    service_fees: dict[str, ServiceFee]


def compute_figures(accounts: Accounts) -> Figures:
    """Compute the chosen statements."""
    wanted = accounts.wanted
    worth, prices = priced(accounts)
    worth = _with_roles_and_uplifts(worth, wanted)
    counted, adjusted = _by(_counted(worth), "statement_id"), _by(accounts.adjustments, "statement_id")
    terms = _by(accounts.bands, "contract_id")
    rows: list[dict[str, Any]] = []
    fees: dict[str, ServiceFee] = {}
    for statement in wanted.sort("statement_id").iter_rows(named=True):
        own = statement["statement_id"]
        fees[own] = monthly_service_fee(statement, terms.get(statement["contract_id"], []))
        rows += _statement_lines(statement, counted.get(own, []), adjusted.get(own, []), fees[own].amount)
    lines = pl.DataFrame(rows, schema=LINES)
    return Figures(lines, _with_pence(worth, lines), prices, fees)


def _by(frame: pl.DataFrame, key: str) -> dict[str, list[dict[str, Any]]]:
    return {str(own): part.to_dicts() for (own,), part in frame.partition_by(key, as_dict=True).items()}


def _with_roles_and_uplifts(worth: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """role (null under `ecf`), uplift_pence (signed; 0 where none is earned or given back), is_priced."""
    fee = (pl.col("uplift_fee_per_declaration").fill_null(0) * 100).cast(pl.Int64).alias("uplift_fee_pence")
    terms = wanted.select("statement_id", "contract_type", fee)
    worth = joined(worth, terms, "statement_id")
    flagged = pl.col("pupil_premium_uplift") | pl.col("sparsity_uplift")
    sign = (
        pl.when(pl.col("line_type") == "clawback").then(-1).when(pl.col("line_type") == "output").then(1).otherwise(0)
    )
    return worth.with_columns(
        pl.when(pl.col("contract_type") != "ecf").then("participant_type").alias("role"),
        pl.when(flagged).then(sign * pl.col("uplift_fee_pence")).otherwise(0).alias("uplift_pence"),
        (pl.col("line_type").is_in(["output", "clawback"])).alias("is_priced"),
        pl.col("line_type").alias("section"),
    )


def _counted(worth: pl.DataFrame) -> pl.DataFrame:
    """A row per statement, section, role, type and band: count, rate_micros. Uplifts too, with their own section."""
    outputs = (
        worth.filter("is_priced")
        .group_by(*LINE_KEY, "rate_micros", *_MADE_OF)
        .agg(pl.len().cast(pl.Int64).alias("count"))
    )
    uplifts = worth.filter(pl.col("uplift_pence") != 0).group_by(
        "statement_id",
        pl.when(pl.col("line_type") == "output").then(pl.lit("uplift")).otherwise(pl.lit("uplift-clawback")).alias("section"),
        "role",
        pl.col("declaration_type"),
        (pl.col("uplift_pence") * MICROS_IN_A_PENNY).alias("rate_micros"),
    ).agg(pl.len().cast(pl.Int64).alias("count"))  # fmt: skip
    order = pl.col("section").replace_strict({"output": 0, "clawback": 1, "uplift": 2, "uplift-clawback": 3})
    both = pl.concat([outputs, uplifts], how="diagonal")
    return both.sort(
        "statement_id",
        order,
        "role",
        pl.col("declaration_type").cast(DECLARATION_TYPE),
        "band",
        nulls_last=[False, False, False, False, True],
    )


def _statement_lines(
    statement: dict[str, Any],
    counted: list[dict[str, Any]],
    adjustments: list[dict[str, Any]],
    service_fee: Fraction,
) -> Iterator[dict[str, Any]]:
    """The lines of one statement, VAT and total last, pence shared so that they add up."""
    lines: list[dict[str, Any]] = []
    for group in counted:
        exact = Fraction(group["rate_micros"] * group["count"], 1_000_000)
        lines.append({**group, "participant_type": group["role"], "exact": exact})
    lines.append({"section": "service-fee", "exact": service_fee})
    for adjustment in adjustments:
        amount = Fraction(adjustment["amount"])
        lines.append({"section": "adjustment", "label": adjustment["payment_type"], "exact": amount})
    subtotal = sum((line["exact"] for line in lines), Fraction())
    vat = subtotal * vat_rate(statement)
    total, vat_pence = rounded(subtotal + vat), rounded(vat)
    shared = shared_pence([line["exact"] for line in lines], total - vat_pence)
    for number, (line, pence) in enumerate(zip(lines, shared, strict=True), 1):
        yield _line(statement, number, pence, **line)
    rate = int(vat_rate(statement) * 1_000_000)
    yield _line(statement, len(lines) + 1, vat_pence, section="vat", rate_micros=rate)
    yield _line(statement, len(lines) + 2, total, section="total")


def _line(statement: dict[str, Any], number: int, pence: int, **facts: Any) -> dict[str, Any]:
    line = {name: facts.get(name) for name in LINES}
    return line | {"statement_id": statement["statement_id"], "line": number, "pence": pence}


def vat_rate(statement: dict[str, Any]) -> Fraction:
    """The contract's rate for a provider registered for VAT, else nothing."""
    return Fraction(statement["vat_rate"]) if statement["vat_registered"] else Fraction()


def _with_pence(worth: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Each line's pence over its declarations, in the order in which they were placed."""
    whole = lines.filter(pl.col("section").is_in(["output", "clawback"])).select(
        "statement_id", "section", pl.col("participant_type").alias("role"), "declaration_type", "band",
        pl.col("pence").alias("total"),
    )  # fmt: skip
    paid = joined(worth.filter("is_priced"), whole, LINE_KEY, nulls_equal=True)
    paid = paid.with_columns(numerator=pl.col("rate_micros"), denominator=pl.lit(MICROS_IN_A_PENNY, pl.Int64))
    order = ["declaration_date", "created_at", "declaration_id"]
    paid = paid.with_columns(shared_pence_by_group(paid, LINE_KEY, order).alias("pence"))
    rest = worth.filter(~pl.col("is_priced")).with_columns(pl.lit(0, pl.Int64).alias("pence"))
    return pl.concat([paid.drop("total", "numerator", "denominator"), rest], how="diagonal_relaxed")
