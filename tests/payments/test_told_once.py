"""What differs is told once: nothing is lost or counted twice by it, and what can still be put right comes first."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from schemas.discrepancies import AGREED, CODES
from tests.laws import tried
from transforms.money.told_once import PEOPLE_SHOWN, TO_PUT_RIGHT, differ, told_once

COLUMNS = (
    "statement_id", "participant_id", "full_name", "participant_type", "declaration_type", "expected_amount", "due_amount",
    "difference", "reason_code", "reason", "what_to_do",
)  # fmt: skip


def row(code: str, reason: str, pence: int | None, who: str = "t1", **cells: str) -> dict[str, str | None]:
    amount = None if pence is None else f"{pence / 100:.2f}"
    return {
        **dict.fromkeys(COLUMNS), "statement_id": "s1", "participant_id": who, "participant_type": "ect",
        "declaration_type": "started", "difference": amount, "reason_code": code, "reason": reason, "what_to_do": "Do it.", **cells,
    }  # fmt: skip


def told(*rows: dict[str, str | None]) -> list[dict[str, object]]:
    return told_once(pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String))).to_dicts()


@tried(200)
@given(
    st.lists(
        st.tuples(st.sampled_from(CODES), st.sampled_from(["One.", "Two."]), st.none() | st.integers(-(10**6), 10**6)),
        max_size=60,
    )
)
def test_every_row_is_in_one_group_and_the_sums_are_those_of_the_rows(rows):
    groups = told(*(row(*each, who=f"t{number}") for number, each in enumerate(rows)))
    differing = [each for each in rows if each[0] != AGREED.code]
    assert differ(groups) == len(differing)
    assert sum(group["difference"] or 0 for group in groups) == sum(pence or 0 for _, _, pence in differing)
    for group in groups:
        amounts = [
            pence for code, reason, pence in differing
            if pence is not None and code == group["reason_code"] and group["reason"] in (None, reason)
        ]  # fmt: skip
        assert (group["least"], group["most"]) == ((min(amounts), max(amounts)) if amounts else (None, None))
    first = [group["is_to_put_right"] for group in groups]
    assert first == sorted(first, reverse=True)
    assert all(group["is_to_put_right"] == (group["reason_code"] in TO_PUT_RIGHT) for group in groups)
    for part in (True, False):
        weights = [abs(group["difference"] or 0) for group in groups if group["is_to_put_right"] is part]
        assert weights == sorted(weights, reverse=True)


def test_lines_rejected_by_the_same_rule_are_one_group_with_their_words_under_it():
    one, other, third = told(
        row("row-rejected", "Line 2 of your file d.csv was rejected (DECL-011): Early. Its receipt is s.", 100, "t1"),
        row("row-rejected", "Line 3 of your file d.csv was rejected (DECL-011): Early. Its receipt is s.", 200, "t2"),
        row(
            "row-rejected",
            "Line 4 of your file d (NOV-24).csv was rejected (DECL-012;DECL-014): Late. Its receipt is s.",
            50,
            "t3",
        ),
        row("voided", "It was voided on 3 January 2027, by line 4 of your file v.csv (receipt s).", 7, "t4"),
        row("voided", "It was voided on 3 January 2027, by line 5 of your file v.csv (receipt s).", 7, "t5"),
    )
    assert (one["declarations"], one["rule_codes"], one["reason"], one["what_to_do"]) == (2, "DECL-011", None, "Do it.")
    assert [who["reason"][:6] for who in one["people"]] == ["Line 2", "Line 3"]
    assert (other["declarations"], other["rule_codes"]) == (1, "DECL-012;DECL-014")
    assert other["reason"].startswith("Line 4")
    assert (third["declarations"], third["reason"], third["rule_codes"]) == (2, None, None)


def test_two_that_cancel_out_are_still_two():
    (group,) = told(row("different-amount", "Due.", 195, "t1"), row("different-amount", "Due.", -195, "t2"))
    assert (group["declarations"], group["difference"], group["least"], group["most"]) == (2, 0, -195, 195)


def test_of_many_people_the_first_are_shown_and_all_are_counted():
    (group,) = told(*(row("not-expected", "Due.", 1, f"t{number}") for number in range(PEOPLE_SHOWN + 1)))
    assert (group["declarations"], len(group["people"])) == (PEOPLE_SHOWN + 1, PEOPLE_SHOWN)
