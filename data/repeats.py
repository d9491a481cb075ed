"""What became of the rows of a file that is sent again: what they brought about, and the events about it since."""

from collections.abc import Iterable

import polars as pl

from data.reader import Reader
from schemas.columns import typed
from schemas.events import PARTNERSHIP_CREATED, UNDID
from schemas.kinds.kind import Memory

# By what a row's effects are known afterwards, where it is not the record that its repeats are known by.
_TRAINING = ("participant_id", "training_period_id")
_MADE = """
SELECT e.row_number, e.event_id, e.participant_id, e.declaration_id, e.training_period_id, e.partnership_id
FROM events e WHERE e.submission_id = ? AND e.type IN ({types})
"""
_SINCE = """
SELECT e.event_id, e.happened_at, e.type, e.author, e.submission_id, e.row_number, e.line_number, x.file_name,
       e.participant_id, e.declaration_id, e.training_period_id, e.partnership_id
FROM events e LEFT JOIN submissions x ON x.submission_id = e.submission_id
WHERE e.event_id > ? AND (e.lead_provider_id = ? OR e.lead_provider_id IS NULL) AND e.type IN ({types})
  AND (e.submission_id IS NULL OR e.submission_id <> ?) AND (e.participant_id IN (SELECT id FROM made)
  OR e.declaration_id IN (SELECT id FROM made) OR e.training_period_id IN (SELECT id FROM made)
  OR e.partnership_id IN (SELECT id FROM made))
"""
# What is told of the row that brought an event about.
BY = {
    "row_number": "by_row_number", "submission_id": "by_submission_id",
    "line_number": "by_line_number", "file_name": "by_file_name",
}  # fmt: skip
CAUSES: dict[str, pl.DataType | type[pl.DataType]] = {
    "row_number": pl.Int64,
    "type": pl.String,
    "author": pl.String,
    "happened_at": pl.Datetime("us", "UTC"),
    "by_submission_id": pl.String,
    "by_row_number": pl.Int64,
    "by_line_number": pl.Int64,
    "by_file_name": pl.String,
}


def undone_since(reader: Reader, memory: Memory, submission_id: str, lead_provider_id: str) -> pl.DataFrame:
    """Of each row of a submission that brought something about, the last event since that touched it: CAUSES.

    Only this lead provider's events, DfE's and the system's: what others do is not told. Rows without one are left out.
    """
    made = typed(reader.frame(_MADE.format(types=_listed(memory.types)), submission_id))
    if made.is_empty():
        return pl.DataFrame(schema=CAUSES)
    links = _TRAINING if memory.link == "participant_id" else (memory.link,)
    ids, first = pl.concat([made[link] for link in links]), made["event_id"].min()
    since = typed(reader.frame(_SINCE.format(types=_listed(UNDID)), first, lead_provider_id, submission_id, made=ids))
    since = since.rename({**BY, "event_id": "later_id"})
    pairs = [made.select("row_number", "event_id", link).drop_nulls().join(since, on=link) for link in links]
    found = pl.concat([pair.select("event_id", "later_id", *CAUSES) for pair in pairs])
    after = found.filter(pl.col("later_id") > pl.col("event_id")).sort("later_id")
    return after.unique("row_number", keep="last", maintain_order=True).select(list(CAUSES))


def _listed(types: Iterable[str]) -> str:
    """Types of events, for SQL: words of ours."""
    return ", ".join(f"'{each}'" for each in types)


_STANDING = f"""
SELECT e.row_number, e.after, p.delivery_partner_id FROM events e
LEFT JOIN partnership_moves m ON m.from_partnership_id = e.partnership_id
JOIN partnerships p ON p.partnership_id = COALESCE(m.to_partnership_id, e.partnership_id)
WHERE e.submission_id = ? AND e.type = '{PARTNERSHIP_CREATED}'
"""


def partnerships_that_stand(reader: Reader, submission_id: str) -> pl.Series:
    """Numbers of the rows of a submission whose partnership stands with the delivery partner that they named, at whatever
    school: DfE may have merged theirs into another."""
    made = typed(reader.frame(_STANDING, submission_id))
    asked = pl.col("after").str.json_path_match("$.delivery_partner_id")
    return made.filter(asked == pl.col("delivery_partner_id"))["row_number"]
