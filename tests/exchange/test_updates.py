"""Every kind of file over a mailbox: the records' difference is what was meant, and nothing else has changed."""

import polars as pl
import pytest

from flows.clock import instant
from flows.installation import Installation
from flows.rounds.intake import intake_round
from tests.conftest import NOW
from tests.exchange.provider import put, receipts, results
from tests.exchange.records import differences, exported

AT, TODAY, NEXT_DAY = instant(NOW), "2026-12-14", instant("2026-12-15T10:00:00Z")
_ACTIVE = """
SELECT sp.participant_id, sp.participant_type, tp.training_period_id, tp.schedule_identifier, tp.partnership_id
FROM training_periods tp
JOIN partnerships p ON p.partnership_id = tp.partnership_id
JOIN school_periods sp ON sp.school_period_id = tp.school_period_id
JOIN participants pa ON pa.participant_id = sp.participant_id
WHERE p.lead_provider_id = ? AND p.contract_period = 2025 AND sp.participant_type = ? AND tp.finished_on IS NULL
  AND sp.finished_on IS NULL AND pa.induction_end_date IS NULL AND pa.mentor_funding_end_date IS NULL
ORDER BY tp.training_period_id
"""
_DECLARED = """
SELECT d.declaration_id, d.training_period_id, sp.participant_id FROM declarations d
JOIN training_periods tp ON tp.training_period_id = d.training_period_id
JOIN school_periods sp ON sp.school_period_id = tp.school_period_id
JOIN partnerships p ON p.partnership_id = tp.partnership_id
WHERE p.lead_provider_id = ? AND p.contract_period = 2025 AND d.payment_status = ?
  AND d.clawback_status = 'no_clawback' AND sp.participant_type = 'ect'
ORDER BY d.declaration_id
"""
COURSES = {"ect": "ecf-induction", "mentor": "ecf-mentor"}
both_roles = pytest.mark.parametrize("role", ["ect", "mentor"])


@pytest.fixture
def ask(installation: Installation, provider):
    """The answer to a question about this provider's records."""

    def asked(sql: str, *parameters: str) -> pl.DataFrame:
        with installation.database.read() as reader:
            return reader.frame(sql, provider.lead_provider_id, *parameters)

    return asked


@pytest.fixture
def send(installation: Installation, provider, tmp_path):
    """Send rows as a file of a kind; returns (results, the records' differences)."""

    def sent(kind: str, rows: pl.DataFrame, now=AT, name: str = ""):
        before = exported(installation, tmp_path / "before")
        file_name = f"{kind}{name}.csv"
        put(installation, provider, file_name, rows.write_csv())
        done = intake_round(installation, now)
        assert done.troubles == []
        return results(receipts(installation, provider)[file_name]), differences(
            before, exported(installation, tmp_path / "after")
        )

    return sent


def training(rows: pl.DataFrame, role: str, **cells: str) -> pl.DataFrame:
    return rows.select(
        "participant_id",
        course_identifier=pl.lit(COURSES[role]),
        **{name: pl.lit(cell) for name, cell in cells.items()},
    )


@both_roles
@pytest.mark.parametrize(
    ("kind", "reason", "instant_column", "reason_column"),
    [
        ("deferrals", "parental-leave", "deferred_at", "deferral_reason"),
        ("withdrawals", "moved-school", "withdrawn_at", "withdrawal_reason"),
    ],
)
def test_training_stops(ask, send, role, kind, reason, instant_column, reason_column):
    chosen = ask(_ACTIVE, role).head(2)
    told, changed = send(kind, training(chosen, role, reason=reason))
    assert told["outcome"].to_list() == ["accepted"] * 2
    assert changed == {
        "training_periods": {
            period: {
                "finished_on": (None, TODAY), instant_column: (None, NOW), reason_column: (None, reason),
            }
            for period in chosen["training_period_id"]
        }
    }  # fmt: skip


