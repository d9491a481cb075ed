"""Counts → lines → totals: every figure of a statement, exact until the pence (handbook: payments 3 to 8)."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from schemas.vocabulary import DECLARATION_TYPE, FACTS
from transforms.money.amounts import MICROS_IN_A_PENNY
from transforms.money.pence import rounded, shared_pence, shared_pence_by_group

BANDING = (Path(__file__).parent / "banding.sql").read_text(encoding="utf-8")
SERVICE_FEE_MONTHS = 29
# What a line is about; `role` is empty where a contract does not part ECTs from mentors.
LINE_KEY = ["statement_id", "section", "role", "declaration_type", "band"]
LINES = {
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
}


@dataclass(frozen=True)
class Figures:
    """What statements come to.

    lines: LINES, in the order of statement.csv; rate_micros in millionths of a pound, pence negative for money owed to
        DfE; label says what an adjustment is for
    declarations: the accounts' declarations with band, position, rate_micros, pence, uplift_pence, role, nothing_because
        (why a declaration is worth nothing: transforms/money/banding.sql)
    """

    lines: pl.DataFrame
    declarations: pl.DataFrame


def compute_figures(
    statements: pl.DataFrame,
    chosen: pl.Series,
    bands: pl.DataFrame,
    units: pl.DataFrame,
    declarations: pl.DataFrame,
    adjustments: pl.DataFrame,
) -> Figures:
    """Compute the chosen statements. The frames are those of data.accounts.Accounts."""
    wanted = statements.filter(pl.col("statement_id").is_in(chosen.implode()))
    priced = _priced(statements, chosen, bands, units, declarations)
    priced = _with_roles_and_uplifts(priced, wanted)
    counted = _counted(priced)
    rows: list[dict[str, Any]] = []
    by_statement = {key[0]: part.to_dicts() for key, part in counted.partition_by("statement_id", as_dict=True).items()}
    adjusted = {key[0]: part.to_dicts() for key, part in adjustments.partition_by("statement_id", as_dict=True).items()}
    terms = {key[0]: part.to_dicts() for key, part in bands.partition_by("contract_id", as_dict=True).items()}
    for statement in wanted.sort("statement_id").iter_rows(named=True):
        own = statement["statement_id"]
        rows += _statement_lines(
            statement, by_statement.get(own, []), adjusted.get(own, []), terms.get(statement["contract_id"], [])
        )
    lines = pl.DataFrame(rows, schema=LINES)
    return Figures(lines, _with_pence(priced, lines))


def _priced(
    statements: pl.DataFrame, chosen: pl.Series, bands: pl.DataFrame, units: pl.DataFrame, declarations: pl.DataFrame
) -> pl.DataFrame:
    """declarations with row, position, band and rate_micros (signed), by transforms/money/banding.sql."""
    declarations = declarations.with_row_index("row")
    proportions = pl.read_csv(FACTS / "fee_proportions.csv", infer_schema=False).with_columns(
        pl.col("fee_proportion").cast(pl.Decimal(3, 2))
    )
    with duckdb.connect() as connection:
        frames = {
            "statements": statements.select(
                "statement_id", "lead_provider_id", "contract_period", "contract_type", "contract_id", "payment_date",
                "mentor_fee_per_declaration",
            ),
            "chosen": chosen.to_frame("statement_id"),
            "bands": bands,
            "units": units,
            "proportions": proportions,
            "entries": declarations.select(
                "row", "statement_id", "line_type", "participant_type", "declaration_type", "declaration_date",
                "created_at", "declaration_id",
            ),
        }  # fmt: skip
        for name, frame in frames.items():
            connection.register(name, frame.to_arrow(compat_level=pl.CompatLevel.oldest()))
        answer = connection.sql(
            "SELECT row, position, band, CAST(unit_fee * 1000000 AS BIGINT) AS unit_micros, nothing_because "
            f"FROM ({BANDING})"
        ).to_arrow_table()
    units_priced = pl.DataFrame(pl.from_arrow(answer))
    joined = declarations.join(units_priced.cast({"row": pl.UInt32}), on="row", how="left", maintain_order="left")
    sign = pl.when(pl.col("line_type") == "clawback").then(-1).otherwise(1)
    return joined.with_columns((pl.col("unit_micros") * sign).alias("rate_micros")).drop("row", "unit_micros")


def _with_roles_and_uplifts(priced: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """role (null under `ecf`), uplift_pence (signed; 0 where none is earned or given back), is_priced."""
    fee = (pl.col("uplift_fee_per_declaration").fill_null(0) * 100).cast(pl.Int64).alias("uplift_fee_pence")
    terms = wanted.select("statement_id", "contract_type", fee)
    priced = priced.join(terms, on="statement_id", how="left", maintain_order="left")
    flagged = pl.col("pupil_premium_uplift") | pl.col("sparsity_uplift")
    sign = (
        pl.when(pl.col("line_type") == "clawback").then(-1).when(pl.col("line_type") == "output").then(1).otherwise(0)
    )
    return priced.with_columns(
        pl.when(pl.col("contract_type") != "ecf").then("participant_type").alias("role"),
        pl.when(flagged).then(sign * pl.col("uplift_fee_pence")).otherwise(0).alias("uplift_pence"),
        (pl.col("line_type").is_in(["output", "clawback"])).alias("is_priced"),
        pl.col("line_type").alias("section"),
    )


def _counted(priced: pl.DataFrame) -> pl.DataFrame:
    """A row per statement, section, role, type and band: count, rate_micros. Uplifts too, with their own section."""
    outputs = priced.filter("is_priced").group_by(*LINE_KEY, "rate_micros").agg(pl.len().cast(pl.Int64).alias("count"))
    uplifts = priced.filter(pl.col("uplift_pence") != 0).group_by(
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
    terms: list[dict[str, Any]],
) -> Iterator[dict[str, Any]]:
    """The lines of one statement, VAT and total last, pence shared so that they add up."""
    lines: list[dict[str, Any]] = []
    for group in counted:
        exact = Fraction(group["rate_micros"] * group["count"], 1_000_000)
        lines.append({**group, "participant_type": group["role"], "exact": exact})
    lines.append({"section": "service-fee", "exact": monthly_service_fee(statement, terms)})
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
    """The contract's rate for a provider registered for VAT, else nothing (payments 7)."""
    return Fraction(statement["vat_rate"]) if statement["vat_registered"] else Fraction()


