"""Requests: a lead provider asks for an extract between nights. The records do not change (flows.rounds.extracts answers)."""

import polars as pl

from schemas.columns import INSTANT
from schemas.kinds.requests import MOST_AT_ONCE, WITHIN
from schemas.needs import Snapshot
from schemas.showing import shown_column
from transforms.changes import Act, ChangeSet, instant
from transforms.facts import lower
from transforms.update import ACCEPTED, Update, note, verdicts


def facts(rows: pl.DataFrame, snapshot: Snapshot, act: Act) -> pl.DataFrame:
    """Rows with asked_lately: how many were accepted within the hour before; next_at: from when the next can be; set_as_of: of when
    the full set is that stands, null where there is none."""
    lately = snapshot.extract_requests.filter(
        (pl.col("received_at") > act.at - WITHIN) & (pl.col("received_at") <= act.at)
    )["received_at"].sort(descending=True)
    next_at = lately[MOST_AT_ONCE - 1] + WITHIN if len(lately) >= MOST_AT_ONCE else None
    stands = snapshot.extract_sets.sort("number")["as_of"]
    return lower(rows, "request").with_columns(
        request_shown=shown_column(pl.col("request")),
        asked_lately=pl.lit(len(lately)),
        next_at=pl.lit(next_at, INSTANT),
        set_as_of=pl.lit(stands[-1] if len(stands) else None, INSTANT),
    )


def effects(accepted: pl.DataFrame, _snapshot: Snapshot, act: Act) -> ChangeSet:
    """Each accepted row is kept until an extract answers it."""
    asked = accepted.select(
        pl.lit(act.submission_id).alias("submission_id"),
        "row_number",
        pl.lit(act.lead_provider_id).alias("lead_provider_id"),
        instant(act.at).alias("received_at"),
    )
    return ChangeSet({"extract_requests": asked} if asked.height else {})


def answers(rows: pl.DataFrame, _act: Act) -> pl.DataFrame:
    stands = pl.col("set_as_of").is_not_null()
    return verdicts(
        rows,
        note(ACCEPTED, "A full set in from-dfe/extracts/full/, and what changed, are delivered with this round.", rows),
        note(ACCEPTED & stands, "Until then the full set there is that of {set_as_of}.", rows),
        note(ACCEPTED & ~stands, "It is your first.", rows),
    )


UPDATE = Update(facts, effects, answers)
