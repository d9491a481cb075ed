"""The same on PostgreSQL, by its address alone."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from data.counting import UNITS, units_of
from data.reader import Reader
from data.records.extract import export_records, import_records
from flows.acts.history import history
from flows.acts.payments import payment_schedule
from flows.acts.void import void
from flows.clock import instant
from flows.installation import Installation, open_installation
from flows.rounds.extracts import extracts_round
from flows.rounds.intake import intake_round
from flows.rounds.looking import remember_all
from flows.rounds.statements import statements_round
from flows.settings import Settings
from flows.upkeep.verify import verify
from schemas.records.tables import RECORDS
from sftp.server.journal import Whole
from tests.conftest import IMPORTED_AT, NOW
from tests.exchange.provider import acceptable_rows, box, pay, put, receipts, results
from tests.exchange.test_updates import _ACTIVE
from tests.postgresql import postgresql

AT, BEFORE, AFTER = instant(NOW), instant("2026-12-20T10:00:00Z"), instant("2027-01-01T00:10:00Z")


@pytest.fixture(scope="module")
def postgres():
    with postgresql() as address:
        yield address


def expected(rows: pl.DataFrame) -> pl.DataFrame:
    """What was declared, at a wrong amount but for one row; and a declaration that nobody made."""
    amounts = pl.Series("expected_amount", ["1.00", "2.00", "3.00", "4.00", None])
    stated = rows.select("participant_id", "course_identifier", "declaration_type", amounts)
    missing = stated.head(1).with_columns(declaration_type=pl.lit("retained-3"))
    month = {"statement_month": pl.lit("2027-01"), "contract_period": pl.lit("2026")}
    return pl.concat([stated, missing]).select(**month, **{name: pl.col(name) for name in stated.columns})


def assert_counts_are_kept(installation: Installation, reader: Reader) -> None:
    """Counts that were kept when a statement was paid are those that counting again would give."""
    statements = reader.frame(
        "SELECT s.statement_id, c.contract_type, s.status FROM statements s JOIN contracts c ON c.contract_id = s.contract_id"
    )
    kept = units_of(reader, statements).sort(UNITS)
    assert reader.frame("SELECT statement_id FROM paid_units").height > 0
    counted = units_of(reader, statements.with_columns(status=pl.lit("payable"))).sort(UNITS)
    assert kept.equals(counted)


def the_whole_job(settings: Settings, sample: Path, out: Path) -> dict[str, str]:
    """Import, intake, statements, authorise, export. Returns every delivered file's text but for ids of the run."""
    with open_installation(settings) as installation:
        import_records(installation.database, sample, instant(IMPORTED_AT))
        provider = installation.lead_providers()[0]
        rows = acceptable_rows(installation, provider).head(5)
        put(installation, provider, "declarations.csv", rows.write_csv() + rows.head(1).write_csv(include_header=False))
        assert intake_round(installation, AT).troubles == []
        put(installation, provider, "expected-payments.csv", expected(rows).write_csv())
        assert statements_round(installation, BEFORE).held_back == []
        done = statements_round(installation, AFTER)
        assert done.held_back == [] and done.intake.troubles == []
        with installation.database.read() as reader:
            chosen = reader.frame(
                "SELECT s.statement_id FROM statements s JOIN contracts c ON c.contract_id = s.contract_id "
                "WHERE s.status = 'payable' AND c.lead_provider_id = ? AND c.contract_period = 2026 AND s.month = 1",
                provider.lead_provider_id,
            )["statement_id"][0]
        pay(installation, chosen, instant("2027-01-02T10:00:00Z"))
        again = verify(installation, instant("2027-01-02T11:00:00Z"))
        assert (again.statements, again.alarms, again.moved_on) == (1, [], 0)
        payment_schedule(installation, "2027-01").write_csv(out.with_suffix(".csv"))
        with installation.database.read() as reader:
            assert_counts_are_kept(installation, reader)
        export_records(installation.database, out)
        rows_told = receipts(installation, provider)["declarations.csv"]["rows"]
        assert rows_told == {"total": 6, "accepted": 5, "rejected": 0, "already_done": 1}
        files = sorted(box(installation, provider).glob("from-dfe/statements/**/*.csv"))
        return {path.relative_to(box(installation, provider)).as_posix(): path.read_text() for path in files}


