"""Files checked on their sender's machine: read, judged as far as can be, told. No server, no database.

What decides is transforms.checking; here is what surrounds it: files, folders, and the shape of what is told.
"""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from schemas.inbound.failure import FileFailure
from schemas.inbound.names import kind_of
from schemas.inbound.practised import EARLIEST, FILE, asked_by
from schemas.inbound.reading import Limits, read_sheet
from schemas.inbound.unread import refused_unread
from schemas.kinds import KINDS
from schemas.kinds.kind import Kind
from schemas.needs import Snapshot
from sftp.server.names import why_refused
from transforms.changes import act_of_file
from transforms.checking.check import check
from transforms.checking.extract import FILES, snapshot_of
from transforms.checking.unsure import ALWAYS, NOT_IN_A_FILE, NOT_IN_AN_EXTRACT, ONLY_DFE, WITH_AN_EXTRACT, of_records
from transforms.receipts import portions

MANIFEST = "manifest.json"
OLD = timedelta(days=8)
_NOBODY = "00000000-0000-4000-8000-000000000000"


class CannotCheck(Exception):
    """Nothing can be judged: a file or a folder that is not there, or is not what it should be."""


@dataclass(frozen=True)
class Extract:
    """A delivered full set. records: None where a file that they are made of is missing, or not as the manifest says. warnings:
    what to know of it. is_practice: it is of a practice mailbox, whose clock stands where the extract was made."""

    lead_provider_id: str
    as_of: datetime
    records: Snapshot | None
    warnings: list[str] = field(default_factory=list)
    is_practice: bool = False


@dataclass(frozen=True)
class FileChecked:
    """What was found of one file: as `ectx check --json` has it. back: rejected.csv, where rows would be rejected."""

    path: Path
    told: dict[str, Any]
    back: bytes | None = None

    @property
    def is_clean(self) -> bool:
        return not self.told["file_errors"] and not self.told["rows"]["rejected"]


def read_extract(folder: Path, now: datetime) -> Extract:
    """Raises CannotCheck where there is no full set."""
    try:
        said = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        own, name, as_of = said["lead_provider_id"], said["lead_provider_name"], datetime.fromisoformat(said["as_of"])
        digests = {each["name"]: each["sha256"] for each in said["files"]}
    except OSError:
        raise CannotCheck(f"{folder} holds no {MANIFEST}: give the folder extracts/full as it was delivered.") from None
    except (ValueError, KeyError, TypeError):
        raise CannotCheck(f"{folder / MANIFEST} cannot be read: collect the extract again.") from None
    if said.get("what") != "full":
        raise CannotCheck(f"{folder} is no full set: give the folder extracts/full, not one of extracts/changes.")
    warnings = []
    is_practice = said.get("practice") is True
    if now - as_of > OLD and not is_practice:
        warnings.append(
            f"The extract is {(now - as_of).days} days old: what has changed since is not seen. Collect a new one."
        )
    lacking = [each for each in FILES if not _is_as_listed(folder / f"{each}.csv", digests.get(f"{each}.csv"))]
    if lacking:
        files = ", ".join(f"{each}.csv" for each in lacking)
        warnings.append(
            f"The extract is not whole: {files} is missing, or is not as {MANIFEST} says. No rule that looks at DfE's records is "
            "judged. Collect the extract again."
        )
        return Extract(own, as_of, None, warnings, is_practice)
    frames = {each: pl.read_csv(folder / f"{each}.csv", infer_schema=False) for each in FILES}
    return Extract(own, as_of, snapshot_of(frames, own, name), warnings, is_practice)


