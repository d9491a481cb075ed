"""Instants as people give them; London's day is worked out in schemas.instants."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from schemas.instants import LONDON as LONDON_NAME
from schemas.instants import rfc3339

LONDON = ZoneInfo(LONDON_NAME)


def rehearsed(as_of: str | None) -> datetime | None:
    """The instant of a rehearsal, or None: then it is now, by the clock of the database (flows.installation)."""
    return None if as_of is None else instant(as_of)


def instant(as_of: str | None = None) -> datetime:
    """`as_of` (RFC 3339; without zone it is London time; a day alone is its midnight), or the present instant, in UTC."""
    if as_of is None:
        return datetime.now(UTC)
    moment = datetime.fromisoformat(as_of)
    return (moment if moment.tzinfo else moment.replace(tzinfo=LONDON)).astimezone(UTC)


def to_the_second(moment: datetime) -> str:
    """An instant for a line to operators: RFC 3339 in UTC, without fractions of a second."""
    return rfc3339(moment.replace(microsecond=0))
