"""What becomes of what is sent to a practice mailbox: the same as on a real service at that instant."""

import hashlib
import json
import shutil
from typing import Any

import pytest

from flows.clock import instant
from flows.installation import open_installation
from flows.practice.mailboxes import opened
from flows.practice.turns import practice_round
from flows.rounds import turn
from flows.rounds.intake import intake_round
from flows.rounds.statements import statements_round
from flows.rounds.trying import Failed
from flows.settings import Settings
from schemas.instants import rfc3339
from tests.conftest import IMPORTED_AT, NOW
from tests.exchange.provider import acceptable_rows, put, receipts
from tests.practice.conftest import Practising

AT = "2026-12-14T10-00-00Z"  # NOW, as names have it
LATER = "2026-12-15T09-00-00Z"


@pytest.fixture
def rows(practising: Practising) -> str:
    """Ten rows that are accepted at NOW."""
    return acceptable_rows(practising.home, practising.provider).head(10).write_csv()


def test_a_file_is_received_when_its_name_says(practising, rows):
    receipt = practising.sent(f"declarations@{AT}.csv", rows)
    assert (receipt["status"], receipt["kind"], receipt["practice"]) == ("accepted", "declarations", True)
    assert receipt["received_at"] == receipt["processed_at"] == NOW
    assert practising.asked(f"SELECT COUNT(*) FROM declarations WHERE created_at = '{NOW}'") == [(10,)]


@pytest.mark.slow
def test_then_the_clock_stands_there(practising, rows):
    practising.sent(f"declarations@{AT}.csv", rows)
    assert practising.sent("requests.csv", "request\nextract\n")["received_at"] == NOW
    assert practising.sent(f"voids@{AT}.csv", "declaration_id\n")["received_at"] == NOW
    assert practising.sent(f"voids@{LATER}.csv", "declaration_id\n")["received_at"] == "2026-12-15T09:00:00Z"
    assert practising.sent("withdrawals.csv", "participant_id\n")["received_at"] == "2026-12-15T09:00:00Z"


def test_it_begins_where_the_records_do(practising):
    """Not by the real time: the same files give the same figures on any day."""
    assert practising.sent("voids.csv", "declaration_id\n")["received_at"] == IMPORTED_AT
    assert practising.sent("statements@2026-11-19.csv")["file_errors"][0]["code"] == "FILE-001"


@pytest.mark.parametrize("says", [True, False])
def test_records_that_do_not_say_of_when_they_are_begin_with_the_first_file(practising, says):
    as_of = f"'{IMPORTED_AT}'" if says else "NULL"
    with opened(practising.home, practising.provider.slug) as mailbox, mailbox.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE records_imports SET as_of = {as_of}")
    practising.sent("declarations@nonsense.csv", "x\n")  # what is refused for its name is no beginning
    first = practising.sent("voids@2026-03-31T23-30-00Z.csv", "declaration_id\n")
    assert first["received_at"] == (IMPORTED_AT if says else "2026-03-31T23:30:00Z")
    assert bool(first["file_errors"][0]["code"] == "FILE-001") is says
    again = practising.sent("statements@2026-03-31.csv")
    assert (again["status"], again["received_at"]) == ("rejected", first["received_at"])


def test_it_never_goes_back(practising, rows):
    practising.sent(f"voids@{LATER}.csv", "declaration_id\n")
    for name in (f"declarations@{AT}.csv", "statements@2026-12-14.csv"):
        receipt = practising.sent(name, rows if name.startswith("decl") else "")
        assert (receipt["status"], receipt["file_errors"][0]["code"]) == ("rejected", "FILE-001")
        assert "15 December 2026 at 09:00" in receipt["file_errors"][0]["message"]
        assert receipt["received_at"] == "2026-12-15T09:00:00Z"
    assert practising.sent("voids.csv", "declaration_id\n")["received_at"] == "2026-12-15T09:00:00Z"


@pytest.mark.slow
def test_files_that_lie_there_together_go_by_their_clocks(practising, rows):
    practising.send("statements@2027-01-01.csv")
    practising.send(f"voids@{LATER}.csv", "declaration_id\n")
    practising.send(f"declarations@{AT}.csv", rows)
    practising.send("declarations@2026-12-31T23-59-59Z.csv", rows)
    practising.round()
    in_order = [(each["file_name"][:11], each["status"]) for each in practising.receipts()]
    assert in_order == [
        ("declaration", "accepted"),
        ("voids@2026-", "rejected"),
        ("declaration", "duplicate"),
        ("statements@", "accepted"),
    ]