@both_roles
def test_training_stops_and_goes_on_the_next_day(ask, send, role):
    chosen = ask(_ACTIVE, role).head(1)
    send("deferrals", training(chosen, role, reason="other"))
    told, changed = send("resumptions", training(chosen, role), NEXT_DAY)
    assert told["outcome"].to_list() == ["accepted"]
    ((new, columns),) = changed.pop("training_periods").items()
    assert changed == {} and new not in set(chosen["training_period_id"])
    assert columns["started_on"] == (None, "2026-12-15")
    assert columns["partnership_id"] == (None, chosen["partnership_id"][0])
    assert columns["schedule_identifier"] == (None, chosen["schedule_identifier"][0])
    assert "finished_on" not in columns and "deferred_at" not in columns


@both_roles
def test_a_schedule_changes_by_splitting_the_period(ask, send, role):
    chosen = ask(_ACTIVE, role).filter(pl.col("schedule_identifier") != "ecf-extended-april").head(1)
    row = training(chosen, role, schedule_identifier="ecf-extended-april")
    told, changed = send("schedule-changes", row)
    assert told["outcome"].to_list() == ["accepted"]
    periods = changed.pop("training_periods")
    assert changed == {}
    assert periods.pop(chosen["training_period_id"][0]) == {"finished_on": (None, "2026-12-13")}
    ((_, columns),) = periods.items()
    assert columns["schedule_identifier"] == (None, "ecf-extended-april") and columns["started_on"] == (None, TODAY)
    again, unchanged = send("schedule-changes", row.with_columns(your_reference=pl.lit("again")), NEXT_DAY, "-again")
    assert again["outcome"].to_list() == ["already-done"] and unchanged == {}


@pytest.mark.parametrize("status", ["no_payment", "eligible", "payable"])
def test_what_is_not_paid_is_voided(ask, send, status):
    chosen = ask(_DECLARED, status).head(2)
    told, changed = send("voids", chosen.select("declaration_id"))
    assert told["state"].to_list() == ["voided"] * chosen.height
    assert changed == {
        "declarations": {one: {"payment_status": (status, "voided")} for one in chosen["declaration_id"]}
    }


def test_what_is_paid_is_clawed_back(ask, send, installation):
    chosen = ask(_DECLARED, "paid").head(2)
    told, changed = send("voids", chosen.select("declaration_id"))
    assert told["state"].to_list() == ["awaiting-clawback"] * 2
    assert set(told["statement_month"]) == {"2027-01"}
    (statement,) = {columns["clawback_statement_id"][1] for columns in changed["declarations"].values()}
    assert changed == {
        "declarations": {
            one: {
                "clawback_status": ("no_clawback", "awaiting_clawback"), "clawback_statement_id": (None, statement),
            }
            for one in chosen["declaration_id"]
        }
    }  # fmt: skip
    again, unchanged = send("voids", chosen.select("declaration_id", your_reference=pl.lit("x")), NEXT_DAY, "-again")
    assert again["outcome"].to_list() == ["already-done"] * 2 and unchanged == {}


def test_a_partnership_is_made_and_those_who_wait_are_taken_over(ask, send, installation, provider):
    """Someone at a school where this provider has no partnership for 2026 gets an expression of interest."""
    owner = provider.lead_provider_id
    schools = ask(
        """
        SELECT s.school_id, s.urn, tp.training_period_id FROM schools s
        JOIN school_periods sp ON sp.school_id = s.school_id
        JOIN training_periods tp ON tp.school_period_id = sp.school_period_id
        JOIN school_contract_periods c ON c.school_id = s.school_id AND c.contract_period = 2026
        WHERE NOT EXISTS (SELECT 1 FROM partnerships p WHERE p.school_id = s.school_id AND p.contract_period = 2026
                          AND p.lead_provider_id = ?)
          AND s.eligible AND c.induction_programme_choice <> 'school_led' AND tp.partnership_id IS NULL
        ORDER BY tp.training_period_id
        """
    )
    partner = ask(
        "SELECT delivery_partner_id FROM provider_delivery_partners WHERE lead_provider_id = ? AND contract_period = 2026"
    )["delivery_partner_id"][0]
    waiting, urn = schools["training_period_id"][0], schools["urn"][0]
    with installation.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE training_periods SET expression_of_interest_lead_provider_id = ?, "
            "expression_of_interest_contract_period = 2026 WHERE training_period_id = ?",
            (owner, waiting),
        )
    row = pl.DataFrame({"school_urn": [urn], "delivery_partner_id": [partner], "contract_period": ["2026"]})
    told, changed = send("partnerships", row)
    assert told["outcome"].to_list() == ["accepted"]
    ((made, columns),) = changed.pop("partnerships").items()
    assert columns["lead_provider_id"] == (None, owner) and columns["delivery_partner_id"] == (None, partner)
    assert changed == {"training_periods": {waiting: {"partnership_id": (None, made)}}}
    assert made in told["notes"][0] and "1 participant who waited" in told["notes"][0]


