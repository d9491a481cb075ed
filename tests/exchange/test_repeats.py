"""The same file again: a duplicate while all stands; where something was undone since, told by what and when (interface 2)."""

from datetime import timedelta

import polars as pl
import pytest

from data.records.extract import export_records, import_records
from flows.acts.void import void
from flows.clock import instant
from flows.rounds.intake import intake_round
from tests.conftest import NOW
from tests.exchange.provider import acceptable_rows, put, receipts, results
from tests.exchange.records import differences, exported
from tests.exchange.test_updates import _ACTIVE, ask, training  # noqa: F401 - fixtures

AT = instant(NOW)
DAY = timedelta(days=1)


@pytest.fixture
def send(installation, provider, tmp_path):
    """Send bytes as a file of a kind, each time a day later; returns the receipt and its rows (None where there are none),
    and what changed in the records."""
    state = {"now": AT, "number": 0}

    def sent(kind: str, content: str):
        state["number"] += 1
        before = exported(installation, tmp_path / "before")
        name = f"{kind}-{state['number']}.csv"
        put(installation, provider, name, content)
        assert intake_round(installation, state["now"]).troubles == []
        state["now"] += DAY
        receipt = receipts(installation, provider)[name]
        rows = results(receipt) if receipt["rows"]["total"] else None
        return receipt, rows, differences(before, exported(installation, tmp_path / "after"))

    return sent


def undone(rows: pl.DataFrame, words: str) -> bool:
    return rows["rule_codes"].to_list() == ["FILE-013"] and words in rows["messages"][0]


def back(receipt) -> str:
    """rejected.csv, as it is sent straight back."""
    return (receipt["folder"] / "rejected.csv").read_text(encoding="utf-8-sig")


@pytest.mark.slow
def test_a_deferral_sent_again_after_the_participant_was_resumed(ask, send):  # noqa: F811
    person = ask(_ACTIVE, "ect").head(1)
    deferral = training(person, "ect", reason="career-break").write_csv()
    first, _, _ = send("deferrals", deferral)
    assert send("deferrals", deferral)[0]["duplicate_of"] == first["submission_id"]
    resumption = training(person, "ect").write_csv()
    resumed, _, _ = send("resumptions", resumption)
    receipt, rows, changed = send("deferrals", deferral)
    assert (receipt["status"], changed) == ("rejected", {})
    assert undone(rows, f"You sent this very row on 14 December 2026 (line 2 of {first['file_name']}, receipt {first['submission_id']}); it was "
                        f"accepted, and since then the participant was resumed on 16 December 2026, by line 2 of your file {resumed['file_name']} "
                        f"(receipt {resumed['submission_id']}).")  # fmt: skip
    # The same bytes get the same answer every time; rejected.csv is judged afresh.
    assert undone(send("deferrals", deferral)[1], "the participant was resumed on 16 December")
    again, rows, changed = send("deferrals", back(receipt))
    assert again["status"] == "accepted" and "training_periods" in changed
    # And so with the resumption that was undone by that.
    assert undone(send("resumptions", resumption)[1], "the participant was deferred on 19 December 2026")


@pytest.mark.slow
def test_a_declaration_sent_again_after_it_was_voided(installation, provider, send):
    rows = acceptable_rows(installation, provider).head(3)
    content = rows.write_csv()
    _, told, _ = send("declarations", content)
    ids = told["declaration_id"].to_list()
    voided, _, _ = send("voids", f"declaration_id\n{ids[1]}\n")
    receipt, told, changed = send("declarations", content)
    assert (receipt["status"], changed) == ("partially-accepted", {})
    assert receipt["rows"] == {"total": 3, "accepted": 0, "rejected": 1, "already_done": 2}
    assert told["outcome"].to_list() == ["already-done", "rejected", "already-done"]
    assert (
        f"the declaration was voided on 15 December 2026, by line 2 of your file {voided['file_name']} (receipt {voided['submission_id']})"
        in told["messages"][1]
    )
    assert pl.read_csv(receipt["folder"] / "rejected.csv", infer_schema=False).height == 1
    # Sent back, it declares again, and its receipt says so, on the page too.
    again, told, changed = send("declarations", back(receipt))
    assert (again["status"], len(changed["declarations"])) == ("accepted", 1)
    assert "You voided this on 15 December 2026; it is now declared again." in told["notes"][0]
    page = (again["folder"] / "receipt.html").read_text()
    assert "Declared again" in page and "You voided this on 15 December 2026; it is now declared again." in page
    # What stands now is what the first file asked for: whole again.
    assert send("declarations", content)[0]["status"] == "duplicate"


