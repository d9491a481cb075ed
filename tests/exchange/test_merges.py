"""Merges of schools and of participants: what was made here goes with them, money declared is never lost (interface 6)."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from data.records.extract import import_records
from data.records.survivors import survivors
from flows.clock import instant
from flows.rounds.intake import intake_round
from flows.rounds.statements import statements_round
from schemas.records.checks import ExtractRefused
from templates.loads import import_report
from tests.conftest import IMPORTED_AT, NOW
from tests.exchange.provider import put, receipts, results
from tests.exchange.records import exported
from tests.exchange.test_repeats import _OPEN_SCHOOLS
from tests.exchange.test_updates import _ACTIVE, ask, training  # noqa: F401 - fixtures

AT, LATER = instant(NOW), instant(NOW) + timedelta(days=1)
MERGED_AT = "2026-12-14T22:00:00Z"
_AT_SCHOOL = """
SELECT tp.training_period_id, tp.school_period_id, sp.participant_id, tp.schedule_identifier, sp.school_id, p.partnership_id,
       p.delivery_partner_id, s.urn
FROM training_periods tp
JOIN partnerships p ON p.partnership_id = tp.partnership_id
JOIN school_periods sp ON sp.school_period_id = tp.school_period_id
JOIN schools s ON s.school_id = sp.school_id
JOIN participants pa ON pa.participant_id = sp.participant_id
WHERE p.lead_provider_id = ? AND p.contract_period = 2026 AND sp.participant_type = 'ect' AND tp.finished_on IS NULL
  AND sp.finished_on IS NULL AND pa.induction_end_date IS NULL AND pa.ect_first_became_eligible_at IS NOT NULL
  AND s.school_id = p.school_id
