"""Whether anything has changed since the last round of statements that went through, and what that one told.

Records are not compared themselves, but by what cannot stay the same when they change: every act leaves an event, every load of
DfE's records a number, every file judged or purged its submission; small tables of money are compared whole. Of the day, what
statements are computed by: which deadlines are over, and which are near. A record changed by hand in the database is seen at the
latest in the next week.
"""

import hashlib
import json
from dataclasses import asdict
from datetime import date

from data.reader import Reader
from flows.installation import Installation
from flows.stamps import code, libraries
from schemas.records.tables import RECORDS
from schemas.reports import Made, StatementsRound
from transforms.money.statement import FIRST_DELIVERED

_MOVED = """
SELECT (SELECT MAX(event_id) FROM events) AS event, (SELECT MAX(import_id) FROM records_imports) AS load,
       (SELECT version_num FROM alembic_version) AS tables
"""
# Lists of what is expected and rejected rows leave no event; and housekeeping takes away what was said of them.
_JUDGED = """
SELECT status, COUNT(*) AS files, SUM(rows_total) AS row_count, MAX(processed_at) AS last_at, COUNT(purged_at) AS purged
FROM submissions GROUP BY status ORDER BY status
"""
_DEADLINES = "SELECT DISTINCT deadline_date FROM statements"
_OF_MONEY = ("lead_providers", "contracts", "bands", "band_terms", "statements", "adjustments")


def inputs_of(installation: Installation, reader: Reader, today: date) -> list[str]:
    """What statements are computed from, but for their versions; of the state that `reader` reads."""
    settings = installation.settings
    ordered = [each.slug for each in installation.lead_providers() if settings.shares_are_ordered(each.slug)]
    tables = [f"SELECT * FROM {name} ORDER BY {', '.join(RECORDS[name].key)}" for name in _OF_MONEY]
    asked = [reader.frame(question).write_csv() for question in (_MOVED, _JUDGED, *tables)]
    deadlines = [date.fromisoformat(each) for each in reader.frame(_DEADLINES)["deadline_date"]]
    return [str(_phase(deadlines, today)), code(), str(libraries()), str(ordered), *asked]


def _phase(deadlines: list[date], today: date) -> tuple[int, ...]:
    """What of the day can change a figure or a version: it stays the same between two deadlines, for a week at most."""
    passed, reached = (sum(each < today for each in deadlines), sum(each <= today for each in deadlines))
    far = sum(each > today + FIRST_DELIVERED for each in deadlines)
    return passed, reached, far, *today.isocalendar()[:2]


def recall(installation: Installation, inputs: list[str], done: StatementsRound) -> bool:
    """Tell again what the last round told, if it was made from the same. Says whether it was."""
    told = installation.rounds.told(_made_from(installation, inputs))
    if told is None:
        return False
    said = json.loads(told)
    done.held_back, done.unchanged, done.not_wanted = said["held_back"], said["unchanged"], said["not_wanted"]
    done.standing = [Made(**{**each, "overflown": tuple(each["overflown"])}) for each in said["standing"]]
    return True


def remember(installation: Installation, inputs: list[str], done: StatementsRound) -> None:
    """All that this round made is promised: the next has nothing to compute, if nothing changes. The caller holds statements."""
    told = {
        "held_back": done.held_back,
        "unchanged": done.unchanged + len(done.made),
        "not_wanted": done.not_wanted,
        "standing": [asdict(each) for each in done.standing],
    }
    installation.rounds.keep(_made_from(installation, inputs), json.dumps(told))


def _made_from(installation: Installation, inputs: list[str]) -> str:
    versions = sorted(str(each) for each in installation.versions.last_of_all().items())
    return hashlib.sha256("\0".join([*inputs, *versions]).encode()).hexdigest()
