"""A day of the sample, recorded: the same inputs give the same bytes, on every build and on both databases.

    python -m tests.interface.day record FOLDER [--postgresql]
    python -m tests.interface.day compare BEFORE AFTER [--parsed]

What a change of the house must leave as it is. Recorded are every file delivered, the records taken out again, every table
of the database, and what every command said. Left out of a comparison is what names the build (`made_from`), and what
follows from it (the SHA-256 of a receipt.json and a manifest.json); workbooks are compared cell by cell. --parsed: CSV,
HTML and JSON as their readers understand them, for a change of the library that writes them.
"""

import csv
import hashlib
import io
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl

from tests.interface.installation import Installation, as_json

SCALE = "0.004"
LOADED, SENT, RESENT = "2026-11-20T09:00:00Z", "2026-12-14T10:00:00Z", "2026-12-14T15:30:00Z"
AFTER_DEADLINE, PAID, LATER, LOADED_AGAIN = (
    "2027-01-01T00:10:00Z", "2027-01-02T10:00:00Z", "2027-01-12T10:00:00Z", "2027-01-20T09:00:00Z",
)  # fmt: skip
NOBODY = "00000000-0000-4000-8000-000000000000"
EVIDENCE = (
    "other",
    "training-event-attended",
    "",
    "self-study-material-completed",
    "Nothing",
    "75-percent-engagement-met",
)
REFERENCES = ("REF-1", "=1+1", 'say "so", twice', "naïve – ☃ <b>&amp;</b>", "@SUM(A1)", "")


def sample(made: Installation, folder: Path) -> Path:
    """The sample's extract, with names that are hard to write, and three lead providers' statements not paid yet."""
    made.ectx("records", "sample", str(folder), "--scale", SCALE)
    providers = _table(folder, "lead_providers")["lead_provider_id"].head(3)
    contracts = _table(folder, "contracts")
    theirs = contracts.filter(pl.col("lead_provider_id").is_in(providers.implode()))["contract_id"]
    late = pl.col("year").cast(pl.Int64) * 100 + pl.col("month").cast(pl.Int64) > 202704
    statements = _table(folder, "statements").with_columns(
        pl.when(late | ~pl.col("contract_id").is_in(theirs.implode()))
        .then(pl.lit("paid"))
        .otherwise("status")
        .alias("status")
    )
    _write(folder, "statements", statements)
    for name, column in (("schools", "name"), ("delivery_partners", "name"), ("participants", "full_name")):
        hard = ['=HYPERLINK("x","y")', 'St "Mary", & <i>Co</i>', "O'Néill — ☃", "+44 1234", "@home", "-1+2"]
        place = pl.int_range(pl.len()) % 17
        rows = _table(folder, name)
        words = pl.lit(pl.Series(hard)).gather(place.clip(0, len(hard) - 1))
        _write(
            folder,
            name,
            rows.with_columns(
                pl.when(place < len(hard))
                .then(pl.concat_str(words, pl.col(column), separator=" "))
                .otherwise(column)
                .alias(column)
            ),
        )
    (folder / "extract.json").write_text(json.dumps({"as_of": LOADED}), encoding="utf-8")
    return folder


def _table(folder: Path, name: str) -> pl.DataFrame:
    return pl.read_csv(folder / f"{name}.csv", infer_schema=False)


def _write(folder: Path, name: str, rows: pl.DataFrame) -> None:
    rows.write_csv(folder / f"{name}.csv")


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


