"""A month's payment schedule for DfE finance: every lead provider's final statements in one CSV, with control totals.

Figures are those that were delivered, read from the ledger; nothing is computed anew.
"""

import json
import re
from decimal import Decimal
from typing import Any

import polars as pl

from data.ledger.versions import FinalVersion
from flows.errors import ExchangeError
from flows.installation import Installation
from schemas.outbound.defusing import defused
from schemas.vocabulary import SECTIONS

_FACTS = (
    "lead_provider_id", "lead_provider_name", "contract_period", "statement_month", "statement_id", "fee_type", "status",
    "version", "deadline_date", "payment_date",
)  # fmt: skip
COLUMNS = ("line", *_FACTS, "statements", *(section.replace("-", "_") for section in SECTIONS))


def payment_schedule(installation: Installation, month: str) -> pl.DataFrame:
    """The payable and paid statements of a month (YYYY-MM): COLUMNS, all text.

    `line` is `statement`, then `control-total` for each status and, last, for all: `statements` counts them, and the
    money columns hold their sums. Raises ExchangeError: NO-MONTH; NOT-READY where a statement that is final in the
    records has no final version yet.
    """
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month):
        raise ExchangeError("NO-MONTH", f"{month} is not a month.", "Give it as YYYY-MM, for example 2027-01.")
    finals = installation.versions.final(int(month[:4]), int(month[5:]))
    if installation.is_of_one_mailbox:
        own = {each.lead_provider_id for each in installation.lead_providers()}
        finals = [each for each in finals if each.lead_provider_id in own]
    late = [each.statement_id for each in finals if each.status != each.version_status]
    if late:
        raise ExchangeError(
            "NOT-READY",
            f"{len(late)} statements of {month} are final in the records and have no final version: {', '.join(late[:5])}.",
            "Run `ectx statements`, and see what it holds back.",
        )
    rows = [_row(each) for each in finals]
    for status in (("payable",), ("paid",), ("payable", "paid")):
        rows.append(_control([row for row in rows if row["line"] == "statement" and row["status"] in status], status))
    return defused(
        pl.DataFrame([_written(row) for row in rows], schema=dict.fromkeys(COLUMNS, pl.String)), "lead_provider_name"
    )


def _row(final: FinalVersion) -> dict[str, Any]:
    sums = {section.replace("-", "_"): Decimal() for section in SECTIONS}
    for line in json.loads(final.lines):
        sums[line["section"].replace("-", "_")] += Decimal(line["amount"])
    facts = {name: getattr(final, name) for name in _FACTS}
    return {"line": "statement", **facts, "statements": 1, **sums}


def _control(rows: list[dict[str, Any]], status: tuple[str, ...]) -> dict[str, Any]:
    money = [section.replace("-", "_") for section in SECTIONS]
    sums = {name: sum((row[name] for row in rows), Decimal()) for name in money}
    return {"line": "control-total", "status": " and ".join(status), "statements": len(rows), **sums}


def _written(row: dict[str, Any]) -> dict[str, str | None]:
    cells = {name: row.get(name) for name in COLUMNS}
    return {
        name: None if value is None else f"{value:.2f}" if isinstance(value, Decimal) else str(value)
        for name, value in cells.items()
    }
