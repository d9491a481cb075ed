"""Why what is due differs from what was expected: each reason, and the laws that hold for all."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.expectations import PARTNERS
from schemas.accounts import Expectations
from schemas.columns import INSTANT, MONEY
from schemas.discrepancies import REASONS
from tests.laws import tried
from tests.payments.accounts import PROVIDER, Account, Unit
from tests.payments.test_laws import accounts
from transforms.money.discrepancies import DIFFERENCES, discrepancies
from transforms.money.overview import differences_by_reason

WHO = {
    "lead_provider_id": PROVIDER,
    "participant_id": "t000000",
    "participant_type": "ect",
    "declaration_type": "started",
}
ONE = Account(units=(Unit(0, "started"),), bands=((10, "995.00", "0.60"), (10, "979.00", "0.60")))
NONE = Account(units=(), bands=ONE.bands)
ROWS = {
    "expected": {**dict.fromkeys(("statement_id", *WHO), pl.String), "expected_amount": MONEY,
                 "delivery_partner_id": pl.String, "your_reference": pl.String, "misplaced_words": pl.String},
    "trained": dict.fromkeys(("participant_id", "lead_provider_id", "trn", "full_name"), pl.String),
    "merges": dict.fromkeys(("participant_id", "merged_into"), pl.String),
    "declared": {**dict.fromkeys(WHO, pl.String), "declaration_id": pl.String, "created_at": INSTANT,
                 **dict.fromkeys(("payment_status", "clawback_status", "payment_statement_id",
                                  "clawback_statement_id"), pl.String)},
    "partners": PARTNERS,
    "rejected": {
        **dict.fromkeys((*WHO, "submission_id", "file_name"), pl.String), "row_number": pl.Int64, "line_number": pl.Int64,
        "rule_codes": pl.String, "messages": pl.String,
    },
    "rejected_of_lists": {
        "statement_id": pl.String, **dict.fromkeys((*WHO, "list_submission", "list_file"), pl.String), "list_line": pl.Int64,
        "list_codes": pl.String, "list_messages": pl.String,
    },
    "voids": {
        **dict.fromkeys(("declaration_id", "author", "by_submission_id", "by_file_name"), pl.String), "happened_at": INSTANT,
        **dict.fromkeys(("by_row_number", "by_line_number"), pl.Int64),
    },
}  # fmt: skip


def expect(amount: str | None = None, **cells: Any) -> dict[str, Any]:
    value = None if amount is None else Decimal(amount)
    return {"statement_id": "s00", **WHO, "expected_amount": value, **cells}


def partner(**cells: Any) -> dict[str, Any]:
    """What the records say of the delivery partner that was expected."""
    return {
        **dict.fromkeys(PARTNERS), "lead_provider_id": PROVIDER, "participant_id": "t000000", "participant_type": "ect",
        "expected_partner_id": "p2", "expected_partner_name": "Second Partner", **cells,
    }  # fmt: skip


def declare(status: str = "eligible", clawback: str = "no_clawback", **cells: Any) -> dict[str, Any]:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return {
        **WHO, "declaration_id": "d9", "created_at": moment, "payment_status": status, "clawback_status": clawback, **cells,
    }  # fmt: skip


def voided(declaration_id: str = "d9", **cells: Any) -> dict[str, Any]:
    """The act that voided it, at midnight in London, when it is June still in UTC."""
    return {
        "declaration_id": declaration_id, "author": "lead_provider", "by_submission_id": "s-2", "by_file_name": "voids.csv",
        "by_line_number": 4, "happened_at": datetime(2026, 6, 30, 23, 0, tzinfo=UTC), **cells,
    }  # fmt: skip


def compared(account: Account, *expected: dict[str, Any], **records: list[dict[str, Any]]) -> pl.DataFrame:
    frames, figures = account.frames(), account.figures()
    given_rows: dict[str, list[dict[str, Any]]] = {"expected": list(expected), **records}
    given_rows.setdefault(
        "trained", [{"participant_id": "t000000", "lead_provider_id": PROVIDER, "full_name": "Ada Obi"}]
    )
    held = {name: pl.DataFrame(given_rows.get(name, []), schema=schema) for name, schema in ROWS.items()}
    chosen = frames["statements"].filter(pl.col("statement_id") == account.last)
    elsewhere = chosen.with_columns(statement_id=pl.lit("elsewhere"), month=pl.lit(4, pl.Int64))
    before = chosen.with_columns(statement_id=pl.lit("earlier"), year=pl.lit(2024, pl.Int64))
    accounts = account.accounts(named=pl.concat([frames["statements"], elsewhere, before]))
    return discrepancies(accounts, figures, expectations(account, held), date(2024, 12, 1))


def expectations(account: Account, held: dict[str, pl.DataFrame]) -> Expectations:
    """What was stated, all of it on one list of the last statement's month."""
    turned_away = held["rejected_of_lists"]
    one_list = {
        "lead_provider_id": PROVIDER, "contract_period": 2024, "statement_month": "2025-01", "submission_id": "list",
        "number": 1, "file_name": (turned_away["list_file"].to_list() or ["list.csv"])[0], "statement_id": account.last,
        "misplaced_words": None,
    }  # fmt: skip
    lists = pl.DataFrame([one_list], schema_overrides={"misplaced_words": pl.String})
    nothing = pl.lit(None, pl.String)
    return Expectations(
        lists=lists.with_columns(submission_id=pl.lit((turned_away["list_submission"].to_list() or ["list"])[0])),
        rows=held["expected"].with_columns(submission_id=pl.lit("list")),
        trained=held["trained"],
        merges=held["merges"],
        partners=held["partners"],
        declarations=held["declared"],
        voids=held["voids"],
        rejected=held["rejected"],
        rejected_of_lists=turned_away.select(
            "participant_id", "participant_type", "declaration_type", submission_id="list_submission",
            line_number="list_line", rule_codes="list_codes", messages="list_messages", statement_month=nothing, contract_period=nothing.cast(pl.Int64),
        ),
    )  # fmt: skip


