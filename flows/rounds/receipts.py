"""What became of a file, written out as the receipt's folder."""

import codecs
import json
import shutil
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from data.ledger import SET_ASIDE, SubmissionRow
from data.tables import rfc3339
from schemas.inbound.reading import FileFailure, Sheet
from schemas.inbound.repeats import UNDONE_SINCE
from schemas.kinds.kind import KINDS
from schemas.outbound.receipts import RESULTS
from schemas.showing import shown_column
from sftp.durable import on_disk
from templates.rendering import INTERFACE_VERSION, as_json, digest, listing, page, write
from templates.workbook import text_sheet
from transforms.findings import Findings
from transforms.judging import Judgement
from transforms.receipts import outcome_counts, told
from transforms.updates.declarations import DECLARED_AGAIN

LAST_FILE = "receipt.json"
ROWS_ON_THE_PAGE = 100
ROWS_OF_A_WORKBOOK = 100_000
SET_ASIDE_NOTE = (
    "We have not judged this file and have put it aside: nothing in DfE's records was changed. "
    "DfE has been told. You need not send it again: once it is judged, as of when you sent it, its receipt replaces this one."
)
UNREADABLE_NOTE = (
    "We could not read this file: it was uploaded with rights that keep everybody else out. Nothing in DfE's records was "
    "changed, and we have not kept it. Let its group read it (`chmod 640` on your copy, or your program's setting for the "
    "rights of uploads) and send it again."
)
NO_ROWS = {"total": 0, "accepted": 0, "rejected": 0, "already_done": 0}


@dataclass(frozen=True)
class Outcome:
    """What became of one submission: counts of rows and of rules broken. `judgement` and `sheet` are there while its
    receipt is written, and only when its rows were judged."""

    submission: SubmissionRow
    processed_at: datetime
    failure: FileFailure | None = None
    duplicate_of: str | None = None
    sheet: Sheet | None = None
    judgement: Judgement | None = None
    notes: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=lambda: dict(NO_ROWS))
    rule_counts: dict[str, int] = field(default_factory=dict)
    set_aside: str = ""  # why it is not judged, in words for its sender

    @staticmethod
    def of_rows(
        submission: SubmissionRow, now: datetime, sheet: Sheet, judgement: Judgement, notes: list[str]
    ) -> "Outcome":
        return Outcome(
            submission,
            now,
            sheet=sheet,
            judgement=judgement,
            notes=[*sheet.notes, *notes],
            rows=outcome_counts(judgement.verdicts),
            rule_counts=dict(sorted(judgement.found.by_code.items())),
        )

    @property
    def is_repeat(self) -> bool:
        """Whether it was sent before, and its rows are told what has undone them since."""
        return set(self.rule_counts) == {UNDONE_SINCE.code}

    def without_rows(self) -> "Outcome":
        """What a round remembers of it."""
        return replace(self, sheet=None, judgement=None)

    @property
    def status(self) -> str:
        if self.set_aside:
            return SET_ASIDE
        if self.duplicate_of:
            return "duplicate"
        if self.failure or not self.rows["rejected"] < max(self.rows["total"], 1):
            return "rejected"
        return "partially-accepted" if self.rows["rejected"] else "accepted"


def received(submission: SubmissionRow) -> dict[str, Any]:
    """received.json, delivered as soon as a file is taken."""
    return {
        "submission_id": submission.submission_id,
        "file_name": submission.file_name,
        "bytes": submission.size_bytes,
        "sha256": submission.sha256,
        "received_at": rfc3339(submission.received_at),
    }


def receipt_folder(outbox: Path, submission_id: str, sha256: str) -> Path:
    """Where a receipt lies, by the SHA-256 of its receipt.json: one that replaces it lies beside it, so that whatever is cut
    off, what was promised is there as it was promised."""
    folder = outbox / f"{submission_id}.{sha256[:16]}"
    return folder if folder.is_dir() else outbox / submission_id  # as they were named before


def _put_in_place(unfinished: Path, outbox: Path, submission_id: str) -> str:
    sha256 = digest(unfinished / LAST_FILE)
    folder = outbox / f"{submission_id}.{sha256[:16]}"
    if folder.is_dir():  # the same, from a try that was cut off
        shutil.rmtree(unfinished)
    else:
        unfinished.rename(folder)
    on_disk([folder], outbox)
    return sha256


