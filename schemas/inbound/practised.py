"""What the name of a file asks of a practice service (interface, Practice): to be received at an instant, to move statements on, to
start a mailbox afresh. A service that is not for practice refuses such names (schemas.inbound.unread, rule FILE-001).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from schemas.inbound.failure import FileFailure
from schemas.inbound.names import kind_of
from schemas.instants import in_london, london_day, long_day, start_of_london_day

FILE, STATEMENTS, RESET = "file", "statements", "reset"
RESET_NAME = "reset.csv"
_ENDING = ".csv"
_INSTANT, _DAY = "%Y-%m-%dT%H-%M-%SZ", "%Y-%m-%d"
_SHAPES = {_INSTANT: r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ", _DAY: r"\d{4}-\d\d-\d\d"}
# The years that calendars and contracts may be of.
_FIRST_YEAR, _AFTER_LAST_YEAR = 2021, 2100
EARLIEST = datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC)
FILE_EXAMPLE, STATEMENTS_EXAMPLE = "declarations@2026-03-24T10-00-00Z.csv", "statements@2026-04-01.csv"
_AS_FILE = f"KIND@YYYY-MM-DDTHH-MM-SSZ.csv, as in {FILE_EXAMPLE} (the time in UTC)"
_AS_STATEMENTS = f"statements@YYYY-MM-DD.csv, as in {STATEMENTS_EXAMPLE}"


@dataclass(frozen=True)
class Asked:
    """What a file asks of a practice mailbox. name: as any service reads it, the clock taken out. received_at: the instant at
    which it is received. sets_clock: whether it moves the mailbox's clock there. failure: why nothing is done."""

    act: str
    name: str
    received_at: datetime
    sets_clock: bool = False
    failure: FileFailure | None = None


def asked_by(file_name: str, clock: datetime, earliest: datetime | None = None) -> Asked:
    """clock: the mailbox's, which never goes back. earliest: where it may begin, while it has not; None: it has. Asked again with
    what came of it as the clock, the answer is the same."""
    floor = earliest or clock
    stem, is_csv = _stem(file_name)
    bare, at, when = stem.rpartition("@")
    if is_csv and file_name.lower() == RESET_NAME:
        return Asked(RESET, file_name, clock)
    if is_csv and (stem.lower() == STATEMENTS or bare.lower() == STATEMENTS):
        return _statements(file_name, when if at else "", clock, floor)
    if not (is_csv and at):
        return Asked(FILE, file_name, clock)
    name = f"{bare}{file_name[-len(_ENDING) :]}"
    moment = _read(when, _INSTANT)
    if moment is None or kind_of(name) is None:
        return Asked(FILE, name, clock, failure=_misnamed(name, when))
    if moment < floor:
        return Asked(FILE, name, clock, failure=_goes_back(floor))
    return Asked(FILE, name, moment, sets_clock=True)


def _stem(file_name: str) -> tuple[str, bool]:
    is_csv = file_name.lower().endswith(_ENDING)
    return (file_name[: -len(_ENDING)], True) if is_csv else (file_name, False)


def _statements(file_name: str, when: str, clock: datetime, floor: datetime) -> Asked:
    moment = _read(when, _DAY)
    if moment is None:
        what = "By its name this file moves statements on, and we cannot read the day in it."
        return Asked(STATEMENTS, file_name, clock, failure=FileFailure("FILE-001", what, f"Name it {_AS_STATEMENTS}."))
    day = moment.date()
    if day < london_day(floor):
        return Asked(STATEMENTS, file_name, clock, failure=_goes_back(floor))
    return Asked(STATEMENTS, file_name, max(floor, start_of_london_day(day).astimezone(UTC)), sets_clock=True)


def _read(when: str, pattern: str) -> datetime | None:
    """An instant in UTC, as a name has it; None where it is not written so, or is no such day or time."""
    if not re.fullmatch(_SHAPES[pattern], when, re.IGNORECASE | re.ASCII):
        return None
    try:
        moment = datetime.strptime(when.upper(), pattern).replace(tzinfo=UTC)
    except ValueError:
        return None
    return moment if _FIRST_YEAR <= moment.year < _AFTER_LAST_YEAR else None


def _misnamed(name: str, when: str) -> FileFailure:
    if kind_of(name) is None:
        return FileFailure(
            "FILE-001",
            "A name with @ carries the clock of practice, and this one begins with no kind of file.",
            f"Name it {_AS_FILE}; to move statements on, {_AS_STATEMENTS}.",
        )
    is_day = _read(when, _DAY) is not None
    what = "has a day and no time" if is_day else "cannot be read"
    return FileFailure("FILE-001", f"The clock in the file's name {what}.", f"Name it {_AS_FILE}.")


def _goes_back(clock: datetime) -> FileFailure:
    return FileFailure(
        "FILE-001",
        f"This practice mailbox has come to {in_london(clock)} (London time), and its clock never goes back.",
        f"Give the file that instant or a later one; or send {RESET_NAME}, an empty file, which starts the mailbox afresh.",
    )


def not_empty(act: str) -> FileFailure:
    """Of a file that asks for something by its name alone, and holds something all the same."""
    named = RESET_NAME if act == RESET else "statements@YYYY-MM-DD.csv"
    return FileFailure(
        "FILE-001",
        f"A file named {named} is empty, and this one is not. So that nothing is lost by a slip, nothing was done.",
        "Send it empty; or name it by its kind, if it holds rows.",
    )


def done_by(asked: Asked) -> str:
    """What a file that holds no rows has brought about, in words for its sender."""
    if asked.act == RESET:
        return (
            "This practice mailbox has started afresh: its records are as they were at the beginning, and all that was sent and "
            "delivered before is gone."
        )
    day = long_day(london_day(asked.received_at))
    return (
        f"It is {day} in this practice mailbox now. Statements, extracts and guidance are as they would be on that morning; "
        "statements whose payment date has come are paid."
    )


def clock_from(received: Iterable[tuple[str, datetime, str]], began: datetime) -> datetime:
    """The present instant of a practice mailbox: it stands where the last file was received, and begins where its records do.

    received: file name, when received, status (schemas.submission) of all that it ever received. began: of which its records speak.
    """
    return max(_counting(received), default=began)


def has_begun(received: Iterable[tuple[str, datetime, str]]) -> bool:
    """Whether a file has moved the clock."""
    return any(True for _ in _counting(received))


def _counting(received: Iterable[tuple[str, datetime, str]]) -> Iterator[datetime]:
    return (moment for name, moment, status in received if _counts(asked_by(name, moment), status))


def _counts(asked: Asked, status: str) -> bool:
    """A reset leaves the clock alone, and so does what is refused for its name, or for what an empty file holds."""
    if asked.failure or asked.act == RESET:
        return False
    return asked.act == FILE or status != "rejected"
