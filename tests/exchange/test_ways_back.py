"""Whoever follows a receipt to the letter loses nothing: what comes back, corrected in a spreadsheet, is accepted."""

import csv
import io
import os
import re
import shutil
import subprocess
from datetime import timedelta
from decimal import Decimal

import openpyxl
import polars as pl
import pytest

from flows.clock import instant
from flows.installation import open_installation
from flows.rounds.intake import intake_round
from flows.rounds.statements import statements_round
from flows.settings import Settings
from tests.conftest import NOW
from tests.exchange.provider import acceptable_rows, box, put, receipts, results
from tests.tools import needed

AT, LATER, LAST = instant(NOW), instant("2026-12-14T11:00:00Z"), instant("2026-12-14T12:00:00Z")
MARK = b"\xef\xbb\xbf"


@pytest.fixture
def good(installation, provider):
    return acceptable_rows(installation, provider)


def listed(rows, month="2027-01", period="2026", amount="119.40"):
    """What a provider expects of these declarations."""
    return rows.select(
        pl.lit(month).alias("statement_month"), pl.lit(period).alias("contract_period"), "participant_id",
        "course_identifier", "declaration_type", pl.lit(amount).alias("expected_amount"),
    )  # fmt: skip


def standing(installation):
    with installation.database.read() as reader:
        return reader.frame(
            "SELECT e.participant_id, e.statement_month FROM expected_payments e WHERE e.submission_id = (SELECT submission_id "
            "FROM stated_months ORDER BY rowid DESC LIMIT 1)"
        )


def saved_from_a_spreadsheet(path, folder):
    """A file as LibreOffice saves it as CSV UTF-8, every cell as it is shown."""
    profile = folder / "profile"
    command = [
        needed("soffice"), f"-env:UserInstallation=file://{profile}", "--headless",
        # Of a CSV file with a byte-order mark the program's own window proposes this, UTF-8.
        *(["--infilter=CSV:44,34,76"] if path.suffix == ".csv" else []), "--convert-to",
        "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false", "--outdir", folder / "saved", path,
    ]  # fmt: skip
    subprocess.run([str(part) for part in command], check=True, capture_output=True, timeout=120)
    return (folder / "saved" / f"{path.stem}.csv").read_bytes()


@pytest.mark.slow
def test_a_rejected_workbook_goes_through_a_spreadsheet_and_is_accepted(installation, provider, good, tmp_path):
    """Receipt → rejected.xlsx → corrected in a spreadsheet → saved as CSV → accepted. TRNs keep their zeros on the way."""
    with installation.database.write() as connection:
        chosen = good["participant_id"][0]
        connection.exec_driver_sql("UPDATE participants SET trn = '0012345' WHERE participant_id = ?", (chosen,))
    rows = good.head(2).with_columns(
        trn=pl.when(pl.col("participant_id") == chosen).then(pl.lit("0012345")),
        your_reference=pl.lit("=1+1, Zoë – “x”"),
    )
    wrong = rows.with_columns(declaration_date=pl.lit("10/12/2026"))
    put(installation, provider, "declarations.csv", wrong.write_csv())
    intake_round(installation, AT)
    folder = receipts(installation, provider)["declarations.csv"]["folder"]
    book = openpyxl.load_workbook(folder / "rejected.xlsx")
    sheet = book.active
    header = [cell.value for cell in sheet[1]]
    assert header == results(receipts(installation, provider)["declarations.csv"], "rejected.csv").columns
    place = header.index("declaration_date")
    for row in sheet.iter_rows(min_row=2):
        assert all(cell.data_type in ("s", "n") and cell.number_format == "@" for cell in row if cell.value is not None)
        row[place].value = "2026-12-10T14:00:00Z"
    corrected = tmp_path / "corrected.xlsx"
    book.save(corrected)
    saved = saved_from_a_spreadsheet(corrected, tmp_path)
    put(installation, provider, "declarations-corrected.csv", saved)
    intake_round(installation, LATER)
    receipt = receipts(installation, provider)["declarations-corrected.csv"]
    assert receipt["status"] == "accepted", results(receipt)["messages"].to_list()
    with installation.database.read() as reader:
        kept = reader.frame("SELECT DISTINCT your_reference FROM declarations WHERE your_reference IS NOT NULL")
    assert "=1+1, Zoë – “x”" in kept["your_reference"].to_list()