CASES = {
    "agreed": (ONE, [expect("119.40")], {}, "agreed", "as you expected"),
    "a penny is allowed": (ONE, [expect("119.41")], {}, "agreed", "as you expected"),
    "two pence are not": (ONE, [expect("119.42")], {}, "different-amount", "Due at band A, £119.40."),
    "no amount was sent": (ONE, [expect()], {}, "agreed", "without an amount: £119.40 is due"),
    "another band": (ONE, [expect("117.48")], {}, "different-amount", "it would be with band B."),
    "VAT included": (ONE, [expect("143.28")], {}, "different-amount", "it would be with VAT included."),
    "an uplift more": (ONE, [expect("219.40")], {}, "different-amount", "it would be with an uplift."),
    "another band and an uplift": (ONE, [expect("217.48")], {}, "different-amount", "with band B, an uplift."),
    "an uplift less": (
        Account(units=(Unit(0, "started", uplift=True),), bands=ONE.bands), [expect("119.40")], {},
        "different-amount", "Due at band A, £119.40, with an uplift of £100.00. Your amount is what it would be with no uplift.",
    ),
    "another delivery partner": (
        ONE, [expect("119.40", delivery_partner_id="p2")], {}, "different-delivery-partner",
        "It counts for p1, not for the delivery partner you name. That is the delivery partner of the partnership under which",
    ),
    "another delivery partner since a move to another school": (
        ONE, [expect("119.40", delivery_partner_id="p2")], {"partners": [partner(trained_at="Low School", trained_until=date(2020, 1, 1))]},
        "different-delivery-partner", "The participant trained with Second Partner at Low School until 1 January 2020; when it was declared, at Hill School.",
    ),
    "another delivery partner, with whom they train still": (
        ONE, [expect("119.40", delivery_partner_id="p2")], {"partners": [partner(trained_at="Low School")]},
        "different-delivery-partner", "not for Second Partner. That is the delivery partner of the partnership",
    ),
    "another delivery partner since a correction before": (
        ONE, [expect("119.40", delivery_partner_id="p2")],
        {"partners": [partner(corrected_from="p2", corrected_to="p1", corrected_at=datetime(2020, 1, 1, tzinfo=UTC))]},
        "different-delivery-partner", "You corrected the partnership from Second Partner to p1 on 1 January 2020, before it was declared.",
    ),
    "another delivery partner since a correction after": (
        ONE, [expect("119.40", delivery_partner_id="p2")],
        {"partners": [partner(corrected_from="p1", corrected_to="p2", corrected_at=datetime(2030, 1, 1, tzinfo=UTC))]},
        "different-delivery-partner", "You corrected the partnership to Second Partner on 1 January 2030, after it was declared",
    ),
    "another amount comes before another partner": (
        ONE, [expect("1.00", delivery_partner_id="p2")], {}, "different-amount", "Due at",
    ),
    "another amount and another partner": (
        ONE, [expect("117.48", delivery_partner_id="p2")], {}, "different-amount",
        "it would be with band B. It counts for p1, not for the delivery partner you name.",
    ),
    "not expected": (ONE, [expect("1.00", participant_id="t000009", statement_id="s00")], {}, "not-expected", "not on your list"),
    "beyond the last band": (
        Account(units=(Unit(0, "started"), Unit(0, "started")), bands=((1, "995.00", "0.60"),)),
        [expect("119.40"), expect("119.40", participant_id="t000001")], {}, "over-capacity", "beyond the last band",
    ),
    "taken back, not expected": (
        Account(units=(Unit(0, "started", participant="other"), Unit(0, "started", "clawback")), bands=ONE.bands),
        [expect("119.40", participant_id="other")], {}, "clawed-back", "the statement for January 2024 (contract period 2024) paid",
    ),
    "taken back, expected for another amount": (
        Account(units=(Unit(0, "started", participant="other"), Unit(0, "started", "clawback", participant="t000000")), bands=ONE.bands),
        [expect("119.40")], {}, "clawed-back", "claws back",
    ),
    "taken back as expected": (
        Account(units=(Unit(0, "started", participant="other"), Unit(0, "started", "clawback", participant="t000000")), bands=ONE.bands),
        [expect("-119.40")], {}, "agreed", "as you expected",
    ),
    "a stranger": (NONE, [expect("1.00")], {"trained": []}, "unknown-participant", "No participant with this id"),
    "a merged record": (
        NONE, [expect("1.00")],
        {"trained": [{"participant_id": "new", "lead_provider_id": PROVIDER}], "merges": [{"participant_id": "t000000", "merged_into": "new"}]},
        "unknown-participant", "DfE has merged that record into new.",
    ),
    "submitted": (NONE, [expect("1.00")], {"declared": [declare("no_payment")]}, "awaiting-eligibility", "no induction start is recorded"),
    "submitted for a mentor": (
        NONE, [expect("1.00", participant_type="mentor")], {"declared": [declare("no_payment", participant_type="mentor")]},
        "awaiting-eligibility", "this mentor is not recorded",
    ),
    "on another statement": (
        NONE, [expect("1.00")], {"declared": [declare(payment_statement_id="elsewhere")]},
        "on-another-statement", "the statement for April 2025 (contract period 2024)",
    ),
    "clawed back elsewhere": (
        NONE, [expect("1.00")],
        {"declared": [declare("paid", "awaiting_clawback", payment_statement_id="earlier", clawback_statement_id="elsewhere")]},
        "clawed-back", "January 2024 (contract period 2024) paid it; the statement for April 2025",
    ),
    "voided": (NONE, [expect("1.00")], {"declared": [declare("voided")]}, "voided", "It was voided."),
    "voided by a line of a file": (
        NONE, [expect("1.00")], {"declared": [declare("voided")], "voids": [voided()]},
        "voided", "It was voided on 1 July 2026, by line 4 of your file voids.csv (receipt s-2).",
    ),
    "voided by DfE": (
        NONE, [expect("1.00")],
        {"declared": [declare("voided")], "voids": [voided(author="dfe_staff_user", by_submission_id=None)]},
        "voided", "It was voided on 1 July 2026, by DfE.",
    ),
    "clawed back by a line of a file": (
        NONE, [expect("1.00")],
        {"declared": [declare("paid", "awaiting_clawback", payment_statement_id="earlier", clawback_statement_id="elsewhere"),
                      declare("voided", declaration_id="d8", created_at=datetime(2026, 2, 1, tzinfo=UTC))],
         "voids": [voided(), voided("d8", by_line_number=5)]},
        "clawed-back", "claws it back. It was voided on 1 July 2026, by line 4 of",
    ),
    "voided after one that is live elsewhere": (
        NONE, [expect("1.00")],
        {"declared": [declare(payment_statement_id="elsewhere"),
                      declare("voided", declaration_id="d8", created_at=datetime(2025, 1, 1, tzinfo=UTC))]},
        "on-another-statement", "April 2025",
    ),
    "the row was rejected": (
        NONE, [expect("1.00")], {"rejected": [{**WHO, "submission_id": "20260101T000000Z-declarations-abc", "file_name": "declarations-nov.csv", "row_number": 7, "line_number": 9, "rule_codes": "DECL-011", "messages": "Too early."}]},
        "row-rejected", "Line 9 of your file declarations-nov.csv was rejected (DECL-011): Too early. Its receipt is 20260101T000000Z-declarations-abc.",
    ),
    "a row rejected before lines were kept": (
        NONE, [expect("1.00")], {"rejected": [{**WHO, "submission_id": "s-1", "file_name": "d.csv", "row_number": 7, "line_number": None, "rule_codes": "DECL-011"}]},
        "row-rejected", "Row 7 of your file d.csv was rejected (DECL-011). Its receipt is s-1.",
    ),
    "a rejected line of the list": (
        ONE, [expect(participant_id="somebody")], {"rejected_of_lists": [{"statement_id": "s00", **WHO, "list_submission": "s-1", "list_file": "expected.csv", "list_line": 3, "list_codes": "FILE-012", "list_messages": "No day."}]},
        "row-rejected", "It is due on this statement. Line 3 of your list expected.csv, which states it, was rejected (FILE-012): No day. Its receipt is s-1.",
    ),
    "stated for a month without a statement": (
        ONE, [expect("119.40", misplaced_words="You stated it for 2024-01 of contract period 2021, for which you have no statement. ")], {},
        "agreed", "You stated it for 2024-01 of contract period 2021, for which you have no statement. Due as you expected.",
    ),
    "a row rejected for the other role says nothing": (
        NONE, [expect("1.00")],
        {"rejected": [{**WHO, "participant_type": "mentor", "submission_id": "x", "file_name": "x.csv", "row_number": 7, "line_number": None, "rule_codes": "DECL-011"}]},
        "not-declared", "no such declaration",
    ),
    "not declared": (NONE, [expect("1.00")], {}, "not-declared", "no such declaration"),
}  # fmt: skip