def monthly_service_fee(contract: dict[str, Any], terms: list[dict[str, Any]]) -> Fraction:
    """The fee that every statement carries (payments 6; RECT app/services/payment_calculator/service_fees.rb).

    contract: monthly_service_fee (0 is a statement, null is not), recruitment_target, setup_fee. terms: the bands, lowest
    first. A target beyond all capacity earns nothing more.
    """
    stated: Decimal | None = contract["monthly_service_fee"]
    if stated is not None:
        return Fraction(stated)
    if not terms:
        return Fraction()
    remaining, whole = contract["recruitment_target"], Fraction()
    for term in terms:
        filled = min(remaining, term["capacity"])
        remaining -= filled
        whole += filled * Fraction(term["fee_per_declaration"]) * Fraction(term["service_fee_ratio"])
    first = terms[0]["capacity"]
    setup = min(contract["recruitment_target"], first) * Fraction(contract["setup_fee"]) / first
    return (whole - setup) / SERVICE_FEE_MONTHS


def _with_pence(priced: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Each line's pence over its declarations, in the order in which they were placed."""
    whole = lines.filter(pl.col("section").is_in(["output", "clawback"])).select(
        "statement_id", "section", pl.col("participant_type").alias("role"), "declaration_type", "band",
        pl.col("pence").alias("total"),
    )  # fmt: skip
    paid = priced.filter("is_priced").join(whole, on=LINE_KEY, how="left", nulls_equal=True, maintain_order="left")
    paid = paid.with_columns(numerator=pl.col("rate_micros"), denominator=pl.lit(MICROS_IN_A_PENNY, pl.Int64))
    order = ["declaration_date", "created_at", "declaration_id"]
    paid = paid.with_columns(shared_pence_by_group(paid, LINE_KEY, order).alias("pence"))
    rest = priced.filter(~pl.col("is_priced")).with_columns(pl.lit(0, pl.Int64).alias("pence"))
    return pl.concat([paid.drop("total", "numerator", "denominator"), rest], how="diagonal_relaxed")
