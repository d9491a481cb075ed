"""Verdicts and findings → the frames of a receipt: a line for every row, and the rejected rows to send back."""

import polars as pl

from schemas.outbound import RESULT_COLUMNS, defused
from schemas.reading import Sheet
from transforms.judging import Judgement

EXTRA_CELLS = "extra_cells"


def results(sheet: Sheet, judgement: Judgement) -> pl.DataFrame:
    """results.csv: the interface's columns, then the columns as sent. Rows in file order."""
    told = judgement.findings.group_by("row_number", maintain_order=True).agg(
        pl.col("code").unique(maintain_order=True).str.join(";").alias("rule_codes"),
        pl.col("field").unique(maintain_order=True).str.join(";").alias("fields"),
        pl.col("message").str.join(" | ").alias("messages"),
    )
    rows = sheet.values.select("row_number", "line_number")
    rows = rows.join(judgement.verdicts, on="row_number", how="left", maintain_order="left")
    rows = rows.join(told, on="row_number", how="left", maintain_order="left").select(RESULT_COLUMNS)
    return defused(pl.concat([rows, _as_sent(sheet)], how="horizontal"))


def rejected(sheet: Sheet, results: pl.DataFrame, judgement: Judgement) -> pl.DataFrame:
    """rejected.csv: the columns as sent and `errors`, the rejected rows alone."""
    told = judgement.findings.group_by("row_number", maintain_order=True).agg(
        pl.format("{} ({}): {}", "code", "field", "message").str.join(" | ").alias("errors")
    )
    rows = pl.concat([sheet.values.select("row_number"), _as_sent(sheet, "errors")], how="horizontal")
    rows = rows.filter(results["outcome"] == "rejected")
    return defused(rows.join(told, on="row_number", how="left", maintain_order="left").drop("row_number"))


def _as_sent(sheet: Sheet, *taken: str) -> pl.DataFrame:
    """The columns as sent, under names of their own: a name that is taken is put behind `sent_`."""
    used = {*(taken or RESULT_COLUMNS)}
    names: list[str | None] = []
    for place, name in enumerate(sheet.header):
        if name.lower() in ("errors", "outcome", "rule_codes"):
            names.append(None)
            continue
        shown = f"sent_{name}" if name in used else name or f"column_{place + 1}"
        while shown in used:
            shown += "_"
        used.add(shown)
        names.append(shown)
    columns = [pl.col(str(place)).alias(name) for place, name in enumerate(names) if name]
    cells = sheet.cells.select(columns)
    if sheet.extra:
        extra = pl.DataFrame({"row_number": list(sheet.extra), EXTRA_CELLS: list(sheet.extra.values())})
        numbered = sheet.values.select("row_number").join(extra, on="row_number", how="left", maintain_order="left")
        cells = cells.with_columns(numbered[EXTRA_CELLS])
    return cells


def rule_counts(findings: pl.DataFrame) -> dict[str, int]:
    """How many rows break each rule, by code."""
    counted = findings.unique(["row_number", "code"]).group_by("code").len().sort("code")
    return dict(counted.iter_rows())


def outcome_counts(verdicts: pl.DataFrame) -> dict[str, int]:
    """`total`, `accepted`, `rejected`, `already_done`."""
    counted = dict(verdicts.group_by("outcome").len().iter_rows())
    return {
        "total": verdicts.height,
        "accepted": counted.get("accepted", 0),
        "rejected": counted.get("rejected", 0),
        "already_done": counted.get("already-done", 0),
    }