def test_a_file_with_a_rejected_row_is_judged_afresh_and_says_what_it_declares_again(installation, provider, send):
    rows = acceptable_rows(installation, provider).head(2)
    wrong = rows[:1].with_columns(evidence_held=pl.lit("a-note"), declaration_type=pl.lit("completed"))
    content = pl.concat([rows, wrong]).write_csv()
    _, told, _ = send("declarations", content)
    send("voids", f"declaration_id\n{told['declaration_id'][0]}\n")
    receipt, told, changed = send("declarations", content)
    assert told["outcome"].to_list() == ["accepted", "already-done", "rejected"]
    assert "it is now declared again" in told["notes"][0] and "declared again" not in (told["notes"][1] or "")
    assert len(changed["declarations"]) == 1


def test_a_void_by_dfe_is_told_as_theirs(installation, provider, send):
    content = acceptable_rows(installation, provider).head(1).write_csv()
    _, told, _ = send("declarations", content)
    void(installation, told["declaration_id"][0], "a mistake", AT + DAY / 2)
    receipt, told, _ = send("declarations", content)
    assert undone(told, "the declaration was voided on 14 December 2026, by DfE.")
    _, told, _ = send("declarations", back(receipt))
    assert "This had been voided; it is now declared again." in told["notes"][0]


def test_a_void_sent_again_stays_a_duplicate(installation, provider, send):
    _, told, _ = send("declarations", acceptable_rows(installation, provider).head(1).write_csv())
    content = f"declaration_id\n{told['declaration_id'][0]}\n"
    first, _, _ = send("voids", content)
    assert send("voids", content)[0]["duplicate_of"] == first["submission_id"]


def test_a_schedule_changed_twice_in_one_file_stands_as_it_ended(ask, send):  # noqa: F811
    person = ask(_ACTIVE, "ect").head(1)
    own = person["schedule_identifier"][0]
    one, two = [
        name for name in ("ecf-standard-september", "ecf-standard-january", "ecf-standard-april") if name != own
    ][:2]
    content = pl.concat([training(person, "ect", schedule_identifier=name) for name in (one, two)]).write_csv()
    assert send("schedule-changes", content)[0]["status"] == "accepted"
    assert send("schedule-changes", content)[0]["status"] == "duplicate"
    assert (
        send("schedule-changes", training(person, "ect", schedule_identifier=one).write_csv())[0]["status"]
        == "accepted"
    )
    receipt, rows, _ = send("schedule-changes", content)
    assert receipt["rows"]["rejected"] == 2
    assert all("the participant's schedule was changed on 16 December 2026" in message for message in rows["messages"])


_OPEN_SCHOOLS = """
SELECT s.urn, s.school_id, q.delivery_partner_id FROM schools s
JOIN school_contract_periods y ON y.school_id = s.school_id AND y.contract_period = 2026
JOIN provider_delivery_partners q ON q.lead_provider_id = ? AND q.contract_period = 2026
WHERE s.eligible AND y.induction_programme_choice <> 'school_led' AND NOT EXISTS (SELECT 1 FROM partnerships p
  WHERE p.school_id = s.school_id AND p.lead_provider_id = q.lead_provider_id AND p.contract_period = 2026)
ORDER BY s.urn, q.delivery_partner_id
"""


