"""What operators read of a load of DfE's records, and of a replay. Ids and columns, no values."""

import polars as pl

from schemas.reports import Imported, Replayed

SHOWN = 20  # of a long list


def replay_report(done: Replayed) -> str:
    """What a replay found: tables and counts."""
    head = f"{done.extracts} extracts and {done.files:,} files replayed, {done.rows:,} rows compared."
    if not done.different:
        return f"{head}\nThe end state is the same."
    told = [
        f"{name}: {ours:,} rows only here, {theirs:,} only in the replay"
        for name, (ours, theirs) in done.different.items()
    ]
    return "\n".join([head, *told])


def import_report(done: Imported) -> str:
    """What a load of DfE's records did, and what it kept or gave up of accepted updates. Ids and columns, no values."""
    parts = ["\n".join(f"{name}: {count:,} rows" for name, count in done.counts.items())]
    kept, overruled = done.reconciled.kept, done.reconciled.overruled
    if kept.height:
        parts.append("Kept, accepted here and not known to this extract yet:\n" + "\n".join(_changes_by_table(kept)))
    if overruled.height:
        parts.append(
            "Given up to DfE's word, which differs from what was accepted here:\n"
            + "\n".join([*_changes_by_table(overruled), *_listed(overruled)])
        )
    if done.reconciled.rehoused.height:
        moved = done.reconciled.rehoused.select("record_id", "column", "after").iter_rows()
        lines = [
            f"  {record} {'into partnership' if column == '*' else 'to school'} {after}"
            for record, column, after in moved
        ]
        more = [f"  … and {len(lines) - SHOWN:,} more"] if len(lines) > SHOWN else []
        parts.append("Partnerships that moved with schools that DfE has merged:\n" + "\n".join(lines[:SHOWN] + more))
    if done.reconciled.orphaned.height:
        count = done.reconciled.orphaned.height
        parts.append(
            f"Training whose school DfE has merged, and that has no partnership there: it keeps the one that it had, for "
            f"something was declared on it ({count:,}):\n"
            + "\n".join(f"  {each}" for each in done.reconciled.orphaned["training_period_id"].head(SHOWN))
        )
    for doubt in done.doubts:
        more = [f"  … and {len(doubt.cases) - SHOWN:,} more"] if len(doubt.cases) > SHOWN else []
        lines = [f"  {case}" for case in doubt.cases[:SHOWN]]
        parts.append(f"To be looked at. {doubt.what} ({len(doubt.cases):,}):\n" + "\n".join(lines + more))
    if done.attached.eligible:
        parts.append(f"Submitted declarations that became eligible, now on a statement: {done.attached.eligible:,}")
    nowhere = done.attached.nowhere
    if nowhere:
        lines = [f"  {declaration} (contract period {year})" for declaration, year in nowhere[:SHOWN]]
        more = [f"  … and {len(nowhere) - SHOWN:,} more"] if len(nowhere) > SHOWN else []
        parts.append(
            f"Eligible, but with no open statement to go to; they stay submitted: {len(nowhere):,}\n"
            + "\n".join(lines + more)
        )
    return "\n\n".join(parts)


def _changes_by_table(changes: pl.DataFrame) -> list[str]:
    counted = changes.group_by("table", maintain_order=True).agg(pl.col("record_id").n_unique())
    return [f"  {table}: {count:,} {'record' if count == 1 else 'records'}" for table, count in counted.iter_rows()]


def _listed(changes: pl.DataFrame) -> list[str]:
    columns = pl.col("column").replace("*", "removed by DfE").str.join(", ")
    found = changes.group_by("table", "record_id", maintain_order=True).agg(columns)
    lines = [f"  {table} {record}: {column}" for table, record, column in found.head(SHOWN).iter_rows()]
    return lines + (
        [f"  … and {found.height - SHOWN:,} more; `ectx history` tells each"] if found.height > SHOWN else []
    )
