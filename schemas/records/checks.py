"""What DfE's extract may say: one Pandera model a table, over the text of its cells, made from schemas.records.tables."""

from dataclasses import dataclass

import pandera.polars as pa
import polars as pl

from schemas.inbound.form import CONTROL_CHARACTERS
from schemas.records.prices import (
    OWNER,
    PROBLEMS,
    clashing_statements,
    counted_declarations,
    mismatched_bands,
    unpaid_contracts,
    unpriced,
)
from schemas.records.tables import RECORDS, Stored, Table

UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
FAULTS_SHOWN = 20
_YEARS = r"^(19|20|21)[0-9][0-9]-"  # what anything in the records can be of
MOST_OF_A_FEE = 1_000_000  # pounds; more than that is a slip of the pen, and beyond what figures are computed with

_WANTED = {
    "id": "an id in lower case, like 2f1d0c7e-58a4-4c61-9f3e-7c1d2b3a4f50",
    "trn": "a TRN of 7 digits",
    "integer": "a whole number",
    "day": "a date as YYYY-MM-DD",
    "instant": "an instant as 2025-11-03T09:30:00Z",
    "money": "pounds with exactly two decimals, like 1250.00",
    "ratio": "a ratio with exactly two decimals, like 0.60",
    "flag": "true or false",
    "text": "text without blanks at either end, line breaks or other control characters",
}
_WANTED |= {"year": _WANTED["integer"], "word": _WANTED["text"]}


@dataclass(frozen=True)
class Fault:
    """Where an extract goes wrong: file, row (1 = first data row; 0 = the file as such), column, what and what to do."""

    file: str
    row: int
    column: str
    reason: str

    def __str__(self) -> str:
        row = f", row {self.row}" if self.row else ""
        column = f", column {self.column}" if self.column else ""
        return f"{self.file}{row}{column}: {self.reason}"


class ExtractRefused(Exception):
    """An extract that cannot be loaded; `faults` says where and why. Nothing was changed."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        shown = [str(fault) for fault in faults[:FAULTS_SHOWN]]
        more = len(faults) - len(shown)
        super().__init__("\n".join([*shown, f"… and {more} more"] if more > 0 else shown))


def well_formed(kind: str, value: pl.Expr) -> pl.Expr:
    """Whether a cell's text is of its kind. Null counts as neither."""
    if kind == "id":
        return value.str.contains(UUID)
    if kind == "trn":
        return value.str.contains(r"^[0-9]{7}$")
    if kind in ("integer", "year"):
        return value.str.contains(r"^-?(0|[1-9][0-9]{0,8})$")
    if kind == "day":
        day = value.str.to_date("%Y-%m-%d", strict=False)
        return value.str.contains(_YEARS) & (value.str.len_bytes() == 10) & day.is_not_null()
    if kind == "instant":
        shape = value.str.contains(_YEARS) & value.str.contains(
            r"^[0-9]{4}-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9](\.[0-9]{0,5}[1-9])?Z$"
        )
        return shape & value.str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", strict=False).is_not_null()
    if kind == "money":
        return value.str.contains(r"^-?(0|[1-9][0-9]{0,9})\.[0-9][0-9]$")
    if kind == "ratio":
        return value.str.contains(r"^[01]\.[0-9][0-9]$")
    if kind == "flag":
        return value.is_in(["true", "false"])
    return (value == value.str.strip_chars()) & ~value.str.contains(CONTROL_CHARACTERS)


def _check(name: str, column: pl.Expr, keeps: pl.Expr) -> pa.Check:
    return pa.Check(lambda data: data.lazyframe.select(column.is_null() | keeps), name=name)


def _column(name: str, column: Stored) -> pa.Column:
    checks = [_check("form", pl.col(name), well_formed(column.kind, pl.col(name)))]
    if column.words:
        checks.append(_check("words", pl.col(name), pl.col(name).is_in(column.words)))
    return pa.Column(pl.String, checks, nullable=column.optional)


