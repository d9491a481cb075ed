"""What became of a file, written out as the receipt's files: what every row is told, and the page that says it to people."""

import codecs
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from schemas.instants import rfc3339
from schemas.kinds import KINDS
from schemas.outbound.receipts import demand_as_promised
from schemas.showing import shown_column
from schemas.submission import Outcome, Submission
from templates.folders import listing, write
from templates.practice import manifest_json
from templates.rendering import INTERFACE_VERSION, page
from templates.workbook import text_sheet
from transforms.findings import Findings
from transforms.judging import Judgement
from transforms.receipts import portions
from transforms.updates.declarations import DECLARED_AGAIN

LAST_FILE = "receipt.json"
PAGE = "receipt.html"
ROWS_ON_THE_PAGE = 100
ROWS_OF_A_WORKBOOK = 100_000
ABOUT = "<h2>About this submission</h2>"


def received(submission: Submission) -> dict[str, Any]:
    """received.json, delivered as soon as a file is taken."""
    return {
        "submission_id": submission.submission_id,
        "file_name": submission.file_name,
        "bytes": submission.size_bytes,
        "sha256": submission.sha256,
        "received_at": rfc3339(submission.received_at),
    }


def write_receipt(
    folder: Path, outcome: Outcome, judgement: Judgement | None, provider_name: str, made_from: dict[str, Any]
) -> None:
    """Write the receipt's files, receipt.json last. judgement: where its rows were judged. Writing it again gives the same."""
    write(folder / "received.json", manifest_json(received(outcome.submission)))
    if judgement:
        _write_rows(folder, judgement, outcome.rows["rejected"] > 0, outcome.submission.received_at)
    write(folder / PAGE, _page(outcome, judgement, provider_name))
    write(folder / LAST_FILE, manifest_json(_receipt(outcome, made_from) | {"files": listing(folder, LAST_FILE)}))


def add_note(folder: Path, note: str) -> bool:
    """Add a note to a receipt's files. Returns whether it was not there yet."""
    receipt = json.loads((folder / LAST_FILE).read_text(encoding="utf-8"))
    if note in receipt["notes"]:
        return False
    told = (folder / PAGE).read_text(encoding="utf-8")
    write(folder / PAGE, told.replace(ABOUT, f"<h2>Checksum</h2>\n<p>{note}</p>\n\n{ABOUT}", 1))
    changed = receipt | {"notes": [*receipt["notes"], note], "files": listing(folder, LAST_FILE)}
    write(folder / LAST_FILE, manifest_json(changed))
    return True


def _write_rows(folder: Path, judgement: Judgement, any_rejected: bool, received_at: datetime) -> None:
    """results.csv, and rejected.csv where there is something in it; portion by portion. rejected.xlsx beside it, unless
    there are more rows than anybody corrects by hand."""
    first: list[pl.DataFrame] = []
    with (folder / "results.csv").open("wb") as every, (folder / "rejected.csv").open("wb") as back:
        every.write(codecs.BOM_UTF8)
        back.write(codecs.BOM_UTF8)
        for number, portion in enumerate(portions(judgement)):
            demand_as_promised(portion.results)
            portion.results.write_csv(every, include_header=number == 0)
            portion.rejected.write_csv(back, include_header=number == 0)
            if any_rejected and sum(each.height for each in first) <= ROWS_OF_A_WORKBOOK:
                first.append(portion.rejected)
    if not any_rejected:
        (folder / "rejected.csv").unlink()
    elif sum(each.height for each in first) <= ROWS_OF_A_WORKBOOK:
        (folder / "rejected.xlsx").write_bytes(text_sheet("rejected", pl.concat(first), received_at))


