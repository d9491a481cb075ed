"""A statement's money over delivery partners, on either basis, and down to each declaration (transforms/README.md, Breakdowns)."""

from dataclasses import dataclass

import polars as pl

from schemas.frames import holds, joined
from schemas.vocabulary import DECLARATION_TYPE
from transforms.money.amounts import MICROS_IN_A_PENNY
from transforms.money.pence import shared_pence_by_group

TYPE = ["statement_id", "section", "role", "declaration_type"]
PARTNER = [*TYPE, "delivery_partner_id"]


@dataclass(frozen=True)
class Shares:
    """partners: statement_id, delivery_partner_id, delivery_partner_name, section, role, declaration_type, count, pence.
    declarations: those given, with share_micros (null where nothing is due) and share_pence."""

    partners: pl.DataFrame
    declarations: pl.DataFrame


def share(declarations: pl.DataFrame, ordered: pl.DataFrame) -> Shares:
    """Share each type's pence over its delivery partners, then each partner's over its declarations.

    declarations: as in transforms.money.statements.Figures. ordered: statement_id of the statements whose lead provider asked
    for the ordered basis; all others are blended: every unit within volume counts at the type's average rate.
    """
    paid = joined(
        declarations.filter("is_priced"), ordered.select("statement_id", is_ordered=pl.lit(True)), "statement_id"
    )
    within = pl.col("band").is_not_null() | (pl.col("rate_micros") != 0)
    paid = paid.with_columns(holds(pl.col("is_ordered")), within.alias("is_within")).with_columns(
        pl.col("rate_micros").sum().over(TYPE).alias("type_micros"),
        pl.col("is_within").sum().cast(pl.Int64).over(TYPE).alias("type_units"),
    )
    blended_units = pl.when(pl.col("type_units") > 0).then("type_units").otherwise(1)
    paid = paid.with_columns(
        # Exact share of a declaration, in pence: numerator ÷ denominator.
        pl.when("is_ordered").then("rate_micros")
        .when("is_within").then("type_micros")
        .otherwise(0).alias("numerator"),
        pl.when("is_ordered").then(MICROS_IN_A_PENNY)
        .otherwise(blended_units * MICROS_IN_A_PENNY).alias("denominator"),
    )  # fmt: skip
    partners = paid.group_by(PARTNER, maintain_order=True).agg(
        pl.col("delivery_partner_name").first(),
        pl.len().cast(pl.Int64).alias("count"),
        pl.col("numerator").sum(),
        pl.col("denominator").first(),
        pl.col("pence").sum().alias("own"),
    )
    partners = partners.with_columns(pl.col("own").sum().over(TYPE).alias("total"))
    order = ["delivery_partner_name", "delivery_partner_id"]
    partners = partners.with_columns(shared_pence_by_group(partners, TYPE, order).alias("pence"))
    shares = joined(paid, partners.select(*PARTNER, pl.col("pence").alias("total")), PARTNER, nulls_equal=True)  # fmt: skip
    oldest_first = ["declaration_date", "created_at", "declaration_id"]
    shares = shares.with_columns(
        shared_pence_by_group(shares, PARTNER, oldest_first).alias("share_pence"),
        _rounded_micros().alias("share_micros"),
    )
    rest = declarations.filter(~pl.col("is_priced")).with_columns(
        pl.lit(0, pl.Int64).alias("share_pence"), pl.lit(None, pl.Int64).alias("share_micros")
    )
    kept = [*declarations.columns, "share_micros", "share_pence"]
    return Shares(_with_uplifts(partners, declarations), pl.concat([shares.select(kept), rest.select(kept)]))


def _rounded_micros() -> pl.Expr:
    """A share's rate in millionths of a pound; an average is rounded to the nearest, to be shown only."""
    units = pl.col("denominator").floordiv(MICROS_IN_A_PENNY)
    return (pl.col("numerator") * 2 + units).floordiv(units * 2)


def _with_uplifts(partners: pl.DataFrame, declarations: pl.DataFrame) -> pl.DataFrame:
    """The partners' lines, uplifts among them: these are whole pence per declaration, there is nothing to share."""
    lifted = declarations.filter(pl.col("uplift_pence") != 0).with_columns(
        pl.when(pl.col("section") == "output")
        .then(pl.lit("uplift"))
        .otherwise(pl.lit("uplift-clawback"))
        .alias("section")
    )
    uplifts = lifted.group_by(PARTNER, maintain_order=True).agg(
        pl.col("delivery_partner_name").first(),
        pl.len().cast(pl.Int64).alias("count"),
        pl.col("uplift_pence").sum().alias("pence"),
    )
    columns = [*PARTNER, "delivery_partner_name", "count", "pence"]
    both = pl.concat([partners.select(columns), uplifts.select(columns)])
    section = pl.col("section").replace_strict({"output": 0, "clawback": 1, "uplift": 2, "uplift-clawback": 3})
    kind = pl.col("declaration_type").cast(DECLARATION_TYPE)
    return both.sort("statement_id", "delivery_partner_name", "delivery_partner_id", section, "role", kind)


def differences(lines: pl.DataFrame, shares: Shares) -> pl.DataFrame:
    """Statements that do not add up: statement_id, what, difference (pence). Empty when all is well.

    All other lines make the total; declarations make the output and clawback sections and the uplift sections; so do
    delivery partners; each partner's declarations make its lines.
    """
    sections = lines.with_columns(
        pl.when(pl.col("section") == "total").then(-pl.col("pence")).otherwise(pl.col("pence")).alias("signed")
    )
    own = sections.group_by("statement_id").agg(
        pl.col("signed").sum().alias("lines"),
        pl.col("pence").filter(pl.col("section").is_in(["output", "clawback"])).sum().alias("outputs"),
        pl.col("pence").filter(pl.col("section").is_in(["uplift", "uplift-clawback"])).sum().alias("uplifts"),
    )
    told = shares.declarations.group_by("statement_id").agg(
        pl.col("pence").sum(), pl.col("uplift_pence").sum(), pl.col("share_pence").sum()
    )
    partners = shares.partners.group_by("statement_id").agg(pl.col("pence").sum().alias("partner_pence"))
    whole = own.join(told, on="statement_id", how="left").join(partners, on="statement_id", how="left").fill_null(0)
    checks = {
        "the lines and the total": pl.col("lines"),
        "declarations and outputs": pl.col("pence") - pl.col("outputs"),
        "declarations and uplifts": pl.col("uplift_pence") - pl.col("uplifts"),
        "shares and outputs": pl.col("share_pence") - pl.col("outputs"),
        "delivery partners": pl.col("partner_pence") - pl.col("outputs") - pl.col("uplifts"),
    }
    found = [whole.select("statement_id", what=pl.lit(what), difference=gap) for what, gap in checks.items()]
    found.append(_partner_differences(shares))
    return pl.concat(found).filter(pl.col("difference") != 0)


def _partner_differences(shares: Shares) -> pl.DataFrame:
    key = ["statement_id", "delivery_partner_id"]
    files = shares.declarations.group_by(key).agg((pl.col("share_pence") + pl.col("uplift_pence")).sum().alias("file"))
    lines = shares.partners.group_by(key).agg(pl.col("pence").sum())
    both = files.join(lines, on=key, how="full", coalesce=True).fill_null(0)
    return both.select(
        "statement_id", what=pl.lit("a delivery partner's own file"), difference=pl.col("file") - pl.col("pence")
    )