def model(table: Table) -> pa.DataFrameSchema:
    """The Pandera model of one table's text frame."""
    return pa.DataFrameSchema({name: _column(name, column) for name, column in table.columns.items()}, strict=True)


def form_faults(table: Table, cells: pl.DataFrame) -> list[Fault]:
    """Cells that are not of their column's form, and rows whose key repeats. cells: the table's columns as text."""
    missing = [name for name in table.columns if name not in cells.columns]
    unknown = [name for name in cells.columns if name not in table.columns]
    if missing or unknown:
        faults = [Fault(table.name, 0, name, "this column is missing; add it") for name in missing]
        return faults + [Fault(table.name, 0, name, "this column is not known; remove it") for name in unknown]
    try:
        model(table).validate(cells, lazy=True)
    except pa.errors.SchemaErrors as refusal:
        cases = refusal.failure_cases.sort("index").rows(named=True)
        return [_fault(table, case) for case in cases]
    repeated = cells.with_row_index("row", 1).filter(~pl.struct(table.key).is_first_distinct())
    where = ", ".join(table.key)
    return [Fault(table.name, row, where, "this key stands in a row above already") for row in repeated["row"]]


def _fault(table: Table, case: dict[str, object]) -> Fault:
    name = str(case["column"])
    column, row = table.columns[name], int(str(case["index"])) + 1
    if case["check"] == "form":
        reason = f"should be {_WANTED[column.kind]}"
    elif case["check"] == "words":
        reason = "should be one of " + ", ".join(column.words)
    else:
        reason = "must not be empty"
    return Fault(table.name, row, name, reason)


def link_faults(table: Table, cells: pl.DataFrame, keys: dict[str, pl.Series]) -> list[Fault]:
    """Cells that point at a row which does not exist. keys: `table.column` → the values there."""
    faults = []
    for name, column in table.columns.items():
        if not column.points_at or name not in cells.columns:
            continue
        target = keys[column.points_at].unique()
        lost = cells.with_row_index("row", 1).filter(pl.col(name).is_not_null() & ~pl.col(name).is_in(target.implode()))
        there = column.points_at.split(".")[0]
        faults += [Fault(table.name, row, name, f"no such row in {there}") for row in lost["row"].head(FAULTS_SHOWN)]
    return faults


def sense_faults(table: Table, cells: pl.DataFrame) -> list[Fault]:
    """Rows that contradict themselves."""
    rows = cells.with_row_index("row", 1)
    faults = []
    for broken, column, reason in _CONTRADICTIONS.get(table.name, ()):
        faults += [Fault(table.name, row, column, reason) for row in rows.filter(broken)["row"].head(FAULTS_SHOWN)]
    return faults


PRICED_BY = ("contracts", "bands", "band_terms", "statements")
PRICED = ("declarations", "training_periods", "school_periods")


def price_faults(tables: dict[str, pl.DataFrame], given: set[str]) -> list[Fault]:
    """What would have no price, or be counted wrong, on statements not yet paid (schemas.records.prices).

    tables: PRICED_BY and PRICED as they are to be, as text; given: those that the extract holds, whose rows are named.
    """
    contracts, statements = tables["contracts"], tables["statements"]
    unpaid = unpaid_contracts(contracts, statements)
    owned = statements.join(contracts.select("contract_id", *OWNER), on="contract_id")
    spells = tables["training_periods"].join(tables["school_periods"], on="school_period_id").select(
        "training_period_id", "participant_type"
    )  # fmt: skip
    counted = counted_declarations(tables["declarations"], statements).join(spells, on="training_period_id")
    found = [
        mismatched_bands(unpaid, tables["bands"], tables["band_terms"]),
        clashing_statements(owned),
        unpriced(counted, unpaid),
    ]
    return [fault for problems in found for fault in _price_faults(problems, tables, given)]


