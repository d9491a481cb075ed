"""What would explain an amount that was expected and is not due: another band, an uplift more or less, VAT."""

from itertools import product

import polars as pl

from schemas.frames import holds
from transforms.money.amounts import MICROS_IN_A_PENNY

KEY = ["statement_id", "lead_provider_id", "participant_id", "participant_type", "declaration_type"]


def guesses(rows: pl.DataFrame, statements: pl.DataFrame, prices: pl.DataFrame) -> pl.DataFrame:
    """What would explain an expected amount that is not the amount due, the plainest first; within two pence, as pence are
    shared.

    rows: KEY, band, uplift_pence, expected_pence, due_pence. prices: as in transforms.money.statements.Figures. Returns KEY
    and guess (a sentence), for those where one of these, or several together, come to the expected amount.
    """
    asked = rows.filter(
        holds(pl.col("difference_pence").abs() > 1) & pl.col("is_billable") & pl.col("is_expected")
    ).select(*KEY, "contract_type", "expected_pence", "uplift_pence", pl.col("band").alias("used_band"))
    together = pl.col("contract_type") == "ecf"
    asked = asked.with_columns(pl.when(together).then(pl.lit("all")).otherwise("participant_type").alias("counted_as"))
    vat = pl.when("vat_registered").then((pl.col("vat_rate") * 100).cast(pl.Int64)).otherwise(0)
    terms = statements.select(
        "statement_id", "contract_id", vat.alias("vat_hundredths"),
        (pl.col("uplift_fee_per_declaration").fill_null(0) * 100).cast(pl.Int64).alias("uplift_fee_pence"),
    )  # fmt: skip
    tried = asked.join(terms, on="statement_id").join(prices, on=["contract_id", "counted_as", "declaration_type"])
    found = [_matching(tried, other_uplift, with_vat) for other_uplift, with_vat in product((False, True), repeat=2)]
    every = pl.concat(found).sort("steps", "band", nulls_last=True)
    return every.unique(KEY, keep="first", maintain_order=True).select(*KEY, "guess")


def _matching(tried: pl.DataFrame, other_uplift: bool, with_vat: bool) -> pl.DataFrame:
    """Those whose expected amount is met by the band tried, with these two changes or without."""
    has = pl.col("uplift_pence") != 0
    now = pl.when(has).then("uplift_fee_pence").otherwise(0)
    turned = pl.when(has).then(0).otherwise("uplift_fee_pence")
    net = pl.col("unit_micros") + (turned if other_uplift else now) * MICROS_IN_A_PENNY
    whole = (net * (100 + pl.col("vat_hundredths"))).floordiv(100) if with_vat else net
    same_band = pl.col("band").eq_missing(pl.col("used_band"))
    fits = ((whole - pl.col("expected_pence") * MICROS_IN_A_PENNY).abs() <= 2 * MICROS_IN_A_PENNY) & (
        ~same_band | pl.lit(other_uplift or with_vat)
    )
    if other_uplift:
        fits &= pl.col("uplift_fee_pence") != 0
    if with_vat:
        fits &= pl.col("vat_hundredths") != 0
    parts = [pl.when(~same_band).then(pl.format("band {}", "band")).otherwise(pl.lit("", pl.String))]
    if other_uplift:
        parts.append(pl.when(has).then(pl.lit("no uplift")).otherwise(pl.lit("an uplift")))
    if with_vat:
        parts.append(pl.lit("VAT included"))
    phrases = pl.concat_list(parts)
    phrases = phrases.list.filter(pl.element() != "").list.join(", ")
    steps = (~same_band).cast(pl.Int64) + int(other_uplift) + int(with_vat)
    return tried.filter(fits).select(
        *KEY,
        "band",
        steps.alias("steps"),
        pl.format(" Your amount is what it would be with {}.", phrases).alias("guess"),
    )