class Sender:
    """What one lead provider has to say on the day, made of the records alone."""

    def __init__(self, extract: Path, place: int) -> None:
        provider = _table(extract, "lead_providers").row(place, named=True)
        self.id, self.slug, self.place = provider["lead_provider_id"], _slug(provider["name"]), place
        spells = _table(extract, "school_periods").select(
            "school_period_id", "participant_id", "participant_type", "school_id"
        )
        partnerships = _table(extract, "partnerships")
        self.partnerships = partnerships.filter(pl.col("lead_provider_id") == self.id)
        self.trained = (
            _table(extract, "training_periods")
            .join(spells, on="school_period_id")
            .join(
                self.partnerships.select("partnership_id", "contract_period", "delivery_partner_id"),
                on="partnership_id",
            )
            .sort("contract_period", "training_period_id", descending=[True, False])
        )
        self.declared = (
            _table(extract, "declarations")
            .join(
                self.trained.select("training_period_id", "participant_id", "participant_type", "contract_period"),
                on="training_period_id",
            )
            .sort("declaration_id")
        )
        self.schools, self.partners = _table(extract, "schools"), _table(extract, "delivery_partners")
        self.trns = dict(_table(extract, "participants").select("participant_id", "trn").iter_rows())
        self.pairs = _table(extract, "provider_delivery_partners").filter(pl.col("lead_provider_id") == self.id)
        self.milestones = _table(extract, "milestones")

    def files(self) -> dict[str, bytes]:
        """Name → content: every kind, rows that are right and rows that are not, and files that cannot be read."""
        declarations = _csv(self.declarations())
        return {
            "declarations-december.csv": declarations,
            "Declarations (1).csv": declarations.replace(b"\n", b"\r\n").replace(b"\xe2\x98\x83", b"").decode().encode("cp1252", "replace"),
            "voids.csv": _csv(self.voids()),
            "deferrals.csv": _csv(self.stops("bereavement", 3, 30)),
            "withdrawals.csv": _csv(self.stops("moved-school", 5, 30)),
            "resumptions.csv": _csv(self.resumptions()),
            "schedule-changes.csv": _csv(self.schedule_changes()),
            "partnerships.csv": _csv(self.new_partnerships()),
            "partnership-changes.csv": _csv(self.partnership_changes()),
            "expected-payments.csv": _csv(self.expected()),
            "declarations-semicolons.csv": declarations.replace(b",", b";"),
            "declarations-old.csv": declarations.replace(b"declaration_type", b"type", 1),
            "declaration.xlsx": b"PK\x03\x04 nothing",
            "voids-empty.csv": b"",
            "voids-damaged.csv": b'declaration_id,your_reference\n4.96E+06,x\nabc,"y\nz"\n,\n1,2,3\n' + b"x\xff\n",
        }  # fmt: skip

    def declarations(self) -> list[dict[str, str]]:
        is_open = (pl.col("start_date") <= "2026-12-01") & (pl.col("milestone_date").fill_null("9999") >= "2026-12-01")
        windows: dict[tuple[str, str], list[str]] = {}
        for row in self.milestones.filter(is_open).sort("start_date", "declaration_type").iter_rows(named=True):
            windows.setdefault((row["contract_period"], row["schedule_identifier"]), []).append(row["declaration_type"])
        made = set(self.declared.select("participant_id", "participant_type", "declaration_type").iter_rows())
        rows = []
        for number, each in enumerate(self.trained.head(240).iter_rows(named=True)):
            able = windows.get((each["contract_period"], each["schedule_identifier"]), [])
            fresh = [kind for kind in able if (each["participant_id"], each["participant_type"], kind) not in made]
            kind, at = (fresh or ["started"])[0], f"2026-12-01T09:{number % 60:02}:00Z"
            wrong = number % 11 == 7
            rows.append(
                {
                    "participant_id": NOBODY if number % 37 == 5 else each["participant_id"],
                    "course_identifier": "ecf-mentor" if (each["participant_type"] == "mentor") != wrong else "ecf-induction",
                    "declaration_type": ("started", "completed", "Retained_1", "retained-4")[number % 4] if number % 5 == 2 else kind,
                    "declaration_date": ("2026-12-10", "10/12/2026", "46329.39583", "2027-02-01T00:00:00Z")[number % 4] if number % 13 == 3 else at,
                    "evidence_held": EVIDENCE[number % len(EVIDENCE)],
                    "trn": self.trns[each["participant_id"]].lstrip("0") if number % 5 == 0 and self.trns[each["participant_id"]] else ("1234567" if number % 29 == 1 else ""),
                    "your_reference": REFERENCES[number % len(REFERENCES)],
                }
            )  # fmt: skip
        return [*rows, *rows[:6]]

    def voids(self) -> list[dict[str, str]]:
        own = (
            self.declared.group_by("payment_status", "clawback_status", maintain_order=True)
            .head(8)["declaration_id"]
            .to_list()
        )
        return [{"declaration_id": each} for each in [*own, NOBODY, own[0], ""]]

    def stops(self, reason: str, start: int, count: int) -> list[dict[str, str]]:
        chosen = self.trained.gather_every(7, start).head(count)
        rows = [
            self._training(each) | {"reason": "another" if place % 9 == 4 else reason}
            for place, each in enumerate(chosen.iter_rows(named=True))
        ]
        return [*rows, rows[0]]

    def resumptions(self) -> list[dict[str, str]]:
        stopped = self.trained.filter(pl.col("deferred_at").is_not_null() | pl.col("withdrawn_at").is_not_null())
        chosen = pl.concat([stopped.head(30), self.trained.gather_every(7, 3).head(6)])
        return [self._training(each) for each in chosen.iter_rows(named=True)]

    def schedule_changes(self) -> list[dict[str, str]]:
        wanted = (
            "ecf-standard-january",
            "ecf-reduced-april",
            "ecf-replacement-april",
            "ecf-nowhere",
            "ecf-standard-september",
        )
        chosen = self.trained.gather_every(5, 1).head(60)
        return [
            self._training(each) | {"schedule_identifier": wanted[place % 5], "contract_period": ("", "2025", "2024", "2026", "2031")[place % 4 if place % 23 else 4]}
            for place, each in enumerate(chosen.iter_rows(named=True))
        ]  # fmt: skip

    def new_partnerships(self) -> list[dict[str, str]]:
        partners = self.pairs.filter(pl.col("contract_period") == "2026")["delivery_partner_id"].to_list() or [NOBODY]
        chosen = self.schools.gather_every(3, self.place).head(24)
        return [
            {"school_urn": each["urn"], "delivery_partner_id": partners[place % len(partners)], "contract_period": "2026" if place % 6 else "2020"}
            for place, each in enumerate(chosen.iter_rows(named=True))
        ]  # fmt: skip

    def partnership_changes(self) -> list[dict[str, str]]:
        chosen = self.partnerships.sort("contract_period", "partnership_id", descending=[True, False]).head(16)
        partners = [*self.pairs.filter(pl.col("contract_period") == "2026")["delivery_partner_id"].to_list(), NOBODY]
        return [
            {"partnership_id": each["partnership_id"], "delivery_partner_id": partners[place % len(partners)]}
            for place, each in enumerate(chosen.iter_rows(named=True))
        ]  # fmt: skip

    def expected(self) -> list[dict[str, str]]:
        amounts = ("119.40", "£1,194.00", "", "95.50", "(12.00)", "0.00")
        rows = []
        for place, each in enumerate(self.declarations()[:150]):
            person = self.trained.row(place % self.trained.height, named=True)
            rows.append(
                {
                    "statement_month": "2027-01" if place % 9 else "Jan-27",
                    "contract_period": person["contract_period"] if place % 31 else "2031",
                    "participant_id": each["participant_id"],
                    "course_identifier": each["course_identifier"],
                    "declaration_type": each["declaration_type"],
                    "expected_amount": amounts[place % len(amounts)],
                    "delivery_partner_id": person["delivery_partner_id"] if place % 3 else "",
                    "your_reference": each["your_reference"],
                }
            )
        return rows

    @staticmethod
    def _training(each: dict[str, str]) -> dict[str, str]:
        return {
            "participant_id": each["participant_id"],
            "course_identifier": {"ect": "ecf-induction", "mentor": "ecf-mentor"}[each["participant_type"]],
        }