def test_the_second_before_midnight_counts_for_the_deadline(practising, rows):
    """Deadlines are London's: 31 December, 23:59:59 is in time, and a second later is not."""
    head, first, second = rows.splitlines()[:3]
    practising.send("declarations-a@2026-12-31T23-59-59Z.csv", f"{head}\n{first}\n")
    practising.send("declarations-b@2027-01-01T00-00-00Z.csv", f"{head}\n{second}\n")
    practising.round()
    months = practising.asked(
        "SELECT d.created_at, s.year, s.month FROM declarations d "
        "LEFT JOIN statements s ON s.statement_id = d.payment_statement_id "
        "WHERE d.created_at >= '2026-12-31T23:59:59Z' ORDER BY d.created_at"
    )
    assert months[0] == ("2026-12-31T23:59:59Z", 2027, 1)
    assert months[1][0] == "2027-01-01T00:00:00Z" and months[1] != ("2027-01-01T00:00:00Z", 2027, 1)


@pytest.mark.slow
def test_statements_move_on_and_are_paid_when_their_day_has_come(practising, rows):
    practising.sent(f"declarations@{AT}.csv", rows)
    assert practising.sent("statements@2026-12-31.csv")["status"] == "accepted"
    assert _january(practising) == {"open"}
    practising.sent("statements@2027-01-01.csv")
    assert _january(practising) == {"open", "payable"}
    receipt = practising.sent("statements@2027-01-25.csv")  # the payment date
    assert "25 January 2027" in receipt["notes"][0]
    assert _january(practising) == {"open", "payable", "paid"}
    due = practising.asked(
        "SELECT DISTINCT d.payment_status FROM declarations d JOIN statements s "
        "ON s.statement_id = d.payment_statement_id "
        f"WHERE d.created_at = '{NOW}' AND s.year = 2027 AND s.month = 1"
    )
    assert due == [("paid",)]
    assert "2027-01-25T00:00:00Z" in (practising.box / "from-dfe/extracts/full/manifest.json").read_text()


def _january(practising: Practising) -> set[str]:
    return {each["status"] for path, each in practising.statements().items() if "/2027-01/" in path}


@pytest.mark.slow
def test_what_was_paid_is_clawed_back(practising, rows):
    practising.sent(f"declarations@{AT}.csv", rows)
    practising.sent("statements@2027-01-25.csv")
    of_us = f"FROM declarations WHERE created_at = '{NOW}'"
    ids = [row[0] for row in practising.asked(f"SELECT declaration_id {of_us} AND payment_status = 'paid'")]
    voids = "declaration_id\n" + "\n".join(ids[:2]) + "\n"
    assert practising.sent("voids@2027-01-26T09-00-00Z.csv", voids)["rows"]["accepted"] == 2
    practising.sent("statements@2027-01-27.csv")
    clawed_back = practising.asked(f"SELECT declaration_id {of_us} AND clawback_status = 'awaiting_clawback'")
    assert {row[0] for row in clawed_back} == set(ids[:2])


@pytest.mark.slow
def test_it_is_what_a_real_service_says(practising, rows, practice_home, tmp_path):
    """The same file, received at the same instant, and statements of the same day: the same receipts and figures."""
    practising.sent(f"declarations@{AT}.csv", rows)
    practising.sent("statements@2027-01-01.csv")
    home = tmp_path / "real"
    home.mkdir()
    shutil.copy(practice_home / "records.db", home / "records.db")
    with open_installation(Settings(home=home, seconds_between_looks=0)) as real:
        first = real.lead_providers()[0]
        put(real, first, "declarations.csv", rows)
        intake_round(real, instant(NOW))
        assert statements_round(real, instant("2027-01-01")).troubles == []
        told = receipts(real, first)["declarations.csv"]
    ours = practising.receipt(f"declarations@{AT}.csv")
    assert (ours["rows"], ours["rule_counts"]) == (told["rows"], told["rule_counts"])
    folder, compared = home / "mailboxes" / first.slug / "from-dfe" / "statements", 0
    for path, manifest in practising.statements().items():
        if manifest["status"] == "payable" and "/2027-01/" in path:
            (there,) = folder.glob(f"{path.rsplit('/', 1)[0]}/*-payable/manifest.json")
            assert _figures(json.loads(there.read_text())) == _figures(manifest)
            compared += 1
    assert compared >= 2