def test_what_is_looked_up_is_not_joined_as_whole_tables_and_what_comes_after_it_may_be(tmp_path):
    """Statements that are not paid were joined with all that was ever declared: PostgreSQL cannot know how few they have."""
    with (
        postgresql() as address,
        open_installation(Settings(home=tmp_path, database_url=address, mailboxes="")) as installation,
        installation.database.read() as reader,
    ):
        asked = "SELECT setting FROM pg_settings WHERE name IN ('enable_hashjoin', 'enable_mergejoin')"
        before = reader.frame(asked)
        with reader.looking_up():
            within = reader.frame(asked)
        after = reader.frame(asked)
    assert [each["setting"].to_list() for each in (before, within, after)] == [["on"] * 2, ["off"] * 2, ["on"] * 2]


@pytest.mark.slow
def test_postgresql_and_sqlite_end_in_the_same_state(postgres, sample, tmp_path):
    lite = the_whole_job(Settings(home=tmp_path / "lite", seconds_between_looks=0), sample, tmp_path / "lite-out")
    great = the_whole_job(
        Settings(home=tmp_path / "great", seconds_between_looks=0, database_url=postgres),
        sample,
        tmp_path / "great-out",
    )
    ids = {path.name: path.read_text() for path in (tmp_path / "lite-out").iterdir()}
    assert set(lite) == set(great)
    for name in RECORDS:
        if name != "declarations":  # the new ones' ids differ with the file's time of arrival
            assert (tmp_path / "great-out" / f"{name}.csv").read_text() == ids[f"{name}.csv"], name
    for name, text in lite.items():
        if name.endswith(("statement.csv", "delivery-partners.csv")):
            assert great[name] == text, name
        if name.endswith(("discrepancies.csv", "changes.csv")) and "2027-01" in name:
            assert sums(great[name]) == sums(text), name
    reasons = {
        reason
        for name, text in lite.items()
        if "2027-01/v02" in name and name.endswith("discrepancies.csv")
        for reason, _ in sums(text)[0]
    }
    assert {"different-amount", "not-declared", "not-expected"} <= reasons
    assert (tmp_path / "great-out.csv").read_text() == (tmp_path / "lite-out.csv").read_text()


def two_nights(settings: Settings, sample: Path) -> dict[str, bytes]:
    """Extracts, records that change, extracts again: path → content of every CSV file and page that is delivered."""
    with open_installation(settings) as installation:
        import_records(installation.database, sample, instant(IMPORTED_AT))
        assert extracts_round(installation, instant("2026-12-14T04:00:00Z")).troubles == []
        with installation.database.write() as connection:
            connection.exec_driver_sql(
                "UPDATE participants SET full_name = 'Zoë \"Z\" O’Neil, jr' WHERE substr(participant_id, 1, 1) = '0'"
            )
            connection.exec_driver_sql("DELETE FROM mentorships WHERE substr(ect_school_period_id, 1, 1) = '1'")
        assert extracts_round(installation, instant("2026-12-15T04:00:00Z")).troubles == []
        root = installation.settings.home / "mailboxes"
        found = [*root.rglob("*.csv"), *root.rglob("*.html")]
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in found if path.name != "index.csv"}


@pytest.mark.slow
def test_extracts_and_forecasts_are_the_same_on_both(sample, tmp_path):
    lite = two_nights(Settings(home=tmp_path / "lite"), sample)
    with postgresql() as unused:  # others' statements are paid in the one that tests share
        great = two_nights(Settings(home=tmp_path / "great", database_url=unused), sample)
    assert set(lite) == set(great) and len(lite) > 100
    assert [name for name, content in lite.items() if great[name] != content] == []


def sums(text: str) -> tuple:
    """Reasons or kinds of change counted, money added up; which declaration fills a band's last place hangs on its id."""
    rows = pl.read_csv(text.encode(), infer_schema=False)
    named = "reason_code" if "reason_code" in rows.columns else "change"
    money = [name for name in rows.columns if name.endswith("_amount") or name.startswith("amount_")]
    told = rows.select(pl.col(name).cast(pl.Decimal(scale=2)).sum() for name in money).row(0)
    return sorted(rows[named].value_counts().iter_rows()), told


def test_only_one_holds_a_named_piece_of_work(postgres, tmp_path):
    settings = Settings(home=tmp_path / "one", database_url=postgres)
    with open_installation(settings) as one, open_installation(settings) as other, one.database.only_one("x") as ours:
        assert ours
        with other.database.only_one("x") as theirs:
            assert not theirs
        with other.database.only_one("y") as theirs:
            assert theirs


