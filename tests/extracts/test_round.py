"""`ectx extracts` on real records: full sets, change sets, nights without changes, requests, what is kept, one provider's trouble."""

import json
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from data.holdings import load_declarations, load_holdings
from data.reader import Reader
from flows.clock import instant
from flows.errors import ExchangeError
from flows.installation import Installation, LeadProvider, open_installation
from flows.rounds import extracts
from flows.rounds.extract_sets import ExtractInTheMaking
from flows.rounds.extracts import extracts_lock, extracts_round
from flows.rounds.intake import intake_round
from flows.rounds.statements import statements_round
from flows.settings import Settings
from flows.upkeep.backup import backup
from flows.upkeep.housekeeping import housekeeping
from flows.upkeep.replay import replay
from flows.upkeep.restore import restore
from schemas.outbound.extracts import DECLARATIONS, FILES, ExtractFile
from templates.guidance.scripts.apply_changes import apply, is_whole
from tests.conftest import NOW
from tests.exchange.provider import acceptable_rows, box, put, receipts, results
from transforms.extracts.making import make
from transforms.extracts.view import Nation, View

NIGHT = "2026-12-15T04:00:00Z"
IN_FULL = {f"{file.name}.csv" for file in FILES} | {"index.html", "extract.xlsx", "manifest.json"}


def full(installation: Installation, provider: LeadProvider) -> Path:
    return box(installation, provider) / "from-dfe/extracts/full"


def change_sets(installation: Installation, provider: LeadProvider) -> list[Path]:
    return sorted((box(installation, provider) / "from-dfe/extracts/changes").glob("*"))


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


def index(installation: Installation, provider: LeadProvider) -> list[dict[str, str]]:
    return pl.read_csv(box(installation, provider) / "from-dfe/index.csv", infer_schema=False).to_dicts()


def demand_applied(before: Path, changes: Path, now: Path, into: Path) -> None:
    """Full before + change set = full now, to the byte, by the standard library alone."""
    shutil.rmtree(into, ignore_errors=True)
    apply(before, changes, into)
    for file in FILES:
        name = f"{file.name}.csv"
        assert (into / name).read_bytes() == (now / name).read_bytes(), name


@pytest.mark.slow
def test_a_first_extract_is_a_full_set_alone(installation: Installation) -> None:
    done = extracts_round(installation, instant(NIGHT))
    assert not done.troubles and done.delivered == 7 and all(each.delivered for each in done.made)
    for provider in installation.lead_providers():
        folder = full(installation, provider)
        assert {path.name for path in folder.iterdir()} == IN_FULL and is_whole(folder)
        said = manifest(folder)
        assert (
            said["as_of"] == NIGHT and said["changes"] is None and said["lead_provider_id"] == provider.lead_provider_id
        )
        assert {each["name"] for each in said["files"]} == IN_FULL - {"manifest.json"}
        assert said["made_from"]["records_as_of"] == "2026-11-20T09:00:00Z"
        for file in FILES:
            rows = pl.read_csv(folder / f"{file.name}.csv", infer_schema=False)
            assert rows.columns == file.columns and rows.height == said["rows"][file.name]
            assert rows.select(file.key).is_unique().all()
            assert rows.select(file.key).rows() == sorted(rows.select(file.key).rows())
        assert change_sets(installation, provider) == []
        assert [line["path"] for line in index(installation, provider)] == ["from-dfe/extracts/full"]


@pytest.mark.slow
def test_a_night_without_changes_delivers_nothing(installation: Installation) -> None:
    extracts_round(installation, instant(NIGHT))
    box = installation.settings.home / "mailboxes"
    before = {path: path.stat().st_mtime_ns for path in box.rglob("*")}
    done = extracts_round(installation, instant("2026-12-15T05:00:00Z"))
    assert done.delivered == 0 and not any(each.delivered for each in done.made)
    after = {path: path.stat().st_mtime_ns for path in box.rglob("*")}
    other = {path for path in {*before, *after} if before.get(path) != after.get(path) and not path.is_dir()}
    # The front page says as of when it is, and is made anew every night: a round may have been cut off before it was.
    assert other == {box / provider.slug / "from-dfe" / "start-here.html" for provider in installation.lead_providers()}


