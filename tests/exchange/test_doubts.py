"""What the records say that cannot be: told to operators at every load; and what follows for who sends rows about it."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from data.records.extract import import_records
from flows.clock import instant
from schemas.records.doubts import doubts_of
from schemas.records.tables import RECORDS
from templates.loads import import_report
from tests.conftest import IMPORTED_AT

AT = instant(IMPORTED_AT)


@pytest.fixture
def spoilt(installation, sample, tmp_path):
    """Load the sample with rows of tables changed or added; returns the report."""

    def loaded(**changes) -> str:
        folder = Path(shutil.copytree(sample, tmp_path / "fresh"))
        for name, change in changes.items():
            rows = pl.read_csv(folder / f"{name}.csv", infer_schema=False)
            change(rows).write_csv(folder / f"{name}.csv")
        return import_report(import_records(installation.database, folder, AT))

    return loaded


def another(rows: pl.DataFrame, chosen: pl.DataFrame, **cells: str) -> pl.DataFrame:
    return pl.concat([rows, chosen.with_columns(**{name: pl.lit(cell) for name, cell in cells.items()})])


NEW = "cccccccc-0000-4000-8000-000000000001"


def test_the_sample_raises_no_doubt(sample):
    tables = {name: pl.read_csv(sample / f"{name}.csv", infer_schema=False) for name in RECORDS}
    assert doubts_of(tables, AT.date()) == []


def test_two_live_declarations_of_one_type(spoilt):
    def twice(rows):
        chosen = rows.filter(payment_status="paid", clawback_status="no_clawback", declaration_type="started")[:1]
        twice.own = chosen["declaration_id"][0]
        return another(rows, chosen, declaration_id=NEW)

    told = spoilt(declarations=twice)
    assert "To be looked at. Two or more live declarations of one type for one person and role" in told
    assert ", ".join(sorted([twice.own, NEW])) in told


def test_training_that_overlaps_and_starts_on_one_day_in_two_contract_periods(spoilt, sample):
    periods = pl.read_csv(sample / "training_periods.csv", infer_schema=False)
    partnerships = pl.read_csv(sample / "partnerships.csv", infer_schema=False)
    chosen = periods.filter(pl.col("finished_on").is_null() & pl.col("partnership_id").is_not_null())[:1]
    own = partnerships.filter(partnership_id=chosen["partnership_id"][0])
    other = partnerships.filter(
        (pl.col("lead_provider_id") == own["lead_provider_id"][0])
        & (pl.col("contract_period") != own["contract_period"][0])
    )
    told = spoilt(
        training_periods=lambda rows: another(
            rows, chosen, training_period_id=NEW, partnership_id=other["partnership_id"][0]
        )
    )
    assert "To be looked at. Training of one person and role that overlaps (1):" in told
    assert "starts on one day in two contract periods: the last named decides rules and schedules (1):" in told
    assert ", ".join(sorted([chosen["training_period_id"][0], NEW])) in told


def test_to_end_and_to_start_on_one_day_is_no_overlap(sample):
    tables = {name: pl.read_csv(sample / f"{name}.csv", infer_schema=False) for name in RECORDS}
    periods = tables["training_periods"]
    chosen = periods.filter(pl.col("finished_on").is_null())[:1]
    day = "2026-11-01"
    ended = (
        pl.when(pl.col("training_period_id") == chosen["training_period_id"][0])
        .then(pl.lit(day))
        .otherwise("finished_on")
    )
    tables["training_periods"] = another(
        periods.with_columns(finished_on=ended), chosen, training_period_id=NEW, started_on=day
    )
    assert doubts_of(tables, AT.date()) == []


@pytest.mark.parametrize("what", ["another provider's", "a service statement", "a paid one"])
def test_declarations_on_statements_that_cannot_hold_them(spoilt, sample, what):
    statements = pl.read_csv(sample / "statements.csv", infer_schema=False)
    contracts = pl.read_csv(sample / "contracts.csv", infer_schema=False).select(
        "contract_id", "lead_provider_id", "contract_period"
    )
    owned = statements.join(contracts, on="contract_id")
    declarations = pl.read_csv(sample / "declarations.csv", infer_schema=False)
    chosen = declarations.filter(payment_status="eligible").row(0, named=True)
    own = owned.filter(statement_id=chosen["payment_statement_id"]).row(0, named=True)
    same = (pl.col("lead_provider_id") == own["lead_provider_id"]) & (
        pl.col("contract_period") == own["contract_period"]
    )
    wrong = owned.filter({
        "another provider's": ~same & (pl.col("status") == "open") & (pl.col("fee_type") == "output"),
        "a service statement": same & (pl.col("status") == "open") & (pl.col("fee_type") == "service"),
        "a paid one": same & (pl.col("status") == "paid") & (pl.col("fee_type") == "output"),
    }[what]) if what != "a paid one" else owned.filter((pl.col("status") == "paid") & (pl.col("fee_type") == "output"))  # fmt: skip
    moved = pl.when(pl.col("declaration_id") == chosen["declaration_id"]).then(pl.lit(wrong["statement_id"][0]))
    told = spoilt(
        declarations=lambda rows: rows.with_columns(payment_statement_id=moved.otherwise("payment_statement_id"))
    )
    assert (
        "To be looked at. Declarations on statements that cannot hold them (1):" in told
        and chosen["declaration_id"] in told
    )


def test_statements_paid_before_their_deadline(spoilt, sample):
    statements = pl.read_csv(sample / "statements.csv", infer_schema=False)
    chosen = statements.filter(pl.col("status") == "paid").row(0, named=True)
    early = pl.when(pl.col("statement_id") == chosen["statement_id"]).then(
        pl.lit(f"{chosen['deadline_date']}T10:00:00Z")
    )
    told = spoilt(statements=lambda rows: rows.with_columns(marked_as_paid_at=early.otherwise("marked_as_paid_at")))
    assert f"To be looked at. Statements paid before their deadline was over (1):\n  {chosen['statement_id']}" in told
