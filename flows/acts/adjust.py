"""DfE adds to statements, or takes off: the adjustments of a file, all of them or none, the same file once."""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import polars as pl

from data.applying import apply_changes
from data.reader import Reader
from flows.errors import ExchangeError
from flows.installation import Installation
from schemas.adjustments import KIND
from schemas.columns import INSTANT
from schemas.events import ADJUSTMENT_ADDED, DFE_STAFF
from schemas.frames import joined
from schemas.inbound.failure import FileFailure
from schemas.inbound.form import form_rules, with_owners
from schemas.inbound.reading import Sheet, read_sheet
from schemas.rules import findings

FAULTS_SHOWN = 20
_STATEMENTS = """
SELECT s.statement_id, s.status AS statement_status, s.fee_type, c.lead_provider_id
FROM statements s JOIN contracts c ON c.contract_id = s.contract_id
"""


@dataclass(frozen=True)
class Adjusted:
    """What an adjustments file did: adjustments and their sum by lead provider id; whether it had been added before."""

    sums: list[tuple[str, int, Decimal]]
    was_there: bool = False


def add_adjustments(installation: Installation, path: Path, now: datetime) -> Adjusted:
    """Add the adjustments of a CSV (statement_id, payment_type, amount): all of them or none; the same file once.

    Raises ExchangeError naming line, rule and reason of what is wrong. Then nothing is changed.
    """
    try:
        content = path.read_bytes()
        sheet = read_sheet(content, KIND, installation.limits)
    except OSError as error:
        raise ExchangeError("NO-FILE", f"{path} cannot be read.", "Check its name.") from error
    except FileFailure as failure:
        where = f" (line {failure.line})" if failure.line else ""
        raise ExchangeError(failure.code, failure.message + where, failure.advice) from failure
    with installation.database.write() as connection:
        rows = _judged(installation.database.reader(connection), sheet, hashlib.sha256(content).hexdigest())
        if rows["was_there"].all():
            return Adjusted(_sums(rows), was_there=True)
        new = rows.filter(~pl.col("was_there"))
        made = new.select("adjustment_id", "statement_id", "payment_type", amount="pounds")
        happened = new.select(
            pl.lit(now, INSTANT).alias("happened_at"),
            pl.lit(ADJUSTMENT_ADDED).alias("type"),
            pl.lit(DFE_STAFF).alias("author"),
            "lead_provider_id",
            "statement_id",
            pl.struct("adjustment_id", "payment_type", "amount").struct.json_encode().alias("after"),
        )
        apply_changes(installation.database, connection, {"adjustments": made}, [], happened, now)
    return Adjusted(_sums(new))


def _judged(reader: Reader, sheet: Sheet, sha256: str) -> pl.DataFrame:
    """The rows with their statements, pounds (Decimal), adjustment_id, was_there. The same file makes the same ids."""
    rows = with_owners(KIND, sheet.values).with_columns(pl.col("statement_id").str.to_lowercase())
    rows = joined(rows, reader.frame(_STATEMENTS), "statement_id")
    pounds = pl.col("amount").cast(pl.Decimal(14, 2), strict=False)
    ids = [str(uuid.uuid5(uuid.NAMESPACE_OID, f"{sha256} {number}")) for number in rows["row_number"]]
    rows = rows.with_columns(pounds.alias("pounds"), pl.Series("adjustment_id", ids, dtype=pl.String))
    known = reader.frame("SELECT adjustment_id FROM adjustments")["adjustment_id"]
    rows = rows.with_columns(pl.col("adjustment_id").is_in(known.implode()).alias("was_there"))
    fresh = rows.filter(~pl.col("was_there"))  # what was added before stands, whatever its statement has become since
    found = findings((*form_rules(KIND), *KIND.rules), fresh, fresh.select(KIND.columns))
    if found.height:
        lines = found.join(rows.select("row_number", "line_number"), on="row_number", maintain_order="left")
        told = [f"line {line}: {message} ({code})" for line, message, code in
                lines.select("line_number", "message", "code").head(FAULTS_SHOWN).iter_rows()]  # fmt: skip
        more = found.height - len(told)
        raise ExchangeError(
            "ADJUSTMENTS", "Nothing was added.", "\n".join(["", *told, *([f"… and {more} more"] if more else [])])
        )
    return rows


def _sums(rows: pl.DataFrame) -> list[tuple[str, int, Decimal]]:
    """(lead provider id, adjustments, their sum in pounds)."""
    summed = rows.group_by("lead_provider_id").agg(pl.len(), pl.col("pounds").sum())
    return list(summed.sort("lead_provider_id").iter_rows())
