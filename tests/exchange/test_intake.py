"""Files over a folder: taken once, judged, applied, receipted, whatever is sent."""

import errno
import hashlib
import json
import os
import sqlite3

import polars as pl
import pytest

from data.records.extract import export_records
from flows.clock import instant
from flows.installation import Installation, open_installation
from flows.rounds.intake import intake_round
from flows.rounds.receipts import write_receipt
from flows.rounds.statements import statements_round
from flows.settings import Settings
from templates.folders import digest
from tests.conftest import NOW
from tests.exchange.provider import acceptable_rows, box, put, receipts, results

AT, LATER = instant(NOW), instant("2026-12-14T11:00:00Z")


@pytest.fixture
def good(installation: Installation, provider):
    return acceptable_rows(installation, provider)


def test_good_and_bad_rows_get_a_whole_receipt(installation, provider, good, files_of):
    bad = good.head(1).with_columns(declaration_type=pl.lit("retained1"))
    put(installation, provider, "declarations.csv", pl.concat([good.head(5), bad]).write_csv())
    done = intake_round(installation, AT)
    receipt = receipts(installation, provider)["declarations.csv"]
    assert (len(done.outcomes), done.delivered, done.troubles) == (1, 1, [])
    assert receipt["status"] == "partially-accepted"
    assert receipt["rows"] == {"total": 6, "accepted": 5, "rejected": 1, "already_done": 0}
    assert receipt["rule_counts"] == {"DECL-010": 1}
    assert files_of(receipt["folder"]) == {
        "received.json",
        "results.csv",
        "rejected.csv",
        "rejected.xlsx",
        "receipt.html",
        "receipt.json",
    }
    for listed in receipt["files"]:
        path = receipt["folder"] / listed["name"]
        assert (listed["bytes"], listed["sha256"]) == (path.stat().st_size, digest(path))
    assert results(receipt)["outcome"].to_list() == ["accepted"] * 5 + ["rejected"]
    assert list((box(installation, provider) / "to-dfe").iterdir()) == []


def test_accepted_rows_are_in_the_records_and_nothing_else_has_changed(installation, provider, good, tmp_path):
    export_records(installation.database, tmp_path / "before")
    put(installation, provider, "declarations.csv", good.head(4).write_csv())
    intake_round(installation, AT)
    export_records(installation.database, tmp_path / "after")
    for path in sorted((tmp_path / "before").iterdir()):
        before, after = (pl.read_csv(p, infer_schema=False) for p in (path, tmp_path / "after" / path.name))
        new = after.join(before, on=after.columns, how="anti", nulls_equal=True)
        assert before.join(after, on=after.columns, how="anti", nulls_equal=True).is_empty()
        assert new.height == (4 if path.stem == "declarations" else 0)
        if new.height:
            told = results(receipts(installation, provider)["declarations.csv"])
            assert set(new["declaration_id"]) == set(told["declaration_id"])
            assert set(new["payment_status"]) == {"eligible"}


def test_rejected_csv_can_be_corrected_and_sent_straight_back(installation, provider, good):
    rows = good.head(3).with_columns(your_reference=pl.lit("=1+1"))
    wrong = rows.with_columns(declaration_type=pl.lit("x"))
    put(installation, provider, "declarations.csv", wrong.write_csv())
    intake_round(installation, AT)
    back = results(receipts(installation, provider)["declarations.csv"], "rejected.csv")
    corrected = back.with_columns(rows["declaration_type"])
    put(installation, provider, "declarations-corrected.csv", corrected.write_csv())
    intake_round(installation, LATER)
    receipt = receipts(installation, provider)["declarations-corrected.csv"]
    assert receipt["status"] == "accepted"
    with installation.database.read() as reader:
        kept = reader.frame("SELECT your_reference FROM declarations WHERE your_reference IS NOT NULL")
    assert kept["your_reference"].to_list() == ["=1+1"] * 3


