"""Everything that must come out the same, fault or no fault: records, ledger, audit trail, mailboxes, stored uploads."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from data.tables import metadata
from flows.installation import open_installation
from flows.settings import Settings

# Numbers that a database gives out and never takes back, whoever was cut off in between; and when a look began, by the clock.
GIVEN_OUT = {"deliveries": "delivery_id", "events": "event_id", "records_imports": "import_id", "looks": "looked_at",
             "submissions": "applied_number"}  # fmt: skip
REMEMBERED = {"statement_rounds"}  # of which round it was: of a later one, where one was cut off


@dataclass
class State:
    """tables: name → rows as text, sorted. files: path in the mailboxes → SHA-256. uploads: SHA-256 of what is stored."""

    tables: dict[str, list[tuple[str | None, ...]]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    uploads: set[str] = field(default_factory=set)


def state_of(settings: Settings, home: Path) -> State:
    state = State()
    with open_installation(settings) as installation, installation.database.read() as reader:
        for name in metadata.tables.keys() - REMEMBERED:
            rows = reader.frame(f"SELECT * FROM {name}")
            kept = [column for column in sorted(rows.columns) if column != GIVEN_OUT.get(name)]
            state.tables[name] = sorted(rows.select(kept).iter_rows(), key=repr)
    boxes = home / "mailboxes"
    for path in boxes.rglob("*"):
        if path.is_file():
            # The front page says when it was made: that it is there is all that must come out the same.
            content = b"" if path.name == "start-here.html" else path.read_bytes()
            state.files[path.relative_to(boxes).as_posix()] = hashlib.sha256(content).hexdigest()
    uploads = home / "uploads"
    state.uploads = {path.name for path in uploads.rglob("*") if path.is_file() and not path.name.startswith(".")}
    return state


@dataclass
class Harm:
    """What a fault did that it must not: uploads that are nowhere, rows that are there more often than without it,
    submissions without a receipt, and whatever else differs (said in words)."""

    files_lost: int = 0
    rows_doubled: int = 0
    receipts_missing: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def is_none(self) -> bool:
        return not (self.files_lost or self.rows_doubled or self.receipts_missing or self.differences)


def harm(state: State, without: State) -> Harm:
    """Compare the state after faults and a clean round with the state of the same rounds without a fault."""
    found = Harm(files_lost=len(without.uploads - state.uploads))
    for name, rows in without.tables.items():
        now = state.tables[name]
        if now != rows:
            more, fewer = _beyond(now, rows), _beyond(rows, now)
            found.rows_doubled += len(more)
            found.differences.append(f"{name}: {len(more)} rows more, {len(fewer)} fewer; {more[:1]} {fewer[:1]}")
    for path in sorted(set(without.files) | set(state.files)):
        before, now = without.files.get(path), state.files.get(path)
        if before == now:
            continue
        found.receipts_missing += path.endswith("receipt.json") and now is None
        what = "is missing" if now is None else "is left over" if before is None else "differs"
        found.differences.append(f"{path} {what}")
    return found


def _beyond(rows: list[tuple[str | None, ...]], others: list[tuple[str | None, ...]]) -> list[tuple[str | None, ...]]:
    from collections import Counter

    return list((Counter(rows) - Counter(others)).elements())
