"""People whose records DfE has merged: the one that is there now, at the end of whatever chain."""

import polars as pl

from data.reader import Reader


def survivors(changes: pl.DataFrame, there: pl.Series) -> dict[str, str]:
    """Old id → the id that it leads to, at once or through others, and that is there. changes: columns old, new, at."""
    latest = dict(changes.sort("at").select("old", "new").iter_rows())
    present, found = set(there), {}
    for old in latest:
        if old in present:
            continue
        at, seen = latest[old], {old}
        while at not in present and at in latest and at not in seen:
            seen.add(at)
            at = latest[at]
        if at in present:
            found[old] = at
    return found


_CHANGES = """
SELECT c.from_participant_id, c.to_participant_id, c.changed_at FROM naming n CROSS JOIN participant_id_changes c
WHERE c.from_participant_id = n.id
"""


_PRESENT = "SELECT p.participant_id FROM naming n CROSS JOIN participants p WHERE p.participant_id = n.id"


def surviving_participants(reader: Reader, ids: pl.Series) -> pl.DataFrame:
    """participant_id, merged_into: of those of the ids whose records DfE has merged into another's, the one that is there
    now, at the end of whatever chain."""
    ids = ids.drop_nulls().unique().sort()
    schema = {"participant_id": pl.String, "merged_into": pl.String}
    if ids.is_empty():
        return pl.DataFrame(schema=schema)
    parts = [reader.frame(_CHANGES, naming=ids)]
    asked = parts[0]["from_participant_id"].unique()  # of a file's many ids, the few that were merged
    while (pending := _not_in(parts[-1]["to_participant_id"], asked)).len():
        parts.append(reader.frame(_CHANGES, naming=pending))
        asked = pl.concat([asked, pending])
    changes = pl.concat(parts)
    if changes.is_empty():
        return pl.DataFrame(schema=schema)
    there = reader.frame(_PRESENT, naming=asked)["participant_id"]
    led = survivors(changes.select(old="from_participant_id", new="to_participant_id", at="changed_at"), there)
    found = pl.DataFrame({"participant_id": list(led), "merged_into": list(led.values())}, schema=schema)
    return found.filter(pl.col("participant_id").is_in(ids.implode()))


def _not_in(ids: pl.Series, known: pl.Series) -> pl.Series:
    ids = ids.unique().sort()
    return ids.filter(~ids.is_in(known.implode()))
