"""Rules of a row's and a cell's form, FILE-008 to FILE-014: whatever the kind, before anything is looked up."""

import polars as pl

from schemas.files import ID_COLUMNS, MAX_CELL, MAX_REFERENCE, Kind
from schemas.rules import Rule

UUID_ANY_CASE = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
CONTROL_CHARACTERS = "[\\p{Cc}\u2028\u2029\ufffd]"
APOSTROPHE = "A spreadsheet added the apostrophe: format the column as text and type the value without it."
SCIENTIFIC = "A spreadsheet shortened the number: format the column as text and copy the value in again."
LEADING_ZERO = "A spreadsheet may have dropped a leading zero: format the column as text and copy the value in again."
DECIMAL = "A spreadsheet made a decimal number of it: format the column as text and type it without the point."
DATE_TURNED = "A spreadsheet turned the date round: format the column as text."


def with_owners(kind: Kind, values: pl.DataFrame, whose: pl.Series | None = None) -> pl.DataFrame:
    """Add owner (null where blank or malformed) and earlier_rows (of the same owner, in file order).

    whose: the owner of each row, where it is not what the row's owner column says.
    """
    if whose is None:
        whose = values[kind.owner].str.to_lowercase()
    known = values[kind.owner].str.contains(UUID_ANY_CASE if kind.owner in ID_COLUMNS else r"^\S").fill_null(False)
    values = values.with_columns(pl.when(known).then(whose).alias("owner"))
    earlier = pl.when(pl.col("owner").is_not_null()).then(pl.int_range(pl.len()).over("owner")).otherwise(0)
    return values.with_columns(earlier.alias("earlier_rows"))


def form_rules(kind: Kind) -> tuple[Rule, ...]:
    """The rules of form of one kind, in the order of evaluation: the row first, then cell by cell."""
    rules = [
        Rule(
            code="FILE-008",
            field="row",
            broken=pl.col("cell_count") != pl.col("header_count"),
            message="The number of cells on this line is {cell_count}; the header has {header_count}.",
            advice="Check for stray commas and quotes on line {line_number}.",
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
        advice="Type the value again.",
        source="ours",
    )
    if column in ID_COLUMNS:
        return [_id_rule(column), unreadable]
    if column in _FORMS:
        return [unreadable, _form_rule(column)]
    return [unreadable]


def _id_rule(column: str) -> Rule:
    return Rule(
        code="FILE-010",
        field=column,
        broken=~pl.col(column).str.contains(UUID_ANY_CASE),
        message=f"“{{{column}}}” is not an id: ids are 36 characters long, like 2f1d0c7e-58a4-4c61-9f3e-7c1d2b3a4f50.",
        advice=f"Copy the {column} from one of your extracts.",
        source="ours",
    )


# column: pattern, what is wanted with an example
_FORMS = {
    "contract_period": (r"^20\d\d$", "a year of four digits, for example 2025"),
    "statement_month": (r"^20\d\d-(0[1-9]|1[0-2])$", "a month as YYYY-MM, for example 2026-01"),
    "school_urn": (r"^\d{6}$", "a URN of 6 digits, for example 123456"),
    "trn": (r"^\d{7}$", "a TRN of 7 digits, for example 0123456"),
    "expected_amount": (r"^-?\d{1,9}\.\d\d$", "pounds with two decimals and nothing else, for example 119.40"),
    "amount": (r"^-?\d{1,9}\.\d\d$", "pounds with two decimals and nothing else, for example -250.00"),
}


def _form_rule(column: str) -> Rule:
    pattern, wanted = _FORMS[column]
    value = pl.col(column)
    usual = pl.lit(f"Type the {column} in that form.")
    advice = (
        pl.when(value.str.starts_with("'")).then(pl.lit(APOSTROPHE))
        .when(value.str.contains(r"(?i)^\d(\.\d+)?e\+?\d+$")).then(pl.lit(SCIENTIFIC))
        .when(value.str.contains(r"^\d+\.0*$") & (not column.endswith("amount"))).then(pl.lit(DECIMAL))
        .when((pl.lit(column) == "trn") & value.str.contains(r"^\d{5,6}$")).then(pl.lit(LEADING_ZERO))
        .when(value.str.contains(r"^\d{1,2}/\d{1,2}/\d{2,4}$")).then(pl.lit(DATE_TURNED))
        .otherwise(usual)
    )  # fmt: skip
    return Rule(
        code="FILE-012",
        field=column,
        broken=~value.str.contains(pattern),
        message=f"“{{{column}}}” is not {wanted}.",
        advice=advice,
        source="ours",
    )
