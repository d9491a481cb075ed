"""The golden set: small inputs, and every file that the exchange must give for them (tests/interface/README.md).

`python -m tests.interface.golden` writes golden/given anew, for what is added to the interface.
"""

import csv
import io
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import openpyxl

from tests.interface.installation import Installation, as_json

GOLDEN = Path(__file__).parent / "golden"
GIVEN = GOLDEN / "given"
LOADED, SETTLED, PAID, TAKEN_BACK = (
    "2025-11-20T09:00:00Z", "2026-01-01T00:10:00Z", "2026-01-05T10:00:00Z", "2026-01-06T10:00:00Z",
)  # fmt: skip
NIGHTS = ("2026-01-06T04:00:00Z", "2026-01-07T04:00:00Z")  # a first full set, and a change set
ADJUSTMENTS = "statement_id,payment_type,amount\n99999999-0000-4000-8000-000000000022,Travel for January,250.00\n"
FIGURES = re.compile(r"[−-]?£[0-9,]+\.[0-9]{2,6}|\b[A-Z]{4,10}-[0-9]{3}\b|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]+")


def live_through(made: Installation, folder: Path) -> None:
    """The story: records, files of every kind, a deadline, payment, a clawback; all that was given, into the folder."""
    made.ectx("records", "import", str(GOLDEN / "records"), "--as-of", LOADED)
    for moment in sorted(path.name for path in (GOLDEN / "sent").iterdir()):
        at = re.sub(r"T(..)-(..)-(..)Z", r"T\1:\2:\3Z", moment)
        for path in sorted((GOLDEN / "sent" / moment).glob("*/*")):
            made.put(path.parent.name, path.name, path.read_bytes(), at)
        made.intake(at)
        made.statements(at)
    made.statements(SETTLED)
    final = made.payments("2026-01")
    for row in final:
        if row["line"] == "statement" and row["lead_provider_name"] == "Ash Teaching":
            made.pay(row, PAID)
    made.ectx("extracts", "--as-of", NIGHTS[0])
    paid = next(each for each in made.tables()["declarations"] if each["payment_status"] == "paid")
    made.put("ash-teaching", "voids-january.csv", f"declaration_id\n{paid['declaration_id']}\n", TAKEN_BACK)
    (folder / "adjustments.csv").write_text(ADJUSTMENTS, encoding="utf-8")
    made.ectx("adjustments", str(folder / "adjustments.csv"), "--as-of", TAKEN_BACK)
    (folder / "adjustments.csv").unlink()
    made.statements(TAKEN_BACK)
    made.ectx("extracts", "--as-of", NIGHTS[1])
    (folder / "payments.csv").write_text(made.ectx("payments", "2026-01"), encoding="utf-8")
    made.ectx("records", "export", str(folder / "records"))
    for name, path in made.delivered().items():
        if "/from-dfe/guidance/" in name or name.endswith("/start-here.html"):
            continue  # made of the code and of the day: tests/guidance holds them
        target = folder / "mailboxes" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".html", ".xlsx"):
            figures = json.dumps(figures_of(path), indent=1, ensure_ascii=False)
            target.with_name(f"{path.name}.json").write_text(figures + "\n", encoding="utf-8")
        else:
            shutil.copyfile(path, target)


def figures_of(path: Path) -> Any:
    """What of a page or a workbook is held: amounts, rule codes and ids in their order; cells by sheet and column."""
    if path.suffix == ".html":
        text = re.sub(r"(?s)<style.*?</style>", "", path.read_text(encoding="utf-8"))
        return FIGURES.findall(re.sub(r"<[^>]*>", " ", text))
    return {sheet.title: _columns(sheet) for sheet in openpyxl.load_workbook(path)}


def _columns(sheet: Any) -> dict[str, list[str]]:
    """Of a sheet's table (or of the whole sheet, where it has none): column → cells as text."""
    reach = next((table.ref for table in sheet.tables.values()), sheet.dimensions)
    header, *rows = [[cell.value for cell in row] for row in sheet[reach]] if ":" in reach else [[]]
    return {str(name): [_text(row[place]) for row in rows] for place, name in enumerate(header)}


def _text(value: Any) -> str:
    return "" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)


def made_in(folder: Path, database_url: str = "") -> Path:
    """The story lived through in a folder; returns what was given."""
    given = folder / "given"
    given.mkdir(parents=True)
    live_through(Installation(folder / "home", database_url), given)
    return given


# Sentences may get better words; that they are there is the promise. Digests and what is made from may be any.
SENTENCES = {
    "messages", "notes", "errors", "reason", "what_to_do", "what_changed", "message", "advice", "description", "title",
}  # fmt: skip
RULE = re.compile(r"\b[A-Z]+-\d{3}\b")
FREE = {
    "sha256",
    "bytes",
    "rule_set",
    "calculation",
    "extracts",
    "polars",
    "pandera",
    "duckdb",
    "calendar",
    "extra_cells",
}


def section(name: str) -> str:
    """Which part of the interface a file is promised by."""
    for start, words in (
        ("receipts/", "3, Receipts"),
        ("statements/", "4, Statements"),
        ("index.csv", "4a, The index"),
        ("extracts/", "5, Extracts"),
        ("forecast/", "5, Extracts"),
    ):
        if f"from-dfe/{start}" in name:
            return f"interface {words}"
    return "interface 6, Records" if name.startswith("records/") else "README, For operators"


