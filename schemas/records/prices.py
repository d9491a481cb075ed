"""What has no price, and what would be counted wrong: refused at the load, held back where it stands in the records.

A statement must never say £0.00, or “over contract volume”, for a reason that is not it.
Only contracts with a statement not yet paid matter: what is paid is frozen. Frames as in schemas.records.tables, text or typed.
"""

from dataclasses import dataclass

import polars as pl

from schemas.facts import fee_proportions
from schemas.lifecycle import PAID_FOR, TAKEN_BACK

OWNER = ["lead_provider_id", "contract_period"]
NO_TERMS, NO_BAND, NO_BANDS, NO_MENTOR_FEE, NO_PROPORTION = (
    "no-terms", "no-band", "no-bands", "no-mentor-fee", "no-proportion",
)  # fmt: skip
SAME_MONTH, SAME_PAYMENT_DATE = "same-month", "same-payment-date"


@dataclass(frozen=True)
class Problem:
    """A kind of problem, in words for DfE: with the table and the column that are to be corrected."""

    code: str
    table: str
    column: str
    words: str


PROBLEMS = {
    each.code: each
    for each in (
        Problem(NO_TERMS, "bands", "band",
                "this band has no price in contract {contract_id}, which has a statement not yet paid: add its band_terms"),
        Problem(NO_BAND, "band_terms", "band",
                "there is no such band for the contract's lead provider and contract period: add it to bands, or remove the terms"),
        Problem(NO_BANDS, "contracts", "contract_id",
                "this contract has a statement not yet paid and no bands, and so no prices: add bands and band_terms"),
        Problem(NO_MENTOR_FEE, "contracts", "mentor_fee_per_declaration",
                "is empty, and mentors' declarations are on a statement of this contract not yet paid: give the fee"),
        Problem(NO_PROPORTION, "declarations", "declaration_type",
                "a {participant_type}'s {declaration_type} has no fee proportion under contract type {contract_type}, and so no "
                "price: correct the type, or void it"),
        Problem(SAME_MONTH, "statements", "month",
                "the lead provider and contract period have another statement of this month, {other}: one of the two is wrong"),
        Problem(SAME_PAYMENT_DATE, "statements", "payment_date",
                "another statement of the lead provider and contract period, {other}, has this payment date: neither would count "
                "the other's declarations; give them different dates"),
    )
}  # fmt: skip


def unpaid_contracts(contracts: pl.DataFrame, statements: pl.DataFrame) -> pl.DataFrame:
    """The contracts with a statement not yet paid."""
    return contracts.join(statements.filter(pl.col("status") != "paid"), on="contract_id", how="semi")


def mismatched_bands(contracts: pl.DataFrame, bands: pl.DataFrame, band_terms: pl.DataFrame) -> pl.DataFrame:
    """Of these contracts: code (NO_TERMS, NO_BAND, NO_BANDS), contract_id, lead_provider_id, contract_period, band."""
    wanted = contracts.select("contract_id", *OWNER).join(bands.select(*OWNER, "band"), on=OWNER)
    given = contracts.select("contract_id", *OWNER).join(band_terms.select("contract_id", "band"), on="contract_id")
    key, columns = ["contract_id", "band"], ["contract_id", *OWNER, "band"]
    none = contracts.join(wanted, on="contract_id", how="anti").join(given, on="contract_id", how="anti")
    return pl.concat(
        [
            wanted.join(given, on=key, how="anti").select(pl.lit(NO_TERMS).alias("code"), *columns),
            given.join(wanted, on=key, how="anti").select(pl.lit(NO_BAND).alias("code"), *columns),
            none.select(pl.lit(NO_BANDS).alias("code"), "contract_id", *OWNER, pl.lit(None, pl.String).alias("band")),
        ]
    )


def clashing_statements(statements: pl.DataFrame) -> pl.DataFrame:
    """Statements of one lead provider and contract period of which one is not yet paid, that share a month or a payment
    date: code, statement_id, other (the one that it meets). statements: with OWNER."""
    unpaid = statements.filter(pl.col("status") != "paid").select(OWNER).unique()
    concerned = statements.join(unpaid, on=OWNER, how="semi")
    found = []
    for code, same in ((SAME_MONTH, ["year", "month"]), (SAME_PAYMENT_DATE, ["payment_date"])):
        pairs = concerned.select(*OWNER, *same, "statement_id").join(
            concerned.select(*OWNER, *same, other="statement_id"), on=[*OWNER, *same]
        )
        met = pairs.filter(pl.col("statement_id") != pl.col("other"))
        found.append(met.select(pl.lit(code).alias("code"), "statement_id", "other"))
    return pl.concat(found).unique(["code", "statement_id"], keep="first", maintain_order=True)


def unpriced(declarations: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Declarations that their contract has no price for: code (NO_MENTOR_FEE, NO_PROPORTION), contract_id and the columns
    given. declarations: contract_id, participant_type, declaration_type; contracts: contract_type, mentor fee."""
    priced = fee_proportions().select("contract_type", "calculator", "declaration_type", has_proportion=pl.lit(True))
    terms = contracts.select(
        "contract_id", "contract_type", has_mentor_fee=pl.col("mentor_fee_per_declaration").is_not_null()
    )
    flat = (pl.col("contract_type") != "ecf") & (pl.col("participant_type") == "mentor")
    rows = declarations.join(terms, on="contract_id", maintain_order="left").with_columns(
        pl.when(flat).then(pl.lit("flat_rate")).otherwise(pl.lit("banded")).alias("calculator")
    )
    rows = rows.join(priced.unique(), on=["contract_type", "calculator", "declaration_type"], how="left")
    code = (
        pl.when(pl.col("has_proportion").is_null()).then(pl.lit(NO_PROPORTION))
        .when((pl.col("calculator") == "flat_rate") & ~pl.col("has_mentor_fee")).then(pl.lit(NO_MENTOR_FEE))
    )  # fmt: skip
    return rows.with_columns(code.alias("code")).filter(pl.col("code").is_not_null()).drop(
        "has_proportion", "has_mentor_fee", "calculator"
    )  # fmt: skip


def counted_declarations(declarations: pl.DataFrame, statements: pl.DataFrame) -> pl.DataFrame:
    """The declarations that statements not yet paid pay for or take back: declaration_id, training_period_id,
    declaration_type, statement_id, contract_id."""
    unpaid = statements.filter(pl.col("status") != "paid").select("statement_id", "contract_id")
    sides = [
        declarations.filter(pl.col(side.status).is_in(side.statuses))
        .select("declaration_id", "training_period_id", "declaration_type", statement_id=side.link)
        .join(unpaid, on="statement_id", maintain_order="left")
        for side in (PAID_FOR, TAKEN_BACK)
    ]
    return pl.concat(sides)
