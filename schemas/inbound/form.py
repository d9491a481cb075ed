"""Rules of a row's and a cell's form, FILE-008 to FILE-014: whatever the kind, before anything is looked up."""

import polars as pl

from schemas.columns import COLUMNS
from schemas.damage import (
    AS_TEXT,
    DATE_TURNED,
    DECIMAL,
    DECIMAL_COMMA,
    LEADING_ZERO,
    LOST_DIGITS,
    is_serial,
    is_shortened,
    serial_advice,
)
from schemas.inbound.patterns import MONEY, MONTH, TRN, URN, UUID_ANY_CASE, YEAR
from schemas.inbound.reading import is_misshapen
from schemas.kinds.kind import Kind
from schemas.rules import Rule
from schemas.showing import shown_column

MAX_CELL = 10_000
MAX_REFERENCE = 100
CONTROL_CHARACTERS = "[\\p{Cc}\u2028\u2029\ufffd]"


def with_owners(kind: Kind, values: pl.DataFrame, whose: pl.Series | None = None) -> pl.DataFrame:
    """Add owner (null where blank or malformed) and earlier_rows (of the same owner, in file order).

    whose: the owner of each row, where it is not what the row's owner column says.
    """
    if whose is None:
        whose = values[kind.owner].str.to_lowercase()
    known = (
        values[kind.owner].str.contains(UUID_ANY_CASE if COLUMNS[kind.owner].kind == "id" else r"^\S").fill_null(False)
    )
    values = values.with_columns(pl.when(known).then(whose).alias("owner"))
    earlier = pl.when(pl.col("owner").is_not_null()).then(pl.int_range(pl.len()).over("owner")).otherwise(0)
    return values.with_columns(earlier.alias("earlier_rows"))


_ODD_QUOTE = pl.format(
    "On line {} a quote stands in the middle of a cell, in the column {}: a comma may have been lost beside it, and then the "
    "cells are not what they should be.", "line_number", shown_column(pl.col("odd_quote")),
)  # fmt: skip
_QUOTED = (
    "Take the quote out, or put quotes around the whole cell and double those inside, as a spreadsheet does that saves "
    "“CSV UTF-8”."
)
_OTHER_COUNT = pl.format(
    "The number of cells on line {} is {}; the header has {}.", "line_number", "cell_count", "header_count"
)  # fmt: skip
_STRAY_COMMAS = pl.lit(
    "Look for a comma inside a cell, as in 1,194.00, and for quotes: a cell that holds a comma has quotes around it, as a "
    "spreadsheet writes it that saves “CSV UTF-8”. Put the row right, and empty its cell in extra_cells."
)
_NOT_PUT_RIGHT = pl.format(
    "The column extra_cells, which we have added, still holds “{}”: the cells of this row were not told apart for sure.",
    shown_column(pl.col("extra_cells")),
)  # fmt: skip


def form_rules(kind: Kind) -> tuple[Rule, ...]:
    """The rules of form of one kind, in the order of evaluation: the row first, then cell by cell."""
    rules = [
        Rule(
            code="FILE-008",
            field="row",
            broken=is_misshapen(),
            message=pl.when(pl.col("odd_quote").is_not_null())
            .then(_ODD_QUOTE)
            .when(pl.col("cell_count") != pl.col("header_count"))
            .then(_OTHER_COUNT)
            .otherwise(_NOT_PUT_RIGHT),
            advice=pl.when(pl.col("odd_quote").is_not_null())
            .then(pl.lit(_QUOTED))
            .when(pl.col("cell_count") == pl.col("header_count"))
            .then(pl.lit("Put the row right, and empty its cell in extra_cells."))
            .when((pl.col("cell_count") == 1) & pl.any_horizontal(pl.col(kind.columns).str.contains(",", literal=True)))
            .then(pl.lit("One pair of quotes stands around the whole line: take it away."))
            .otherwise(_STRAY_COMMAS),
            source="ours; RECT app/forms/appropriate_bodies/process_batch_form.rb",
            ends_row=True,
        ),
    ]
    if kind.most_rows_of_one_owner:
        rules.append(
            Rule(
                code="FILE-014",
                field=kind.owner,
                broken=pl.col("earlier_rows") >= kind.most_rows_of_one_owner,
                message=f"More than {kind.most_rows_of_one_owner} rows of this file concern the same {kind.owned_by}.",
                advice="Something went wrong in the export: send each change once.",
                source="ours",
                ends_row=True,
            )
        )
    for column in kind.columns:
        rules += _cell_rules(column)
    return tuple(rules)