@pytest.mark.parametrize(("account", "expected", "records", "code", "words"), CASES.values(), ids=CASES.keys())
def test_the_reason_that_is_given(account, expected, records, code, words):
    found = {row["reason_code"]: row for row in compared(account, *expected, **records).to_dicts()}
    assert code in found
    assert words in found[code]["reason"]
    assert found[code]["what_to_do"]


def test_what_to_do_is_an_act():
    row = compared(ONE, expect("117.48")).row(0, named=True)
    assert row["what_to_do"] == "Use band A, £119.40, before VAT."
    elsewhere = {"declared": [declare(payment_statement_id="elsewhere")]}
    advised = compared(NONE, expect("1.00"), **elsewhere).row(0, named=True)["what_to_do"]
    assert advised == "In your list, state it for statement_month 2025-04, contract_period 2024."


def test_what_is_said_of_a_rejected_row_is_said_whole():
    said = "“x” is no evidence. Choose one of: " + ", ".join(f"evidence-number-{number}" for number in range(20)) + "."
    row = {
        **WHO,
        "submission_id": "s",
        "file_name": "f.csv",
        "row_number": 1,
        "line_number": 2,
        "rule_codes": "DECL-018",
    }
    told = compared(NONE, expect("1.00"), rejected=[{**row, "messages": said}]).row(0, named=True)
    assert f"(DECL-018): {said} Its receipt is s." in told["reason"]