@pytest.mark.slow
def test_results_opened_and_saved_by_a_spreadsheet_are_not_garbled(installation, provider, good, tmp_path):
    """rejected.csv, not the workbook, opened as it comes: the mark in front says UTF-8, and a lost zero is made good."""
    wrong = good.head(2).with_columns(declaration_type=pl.lit("begun"), your_reference=pl.lit("Zoë’s – café"))
    put(installation, provider, "declarations.csv", wrong.write_csv())
    intake_round(installation, AT)
    folder = receipts(installation, provider)["declarations.csv"]["folder"]
    saved = saved_from_a_spreadsheet(folder / "rejected.csv", tmp_path)
    put(installation, provider, "declarations-again.csv", saved.replace(b"begun", good["declaration_type"][0].encode()))
    intake_round(installation, LATER)
    receipt = receipts(installation, provider)["declarations-again.csv"]
    assert receipt["status"] == "accepted", results(receipt)["messages"].to_list()
    with installation.database.read() as reader:
        kept = reader.frame("SELECT your_reference FROM declarations WHERE your_reference IS NOT NULL")
    assert kept["your_reference"].to_list().count("Zoë’s – café") == 2


@pytest.mark.slow
def test_files_with_sentences_begin_with_a_mark_and_files_for_machines_do_not(installation, provider, good):
    put(
        installation,
        provider,
        "declarations.csv",
        pl.concat([good.head(2), good[2:3].with_columns(evidence_held=pl.lit("x"))]).write_csv(),
    )
    put(installation, provider, "expected-payments.csv", listed(good.head(2)).write_csv())
    statements_round(installation, AT)
    put(installation, provider, "declarations-2.csv", good[3:4].write_csv())
    statements_round(installation, LATER)
    seen = {}
    for path in box(installation, provider).glob("from-dfe/**/*.csv"):
        name = path.name if path.parent.name != "delivery-partners" else "of a delivery partner"
        seen.setdefault(name, set()).add(path.read_bytes().startswith(MARK))
    sentences = {"results.csv", "rejected.csv", "discrepancies.csv", "changes.csv"}
    assert sentences <= set(seen)
    assert {name for name, marks in seen.items() if True in marks} == sentences
    assert all(seen[name] == {True} for name in sentences)


def test_sending_back_the_rejected_rows_of_a_list_destroys_nothing(installation, provider, good):
    """A shorter list replaces its months: so what is sent back holds the whole months, the rows in order too."""
    rows = listed(good)
    january, february = rows.head(20), listed(good.head(5), month="2027-02")
    wrong = pl.concat([january, february]).with_columns(
        expected_amount=pl.when(pl.int_range(pl.len()) < 3).then(pl.lit("1.19E+02")).otherwise("expected_amount")
    )
    put(installation, provider, "expected-payments.csv", wrong.write_csv())
    intake_round(installation, AT)
    receipt = receipts(installation, provider)["expected-payments.csv"]
    assert receipt["rows"] == {"total": 25, "accepted": 22, "rejected": 3, "already_done": 0}
    back = results(receipt, "rejected.csv")
    assert back["statement_month"].unique().to_list() == ["2027-01"] and back.height == 20
    assert back["line_number"].to_list() == [str(line) for line in range(2, 22)]
    assert back["errors"].is_not_null().to_list() == [True] * 3 + [False] * 17
    assert "all rows of the months" in re.sub(r"\s+", " ", (receipt["folder"] / "receipt.html").read_text())
    put(
        installation,
        provider,
        "expected-payments-corrected.csv",
        back.with_columns(expected_amount=pl.lit("119.40")).write_csv(),
    )
    intake_round(installation, LATER)
    again = receipts(installation, provider)["expected-payments-corrected.csv"]
    assert (again["status"], again["rows"]["accepted"]) == ("accepted", 20)
    assert set(standing(installation)["participant_id"]) == set(january["participant_id"])
    assert not [note for note in again["notes"] if "leaves out" in note]