def _csv(rows: list[dict[str, str]]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def live_through(made: Installation, work: Path) -> dict[str, str]:
    """The day. Returns what every command said, in order."""
    extract = sample(made, work / "sample")
    said: dict[str, str] = {}

    def say(name: str, words: str) -> None:
        said[f"{len(said) + 1:02}-{name}"] = words.replace(str(work), "WORK").replace(str(made.home), "HOME")

    say("import", made.ectx("records", "import", str(extract), "--as-of", LOADED))
    senders = [Sender(extract, place) for place in range(3)]
    for sender in senders:
        for name, content in sender.files().items():
            made.put(sender.slug, name, content, SENT)
        made.put(sender.slug, "declarations-sealed.csv", b"participant_id\n", SENT)
        digest = hashlib.sha256(b"participant_id\n" if sender.place else b"").hexdigest()
        made.put(sender.slug, "declarations-sealed.csv.sha256", f"{digest}  declarations-sealed.csv\n", SENT)
    say("intake", made.intake(SENT))
    for sender in senders:
        made.put(sender.slug, "deferrals-once-more.csv", sender.files()["deferrals.csv"], RESENT)
        for receipt in sorted(made.mailboxes.glob(f"{sender.slug}/from-dfe/receipts/*")):
            told = as_json(receipt / "receipt.json")
            if (receipt / "rejected.csv").exists() and told["kind"] in ("declarations", "expected-payments", "voids"):
                made.put(
                    sender.slug,
                    f"{told['kind']}-back-{told['file_name']}",
                    (receipt / "rejected.csv").read_bytes(),
                    RESENT,
                )
    say("intake", made.intake(RESENT))
    say("statements", made.statements(RESENT))
    say("statements", made.statements(AFTER_DEADLINE))
    due = [row for row in made.payments("2027-01") if row["line"] == "statement" and row["status"] == "payable"]
    for row in due[::2]:
        say("authorise", made.pay(row, PAID))
    say("payments", made.ectx("payments", "2027-01"))
    paid = [
        each
        for each in made.tables()["declarations"]
        if each["payment_status"] == "paid" and each["payment_statement_id"] == due[0]["statement_id"]
    ]
    for each in paid[:2]:
        say(
            "void",
            made.ectx("void", each["declaration_id"], "--reason", "Recorded twice.", "--as-of", LATER, may_fail=True),
        )
    for sender in senders:
        own = [
            each["declaration_id"]
            for each in made.tables()["declarations"]
            if each["payment_status"] in ("paid", "eligible")
        ]
        mine = [each for each in own if each in set(sender.declared["declaration_id"])][:5]
        made.put(sender.slug, "voids-later.csv", _csv([{"declaration_id": each} for each in mine or [NOBODY]]), LATER)
        made.put(sender.slug, "deferrals-again.csv", sender.files()["deferrals.csv"], LATER)
    say("intake", made.intake(LATER))
    open_ones = sorted(
        row["statement_id"]
        for row in made.tables()["statements"]
        if row["status"] == "open" and row["fee_type"] == "output"
    )
    adjustments = work / "adjustments.csv"
    amounts = ("10.00", "-250.25", "0.01", "999.99")
    rows = [f"{each},Correction of “fees”,{amount}" for each, amount in zip(open_ones * 4, amounts, strict=False)]
    adjustments.write_text("\n".join(["statement_id,payment_type,amount", *rows, ""]), encoding="utf-8")
    say("adjustments", made.ectx("adjustments", str(adjustments), "--as-of", LATER))
    say("adjustments", made.ectx("adjustments", str(adjustments), "--as-of", LATER))
    say("statements", made.statements(LATER))
    say("verify", made.ectx("verify", "--as-of", LATER, may_fail=True))
    again = changed_extract(made, work)
    say("import", made.ectx("records", "import", str(again), "--as-of", LOADED_AGAIN))
    for sender in senders:
        made.put(
            sender.slug, "declarations-december-again.csv", sender.files()["declarations-december.csv"], LOADED_AGAIN
        )
        made.put(sender.slug, "partnerships-again.csv", sender.files()["partnerships.csv"], LOADED_AGAIN)
    say("statements", made.statements(LOADED_AGAIN))
    tables = made.tables()
    people = sorted({each["participant_id"] for each in tables["events"] if each["participant_id"]})
    for record in (
        *people[::7][:40],
        *sorted({each["declaration_id"] for each in tables["events"] if each["declaration_id"]})[::11][:20],
    ):
        say("history", made.ectx("history", record, "--with-reasons"))
    say("submissions", made.ectx("submission", "list"))
    say("replay", made.ectx("replay", str(extract), str(again), "--to", str(work / "replay"), may_fail=True))
    made.ectx("records", "export", str(work / "records"))
    return said


def changed_extract(made: Installation, work: Path) -> Path:
    """What DfE sends afresh: as the records were a day before the end, with a school and a person merged away."""
    folder = work / "again"
    shutil.copytree(work / "sample", folder)
    (folder / "extract.json").write_text(json.dumps({"as_of": "2027-01-19T00:00:00Z"}), encoding="utf-8")
    people = _table(folder, "participants")
    late = pl.int_range(pl.len()) % 19 == 3
    _write(
        folder,
        "participants",
        people.with_columns(
            pl.when(late).then(pl.lit("2026-12-20")).otherwise("induction_end_date").alias("induction_end_date")
        ),
    )
    current = work / "exported"
    made.ectx("records", "export", str(current))
    _write(folder, "statements", _table(current, "statements"))
    for name in ("declarations", "training_periods", "partnerships", "adjustments"):
        _write(folder, name, _table(current, name))
    return folder


def record(made: Installation, folder: Path) -> None:
    """Live through the day and keep all that it left."""
    folder.mkdir(parents=True)
    work = folder / "work"
    work.mkdir()
    said = live_through(made, work)
    (folder / "said.json").write_text(json.dumps(said, indent=1, ensure_ascii=False), encoding="utf-8")
    shutil.copytree(made.mailboxes, folder / "mailboxes")
    shutil.move(work / "records", folder / "records")
    (folder / "tables.json").write_text(json.dumps(made.tables(), indent=0, ensure_ascii=False), encoding="utf-8")
    shutil.rmtree(work)


# What names the build, and the digests that hang on it.
_STAMPED = {"rule_set", "calculation", "libraries"}
_DIGESTS = {"deliveries": ("sha256",), "statement_versions": ()}


def _without_stamps(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_stamps(each) for key, each in value.items() if key not in _STAMPED}
    return [_without_stamps(each) for each in value] if isinstance(value, list) else value


def seen(path: Path, is_parsed: bool) -> Any:
    """A file as it is compared."""
    if path.suffix == ".xlsx":
        return [
            (
                sheet.title,
                [[(cell.value, cell.number_format) for cell in row] for row in sheet.iter_rows()],
                sorted((t.name, t.ref) for t in sheet.tables.values()),
                {k: v.width for k, v in sheet.column_dimensions.items()},
            )
            for sheet in openpyxl.load_workbook(path)
        ]
    if path.name == "index.csv":
        return [row[:4] + row[5:] for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8")))]
    if path.name in ("receipt.json", "manifest.json"):
        told = _without_stamps(as_json(path))
        told["files"] = [
            each if not each["name"].endswith(".xlsx") and not is_parsed else {"name": each["name"]}
            for each in told["files"]
        ]
        return told if is_parsed else json.dumps(told)
    if not is_parsed:
        return path.read_bytes()
    if path.suffix == ".csv":
        return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    if path.suffix == ".json":
        return as_json(path)
    return _page(path.read_text(encoding="utf-8")) if path.suffix == ".html" else path.read_bytes()


def _page(text: str) -> list[Any]:
    """Tags with their attributes, and texts, as a browser has them."""
    from html.parser import HTMLParser

    found: list[Any] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            found.append((tag, sorted(attributes)))

        def handle_endtag(self, tag: str) -> None:
            found.append(("/", tag))

        def handle_data(self, data: str) -> None:
            if data.strip():
                found.append(" ".join(data.split()))

    Reader(convert_charrefs=True).feed(text)
    return found


def differences(before: Path, after: Path, is_parsed: bool = False) -> Iterator[str]:
    """Where two recordings differ, a line each."""
    ours, theirs = (
        {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.startswith("said") and path.name != "tables.json"
        }
        for folder in (before, after)
    )
    yield from (f"{name}: is gone" for name in sorted(set(ours) - set(theirs)))
    yield from (f"{name}: is new" for name in sorted(set(theirs) - set(ours)))
    for name in sorted(set(ours) & set(theirs)):
        one, other = seen(ours[name], is_parsed), seen(theirs[name], is_parsed)
        if one != other:
            yield f"{name}: {_first(one, other)}"
    yield from _of_tables(as_json(before / "tables.json"), as_json(after / "tables.json"))
    one, other = as_json(before / "said.json"), as_json(after / "said.json")
    for name in sorted(set(one) | set(other)):
        if one.get(name) != other.get(name):
            yield f"said, {name}: {_first(one.get(name, '').splitlines(), other.get(name, '').splitlines())}"


def _of_tables(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for name in sorted(set(before) | set(after)):
        if name == "alembic_version":
            continue
        one, other = (
            [
                {key: value for key, value in row.items() if key not in _DIGESTS.get(name, ())}
                for row in tables.get(name, [])
            ]
            for tables in (before, after)
        )
        if one != other:
            yield f"table {name}: {_first(one, other)}"


def _first(one: Any, other: Any) -> str:
    """Where two values part, shortly."""
    if isinstance(one, bytes) and isinstance(other, bytes):
        one, other = one.decode("utf-8", "replace").splitlines(), other.decode("utf-8", "replace").splitlines()
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        for place, (left, right) in enumerate(zip(one, other, strict=False)):
            if left != right:
                return f"[{place}] {_first(left, right)}"
        return f"{len(one)} and {len(other)} of them"
    if isinstance(one, dict) and isinstance(other, dict):
        for key in [*one, *other]:
            if one.get(key) != other.get(key):
                return f"{key}: {_first(one.get(key), other.get(key))}"
    return f"{str(one)[:300]!r} became {str(other)[:300]!r}"


def main(argv: list[str]) -> int:
    act, *rest = argv
    if act == "compare":
        found = list(differences(Path(rest[0]), Path(rest[1]), "--parsed" in rest))
        print("\n".join(found[:30]) or "The same.")
        print(f"{len(found)} differences")
        return bool(found)
    folder = Path(rest[0]).resolve()
    if "--postgresql" in rest:
        from tests.postgresql import postgresql

        with postgresql() as url:
            record(Installation(folder / "home", url), folder)
    else:
        record(Installation(folder / "home"), folder)
    shutil.rmtree(folder / "home")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
