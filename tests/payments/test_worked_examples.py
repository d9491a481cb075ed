"""The worked examples and tables that DfE published."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import polars as pl
import pytest

from tests.payments.accounts import Account, Unit, counts_by_band, many, pounds_by_section
from transforms.money.pence import rounded, shared_pence
from transforms.money.service_fees import monthly_service_fee
from transforms.money.statements import compute_figures

SMALL = ((2, "1000.00", "0.60"), (2, "900.00", "0.60"), (2, "800.00", "0.60"))
BANDS_A = ((2000, "995.00", "0.60"), (2000, "979.00", "0.60"), (1000, "966.00", "0.60"), (100, "966.00", "1.00"))
EXAMPLE_A = Account(
    units=(
        *many(1950, 0, "started"), *many(10, 0, "started", line_type="clawback"),
        *many(2100, 0, "retained-1"), *many(150, 0, "retained-1", line_type="clawback"),
        *many(33, 1, "started", uplift=True), *many(87, 1, "started"),
        *many(2, 1, "started", line_type="clawback", uplift=True), *many(3, 1, "started", line_type="clawback"),
        *many(80, 1, "retained-1"), *many(40, 1, "retained-1", line_type="clawback"),
    ),
    bands=BANDS_A, months=2, recruitment_target=4500, setup_fee="149651.00", monthly_service_fee=None,
    adjustments=("1000.00", "-250.00"),
)  # fmt: skip


def test_example_a_comes_to_the_penny():
    assert pounds_by_section(EXAMPLE_A.figures()) == {
        "output": Decimal("21333.60"),
        "clawback": Decimal("-4126.20"),
        "uplift": Decimal("3300.00"),
        "uplift-clawback": Decimal("-200.00"),
        "service-fee": Decimal("55956.86"),
        "adjustment": Decimal("750.00"),
        "vat": Decimal("15402.85"),
        "total": Decimal("92417.11"),
    }


def test_example_a_fills_the_bands_as_written():
    figures = EXAMPLE_A.figures()
    assert counts_by_band(figures, "started") == {"A": 60, "B": 60}
    assert counts_by_band(figures, "started", "clawback") == {"B": 5}
    assert counts_by_band(figures, "retained-1") == {"A": 50, "B": 30}
    assert counts_by_band(figures, "retained-1", "clawback") == {"A": 10, "B": 30}


def test_example_a_without_vat():
    account = Account(**{**vars(EXAMPLE_A), "vat_registered": False})
    sums = pounds_by_section(account.figures())
    assert (sums["vat"], sums["total"]) == (Decimal("0"), Decimal("77014.26"))


EXAMPLE_B = Account(
    units=(
        *many(1400, 0, "started"), *many(30, 0, "completed"),
        *many(250, 1, "started"), *many(3, 1, "started", line_type="clawback"), *many(7, 1, "retained-1"),
        *many(12, 1, "completed"), *many(1, 1, "completed", line_type="clawback"),
        *many(95, 1, "started", role="mentor"), *many(2, 1, "started", role="mentor", line_type="clawback"),
        *many(40, 1, "completed", role="mentor"),
    ),
    bands=((1500, "812.35", "0.60"), (1500, "794.10", "0.60")), months=2, contract_type="ittecf_ectp",
    monthly_service_fee="18250.00", uplift_fee="0.00", mentor_fee="1125.75", adjustments=("-1200.50",),
)  # fmt: skip


def test_example_b_comes_to_the_penny():
    sums = pounds_by_section(EXAMPLE_B.figures())
    assert sums["total"] == Decimal("140702.50")
    assert sums["vat"] == Decimal("23450.42")
    assert sums["service-fee"] == Decimal("18250.00")
    assert sums["adjustment"] == Decimal("-1200.50")
    # Exactly 101,711.6895 and 1,509.108: each within a penny, and with the others 117,252.08.
    assert abs(sums["output"] - Decimal("101711.6895")) < Decimal("0.03")
    assert sum(sums[name] for name in ("output", "clawback", "service-fee", "adjustment")) == Decimal("117252.08")


def test_example_b_without_vat():
    assert pounds_by_section(Account(**{**vars(EXAMPLE_B), "vat_registered": False}).figures())["total"] == Decimal(
        "117252.08"
    )


def test_no_line_is_a_penny_off_its_exact_value():
    for account in (EXAMPLE_A, EXAMPLE_B):
        for line in account.figures().lines.drop_nulls("rate_micros").filter(section="output").to_dicts():
            exact = Fraction(line["count"] * line["rate_micros"], 10_000)
            assert abs(line["pence"] - exact) < 1


PUBLISHED = [  # type, of a contract for 6,000 and of one raised to 7,000: declarations, then A, B, C (and D)
    ("started", 6000, (2000, 2000, 2000), 7000, (2000, 2000, 2000, 1000)),
    ("retained-1", 5500, (2000, 2000, 1500), 6500, (2000, 2000, 2000, 500)),
    ("retained-2", 5000, (2000, 2000, 1000), 6000, (2000, 2000, 2000, 0)),
    ("retained-3", 4500, (2000, 2000, 500), 5500, (2000, 2000, 1500, 0)),
    ("retained-4", 4000, (2000, 2000, 0), 5000, (2000, 2000, 1000, 0)),
    ("completed", 3500, (2000, 1500, 0), 4500, (2000, 2000, 500, 0)),
]
LADDER = ((2000, "995.00", "0.60"), (2000, "979.00", "0.60"), (2000, "966.00", "0.60"), (1000, "966.00", "1.00"))


@pytest.mark.parametrize(("kind", "count", "filled", "raised", "filled_then"), PUBLISHED)
def test_the_published_band_tables(kind, count, filled, raised, filled_then):
    for number, bands, expected in ((count, LADDER[:3], filled), (raised, LADDER, filled_then)):
        found = counts_by_band(Account(units=many(number, 0, kind), bands=bands).figures(), kind)
        assert tuple(found.get(band, 0) for band in "ABCD"[: len(bands)]) == expected


def test_bands_fill_over_time():
    account = Account(units=(*many(2100, 0, "started"), *many(2000, 1, "started")), bands=LADDER[:3], months=2)
    assert counts_by_band(account.figures(), "started") == {"B": 1900, "C": 100}


def test_past_all_capacity_declarations_are_listed_and_worth_nothing():
    figures = Account(units=many(8, 0, "started"), bands=SMALL).figures()
    assert counts_by_band(figures, "started") == {"A": 2, "B": 2, "C": 2, "over": 2}
    assert figures.declarations.filter(pl.col("band").is_null())["pence"].to_list() == [0, 0]
    over = figures.lines.filter(section="output").to_dicts()[-1]
    assert (over["band"], over["rate_micros"], over["pence"]) == (None, 0, 0)


def test_gross_overflow_is_priced_in_the_top_band_as_in_the_source():
    units = (
        *many(6, 0, "started"),
        *many(2, 1, "started", line_type="clawback"),
        *many(2, 2, "started"),
        Unit(3, "started"),
    )
    assert counts_by_band(Account(units=units, bands=SMALL, months=4).figures(), "started") == {"C": 1}


def test_a_refund_with_nothing_left_to_give_back_is_worth_nothing():
    figures = Account(units=(Unit(0, "started"), *many(2, 0, "started", line_type="clawback")), bands=SMALL).figures()
    assert counts_by_band(figures, "started", "clawback") == {"A": 1, "over": 1}


def test_statements_paid_on_one_day_ignore_each_other():
    account = Account(units=(*many(2, 0, "started"), Unit(1, "started")), bands=SMALL, months=2)
    same_day = account.frames()["statements"].with_columns(payment_date=pl.lit(date(2025, 1, 25)))
    figures = compute_figures(account.accounts(statements=same_day))
    assert counts_by_band(figures, "started") == {"A": 1}


def test_pence_by_the_largest_remainder():
    exact = [Fraction("119.40"), Fraction("234.96"), Fraction("-117.48"), Fraction(100), Fraction("57.8344827")]
    subtotal = sum(exact)
    vat, total = rounded(subtotal / 5), rounded(subtotal * Fraction(6, 5))
    assert (total, vat) == (47366, 7894)
    assert shared_pence(exact, total - vat) == [11940, 23496, -11748, 10000, 5784]


@pytest.mark.parametrize(
    ("exact", "pence"), [("0.005", 1), ("-0.005", -1), ("0.0049", 0), ("2.675", 268), ("-2.675", -268)]
)
def test_halves_are_rounded_away_from_zero(exact, pence):
    assert rounded(Fraction(exact)) == pence


def terms(*bands):
    return [
        {
            "band": "ABCDEFGH"[place],
            "capacity": c,
            "fee_per_declaration": Decimal(fee),
            "service_fee_ratio": 1 - Decimal(ratio),
        }
        for place, (c, fee, ratio) in enumerate(bands)
    ]


def contract(target, setup, monthly=None):
    return {"recruitment_target": target, "setup_fee": Decimal(setup), "monthly_service_fee": monthly}


@pytest.mark.parametrize(
    ("deal", "bands", "fee"),
    [
        (contract(4500, "149651.00"), BANDS_A, Fraction(1622749, 29)),
        (contract(1000, "149651.00"), BANDS_A, (1000 * Fraction(995) * Fraction("0.4") - Fraction("74825.50")) / 29),
        (contract(9999, "0.00"), SMALL, Fraction(2 * (1000 + 900 + 800) * 4, 10 * 29)),
        (contract(4500, "149651.00", Decimal("0.00")), BANDS_A, Fraction(0)),
        (contract(4500, "149651.00", Decimal("18250.00")), BANDS_A, Fraction(18250)),
    ],
    ids=["computed", "below band A", "target past capacity", "nothing is a statement", "stated"],
)
def test_the_service_fee(deal, bands, fee):
    assert monthly_service_fee(deal, terms(*bands)).amount == fee
