"""What differs, told once: rows of one statement with the same reason in the same words, people under it, the largest first."""

from typing import Any

import polars as pl

from schemas.discrepancies import AGREED, AWAITING, CLAWED_BACK_HERE, NOT_DECLARED, ROW_REJECTED, VOIDED
from schemas.vocabulary import DECLARATION_TYPE
from transforms.money.version_changes import pence_of

# What the lead provider can still do something about before a deadline.
TO_PUT_RIGHT = (NOT_DECLARED.code, ROW_REJECTED.code, AWAITING.code)
PEOPLE_SHOWN = 50
# Reasons that name a line or a day, and so are worded anew for each: one group by the code, or by the rules that were broken.
_OF_A_LINE = (ROW_REJECTED.code, VOIDED.code, CLAWED_BACK_HERE.code)
_SAME = ["statement_id", "reason_code", "participant_type", "declaration_type", "rule_codes", "same"]


def told_once(discrepancies: pl.DataFrame) -> pl.DataFrame:
    """discrepancies: rows of discrepancies.csv, with statement_id. Agreed ones are left out.

    Returns statement_id, reason_code, participant_type, declaration_type, rule_codes (null where no row was rejected), reason and
    what_to_do (null where they differ from one to the other), declarations (count), is_to_put_right, least, most, difference
    (pence; of one, of one, and of all; null where no amount was sent for any), people: the first PEOPLE_SHOWN (participant_id,
    full_name, expected_amount, due_amount, reason, what_to_do). What is to be put right comes first, then the largest.
    """
    each = pence_of("difference")
    of_a_line = pl.col("reason_code").is_in(_OF_A_LINE)
    rows = discrepancies.filter(pl.col("reason_code") != AGREED.code).with_columns(
        each=each,
        rule_codes=pl.when(reason_code=ROW_REJECTED.code).then(
            pl.col("reason").str.extract(r"was rejected \(([A-Z0-9;-]+)\)")
        ),
        same=pl.when(~of_a_line).then("reason"),
    )
    weight = pl.coalesce(pl.col("difference").abs(), 0)
    people = pl.struct("participant_id", "full_name", "expected_amount", "due_amount", "reason", "what_to_do")
    groups = rows.group_by(_SAME, maintain_order=True).agg(
        *(
            pl.when(pl.col(words).n_unique() == 1).then(pl.col(words).first()).alias(words)
            for words in ("reason", "what_to_do")
        ),
        pl.len().cast(pl.Int64).alias("declarations"),
        pl.col("each").min().alias("least"),
        pl.col("each").max().alias("most"),
        pl.when(pl.col("each").is_not_null().any()).then(pl.col("each").sum()).alias("difference"),
        people.head(PEOPLE_SHOWN).alias("people"),
    )
    return groups.drop("same").with_columns(is_to_put_right=pl.col("reason_code").is_in(TO_PUT_RIGHT)).sort(
        "statement_id", ~pl.col("is_to_put_right"), -weight, "reason_code", "rule_codes",
        pl.col("declaration_type").cast(DECLARATION_TYPE), "participant_type", "reason",
    )  # fmt: skip


def differ(groups: list[dict[str, Any]]) -> int:
    """How many declarations differ. groups: as told_once gives them, of one statement."""
    return sum(int(group["declarations"]) for group in groups)