def test_of_a_row_whose_month_cannot_be_read_the_whole_file_goes_back(installation, provider, good):
    rows = pl.concat([listed(good.head(3)), listed(good.head(2), month="2027-02"), listed(good[3:4], month="27-Jan")])
    put(installation, provider, "expected-payments.csv", rows.write_csv())
    intake_round(installation, AT)
    assert results(receipts(installation, provider)["expected-payments.csv"], "rejected.csv").height == 6


def test_a_list_that_leaves_out_more_than_half_is_taken_and_said(installation, provider, good):
    put(installation, provider, "expected-payments-1.csv", listed(good.head(20)).write_csv())
    intake_round(installation, AT)
    put(installation, provider, "expected-payments-2.csv", listed(good[10:20]).write_csv())
    intake_round(installation, LATER)
    half = receipts(installation, provider)["expected-payments-2.csv"]
    assert half["status"] == "accepted" and not [note for note in half["notes"] if "leaves out" in note]
    put(installation, provider, "expected-payments-3.csv", listed(good[10:14]).write_csv())
    intake_round(installation, LAST)
    short = receipts(installation, provider)["expected-payments-3.csv"]
    (note,) = [note for note in short["notes"] if "leaves out" in note]
    assert short["status"] == "accepted" and standing(installation).height == 4
    for words in ("2027-01", "contract period 2026", "stated 10 declarations", "states 4", "leaves out 6"):
        assert words in note
        assert words in (short["folder"] / "receipt.html").read_text()


@pytest.mark.slow
def test_a_month_without_a_statement_is_said_at_once_and_every_pound_appears(installation, provider, good):
    """The wrong contract period; a month that never is; and beside them what is in order."""
    with installation.database.read() as reader:
        periods = reader.frame(
            "SELECT DISTINCT c.contract_period FROM contracts c JOIN statements s ON s.contract_id = c.contract_id "
            "WHERE c.lead_provider_id = ? AND s.year = 2027 AND s.month = 1 AND s.fee_type = 'output' ORDER BY 1", provider.lead_provider_id,
        )["contract_period"].to_list()  # fmt: skip
    put(installation, provider, "declarations.csv", good.head(4).write_csv())
    lists = pl.concat([
        listed(good.head(2), amount="100.00"), listed(good[2:4], period="2030", amount="10.00"),
        listed(good[4:5], month="2072-01", amount="1.00"),
    ])  # fmt: skip
    put(installation, provider, "expected-payments.csv", lists.write_csv())
    statements_round(installation, AT)
    receipt = receipts(installation, provider)["expected-payments.csv"]
    told = results(receipt)
    assert receipt["status"] == "accepted"
    meant = ", ".join(str(int(period)) for period in periods)
    assert f"no statement for 2027-01 in contract period 2030. You may mean {meant}." in told["notes"][2]
    assert "no statement for 2072-01" in told["notes"][4]
    assert [note for note in receipt["notes"] if "2 rows: You have no statement for 2027-01" in note]
    assert "You may mean" in (receipt["folder"] / "receipt.html").read_text()
    rows = pl.concat([
        pl.read_csv(path, infer_schema=False)
        for path in box(installation, provider).glob("from-dfe/statements/*/*/v01-open/discrepancies.csv")
    ])  # fmt: skip
    stated = [Decimal(amount) for amount in rows["expected_amount"].drop_nulls()]
    assert sum(stated) == Decimal("221.00")
    misplaced = rows.filter(pl.col("reason").str.starts_with("You stated it for"))
    assert misplaced.height == 3
    assert misplaced.filter(pl.col("reason").str.contains("2072-01"))["reason_code"].to_list() == ["not-declared"]