_PEOPLE = """
SELECT DISTINCT sp.participant_id FROM training_periods tp
JOIN partnerships p ON p.partnership_id = tp.partnership_id
JOIN school_periods sp ON sp.school_period_id = tp.school_period_id
WHERE p.lead_provider_id = ? AND p.contract_period = 2025 ORDER BY sp.participant_id
"""
_ROWS = {
    "voids": """
SELECT d.declaration_id FROM declarations d JOIN training_periods tp ON tp.training_period_id = d.training_period_id
JOIN partnerships p ON p.partnership_id = tp.partnership_id
WHERE p.lead_provider_id = ? AND p.contract_period >= 2024 ORDER BY d.declaration_id""",
    "partnerships": """
SELECT s.urn AS school_urn, x.delivery_partner_id, '2026' AS contract_period FROM provider_delivery_partners x
CROSS JOIN schools s WHERE x.lead_provider_id = ? AND x.contract_period = 2026 ORDER BY s.urn, x.delivery_partner_id""",
    "partnership-changes": """
SELECT p.partnership_id, MAX(x.delivery_partner_id) AS delivery_partner_id FROM partnerships p
JOIN provider_delivery_partners x ON x.lead_provider_id = p.lead_provider_id AND x.contract_period = p.contract_period
WHERE p.lead_provider_id = ? GROUP BY p.partnership_id ORDER BY p.partnership_id""",
}
_CELLS = {
    "deferrals": {"reason": "other"},
    "resumptions": {},
    "schedule-changes": {"schedule_identifier": "ecf-extended-april"},
    "withdrawals": {"reason": "moved-school"},
    "expected-payments": {"statement_month": "2027-01", "contract_period": "2025", "declaration_type": "started",
                          "expected_amount": "1.10"},
}  # fmt: skip
_TOLD = ["row_number", "outcome", "rule_codes", "messages", "state", "statement_month"]


def every_update(settings: Settings, sample: Path) -> dict[str, object]:
    """A file of every kind, a day apart; DfE's void; a stale extract. Returns what does not depend on ids of the run."""
    found: dict[str, object] = {}
    with open_installation(settings) as installation:
        import_records(installation.database, sample, instant(IMPORTED_AT))
        provider = installation.lead_providers()[0]
        with installation.database.read() as reader:
            people = reader.frame(_PEOPLE, provider.lead_provider_id)
        for day, kind in enumerate((*_ROWS, *_CELLS), 10):
            if kind in _ROWS:
                with installation.database.read() as reader:
                    rows = reader.frame(_ROWS[kind], provider.lead_provider_id).head(60)
            else:
                cells = {name: pl.lit(cell) for name, cell in _CELLS[kind].items()}
                rows = people.with_columns(course_identifier=pl.lit("ecf-induction"), **cells)
            put(installation, provider, f"{kind}.csv", rows.write_csv())
            assert intake_round(installation, instant(f"2026-12-{day}T10:00:00Z")).troubles == []
            told = results(receipts(installation, provider)[f"{kind}.csv"]).select(_TOLD)
            made_id = "[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}"
            found[kind] = told.with_columns(pl.col("messages").str.replace_all(made_id, "ID")).rows()
            assert "accepted" in told["outcome"], kind
        with installation.database.read() as reader:
            chosen = reader.frame(
                "SELECT declaration_id FROM declarations WHERE payment_status = 'payable' ORDER BY declaration_id"
            )["declaration_id"][0]
        found["void"] = void(installation, chosen, "Audit", instant("2026-12-20T10:00:00Z"))
        done = import_records(installation.database, sample, instant("2026-12-21T10:00:00Z"))
        found["kept"] = sorted(done.reconciled.kept.group_by("table", "column").len().rows())
        found["overruled"] = done.reconciled.overruled.height
        # The same files again: duplicates, and rows undone since; then a part of the records alone, judged with the rest.
        for hour, kind in enumerate((*_ROWS, *_CELLS)):
            content = (
                installation.stored_upload(receipts(installation, provider)[f"{kind}.csv"]["sha256"])
            ).read_bytes()
            put(installation, provider, f"{kind}-again.csv", content)
            assert intake_round(installation, instant(f"2026-12-22T1{hour}:00:00Z")).troubles == []
            again = receipts(installation, provider)[f"{kind}-again.csv"]
            told = (
                results(again).select(_TOLD)
                if again["rows"]["total"]
                else pl.DataFrame(schema=dict.fromkeys(_TOLD, pl.String))
            )
            words = pl.col("messages").str.replace_all(f"{made_id}|[0-9TZ]+-[a-z-]+-[0-9a-f]{{6}}", "ID")
            found[f"{kind} again"] = (again["status"], again["rows"], told.with_columns(words).rows())
        (settings.home / "part").mkdir()
        for name in ("statements", "school_merges"):
            shutil.copy(sample / f"{name}.csv", settings.home / "part")
        part = import_records(installation.database, settings.home / "part", instant("2026-12-23T10:00:00Z"))
        found["doubts"] = part.doubts
        installation.forget()
        found["as of"] = installation.records_as_of
        with installation.database.read() as reader:
            found["history"] = len(history(reader, chosen))
            counted = reader.frame("SELECT type, COUNT(*) AS n FROM events GROUP BY type")
            found["events"] = sorted((kind, int(count)) for kind, count in counted.rows())
    return found


