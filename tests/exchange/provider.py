"""What a lead provider does, for tests: rows that DfE would accept, files in to-dfe, receipts collected."""

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from flows.acts.authorise import authorise
from flows.clock import instant
from flows.installation import Installation, LeadProvider
from flows.rounds.rehearsal import acceptable
from tests.conftest import NOW
from transforms.money.statement import Statement

_TRAINED = """
SELECT DISTINCT sp.participant_id
FROM training_periods tp
JOIN partnerships p ON p.partnership_id = tp.partnership_id
JOIN school_periods sp ON sp.school_period_id = tp.school_period_id
WHERE p.lead_provider_id = ? AND p.contract_period IN (2025, 2026) AND sp.participant_type = 'ect'
ORDER BY sp.participant_id
"""


def acceptable_rows(installation: Installation, provider: LeadProvider) -> pl.DataFrame:
    """Rows of `retained-4` and `started` that the rules accept at NOW."""
    with installation.database.read() as reader:
        people = reader.frame(_TRAINED, provider.lead_provider_id)
        found = []
        for declaration_type in ("started", "retained-4"):
            rows = people.select(
                "participant_id",
                pl.lit("ecf-induction").alias("course_identifier"),
                pl.lit(declaration_type).alias("declaration_type"),
                pl.lit("2026-12-10T14:00:00Z").alias("declaration_date"),
                pl.lit("other").alias("evidence_held"),
            )
            found.append(acceptable(reader, "declarations", rows, provider.lead_provider_id, instant(NOW)))
    return pl.concat(found).unique("participant_id", keep="first", maintain_order=True)


def box(installation: Installation, provider: LeadProvider) -> Path:
    installation.mailbox(provider.slug)
    return installation.settings.home / "mailboxes" / provider.slug


def put(installation: Installation, provider: LeadProvider, name: str, content: bytes | str) -> Path:
    path = box(installation, provider) / "to-dfe" / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def receipts(installation: Installation, provider: LeadProvider) -> dict[str, dict[str, Any]]:
    """Receipts by file name; of files of one name, the latest."""
    found = sorted(box(installation, provider).glob("from-dfe/receipts/*/receipt.json"))
    read = [json.loads(path.read_text()) | {"folder": path.parent} for path in found]
    return {receipt["file_name"]: receipt for receipt in read}


def results(receipt: dict[str, Any], name: str = "results.csv") -> pl.DataFrame:
    return pl.read_csv(receipt["folder"] / name, infer_schema=False)


def pay(installation: Installation, statement_id: str, now: datetime) -> tuple[Statement, str]:
    """Authorise a statement as somebody does who has read what was last delivered."""
    newest = installation.versions.newest(statement_id)
    return authorise(installation, statement_id, newest.total if newest else Decimal(), now)