def test_every_reason_has_a_case():
    assert {case[3] for case in CASES.values()} == {reason.code for reason in REASONS}


def test_advice_names_the_next_deadline_and_the_new_id():
    assert "31 December 2024" in compared(NONE, expect("1.00"))["what_to_do"][0]
    told = compared(
        NONE, expect("1.00"), trained=[{"participant_id": "new", "lead_provider_id": PROVIDER}],
        merges=[{"participant_id": "t000000", "merged_into": "new"}],
    )  # fmt: skip
    assert told["what_to_do"].to_list() == ["Use new."]


def test_a_merged_record_of_another_providers_participant_is_not_named():
    told = compared(NONE, expect("1.00"), trained=[], merges=[{"participant_id": "t000000", "merged_into": "secret"}])
    assert "secret" not in str(told.to_dicts())


def test_nobody_is_named_who_is_not_the_providers_own():
    assert compared(NONE, expect("1.00"), trained=[])["full_name"].to_list() == [None]
    assert compared(NONE, expect("1.00"))["full_name"].to_list() == ["Ada Obi"]


def test_without_expectations_there_is_nothing_to_compare():
    assert compared(ONE).is_empty() and dict(compared(ONE).schema) == DIFFERENCES


offsets = st.sampled_from([None, "0.00", "0.01", "-0.02", "50.00", "-119.40"])


