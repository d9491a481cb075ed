"""Records before and after, for tests: what was inserted, what was changed, and that nothing else was."""

from pathlib import Path

import polars as pl

from data.records.extract import export_records
from flows.installation import Installation
from schemas.records.tables import RECORDS

Differences = dict[str, dict[str, dict[str, tuple[str | None, str | None]]]]


def exported(installation: Installation, folder: Path) -> dict[str, pl.DataFrame]:
    """Every table, as the extract has it."""
    export_records(installation.database, folder)
    return {name: pl.read_csv(folder / f"{name}.csv", infer_schema=False) for name in RECORDS}


def differences(before: dict[str, pl.DataFrame], after: dict[str, pl.DataFrame]) -> Differences:
    """table → record → column → (before, after), `updated_at` apart; a new record has every column that is not null.

    No test removes a record: one that is gone fails here.
    """
    found: Differences = {}
    for name, spec in RECORDS.items():
        assert before[name].join(after[name], on=spec.key, how="anti").is_empty(), f"{name} lost records"
        changed = after[name].join(before[name], on=after[name].columns, how="anti", nulls_equal=True)
        old = {row[spec.key[0]]: row for row in before[name].to_dicts()} if changed.height else {}
        for row in changed.to_dicts():
            was = old.get(row[spec.key[0]], {})
            columns = {c: (was.get(c), row[c]) for c in row if was.get(c) != row[c] and c != "updated_at"}
            if columns:
                found.setdefault(name, {})[row[spec.key[0]]] = columns
    return found
