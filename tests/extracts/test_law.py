"""The law of change sets, over random histories: the set before, less what is removed, with the rows of the change set put in by
name, is the set now, to the byte. And: a row's instants follow its content."""

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from schemas.instants import rfc3339
from schemas.outbound.extracts import FILES, PARTICIPANTS, REMOVED, SCHOOLS, ExtractFile
from templates.extract_files import Set, Writing, set_file
from templates.guidance.scripts.apply_changes import apply, is_whole, rows_of
from transforms.extracts.changed import compare
from transforms.extracts.story import Story

START = datetime(2026, 3, 1, 4, tzinfo=UTC)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=6)
AWKWARD = st.sampled_from([' "', '"', ",", "a|b", "'=1", " ", "'", '""', "é", "\u2028", 'x,"y"', "NULL", "0"])
CELL = st.none() | TEXT | AWKWARD


def key_of(file: ExtractFile, number: int) -> dict[str, str]:
    """A name: a few rows share parts of it."""
    parts = [f"{number}", *(str(number // 2**place % 3 + 2021) for place in range(1, len(file.key)))]
    named = dict(zip(file.key, parts, strict=True))
    return {name: f"{value}-01-01" if name == "leaving_date" else value for name, value in named.items()}


@st.composite
def states(draw: st.DrawFn, file: ExtractFile) -> pl.DataFrame:
    """Rows of one file as they are made on one night: text in a line (transforms.extracts.making)."""
    lacking = {"created_at"} if file.is_first_seen else set()
    columns = [name for name in file.columns if name not in lacking]
    numbers = draw(st.lists(st.integers(0, 7), unique=True, max_size=6))
    varying = draw(st.sampled_from([name for name in file.content if name not in file.key] or list(file.key)))
    rows = []
    for number in numbers:
        row = dict.fromkeys(columns, "same") | key_of(file, number)
        if varying not in file.key:
            row[varying] = draw(CELL)
        if "updated_at" in columns:
            row["updated_at"] = draw(st.sampled_from([None, "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"]))
        rows.append(row)
    frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
    return frame.sort(file.key)


def night(
    folder: Path, number: int, before: Path | None, rows: dict[str, pl.DataFrame], left: dict[str, pl.DataFrame]
) -> Writing:
    """One night's sets, as flows.rounds.extract_sets writes them."""
    writing = Writing(folder / f"full-{number}", folder / f"changes-{number}", before)
    writing.start()
    stamp, story = rfc3339(START + timedelta(days=number)), Story()
    for file in FILES:
        was = set_file(before, file) if before else None
        compared = compare(file, rows[file.name], was, left.get(file.name), stamp)
        left[file.name] = compared.left
        writing.add(file, compared)
        story.tell(file, compared, was, "Our Provider")
    said = {"as_of": "before", "sha256": {}} if before else None
    writing.finish(Set("id", "Our Provider", number + 1, START, said, f"changes-{number}" if before else None, 90, {}))
    return writing


@settings(max_examples=40, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(st.data())
@pytest.mark.slow
def test_the_set_before_with_the_change_set_is_the_set_now_to_the_byte(data: st.DataObject) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        before, left = None, {}  # type: ignore[var-annotated]
        for number in range(data.draw(st.integers(2, 4))):
            rows = {file.name: data.draw(states(file)) for file in FILES}
            made = night(folder, number, before, rows, left)
            assert is_whole(made.full)
            if before is not None:
                apply(before, made.changes, folder / f"applied-{number}")
                for file in FILES:
                    name = f"{file.name}.csv"
                    assert (folder / f"applied-{number}" / name).read_bytes() == (made.full / name).read_bytes(), name
                _no_row_too_many(before, made)
                _the_same_in_sql(before, made)
            before = made.full
    finally:
        shutil.rmtree(folder)


def _no_row_too_many(before: Path, made: Writing) -> None:
    """A change set holds what differs and nothing else; and no name is both there and removed."""
    removed = rows_of(made.changes / "removed.csv")[1]
    for file in FILES:
        was = {tuple(row[name] for name in file.key): row for row in rows_of(before / f"{file.name}.csv")[1]}
        gone = {tuple(row[name] for name in file.key) for row in removed if row["file"] == file.name}
        for row in rows_of(made.changes / f"{file.name}.csv")[1]:
            name = tuple(row[each] for each in file.key)
            assert name not in gone
            assert (row.pop("change") == "new") == (name not in was)
            assert was.get(name) != row
        for row in removed:
            if row["file"] == file.name:
                assert not any(row[each] for each in REMOVED.columns[1:] if each not in file.key)


def _the_same_in_sql(before: Path, made: Writing) -> None:
    """With DuckDB, in three lines: what is removed or put in goes out, what is put in comes in, by name."""
    for file in FILES:
        was, changes, removed, now = (
            f"read_csv('{path}', header = true, all_varchar = true, quote = '\"', escape = '\"', delim = ',', new_line = '\\n', "
            "strict_mode = false)"
            for path in (
                before / f"{file.name}.csv", made.changes / f"{file.name}.csv", made.changes / "removed.csv",
                made.full / f"{file.name}.csv",
            )
        )  # fmt: skip
        key = ", ".join(f'"{name}"' for name in file.key)
        applied = f"""
            SELECT * FROM {was} WHERE ({key}) NOT IN (SELECT ({key}) FROM {changes})
            AND ({key}) NOT IN (SELECT ({key}) FROM {removed} WHERE file = '{file.name}')
            UNION ALL SELECT * EXCLUDE (change) FROM {changes} ORDER BY {key}
        """
        with duckdb.connect() as connection:
            assert connection.sql(applied).fetchall() == connection.sql(f"SELECT * FROM {now}").fetchall(), file.name


def row(file: ExtractFile, **cells: str) -> pl.DataFrame:
    lacking = {"created_at"} if file.is_first_seen else set()
    columns = [name for name in file.columns if name not in lacking]
    return pl.DataFrame([dict.fromkeys(columns, "x") | cells], schema=dict.fromkeys(columns, pl.String), orient="row")


def test_a_rows_own_instant_counts_once_and_then_its_content() -> None:
    first = compare(
        PARTICIPANTS, row(PARTICIPANTS, updated_at="2025-01-01T00:00:00Z"), None, None, "2026-03-01T04:00:00Z"
    )
    assert first.now["updated_at"].to_list() == ["2025-01-01T00:00:00Z"] and not first.is_same
    moved = compare(
        PARTICIPANTS, row(PARTICIPANTS, updated_at="2026-02-02T00:00:00Z"), first.now, None, "2026-03-02T04:00:00Z"
    )
    assert moved.is_same and moved.now["updated_at"].to_list() == ["2025-01-01T00:00:00Z"]
    other = compare(PARTICIPANTS, row(PARTICIPANTS, full_name="y"), first.now, None, "2026-03-03T04:00:00Z")
    assert other.now["updated_at"].to_list() == ["2026-03-03T04:00:00Z"]
    assert other.changes["change"].to_list() == ["changed"]


def test_a_school_is_as_old_as_its_first_delivery_though_it_was_gone_meanwhile() -> None:
    school, nothing = row(SCHOOLS).drop("updated_at"), row(SCHOOLS).drop("updated_at").clear()
    first = compare(SCHOOLS, school, None, None, "2026-03-01T04:00:00Z")
    assert first.now.select("created_at", "updated_at").row(0) == ("2026-03-01T04:00:00Z",) * 2
    gone = compare(SCHOOLS, nothing, first.now, first.left, "2026-03-02T04:00:00Z")
    assert gone.removed.select("file", "id", "cohort").row(0) == ("schools", "x", "x") and gone.now.is_empty()
    still = compare(SCHOOLS, nothing, gone.now, gone.left, "2026-03-03T04:00:00Z")
    assert still.is_same
    back = compare(SCHOOLS, school, still.now, still.left, "2026-03-04T04:00:00Z")
    assert back.now.select("created_at", "updated_at").row(0) == ("2026-03-01T04:00:00Z", "2026-03-04T04:00:00Z")
    assert back.changes["change"].to_list() == ["new"] and back.left.is_empty()
