"""The boundary changes by adding alone: the golden set is given, on both databases, and what breaks a promise is named."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from tests.interface.golden import GIVEN, broken_promises, made_in
from tests.postgresql import postgresql

RESULTS = "mailboxes/ash-teaching/from-dfe/receipts/20251210T100000Z-declarations-561996/results.csv"
REJECTED = RESULTS.replace("results", "rejected")
RECEIPT = RESULTS.replace("results.csv", "receipt.json")
STATEMENT = "mailboxes/ash-teaching/from-dfe/statements/2025/2026-01/v02-payable"


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def test_the_golden_set_is_given(database: str, tmp_path: Path):
    if database == "sqlite":
        assert broken_promises(made_in(tmp_path / "made")) == []
    else:
        with postgresql() as url:
            assert broken_promises(made_in(tmp_path / "made", url)) == []


@pytest.fixture
def given(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GIVEN, tmp_path / "given"))


def changed(path: Path, rows: pl.DataFrame) -> None:
    path.write_text("\ufeff" + rows.write_csv(), encoding="utf-8")


def read(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, infer_schema=False)


def test_what_is_added_breaks_no_promise(given: Path):
    rows = read(given / RESULTS)
    changed(given / RESULTS, rows.select(*rows.columns[:3], pl.lit("x").alias("new_column"), *rows.columns[3:]))
    (given / STATEMENT / "another.csv").write_text("new\n", encoding="utf-8")
    manifest = given / STATEMENT / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"practice": False}), encoding="utf-8")
    page = given / STATEMENT / "statement.html.json"
    page.write_text(json.dumps(["£1.00", *json.loads(page.read_text())]), encoding="utf-8")
    assert broken_promises(given) == []


def test_better_words_break_no_promise_and_no_words_do(given: Path):
    rows = read(given / RESULTS)
    better = pl.col("messages").str.replace("We do not recognise", "Nobody knows")
    changed(given / RESULTS, rows.with_columns(better))
    assert broken_promises(given) == []
    changed(given / RESULTS, rows.with_columns(messages=pl.lit(None, pl.String)))
    (told,) = broken_promises(given)
    assert told.startswith("interface 3, Receipts") and "row 7, messages" in told


def without(name: str):
    return lambda path: changed(path, read(path).drop(name))


def with_cell(name: str, value: str):
    return lambda path: changed(path, read(path).with_columns(pl.lit(value).alias(name)))


def as_number(path: Path) -> None:
    told = json.loads(path.read_text())
    told["control_totals"]["amount"]["total"] = "0.00"
    path.write_text(json.dumps(told), encoding="utf-8")


def of_something_else(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sha256": "0" * 64}), encoding="utf-8")


def fewer(path: Path) -> None:
    told = json.loads(path.read_text())
    path.write_text(
        json.dumps(told[:-1] if isinstance(told, list) else {"Statement": told["Statement"]}), encoding="utf-8"
    )


BREAKING = {
    "a column is taken away": (RESULTS, without("line_number"), "columns row_number, line_number"),
    "a row is taken away": (RESULTS, lambda path: changed(path, read(path).head(3)), "11 rows were promised, there are 3"),
    "an outcome changes": (RESULTS, with_cell("outcome", "rejected"), "row 1, outcome: 'accepted' was promised"),
    "a byte-order mark is taken away": (
        RESULTS, lambda path: path.write_text(read(path).write_csv(), encoding="utf-8"), "byte-order mark",
    ),
    "a rule is not named": (REJECTED, with_cell("errors", "Something is wrong."), "row 1, errors"),
    "a sender's digest is another": (RECEIPT, of_something_else, "sha256: "),
    "a file is taken away": (f"{STATEMENT}/delivery-partners.csv", Path.unlink, "is not given any more"),
    "a figure changes": (f"{STATEMENT}/manifest.json", as_number, "control_totals.amount.total"),
    "a page leaves a figure out": (f"{STATEMENT}/statement.html.json", fewer, "does not show"),
    "a workbook leaves a sheet out": (f"{STATEMENT}/statement.xlsx.json", fewer, "Declarations is gone"),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKING)
def test_a_change_other_than_by_adding_is_named(given: Path, name: str):
    file, change, words = BREAKING[name]
    change(given / file)
    told = broken_promises(given)
    assert told and all(each.startswith("interface ") and file.removesuffix(".json") in each for each in told)
    assert words in " ".join(told)