@tried(80)
@given(accounts, st.lists(offsets, max_size=40), st.integers(0, 5))
def test_the_reasons_explain_the_whole_difference_to_the_penny(account, chosen, strangers):
    held = account.figures().declarations.filter(pl.col("line_type") != "voided")
    sent = []
    for row, offset in zip(held.to_dicts(), chosen, strict=False):
        due = Decimal(row["pence"] + row["uplift_pence"]) / 100
        key = {name: row[name] for name in ("participant_id", "participant_type", "declaration_type")}
        amount = None if offset is None else str(due + Decimal(offset))
        sent.append(expect(amount, statement_id=account.last, **key))
    sent += [expect("12.34", statement_id=account.last, participant_id=f"x{n}") for n in range(strangers)]
    rows = compared(account, *sent)
    if not sent:
        assert rows.is_empty()
        return
    keys = {(row["participant_id"], row["participant_type"], row["declaration_type"]) for row in sent}
    keys |= set(held.select("participant_id", "participant_type", "declaration_type").iter_rows())
    assert sorted(rows.select("participant_id", "participant_type", "declaration_type").iter_rows()) == sorted(keys)
    # What each side comes to, in plain Python.
    due = sum(row["pence"] + row["uplift_pence"] for row in held.to_dicts())
    expected = sum(int(row["expected_amount"] * 100) for row in sent if row["expected_amount"] is not None)
    reasons = differences_by_reason(rows)
    assert rows["due_pence"].sum() == due
    assert reasons["difference"].sum() == due - reasons["uncompared"].sum() - expected
    assert reasons["expected"].sum() == expected