def test_a_partnership_that_dfe_removed_is_told(installation, provider, ask, send, tmp_path):  # noqa: F811
    school = ask(_OPEN_SCHOOLS).row(0, named=True)
    content = f"school_urn,delivery_partner_id,contract_period\n{school['urn']},{school['delivery_partner_id']},2026\n"
    assert send("partnerships", content)[0]["status"] == "accepted"
    # DfE shows it once, and then no more.
    export_records(installation.database, tmp_path / "seen")
    import_records(installation.database, tmp_path / "seen", AT + DAY)
    rows = pl.read_csv(tmp_path / "seen" / "partnerships.csv", infer_schema=False)
    made = rows.filter(pl.col("created_at") == NOW)["partnership_id"][0]
    (tmp_path / "gone").mkdir()
    rows.filter(pl.col("partnership_id") != made).write_csv(tmp_path / "gone" / "partnerships.csv")
    periods = pl.read_csv(tmp_path / "seen" / "training_periods.csv", infer_schema=False)
    nothing = pl.when(pl.col("partnership_id") != made).then("partnership_id")
    periods.with_columns(partnership_id=nothing).write_csv(tmp_path / "gone" / "training_periods.csv")
    import_records(installation.database, tmp_path / "gone", AT + DAY * 1.5)
    receipt, rows, _ = send("partnerships", content)
    assert undone(rows, "records of DfE that say otherwise were loaded on ")
    assert send("partnerships", back(receipt))[0]["status"] == "accepted"


@pytest.mark.slow
def test_rejected_csv_is_judged_afresh_however_often_the_cycle_goes_round(ask, send):  # noqa: F811
    person = ask(_ACTIVE, "ect").head(1)
    deferral, resumption = (
        training(person, "ect", reason="career-break").write_csv(),
        training(person, "ect").write_csv(),
    )
    send("deferrals", deferral)
    for _ in range(3):
        again, _, _ = send("resumptions", resumption)
        if again["status"] == "rejected":
            assert send("resumptions", back(again))[0]["status"] == "accepted"
        receipt, rows, _ = send("deferrals", deferral)
        assert rows["rule_codes"].to_list() == ["FILE-013"]
        page = (receipt["folder"] / "receipt.html").read_text()
        assert (
            "If it was meant to be undone, there is nothing for you to do." in page and "Correct the rows" not in page
        )
        assert send("deferrals", back(receipt))[0]["status"] == "accepted"


def test_a_row_that_was_done_already_when_it_first_came_is_told_what_undid_it(installation, provider, send):
    rows = acceptable_rows(installation, provider).head(1)
    send("declarations", rows.write_csv())
    referred = rows.with_columns(your_reference=pl.lit("again")).write_csv()
    _, told, _ = send("declarations", referred)
    assert told["outcome"].to_list() == ["already-done"]
    send("voids", f"declaration_id\n{told['declaration_id'][0]}\n")
    assert undone(
        send("declarations", referred)[1], "the declaration was voided on 16 December 2026, by a file of yours."
    )


def test_what_was_done_for_somebody_merged_since_stands(installation, provider, ask, send, tmp_path):  # noqa: F811
    """The file that names the old id is a duplicate: what it did stands under the new one."""
    rows = acceptable_rows(installation, provider).head(1)
    old, new = rows["participant_id"][0], "eeeeeeee-0000-4000-8000-000000000001"
    first, _, _ = send("declarations", rows.write_csv())
    export_records(installation.database, tmp_path / "fresh")
    for name in ("participants", "school_periods"):
        table = pl.read_csv(tmp_path / "fresh" / f"{name}.csv", infer_schema=False)
        table.with_columns(pl.col("participant_id").replace({old: new})).write_csv(tmp_path / "fresh" / f"{name}.csv")
    changes = pl.read_csv(tmp_path / "fresh" / "participant_id_changes.csv", infer_schema=False)
    added = pl.DataFrame([(old, new, "2026-12-14T20:00:00Z")], schema=changes.columns, orient="row")
    pl.concat([changes, added]).write_csv(tmp_path / "fresh" / "participant_id_changes.csv")
    import_records(installation.database, tmp_path / "fresh", AT + DAY / 2)
    again, _, _ = send("declarations", rows.write_csv())
    assert (again["status"], again["duplicate_of"]) == ("duplicate", first["submission_id"])
