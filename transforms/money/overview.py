"""Sums that a statement's page shows: declarations by type, how far the bands are filled, money by delivery partner."""

import polars as pl

from schemas.accounts import Accounts
from schemas.frames import holds
from schemas.vocabulary import DECLARATION_TYPE

ORDER = pl.col("declaration_type").cast(DECLARATION_TYPE)


def over_volume() -> pl.Expr:
    """A billable declaration beyond the last band: it is listed, and worth nothing."""
    return holds(pl.col("nothing_because") == "over-volume")


def unrefunded() -> pl.Expr:
    """A refund that finds nothing left to give back: it is listed, and takes nothing (transforms/README.md, Bands)."""
    return holds(pl.col("nothing_because") == "nothing-left")


def counts(declarations: pl.DataFrame) -> pl.DataFrame:
    """Declarations by statement, role (null where a contract does not part them) and type.

    declarations: as in transforms.money.statements.Figures. Returns statement_id, role, declaration_type, output, clawback,
    voided, over_volume, unrefunded.
    """
    kind = pl.col("line_type")
    return (
        declarations.group_by("statement_id", "role", "declaration_type")
        .agg(
            *((kind == name).sum().alias(name) for name in ("output", "clawback", "voided")),
            over_volume().sum().alias("over_volume"),
            unrefunded().sum().alias("unrefunded"),
        )
        .sort("statement_id", "role", ORDER)
    )


def filling(declarations: pl.DataFrame, statements: pl.DataFrame, bands: pl.DataFrame) -> pl.DataFrame:
    """How far each type fills each band before the statement and after it.

    Units fill the bands from the bottom without a gap (transforms/money/banding.sql), so it is enough to know how high they
    reach. Types of which nothing is on the statement are left out.
    Returns statement_id, role, declaration_type, band, capacity, before, after (units), bands in order.
    """
    places = pl.col("position")
    billed, refunded = pl.col("line_type") == "output", pl.col("line_type") == "clawback"
    reach = (
        declarations.filter(places.is_not_null())
        .group_by("statement_id", "role", "declaration_type")
        .agg(
            (places.filter(billed).min() - 1).alias("below_first"),
            places.filter(refunded).max().alias("topmost"),
            billed.sum().cast(pl.Int64).alias("billed"),
            refunded.sum().cast(pl.Int64).alias("refunded"),
        )
    )
    ladders = bands.sort("contract_id", "band").select("contract_id", "band", "capacity", _last().alias("last"))
    ladders = ladders.with_columns(first=pl.col("last") - pl.col("capacity"))
    whole = pl.col("capacity").sum().over("statement_id", "role", "declaration_type")
    rows = reach.join(statements.select("statement_id", "contract_id"), on="statement_id").join(
        ladders, on="contract_id"
    )
    before = pl.max_horizontal(pl.coalesce("below_first", "topmost"), 0)
    rows = rows.with_columns(reached_before=before, whole=whole)
    after = pl.max_horizontal(
        pl.min_horizontal(pl.col("reached_before") + pl.col("billed"), "whole") - pl.col("refunded"), 0
    )
    rows = rows.with_columns(reached_after=after)
    return rows.select(
        "statement_id", "role", "declaration_type", "band", "capacity",
        *(
            (pl.col(f"reached_{when}") - pl.col("first")).clip(0, pl.col("capacity")).alias(when)
            for when in ("before", "after")
        ),
    ).sort("statement_id", "role", ORDER, "band")  # fmt: skip


def _last() -> pl.Expr:
    """The last place of each band, counted from the bottom of its contract's ladder."""
    return pl.col("capacity").cum_sum().over("contract_id")


def partner_sums(partners: pl.DataFrame) -> pl.DataFrame:
    """Money by statement and delivery partner, dearest first.

    partners: as in transforms.money.breakdowns.Shares. Returns statement_id, delivery_partner_id, delivery_partner_name,
    outputs, clawbacks (counts), output, clawback, uplift (pence, uplifts and their clawbacks together), pence (all).
    """
    section = pl.col("section")

    def of(name: str, column: str = "pence") -> pl.Expr:
        return pl.col(column).filter(section == name).sum()

    return (
        partners.group_by("statement_id", "delivery_partner_id", "delivery_partner_name")
        .agg(
            of("output", "count").alias("outputs"),
            of("clawback", "count").alias("clawbacks"),
            of("output").alias("output"),
            of("clawback").alias("clawback"),
            (of("uplift") + of("uplift-clawback")).alias("uplift"),
            pl.col("pence").sum(),
        )
        .sort("statement_id", -pl.col("pence"), "delivery_partner_name", "delivery_partner_id")
    )


def differences_by_reason(differences: pl.DataFrame) -> pl.DataFrame:
    """What the differences come to, reason by reason: statement_id, reason_code, declarations, expected, due, difference
    (pence; expected and difference over the rows with an expected amount), uncompared (pence due on the others), compared
    (count of the former)."""
    compared = pl.col("difference_pence").is_not_null()
    return differences.group_by("statement_id", "reason_code", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("declarations"),
        pl.col("expected_pence").sum().alias("expected"),
        pl.col("due_pence").sum().alias("due"),
        pl.col("difference_pence").sum().alias("difference"),
        pl.col("due_pence").filter(~compared).sum().alias("uncompared"),
        compared.sum().cast(pl.Int64).alias("compared"),
    )


def gross_overflow(accounts: Accounts) -> pl.DataFrame:
    """Types of which more was billed before a chosen statement than all bands hold: statement_id, declaration_type.

    There a refund makes room that a truly full contract would not have (transforms/README.md, Bands); DfE's calculation is
    followed, and an operator is told.
    """
    whose = ["lead_provider_id", "contract_period"]
    statements, now = accounts.statements, accounts.wanted
    before = now.select("statement_id", "contract_id", "payment_date", *whose).join(
        statements.select(
            pl.col("statement_id").alias("earlier_id"), pl.col("payment_date").alias("earlier_date"), *whose
        ),
        on=whose,
    )
    before = before.filter(pl.col("earlier_date") < pl.col("payment_date")).select(
        "statement_id", "contract_id", "earlier_id"
    )
    billed = before.join(
        accounts.units.filter(pl.col("counted_as") != "mentor"), left_on="earlier_id", right_on="statement_id"
    )
    sums = billed.group_by("statement_id", "contract_id", "declaration_type").agg(
        pl.col("billed").sum(), pl.col("refunded").sum()
    )
    room = accounts.bands.group_by("contract_id").agg(pl.col("capacity").sum())
    over = sums.join(room, on="contract_id").filter(pl.col("billed") > pl.col("capacity"), pl.col("refunded") > 0)
    return over.select("statement_id", "declaration_type").sort("statement_id", ORDER)
