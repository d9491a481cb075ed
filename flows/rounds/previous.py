"""The version before, as it was written: read from the store to say what has changed since."""

import json
from decimal import Decimal
from typing import Any

import polars as pl

from flows.installation import Installation, LeadProvider
from schemas.outbound.statements import DECLARATIONS, STATEMENT
from schemas.outbound.versions import Version
from templates.folders import digest

FILES = (STATEMENT, DECLARATIONS)


def previous_tables(
    installation: Installation, provider: LeadProvider, version: Version
) -> dict[str, pl.DataFrame] | None:
    """statement.csv and declarations.csv of a version, as text, with statement_id; None when they are not what was
    delivered any more. Raises OSError where they cannot be read for another reason: that may pass."""
    folder = installation.outbox / provider.lead_provider_id / version.path
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        listed = {each["name"]: each["sha256"] for each in manifest["files"]}
        tables = {}
        for file in FILES:
            path = folder / f"{file.name}.csv"
            if digest(path) != listed[path.name]:
                return None
            table = pl.read_csv(path, infer_schema=False)
            missing = [pl.lit(None, pl.String).alias(column) for column in file.columns if column not in table.columns]
            tables[file.name] = table.with_columns(pl.lit(version.statement_id).alias("statement_id"), *missing)
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, pl.exceptions.PolarsError):
        return None
    return tables


def sums_of(lines: list[dict[str, Any]]) -> dict[str, int]:
    """Pence by section of a version's lines, as the ledger keeps them: known even when its files are gone."""
    sums: dict[str, int] = {}
    for line in lines:
        sums[line["section"]] = sums.get(line["section"], 0) + int(Decimal(line["amount"]) * 100)
    return sums
