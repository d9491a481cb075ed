"""What DfE does itself: voids, clawbacks, adjustments; and the audit trail that tells of everything."""

from decimal import Decimal

import polars as pl
import pytest

from flows.acts.adjust import add_adjustments
from flows.acts.history import history
from flows.acts.void import void
from flows.clock import instant
from flows.errors import ExchangeError
from flows.rounds.intake import intake_round
from tests.conftest import NOW
from tests.exchange.provider import acceptable_rows, put, receipts, results
from tests.exchange.records import differences, exported

AT, LATER = instant(NOW), instant("2026-12-15T10:00:00Z")
DECLARED = """
SELECT d.declaration_id FROM declarations d
JOIN training_periods tp ON tp.training_period_id = d.training_period_id
JOIN partnerships p ON p.partnership_id = tp.partnership_id
JOIN school_periods sp ON sp.school_period_id = tp.school_period_id
WHERE p.contract_period = 2025 AND d.payment_status = ? AND d.clawback_status = 'no_clawback'
  AND sp.participant_type = 'ect'
ORDER BY d.declaration_id
"""


@pytest.fixture
def ask(installation):
    def asked(sql: str, *parameters: str) -> pl.DataFrame:
        with installation.database.read() as reader:
            return reader.frame(sql, *parameters)

    return asked


@pytest.mark.parametrize(
    ("status", "words", "columns"),
    [
        ("payable", "Voided", {"payment_status": ("payable", "voided")}),
        ("paid", "clawed back on the statement of 2027-01", {"clawback_status": ("no_clawback", "awaiting_clawback")}),
    ],
)
def test_dfe_voids_and_claws_back_as_providers_do(installation, ask, tmp_path, status, words, columns):
    chosen = ask(DECLARED, status)["declaration_id"][0]
    before = exported(installation, tmp_path / "before")
    assert words in void(installation, chosen, "Audit found no evidence", AT)
    changed = differences(before, exported(installation, tmp_path / "after"))
    assert set(changed) == {"declarations"} and set(changed["declarations"]) == {chosen}
    assert columns.items() <= changed["declarations"][chosen].items()
    with installation.database.read() as reader:
        story = history(reader, chosen)
    assert "Reason: Audit found no evidence." in story[1] and story[1].endswith("(DfE)")
    with pytest.raises(ExchangeError, match="VOID-004" if status == "payable" else "CLAW-002"):
        void(installation, chosen, "again", LATER)


def test_what_dfe_has_voided_is_done_already_for_the_provider(installation, ask):
    chosen = ask(DECLARED, "payable")["declaration_id"][0]
    void(installation, chosen, "Wrong person", AT)
    owner = ask("SELECT lead_provider_id FROM events WHERE declaration_id = ?", chosen)["lead_provider_id"][0]
    provider = installation.lead_provider(owner)
    put(installation, provider, "voids.csv", f"declaration_id\n{chosen}\n")
    intake_round(installation, LATER)
    told = results(receipts(installation, provider)["voids.csv"])
    assert (told["outcome"][0], told["state"][0]) == ("already-done", "voided")  # the row asks for just what stands


def test_a_void_needs_a_declaration_and_a_reason(installation):
    with pytest.raises(ExchangeError, match="NO-REASON"):
        void(installation, "00000000-0000-4000-8000-000000000000", " ", AT)
    with pytest.raises(ExchangeError, match="VOID-003"):
        void(installation, "00000000-0000-4000-8000-000000000000", "x", AT)


STATEMENT = "SELECT statement_id FROM statements WHERE status = ? AND fee_type = ? ORDER BY statement_id"


def test_adjustments_are_added_once(installation, ask, tmp_path):
    chosen = ask(STATEMENT, "open", "output")["statement_id"][0]
    path = tmp_path / "adjustments.csv"
    path.write_text(
        f"statement_id,payment_type,amount\n{chosen},Uplift of a replacement mentor,-100.00\n{chosen},x,1000000.00\n"
    )
    before = exported(installation, tmp_path / "before")
    done = add_adjustments(installation, path, AT)
    assert [(count, total) for _, count, total in done.sums] == [(2, Decimal("999900.00"))]
    changed = differences(before, exported(installation, tmp_path / "after"))
    assert list(changed) == ["adjustments"]
    amounts = sorted(columns["amount"][1] for columns in changed["adjustments"].values())
    assert amounts == ["-100.00", "1000000.00"]
    assert add_adjustments(installation, path, LATER).was_there
    assert differences(exported(installation, tmp_path / "again"), exported(installation, tmp_path / "after")) == {}
    assert ask("SELECT 1 AS n FROM events WHERE type = 'statement_adjustment_added'").height == 2


