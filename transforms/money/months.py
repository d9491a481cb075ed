"""Over statements as they were delivered: a month's sums, and the ledger. Nothing is computed anew: figures are those of the
files, in whole pence, and what does not add up to them is told."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from schemas.frames import joined
from schemas.outbound.months import LEDGER, SUMMARY
from schemas.vocabulary import OF_DECLARATIONS, SECTIONS
from transforms.money.amounts import pence_text
from transforms.money.version_changes import pence_of

SECTION = pl.Enum(SECTIONS)
APRIL = 4
HEADS = ("statement_id", "contract_period", "statement_month", "status", "version")


def first_month_of_year(month: str) -> str:
    """The first month of the financial year (April to March) that a month (YYYY-MM) is in."""
    year, number = int(month[:4]), int(month[5:])
    return f"{year if number >= APRIL else year - 1}-{APRIL:02}"


def summary_rows(statements: pl.DataFrame, lines: pl.DataFrame, partners: pl.DataFrame) -> pl.DataFrame:
    """What each statement holds for each delivery partner, and what is nobody's.

    statements: HEADS of the newest versions. lines: statement_id, section, amount (text) of each line. partners: rows of
    delivery-partners.csv with statement_id. Returns the columns of summary.csv, with pence; the total is no row.
    """
    whose = ["statement_id", "delivery_partner_id", "delivery_partner_name", "section"]
    nobodys = lines.filter(~pl.col("section").is_in([*OF_DECLARATIONS, "total"]))
    nothing = pl.lit(None, pl.String)
    rows = pl.concat(
        [
            partners.select(*whose, "amount"),
            nobodys.select("statement_id", nothing.alias(whose[1]), nothing.alias(whose[2]), "section", "amount"),
        ]
    )
    sums = rows.group_by(whose).agg(pence_of("amount").sum().alias("pence"))
    sums = sums.join(statements.select(HEADS), on="statement_id").sort(
        "contract_period", "statement_id", pl.col("delivery_partner_id").is_null(), "delivery_partner_name",
        "delivery_partner_id", pl.col("section").cast(SECTION),
    )  # fmt: skip
    return SUMMARY.rows(sums.with_columns(amount=pence_text(pl.col("pence"))), "pence")


def ledger_rows(statements: pl.DataFrame, declarations: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """declarations: rows of declarations.csv with statement_id, of the newest version of each. pairs: what was clawed back, as
    data.accounts.clawback_pairs gives it. Returns the columns of ledger.csv, by month."""
    rows = joined(declarations.join(statements.select(HEADS), on="statement_id"), pairs, "declaration_id")
    other = (
        pl.when(line_type="clawback")
        .then("payment_statement_id")
        .when(line_type="output")
        .then("clawback_statement_id")
    )
    counted = pl.col("line_type").replace_strict({"output": 0, "clawback": 1, "voided": 2})
    rows = rows.with_columns(pair_statement_id=other).sort(
        "statement_month", "contract_period", "statement_id", counted, "declaration_id"
    )
    return LEDGER.rows(rows)


def not_adding_up(
    statements: pl.DataFrame, lines: pl.DataFrame, rows: pl.DataFrame, sections: tuple[str, ...]
) -> list[str]:
    """The statements whose rows do not come to these sections of their lines. rows: statement_id, pence."""
    own = (
        lines.filter(pl.col("section").is_in(sections))
        .group_by("statement_id")
        .agg(pence_of("amount").sum().alias("own"))
    )
    held = rows.group_by("statement_id").agg(pl.col("pence").sum())
    both = statements.select("statement_id").join(own, on="statement_id", how="left")
    both = both.join(held, on="statement_id", how="left").fill_null(0)
    return both.filter(pl.col("own") != pl.col("pence"))["statement_id"].sort().to_list()


@dataclass(frozen=True)
class PartnerOfMonth:
    """A delivery partner's money in pence: by contract period, and in all."""

    delivery_partner_id: str
    name: str
    by_period: dict[int, int]
    pence: int


def partners_of_month(rows: pl.DataFrame, names: dict[str, str]) -> list[PartnerOfMonth]:
    """rows: as summary_rows gives them. names: of delivery partners, by id. Dearest first."""
    owned = rows.filter(pl.col("delivery_partner_id").is_not_null())
    found: dict[str, dict[int, int]] = {}
    sums = owned.group_by("delivery_partner_id", "contract_period", maintain_order=True).agg(pl.col("pence").sum())
    for own, period, pence in sums.iter_rows():
        found.setdefault(own, {})[period] = pence
    partners = [PartnerOfMonth(own, names[own], by, sum(by.values())) for own, by in found.items()]
    return sorted(partners, key=lambda each: (-each.pence, each.name, each.delivery_partner_id))


def sums_by_period(rows: pl.DataFrame, sections: tuple[str, ...]) -> dict[int, int]:
    """Pence by contract period of these sections. rows: as summary_rows gives them."""
    sums = rows.filter(pl.col("section").is_in(sections)).group_by("contract_period").agg(pl.col("pence").sum())
    return dict(sums.iter_rows())


def distinct_names(declarations: pl.DataFrame, named: pl.DataFrame) -> dict[str, str]:
    """The names of the delivery partners of some declarations, by id; of those that share one, with the id's beginning.

    declarations: rows of declarations.csv. named: delivery_partner_id, name, as the records have it now; whom they have no more
    is called as the files do.
    """
    own = declarations.group_by("delivery_partner_id").agg(pl.col("delivery_partner_name").last())
    own = own.join(named, on="delivery_partner_id", how="left")
    name = pl.coalesce("name", "delivery_partner_name")
    told = pl.when(name.is_duplicated()).then(pl.format("{} ({})", name, pl.col("delivery_partner_id").str.head(8)))
    return dict(own.select("delivery_partner_id", told.otherwise(name)).iter_rows())


def year_so_far(ledger: pl.DataFrame, month: str, names: dict[str, str]) -> list[dict[str, Any]]:
    """What each delivery partner's share comes to on the statements of the financial year up to a month: delivery_partner_id,
    delivery_partner_name, paid, unpaid, pence; dearest first. ledger: the columns of ledger.csv; names: of delivery
    partners, by id."""
    within = (pl.col("statement_month") >= first_month_of_year(month)) & (pl.col("statement_month") <= month)
    share = pence_of("share_amount") + pence_of("uplift_amount")
    is_paid = pl.col("status") == "paid"
    sums = ledger.filter(within).group_by("delivery_partner_id").agg(
        share.filter(is_paid).sum().alias("paid"),
        share.filter(~is_paid).sum().alias("unpaid"),
        share.sum().alias("pence"),
    )  # fmt: skip
    sums = sums.with_columns(
        delivery_partner_name=pl.col("delivery_partner_id").replace_strict(names, return_dtype=pl.String)
    )
    return sums.sort(-pl.col("pence"), "delivery_partner_name", "delivery_partner_id").to_dicts()
