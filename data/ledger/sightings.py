"""Sightings: since when files that are not claimed yet lay in their mailboxes whole; and looks at mailboxes."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, delete, select

from data.ledger.asking import AT_ONCE, Asking
from data.tables import looks, sightings


def _looked(lead_provider_id: str, looked_at: datetime) -> dict[str, Any]:
    return {"lead_provider_id": lead_provider_id, "looked_at": looked_at}


def _kept_or_replaced(insertion: Any, table: Table) -> Any:
    """A sighting that is there stays as it is; a look gives way to a later one."""
    if table is sightings:
        return insertion.on_conflict_do_nothing()
    later = insertion.excluded.looked_at
    key = list(table.primary_key)
    return insertion.on_conflict_do_update(
        index_elements=key, set_={"looked_at": later}, where=looks.c.looked_at < later
    )


def forget(connection: Connection, lead_provider_id: str, arrivals: list[str]) -> None:
    """Forget sightings, in the open transaction."""
    for start in range(0, len(arrivals), AT_ONCE):
        some = sightings.c.arrival.in_(arrivals[start : start + AT_ONCE])
        connection.execute(delete(sightings).where(sightings.c.lead_provider_id == lead_provider_id, some))


class Sightings(Asking):
    """See data.tables.sightings and looks."""

    def all(self) -> dict[tuple[str, str], datetime]:
        """(lead provider id, arrival) → since when it lay there whole."""
        c = sightings.c
        query = select(c.lead_provider_id, c.arrival, c.received_at)
        return {(row[0], row[1]): row[2] for row in self._all(query)}

    def changed_when_seen(self, lead_provider_id: str) -> dict[str, int | None]:
        """Arrival → the change time (microseconds since 1970) that goes with its sighting."""
        c = sightings.c
        return {
            row[0]: row[1]
            for row in self._all(select(c.arrival, c.changed).where(c.lead_provider_id == lead_provider_id))
        }

    def whole(self) -> set[tuple[str, str, int]]:
        """(lead provider id, arrival, change time) of files that the embedded server saw closed."""
        c = sightings.c
        return {tuple(row) for row in self._all(select(c.lead_provider_id, c.arrival, c.changed).where(c.is_whole))}

    def looks(self) -> dict[str, datetime]:
        """Lead provider id → when the last finished look at their mailbox began."""
        return {row[0]: row[1] for row in self._all(select(looks.c.lead_provider_id, looks.c.looked_at))}

    def saw(self, found: list[dict[str, Any]], looked: dict[str, datetime]) -> None:
        """Write down new sightings (rows of the table; one that is there already stays), and when looks began."""
        if not found and not looked:
            return
        with self._database.write() as connection:
            for rows, table in ((found, sightings), ([_looked(*each) for each in looked.items()], looks)):
                if rows:
                    connection.execute(_kept_or_replaced(self._insertion(table), table), rows)

    def saw_whole(self, found: list[dict[str, Any]]) -> None:
        """Write down what the embedded server saw closed (rows of the table): it knows best, and the last time counts."""
        if not found:
            return
        with self._database.write() as connection:
            insertion = self._insertion(sightings)
            known = {name: insertion.excluded[name] for name in ("changed", "received_at", "is_whole")}
            statement = insertion.on_conflict_do_update(index_elements=list(sightings.primary_key), set_=known)
            connection.execute(statement, found)

    def _insertion(self, table: Table) -> Any:
        """An insertion that can say what happens to a row that is there already: each dialect has its own."""
        if self._database.is_sqlite:
            from sqlalchemy.dialects.sqlite import insert

            return insert(table)
        from sqlalchemy.dialects.postgresql import insert as insert_there

        return insert_there(table)

    def forget(self, lead_provider_id: str, arrivals: list[str]) -> None:
        """Files that are gone: should one come back that looks the same, it has come anew."""
        if arrivals:
            with self._database.write() as connection:
                forget(connection, lead_provider_id, arrivals)