def _receipt(outcome: Outcome, made_from: dict[str, Any]) -> dict[str, Any]:
    submission, failure = outcome.submission, outcome.failure
    return {
        "submission_id": submission.submission_id,
        "lead_provider_id": submission.lead_provider_id,
        "kind": submission.kind,
        "file_name": submission.file_name,
        "sha256": submission.sha256,
        "bytes": submission.size_bytes,
        "received_at": rfc3339(submission.received_at),
        "processed_at": rfc3339(outcome.processed_at),
        "status": outcome.status,
        "duplicate_of": outcome.duplicate_of,
        "rows": outcome.rows,
        "file_errors": [vars(failure)] if failure else [],
        "notes": [*outcome.notes, *(said for said in (outcome.set_aside, outcome.done) if said)],
        "rule_counts": outcome.rule_counts,
        "interface_version": INTERFACE_VERSION,
        "made_from": made_from,
    }


def codes_of(receipt: dict[str, Any]) -> set[str]:
    """The rules that a receipt names, whose pages it links. receipt: as receipt.json has it."""
    return {*receipt["rule_counts"], *(each["code"] for each in receipt["file_errors"])}


def _page(outcome: Outcome, judgement: Judgement | None, provider_name: str) -> str:
    again = _declared_again(judgement)
    rules: list[dict[str, Any]] = []
    shown: list[dict[str, Any]] = []
    named: tuple[str, ...] = ()
    if judgement and judgement.found.by_code:
        rules, chosen = _rules_and_first_rows(judgement.found)
        named = KINDS[outcome.submission.kind or ""].named_by
        lines = judgement.sheet.values.select(
            "row_number", "line_number",
            pl.concat_str([shown_column(pl.col(name)) for name in named], separator=" ", ignore_nulls=True).alias("named"),
            shown_column(pl.col("your_reference")).alias("your_reference"),
        )  # fmt: skip
        chosen = chosen.join(lines, on="row_number", maintain_order="left")
        shown = chosen.group_by("row_number", "line_number", "named", "your_reference", maintain_order=True).agg(
            pl.struct("code", "field", "message").alias("findings")
        ).sort("row_number").to_dicts()  # fmt: skip
    return page(
        "receipt.html",
        outcome=outcome,
        submission=outcome.submission,
        provider_name=provider_name,
        rows=outcome.rows,
        rules=rules,
        shown=shown,
        named=" and ".join(named),
        has_workbook=0 < outcome.rows["rejected"] <= ROWS_OF_A_WORKBOOK,
        is_list=outcome.submission.kind == "expected-payments",
        any_misshapen="FILE-008" in outcome.rule_counts,
        any_reference=any(row["your_reference"] for row in shown),
        again=again.head(ROWS_ON_THE_PAGE).to_dicts(),
        again_count=again.height,
    )


def _rules_and_first_rows(found: Findings) -> tuple[list[dict[str, Any]], pl.DataFrame]:
    """(code, field, rows, example of each rule that is broken, most broken first; the findings of the first rows)."""
    examples: dict[tuple[str, str], str] = {}
    first: list[pl.DataFrame] = []
    rows = 0
    for some in found.in_order():
        for code, field_, message in some.group_by("code", "field").agg(pl.col("message").first()).iter_rows():
            examples.setdefault((code, field_), message)
        if rows < ROWS_ON_THE_PAGE:
            numbers = some["row_number"].unique(maintain_order=True).head(ROWS_ON_THE_PAGE - rows)
            first.append(some.filter(pl.col("row_number").is_in(numbers.implode())))
            rows += numbers.len()
        elif len(examples) == len(found.by_field):
            break
    rules = [
        {"code": code, "field": field_, "rows": count, "example": examples[code, field_]}
        for (code, field_), count in sorted(found.by_field.items(), key=lambda each: (-each[1], each[0]))
    ]
    return rules, pl.concat(first)


def _declared_again(judgement: Judgement | None) -> pl.DataFrame:
    """line_number and notes of accepted rows that declare again what had been taken back."""
    if not judgement:
        return pl.DataFrame()
    told = judgement.verdicts.filter(pl.col("notes").str.contains(DECLARED_AGAIN, literal=True))
    lines = judgement.sheet.values.select("row_number", "line_number")
    return told.select("row_number", "notes").join(lines, on="row_number", maintain_order="left")
