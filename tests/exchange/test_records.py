"""DfE's extract in and out: to the byte, or not at all."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from data.records.extract import export_records, import_records
from data.sample.nation import sample_records, write_sample
from flows.clock import instant
from flows.installation import Installation
from schemas.records.checks import ExtractRefused
from schemas.records.tables import RECORDS
from tests.conftest import IMPORTED_AT, SCALE

WHEN = instant(IMPORTED_AT)


def same(one: Path, other: Path) -> bool:
    return all((one / f"{name}.csv").read_bytes() == (other / f"{name}.csv").read_bytes() for name in RECORDS)


def test_the_sample_is_always_the_same(sample, tmp_path):
    write_sample(tmp_path / "again", SCALE)
    assert same(sample, tmp_path / "again")


def test_export_gives_back_what_was_imported_to_the_byte(installation, sample, tmp_path):
    export_records(installation.database, tmp_path / "out")
    assert same(sample, tmp_path / "out")


def test_parquet_carries_the_same(installation, sample, tmp_path):
    export_records(installation.database, tmp_path / "parquet", parquet=True)
    import_records(installation.database, tmp_path / "parquet", WHEN)
    export_records(installation.database, tmp_path / "out")
    assert same(sample, tmp_path / "out")


def test_fractions_of_a_second_and_odd_text_survive(installation: Installation, tmp_path):
    rows = pl.read_csv(write_table(installation, tmp_path, "declarations"), infer_schema=False)
    rows = rows.with_columns(
        pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("2024-10-01T09:30:00.25Z")).otherwise("declaration_date").alias("declaration_date"),
        pl.when(pl.int_range(pl.len()) == 0).then(pl.lit('a "quoted", naïve 😀')).otherwise("your_reference").alias("your_reference"),
    )  # fmt: skip
    (tmp_path / "in").mkdir()
    rows.write_csv(tmp_path / "in" / "declarations.csv")
    import_records(installation.database, tmp_path / "in", WHEN)
    export_records(installation.database, tmp_path / "out")
    assert (tmp_path / "in" / "declarations.csv").read_bytes() == (tmp_path / "out" / "declarations.csv").read_bytes()


def write_table(installation: Installation, tmp_path: Path, name: str) -> Path:
    export_records(installation.database, tmp_path / "before")
    return tmp_path / "before" / f"{name}.csv"


BAD = [
    ("schools", "eligible", 2, "yes", "schools.csv, row 3, column eligible: should be true or false"),
    ("statements", "deadline_date", 0, "31/12/2026", "statements.csv, row 1, column deadline_date: should be a date"),
    ("bands", "capacity", 1, "many", "bands.csv, row 2, column capacity: should be a whole number"),
    (
        "band_terms",
        "fee_per_declaration",
        1,
        "99.5",
        "row 2, column fee_per_declaration: should be pounds with exactly two",
    ),
    ("declarations", "payment_status", 4, "maybe", "declarations.csv, row 5, column payment_status: should be one of"),
    (
        "declarations",
        "training_period_id",
        4,
        "",
        "declarations.csv, row 5, column training_period_id: must not be empty",
    ),
    (
        "declarations",
        "training_period_id",
        4,
        "0" * 8 + "-0000-4000-8000-" + "0" * 12,
        "no such row in training_periods",
    ),
    (
        "declarations",
        "created_at",
        4,
        "2026-02-30T09:00:00Z",
        "declarations.csv, row 5, column created_at: should be an instant",
    ),
    (
        "statements",
        "payment_date",
        0,
        "2020-01-01",
        "statements.csv, row 1, column payment_date: must be after deadline_date",
    ),
]


@pytest.mark.parametrize(
    ("table", "column", "row", "value", "words"), BAD, ids=[f"{case[0]} {case[1]}" for case in BAD]
)
def test_a_bad_extract_says_where_and_changes_nothing(installation, sample, tmp_path, table, column, row, value, words):
    bad = Path(shutil.copytree(sample, tmp_path / "bad"))
    rows = pl.read_csv(bad / f"{table}.csv", infer_schema=False)
    changed = pl.when(pl.int_range(pl.len()) == row).then(pl.lit(value)).otherwise(pl.col(column))
    rows.with_columns(changed.replace("", None).alias(column)).write_csv(bad / f"{table}.csv")
    with pytest.raises(ExtractRefused) as refusal:
        import_records(installation.database, bad, WHEN)
    assert words in str(refusal.value)
    export_records(installation.database, tmp_path / "out")
    assert same(sample, tmp_path / "out")


def test_an_unknown_column_a_missing_one_and_a_repeated_key_are_named(installation, sample, tmp_path):
    bad = Path(shutil.copytree(sample, tmp_path / "bad"))
    schools = pl.read_csv(bad / "schools.csv", infer_schema=False)
    schools.rename({"eligible": "fit"}).write_csv(bad / "schools.csv")
    with pytest.raises(ExtractRefused, match=r"column eligible: this column is missing"):
        import_records(installation.database, bad, WHEN)
    pl.concat([schools, schools.head(1)]).write_csv(bad / "schools.csv")
    with pytest.raises(
        ExtractRefused, match=f"row {schools.height + 1}, column school_id: this key stands in a row above"
    ):
        import_records(installation.database, bad, WHEN)


def test_a_table_may_be_replaced_alone_unless_that_leaves_links_hanging(installation, sample, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(sample / "schools.csv", alone)
    assert set(import_records(installation.database, alone, WHEN).counts) == {"schools"}
    pl.read_csv(sample / "schools.csv", infer_schema=False).head(1).write_csv(alone / "schools.csv")
    with pytest.raises(ExtractRefused, match="no such row in schools"):
        import_records(installation.database, alone, WHEN)


def test_an_empty_folder_and_a_stranger_among_the_files_are_refused(installation, tmp_path):
    with pytest.raises(ExtractRefused, match="holds no"):
        import_records(installation.database, tmp_path, WHEN)
    (tmp_path / "teachers.csv").write_text("a\n1\n")
    with pytest.raises(ExtractRefused, match="is not a table"):
        import_records(installation.database, tmp_path, WHEN)


def test_the_sample_keeps_the_fields_invariants():
    records = sample_records(SCALE)
    trained = records["training_periods"].join(records["school_periods"], on="school_period_id").select(
        "training_period_id", "partnership_id", "participant_id", "participant_type"
    )  # fmt: skip
    declared = records["declarations"].join(trained, on="training_period_id")
    live = declared.filter((pl.col("payment_status") != "voided") & (pl.col("clawback_status") == "no_clawback"))
    slot = ["participant_id", "participant_type", "declaration_type"]
    assert live.height == live.unique(slot).height
    assert set(declared["payment_status"]) == {"no_payment", "eligible", "payable", "paid", "voided"}
    assert set(records["contracts"]["contract_type"]) == {"ecf", "ittecf_ectp"}
    assert records["lead_providers"].height == 7
    spells = records["training_periods"].join(records["school_periods"], on="school_period_id", suffix="_school")
    ordered = spells.sort("started_on").with_columns(
        pl.col("started_on").shift(-1).over("participant_id", "participant_type").alias("next")
    )
    assert ordered.filter(pl.col("next") <= pl.col("finished_on")).is_empty()
    own = (
        records["statements"]
        .join(records["contracts"], on="contract_id")
        .select("statement_id", "contract_period", "lead_provider_id")
    )
    partnerships = records["partnerships"].select("partnership_id", "contract_period", "lead_provider_id")
    placed = declared.join(partnerships, on="partnership_id").join(
        own, left_on="payment_statement_id", right_on="statement_id", suffix="_s"
    )
    assert placed.filter(
        (pl.col("contract_period") != pl.col("contract_period_s"))
        | (pl.col("lead_provider_id") != pl.col("lead_provider_id_s"))
    ).is_empty()


@pytest.mark.parametrize("cells", [[None], ["a", None], [None, "a"], [None, None], ["a"]])
def test_a_null_is_a_row(installation, cells):
    """In an answer of one column, at its end too."""
    asked = " UNION ALL ".join(f"SELECT {'NULL' if cell is None else repr(cell)} AS x" for cell in cells)
    with installation.database.read() as reader:
        assert reader.frame(asked)["x"].to_list() == cells
