"""Whether anything has changed for a lead provider since its last round of statements that went through, and what that one told.

Records are not compared themselves, but by what cannot stay the same when they change: every act leaves an event, every load of
DfE's records a number, every file judged or purged its submission; small tables of money are compared whole. Of the day, what
statements are computed by: which deadlines are over, and which are near. A record changed by hand in the database is seen at the
latest in the next week.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date

import polars as pl

from data.reader import Reader
from flows.installation import Installation, LeadProvider
from flows.stamps import code, libraries
from schemas.records.tables import RECORDS
from schemas.reports import Made
from transforms.money.statement import FIRST_DELIVERED

_MOVED = """
SELECT (SELECT MAX(event_id) FROM events) AS event, (SELECT MAX(import_id) FROM records_imports) AS load,
       (SELECT version_num FROM alembic_version) AS tables
"""
# Lists of what is expected and rejected rows leave no event; and housekeeping takes away what was said of them.
_JUDGED = """
SELECT lead_provider_id, status, COUNT(*) AS files, SUM(rows_total) AS row_count, MAX(processed_at) AS last_at,
       COUNT(purged_at) AS purged
FROM submissions GROUP BY lead_provider_id, status ORDER BY lead_provider_id, status
"""
_OF_MONEY = ("lead_providers", "contracts", "bands", "band_terms", "statements", "adjustments")
# Whose a row of them is, where it does not say so itself: by what it names.
_NAMES = {"band_terms": "contract_id", "statements": "contract_id", "adjustments": "statement_id"}


@dataclass(frozen=True)
class Inputs:
    """What statements are computed from, but for their versions. Lead provider id → that; statement_id → lead provider id."""

    of: dict[str, list[str]]
    owner: dict[str, str]


@dataclass
class Told:
    """What a round tells of one lead provider's statements."""

    held_back: list[str]
    unchanged: int
    not_wanted: int
    standing: list[Made]


def inputs_of(installation: Installation, reader: Reader, providers: Iterable[LeadProvider], today: date) -> Inputs:
    """Of the state that `reader` reads."""
    tables = {name: reader.frame(f"SELECT * FROM {name} ORDER BY {', '.join(RECORDS[name].key)}") for name in _OF_MONEY}
    whose = {"contract_id": tables["contracts"].select("contract_id", "lead_provider_id")}
    for name, key in _NAMES.items():
        tables[name] = tables[name].join(whose[key], on=key, how="left", maintain_order="left")
        if name == "statements":
            whose["statement_id"] = tables[name].select("statement_id", "lead_provider_id")
    parts = [_parts(frame) for frame in (*tables.values(), reader.frame(_JUDGED))]
    deadlines = [date.fromisoformat(each) for each in tables["statements"]["deadline_date"].unique()]
    # Events are everybody's: what one lead provider does to a participant, another's differences may tell.
    common = [str(_phase(deadlines, today)), code(), str(libraries()), reader.frame(_MOVED).write_csv()]
    of = {}
    for each in providers:
        is_ordered = installation.settings.shares_are_ordered(each.slug)
        of[each.lead_provider_id] = [*common, str(is_ordered), *(part.get(each.lead_provider_id, "") for part in parts)]
    return Inputs(of, dict(whose["statement_id"].iter_rows()))


def _parts(frame: pl.DataFrame) -> dict[str, str]:
    """A table by lead provider, each part as CSV."""
    parts = frame.partition_by("lead_provider_id", as_dict=True, maintain_order=True)
    return {str(own): part.write_csv() for (own,), part in parts.items()}


def _phase(deadlines: list[date], today: date) -> tuple[int, ...]:
    """What of the day can change a figure or a version: it stays the same between two deadlines, for a week at most."""
    passed, reached = (sum(each < today for each in deadlines), sum(each <= today for each in deadlines))
    far = sum(each > today + FIRST_DELIVERED for each in deadlines)
    return passed, reached, far, *today.isocalendar()[:2]


def recall(installation: Installation, inputs: Inputs) -> dict[str, Told]:
    """What the last rounds told of the lead providers for whom they were made from the same."""
    made_from, last = _made_from(installation, inputs), installation.rounds.told()
    same = {own: last[own][1] for own, digest in made_from.items() if own in last and last[own][0] == digest}
    return {own: _read(told) for own, told in same.items()}


def _read(told: str) -> Told:
    said = json.loads(told)
    standing = [Made(**{**each, "overflown": tuple(each["overflown"])}) for each in said["standing"]]
    return Told(**{**said, "standing": standing})


def remember(installation: Installation, inputs: Inputs, told: dict[str, Told]) -> None:
    """All that this round made of these lead providers is promised: the next has nothing to compute, if nothing changes. The caller
    holds their statements."""
    made_from = _made_from(installation, inputs)
    installation.rounds.keep({own: (made_from[own], json.dumps(asdict(each))) for own, each in told.items()})


def _made_from(installation: Installation, inputs: Inputs) -> dict[str, str]:
    """Lead provider id → a digest of its inputs and the versions that it has."""
    versions: dict[str, list[str]] = {}
    for statement_id, last in sorted(installation.versions.last_of_all().items()):
        versions.setdefault(inputs.owner.get(statement_id, ""), []).append(f"{statement_id} {last}")
    return {
        own: hashlib.sha256("\0".join([*given, *versions.get(own, [])]).encode()).hexdigest()
        for own, given in inputs.of.items()
    }
