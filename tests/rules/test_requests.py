"""Requests for an extract: which words are known, and how often one may be asked for."""

from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl
import pytest

from schemas.columns import INSTANT
from schemas.needs import Snapshot
from tests.builders import codes, inserted, judged, notes, outcomes
from transforms.examples.world import (
    NOW,
    World,
)


def asked(*instants: datetime, set_as_of: datetime | None = None) -> Snapshot:
    """Records of a provider who asked before, at these instants."""
    sets = {"number": [1] if set_as_of else [], "as_of": [set_as_of] if set_as_of else []}
    return replace(
        World().snapshot(),
        extract_requests=pl.DataFrame({"received_at": list(instants)}, schema={"received_at": INSTANT}),
        extract_sets=pl.DataFrame(sets, schema={"number": pl.Int64, "as_of": INSTANT}),
    )


@pytest.mark.parametrize("word", ["extract", "Extract", " EXTRACT "])
def test_an_extract_can_be_asked_for(word: str) -> None:
    found = judged(World(), {"request": word}, kind="requests")
    assert outcomes(found) == ["accepted"]
    assert [row["row_number"] for row in inserted(found, "extract_requests")] == [1]
    assert "It is your first." in (notes(found)[0] or "")


@pytest.mark.parametrize("word", ["", "extracts", "full"])
def test_another_word_is_not_known(word: str) -> None:
    found = judged(World(), {"request": word, "your_reference": "a"}, kind="requests")
    assert codes(found) == ["REQUEST-001"] and inserted(found, "extract_requests") == []
    said = found.findings["message"][0]
    assert (
        said.startswith("The request is blank." if not word else f"“{word}” is not") and "Use one of: extract." in said
    )


@pytest.mark.parametrize(
    ("minutes_ago", "is_taken"),
    [
        ((), True),
        ((1, 2, 3), True),
        ((1, 2, 3, 4), False),
        ((1, 2, 3, 59), False),
        ((1, 2, 3, 60), True),
        ((1, 2, 3, 61), True),
    ],
)
def test_a_fifth_within_an_hour_has_to_wait(minutes_ago: tuple[int, ...], is_taken: bool) -> None:
    found = judged(asked(*(NOW - timedelta(minutes=m) for m in minutes_ago)), {"request": "extract"}, kind="requests")
    assert codes(found) == ([] if is_taken else ["REQUEST-002"])


def test_who_has_to_wait_is_told_until_when() -> None:
    found = judged(
        asked(*(NOW - timedelta(minutes=m) for m in (50, 40, 30, 20))), {"request": "extract"}, kind="requests"
    )
    assert "10 November 2025 at 12:10:00 (London time)" in found.findings["message"][0]  # ten minutes from now


def test_rows_of_one_file_count_and_rejected_ones_do_not() -> None:
    rows = [{"request": word} for word in ("extract", "what", "extract", "extract", "extract", "extract", "extract")]
    found = judged(World(), *rows, kind="requests")
    assert outcomes(found) == ["accepted", "rejected", "accepted", "accepted", "accepted", "rejected", "rejected"]
    assert len(inserted(found, "extract_requests")) == 4


def test_the_note_names_the_full_set_that_stands() -> None:
    found = judged(asked(set_as_of=NOW - timedelta(hours=8)), {"request": "extract"}, kind="requests")
    assert "that of 10 November 2025 at 04:00:00 (London time)" in (notes(found)[0] or "")