def test_the_same_bytes_again_are_a_duplicate_once_taken_whole(installation, provider, good):
    content = good.head(3).write_csv()
    put(installation, provider, "declarations.csv", content)
    intake_round(installation, AT)
    put(installation, provider, "declarations-again.csv", content)
    intake_round(installation, LATER)
    first, again = (receipts(installation, provider)[name] for name in ("declarations.csv", "declarations-again.csv"))
    assert (again["status"], again["duplicate_of"]) == ("duplicate", first["submission_id"])
    with installation.database.read() as reader:
        assert reader.frame("SELECT 1 AS n FROM events WHERE type = 'teacher_declaration_created'").height == 3


def test_the_same_bytes_are_judged_afresh_when_a_row_was_rejected(installation, provider, good):
    bad = good.head(1).with_columns(declaration_type=pl.lit("x"))
    content = pl.concat([good.head(2), bad]).write_csv()
    for name, moment in (("declarations.csv", AT), ("declarations-2.csv", LATER)):
        put(installation, provider, name, content)
        intake_round(installation, moment)
    assert receipts(installation, provider)["declarations-2.csv"]["rows"] == {
        "total": 3, "accepted": 0, "rejected": 1, "already_done": 2,
    }  # fmt: skip


def test_evidence_that_was_not_kept_is_remembered(installation, provider):
    people = """
    SELECT sp.participant_id FROM training_periods tp
    JOIN partnerships p ON p.partnership_id = tp.partnership_id
    JOIN school_periods sp ON sp.school_period_id = tp.school_period_id
    WHERE p.lead_provider_id = ? AND p.contract_period = 2024 AND sp.participant_type = 'ect'
      AND tp.schedule_identifier = 'ecf-extended-september'
      AND tp.training_period_id NOT IN (SELECT training_period_id FROM declarations WHERE declaration_type = 'started')
    """
    with installation.database.read() as reader:
        person = reader.frame(people, provider.lead_provider_id)["participant_id"][0]
    row = "participant_id,course_identifier,declaration_type,declaration_date,evidence_held,your_reference\n"
    row += f"{person},ecf-induction,started,2024-11-03T09:30:00Z,other,"
    put(installation, provider, "declarations-1.csv", row + "one\n")
    intake_round(installation, AT)
    put(installation, provider, "declarations-2.csv", row + "two\n")
    intake_round(installation, LATER)
    outcomes = {name: results(receipt)["outcome"][0] for name, receipt in receipts(installation, provider).items()}
    assert outcomes == {"declarations-1.csv": "accepted", "declarations-2.csv": "already-done"}


NAUGHTY = {
    "declarations-empty.csv": (b"", "FILE-004"),
    "declarations-binary.csv": (bytes(range(256)), "FILE-002"),
    "declarations-utf16.csv": ("participant_id\n".encode("utf-16"), "FILE-002"),
    "declarations-torn.csv": (
        b'participant_id,course_identifier,declaration_type,declaration_date\n"a,b,c,d\n',
        "FILE-006",
    ),
    "declarations-twice.csv": (b"participant_id,participant_id\n1,2\n", "FILE-007"),
    "declaration.csv": (b"x\n", "FILE-001"),
    "declarations.xlsx": (b"PK\x03\x04", "FILE-001"),
}


def test_every_bad_file_gets_its_rule_and_the_next_is_processed_all_the_same(installation, provider, good):
    for name, (content, _) in NAUGHTY.items():
        put(installation, provider, name, content)
    put(installation, provider, "declarations-good.csv", good.head(2).write_csv())
    done = intake_round(installation, AT)
    found = receipts(installation, provider)
    assert done.troubles == []
    assert {name: found[name]["file_errors"][0]["code"] for name in NAUGHTY} == {
        n: code for n, (_, code) in NAUGHTY.items()
    }
    assert all(found[name]["status"] == "rejected" for name in NAUGHTY)
    assert found["declarations-good.csv"]["status"] == "accepted"


