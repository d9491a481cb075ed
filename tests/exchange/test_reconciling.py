"""A fresh extract and what was accepted here meanwhile: nothing accepted is undone without a word."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from data.records.extract import import_records
from flows.clock import instant
from flows.rounds.intake import intake_round
from flows.rounds.statements import statements_round
from schemas.records.checks import ExtractRefused
from schemas.reports import Imported
from templates.loads import import_report
from tests.conftest import IMPORTED_AT, NOW
from tests.exchange.provider import acceptable_rows, put
from tests.exchange.records import differences, exported

AT, LATER = instant(NOW), instant("2026-12-20T10:00:00Z")
TRAINED = """
SELECT sp.participant_id, tp.training_period_id FROM training_periods tp
JOIN partnerships p ON p.partnership_id = tp.partnership_id
JOIN school_periods sp ON sp.school_period_id = tp.school_period_id
WHERE p.lead_provider_id = ? AND p.contract_period = 2025 AND sp.participant_type = 'ect' AND tp.finished_on IS NULL
ORDER BY tp.training_period_id
"""


@pytest.fixture
def accepted(installation):
    """Two declarations, a deferral and its resumption are accepted; returns the deferred training period's id."""
    provider = installation.lead_providers()[0]
    with installation.database.read() as reader:
        chosen = reader.frame(TRAINED, provider.lead_provider_id).row(0, named=True)
    person = pl.DataFrame({"participant_id": [chosen["participant_id"]], "course_identifier": ["ecf-induction"]})
    rows = acceptable_rows(installation, provider).filter(pl.col("participant_id") != chosen["participant_id"])
    put(installation, provider, "declarations.csv", rows.head(2).write_csv())
    put(installation, provider, "deferrals.csv", person.with_columns(reason=pl.lit("other")).write_csv())
    intake_round(installation, AT)
    put(installation, provider, "resumptions.csv", person.write_csv())
    intake_round(installation, instant("2026-12-15T10:00:00Z"))
    return chosen["training_period_id"]


@pytest.fixture
def load(installation, tmp_path):
    """Load an extract, with cells changed: {table: [(record, column, value)]}."""

    def loaded(source: Path, changes: dict[str, list[tuple[str, str, str]]] | None = None, now=LATER) -> Imported:
        folder = tmp_path / "fresh"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for path in [*source.glob("*.csv"), *source.glob("*.json")]:
            shutil.copy(path, folder)
        for table, cells in (changes or {}).items():
            rows = pl.read_csv(folder / f"{table}.csv", infer_schema=False)
            for record, column, value in cells:
                cell = pl.when(pl.col(rows.columns[0]) == record).then(pl.lit(value)).otherwise(column)
                rows = rows.with_columns(cell.alias(column))
            rows.write_csv(folder / f"{table}.csv")
        return import_records(installation.database, folder, now)

    return loaded


def test_a_stale_extract_undoes_nothing_and_says_what_it_lacks(installation, sample, accepted, load, tmp_path):
    before = exported(installation, tmp_path / "before")
    done = load(sample)
    assert differences(before, exported(installation, tmp_path / "after")) == {}
    kept = done.reconciled.kept.group_by("table").agg(pl.col("record_id").n_unique()).sort("table").rows()
    assert kept == [("declarations", 2), ("training_periods", 2)]
    assert done.reconciled.overruled.is_empty()
    assert "declarations: 2 records" in import_report(done)


def test_an_extract_that_shows_everything_settles_it(installation, sample, accepted, load, tmp_path):
    own = tmp_path / "own"
    exported(installation, own)
    done = load(own)
    assert done.reconciled.kept.is_empty() and done.reconciled.overruled.is_empty()
    assert done.reconciled.seen["record_id"].n_unique() == 4
    assert "Kept" not in import_report(done)
    old = tmp_path / "old"
    shutil.copytree(sample, old)
    (old / "extract.json").write_text(json.dumps({"as_of": IMPORTED_AT}))
    stale_again = load(old)
    assert stale_again.reconciled.overruled.is_empty(), "an older extract, loaded by mistake, undoes nothing either"
    assert stale_again.reconciled.kept["record_id"].n_unique() == 4