@pytest.mark.slow
def test_what_a_provider_sent_shows_in_its_next_extract_and_in_others_where_they_may_see_it(
    installation: Installation, provider: LeadProvider, tmp_path: Path
) -> None:
    extracts_round(installation, instant("2026-12-14T04:00:00Z"))
    before = Path(shutil.copytree(full(installation, provider), tmp_path / "before"))
    rows = acceptable_rows(installation, provider)[:4]
    put(installation, provider, "declarations.csv", rows.with_columns(your_reference=pl.lit("=mine")).write_csv())
    withdrawn = rows[3:].select("participant_id", "course_identifier", reason=pl.lit("moved-school"))
    put(installation, provider, "withdrawals.csv", withdrawn.write_csv())
    intake_round(installation, instant(NOW))
    done = extracts_round(installation, instant(NIGHT))
    assert not done.troubles
    (changes,) = change_sets(installation, provider)
    now = full(installation, provider)
    assert changes.name == "20261215T040000Z" and is_whole(changes) and is_whole(now)
    demand_applied(before, changes, now, tmp_path / "applied")
    said = manifest(changes)
    assert said["rows"]["declarations"] == {"new": 4, "changed": 0, "removed": 0}
    assert said["full_before"]["as_of"] == "2026-12-14T04:00:00Z" and said["kept_days"] == 90
    assert said["full_now"]["sha256"].keys() == said["full_before"]["sha256"].keys()
    assert manifest(now)["changes"] == f"from-dfe/extracts/changes/{changes.name}"
    people = pl.read_csv(changes / "participants.csv", infer_schema=False).filter(
        pl.col("id") == withdrawn["participant_id"][0]
    )
    assert people.select("change", "training_status", "participant_status", "updated_at").row(0) == (
        "changed", "withdrawn", "left", NIGHT,
    )  # fmt: skip
    declared = pl.read_csv(changes / "declarations.csv", infer_schema=False)
    assert set(declared["your_reference"]) == {"'=mine"} and set(declared["change"]) == {"new"}
    paths = [line["path"] for line in index(installation, provider) if line["what"] == "extract"]
    assert paths == ["from-dfe/extracts/full", f"from-dfe/extracts/changes/{changes.name}", "from-dfe/extracts/full"]


@pytest.mark.slow
def test_the_calendar_alone_makes_a_change_set(
    installation: Installation, provider: LeadProvider, tmp_path: Path
) -> None:
    """Somebody who leaves on the 16th is leaving before that day, and has left on it, in London."""
    with installation.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE training_periods SET finished_on = '2026-12-16' WHERE training_period_id IN (SELECT MIN(t.training_period_id) "
            "FROM training_periods t JOIN partnerships p ON p.partnership_id = t.partnership_id WHERE t.finished_on IS NULL "
            "AND p.lead_provider_id = ?)",
            (provider.lead_provider_id,),
        )
    extracts_round(installation, instant("2026-12-15T23:59:59Z"))
    before = Path(shutil.copytree(full(installation, provider), tmp_path / "before"))
    extracts_round(installation, instant("2026-12-16T00:00:00Z"))
    (changes,) = change_sets(installation, provider)
    demand_applied(before, changes, full(installation, provider), tmp_path / "applied")
    row = pl.read_csv(changes / "participants.csv", infer_schema=False).row(0, named=True)
    assert (row["change"], row["participant_status"], row["training_finished_on"]) == ("changed", "left", "2026-12-16")


@pytest.mark.slow
def test_statements_show_their_total_and_version_once_delivered(
    installation: Installation, provider: LeadProvider
) -> None:
    extracts_round(installation, instant("2026-12-14T04:00:00Z"))
    statements_round(installation, instant(NOW))
    extracts_round(installation, instant(NIGHT))
    (changes,) = change_sets(installation, provider)
    rows = pl.read_csv(changes / "statements.csv", infer_schema=False)
    assert rows.height and rows["total"].null_count() == 0 and set(rows["version"]) == {"1"}


@pytest.mark.slow
def test_a_request_brings_a_full_set_and_a_change_set_in_the_same_round(
    installation: Installation, provider: LeadProvider, tmp_path: Path
) -> None:
    extracts_round(installation, instant("2026-12-14T04:00:00Z"))
    before = Path(shutil.copytree(full(installation, provider), tmp_path / "before"))
    other = installation.lead_providers()[1]
    content = "request,your_reference\nextract,abc\n"
    for turn, at in enumerate((NOW, "2026-12-14T10:01:00Z", "2026-12-14T10:02:00Z"), 1):
        put(installation, provider, "requests.csv", content)  # the same bytes each time
        if turn == 2:
            put(installation, provider, "declarations.csv", acceptable_rows(installation, provider)[:2].write_csv())
        done = intake_round(installation, instant(at))
        assert not done.troubles
        receipt = receipts(installation, provider)["requests.csv"]
        assert receipt["status"] == "accepted" and receipt["duplicate_of"] is None
        assert "your full set" not in results(receipt)["notes"][0]
        sets = change_sets(installation, provider)
        assert len(sets) == turn  # also where nothing changed
        demand_applied(before, sets[-1], full(installation, provider), tmp_path / "applied")
        assert (manifest(sets[-1])["rows"]["declarations"]["new"] == 2) == (turn == 2)
        shutil.rmtree(before)
        shutil.copytree(full(installation, provider), before)
    assert change_sets(installation, other) == []
    put(installation, provider, "requests.csv", "request\nextract\nextract\n")
    intake_round(installation, instant("2026-12-14T10:03:00Z"))
    receipt = receipts(installation, provider)["requests.csv"]
    assert receipt["status"] == "partially-accepted" and "REQUEST-002" in results(receipt)["rule_codes"].to_list()
    assert installation.extracts.requests() == {}


