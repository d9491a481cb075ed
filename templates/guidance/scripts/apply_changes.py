"""Apply a change set to the full set before it: `python apply_changes.py FULL CHANGES INTO`. Python's standard library alone.

Copy it, or take it as a start: the law of change sets is tested by this very file.
"""

import csv
import hashlib
import json
import sys
from pathlib import Path

NAMED_BY = {
    "participants": ("id", "participant_type"),
    "schools": ("id", "cohort"),
    "transfers": ("id", "training_record_id", "leaving_school_urn", "leaving_date"),
    "milestones": ("cohort", "schedule_identifier", "declaration_type"),
    "contract-periods": ("cohort",),
}
FILES = (
    "participants", "declarations", "partnerships", "schools", "delivery-partners", "unfunded-mentors", "transfers",
    "statements", "milestones", "contract-periods",
)  # fmt: skip


def rows_of(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        return list(reader.fieldnames or ()), rows


def apply(full: Path, changes: Path, into: Path) -> None:
    """full: a full set; changes: the change set that came after it; into: a folder for what it is then."""
    into.mkdir(parents=True, exist_ok=True)
    _, removed = rows_of(changes / "removed.csv")
    for name in FILES:
        key = NAMED_BY.get(name, ("id",))
        _, before = rows_of(full / f"{name}.csv")
        named = {tuple(row[each] for each in key): row for row in before}
        for row in removed:
            if row["file"] == name:
                del named[tuple(row[each] for each in key)]
        columns, changed = rows_of(changes / f"{name}.csv")
        for row in changed:
            named[tuple(row[each] for each in key)] = row
        with (into / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns[1:], extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(named[each] for each in sorted(named))


def is_whole(folder: Path) -> bool:
    """Whether a set is what its manifest says: read the manifest again afterwards, and start anew if it is another."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return all(
        hashlib.sha256((folder / each["name"]).read_bytes()).hexdigest() == each["sha256"] for each in manifest["files"]
    )


def has(folder: Path, sha256: dict[str, str]) -> bool:
    """Whether files of a folder have these checksums."""
    return all(hashlib.sha256((folder / name).read_bytes()).hexdigest() == own for name, own in sha256.items())


def main(full: Path, changes: Path, into: Path) -> None:
    said = json.loads((changes / "manifest.json").read_text(encoding="utf-8"))
    if not is_whole(changes):
        sys.exit("apply_changes: the change set is not whole: fetch it again")
    if not has(full, said["full_before"]["sha256"]):
        sys.exit("apply_changes: this is not the full set that the change set is about: take the newest full set")
    apply(full, changes, into)
    if not has(into, said["full_now"]["sha256"]):
        sys.exit("apply_changes: what came of it is not the full set of now: take the newest full set")


if __name__ == "__main__":
    main(*(Path(each) for each in sys.argv[1:4]))
