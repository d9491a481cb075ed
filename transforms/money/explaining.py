"""How a figure came about, in words: for a line of a statement, and for an amount that was expected and is not due."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import Any

import polars as pl

from schemas.vocabulary import FACTS
from transforms.money.amounts import MICROS_IN_A_PENNY

KEY = ["statement_id", "lead_provider_id", "participant_id", "participant_type", "declaration_type"]


def proportions() -> pl.DataFrame:
    """contract_type, calculator (`banded`, `flat_rate`), declaration_type, hundredths: what share of the output fee a
    declaration of each type is worth (handbook: payments 2)."""
    facts = pl.read_csv(FACTS / "fee_proportions.csv", infer_schema=False)
    hundredths = (pl.col("fee_proportion").cast(pl.Decimal(3, 2)) * 100).cast(pl.Int64)
    return facts.with_columns(hundredths.alias("hundredths")).drop("fee_proportion")


def _hundred(name: str) -> pl.Expr:
    return (pl.col(name) * 100).cast(pl.Int64)


def unit_fees(statements: pl.DataFrame, bands: pl.DataFrame) -> pl.DataFrame:
    """What one declaration is worth under each statement's contract.

    Returns statement_id, participant_type (`all` where a contract does not part them), declaration_type, band (null for
    mentors' flat rate), unit_micros, and what it is made of: hundredths (the type's proportion), ratio_hundredths (the
    output share), fee_pence.
    """
    terms = statements.select("statement_id", "contract_id", "contract_type", "mentor_fee_per_declaration")
    worth = terms.join(proportions(), on="contract_type")
    columns = [
        "statement_id", "participant_type", "declaration_type", "band", "hundredths", "ratio_hundredths", "fee_pence",
    ]  # fmt: skip
    together = pl.col("contract_type") == "ecf"
    banded = worth.filter(pl.col("calculator") == "banded").join(bands, on="contract_id")
    banded = banded.with_columns(
        participant_type=pl.when(together).then(pl.lit("all")).otherwise(pl.lit("ect")),
        ratio_hundredths=_hundred("output_fee_ratio"),
        fee_pence=_hundred("fee_per_declaration"),
    ).select(columns)
    flat = worth.filter(pl.col("calculator") == "flat_rate", pl.col("mentor_fee_per_declaration").is_not_null())
    flat = flat.with_columns(
        participant_type=pl.lit("mentor"),
        band=pl.lit(None, pl.String),
        ratio_hundredths=pl.lit(100, pl.Int64),
        fee_pence=_hundred("mentor_fee_per_declaration"),
    ).select(columns)
    # Hundredths × hundredths × hundredths of a pound are millionths: whole numbers all the way.
    every = pl.concat([banded, flat])
    return every.with_columns(unit_micros=pl.col("hundredths") * pl.col("ratio_hundredths") * pl.col("fee_pence"))


def guesses(rows: pl.DataFrame, statements: pl.DataFrame, bands: pl.DataFrame) -> pl.DataFrame:
    """What would explain an expected amount that is not the amount due: another band, an uplift more or less, VAT.

    rows: KEY, band, uplift_pence, expected_pence, due_pence. Returns KEY and guess (a sentence), for those where one of
    these, or several together, come to the expected amount; the plainest first. Within two pence, as pence are shared.
    """
    asked = rows.filter(
        (pl.col("difference_pence").abs() > 1).fill_null(False) & pl.col("is_billable") & pl.col("is_expected")
    ).select(*KEY, "contract_type", "expected_pence", "uplift_pence", pl.col("band").alias("used_band"))
    together = pl.col("contract_type") == "ecf"
    asked = asked.with_columns(pl.when(together).then(pl.lit("all")).otherwise("participant_type").alias("counted_as"))
    fees = unit_fees(statements, bands).rename({"participant_type": "counted_as"})
    vat = pl.when("vat_registered").then(_hundred("vat_rate")).otherwise(0)
    terms = statements.select(
        "statement_id", vat.alias("vat_hundredths"),
        (pl.col("uplift_fee_per_declaration").fill_null(0) * 100).cast(pl.Int64).alias("uplift_fee_pence"),
    )  # fmt: skip
    tried = asked.join(fees, on=["statement_id", "counted_as", "declaration_type"]).join(terms, on="statement_id")
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


def explained(
    line: dict[str, Any], statement: dict[str, Any], fee: dict[str, Any] | None, terms: list[dict[str, Any]]
) -> str:
    """How one line of a statement was made, in a sentence.

    line: a row of transforms.money.statements.Figures.lines. statement: its statement's facts. fee: the row of `unit_fees` that
    prices it, where one does. terms: the contract's bands, lowest first.
    """
    say: dict[str, Callable[[], str]] = {
        "output": lambda: _unit(line, fee),
        "clawback": lambda: _unit(line, fee) + (" Taken back from the highest band filled." if line["band"] else ""),
        "uplift": lambda: f"{_times(line)} declarations of started with an uplift flag, at the contract's uplift fee.",
        "uplift-clawback": lambda: f"{_times(line)} declarations taken back that had earned an uplift.",
        "service-fee": lambda: _service_fee(statement, terms),
        "adjustment": lambda: "Entered by DfE.",
        "vat": lambda: _vat(statement),
    }
    return say[line["section"]]()


def _times(line: dict[str, Any]) -> str:
    return f"{line['count']:,} × £{_plain(abs(line['rate_micros']), 1_000_000)}:"


def _plain(amount: int, parts: int) -> str:
    """A whole number of parts of a pound, exact, at least two decimals, with commas."""
    text = f"{Decimal(amount) / parts:,f}"
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def _unit(line: dict[str, Any], fee: dict[str, Any] | None) -> str:
    if fee is None:
        if line["rate_micros"]:
            return f"{_times(line)} as priced."
        if line["section"] == "clawback":
            return "Nothing was left in the bands to give back: £0.00."
        return "Over contract volume, beyond the last band: £0.00."
    proportion, price = _plain(fee["hundredths"], 100), _plain(fee["fee_pence"], 100)
    each = _plain(fee["unit_micros"], 1_000_000)
    if fee["band"] is None:
        made = f"{proportion} (the share for {line['declaration_type']}) × £{price} (fee for a mentor)"
    else:
        ratio = _plain(fee["ratio_hundredths"], 100)
        made = f"{proportion} (the share for {line['declaration_type']}) × {ratio} (output part) × £{price} (band {fee['band']})"
    return f"{line['count']:,} × £{each}, which is {made}."


def _service_fee(statement: dict[str, Any], terms: list[dict[str, Any]]) -> str:
    if statement["monthly_service_fee"] is not None:
        return "The monthly service fee that the contract states."
    if not terms:
        return "The contract has no bands, and so no service fee."
    remaining, parts, whole = statement["recruitment_target"], [], Fraction()
    for term in terms:
        filled = min(remaining, term["capacity"])
        remaining -= filled
        if filled:
            parts.append(
                f"{filled:,} × £{term['fee_per_declaration']:,} × {term['service_fee_ratio']} (band {term['band']})"
            )
            whole += filled * Fraction(term["fee_per_declaration"]) * Fraction(term["service_fee_ratio"])
    setup = (
        min(statement["recruitment_target"], terms[0]["capacity"])
        * Fraction(statement["setup_fee"])
        / terms[0]["capacity"]
    )
    less = f", less the set-up fee of £{_rounded(setup)}" if setup else ""
    return f"{' + '.join(parts) or '£0.00'} = £{_rounded(whole)}{less}, divided by 29 months."


def _rounded(amount: Fraction) -> str:
    return f"{Decimal(round(amount * 100)) / 100:,.2f}"


def _vat(statement: dict[str, Any]) -> str:
    if not statement["vat_registered"]:
        return "You are not registered for VAT."
    return f"{(Decimal(statement['vat_rate']) * 100).normalize():f}% of all lines above, before rounding."