def check_file(path: Path, extract: Extract | None, now: datetime) -> FileChecked:
    """now: when it would be received, but for a file of practice whose name says it. Raises CannotCheck where the file cannot be
    read from the disk."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CannotCheck(f"{path}: {error.strerror or type(error).__name__}.") from None
    digest = hashlib.sha256(content).hexdigest()
    name, failure = path.name, None
    if extract and extract.is_practice:
        asked = asked_by(path.name, now, EARLIEST)
        name, failure, now = asked.name, asked.failure, asked.received_at
        if asked.act != FILE and not failure:
            return FileChecked(
                path, _told(path.name, None) | {"notes": ["It holds no rows: there is nothing to check."]}
            )
    failure = failure or refused_unread(name, why_refused(path.name), len(content), digest, None, Limits())
    kind = kind_of(name)
    if failure or kind is None:
        return _refused(path, failure)
    try:
        sheet = read_sheet(content, kind, Limits())
    except FileFailure as refused:
        return _refused(path, refused)
    own = extract.lead_provider_id if extract else _NOBODY
    act = act_of_file(f"{now:%Y%m%dT%H%M%SZ}-{kind.name}-check", own, now)
    checked = check(sheet, kind, extract.records if extract else None, act)
    has_records = extract is not None and extract.records is not None
    results = _results(checked.judgement.findings, checked.judgement.verdicts, sheet.values, checked.not_judged)
    rejected = sum(each["outcome"] == "rejected" for each in results)
    never = ONLY_DFE.items() if kind.name == "requests" else [("FILE-013", ONLY_DFE["FILE-013"])]
    told = {
        "file": path.name,
        "kind": kind.name,
        "file_errors": [],
        "rows": {"total": len(results), "passed": len(results) - rejected, "rejected": rejected},
        "not_judged": [{"code": code, "why": why} for code, why in (*never, *_at_all(kind.name, has_records))],
        "notes": list(sheet.notes),
        "results": results,
    }
    return FileChecked(path, told, _to_send_back(checked.judgement) if rejected else None)


def _at_all(kind: str, has_records: bool) -> list[tuple[str, str]]:
    """Rules that are judged of no row, and why."""
    if not has_records:
        return [(code, ONLY_DFE.get(code, NOT_IN_A_FILE)) for code in of_records(KINDS[kind]) if code not in ONLY_DFE]
    never = [code for code, when in WITH_AN_EXTRACT.get(kind, {}).items() if when.meta.eq(ALWAYS)]
    return [(code, NOT_IN_AN_EXTRACT) for code in never if code not in ONLY_DFE]


def _is_as_listed(path: Path, sha256: str | None) -> bool:
    try:
        return sha256 is not None and hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    except OSError:
        return False


def _refused(path: Path, failure: FileFailure | None) -> FileChecked:
    assert failure is not None  # a name of no kind is refused
    error = {"code": failure.code, "message": failure.message, "advice": failure.advice, "line": failure.line}
    return FileChecked(path, _told(path.name, kind_of(path.name)) | {"file_errors": [error]})


def _told(file_name: str, kind: Kind | None) -> dict[str, Any]:
    """What is told of a file of which no row was judged."""
    return {
        "file": file_name, "kind": kind.name if kind else None, "file_errors": [],
        "rows": {"total": 0, "passed": 0, "rejected": 0}, "not_judged": [], "notes": [], "results": [],
    }  # fmt: skip


def _results(
    findings: pl.DataFrame, verdicts: pl.DataFrame, values: pl.DataFrame, not_judged: pl.DataFrame
) -> list[dict[str, Any]]:
    lists = findings.group_by("row_number", maintain_order=True).agg(
        rule_codes="code", fields="field", messages="message"
    )
    rows = values.select("row_number", "line_number").join(lists, on="row_number", how="left", maintain_order="left")
    rows = rows.join(not_judged.rename({"codes": "not_judged"}), on="row_number", how="left", maintain_order="left")
    rows = rows.join(
        verdicts.select("row_number", outcome="outcome"), on="row_number", how="left", maintain_order="left"
    )
    outcome = pl.when(outcome="rejected").then(pl.lit("rejected")).otherwise(pl.lit("passes"))
    names = ("rule_codes", "fields", "messages", "not_judged")
    return rows.select(
        "row_number", "line_number", outcome.alias("outcome"), *(pl.col(name).fill_null([]) for name in names)
    ).to_dicts()


def _to_send_back(judgement: Any) -> bytes:
    """rejected.csv, as a receipt has it."""
    parts = [portion.rejected for portion in portions(judgement)]
    return b"\xef\xbb\xbf" + pl.concat(parts).write_csv().encode()
