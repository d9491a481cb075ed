"""How far the records had come when a file was judged, and whether anything that it was judged by has changed since.

Whatever changes a record tells it: an accepted row, a settled statement and an act of DfE by an event of the audit trail, a
load of DfE's records by a row of its own. So nothing else need be written down, and what others have done meanwhile is a
question about the events since. By owner: participants, schools, partnerships, statements; a load is everybody's.
"""

from dataclasses import dataclass

import polars as pl

from data.reader import Reader
from schemas.needs import Snapshot

_MOMENT = """
SELECT COALESCE((SELECT MAX(import_id) FROM records_imports), 0) AS loads,
       COALESCE((SELECT MAX(event_id) FROM events), 0) AS told
"""
# What is about a person is about nobody else: the statement that it may name too does not change by it.
_SINCE = """
SELECT DISTINCT e.participant_id, e.partnership_id, p.school_id,
       CASE WHEN e.participant_id IS NULL THEN e.statement_id END AS statement_id,
       CASE WHEN e.participant_id IS NULL THEN COALESCE(e.declaration_id, e.training_period_id) END AS of_somebody
FROM events e LEFT JOIN partnerships p ON p.partnership_id = e.partnership_id
WHERE e.event_id > ?
"""


@dataclass(frozen=True)
class Moment:
    """The number of the last load of DfE's records, and of the last event of the audit trail. Writers come one after another, so
    whoever commits later has the higher numbers."""

    loads: int
    told: int


def moment_of(reader: Reader) -> Moment:
    """How far the records have come, as this reader sees them."""
    found = reader.frame(_MOMENT)
    return Moment(int(found["loads"][0]), int(found["told"][0]))


@dataclass(frozen=True)
class JudgedBy:
    """What a file was judged by: how far the records had come, and whose they were.

    owners: ids (text) by the column of events that names them: participant_id, school_id (of the event's partnership),
    partnership_id, statement_id.
    """

    moment: Moment
    owners: dict[str, pl.Series]

    def changed(self, reader: Reader) -> dict[str, set[str]] | None:
        """Whose records have changed since, as far as this reader sees: ids by column, as in `owners`, of those alone that
        something happened to. Empty: nobody's. None: it may be anybody's."""
        now = moment_of(reader)
        if now == self.moment:
            return {}
        if now.loads != self.moment.loads:
            return None
        told = reader.frame(_SINCE, self.moment.told)
        if told["of_somebody"].count():  # whom it is about is not told
            return None
        both = {name: set(told[name].drop_nulls()).intersection(ids) for name, ids in self.owners.items()}
        return {name: ids for name, ids in both.items() if ids}


def judged_by(moment: Moment, snapshot: Snapshot) -> JudgedBy:
    """moment: at which the snapshot was read."""
    people = [snapshot.participants["participant_id"], snapshot.school_periods["participant_id"]]
    schools = [frame["school_id"] for frame in (snapshot.schools, snapshot.school_periods, snapshot.partnerships)]
    owners = {
        "participant_id": pl.concat(people).unique(),
        "school_id": pl.concat(schools).unique(),
        "partnership_id": snapshot.partnerships["partnership_id"],
        "statement_id": snapshot.statements["statement_id"],
    }
    return JudgedBy(moment, owners)
