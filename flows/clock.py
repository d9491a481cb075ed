"""Now. The only place where a clock is read; London's day is worked out in schemas.instants."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from schemas.instants import LONDON as LONDON_NAME
from schemas.instants import london_day

__all__ = ["LONDON", "instant", "london_day"]
LONDON = ZoneInfo(LONDON_NAME)


def instant(as_of: str | None = None) -> datetime:
    """`as_of` (RFC 3339; without zone it is London time; a day alone is its midnight), or the present instant, in UTC."""
    if as_of is None:
        return datetime.now(UTC)
    moment = datetime.fromisoformat(as_of)
    return (moment if moment.tzinfo else moment.replace(tzinfo=LONDON)).astimezone(UTC)
