"""Stamps tell the truth: they change with what decides, and with nothing else."""

import ast
import re

import pytest

import flows.stamps as stamps
from flows.place import PROJECT


@pytest.fixture
def changed(tmp_path, monkeypatch):
    """The stamps of a copy of the project in which a piece of one file stands differently."""
    import shutil

    for package in ("transforms", "schemas", "data", "flows"):
        shutil.copytree(PROJECT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(stamps, "PROJECT", tmp_path)

    def stamped(file: str = "", before: str = "", after: str = "", home=None) -> tuple[str, str]:
        path = tmp_path / file
        kept = path.read_text() if file else ""
        if file:
            assert before in kept, (file, before)
            path.write_text(kept.replace(before, after, 1))
        stamps.calculation.cache_clear()
        stamps.rule_set.cache_clear()
        try:
            return stamps.calculation(home), stamps.rule_set(home)
        finally:
            if file:
                path.write_text(kept)

    yield stamped
    stamps.calculation.cache_clear()
    stamps.rule_set.cache_clear()


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("transforms/money/service_fees.py", "SERVICE_FEE_MONTHS = 29", "SERVICE_FEE_MONTHS = 30"),
        ("transforms/money/statements.py", 'Fraction(statement["vat_rate"])', 'Fraction(statement["vat_rate"]) * 2'),
        ("transforms/money/pence.py", "Fraction(1, 2)", "Fraction(1, 3)"),
        ("transforms/money/banding.sql", "p.position BETWEEN l.first AND l.last", "p.position BETWEEN l.first AND l.last + 1"),
        ("transforms/money/breakdowns.py", ".then(\"type_micros\")", ".then(\"rate_micros\")"),
        ("schemas/lifecycle.py", '("awaiting_clawback", "clawed_back")', '("clawed_back",)'),
        ("schemas/facts/fee_proportions.csv", "ecf,banded,ect+mentor,started,0.20", "ecf,banded,ect+mentor,started,0.25"),
        ("schemas/columns.py", "pl.Decimal(14, 2)", "pl.Decimal(14, 1)"),
    ],
    ids=lambda each: each if "/" in each else "",
)  # fmt: skip
def test_whatever_can_change_a_figure_changes_the_calculation(changed, file, before, after):
    assert changed(file, before, after)[0] != changed()[0]


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("schemas/kinds/declarations.py", "The participant_id is blank.", "The participant_id is empty."),
        ("schemas/kinds/declarations.py", "Give the participant's id.", "Give the id."),
        ("schemas/kinds/shared.py", "Take it from id in", "Look for the id in"),
        ("schemas/kinds/voids.py", '_STATUS == "voided"', '_STATUS == "paid"'),
        ("schemas/damage.py", "A spreadsheet has turned the date", "Some spreadsheet has turned the date"),
        ("schemas/inbound/unread.py", "The checksum that lies beside", "The sum that lies beside"),
        ("schemas/inbound/looking.py", "The file is empty.", "There is nothing in the file."),
        ("schemas/lifecycle.py", 'pl.col("payments_frozen_at") <= now', 'pl.col("payments_frozen_at") < now'),
        ("schemas/facts/evidence_types.csv", "self-study-material-completed", "self-study"),
    ],
    ids=lambda each: each if "/" in each else "",
)  # fmt: skip
def test_a_rule_its_message_or_its_advice_changes_the_rule_set(changed, file, before, after):
    assert changed(file, before, after)[1] != changed()[1]


@pytest.mark.parametrize("file", ["transforms/money/statements.py", "schemas/kinds/voids.py", "data/counting.py"])
def test_comments_docstrings_and_layout_change_nothing(changed, file):
    source = (PROJECT / file).read_text()
    docstring = ast.get_docstring(ast.parse(source), clean=False) or ""
    assert changed(file, docstring, "Told otherwise.") == changed()
    assert changed(file, "\n\n\n", "\n\n\n\n# a remark\n\n") == changed()


def test_where_a_thing_stands_changes_nothing(changed):
    """A constant moves to another module of the same closure, and is imported from there."""
    before = changed()
    assert stamps.parsed("import x\nfrom y import z\nA = 1\n") == stamps.parsed("A = 1  # a number\n")
    assert changed("transforms/money/pence.py", "import math\n", "import math\nimport sys as unused\n") == before


def test_comments_of_sql_change_nothing(changed):
    assert changed("transforms/money/banding.sql", "-- Which declaration", "-- Tells which declaration") == changed()


def test_they_are_short_and_stand_beside_the_libraries():
    assert re.fullmatch(r"[0-9a-f]{12}", stamps.calculation()) and re.fullmatch(r"[0-9a-f]{12}", stamps.rule_set())
    assert set(stamps.libraries()) >= {"polars", "duckdb", "pandera"}


def test_what_came_of_parsing_is_kept_for_as_long_as_the_code_is_what_it_was(changed, tmp_path, monkeypatch):
    first, file = changed(home=tmp_path), "schemas/kinds/voids.py"
    assert {path.name for path in (tmp_path / "stamps").iterdir()} == {"calculation", "rule_set"}, (
        "and no half of a file"
    )
    with monkeypatch.context() as patched:
        patched.setattr(stamps, "_digested", lambda *_: pytest.fail("it is worked out again"))
        assert changed(home=tmp_path) == first
    assert changed(file, '_STATUS == "voided"', '_STATUS == "paid"', tmp_path)[1] != first[1]
    assert changed(home=tmp_path) == first == changed()


@pytest.mark.parametrize("content", [b"", b"one line\n", b"\xff\xfe\n\n", b"a\nb\nc\n"])
def test_what_was_kept_and_cannot_be_read_is_worked_out_again(changed, tmp_path, content):
    first = changed(home=tmp_path)
    for path in (tmp_path / "stamps").iterdir():
        path.write_bytes(content)
    assert changed(home=tmp_path) == first


def test_where_nothing_can_be_kept_it_is_worked_out_each_time(changed, tmp_path):
    (tmp_path / "stamps").write_text("a file where the folder would be")
    assert changed(home=tmp_path) == changed()
