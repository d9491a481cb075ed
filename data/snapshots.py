"""DfE's records about what one file names, as frames: what its kind asks for is loaded, in a handful of questions whatever
the file's size. No kind is named here."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import polars as pl

from data.reader import Reader
from data.records.survivors import surviving_participants
from data.stated import rows_that_stand
from schemas.columns import COLUMNS, typed
from schemas.inbound.patterns import UUID_ANY_CASE
from schemas.needs import FILE, FRAMES, Ids, Need, Snapshot
from schemas.records.tables import RECORDS


@dataclass(frozen=True)
class _Way:
    """How rows of a frame are reached, where they are not simply those of its table (t).

    tables: in the order in which they are joined; where: how. by, columns: names → what they are in SQL. owner: whose.
    """

    tables: str
    where: str = ""
    by: dict[str, str] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    owner: str = "t.lead_provider_id"


_WAYS = {
    ("mentorships", ""): _Way(
        "mentorships t CROSS JOIN school_periods s",
        "s.school_period_id = t.mentor_school_period_id",
        columns={"mentor_id": "s.participant_id"},
    ),
    ("statements", ""): _Way(
        "statements t CROSS JOIN contracts c",
        "c.contract_id = t.contract_id",
        columns={"contract_period": "c.contract_period"},
        owner="c.lead_provider_id",
    ),
    # What accepted rows of files asked for; what DfE or the system did has no submission.
    ("events", ""): _Way("events t", "t.submission_id IS NOT NULL"),
    # Training without a partnership, whose school has told DfE of a lead provider.
    ("training_periods", "interest"): _Way(
        "school_periods s CROSS JOIN training_periods t",
        "t.school_period_id = s.school_period_id AND t.partnership_id IS NULL",
        by={"school_id": "s.school_id"},
        owner="t.expression_of_interest_lead_provider_id",
    ),
}


def snapshot_for(reader: Reader, needs: tuple[Need, ...], values: pl.DataFrame, lead_provider_id: str) -> Snapshot:
    """What judging a file needs. values: its rows as read, any case, any rubbish."""
    frames: dict[str, pl.DataFrame] = {}
    for need in needs:
        ids = _ids(need.among, values, frames, lead_provider_id)
        if need.among and ids.is_empty():  # there is nothing to ask
            frames.setdefault(need.frame, _nothing()[need.frame])
            continue
        found = _READERS.get(need.frame, _rows)(reader, need, ids, lead_provider_id)
        if need.frame in frames:
            key = RECORDS[need.frame].key
            found = pl.concat([frames[need.frame], found]).unique(key, keep="first", maintain_order=True)
        frames[need.frame] = found
    return Snapshot(**(_nothing() | frames))


@cache
def _nothing() -> dict[str, pl.DataFrame]:
    return {name: typed(pl.DataFrame(schema=dict.fromkeys(columns, pl.String))) for name, columns in FRAMES.items()}


def _ids(
    among: tuple[Ids, ...], values: pl.DataFrame, frames: dict[str, pl.DataFrame], lead_provider_id: str
) -> pl.Series:
    """The ids that a need names, each once."""
    found = [pl.Series(dtype=pl.String)]
    for each in among:
        if each.frame == FILE:
            column = values[each.column]
            found.append(ids_in(column) if COLUMNS[each.column].kind == "id" else column)
            continue
        rows = frames[each.frame]
        if each.own:
            rows = rows.filter(pl.col("lead_provider_id") == lead_provider_id)
        found.append((rows if each.where is None else rows.filter(each.where))[each.column])
    return pl.concat(found).drop_nulls().unique().sort()


def ids_in(column: pl.Series) -> pl.Series:
    """The ids among the cells of a column, in lower case."""
    cells = column.drop_nulls()
    return cells.filter(cells.str.contains(UUID_ANY_CASE)).str.to_lowercase()


def _rows(reader: Reader, need: Need, ids: pl.Series, lead_provider_id: str) -> pl.DataFrame:
    """The rows of a table that a need asks for."""
    way = _WAYS.get((need.frame, need.way)) or _Way(f"{need.frame} t")
    columns = ", ".join(f"{way.columns.get(name, f't.{name}')} AS {name}" for name in FRAMES[need.frame])
    named, conditions = "", [way.where] if way.where else []
    if need.by:
        named = "named n CROSS JOIN "
        conditions.append(f"{way.by.get(need.by, f't.{need.by}')} = n.id")
    if need.types:
        listed = ", ".join(f"'{each}'" for each in need.types)  # words of ours
        conditions.append(f"t.type IN ({listed})")
    if need.own:
        conditions.append(f"{way.owner} = ?")
    sql = f"SELECT {columns} FROM {named}{way.tables}" + (f" WHERE {' AND '.join(conditions)}" if conditions else "")
    lent = {"named": ids} if need.by else {}
    return typed(reader.frame(sql, *([lead_provider_id] if need.own else []), **lent))


def _survivors(reader: Reader, _need: Need, ids: pl.Series, _lead_provider_id: str) -> pl.DataFrame:
    """To each id whose record DfE has merged away, the one at the end of the chain."""
    return surviving_participants(reader, ids).rename(
        {"participant_id": "from_participant_id", "merged_into": "to_participant_id"}
    )


def _stated_before(reader: Reader, _need: Need, months: pl.Series, lead_provider_id: str) -> pl.DataFrame:
    return rows_that_stand(reader, lead_provider_id, months)


# Frames that are more than rows of a table.
_READERS: dict[str, Callable[[Reader, Need, pl.Series, str], pl.DataFrame]] = {
    "participant_id_changes": _survivors,
    "stated_before": _stated_before,
}