@pytest.mark.slow
def test_a_list_that_is_corrected_is_counted_once(installation, provider, good):
    """A month that has no statement is put right by a list for one that has: its pounds are not counted twice."""
    put(
        installation,
        provider,
        "expected-payments-1.csv",
        listed(good.head(2), period="2030", amount="100.00").write_csv(),
    )
    statements_round(installation, AT)
    period = _period(installation, provider, good)
    assert stated_in_all(installation, provider) == Decimal("200.00")
    put(
        installation,
        provider,
        "expected-payments-2.csv",
        listed(good.head(2), period=period, amount="100.00").write_csv(),
    )
    statements_round(installation, LATER)
    assert stated_in_all(installation, provider) == Decimal("200.00")


def stated_in_all(installation, provider):
    """Every pound in the newest discrepancies.csv of each statement."""
    total = Decimal()
    for folder in box(installation, provider).glob("from-dfe/statements/20??/*"):
        newest = sorted(folder.iterdir())[-1] / "discrepancies.csv"
        if newest.exists():
            total += sum(
                map(Decimal, pl.read_csv(newest, infer_schema=False)["expected_amount"].drop_nulls()), Decimal()
            )
    return total


def test_a_row_that_was_split_wrongly_does_not_pass_when_it_comes_back(installation, provider, good):
    """£1,194.00 without quotes is two cells: sent back as it is, £1 must not stand."""
    header, *lines = listed(good.head(3), amount="£1,194.00").write_csv(quote_style="never").splitlines()
    lines[1] = lines[1].replace("£1,194.00", 'a "b" c')
    lines[2] = lines[2].replace(",£1,194.00", "")
    put(installation, provider, "expected-payments.csv", "\n".join([header, *lines, ""]))
    intake_round(installation, AT)
    back = results(receipts(installation, provider)["expected-payments.csv"], "rejected.csv")
    assert back["extra_cells"].to_list() == ["194.00", "a quote in expected_amount", "1 cells too few"]
    put(installation, provider, "expected-payments-again.csv", back.write_csv())
    intake_round(installation, LATER)
    again = receipts(installation, provider)["expected-payments-again.csv"]
    assert again["rule_counts"] == {"FILE-008": 3}
    assert "still holds “194.00”" in results(again)["messages"][0]
    right = back.with_columns(expected_amount=pl.lit("1194.00"), extra_cells=pl.lit(None, pl.String))
    put(installation, provider, "expected-payments-right.csv", right.write_csv())
    intake_round(installation, LAST)
    assert receipts(installation, provider)["expected-payments-right.csv"]["status"] == "accepted"


@pytest.mark.slow
def test_digits_of_other_scripts_stop_nobody(installation, provider, good):
    rows = listed(good.head(4)).with_columns(
        statement_month=pl.Series(["20２7-01", "2027-01", "2027-01", "Jan-２７"]), contract_period=pl.Series(["2026", "20２6", "2026", "2026"]),
        expected_amount=pl.Series(["1.00", "1.00", "１１９.40", "1.00"]),
    )  # fmt: skip
    put(installation, provider, "expected-payments.csv", rows.write_csv())
    done = statements_round(installation, AT)
    assert done.intake.troubles == []
    assert receipts(installation, provider)["expected-payments.csv"]["rule_counts"] == {"FILE-012": 4}