def _cell_rules(column: str) -> list[Rule]:
    value = pl.col(column)
    longest = MAX_REFERENCE if column == "your_reference" else MAX_CELL
    unreadable = Rule(
        code="FILE-011",
        field=column,
        broken=value.str.contains(CONTROL_CHARACTERS) | (value.str.len_chars() > longest),
        message=f"The {column} holds a line break, a tab or another character that cannot be kept, "
        f"or is longer than {longest:,} characters.",
        advice="Take out what is not plain text: in a spreadsheet, =CLEAN() of the cell leaves the rest."
        if longest == MAX_CELL
        else f"Keep it to one line of at most {longest} characters; in a spreadsheet, =CLEAN() of a cell takes out what "
        "cannot be seen.",
        source="ours",
    )
    if COLUMNS[column].kind == "id":
        return [_id_rule(column), unreadable]
    if COLUMNS[column].kind in _FORMS:
        return [unreadable, _form_rule(column)]
    return [unreadable]


def _id_rule(column: str) -> Rule:
    found_in = COLUMNS[column].found_in
    return Rule(
        code="FILE-010",
        field=column,
        broken=~pl.col(column).str.contains(UUID_ANY_CASE),
        message=f"“{{{column}}}” is not an id: ids are 36 characters long, like 2f1d0c7e-58a4-4c61-9f3e-7c1d2b3a4f50.",
        advice=pl.when(is_shortened(pl.col(column)) | pl.col(column).str.contains(r"^[0-9]+(\.[0-9]+)?$"))
        .then(
            pl.when(pl.col(column).str.contains(TRN))
            .then(pl.lit(f"It looks like a TRN: take the {column} from {found_in}."))
            .otherwise(pl.lit(LOST_DIGITS))
        )
        .otherwise(pl.lit(f"Take the {column} whole from {found_in}.")),
        source="ours",
    )


# kind of column: pattern, what is wanted
_FORMS = {
    "year": (YEAR, "a year of four digits"),
    "month": (MONTH, "a month as YYYY-MM"),
    "urn": (URN, "a URN of 6 digits"),
    "trn": (TRN, "a TRN of 7 digits"),
    "money": (MONEY, "pounds with two decimals and nothing else"),
}
_DAY_OR_MONTH = (
    "It may be a day of a month: write the month with its year, as 2027-01. A spreadsheet shows 2027-01 otherwise: "
    f"{AS_TEXT[0].lower()}{AS_TEXT[1:]}."
)

_DAYS = r"^[0-9][0-9]?[-/ ]\D{3,9}$|^\D{3,9}[-/ ][0-9]$|^[0-9][0-9]?/[0-9][0-9]?/[0-9]{2,4}$"


def _form_rule(column: str) -> Rule:
    kind = COLUMNS[column].kind
    pattern, form = _FORMS[kind]
    value, wanted = pl.col(column), f"{form}, for example {COLUMNS[column].example}"
    is_money, is_month = kind == "money", kind == "month"
    return Rule(
        code="FILE-012",
        field=column,
        broken=~value.str.contains(pattern),
        message=f"“{{{column}}}” is not {wanted}.",
        advice=(
            pl.when(pl.lit(column in ("trn", "expected_amount")) & ~value.str.contains(r"[0-9]"))
            .then(pl.lit("Leave the cell empty where there is none."))
            .when(is_shortened(value)).then(pl.lit(LOST_DIGITS))
            .when(pl.lit(is_money) & value.str.contains(r",[0-9][0-9]?$")).then(pl.lit(DECIMAL_COMMA))
            .when(pl.lit(not is_money) & value.str.contains(r"^[0-9]+\.0*$")).then(pl.lit(DECIMAL))
            .when(pl.lit(column == "trn") & value.str.contains(r"^[0-9]{1,6}$")).then(pl.lit(LEADING_ZERO))
            .when(pl.lit(is_month) & is_serial(value)).then(serial_advice(value))
            .when(pl.lit(is_month) & value.str.contains(_DAYS)).then(pl.lit(_DAY_OR_MONTH))
            .when(value.str.contains(r"^[0-9]{1,2}/[0-9]{1,2}/[0-9]{2,4}$")).then(pl.lit(DATE_TURNED))
            .otherwise(pl.lit(f"In a spreadsheet: {AS_TEXT[0].lower()}{AS_TEXT[1:]}, and give {wanted}."))
        ),
        source="ours",
    )  # fmt: skip