def write_receipt(outbox: Path, outcome: Outcome, provider_name: str, made_from: dict[str, Any]) -> str:
    """Write the receipt's files. Returns the SHA-256 of receipt.json. Writing it again gives the same."""
    folder = outbox / f".{outcome.submission.submission_id}.tmp"
    shutil.rmtree(folder, ignore_errors=True)
    write(folder / "received.json", as_json(received(outcome.submission)))
    if outcome.judgement and outcome.sheet:
        _write_rows(
            folder, outcome.sheet, outcome.judgement, outcome.rows["rejected"] > 0, outcome.submission.received_at
        )
    write(folder / "receipt.html", _page(outcome, provider_name))
    write(folder / LAST_FILE, as_json(_receipt(outcome, made_from) | {"files": listing(folder, LAST_FILE)}))
    return _put_in_place(folder, outbox, outcome.submission.submission_id)


ABOUT = "<h2>About this submission</h2>"


def add_note(outbox: Path, submission_id: str, sha256: str, note: str) -> str:
    """A receipt that was written before (sha256: of its receipt.json), with a note added. Returns the SHA-256 of the new
    receipt.json. Adding it again does nothing."""
    source, folder = receipt_folder(outbox, submission_id, sha256), outbox / f".{submission_id}.tmp"
    receipt = json.loads((source / LAST_FILE).read_text(encoding="utf-8"))
    if note in receipt["notes"]:
        return sha256
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    told = (folder / "receipt.html").read_text(encoding="utf-8")
    write(folder / "receipt.html", told.replace(ABOUT, f"<h2>Checksum</h2>\n<p>{note}</p>\n\n{ABOUT}", 1))
    changed = receipt | {"notes": [*receipt["notes"], note], "files": listing(folder, LAST_FILE)}
    write(folder / LAST_FILE, as_json(changed))
    return _put_in_place(folder, outbox, submission_id)


def _write_rows(folder: Path, sheet: Sheet, judgement: Judgement, any_rejected: bool, received_at: datetime) -> None:
    """results.csv, and rejected.csv where there is something in it; portion by portion. rejected.xlsx beside it, unless
    there are more rows than anybody corrects by hand."""
    first: list[pl.DataFrame] = []
    with (folder / "results.csv").open("wb") as every, (folder / "rejected.csv").open("wb") as back:
        every.write(codecs.BOM_UTF8)
        back.write(codecs.BOM_UTF8)
        for number, portion in enumerate(told(sheet, judgement)):
            RESULTS.validate(portion.results)
            portion.results.write_csv(every, include_header=number == 0)
            portion.rejected.write_csv(back, include_header=number == 0)
            if any_rejected and sum(each.height for each in first) <= ROWS_OF_A_WORKBOOK:
                first.append(portion.rejected)
    if not any_rejected:
        (folder / "rejected.csv").unlink()
    elif sum(each.height for each in first) <= ROWS_OF_A_WORKBOOK:
        (folder / "rejected.xlsx").write_bytes(text_sheet("rejected", first[0].columns, first, received_at))


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
        "notes": [*outcome.notes, *([outcome.set_aside] if outcome.set_aside else [])],
        "rule_counts": outcome.rule_counts,
        "interface_version": INTERFACE_VERSION,
        "made_from": made_from,
    }


def _page(outcome: Outcome, provider_name: str) -> str:
    again = _declared_again(outcome)
    rules: list[dict[str, Any]] = []
    shown: list[dict[str, Any]] = []
    named: tuple[str, ...] = ()
    if outcome.judgement and outcome.sheet and outcome.judgement.found.by_code:
        rules, chosen = _rules_and_first_rows(outcome.judgement.found)
        named = KINDS[outcome.submission.kind or ""].named_by
        lines = outcome.sheet.values.select(
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


def _declared_again(outcome: Outcome) -> pl.DataFrame:
    """line_number and notes of accepted rows that declare again what had been taken back."""
    if not outcome.judgement or not outcome.sheet:
        return pl.DataFrame()
    told = outcome.judgement.verdicts.filter(pl.col("notes").str.contains(DECLARED_AGAIN, literal=True))
    lines = outcome.sheet.values.select("row_number", "line_number")
    return told.select("row_number", "notes").join(lines, on="row_number", maintain_order="left")