@pytest.mark.slow
def test_a_request_that_was_cut_off_is_answered_by_the_next_round(
    installation: Installation, provider: LeadProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(installation, provider, "requests.csv", "request\nextract\n")

    def fails(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(ExtractInTheMaking, "finish", fails)
        done = intake_round(installation, instant(NOW))
    assert done.troubles and receipts(installation, provider)["requests.csv"]["status"] == "accepted"
    assert not full(installation, provider).exists() and installation.extracts.requests()
    done = intake_round(installation, instant("2026-12-14T10:01:00Z"))
    assert not done.troubles and is_whole(full(installation, provider)) and not installation.extracts.requests()


@pytest.mark.slow
def test_one_providers_trouble_is_its_own(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = installation.lead_providers()[:2]
    real = extracts.make

    def fails(view: View, file: Any, before: Any) -> Any:
        if view.lead_provider_id == first.lead_provider_id and file is DECLARATIONS:
            raise ValueError("Amara Abbott, 1234567")  # whatever it says, operators do not read it
        return real(view, file, before)

    monkeypatch.setattr(extracts, "make", fails)
    done = extracts_round(installation, instant(NIGHT))
    assert (
        len(done.troubles) == 1
        and done.troubles[0].startswith(f"{first.slug}: ValueError")
        and "Abbott" not in done.troubles[0]
    )
    assert not full(installation, first).exists() and is_whole(full(installation, second))
    monkeypatch.undo()
    assert not extracts_round(installation, instant(NIGHT)).troubles and is_whole(full(installation, first))


def test_one_record_that_does_not_fit_costs_its_row_alone(installation: Installation, provider: LeadProvider) -> None:
    with installation.database.write() as connection:
        connection.exec_driver_sql("UPDATE school_contract_periods SET induction_programme_choice = 'perhaps' WHERE school_id = "
                                   "(SELECT MIN(school_id) FROM schools) AND contract_period = 2025")  # fmt: skip
    done = extracts_round(installation, instant(NIGHT), [provider])
    assert not done.troubles
    (doubt,) = [each for each in done.doubts if "schools.csv" in each.what]
    assert len(doubt.cases) == 1 and doubt.cases[0].endswith("2025: induction_programme_choice")
    assert manifest(full(installation, provider))["rows"]["schools"] > 100


def test_the_extract_of_one_is_what_the_extract_of_all_has_of_it(installation: Installation) -> None:
    """Whole tables or by ids: the same rows."""
    ids = [each.lead_provider_id for each in installation.lead_providers()]
    day = instant(NIGHT).date()
    with installation.database.read(is_sparing=True) as reader:
        everybody = Nation(load_holdings(reader, ids, True), day)
        for own in ids[:2]:
            alone = Nation(load_holdings(reader, [own], False), day)
            for file in FILES:
                of_all, of_one = (make(_view(reader, each, own, file), file).rows for each in (everybody, alone))
                assert of_all.height and of_all.equals(of_one), file.name


def _view(reader: Reader, nation: Nation, own: str, file: ExtractFile) -> View:
    """As a round has it."""
    if file is not DECLARATIONS:
        return View(nation, own)
    theirs = nation.for_declarations().of_those_trained_by(own)
    return View(theirs.with_declarations(load_declarations(reader, theirs.training["training_period_id"])), own)


@pytest.mark.slow
def test_change_sets_go_when_they_are_old_and_full_sets_stay(
    installation: Installation, provider: LeadProvider, files_of: Callable[[Path], set[str]]
) -> None:
    for day in ("2026-12-14T04:00:00Z", "2026-12-15T04:00:00Z"):
        put(installation, provider, "requests.csv", "request\nextract\n")
        intake_round(installation, instant(day))
    (changes,) = change_sets(installation, provider)
    keep = timedelta(days=installation.settings.keep_changes_days)
    housekeeping(installation, instant("2026-12-15T04:00:00Z") + keep)
    assert change_sets(installation, provider) == [changes]
    done = housekeeping(installation, instant("2026-12-15T04:00:01Z") + keep)
    assert done.change_sets[provider.lead_provider_id] == 1 and change_sets(installation, provider) == []
    stored = files_of(installation.outbox / provider.lead_provider_id)
    assert not any("changes/" in name for name in stored) and any("/full." in name for name in stored)
    assert is_whole(full(installation, provider))
    # What was delivered stays in the index, and the next change set follows on.
    assert any(changes.name in line["path"] for line in index(installation, provider))
    extracts_round(installation, instant("2027-06-01T04:00:00Z"))


@pytest.mark.slow
def test_no_more_than_the_set_that_stands_is_stored(installation: Installation, provider: LeadProvider) -> None:
    for minute in range(3):
        put(installation, provider, "requests.csv", "request\nextract\n")
        intake_round(installation, instant(f"2026-12-14T10:0{minute}:00Z"))
    folder = installation.outbox / provider.lead_provider_id / "from-dfe/extracts"
    assert sorted(path.name.split(".")[0] for path in folder.iterdir()) == ["changes", "full", "memory"]
    assert len(change_sets(installation, provider)) == 2
    stamps = [path.name for path in change_sets(installation, provider)]
    assert stamps == ["20261214T100100Z", "20261214T100200Z"]


@pytest.mark.slow
def test_two_sets_of_one_instant_have_names_of_their_own(installation: Installation, provider: LeadProvider) -> None:
    for name in ("requests.csv", "requests-2.csv", "requests-3.csv"):
        put(installation, provider, name, "request\nextract\n")
        intake_round(installation, instant(NOW))
    assert [path.name for path in change_sets(installation, provider)] == ["20261214T100001Z", "20261214T100002Z"]


@pytest.mark.slow
def test_backup_restore_and_replay_know_them(
    installation: Installation,
    provider: LeadProvider,
    sample: Path,
    tmp_path: Path,
    files_of: Callable[[Path], set[str]],
) -> None:
    for minute in range(2):
        put(installation, provider, "requests.csv", "request\nextract\n")
        intake_round(installation, instant(f"2026-12-14T10:0{minute}:00Z"))
    backup(installation, tmp_path / "copy", instant(NIGHT))
    restore(tmp_path / "copy", Settings(home=tmp_path / "again"))
    ours = box(installation, provider) / "from-dfe/extracts"
    theirs = tmp_path / "again/mailboxes" / provider.slug / "from-dfe/extracts"
    assert files_of(ours) == files_of(theirs)
    assert all((ours / name).read_bytes() == (theirs / name).read_bytes() for name in files_of(ours))
    with open_installation(Settings(home=tmp_path / "again")) as again:
        before = Path(shutil.copytree(theirs / "full", tmp_path / "before"))
        put(again, provider, "declarations.csv", acceptable_rows(again, provider)[:2].write_csv())
        intake_round(again, instant("2026-12-14T11:00:00Z"))
        extracts_round(again, instant(NIGHT), [provider])
        demand_applied(before, change_sets(again, provider)[-1], theirs / "full", tmp_path / "applied")
        assert replay(again, [sample], tmp_path / "replayed").different == {}


@pytest.mark.slow
def test_a_store_that_lost_the_set_before_says_so_and_delivers_a_full_set(
    installation: Installation, provider: LeadProvider
) -> None:
    extracts_round(installation, instant("2026-12-14T04:00:00Z"), [provider])
    for each in (installation.outbox / provider.lead_provider_id / "from-dfe/extracts").glob("full.*"):
        shutil.rmtree(each)
    done = extracts_round(installation, instant(NIGHT), [provider])
    assert len(done.troubles) == 1 and "not in the store" in done.troubles[0]
    assert is_whole(full(installation, provider)) and change_sets(installation, provider) == []
    assert not extracts_round(installation, instant("2026-12-15T05:00:00Z"), [provider]).troubles


@pytest.mark.slow
def test_nothing_is_half_there_while_another_makes_an_extract(
    installation: Installation, provider: LeadProvider
) -> None:
    with installation.database.only_one(extracts_lock(provider.slug)):
        done = extracts_round(installation, instant(NIGHT), patience=0)
    assert done.busy == [provider.slug]
    others = {each.lead_provider_id for each in installation.lead_providers()} - {provider.lead_provider_id}
    assert {each.lead_provider_id for each in done.made} == others
    assert not full(installation, provider).exists()


def test_instants_are_those_of_the_delivery(installation: Installation, provider: LeadProvider) -> None:
    extracts_round(installation, instant(NIGHT), [provider])
    schools = pl.read_csv(full(installation, provider) / "schools.csv", infer_schema=False)
    assert set(schools["created_at"]) == set(schools["updated_at"]) == {NIGHT}
    people = pl.read_csv(full(installation, provider) / "participants.csv", infer_schema=False)
    assert all(datetime.fromisoformat(moment) < instant(NIGHT) for moment in people["updated_at"])


def test_a_copy_made_during_a_round_of_extracts_waits_for_it(
    installation: Installation, provider: LeadProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or it would hold a database that names a set which the store has let go of."""
    monkeypatch.setattr("flows.upkeep.backup.PATIENCE_SECONDS", 0)
    with installation.database.only_one(extracts_lock(provider.slug)), pytest.raises(ExchangeError, match="BUSY"):
        backup(installation, installation.settings.home.parent / "copy", instant(NIGHT))


@pytest.mark.slow
def test_a_folder_that_is_owed_and_not_in_the_store_is_told_and_stays_owed(
    installation: Installation, provider: LeadProvider
) -> None:
    put(installation, provider, "requests.csv", "request\nextract\n")
    intake_round(installation, instant(NOW))
    with installation.database.write() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET delivered_at = NULL, sequence = NULL WHERE what = 'extract'")
    for each in (installation.outbox / provider.lead_provider_id / "from-dfe/extracts").glob("full.*"):
        shutil.rmtree(each)
    done = intake_round(installation, instant("2026-12-14T10:01:00Z"))
    assert any("not in the store" in trouble for trouble in done.troubles)
    assert [each.path for each in installation.deliveries.owed(provider.lead_provider_id)] == ["from-dfe/extracts/full"]
    assert "not in the store" in extracts_round(installation, instant(NIGHT), [provider]).troubles[0]
    assert not installation.deliveries.owed(provider.lead_provider_id) and is_whole(full(installation, provider))


@pytest.mark.slow
def test_what_a_cut_left_of_a_change_set_does_not_stay(
    installation: Installation, provider: LeadProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Personal data that nothing knows of would be kept for ever."""
    extracts_round(installation, instant("2026-12-14T04:00:00Z"), [provider])
    put(installation, provider, "declarations.csv", acceptable_rows(installation, provider)[:2].write_csv())
    intake_round(installation, instant(NOW))

    def killed(*_: Any, **__: Any) -> None:
        raise OSError(5, "cut off")

    with monkeypatch.context() as patched:
        patched.setattr("data.ledger.extracts.Extracts.add", staticmethod(killed))
        assert extracts_round(installation, instant(NIGHT), [provider]).troubles
    kept = installation.outbox / provider.lead_provider_id / "from-dfe/extracts/changes"
    assert [path.name for path in kept.iterdir()] in ([], ["20261215T040000Z"])
    assert not extracts_round(installation, instant("2026-12-16T04:00:00Z"), [provider]).troubles
    assert [path.name for path in kept.iterdir()] == ["20261216T040000Z"]


def test_change_sets_of_a_lead_provider_that_left_the_records_go_too(
    installation: Installation, provider: LeadProvider
) -> None:
    for day in ("2026-12-14T04:00:00Z", "2026-12-15T04:00:00Z"):
        put(installation, provider, "requests.csv", "request\nextract\n")
        intake_round(installation, instant(day))
    (changes,) = change_sets(installation, provider)
    with installation.database.write() as connection:
        connection.exec_driver_sql(
            "DELETE FROM lead_providers WHERE lead_provider_id = ?", (provider.lead_provider_id,)
        )
    assert provider.slug not in {each.slug for each in installation.lead_providers()}
    housekeeping(installation, instant("2027-12-15T04:00:00Z"))
    assert not changes.exists()
    assert not (installation.outbox / provider.lead_provider_id / f"from-dfe/extracts/changes/{changes.name}").exists()


@pytest.mark.slow
def test_a_name_of_a_change_set_is_never_used_again(installation: Installation, provider: LeadProvider) -> None:
    for name in ("requests.csv", "requests-2.csv"):
        put(installation, provider, name, "request\nextract\n")
        intake_round(installation, instant(NOW))
    for each in (installation.outbox / provider.lead_provider_id / "from-dfe/extracts").glob("full.*"):
        shutil.rmtree(each)
    for name in ("requests-3.csv", "requests-4.csv"):
        put(installation, provider, name, "request\nextract\n")
        intake_round(installation, instant(NOW))
    assert "DfE's copy of the extract before was lost" not in (full(installation, provider) / "index.html").read_text()
    assert [path.name for path in change_sets(installation, provider)] == ["20261214T100001Z", "20261214T100002Z"]