def test_a_file_over_the_limit_is_refused_unread(home, provider):
    with open_installation(Settings(home=home, seconds_between_looks=0, max_file_mebibytes=1)) as installation:
        put(installation, provider, "declarations.csv", b"x" * ((1 << 20) + 1))
        intake_round(installation, AT)
        assert receipts(installation, provider)["declarations.csv"]["file_errors"][0]["code"] == "FILE-005"


def test_uploads_in_progress_are_left_alone(installation, provider):
    names = ["declarations.csv.part", "declarations.tmp", "declarations.csv.filepart", ".declarations.csv"]
    for name in names:
        put(installation, provider, name, "x")
    assert intake_round(installation, AT).outcomes == []
    assert {path.name for path in (box(installation, provider) / "to-dfe").iterdir()} == set(names)


def test_a_file_that_changes_between_looks_waits(installation, provider, monkeypatch):
    path = put(installation, provider, "declarations.csv", "one\n")
    monkeypatch.setattr("flows.rounds.looking.time.sleep", lambda _seconds: path.write_text("one\ntwo\n"))
    assert intake_round(installation, AT).outcomes == []
    assert path.read_text() == "one\ntwo\n"
    monkeypatch.undo()
    assert len(intake_round(installation, LATER).outcomes) == 1


def test_a_file_without_a_last_line_end_is_looked_at_once_more(installation, provider, monkeypatch):
    put(installation, provider, "declarations.csv", "a,b")
    looks = []
    monkeypatch.setattr("flows.rounds.looking.time.sleep", looks.append)
    assert len(intake_round(installation, AT).outcomes) == 1
    assert len(looks) == 2
    notes = receipts(installation, provider)["declarations.csv"]["notes"]
    assert any("line end" in note for note in notes)


def test_a_checksum_that_agrees_is_honoured_and_one_that_does_not_refuses_the_file(installation, provider, good):
    content = good.head(2).write_csv()
    put(installation, provider, "declarations-1.csv", content)
    put(
        installation,
        provider,
        "declarations-1.csv.sha256",
        f"{hashlib.sha256(content.encode()).hexdigest()}  declarations-1.csv\n",
    )
    put(installation, provider, "declarations-2.csv", content)
    put(installation, provider, "declarations-2.csv.sha256", "0" * 64 + "  declarations-2.csv\n")
    intake_round(installation, AT)
    found = receipts(installation, provider)
    assert found["declarations-1.csv"]["status"] == "accepted"
    assert found["declarations-2.csv"]["file_errors"][0]["code"] == "FILE-015"
    assert list((box(installation, provider) / "to-dfe").iterdir()) == []
    assert list((box(installation, provider) / ".taking").iterdir()) == []


def test_where_checksums_are_wanted_a_file_waits_for_its_own(installation, provider):
    installation.accounts.want_checksums(provider.slug, True)
    put(installation, provider, "declarations.csv", "x\n")
    assert intake_round(installation, AT).outcomes == []
    put(installation, provider, "declarations.csv.sha256", hashlib.sha256(b"x\n").hexdigest())
    assert len(intake_round(installation, LATER).outcomes) == 1


