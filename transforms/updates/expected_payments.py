"""What a provider expects to be paid: kept as stated, month by month. The records do not change
(transforms/README.md, What was expected)."""

import polars as pl

from schemas.frames import holds, joined
from schemas.lifecycle import statement_month
from schemas.needs import Snapshot
from schemas.vocabulary import PARTICIPANT_TYPES
from transforms.changes import Act, ChangeSet
from transforms.facts import lower
from transforms.rejected import rejected_expectations
from transforms.update import ACCEPTED, Rejections, Update, note, verdicts

_KEY = ["statement_month", "contract_period", "participant_id", "participant_type", "declaration_type"]
_KEY_OF_ROW = ["year", *(name for name in _KEY if name != "contract_period")]


def facts(rows: pl.DataFrame, snapshot: Snapshot, _act: Act) -> pl.DataFrame:
    """Rows with is_stated_above (an accepted row above states the same declaration for the same month), and
    nowhere_words: why no statement can be compared with the row, where none can."""
    rows = lower(rows, "participant_id", "course_identifier", "declaration_type", "delivery_partner_id").with_columns(
        year=pl.col("contract_period").cast(pl.Int64, strict=False),
        participant_type=pl.col("course_identifier").replace_strict(
            PARTICIPANT_TYPES, default=None, return_dtype=pl.String
        ),
    )
    stated = snapshot.expected_payments.select(_KEY).rename({"contract_period": "year"}).unique()
    stated = stated.with_columns(is_stated_above=pl.lit(True))
    rows = joined(rows, stated, _KEY_OF_ROW)
    rows = joined(rows, _nowhere(rows, snapshot).drop("is_missing"), ["year", "statement_month"])
    return rows.with_columns(holds(pl.col("is_stated_above")))


def _nowhere(rows: pl.DataFrame, snapshot: Snapshot) -> pl.DataFrame:
    """year, statement_month, nowhere_words, is_missing of those months named of which there is no output statement, or one that
    is paid: what is expected of them is compared with the next statement."""
    output = snapshot.statements.filter(pl.col("fee_type") == "output").select(
        statement_month().alias("statement_month"), "status", year="contract_period"
    )
    named = rows.select("year", "statement_month").drop_nulls().unique()
    others = (
        output.sort("year").group_by("statement_month").agg(pl.col("year").unique(maintain_order=True).alias("years"))
    )
    beside = named.join(output, on=["year", "statement_month"], how="left").join(
        others, on="statement_month", how="left"
    )
    meant = pl.format(" You may mean {}.", pl.col("years").list.eval(pl.element().cast(pl.String)).list.join(", "))
    month = pl.col("statement_month")
    none = pl.format(
        "You have no statement for {} in contract period {}.{}", month, "year",
        pl.when(pl.col("years").list.len() > 0).then(meant).otherwise(pl.lit(" Check month and contract period.")),
    )  # fmt: skip
    paid = pl.format(
        "The statement for {} of contract period {} has been paid, and does not change any more.", month, "year"
    )
    words = pl.when(pl.col("status").is_null()).then(none).when(pl.col("status") == "paid").then(paid)
    is_missing = pl.col("status").is_null()
    return beside.select("year", "statement_month", words.alias("nowhere_words"), is_missing=is_missing).filter(
        pl.col("nowhere_words").is_not_null()
    )


def effects(accepted: pl.DataFrame, _snapshot: Snapshot, act: Act) -> ChangeSet:
    """Each accepted row is kept. Which file stands for a month is settled when statements are made: the last one that
    names it."""
    kept = accepted.select(
        pl.lit(act.submission_id).alias("submission_id"),
        "row_number",
        pl.lit(act.lead_provider_id).alias("lead_provider_id"),
        "statement_month",
        pl.col("year").alias("contract_period"),
        "participant_id",
        "participant_type",
        "declaration_type",
        pl.col("expected_amount").cast(pl.Decimal(14, 2)),
        "delivery_partner_id",
        "your_reference",
    )
    return ChangeSet({"expected_payments": kept} if kept.height else {})


def answers(rows: pl.DataFrame, _act: Act) -> pl.DataFrame:
    nowhere = ACCEPTED & pl.col("nowhere_words").is_not_null()
    return verdicts(
        rows,
        note(
            ACCEPTED,
            "Kept for {statement_month}, contract period {contract_period}; together with the other accepted rows of "
            "this file it replaces what you stated for that month before.",
            rows,
        ),
        note(nowhere, "{nowhere_words}", rows),
    )


def of_the_file(changes: ChangeSet, rejected: pl.DataFrame, snapshot: Snapshot) -> list[str]:
    """What to say of a list as a whole: months that have no statement, and months of which it leaves out more than half of
    what stood. rejected: as in Judgement."""
    if "expected_payments" not in changes.inserts:
        return []
    kept = changes.inserts["expected_payments"]
    place = ["statement_month", "contract_period"]
    months = kept.group_by(place).len("rows").sort(place)
    nowhere = _nowhere(months.rename({"contract_period": "year"}), snapshot).rename({"year": "contract_period"})
    found = months.join(nowhere, on=place, maintain_order="left").select("rows", "nowhere_words", "is_missing")
    told = [
        f"{_rows(rows)}: {words}{_PUT_IN_PLACE if is_missing else ''}" for rows, words, is_missing in found.iter_rows()
    ]
    turned_away = rejected.select(_KEY) if rejected.height else kept.select(_KEY).clear()
    before = snapshot.stated_before.join(months, on=place, how="semi")
    gone = before.join(kept, on=_KEY, how="anti").join(turned_away, on=_KEY, how="anti").group_by(place).len("gone")
    counted = before.group_by(place).len("stood").join(gone, on=place).join(months, on=place).sort(place)
    counted = joined(counted, turned_away.group_by(place).len("wrong"), place)
    told += [
        f"For {month}, contract period {period}, you had stated {_declarations(stood)}. This file states {rows:,}"
        f"{f', {_rows(wrong)} more were rejected,' if wrong else ''} and leaves out {left:,} of those: they are on your list no "
        "more. If you did not mean that, send the whole list again."
        for month, period, stood, left, rows, wrong in counted.filter(pl.col("gone") * 2 > pl.col("stood"))
        .select(*place, "stood", "gone", "rows", "wrong").iter_rows()
    ]  # fmt: skip
    return told


_PUT_IN_PLACE = (
    " What you state there is compared with another statement, until a later file states the same declaration for a month that "
    "has one. Put it into the whole list of that month: a file replaces all that you stated for its months."
)


def _declarations(count: int) -> str:
    return "1 declaration" if count == 1 else f"{count:,} declarations"


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


UPDATE = Update(
    facts,
    effects,
    answers,
    rejections=Rejections("rejected_expectations", rejected_expectations),
    of_the_file=of_the_file,
)
