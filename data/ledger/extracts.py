"""Extracts that were made, and those that were asked for."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from data.ledger.asking import Asking
from data.tables import deliveries, extract_requests, extract_sets


@dataclass(frozen=True)
class ExtractSet:
    """An extract that was made. path: the folder of its change set in the mailbox; None with the first. See
    data.tables.extract_sets."""

    lead_provider_id: str
    number: int
    as_of: datetime
    sha256: str
    path: str | None


_SET = [extract_sets.c[name] for name in ExtractSet.__dataclass_fields__]


class Extracts(Asking):
    """See data.tables.extract_sets and extract_requests."""

    def last_of_all(self) -> dict[str, ExtractSet]:
        """The last extract of every lead provider that has one."""
        c = extract_sets.c
        last = select(c.lead_provider_id, func.max(c.number).label("number")).group_by(c.lead_provider_id).subquery()
        same = (c.lead_provider_id == last.c.lead_provider_id) & (c.number == last.c.number)
        return {row[0]: ExtractSet(*row) for row in self._all(select(*_SET).join(last, same))}

    def change_sets(self) -> dict[str, list[str]]:
        """Lead provider → folders of all its change sets that are kept, by name."""
        c = extract_sets.c
        found: dict[str, list[str]] = {}
        query = select(c.lead_provider_id, c.path).where(c.path.is_not(None), c.purged_at.is_(None))
        for lead_provider_id, path in self._all(query.order_by(c.path)):
            found.setdefault(lead_provider_id, []).append(path)
        return found

    def last_names(self) -> dict[str, str]:
        """Lead provider → the last, by name, of all folders of change sets that it was ever given."""
        c = extract_sets.c
        rows = self._all(
            select(c.lead_provider_id, func.max(c.path)).where(c.path.is_not(None)).group_by(c.lead_provider_id)
        )
        return dict(map(tuple, rows))

    def requests(self) -> dict[str, list[str]]:
        """Lead provider → submissions whose requests no extract has answered yet."""
        c = extract_requests.c
        found: dict[str, list[str]] = {}
        query = select(c.lead_provider_id, c.submission_id).where(c.number.is_(None)).distinct()
        for lead_provider_id, submission_id in self._all(query.order_by(c.submission_id)):
            found.setdefault(lead_provider_id, []).append(submission_id)
        return found

    @staticmethod
    def add(connection: Connection, made: ExtractSet, rows: dict[str, Any], answers: list[str]) -> None:
        """Write down an extract, and which requests it answers (submissions)."""
        values = {name: getattr(made, name) for name in ExtractSet.__dataclass_fields__}
        connection.execute(insert(extract_sets).values(**values, rows=json.dumps(rows)))
        for submission_id in answers:
            which = extract_requests.c.submission_id == submission_id
            connection.execute(update(extract_requests).where(which).values(number=made.number))

    def aged(self, before: datetime) -> list[ExtractSet]:
        """Extracts made before an instant whose change sets are delivered, and still kept; oldest first."""
        c, d = extract_sets.c, deliveries.c
        owed = select(d.path).where(
            d.lead_provider_id == c.lead_provider_id, d.path == c.path, d.delivered_at.is_(None)
        )
        query = select(*_SET).where(c.as_of < before, c.path.is_not(None), c.purged_at.is_(None), ~owed.exists())
        return [ExtractSet(*row) for row in self._all(query.order_by(c.as_of, c.number))]

    def purged(self, made: ExtractSet, now: datetime) -> None:
        """Write down that a change set is gone."""
        c = extract_sets.c
        which = (c.lead_provider_id == made.lead_provider_id) & (c.number == made.number)
        with self._database.write() as connection:
            connection.execute(update(extract_sets).where(which).values(purged_at=now))