def test_a_partnerships_delivery_partner_is_corrected(ask, send):
    partnership = ask(
        """
        SELECT p.partnership_id, p.delivery_partner_id, x.delivery_partner_id AS other FROM partnerships p
        JOIN provider_delivery_partners x ON x.lead_provider_id = p.lead_provider_id
          AND x.contract_period = p.contract_period AND x.delivery_partner_id <> p.delivery_partner_id
        WHERE p.lead_provider_id = ? AND p.contract_period = 2025 ORDER BY p.partnership_id
        """
    ).row(0, named=True)
    row = pl.DataFrame(
        {"partnership_id": [partnership["partnership_id"]], "delivery_partner_id": [partnership["other"]]}
    )
    told, changed = send("partnership-changes", row)
    assert told["outcome"].to_list() == ["accepted"]
    assert changed == {
        "partnerships": {
            partnership["partnership_id"]: {
                "delivery_partner_id": (partnership["delivery_partner_id"], partnership["other"])
            }
        }
    }


def test_expected_payments_are_kept_and_the_last_file_stands(ask, send, installation):
    people = ask(_ACTIVE, "ect").head(3)
    rows = training(people, "ect", statement_month="2027-01", contract_period="2025", declaration_type="retained-1")
    told, changed = send("expected-payments", rows.with_columns(expected_amount=pl.lit("89.55")))
    assert told["outcome"].to_list() == ["accepted"] * 3 and changed == {}
    send("expected-payments", rows.head(1).with_columns(expected_amount=pl.lit("90.00")), NEXT_DAY, "-later")
    with installation.database.read() as reader:
        kept = reader.frame("SELECT submission_id, expected_amount FROM expected_payments")
    assert sorted(kept["expected_amount"]) == ["89.55"] * 3 + ["90.00"]


def test_expected_payments_can_go_back_to_an_earlier_file(ask, send, installation, provider):
    """The same bytes are a duplicate only while they are what stands."""
    people = ask(_ACTIVE, "ect").head(1)
    rows = training(people, "ect", statement_month="2027-01", contract_period="2025", declaration_type="retained-1")
    one, other = (rows.with_columns(expected_amount=pl.lit(amount)) for amount in ("1.00", "2.00"))
    statuses = []
    for number, sent in enumerate((one, one, other, one, one)):
        name = f"expected-payments-{number}.csv"
        put(installation, provider, name, sent.write_csv())
        intake_round(installation, instant(f"2026-12-14T10:0{number}:00Z"))
        statuses.append(receipts(installation, provider)[name]["status"])
    assert statuses == ["accepted", "duplicate", "accepted", "accepted", "duplicate"]


@pytest.mark.slow
def test_files_see_one_another_through_the_records(ask, send):
    """A withdrawal taken at ten decides a declaration taken at five past."""
    chosen = ask(_ACTIVE, "ect").head(1)
    send("withdrawals", training(chosen, "ect", reason="other"))
    late = training(
        chosen, "ect", declaration_type="retained-4", declaration_date="2026-12-14T10:00:00Z", evidence_held="other"
    )
    told, changed = send("declarations", late, instant("2026-12-14T10:05:00Z"))
    assert "DECL-019" in told["rule_codes"][0] and changed == {}
    early = late.with_columns(declaration_date=pl.lit("2026-12-14T09:59:59Z"))
    told, changed = send("declarations", early, instant("2026-12-14T10:06:00Z"), "-early")
    assert "DECL-019" not in (told["rule_codes"][0] or "")


