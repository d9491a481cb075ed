"""The files of an extract: every cell as text, rows ordered by what names them."""

from collections.abc import Callable
from dataclasses import dataclass

import pandera.polars as pa
import polars as pl

from schemas.instants import rfc3339_text
from schemas.outbound import extracts
from schemas.outbound.extracts import ExtractFile
from transforms.extracts.calendar import contract_periods, milestones, statements
from transforms.extracts.changed import same_content
from transforms.extracts.declarations import declarations
from transforms.extracts.mentors import unfunded_mentors
from transforms.extracts.participants import participants
from transforms.extracts.places import delivery_partners, partnerships, schools
from transforms.extracts.transfers import transfers
from transforms.extracts.view import View

VIEWS: dict[str, Callable[[View], pl.DataFrame]] = {
    extracts.PARTICIPANTS.name: participants,
    extracts.DECLARATIONS.name: declarations,
    extracts.PARTNERSHIPS.name: partnerships,
    extracts.SCHOOLS.name: schools,
    extracts.PARTNERS.name: delivery_partners,
    extracts.UNFUNDED_MENTORS.name: unfunded_mentors,
    extracts.TRANSFERS.name: transfers,
    extracts.STATEMENTS.name: statements,
    extracts.MILESTONES.name: milestones,
    extracts.CONTRACT_PERIODS.name: contract_periods,
}
if set(VIEWS) != {file.name for file in extracts.FILES}:
    raise ValueError("a file of the extracts is made nowhere, or nothing's")


@dataclass(frozen=True)
class Rows:
    """Rows of a file, all text, ordered by what names them; of the file's columns those that the records give. left_out:
    rows that do not fit the file, or of whose name there is another already, each by its name, with why."""

    rows: pl.DataFrame
    left_out: list[str]


def make(view: View, file: ExtractFile, before: pl.DataFrame | None = None) -> Rows:
    """One record that cannot be shown as it is costs its row, and no other. before: the file of the set delivered before, ordered
    by name: what is the same, row by row, was looked at then."""
    found = VIEWS[file.name](view)
    lacking = [name for name in file.columns if name not in found.columns]  # ours, given when it is delivered
    shaped = found.select([_shaped(name, dtype) for name, dtype in found.schema.items()])
    shaped = shaped.with_columns(
        *[_in_a_line(each.column.name) for each in file.sent if each.column.is_free_text],
        *[pl.lit(_NEVER).alias(name) for name in lacking],
    )
    rows = _as_text(file, shaped, lacking)
    if before is not None and same_content(file, rows, before):
        return Rows(rows, [])
    fitting, left_out = _fitting(file, shaped)
    if left_out:
        rows = _as_text(file, fitting, lacking)
    repeated = pl.all_horizontal([pl.col(name).eq_missing(pl.col(name).shift(1)) for name in file.key])
    is_repeated = rows.select(repeated.fill_null(False)).to_series()
    if is_repeated.any():
        left_out += [f"{name}: there is another of this name" for name in _names(file, rows.filter(is_repeated))]
        rows = rows.filter(~is_repeated)
    return Rows(rows, left_out)


def _as_text(file: ExtractFile, rows: pl.DataFrame, lacking: list[str]) -> pl.DataFrame:
    return file.defused(rows).drop(lacking).cast(pl.String).sort(file.key)


def _fitting(file: ExtractFile, rows: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """The rows that fit the file's model; and the others' names, with the columns that do not."""
    try:
        file.model.validate(rows.select(file.columns), lazy=True)
    except pa.errors.SchemaErrors as refusal:
        cases = refusal.failure_cases.filter(pl.col("index").is_not_null()).select("index", "column")
        if cases.is_empty():
            raise
        wrong = cases.group_by("index").agg(pl.col("column").unique().sort().str.join(", ")).sort("index")
        names = _names(file, rows[wrong["index"]])
        told = [f"{name}: {columns}" for name, columns in zip(names, wrong["column"], strict=True)]
        is_wrong = pl.int_range(pl.len()).is_in(wrong["index"].implode())
        return rows.filter(~is_wrong), told
    return rows, []


def _names(file: ExtractFile, rows: pl.DataFrame) -> list[str]:
    return (
        rows.select(pl.concat_str(pl.col(file.key).cast(pl.String), separator=" ", ignore_nulls=True))
        .to_series()
        .to_list()
    )


_NEVER = "0001-01-01T00:00:00Z"


def _in_a_line(name: str) -> pl.Expr:
    """Free text without line ends and the like, so that a row is a line, and every reader reads the same."""
    text = pl.col(name)
    return (
        pl.when(text.str.contains(_UNPRINTED)).then(text.str.replace_all(_UNPRINTED, " ")).otherwise(text).alias(name)
    )


_UNPRINTED = r"\p{Cc}+"


def _shaped(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        return rfc3339_text(column).alias(name)
    if dtype.is_integer():
        return column.cast(pl.Int64)
    return column.cast(pl.String)
