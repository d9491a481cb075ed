"""What holds for every contract and history: everything adds up, and an independent calculation agrees."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from schemas.vocabulary import DECLARATION_TYPES
from tests.laws import tried
from tests.payments.accounts import Account, Unit
from transforms.money.breakdowns import differences

KINDS = ("started", "retained-1", "completed")
PROPORTIONS = {"started": Fraction("0.20"), "retained-1": Fraction("0.15"), "completed": Fraction("0.20")}
MONTHS = 3

units = st.lists(
    st.builds(
        Unit,
        month=st.integers(0, MONTHS - 1),
        kind=st.sampled_from(KINDS),
        line_type=st.sampled_from(["output", "output", "output", "clawback"]),
        role=st.sampled_from(["ect", "mentor"]),
        partner=st.sampled_from(["p1", "p2", "p3"]),
        uplift=st.booleans(),
    ),
    max_size=40,
).map(lambda found: tuple(replace(unit, uplift=unit.uplift and unit.kind == "started") for unit in found))
fees = st.integers(50_000, 120_000).map(lambda pence: f"{pence // 100}.{pence % 100:02}")
bands = st.lists(st.tuples(st.integers(1, 6), fees, st.sampled_from(["0.60", "1.00", "0.55"])), min_size=1, max_size=3)
accounts = st.builds(
    Account,
    units=units,
    bands=bands.map(tuple),
    months=st.just(MONTHS),
    contract_type=st.sampled_from(["ecf", "ittecf_ectp"]),
    vat_registered=st.booleans(),
    recruitment_target=st.integers(0, 30),
    setup_fee=fees,
    monthly_service_fee=st.sampled_from([None, "0.00", "123.45"]),
    uplift_fee=st.sampled_from(["100.00", "0.00", "33.33"]),
    mentor_fee=st.just("1125.75"),
    adjustments=st.lists(st.sampled_from(["10.01", "-2500.99"]), max_size=2).map(tuple),
)


@tried(80)
@given(accounts, st.booleans())
def test_everything_adds_up(account, ordered):
    figures, shares = account.shares(ordered)
    assert differences(figures.lines, shares).to_dicts() == []
    worthless = (pl.col("band").is_null()) & (pl.col("rate_micros") == 0)
    assert shares.declarations.filter(worthless)["share_pence"].sum() == 0


@tried(80)
@given(accounts)
def test_an_independent_calculation_agrees(account):
    lines = account.figures().lines
    subtotal, vat = plainly(account)
    total = subtotal + vat
    cents = Fraction(1, 200)
    assert abs(Fraction(int(lines.filter(section="total")["pence"][0]), 100) - total) <= cents
    assert abs(Fraction(int(lines.filter(section="vat")["pence"][0]), 100) - vat) <= cents


@tried(40)
@given(accounts, st.booleans())
def test_moving_a_declaration_between_partners_changes_those_two_alone(account, ordered):
    last = [place for place, unit in enumerate(account.units) if unit.month == MONTHS - 1 and unit.partner == "p1"]
    if not last:
        return
    moved = list(account.units)
    moved[last[0]] = replace(moved[last[0]], partner="p2")
    before, after = (each.shares(ordered)[1].partners for each in (account, replace(account, units=tuple(moved))))
    kept = [
        rows.filter(delivery_partner_id="p3").group_by("section").agg(pl.col("pence").sum()).sort("section").to_dicts()
        for rows in (before, after)
    ]
    for one, other in zip(*kept, strict=True):
        # Pence left over by largest remainder may go to another partner; never more than one a type.
        assert abs(one["pence"] - other["pence"]) <= len(DECLARATION_TYPES) * 2


@tried(80)
@given(accounts)
def test_without_overflow_bands_fill_from_the_bottom_with_what_is_live(account):
    account = replace(account, contract_type="ecf", bands=((100, "900.00", "0.60"), (100, "800.00", "0.60")))
    running: dict[tuple[str, str], int] = {}
    refunded: dict[str, int] = {}
    billed: dict[str, int] = {}
    for month in range(MONTHS):
        upto = replace(account, months=month + 1, units=tuple(u for u in account.units if u.month <= month))
        for line in upto.figures().lines.filter(pl.col("section").is_in(["output", "clawback"])).to_dicts():
            sign = 1 if line["section"] == "output" else -1
            if line["band"]:
                key = (line["declaration_type"], line["band"])
                running[key] = running.get(key, 0) + sign * line["count"]
    for unit in account.units:
        side = billed if unit.line_type == "output" else refunded
        side[unit.kind] = side.get(unit.kind, 0) + 1
    for kind in KINDS:
        if _gave_back_too_much(account, kind):
            continue
        live = billed.get(kind, 0) - refunded.get(kind, 0)
        assert running.get((kind, "A"), 0) == min(live, 100)
        assert running.get((kind, "B"), 0) == max(live - 100, 0)


def _gave_back_too_much(account: Account, kind: str) -> bool:
    live = 0
    for month in range(MONTHS):
        for unit in account.units:
            if unit.kind == kind and unit.month == month:
                live += 1 if unit.line_type == "output" else -1
        if live < 0:
            return True
    return False


def plainly(account: Account) -> tuple[Fraction, Fraction]:
    """The statement's subtotal and VAT, step by step, band by band, one declaration after another."""
    last = MONTHS - 1
    subtotal = sum((Fraction(amount) for amount in account.adjustments), Fraction())
    banded = [u for u in account.units if account.contract_type == "ecf" or u.role == "ect"]
    for kind in KINDS:
        own = [u for u in banded if u.kind == kind]
        before_out = sum(u.month < last and u.line_type == "output" for u in own)
        before_back = sum(u.month < last and u.line_type == "clawback" for u in own)
        now_out = sum(u.month == last and u.line_type == "output" for u in own)
        now_back = sum(u.month == last and u.line_type == "clawback" for u in own)
        net = [0] * len(account.bands)
        _add(net, before_out, account)
        _remove(net, before_back)
        added = _add(net, now_out, account)
        removed = _remove(net, now_back)
        for (_, fee, ratio), plus, minus in zip(account.bands, added, removed, strict=True):
            subtotal += (plus - minus) * PROPORTIONS[kind] * Fraction(ratio) * Fraction(fee)
    if account.contract_type != "ecf":
        for unit in account.units:
            if unit.role == "mentor" and unit.month == last and unit.kind in ("started", "completed"):
                sign = 1 if unit.line_type == "output" else -1
                subtotal += sign * Fraction(1, 2) * Fraction(account.mentor_fee or 0)
    for unit in account.units:
        if unit.uplift and unit.month == last:
            subtotal += (1 if unit.line_type == "output" else -1) * Fraction(account.uplift_fee)
    subtotal += _fee(account)
    return subtotal, subtotal * Fraction(1, 5) if account.vat_registered else Fraction()


def _add(net: list[int], count: int, account: Account) -> list[int]:
    added = [0] * len(net)
    for place, (capacity, _, _) in enumerate(account.bands):
        while count and net[place] < capacity:
            net[place], added[place], count = net[place] + 1, added[place] + 1, count - 1
    return added


def _remove(net: list[int], count: int) -> list[int]:
    removed = [0] * len(net)
    for place in reversed(range(len(net))):
        while count and net[place]:
            net[place], removed[place], count = net[place] - 1, removed[place] + 1, count - 1
    return removed


def _fee(account: Account) -> Fraction:
    if account.monthly_service_fee is not None:
        return Fraction(account.monthly_service_fee)
    left, whole = account.recruitment_target, Fraction()
    for capacity, fee, ratio in account.bands:
        taken = min(left, capacity)
        left -= taken
        whole += taken * Fraction(Decimal(fee)) * (1 - Fraction(ratio))
    first = account.bands[0][0]
    return (whole - min(account.recruitment_target, first) * Fraction(account.setup_fee) / first) / 29
