"""`ectx demo` as anyone would run it, and what operators are left with: everything they need, nobody's name."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from data.database import Database


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> tuple[Path, str]:
    """The demo's home, and what it printed."""
    folder = tmp_path_factory.mktemp("demo") / "home"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ECTX_", "PREFECT_"))}
    command = [str(Path(sys.executable).parent / "ectx"), "demo", "--folder", str(folder)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder, result.stdout


@pytest.mark.slow
def test_it_tells_the_story_and_where_to_look(demo):
    folder, told = demo
    for words in ("uploads", "a duplicate", "became payable", "Where to look"):
        assert words in re.sub(r"\s+", " ", told)
    for path in re.findall(r"/\S+\.html", told):
        assert Path(path).is_file()


@pytest.mark.slow
def test_each_provider_got_what_it_should(demo):
    folder, _ = demo
    found = sorted(folder.glob("mailboxes/*/from-dfe/receipts/*/receipt.json"))
    receipts = {json.loads(path.read_text())["file_name"]: json.loads(path.read_text()) for path in found}
    assert {name: receipt["status"] for name, receipt in receipts.items()} == {
        "declarations-december@2025-12-14T10-00-00Z.csv": "partially-accepted",
        "declarations@2025-12-14T10-00-00Z.csv": "accepted",
        "expected-payments@2025-12-14T10-00-00Z.csv": "accepted",
        "declarations-old-layout@2025-12-14T10-00-00Z.csv": "rejected",
        "declarations-once-more@2025-12-14T15-30-00Z.csv": "duplicate",
        "statements@2025-12-15.csv": "accepted",
        "statements@2026-01-01.csv": "accepted",
    }
    assert all(receipt["practice"] for receipt in receipts.values())
    torn = receipts["declarations-old-layout@2025-12-14T10-00-00Z.csv"]
    assert torn["file_errors"][0]["code"] == "FILE-007"
    payable = list(
        folder.glob("mailboxes/alder-teaching-institute/from-dfe/statements/*/2026-01/*-payable/manifest.json")
    )
    assert len(payable) == 3


@pytest.mark.slow
def test_every_run_left_an_artifact_with_counts_and_money(demo):
    folder, _ = demo
    with sqlite3.connect(folder / "prefect" / "prefect.db") as connection:
        artifacts = [row[0] for row in connection.execute("SELECT data FROM artifact ORDER BY created")]
        states = {row[0] for row in connection.execute("SELECT state_name FROM flow_run")}
    text = "\n".join(artifacts)
    assert states == {"Completed"}
    assert len(artifacts) == 4
    assert (
        "DECL-010" in text
        and "FILE-007" in text
        and text.count("PRACTICE: ") == 4
        and "| Statements not yet paid |" in text
    )


@pytest.mark.slow
def test_no_persons_name_trn_or_email_reaches_operators(demo):
    folder, told = demo
    with Database(f"sqlite:///{folder / 'records.db'}").read() as reader:
        people = reader.frame("SELECT full_name, trn FROM participants")
        emails = reader.frame("SELECT email FROM school_periods")
        tutors = reader.frame("SELECT induction_tutor_name, induction_tutor_email FROM schools")
    personal = pl.concat([*people.get_columns(), *emails.get_columns(), *tutors.get_columns()]).drop_nulls().unique()
    places = [folder / "prefect" / "prefect.db", *sorted((folder / "logs").iterdir())]
    text = told + "".join(path.read_bytes().decode("utf-8", "replace") for path in places)
    words = set(re.findall(r"[\w.@-]+", text))
    for name in personal:
        if " " in name:
            assert name not in text
        else:
            assert name not in words