ORDER BY tp.training_period_id
"""


@pytest.fixture
def send(installation, provider):
    def sent(kind: str, rows: pl.DataFrame, now=AT, name="") -> pl.DataFrame:
        put(installation, provider, f"{kind}{name}.csv", rows.write_csv())
        assert intake_round(installation, now).troubles == []
        return results(receipts(installation, provider)[f"{kind}{name}.csv"])

    return sent


@pytest.fixture
def interested(installation, provider, ask, send):  # noqa: F811
    """A school without a partnership of ours, where somebody waits for one; the partnership is then reported and accepted,
    and a declaration made under it. Returns school, partnership and training."""
    person = ask(_AT_SCHOOL).row(0, named=True)
    school = ask(_OPEN_SCHOOLS).filter(pl.col("school_id") != person["school_id"]).row(0, named=True)
    with installation.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE school_periods SET school_id = ? WHERE school_period_id = ?",
            (school["school_id"], person["school_period_id"]),
        )
        connection.exec_driver_sql(
            "UPDATE training_periods SET partnership_id = NULL, expression_of_interest_lead_provider_id = ?, "
            "expression_of_interest_contract_period = 2026 WHERE training_period_id = ?",
            (provider.lead_provider_id, person["training_period_id"]),
        )
        connection.exec_driver_sql(
            "DELETE FROM declarations WHERE training_period_id = ?", (person["training_period_id"],)
        )
    return person | {"school": school}


def report_partnership(send, school, partner=None) -> str:
    rows = pl.DataFrame({"school_urn": [school["urn"]], "delivery_partner_id": [partner or school["delivery_partner_id"]],
                         "contract_period": ["2026"]})  # fmt: skip
    told = send("partnerships", rows)
    assert told["outcome"].to_list() == ["accepted"], told["messages"][0]
    return told["notes"][0].split()[1]


def declare(send, person, now=AT, name="") -> str:
    rows = pl.DataFrame({"participant_id": [person["participant_id"]]}).with_columns(
        course_identifier=pl.lit("ecf-induction"), declaration_type=pl.lit("started"),
        declaration_date=pl.lit("2026-12-10T14:00:00Z"), evidence_held=pl.lit("other"),
    )  # fmt: skip
    told = send("declarations", rows, now, name)
    assert told["outcome"].to_list() == ["accepted"], told["messages"][0]
    return told["declaration_id"][0]


@pytest.fixture
def extract(installation, interested, tmp_path):
    """What DfE held before anything was accepted here; `merge` makes of it what its daily job leaves."""
    before = exported(installation, tmp_path / "before")

    def merge(into: str, told: bool = True, successor: dict | None = None) -> Path:
        folder = Path(shutil.copytree(tmp_path / "before", tmp_path / "after", dirs_exist_ok=True))
        gone = interested["school"]["school_id"]

        def write(name, rows):
            rows.write_csv(folder / f"{name}.csv")

        write("schools", before["schools"].filter(pl.col("school_id") != gone))
        write("school_contract_periods", before["school_contract_periods"].filter(pl.col("school_id") != gone))
        home = pl.when(pl.col("school_id") == gone).then(pl.lit(into)).otherwise("school_id")
        write("school_periods", before["school_periods"].with_columns(school_id=home))
        partnerships = before["partnerships"].filter(pl.col("school_id") != gone)
        if successor:
            partnerships = pl.concat(
                [partnerships, partnerships[:1].with_columns(**{k: pl.lit(v) for k, v in successor.items()})]
            )
        write("partnerships", partnerships)
        removed = before["partnerships"].filter(pl.col("school_id") == gone)["partnership_id"]
        theirs = pl.when(pl.col("partnership_id").is_in(removed.implode())).then(None).otherwise("partnership_id")
        write("training_periods", before["training_periods"].with_columns(partnership_id=theirs))
        if told:
            write(
                "school_merges",
                pl.DataFrame({"from_school_id": [gone], "to_school_id": [into], "merged_at": [MERGED_AT]}),
            )
        return folder

    return merge


def another_school(ask, *but: str) -> dict:  # noqa: F811
    return ask(_OPEN_SCHOOLS).filter(~pl.col("school_id").is_in(list(but))).row(0, named=True)


def partnership_of(installation, training_period_id: str) -> dict:
    with installation.database.read() as reader:
        return reader.frame(
            "SELECT p.* FROM training_periods t JOIN partnerships p ON p.partnership_id = t.partnership_id "
            "WHERE t.training_period_id = ?", training_period_id,
        ).row(0, named=True)  # fmt: skip


def is_paid_for(installation, provider, declaration_id: str) -> bool:
    """Whether a statement that is delivered counts the declaration."""
    done = statements_round(installation, LATER)
    assert done.held_back == [] and done.troubles == []
    found = (installation.settings.home / "mailboxes" / provider.slug).glob(
        "from-dfe/statements/2026/*/*/declarations.csv"
    )
    return any(declaration_id in path.read_text() for path in found)


@pytest.mark.slow
def test_a_partnership_made_here_moves_with_its_school(installation, provider, ask, send, interested, extract):  # noqa: F811
    into = another_school(ask, interested["school"]["school_id"], interested["school_id"])["school_id"]
    folder = extract(into)
    made = report_partnership(send, interested["school"])
    declared = declare(send, interested)
    done = import_records(installation.database, folder, LATER)
    now = partnership_of(installation, interested["training_period_id"])
    assert (now["partnership_id"], now["school_id"]) == (made, into)
    assert f"{made} to school {into}" in import_report(done)
    assert is_paid_for(installation, provider, declared)
    # The same extract again: nothing more happens.
    again = import_records(installation.database, folder, LATER + timedelta(hours=1))
    assert again.reconciled.overruled.is_empty()
    assert partnership_of(installation, interested["training_period_id"])["school_id"] == into


@pytest.mark.slow
def test_it_goes_into_the_successors_where_there_is_the_same(installation, provider, ask, send, interested, extract):  # noqa: F811
    school = interested["school"]
    into = another_school(ask, school["school_id"], interested["school_id"])["school_id"]
    theirs = "aaaaaaaa-0000-4000-8000-000000000001"
    folder = extract(into, successor={
        "partnership_id": theirs, "lead_provider_id": provider.lead_provider_id, "contract_period": "2026", "school_id": into,
        "delivery_partner_id": school["delivery_partner_id"], "created_at": MERGED_AT, "updated_at": MERGED_AT,
    })  # fmt: skip
    made = report_partnership(send, school)
    declared = declare(send, interested)
    done = import_records(installation.database, folder, LATER)
    assert partnership_of(installation, interested["training_period_id"])["partnership_id"] == theirs
    assert f"{made} into partnership {theirs}" in import_report(done)
    assert is_paid_for(installation, provider, declared)
    # The old id stays known: whoever sends it is told the new one.
    rows = pl.DataFrame({"partnership_id": [made], "delivery_partner_id": [school["delivery_partner_id"]]})
    told = send("partnership-changes", rows, LATER)
    assert f"this partnership into {theirs}: use that id" in told["messages"][0]
    with installation.database.read() as reader:
        trail = reader.frame(
            "SELECT before, after FROM events WHERE type = 'school_partnership_moved_with_school' AND partnership_id = ?",
            made,
        )
    assert json.loads(trail["after"][0]) == {"column": "*", "value": theirs}
    # Sent again, what the report asked for stands, at another school.
    again = pl.DataFrame(
        {
            "school_urn": [school["urn"]],
            "delivery_partner_id": [school["delivery_partner_id"]],
            "contract_period": ["2026"],
        }
    )
    put(installation, provider, "partnerships-again.csv", again.write_csv())
    assert intake_round(installation, LATER).troubles == []
    assert receipts(installation, provider)["partnerships-again.csv"]["status"] == "duplicate"


def test_without_a_word_of_a_merge_it_is_given_up(installation, ask, send, interested, extract):  # noqa: F811
    into = another_school(ask, interested["school"]["school_id"], interested["school_id"])["school_id"]
    folder = extract(into, told=False)
    made = report_partnership(send, interested["school"])
    done = import_records(installation.database, folder, LATER)
    report = import_report(done)
    assert f"partnerships {made}: removed by DfE" in report
    with installation.database.read() as reader:
        left = reader.frame("SELECT partnership_id FROM partnerships WHERE partnership_id = ?", made)
        period = reader.frame(
            "SELECT partnership_id FROM training_periods WHERE training_period_id = ?", interested["training_period_id"]
        )
        trail = reader.frame(
            "SELECT 1 AS n FROM events WHERE partnership_id = ? AND type = 'accepted_update_replaced_by_records'", made
        )
    assert (left.height, period["partnership_id"][0], trail.height) == (0, None, 1)


@pytest.mark.slow
def test_without_a_word_of_a_merge_money_declared_is_not_lost(installation, provider, ask, send, interested, extract):  # noqa: F811
    into = another_school(ask, interested["school"]["school_id"], interested["school_id"])["school_id"]
    folder = extract(into, told=False)
    made = report_partnership(send, interested["school"])
    declared = declare(send, interested)
    import_records(installation.database, folder, LATER)
    now = partnership_of(installation, interested["training_period_id"])
    assert (now["partnership_id"], now["school_id"]) == (made, into)
    assert is_paid_for(installation, provider, declared)


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
def test_training_resumed_here_goes_on_under_the_successors_partnership(
    installation,
    provider,
    ask,  # noqa: F811
    send,
    tmp_path,
    told,
):
    """DfE removes its own partnership with the school; the training period that a resumption opened pointed at it."""
    person = ask(_AT_SCHOOL).row(0, named=True)
    before = exported(installation, tmp_path / "before")
    into = another_school(ask, person["school_id"])["school_id"]
    send("deferrals", training(pl.DataFrame([person]), "ect", reason="other"))
    send("resumptions", training(pl.DataFrame([person]), "ect"), LATER)
    declared = declare(send, person, LATER + timedelta(hours=1)) if _may_start(installation, person) else None
    folder = Path(shutil.copytree(tmp_path / "before", tmp_path / "after"))
    gone, theirs = person["school_id"], "aaaaaaaa-0000-4000-8000-000000000002"
    for name in ("schools", "school_contract_periods"):
        before[name].filter(pl.col("school_id") != gone).write_csv(folder / f"{name}.csv")
    home = pl.when(pl.col("school_id") == gone).then(pl.lit(into)).otherwise("school_id")
    before["school_periods"].with_columns(school_id=home).write_csv(folder / "school_periods.csv")
    old = before["partnerships"].filter(pl.col("school_id") == gone)
    new = old.with_columns(school_id=pl.lit(into))
    ids = {one: theirs if one == person["partnership_id"] else f"aaaaaaaa-0000-4000-8000-1{number:011}"
           for number, one in enumerate(old["partnership_id"])}  # fmt: skip
    new = new.with_columns(pl.col("partnership_id").replace(ids))
    pl.concat([before["partnerships"].filter(pl.col("school_id") != gone), new]).write_csv(folder / "partnerships.csv")
    before["training_periods"].with_columns(pl.col("partnership_id").replace(ids)).write_csv(
        folder / "training_periods.csv"
    )
    if told:
        pl.DataFrame({"from_school_id": [gone], "to_school_id": [into], "merged_at": [MERGED_AT]}).write_csv(
            folder / "school_merges.csv"
        )
    import_records(installation.database, folder, LATER + timedelta(hours=2))
    with installation.database.read() as reader:
        periods = reader.frame(
            "SELECT partnership_id FROM training_periods WHERE school_period_id = ?", person["school_period_id"]
        )
    assert set(periods["partnership_id"]) == {theirs}
    if declared:
        assert is_paid_for(installation, provider, declared)


def _may_start(installation, person) -> bool:
    with installation.database.read() as reader:
        live = reader.frame("SELECT 1 AS n FROM declarations d JOIN training_periods t ON t.training_period_id = d.training_period_id "
                            "WHERE t.school_period_id = ? AND d.declaration_type = 'started' AND d.payment_status <> 'voided'",
                            person["school_period_id"])  # fmt: skip
    return live.is_empty()


# Participants


@pytest.mark.parametrize(
    ("rows", "there", "led"),
    [
        ([("a", "b", "1"), ("b", "c", "2")], "c", {"a": "c", "b": "c"}),
        ([("b", "c", "1"), ("c", "b", "2")], "b", {"c": "b"}),
        ([("a", "b", "1"), ("b", "c", "2"), ("c", "b", "3")], "b", {"a": "b", "c": "b"}),
        ([("a", "b", "1"), ("b", "a", "2")], "z", {}),
        ([("a", "b", "2"), ("a", "c", "1")], "bc", {"a": "b"}),
        ([("a", "x", "1")], "b", {}),
    ],
    ids=[
        "a chain",
        "a switch back",
        "a chain that switches back",
        "a loop of none that is there",
        "the latest counts",
        "nowhere",
    ],
)
def test_who_survives(rows, there, led):
    changes = pl.DataFrame(rows, schema=["old", "new", "at"], orient="row")
    assert survivors(changes, pl.Series(list(there))) == led


OLD, MIDDLE = "bbbbbbbb-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"


def _with_changes(sample: Path, folder: Path, rows: list[tuple[str, str, str]]) -> Path:
    shutil.copytree(sample, folder)
    own = pl.read_csv(folder / "participant_id_changes.csv", infer_schema=False)
    pl.concat([own, pl.DataFrame(rows, schema=own.columns, orient="row")]).write_csv(
        folder / "participant_id_changes.csv"
    )
    return folder


@pytest.mark.parametrize("back", [False, True], ids=["a chain", "switched back"])
def test_a_row_with_an_old_id_is_told_the_surviving_one(installation, ask, send, sample, tmp_path, back):  # noqa: F811
    person = ask(_ACTIVE, "ect")["participant_id"][0]
    rows = [(OLD, MIDDLE, "2026-01-01T00:00:00Z"), (MIDDLE, person, "2026-02-01T00:00:00Z")]
    if back:
        rows += [(person, MIDDLE, "2026-01-15T00:00:00Z")]
    import_records(installation.database, _with_changes(sample, tmp_path / "fresh", rows), instant(IMPORTED_AT))
    for kind, cells in (("deferrals", {"reason": "other"}), ("resumptions", {})):
        told = send(kind, training(pl.DataFrame({"participant_id": [OLD, MIDDLE]}), "ect", **cells))
        assert all(f"use the id {person}" in message for message in told["messages"]), told["messages"].to_list()


def test_an_id_change_that_leads_nowhere_is_refused(installation, sample, tmp_path):
    fresh = _with_changes(
        sample, tmp_path / "fresh", [(OLD, MIDDLE, "2026-01-01T00:00:00Z"), (MIDDLE, OLD, "2026-01-02T00:00:00Z")]
    )
    with pytest.raises(
        ExtractRefused,
        match=r"participant_id_changes.csv, row \d+, column to_participant_id: .* to no row in participants",
    ):
        import_records(installation.database, fresh, LATER)