@pytest.mark.parametrize(
    "kind",
    ["voids", "deferrals", "withdrawals", "resumptions", "schedule-changes", "partnerships", "partnership-changes",
     "expected-payments"],
)  # fmt: skip
@pytest.mark.slow
def test_a_rejected_csv_of_any_kind_can_be_corrected_and_sent_back(ask, send, installation, provider, kind):
    people = ask(_ACTIVE, "ect").head(2)
    send("deferrals", training(people, "ect", reason="other"), instant("2026-12-13T10:00:00Z"), "-first")
    others = ask(_ACTIVE, "mentor").head(2)
    good, wrong = {
        "voids": (ask(_DECLARED, "eligible").head(2).select("declaration_id"), "declaration_id"),
        "deferrals": (training(others, "mentor", reason="other"), "reason"),
        "withdrawals": (training(others, "mentor", reason="other"), "reason"),
        "resumptions": (training(people, "ect"), "course_identifier"),
        "schedule-changes": (
            training(others, "mentor", schedule_identifier="ecf-extended-april"),
            "schedule_identifier",
        ),
        "partnerships": (_new_partnerships(ask), "delivery_partner_id"),
        "partnership-changes": (_corrections(ask), "partnership_id"),
        "expected-payments": (
            training(people, "ect", statement_month="2027-01", contract_period="2025", declaration_type="started"),
            "statement_month",
        ),
    }[kind]
    bad = good.with_columns(pl.lit("wrong").alias(wrong))
    told, changed = send(kind, bad, AT, "-bad")
    assert set(told["outcome"]) == {"rejected"} and changed == {}
    back = results(receipts(installation, provider)[f"{kind}-bad.csv"], "rejected.csv")
    assert back.columns == ["line_number", *good.columns, "errors"] and back["errors"].null_count() == 0
    told, _ = send(kind, back.with_columns(good[wrong]), NEXT_DAY, "-corrected")
    assert told["outcome"].to_list() == ["accepted"] * good.height, told["messages"].to_list()
    assert told["notes"].null_count() == 0, "every accepted row says what it did"


def _new_partnerships(ask) -> pl.DataFrame:
    return ask(
        """
        SELECT s.urn AS school_urn, MIN(x.delivery_partner_id) AS delivery_partner_id, '2026' AS contract_period
        FROM provider_delivery_partners x CROSS JOIN schools s
        LEFT JOIN school_contract_periods c ON c.school_id = s.school_id AND c.contract_period = 2026
        WHERE x.lead_provider_id = ? AND x.contract_period = 2026 AND s.eligible
          AND COALESCE(c.induction_programme_choice, '') <> 'school_led'
          AND NOT EXISTS (SELECT 1 FROM partnerships p WHERE p.school_id = s.school_id AND p.contract_period = 2026
                          AND p.lead_provider_id = x.lead_provider_id)
        GROUP BY s.urn ORDER BY s.urn LIMIT 2
        """
    )


def _corrections(ask) -> pl.DataFrame:
    return ask(
        """
        SELECT p.partnership_id, MIN(x.delivery_partner_id) AS delivery_partner_id FROM partnerships p
        JOIN provider_delivery_partners x ON x.lead_provider_id = p.lead_provider_id
          AND x.contract_period = p.contract_period AND x.delivery_partner_id <> p.delivery_partner_id
        WHERE p.lead_provider_id = ? AND p.contract_period = 2025
          AND NOT EXISTS (SELECT 1 FROM partnerships q WHERE q.school_id = p.school_id
                          AND q.contract_period = p.contract_period AND q.lead_provider_id = p.lead_provider_id
                          AND q.partnership_id <> p.partnership_id)
        GROUP BY p.partnership_id ORDER BY p.partnership_id LIMIT 2
        """
    )