def test_a_quiet_extract_is_not_taken_for_an_old_one(installation, sample, accepted, load, tmp_path):
    """What DfE has shown and then shows no more, it has taken back, though nothing else has changed since: an extract that
    does not say how old it is, is as old as its load."""
    exported(installation, tmp_path / "own")
    load(tmp_path / "own")
    done = load(sample)
    assert done.reconciled.kept.is_empty()
    assert done.reconciled.overruled["record_id"].n_unique() == 4
    with installation.database.read() as reader:
        period = reader.frame("SELECT deferred_at FROM training_periods WHERE training_period_id = ?", accepted)
    assert period["deferred_at"][0] is None


def test_an_extract_older_than_the_one_that_showed_it_undoes_nothing(installation, sample, accepted, load, tmp_path):
    """One of a day after the change that lacks it; a later one that shows it; then the first again, by mistake."""
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(sample, first)
    (first / "extract.json").write_text('{"as_of": "2026-12-16T10:00:00Z"}')
    exported(installation, second)
    (second / "extract.json").write_text('{"as_of": "2026-12-18T10:00:00Z"}')
    for folder in (first, second, first):
        done = load(folder)
        assert done.reconciled.overruled.is_empty()
    assert done.reconciled.kept["record_id"].n_unique() == 4


@pytest.mark.parametrize(
    "said",
    [
        "{}",
        '{"as_of": "2026-11-20T09:00:00"}',
        '{"as_of": "0001-01-01T00:00:00+14:00"}',
        "not JSON",
        '{"as_of": "yesterday"}',
        '["2026-11-20T09:00:00Z"]',
    ],
)
def test_an_extract_json_that_cannot_be_read_refuses_the_load(installation, sample, tmp_path, said):
    folder = Path(shutil.copytree(sample, tmp_path / "fresh"))
    (folder / "extract.json").write_text(said)
    with pytest.raises(ExtractRefused, match=r"extract.json, column as_of: is not "):
        import_records(installation.database, folder, LATER)


def test_the_records_speak_of_when_the_extract_says(installation, sample, tmp_path):
    folder = Path(shutil.copytree(sample, tmp_path / "fresh"))
    (folder / "extract.json").write_text('\ufeff{"as_of": "2026-11-19T18:00:00Z"}')
    import_records(installation.database, folder, LATER)
    installation.forget()
    assert installation.records_as_of == "2026-11-19T18:00:00Z"


def test_dfes_later_word_wins_and_is_reported(installation, sample, accepted, load, tmp_path):
    done = load(sample, {"training_periods": [(accepted, "finished_on", "2026-12-01")]})
    told = done.reconciled.overruled.select("table", "record_id", "column", "before", "after").rows()
    assert told == [("training_periods", accepted, "finished_on", "2026-12-14", "2026-12-01")]
    report = import_report(done)
    assert "Given up to DfE's word" in report and accepted in report and "2026-12-01" not in report
    with installation.database.read() as reader:
        event = reader.frame("SELECT after FROM events WHERE type = 'accepted_update_replaced_by_records'")
        period = reader.frame("SELECT finished_on FROM training_periods WHERE training_period_id = ?", accepted)
    assert json.loads(event["after"][0]) == {"column": "finished_on", "value": "2026-12-01"}
    assert period["finished_on"][0] == "2026-12-01"
    assert load(sample, {"training_periods": [(accepted, "finished_on", "2026-12-01")]}).reconciled.overruled.is_empty()


def test_dfe_removing_what_was_made_here_is_reported(installation, accepted, load, tmp_path):
    own = tmp_path / "own"
    exported(installation, own)
    load(own)
    with installation.database.read() as reader:
        made = reader.frame("SELECT declaration_id FROM events WHERE type = 'teacher_declaration_created'")
    rows = pl.read_csv(own / "declarations.csv", infer_schema=False)
    later = pl.when(pl.col("declaration_id") == rows["declaration_id"][0]).then(pl.lit("2026-12-19T00:00:00Z"))
    rows = rows.filter(pl.col("declaration_id") != made["declaration_id"][0])
    rows.with_columns(later.otherwise("updated_at").alias("updated_at")).write_csv(own / "declarations.csv")
    done = load(own)
    assert done.reconciled.overruled.select("record_id", "column").rows() == [(made["declaration_id"][0], "*")]