def _figures(manifest: dict[str, Any]) -> dict[str, Any]:
    """What a version says, but for what it says of the version before."""
    before = "changed_since_previous_version"
    return {name: sums for name, sums in manifest["control_totals"]["amount"].items() if name != before}


@pytest.mark.slow
def test_each_mailbox_has_records_and_a_clock_of_its_own(practising, rows):
    other = Practising(practising.home, practising.home.lead_providers()[1])
    practising.sent(f"declarations@{AT}.csv", rows)
    assert other.asked(f"SELECT COUNT(*) FROM declarations WHERE created_at = '{NOW}'") == [(0,)]
    assert other.sent("voids@2026-11-21T09-00-00Z.csv", "declaration_id\n")["received_at"] == "2026-11-21T09:00:00Z"
    assert practising.sent("voids.csv", "declaration_id\n")["received_at"] == NOW
    assert all(each["lead_provider_id"] == other.provider.lead_provider_id for each in other.receipts())


@pytest.mark.slow
def test_reset_starts_afresh(practising, rows):
    before = {
        name: practising.asked(f"SELECT COUNT(*) FROM {name}") for name in ("declarations", "events", "submissions")
    }
    practising.sent(f"declarations@{AT}.csv", rows)
    practising.sent("statements@2027-06-01.csv")
    old = {path.name for path in practising.box.glob("from-dfe/receipts/*")}
    receipt = practising.sent("reset.csv")
    assert (receipt["status"], receipt["practice"], receipt["rows"]["total"]) == ("accepted", True, 0)
    assert "afresh" in receipt["notes"][0]
    assert [each["file_name"] for each in practising.receipts()] == ["reset.csv"]
    assert not old & {path.name for path in practising.box.glob("from-dfe/receipts/*")}
    assert {name: practising.asked(f"SELECT COUNT(*) FROM {name}") for name in before} == before | {
        "submissions": [(1,)]
    }
    for path in ("extracts/full/manifest.json", "guidance/manifest.json", "start-here.html", "index.csv", "statements"):
        assert (practising.box / "from-dfe" / path).exists()
    # The clock goes by the real one again, and the same bytes are no duplicate.
    again = practising.sent(f"declarations@{AT}.csv", rows)
    assert (again["status"], again["received_at"]) == ("accepted", NOW)


@pytest.mark.slow
def test_a_reset_comes_before_what_lies_beside_it(practising, rows):
    practising.sent("statements@2027-06-01.csv")
    practising.send(f"declarations@{AT}.csv", rows)
    practising.send("reset.csv")
    practising.round()
    assert [(each["file_name"], each["status"]) for each in practising.receipts()] == [
        ("reset.csv", "accepted"),
        (f"declarations@{AT}.csv", "accepted"),
    ] or {each["status"] for each in practising.receipts()} == {"accepted"}


@pytest.mark.parametrize("name", ["reset.csv", "statements@2027-06-01.csv"])
def test_what_is_not_empty_does_nothing(practising, rows, name):
    practising.sent(f"declarations@{AT}.csv", rows)
    receipt = practising.sent(name, rows)
    assert (receipt["status"], receipt["file_errors"][0]["code"]) == ("rejected", "FILE-001")
    assert "not" in receipt["file_errors"][0]["message"]
    assert practising.asked(f"SELECT COUNT(*) FROM declarations WHERE created_at = '{NOW}'") == [(10,)]
    assert practising.sent("voids.csv", "declaration_id\n")["received_at"] == NOW


def test_a_misspelt_kind_moves_nothing(practising):
    receipt = practising.sent("declaration@2090-01-01T00-00-00Z.csv", "participant_id\n")
    assert (receipt["file_errors"][0]["code"], receipt["received_at"]) == ("FILE-001", IMPORTED_AT)
    assert practising.sent(f"voids@{AT}.csv", "declaration_id\n")["received_at"] == NOW


@pytest.mark.slow
def test_what_will_not_move_statements_is_not_received_in_the_future(practising, rows):
    practising.send("statements@2027-04-01.csv", rows)
    practising.send("statements@2026-12-15.csv")
    practising.round()
    assert practising.receipt("statements@2027-04-01.csv")["received_at"] == "2026-12-15T00:00:00Z"


@pytest.mark.slow
def test_what_is_owed_comes_before_the_clock_moves_on(practising):
    """An extract that is asked for is of the instant at which it was asked for."""
    practising.send(f"requests@{AT}.csv", "request\nextract\n")
    practising.send("statements@2027-01-01.csv")
    practising.round()
    index = (practising.box / "from-dfe/index.csv").read_text().splitlines()
    assert any(",extract," in line and f",{NOW}," in line for line in index)
    assert any(",receipt," in line and f",{NOW}," in line for line in index)