def _price_faults(problems: pl.DataFrame, tables: dict[str, pl.DataFrame], given: set[str]) -> list[Fault]:
    """Each problem at its row; by its key, where the table is not in the extract."""
    faults = []
    for (code,), rows in problems.partition_by("code", as_dict=True, maintain_order=True).items():
        problem = PROBLEMS[code]
        table = RECORDS[problem.table]
        places = tables[table.name].select(table.key).with_row_index("row", 1)
        for row in rows.join(places, on=table.key, how="left").sort("row").head(FAULTS_SHOWN).iter_rows(named=True):
            reason = problem.words.format_map(row)
            if table.name in given and row["row"]:
                faults.append(Fault(table.name, row["row"], problem.column, reason))
            else:
                named = ", ".join(str(row[name]) for name in table.key)
                faults.append(Fault(table.name, 0, problem.column, f"{named}, in the records already: {reason}"))
    return faults


def _both_or_neither(one: str, other: str) -> pl.Expr:
    return pl.col(one).is_null() != pl.col(other).is_null()


_ENDS_EARLY = (pl.col("finished_on") < pl.col("started_on"), "finished_on", "must not be before started_on")
_CONTRADICTIONS: dict[str, tuple[tuple[pl.Expr, str, str], ...]] = {
    "contract_periods": (_ENDS_EARLY,),
    "milestones": (
        (pl.col("milestone_date") < pl.col("start_date"), "milestone_date", "must not be before start_date"),
    ),
    "school_periods": (_ENDS_EARLY,),
    "mentorships": (_ENDS_EARLY,),
    "training_periods": (
        _ENDS_EARLY,
        (_both_or_neither("withdrawn_at", "withdrawal_reason"), "withdrawal_reason", "goes with withdrawn_at"),
        (_both_or_neither("deferred_at", "deferral_reason"), "deferral_reason", "goes with deferred_at"),
        (
            (pl.col("training_programme") == "provider_led") & pl.col("schedule_identifier").is_null(),
            "schedule_identifier",
            "provider-led training needs a schedule",
        ),
    ),
    "participants": (
        (
            _both_or_neither("mentor_funding_end_date", "mentor_funding_end_reason"),
            "mentor_funding_end_reason",
            "goes with mentor_funding_end_date",
        ),
    ),
    "statements": (
        (pl.col("payment_date") <= pl.col("deadline_date"), "payment_date", "must be after deadline_date"),
        (~pl.col("month").is_in([str(month) for month in range(1, 13)]), "month", "must be 1 to 12"),
    ),
    "band_terms": (
        (
            pl.col("output_fee_ratio").cast(pl.Decimal(5, 2)) + pl.col("service_fee_ratio").cast(pl.Decimal(5, 2)) != 1,
            "service_fee_ratio",
            "the two ratios must add up to 1",
        ),
        (
            pl.col("fee_per_declaration").cast(pl.Decimal(14, 2)) > MOST_OF_A_FEE,
            "fee_per_declaration",
            f"must not be more than {MOST_OF_A_FEE:,}",
        ),
    ),
    "contracts": (
        (
            pl.col("mentor_fee_per_declaration").cast(pl.Decimal(14, 2)) > MOST_OF_A_FEE,
            "mentor_fee_per_declaration",
            f"must not be more than {MOST_OF_A_FEE:,}",
        ),
    ),
    "bands": ((pl.col("capacity").cast(pl.Int64) <= 0, "capacity", "must be more than 0"),),
    "declarations": (
        (
            pl.col("payment_status").is_in(["eligible", "payable", "paid"]) & pl.col("payment_statement_id").is_null(),
            "payment_statement_id",
            "a declaration that is eligible, payable or paid needs a statement",
        ),
        (
            (pl.col("clawback_status") != "no_clawback") & pl.col("clawback_statement_id").is_null(),
            "clawback_statement_id",
            "a declaration being clawed back needs a clawback statement",
        ),
        (
            (pl.col("clawback_status") != "no_clawback") & (pl.col("payment_status") != "paid"),
            "clawback_status",
            "only a paid declaration can be clawed back",
        ),
    ),
}

LINKED_COLUMNS = sorted(
    {column.points_at for table in RECORDS.values() for column in table.columns.values() if column.points_at}
)