def broken_promises(given: Path, golden: Path = GIVEN) -> list[str]:
    """Where what is given is not what was promised: the promise, the file, what is wrong. What is added breaks nothing."""
    found = []
    for path in sorted(each for each in golden.rglob("*") if each.is_file()):
        name = path.relative_to(golden).as_posix()
        now = given / name
        if not now.is_file():
            found.append(f"{section(name)}: {name} is not given any more")
            continue
        compare = _of_csv if path.suffix == ".csv" else _of_json
        found += [f"{section(name)}: {name}: {what}" for what in compare(path, now)]
    return found


def _of_csv(golden: Path, now: Path) -> list[str]:
    was, is_now = golden.read_bytes(), now.read_bytes()
    found = []
    if was.startswith(b"\xef\xbb\xbf") != is_now.startswith(b"\xef\xbb\xbf"):
        found.append("a byte-order mark was there, or not, and now it is the other way round")
    if b"\r" in is_now and b"\r" not in was:
        found.append("lines end with more than LF")
    before, after = (list(csv.reader(io.StringIO(each.decode("utf-8-sig")))) for each in (was, is_now))
    kept = [name for name in after[0] if name in before[0]]
    if kept != before[0]:
        return [*found, f"columns {', '.join(before[0])} were promised, in this order; there are {', '.join(after[0])}"]
    if len(before) != len(after):
        return [*found, f"{len(before) - 1} rows were promised, there are {len(after) - 1}"]
    for place, name in enumerate(before[0]):
        now_at = after[0].index(name)
        for number, (old, new) in enumerate(zip(before[1:], after[1:], strict=True), 1):
            if not _same(name, old[place], new[now_at]):
                found.append(f"row {number}, {name}: {old[place]!r} was promised, it is {new[now_at]!r}")
                break
    return found


def _same(name: str, old: Any, new: Any) -> bool:
    if name in FREE:
        return True
    return _says_as_much(old, new) if name in SENTENCES else bool(old == new)


def _says_as_much(old: Any, new: Any) -> bool:
    """Words are free, but not whether there are some, nor which rules they name."""
    return bool(old) == bool(new) and set(RULE.findall(str(old))) <= set(RULE.findall(str(new)))


def _is_free(name: str) -> bool:
    """name: the path of a JSON value. At the top of a receipt the digest is of what its sender sent, who knows it."""
    return name != "sha256" and name.rsplit(".", 1)[-1] in FREE


def _of_json(golden: Path, now: Path) -> list[str]:
    was, is_now = as_json(golden), as_json(now)
    if golden.name.endswith(".html.json"):
        missing = [each for each in was if was.count(each) > is_now.count(each)]
        return [f"does not show {', '.join(dict.fromkeys(missing))} (as often) any more"] if missing else []
    return list(_of_values(was, is_now, ""))


def _of_values(old: Any, new: Any, name: str) -> list[str]:
    place = name or "the whole"
    if _is_free(name):
        return []
    if name.rsplit(".", 1)[-1] in SENTENCES:
        return (
            [] if _says_as_much(old, new) else [f"{place}: there were words, or a rule in them, and now there are not"]
        )
    if isinstance(old, dict) and isinstance(new, dict):
        gone = [f"{place}.{key} is gone" for key in old if key not in new]
        return gone + [
            each for key in old if key in new for each in _of_values(old[key], new[key], f"{name}.{key}".lstrip("."))
        ]
    if isinstance(old, list) and isinstance(new, list) and old and isinstance(old[0], dict):
        known = {each.get("name") or number: each for number, each in enumerate(new)}
        pairs = [(each, known.get(each.get("name") or number)) for number, each in enumerate(old)]
        return [
            what for each, other in pairs
            for what in (_of_values(each, other, name) if other is not None else [f"{place}: {each} is gone"])
        ]  # fmt: skip
    return [] if old == new else [f"{place}: {old!r} was promised, it is {new!r}"]


ANY = "(any)"


def _without_what_may_be_any(path: Path) -> None:
    """What hangs on the build is not published: it would change with every change of the code."""
    if path.suffix == ".json" and not path.name.endswith((".html.json", ".xlsx.json")):
        plain = json.dumps(_any(as_json(path)), indent=2, ensure_ascii=False)
        path.write_text(plain + "\n", encoding="utf-8")
    elif path.name == "index.csv":
        header, *rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8")))
        place = header.index("sha256")
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(
            [header, *([*row[:place], ANY, *row[place + 1 :]] for row in rows)]
        )
        path.write_text(out.getvalue(), encoding="utf-8")


def _any(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: ANY if _is_free(f"{name}{key}") else _any(each, f"{name}{key}.") for key, each in value.items()}
    return [_any(each, name) for each in value] if isinstance(value, list) else value


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        given = made_in(Path(folder))
        shutil.rmtree(GIVEN, ignore_errors=True)
        shutil.copytree(given, GIVEN)
    for path in GIVEN.rglob("*"):
        _without_what_may_be_any(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