def test_a_checksum_that_comes_first_waits_for_its_file(practising, rows):
    practising.sent(f"declarations@{AT}.csv", rows)
    digest = hashlib.sha256(b"declaration_id\n").hexdigest()
    practising.sent("voids.csv", "declaration_id\n")
    practising.send("voids.csv.sha256", f"{digest}  voids.csv\n")
    practising.round()
    assert (practising.box / "to-dfe/voids.csv.sha256").is_file()
    assert practising.receipt("voids.csv")["notes"] == []


@pytest.mark.parametrize("content", [b"\n", b"\xef\xbb\xbf"])
@pytest.mark.slow
def test_a_reset_as_editors_save_an_empty_file(practising, rows, content):
    practising.sent(f"declarations@{AT}.csv", rows)
    assert practising.sent("reset.csv", content)["status"] == "accepted"
    assert practising.asked(f"SELECT COUNT(*) FROM declarations WHERE created_at = '{NOW}'") == [(0,)]


@pytest.mark.slow
def test_a_reset_goes_past_a_file_that_cannot_be_judged(practising, rows, monkeypatch):
    practising.sent(f"declarations@{AT}.csv", rows)

    def fails(*_args, **_how):
        raise Failed("it fails")

    monkeypatch.setattr(turn, "try_one", fails)
    practising.send("voids.csv", "declaration_id\n")
    assert len(practice_round(practising.home, None).troubles) == 1
    monkeypatch.undo()
    practising.send("reset.csv")
    practising.round()
    assert [each["file_name"] for each in practising.receipts()] == ["reset.csv"]


def test_the_front_page_says_where_the_clock_stands_and_what_to_do(practising, rows):
    practising.sent(f"declarations@{AT}.csv", rows)
    page = (practising.box / "from-dfe/start-here.html").read_text()
    assert "stands at 14 December 2026 at 10:00" in page
    assert "guidance/practice.html" in page and "<code>statements@20" in page


@pytest.mark.parametrize("content", [b"\n", b"\r\n", b"\xef\xbb\xbf", b"\xff\xfe\r\x00\n\x00", b" "])
@pytest.mark.slow
def test_as_editors_save_an_empty_file(practising, content):
    assert practising.sent("statements@2026-12-15.csv", content)["status"] == "accepted"


def test_a_checksum_that_does_not_agree_stops_a_reset(practising, rows):
    practising.sent(f"declarations@{AT}.csv", rows)
    practising.send("reset.csv.sha256", "0" * 64 + "  reset.csv\n")
    assert practising.sent("reset.csv")["file_errors"][0]["code"] == "FILE-015"
    assert practising.asked(f"SELECT COUNT(*) FROM declarations WHERE created_at = '{NOW}'") == [(10,)]


@pytest.mark.slow
def test_twice_is_once(practising, rows):
    practising.sent(f"declarations@{AT}.csv", rows)
    practising.sent("statements@2027-01-25.csv")
    before = practising.statements()
    practising.sent("statements@2027-01-25.csv")
    assert practising.statements() == before
    practising.round()
    assert practising.statements() == before


def test_a_mailbox_that_nobody_uses_is_not_begun(practising):
    third = practising.home.lead_providers()[2]
    practising.round()
    assert not (practising.home.settings.home / "practice" / third.slug).exists()
    seen = Practising(practising.home, third)
    assert seen.sent("voids.csv", "declaration_id\n")["practice"] is True


@pytest.mark.slow
def test_a_whole_year(practising, rows):
    """Month by month from December to the next: nothing is red, and every statement that fell due is paid."""
    practising.sent(f"declarations@{AT}.csv", rows)
    for day in ("2027-01-26", "2027-03-26", "2027-12-26"):
        assert practising.sent(f"statements@{day}.csv")["received_at"] == rfc3339(instant(day))
    due = practising.asked(
        "SELECT DISTINCT s.status FROM statements s JOIN contracts c ON c.contract_id = s.contract_id "
        f"WHERE c.lead_provider_id = '{practising.provider.lead_provider_id}' AND s.payment_date <= '2027-12-26'"
    )
    assert due == [("paid",)]
    with opened(practising.home, practising.provider.slug) as mailbox:
        assert mailbox.now() is not None
