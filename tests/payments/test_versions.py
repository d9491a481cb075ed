"""From one version of a statement to the next: what changed, how bands filled, how a figure was made."""

from dataclasses import replace

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tests.laws import tried
from tests.payments.accounts import Account, Unit
from tests.payments.test_laws import KINDS, MONTHS, _add, _remove, accounts
from transforms.money.discrepancies import DIFFERENCES
from transforms.money.explaining import explained
from transforms.money.overview import counts, filling, gross_overflow, partner_sums
from transforms.money.statement_tables import StatementTables, changes_table, statement_tables
from transforms.money.version_changes import version_changes

BANDS = ((10, "995.00", "0.60"), (10, "979.00", "0.60"))
STARTED = Unit(0, "started")


NOTHING_EXPECTED = pl.DataFrame(schema=DIFFERENCES)


def tables(account: Account) -> StatementTables:
    figures, shares = account.shares()
    return statement_tables(account.accounts(), figures, shares, NOTHING_EXPECTED, {})


def between(was: StatementTables, now: StatementTables) -> pl.DataFrame:
    return version_changes(was.declarations, now.declarations, was.lines, now.lines)


def changed(before: Account, now: Account) -> pl.DataFrame:
    return between(tables(before), tables(now))


def total(rows: StatementTables) -> int:
    return int(rows.lines.filter(section="total")["amount"][0].replace(".", ""))


@tried(40)
@given(accounts, accounts)
def test_the_changes_add_up_to_what_the_total_moved_by(before, now):
    was, is_now = tables(before), tables(now)
    rows = between(was, is_now)
    assert rows["difference"].sum() == total(is_now) - total(was)
    changes_table(rows)


@tried(20)
@given(accounts)
def test_nothing_has_changed_from_a_version_to_itself(account):
    assert changed(account, account).is_empty()


def test_each_change_says_what_it_is():
    before = Account(units=(STARTED, STARTED), bands=BANDS)
    voided = replace(before, units=(STARTED, Unit(0, "started", "voided"), STARTED), adjustments=("10.00",))
    rows = {(row["section"], row["change"]): row for row in changed(before, voided).to_dicts()}
    assert rows["voided", "changed"]["what_changed"].startswith(
        "line_type was output, now voided; state was on its way, now voided"
    )
    assert rows["voided", "changed"]["difference"] == -11940
    assert rows["output", "added"]["what_changed"] == "new on this statement"
    assert rows["adjustment", "changed"]["difference"] == 1000
    assert rows["vat", "changed"]["declaration_id"] is None


def test_a_declaration_that_moves_to_another_band_says_so():
    full = Account(units=(STARTED,) * 2, bands=((1, "995.00", "0.60"), (5, "979.00", "0.60")), vat_registered=False)
    fewer = replace(full, bands=((2, "995.00", "0.60"), (5, "979.00", "0.60")))
    (row,) = changed(full, fewer).to_dicts()
    assert "band was B, now A" in row["what_changed"] and row["difference"] == 11940 - 11748


@tried(60)
@given(accounts)
def test_bands_fill_as_they_do_one_by_one(account):
    account = replace(account, contract_type="ecf")
    figures, frames = account.figures(), account.frames()
    rows = filling(figures.declarations, frames["statements"], frames["bands"]).to_dicts()
    last = MONTHS - 1
    for kind in KINDS:
        own = [row for row in rows if row["declaration_type"] == kind]
        units = [unit for unit in account.units if unit.kind == kind and unit.month == last]
        if not units:
            assert own == []
            continue
        net = [0] * len(account.bands)
        earlier = [unit for unit in account.units if unit.kind == kind and unit.month < last]
        _add(net, sum(u.line_type == "output" for u in earlier), account)
        _remove(net, sum(u.line_type == "clawback" for u in earlier))
        assert [row["before"] for row in own] == net
        _add(net, sum(u.line_type == "output" for u in units), account)
        _remove(net, sum(u.line_type == "clawback" for u in units))
        assert [row["after"] for row in own] == net


def test_over_volume_and_unrefunded_are_counted():
    account = Account(units=(STARTED,) * 3 + (Unit(0, "retained-1", "clawback"),), bands=((2, "995.00", "0.60"),))
    rows = {row["declaration_type"]: row for row in counts(account.figures().declarations).to_dicts()}
    assert rows["started"]["over_volume"] == 1 and rows["retained-1"]["unrefunded"] == 1


def test_billing_beyond_all_bands_that_a_refund_makes_room_for_is_told():
    """transforms/README.md, Bands: capacity 6; 6 billed, 2 refunded, 2 billed again, and now one more."""
    units = (STARTED,) * 6 + (Unit(1, "started", "clawback"),) * 2 + (Unit(2, "started"),) * 2 + (Unit(3, "started"),)
    account = Account(units=units, bands=((2, "900.00", "0.60"),) * 3, months=4)
    assert gross_overflow(account.accounts())["declaration_type"].to_list() == ["started"]
    assert gross_overflow(account.accounts(chosen=pl.Series(["s02"]))).is_empty()


@tried(40)
@given(accounts, st.booleans())
def test_partners_sums_are_their_lines(account, ordered):
    _, shares = account.shares(ordered)
    sums = partner_sums(shares.partners)
    assert sums["pence"].sum() == shares.partners["pence"].sum()
    assert (sums["output"] + sums["clawback"] + sums["uplift"]).to_list() == sums["pence"].to_list()


def told(account: Account) -> dict[str, str]:
    figures = account.figures()
    facts, fee = account.accounts().wanted.to_dicts()[0], figures.service_fees[account.last]
    words = {}
    for line in figures.lines.filter(pl.col("section") != "total").to_dicts():
        words[f"{line['section']} {line['band'] or ''}".strip()] = explained(line, facts, fee)
    return words


def test_every_line_says_how_it_was_made():
    units = (Unit(0, "started", uplift=True),) * 3 + (Unit(0, "started", "clawback", uplift=True),)
    words = told(
        Account(units=units, bands=((2, "995.00", "0.60"),), monthly_service_fee=None, recruitment_target=2,
                setup_fee="29.00", adjustments=("10.00",))
    )  # fmt: skip
    assert (
        words["output A"]
        == "2 × £119.40, which is 0.20 (the share for started) × 0.60 (output part) × £995.00 (band A)."
    )
    assert words["output"] == "Over contract volume, beyond the last band: £0.00."
    assert words["clawback A"].endswith("Clawed back from the highest band filled.")
    assert words["uplift"] == "3 × £100.00: declarations of started with an uplift flag, at the contract's uplift fee."
    assert (
        words["service-fee"]
        == "2 × £995.00 × 0.40 (band A) = £796.00, less the set-up fee of £29.00, divided by 29 months."
    )
    assert words["adjustment"] == "Entered by DfE."
    assert words["vat"] == "20% of all lines above, before rounding."


def test_a_mentors_fee_and_a_stated_service_fee_say_how_they_were_made():
    units = (Unit(0, "started", role="mentor"),)
    words = told(
        Account(units=units, bands=BANDS, contract_type="ittecf_ectp", mentor_fee="1125.75", vat_registered=False)
    )
    assert words["output"] == "1 × £562.875, which is 0.50 (the share for started) × £1,125.75 (fee for a mentor)."
    assert words["service-fee"] == "The monthly service fee that the contract states."
    assert words["vat"] == "You are not registered for VAT."
