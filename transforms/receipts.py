"""Verdicts and findings → the frames of a receipt: a line for every row, and the rejected rows to send back."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from schemas.frames import holds, joined, marked
from schemas.inbound.meant import row_notes
from schemas.inbound.names import IGNORED_COLUMNS, TO_PUT_RIGHT
from schemas.inbound.patterns import MONTH, YEAR
from schemas.inbound.reading import Sheet
from schemas.outbound.defusing import defused, neutralised
from schemas.outbound.receipts import RESULT_COLUMNS
from transforms.findings import ROWS_OF_A_PACK
from transforms.judging import Judgement

CELLS_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Portion:
    """A portion of a receipt's rows. results: the interface's columns, then the columns as sent, every row in file
    order. rejected: line_number, the columns as sent and `errors`, of the rows to send back."""

    results: pl.DataFrame
    rejected: pl.DataFrame


def portions(judgement: Judgement) -> Iterator[Portion]:
    """What every row is told, in portions, so that a million bad rows need not lie in memory with all their words."""
    verdicts, sheet = judgement.verdicts, judgement.sheet
    as_sent, to_send_back = _as_sent(sheet), _to_put_right(_as_sent(sheet, "line_number", "errors"), sheet)
    goes_back = _goes_back(sheet, verdicts)
    rows_at_once = max(1, min(ROWS_OF_A_PACK, CELLS_AT_ONCE // len(sheet.header)))
    for start in range(0, verdicts.height, rows_at_once):
        portion = slice(start, start + rows_at_once)
        said = _said(judgement.found.of_rows(start + 1, start + rows_at_once))
        rows = joined(sheet.values[portion].select("row_number", "line_number"), verdicts[portion], "row_number")
        rows = joined(rows, said, "row_number")
        meant = sheet.meant.filter(pl.col("row_number").is_between(start + 1, start + rows_at_once))
        if meant.height:
            notes = row_notes(meant, sheet.sent, sheet.values)
            rows = joined(rows, notes, "row_number").with_columns(
                notes=pl.concat_str("taken_as", "notes", separator=" ", ignore_nulls=True).replace("", None)
            )
        results = pl.concat([rows.select(RESULT_COLUMNS), as_sent[portion]], how="horizontal")
        back = to_send_back[portion].select(rows["line_number"], pl.all(), rows["errors"]).filter(goes_back[portion])
        yield Portion(defused(results), defused(back))


def _to_put_right(cells: pl.DataFrame, sheet: Sheet) -> pl.DataFrame:
    """Where rows were split into other cells than the header has, or perhaps wrongly, a mark in extra_cells, to be emptied."""
    missing = pl.col("header_count") - pl.col("cell_count")
    mark = (
        pl.when(pl.col("odd_quote").is_not_null()).then(pl.format("a quote in {}", "odd_quote"))
        .when(missing > 0).then(pl.format("{} cells too few", missing))
        .otherwise(pl.col(TO_PUT_RIGHT))
    )  # fmt: skip
    marks = sheet.values.select(mark.alias(TO_PUT_RIGHT)).to_series()
    if marks.null_count() == marks.len():
        return cells
    there = cells[TO_PUT_RIGHT] if TO_PUT_RIGHT in cells.columns else pl.Series([None], dtype=pl.String)
    return cells.with_columns(pl.coalesce(there, marks).alias(TO_PUT_RIGHT))


def _goes_back(sheet: Sheet, verdicts: pl.DataFrame) -> pl.Series:
    """Which rows are to be sent back: the rejected ones; of what is expected, every row of their months, since a file stands
    for its months. Of a row whose month cannot be read, any month may be meant."""
    rejected = verdicts["outcome"] == "rejected"
    if "statement_month" not in sheet.values.columns or not rejected.any():
        return rejected
    whose = sheet.values.select("statement_month", "contract_period")
    wrong = whose.filter(rejected).unique()
    in_order = pl.col("statement_month").str.contains(MONTH) & pl.col("contract_period").str.contains(YEAR)
    if not wrong.select(holds(in_order)).to_series().all():
        return pl.Series([True]).new_from_index(0, rejected.len())
    return marked(whose, wrong, "goes", whose.columns)["goes"]


def _said(findings: pl.DataFrame) -> pl.DataFrame:
    """row_number, rule_codes, fields, messages, errors."""
    return findings.group_by("row_number", maintain_order=True).agg(
        pl.col("code").unique(maintain_order=True).str.join(";").alias("rule_codes"),
        pl.col("field").unique(maintain_order=True).str.join(";").alias("fields"),
        pl.col("message").str.join(" | ").alias("messages"),
        pl.format("{} ({}): {}", "code", "field", "message").str.join(" | ").alias("errors"),
    )


def _as_sent(sheet: Sheet, *taken: str) -> pl.DataFrame:
    """The columns as sent, under names of their own: a name that is taken is put behind `sent_`."""
    used = {*(taken or RESULT_COLUMNS)}
    names: list[str | None] = []
    for place, name in enumerate(pl.select(neutralised(pl.lit(pl.Series(sheet.header, dtype=pl.String)))).to_series()):
        if name.lower() in (*IGNORED_COLUMNS, TO_PUT_RIGHT):
            names.append(None)
            continue
        shown = f"sent_{name}" if name in used else name or f"column_{place + 1}"
        while shown in used:
            shown += "_"
        used.add(shown)
        names.append(shown)
    columns = [pl.col(str(place)).alias(name) for place, name in enumerate(names) if name]
    cells = sheet.cells.select(columns)
    if sheet.extra.height:
        numbered = joined(sheet.values.select("row_number"), sheet.extra, "row_number")
        cells = cells.with_columns(numbered[TO_PUT_RIGHT])
    return cells


def outcome_counts(verdicts: pl.DataFrame) -> dict[str, int]:
    """`total`, `accepted`, `rejected`, `already_done`."""
    counted = dict(verdicts.group_by("outcome").len().iter_rows())
    return {
        "total": verdicts.height,
        "accepted": counted.get("accepted", 0),
        "rejected": counted.get("rejected", 0),
        "already_done": counted.get("already-done", 0),
    }