FAULTS = {
    "blank statement": (",x,1.00", "ADJUST-001"),
    "malformed statement": ("abc,x,1.00", "FILE-010"),
    "no such statement": ("00000000-0000-4000-8000-000000000000,x,1.00", "ADJUST-002"),
    "a service statement": ("{service},x,1.00", "ADJUST-003"),
    "a paid statement": ("{paid},x,1.00", "ADJUST-004"),
    "blank payment type": ("{open},,1.00", "ADJUST-005"),
    "501 characters": ("{open}," + "x" * 501 + ",1.00", "ADJUST-006"),
    "blank amount": ("{open},x,", "ADJUST-007"),
    "not money": ("{open},x,£1", "FILE-012"),
    "nothing": ("{open},x,0.00", "ADJUST-008"),
    "a penny over the limit": ("{open},x,1000000.01", "ADJUST-009"),
    "a penny under the limit": ("{open},x,-1000000.01", "ADJUST-009"),
    "too few cells": ("{open},x", "FILE-008"),
}


@pytest.mark.parametrize(("row", "code"), FAULTS.values(), ids=FAULTS)
def test_one_wrong_adjustment_refuses_the_file(installation, ask, tmp_path, row, code):
    ids = {
        name: ask(STATEMENT, *wanted)["statement_id"][0]
        for name, wanted in {
            "open": ("open", "output"), "service": ("open", "service"), "paid": ("paid", "output"),
        }.items()
    }  # fmt: skip
    path = tmp_path / "adjustments.csv"
    path.write_text(f"statement_id,payment_type,amount\n{ids['open']},fine,1.00\n{row.format(**ids)}\n")
    before = ask("SELECT 1 AS n FROM adjustments").height
    with pytest.raises(ExchangeError, match=f"line 3: .*{code}"):
        add_adjustments(installation, path, AT)
    assert ask("SELECT 1 AS n FROM adjustments").height == before


def test_the_limits_themselves_are_accepted(installation, ask, tmp_path):
    chosen = ask(STATEMENT, "open", "output")["statement_id"][0]
    path = tmp_path / "adjustments.csv"
    path.write_text(f"statement_id,payment_type,amount\n{chosen},{'x' * 500},-1000000.00\n{chosen},y,0.01\n")
    assert add_adjustments(installation, path, AT).sums[0][1] == 2


def test_the_history_of_a_declaration_is_told_in_order(installation, ask):
    provider = installation.lead_providers()[0]
    put(installation, provider, "declarations.csv", acceptable_rows(installation, provider).head(1).write_csv())
    intake_round(installation, AT)
    made = ask("SELECT declaration_id, participant_id FROM events WHERE type = 'teacher_declaration_created'")
    declaration, participant = made.row(0)
    put(installation, provider, "voids.csv", f"declaration_id\n{declaration}\n")
    intake_round(installation, LATER)
    with installation.database.read() as reader:
        story, whole = history(reader, declaration), history(reader, participant)
    assert "made, on the statement of 2027-01" in story[1] and "declarations.csv line 2" in story[1]
    assert "went from eligible to voided" in story[2] and provider.name in story[2]
    assert story[-1] == "Now: voided."
    assert whole[1:] == story[1:3]


def test_reasons_are_told_only_when_asked_for(installation, ask):
    provider = installation.lead_providers()[0]
    person = acceptable_rows(installation, provider)["participant_id"][0]
    row = f"participant_id,course_identifier,reason\n{person},ecf-induction,bereavement\n"
    put(installation, provider, "deferrals.csv", row)
    intake_round(installation, AT)
    with installation.database.read() as reader:
        assert "bereavement" not in "".join(history(reader, person))
        assert "Reason: bereavement." in history(reader, person, with_reasons=True)[1]


def test_an_unknown_id_has_no_history(installation):
    with installation.database.read() as reader, pytest.raises(ExchangeError, match="NO-RECORD"):
        history(reader, "00000000-0000-4000-8000-000000000000")