@pytest.mark.slow
def test_a_rejected_line_of_a_list_is_named_where_its_declaration_is_due(installation, provider, good):
    put(installation, provider, "declarations.csv", good.head(3).write_csv())
    rows = listed(good.head(3), period=_period(installation, provider, good)).with_columns(
        expected_amount=pl.when(pl.int_range(pl.len()) == 1).then(pl.lit("12,5")).otherwise("expected_amount")
    )
    put(installation, provider, "expected-payments november.csv", rows.write_csv())
    statements_round(installation, AT)
    period = _period(installation, provider, good)
    (path,) = box(installation, provider).glob(f"from-dfe/statements/{period}/2027-01/v01-open/discrepancies.csv")
    found = pl.read_csv(path, infer_schema=False).filter(pl.col("participant_id") == good["participant_id"][1])
    assert found["reason_code"].to_list() == ["row-rejected"]
    assert "Line 3 of your list expected-payments november.csv" in found["reason"][0]
    assert "FILE-012" in found["reason"][0]


def _period(installation, provider, good):
    """The contract period in which these declarations are due."""
    with installation.database.read() as reader:
        found = reader.frame(
            "SELECT DISTINCT p.contract_period, sp.participant_id FROM training_periods tp JOIN partnerships p ON p.partnership_id = "
            "tp.partnership_id JOIN school_periods sp ON sp.school_period_id = tp.school_period_id WHERE p.lead_provider_id = ?",
            provider.lead_provider_id,
        )  # fmt: skip
    people = good.head(3)["participant_id"]
    return str(int(found.filter(pl.col("participant_id").is_in(people.implode()))["contract_period"].mode()[0]))


def test_the_page_shows_whose_row_it_is(installation, provider, good):
    wrong = good.head(2).with_columns(declaration_type=pl.lit("begun"), your_reference=pl.Series(["A-17", "<b>"]))
    put(installation, provider, "declarations.csv", wrong.write_csv())
    intake_round(installation, AT)
    page = (receipts(installation, provider)["declarations.csv"]["folder"] / "receipt.html").read_text()
    assert wrong["participant_id"][0] in page and "A-17" in page and "&lt;b&gt;" in page
    assert "rejected.xlsx" in page


def test_the_page_of_a_file_that_was_refused_whole_speaks_of_no_file_that_is_not_there(installation, provider):
    for name, content in (("declarations.csv", b"PK\x03\x04x"), ("declarations.xlsx", b"x"), ("voids.csv", b"a;b\n")):
        put(installation, provider, name, content)
        intake_round(installation, AT)
        receipt = receipts(installation, provider)[name]
        page = (receipt["folder"] / "receipt.html").read_text()
        there = {path.name for path in receipt["folder"].iterdir()}
        for named in re.findall(r"[\w-]+\.(?:csv|xlsx|json|html)", page):
            if named in ("results.csv", "rejected.csv", "rejected.xlsx"):
                assert named in there, f"{name}: its page speaks of {named}"
        if name != "voids.csv":
            assert not [note for note in receipt["notes"] if "line end" in note]


def waiting(installation, provider):
    path = box(installation, provider) / "from-dfe" / "waiting.csv"
    return list(csv.DictReader(io.StringIO(path.read_text()))) if path.exists() else None


def refused(installation, provider):
    path = box(installation, provider) / "from-dfe" / "refused.csv"
    return list(csv.DictReader(io.StringIO(path.read_text()))) if path.exists() else []


UNFINISHED = [
    "declarations.csv.part", "declarations.csv.partial", "declarations.csv.tmp", "declarations.csv.filepart", "declarations.csv.writing",
    "declarations.csv.uploading", "declarations.csv.crdownload", "Declarations.csv.PARTIAL",
    "declarations.csv.550e8400-e29b-41d4-a716-446655440000", "declarations.csv.550E8400E29B41D4A716446655440000",
]  # fmt: skip
LITTER = [
    "Thumbs.db",
    "desktop.ini",
    "THUMBS.DB",
    "~$declarations.xlsx",
    ".declarations.csv",
    ".~lock.declarations.csv#",
]