@pytest.mark.slow
def test_every_kind_of_update_ends_the_same_on_both(postgres_again, sample, tmp_path):
    lite = every_update(Settings(home=tmp_path / "lite", seconds_between_looks=0), sample)
    settings = Settings(home=tmp_path / "great", seconds_between_looks=0, database_url=postgres_again)
    great = every_update(settings, sample)
    for name, told in lite.items():
        assert great[name] == told, name
    assert lite["overruled"] == 0 and lite["kept"] and lite["doubts"] == []


def test_a_part_that_is_poison_and_the_clock(postgres_third, sample, tmp_path, monkeypatch):
    """Tries, sightings and looks are kept there as well; and the time is the server's."""
    settings = Settings(home=tmp_path / "great", seconds_between_looks=0, database_url=postgres_third)
    with open_installation(settings) as installation:
        import_records(installation.database, sample, instant(IMPORTED_AT))
        assert abs((installation.now() - datetime.now(UTC)).total_seconds()) < 60
        moments = []
        monkeypatch.setattr("data.database.datetime", None)  # no clock of this process is asked
        moments.append(installation.now())
        monkeypatch.undo()
        provider = installation.lead_providers()[0]
        put(installation, provider, "declarations.csv", "x\n")
        remember_all(installation)
        [received] = installation.sightings.all().values()
        assert received <= installation.now()
        installation.sightings.saw([], {provider.lead_provider_id: AT})
        installation.sightings.saw([], {provider.lead_provider_id: BEFORE})
        installation.sightings.saw([], {provider.lead_provider_id: AT})
        assert installation.sightings.looks() == {provider.lead_provider_id: BEFORE}

        def broken(*_arguments):
            with installation.database.engine.connect() as connection:
                connection.exec_driver_sql("SELECT nothing FROM statements")

        with monkeypatch.context() as patched:
            patched.setattr("flows.rounds.answering.refused_unread", broken)
            done = intake_round(installation, None)
        [waiting] = installation.submissions.unsettled()
        assert (waiting.failures, waiting.received_at, installation.sightings.all()) == (1, received, {})
        assert "ProgrammingError" in done.troubles[0]
        assert intake_round(installation, installation.now() + timedelta(minutes=2)).troubles == []

        # A deferral sent again after the participant was resumed.
        with installation.database.read() as reader:
            person = reader.frame(_ACTIVE, provider.lead_provider_id, "ect")["participant_id"][0]
        rows = f"participant_id,course_identifier\n{person},ecf-induction\n"
        deferral = f"participant_id,course_identifier,reason\n{person},ecf-induction,other\n"
        for day, name, content in (
            (14, "deferrals", deferral),
            (15, "resumptions", rows),
            (16, "deferrals-again", deferral),
        ):
            put(installation, provider, f"{name}.csv", content)
            assert intake_round(installation, instant(f"2026-12-{day}T10:00:00Z")).troubles == []
        told = results(receipts(installation, provider)["deferrals-again.csv"])
        assert told["rule_codes"].to_list() == ["FILE-013"]
        assert (
            "since then the participant was resumed on 15 December 2026, by line 2 of your file resumptions.csv"
            in told["messages"][0]
        )


@pytest.fixture
def postgres_third(postgres_again):
    return postgres_again


@pytest.fixture
def postgres_again():
    """A database of its own: the other test has filled the first."""
    with postgresql() as address:
        yield address


def test_what_the_embedded_server_saw_goes_into_this_database_too(postgres_again, sample, tmp_path):
    """And mailboxes belong to ids here, too."""
    settings = Settings(home=tmp_path / "home", database_url=postgres_again, seconds_between_looks=0)
    with open_installation(settings) as installation:
        import_records(installation.database, sample, instant("2026-11-20T09:00:00Z"))
        provider = installation.lead_providers()[0]
        installation.mailbox(provider.slug)
        path = settings.mailboxes_folder / provider.slug / "to-dfe" / "voids.csv"
        path.write_text("declaration_id\nx\n")
        status = path.stat()
        for at in (status.st_ctime - 100, status.st_ctime - 50):
            whole = Whole("voids.csv", status.st_size, status.st_mtime, status.st_ctime, at)
            installation.journal.add(provider.slug, whole)
        (outcome,) = intake_round(installation, None).outcomes
        assert abs(outcome.submission.received_at.timestamp() - (status.st_ctime - 50)) < 0.01
        assert len({each.slug for each in installation.lead_providers()}) == len(installation.lead_providers())