@pytest.mark.parametrize("step", ["store", "claim", "put", "discard", "removed", "settle", "deliver", "delivered"])
def test_cut_off_at_any_step_the_next_round_carries_on(installation, provider, good, monkeypatch, step):
    """The same end as without the cut: one submission, one receipt, each row applied once."""
    targets = {
        "store": ("flows.installation.Installation.store_upload",),
        "claim": ("data.ledger.submissions.Submissions.claim",),
        "put": ("sftp.local.LocalMailbox.put",),
        "discard": ("sftp.local.LocalMailbox.discard",),
        "removed": ("data.ledger.submissions.Submissions.removed",),
        "settle": ("data.ledger.submissions.Submissions.settle",),
        "deliver": ("sftp.local.LocalMailbox.deliver",),
        "delivered": ("data.ledger.deliveries.Deliveries.delivered",),
    }

    def cut(*_arguments, **_named):
        raise KeyboardInterrupt

    put(installation, provider, "declarations.csv", good.head(3).write_csv())
    with monkeypatch.context() as patched:
        for target in targets[step]:
            patched.setattr(target, cut)
        with pytest.raises(KeyboardInterrupt):
            intake_round(installation, AT)
    intake_round(installation, LATER)
    intake_round(installation, LATER)
    found = sorted(box(installation, provider).glob("from-dfe/receipts/*"))
    assert len(found) == 1
    assert json.loads((found[0] / "receipt.json").read_text())["rows"]["accepted"] == 3
    with installation.database.read() as reader:
        assert reader.frame("SELECT 1 AS n FROM events WHERE type = 'teacher_declaration_created'").height == 3
        assert reader.frame("SELECT 1 AS n FROM submissions").height == 1
    index = pl.read_csv(box(installation, provider) / "from-dfe" / "index.csv")
    assert index["sequence"].to_list() == [1]


def test_the_index_counts_every_delivery_without_gaps(installation, provider, good):
    for number in range(3):
        put(installation, provider, f"declarations-{number}.csv", good[number : number + 1].write_csv())
        intake_round(installation, instant(f"2026-12-14T1{number}:00:00Z"))
    index = pl.read_csv(box(installation, provider) / "from-dfe" / "index.csv")
    assert index["sequence"].to_list() == [1, 2, 3]
    for row in index.to_dicts():
        assert digest(box(installation, provider) / row["path"] / "receipt.json") == row["sha256"]


def test_links_in_a_mailbox_are_not_followed(installation, provider, tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("x\n")
    os.symlink(secret, box(installation, provider) / "to-dfe" / "declarations.csv")
    assert intake_round(installation, AT).outcomes == []


def test_a_mailbox_of_nobody_is_told_to_operators(installation, home):
    (home / "mailboxes" / "strangers" / "to-dfe").mkdir(parents=True)
    (home / "mailboxes" / "strangers" / "to-dfe" / "declarations.csv").write_text("x\n")
    assert "FILE-003" in intake_round(installation, AT).troubles[0]


def test_only_one_works_at_a_mailbox(installation, provider):
    put(installation, provider, "declarations.csv", "x\n")
    with (
        installation.database.only_one(f"mailbox-{provider.slug}") as ours,
        open_installation(installation.settings) as other,
    ):
        assert ours
        assert intake_round(other, AT).outcomes == []
    assert len(intake_round(installation, AT).outcomes) == 1


def _failing_once(monkeypatch, error: Exception) -> None:
    """The first receipt that is written fails, the others do not."""
    errors = [error]

    def write(*arguments):
        if errors:
            raise errors.pop()
        return write_receipt(*arguments)

    monkeypatch.setattr("flows.rounds.answering.write_receipt", write)


def _with_code(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("as the database says it")
    error.sqlite_errorcode = code
    return error


OUTSIDE = [
    OSError(errno.ENOSPC, "No space left on device"),
    _with_code(sqlite3.SQLITE_FULL),
    _with_code(sqlite3.SQLITE_IOERR_READ),
]


@pytest.mark.parametrize("error", OUTSIDE, ids=lambda error: str(getattr(error, "sqlite_errorcode", "disk")))
@pytest.mark.slow
def test_files_keep_their_order_when_disk_or_database_fails(installation, provider, monkeypatch, error):
    """A file that has to be tried again is never overtaken, and no statement of its provider's moves on without it."""
    for name in ("declarations-1.csv", "declarations-2.csv"):
        put(installation, provider, name, "x\n")
    _failing_once(monkeypatch, error)
    stopped = statements_round(installation, AT)
    assert stopped.intake.outcomes == []
    done = intake_round(installation, LATER)
    assert [outcome.submission.file_name for outcome in done.outcomes] == ["declarations-1.csv", "declarations-2.csv"]
    assert done.troubles == []
    assert installation.submissions.unsettled() == []