def test_a_record_kept_here_needs_what_it_points_at(installation, sample, accepted, load, tmp_path):
    with installation.database.read() as reader:
        period = reader.frame(
            "SELECT d.training_period_id FROM declarations d JOIN events e ON e.declaration_id = d.declaration_id "
            "WHERE e.type = 'teacher_declaration_created'"
        )["training_period_id"][0]
    folder = tmp_path / "without"
    shutil.copytree(sample, folder)
    for name in ("declarations", "training_periods"):
        rows = pl.read_csv(folder / f"{name}.csv", infer_schema=False)
        rows.filter(pl.col("training_period_id") != period).write_csv(folder / f"{name}.csv")
    before = exported(installation, tmp_path / "before")
    with pytest.raises(ExtractRefused, match="accepted here since, points at it"):
        import_records(installation.database, folder, LATER)
    assert differences(before, exported(installation, tmp_path / "after")) == {}


@pytest.mark.slow
def test_statements_that_moved_on_do_not_move_back(installation, sample, load):
    statements_round(installation, instant("2027-01-02T10:00:00Z"))
    done = load(sample)
    assert set(done.reconciled.kept["table"]) == {"statements", "declarations"}
    with installation.database.read() as reader:
        payable = reader.frame(
            "SELECT 1 AS n FROM statements WHERE status = 'payable' AND deadline_date = '2026-12-31'"
        )
    assert payable.height > 0


@pytest.fixture
def submitted(installation):
    """A submitted declaration of an ECT for contract period 2025, which has open statements."""
    with installation.database.read() as reader:
        return reader.frame(
            "SELECT d.declaration_id, sp.participant_id FROM declarations d "
            "JOIN training_periods tp ON tp.training_period_id = d.training_period_id "
            "JOIN school_periods sp ON sp.school_period_id = tp.school_period_id "
            "JOIN partnerships p ON p.partnership_id = tp.partnership_id "
            "WHERE d.payment_status = 'no_payment' AND sp.participant_type = 'ect' AND p.contract_period = 2025 "
            "ORDER BY d.declaration_id"
        ).row(0, named=True)


def test_someone_who_becomes_eligible_has_their_declarations_paid(installation, sample, submitted, load, tmp_path):
    before = exported(installation, tmp_path / "before")
    person = submitted["participant_id"]
    done = load(sample, {"participants": [(person, "ect_first_became_eligible_at", "2026-12-01T09:00:00Z")]})
    changed = differences(before, exported(installation, tmp_path / "after"))
    declared = changed.pop("declarations")
    assert changed == {"participants": {person: {"ect_first_became_eligible_at": (None, "2026-12-01T09:00:00Z")}}}
    assert submitted["declaration_id"] in declared and done.attached.eligible == len(declared)
    for columns in declared.values():
        assert columns["payment_status"] == ("no_payment", "eligible") and columns["payment_statement_id"][1]
    with installation.database.read() as reader:
        assert reader.frame("SELECT 1 AS n FROM events WHERE type = 'teacher_declaration_eligible'").height == len(
            declared
        )
    assert "became eligible" in import_report(done)
    stale = load(sample)
    assert stale.reconciled.kept.filter(pl.col("table") == "declarations").height == 2 * len(declared)


def test_a_declaration_with_nowhere_to_go_is_told_and_stays(installation, sample, submitted, load):
    """When the last statement of the contract period has closed."""
    cells = [(submitted["participant_id"], "ect_first_became_eligible_at", "2026-12-01T09:00:00Z")]
    done = load(sample, {"participants": cells}, instant("2040-01-01T09:00:00Z"))
    assert (submitted["declaration_id"], 2025) in done.attached.nowhere and done.attached.eligible == 0
    assert submitted["declaration_id"] in import_report(done)
    with installation.database.read() as reader:
        found = reader.frame(
            "SELECT payment_status FROM declarations WHERE declaration_id = ?", submitted["declaration_id"]
        )
    assert found["payment_status"][0] == "no_payment"