def test_what_is_unfinished_is_left_alone_and_told_after_a_day(installation, provider):
    for name in (*UNFINISHED, *LITTER):
        put(installation, provider, name, b"half")
    now = installation.now()
    done = intake_round(installation, now + timedelta(hours=23))
    assert (done.outcomes, done.troubles, waiting(installation, provider)) == ([], [], None)
    done = intake_round(installation, now + timedelta(hours=25))
    assert {row["file_name"] for row in waiting(installation, provider)} == set(UNFINISHED)
    assert all("rename it" in row["waits_for"] for row in waiting(installation, provider))
    (line,) = done.waits
    assert f"{len(UNFINISHED)} files wait" in line and "declarations" not in line
    folder = box(installation, provider) / "to-dfe"
    assert {path.name for path in folder.iterdir()} == {*UNFINISHED, *LITTER}
    for path in folder.iterdir():
        path.unlink()
    intake_round(installation, now + timedelta(hours=26))
    assert waiting(installation, provider) is None


def test_a_checksum_without_its_file_and_a_file_without_its_checksum_are_told_after_an_hour(
    installation, provider, good
):
    installation.accounts.want_checksums(provider.slug, True)
    put(installation, provider, "voids.csv.sha256", b"x")
    put(installation, provider, "declarations.csv", good.head(1).write_csv())
    now = installation.now()
    assert (
        intake_round(installation, now + timedelta(minutes=59)).waits == [] and waiting(installation, provider) is None
    )
    done = intake_round(installation, now + timedelta(minutes=61))
    told = {row["file_name"]: row for row in waiting(installation, provider)}
    assert set(told) == {"voids.csv.sha256", "declarations.csv"}
    assert (
        "voids.csv" in told["voids.csv.sha256"]["waits_for"]
        and "declarations.csv.sha256" in told["declarations.csv"]["waits_for"]
    )
    assert abs(instant(told["declarations.csv"]["waiting_since"]) - now) < timedelta(minutes=1)
    assert len(done.waits) == 1 and "2 files wait" in done.waits[0]
    put(installation, provider, "voids.csv", b"declaration_id\nx\n")
    import hashlib

    put(
        installation, provider, "declarations.csv.sha256", hashlib.sha256(good.head(1).write_csv().encode()).hexdigest()
    )
    (box(installation, provider) / "to-dfe" / "voids.csv.sha256").write_text("nothing")
    intake_round(installation, now + timedelta(hours=2))
    assert waiting(installation, provider) is None
    assert receipts(installation, provider)["declarations.csv"]["file_errors"] == []


def test_files_refused_whole_are_in_refused_csv_too(installation, provider, good):
    put(installation, provider, "november.csv", b"x")
    put(installation, provider, "declarations.csv", b"a;b\n")
    put(installation, provider, "declarations-2.csv", good.head(1).write_csv())
    intake_round(installation, AT)
    told = {row["file_name"]: row["reason"] for row in refused(installation, provider)}
    assert set(told) == {"november.csv", "declarations.csv"}
    assert told["november.csv"].startswith("FILE-001: ") and told["declarations.csv"].startswith("FILE-007: ")


def test_both_host_keys_are_in_the_backup_and_come_back(installation, provider, tmp_path):
    from flows.upkeep.backup import backup
    from flows.upkeep.restore import restore
    from sftp.keys import host_keys

    before = [key.fingerprint for key in host_keys(installation.settings.home)]
    backup(installation, tmp_path / "copy", installation.now())
    restored = Settings(home=tmp_path / "restored")
    restore(tmp_path / "copy", restored)
    assert [key.fingerprint for key in host_keys(restored.home)] == before
    assert all(os.stat(restored.home / name).st_mode & 0o077 == 0 for name in ("host_key", "host_key_rsa"))
    with open_installation(restored) as other:
        assert other.lead_providers()
    shutil.rmtree(restored.home)
