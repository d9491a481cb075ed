"""Now, and London's day. The only place where a clock is read."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")


def instant(as_of: str | None = None) -> datetime:
    """`as_of` (RFC 3339; without zone it is London time; a day alone is its midnight), or the present instant, in UTC."""
    if as_of is None:
        return datetime.now(UTC)
    moment = datetime.fromisoformat(as_of)
    return (moment if moment.tzinfo else moment.replace(tzinfo=LONDON)).astimezone(UTC)


def london_day(moment: datetime) -> date:
    """The day in London at an instant."""
    return moment.astimezone(LONDON).date()
