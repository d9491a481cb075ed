"""`ectx demo`: the main job, told in one terminal. Real files, real SFTP, real flows; only the people are made up."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from data.database import Reader
from data.records.extract import import_records
from data.sample.nation import write_sample
from flows.clock import instant
from flows.errors import ExchangeError
from flows.installation import Installation, LeadProvider, open_installation
from flows.rounds.rehearsal import acceptable
from flows.service.services import Services, prefect_environment, services, stop_signals
from flows.service.signing_in import auth_string, made_secret
from flows.settings import Settings
from sftp.keys import host_keys, known_hosts_line, write_new_key
from sftp.remote import SftpService

SCALE = 0.02
RECORDS_AT = "2026-11-20T09:00:00Z"
UPLOADED_AT = "2026-12-14T10:00:00Z"
RESENT_AT = "2026-12-14T15:30:00Z"
AFTER_DEADLINE = "2027-01-01T00:10:00Z"
GOOD_ROWS = 25
STEPS = 10


@dataclass
class Player:
    """A lead provider in the demo, and its key."""

    provider: LeadProvider
    key_file: Path
    known_hosts: Path


def run_demo(folder: Path, keep: bool) -> None:
    """Raises ExchangeError when something that must be there is not."""
    console = Console()
    folder = folder.resolve()
    if folder.exists() and any(folder.iterdir()) and not (folder / "records.db").exists():
        raise ExchangeError("NOT-OURS", f"{folder} holds other things.", "Name an empty folder with --folder.")
    shutil.rmtree(folder, ignore_errors=True)
    settings = Settings(home=folder, database_url="", mailboxes="", seconds_between_looks=0.3)
    started = time.monotonic()
    with _progress(console) as say, open_installation(settings) as installation:
        _tell(installation, say, console, keep, started)


@contextmanager
def _progress(console: Console) -> Iterator["Teller"]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        yield Teller(console, bar, bar.add_task("Starting", total=STEPS))


@dataclass
class Teller:
    """Says what happens, in plain words, above the bar."""

    console: Console
    bar: Progress
    task: TaskID

    def step(self, words: str) -> None:
        self.bar.update(self.task, description=words)

    def done(self, words: str) -> None:
        self.bar.advance(self.task)
        self.console.print(f"[green]✓[/green] {words}", highlight=False)


def _tell(installation: Installation, say: Teller, console: Console, keep: bool, started: float) -> None:
    say.step("Making sample records")
    with tempfile.TemporaryDirectory() as sample:
        counts = write_sample(Path(sample), SCALE)
        import_records(installation.database, Path(sample), instant(RECORDS_AT))
    say.done(
        f"DfE's records: {counts['participants']:,} made-up participants, {counts['declarations']:,} declarations, "
        f"{counts['lead_providers']} lead providers, six contract periods"
    )
    say.step("Starting the SFTP server, and Prefect with the operators' pages")
    with services(installation, sftp_port=0, scheduled=keep, any_ui_port=True) as running:
        say.done(f"SFTP server on port {running.sftp_port}, operators' pages at {running.pages}")
        players = _players(installation, running)
        _play(installation, running, players, say)
        _show(installation, players, running, console, time.monotonic() - started)
        if keep:
            _wait(installation, console, say)


def _players(installation: Installation, running: Services) -> list[Player]:
    """Two lead providers with a key pair each, and the server's host key pinned."""
    hosts = installation.settings.home / "demo-known-hosts"
    lines = [
        known_hosts_line(running.sftp_host, running.sftp_port, key) for key in host_keys(installation.settings.home)
    ]
    hosts.write_text("\n".join(lines) + "\n", encoding="utf-8")
    players = []
    for provider in installation.lead_providers()[:2]:
        key_file = installation.settings.home / f"demo-key-{provider.slug}"
        installation.accounts.add_key(provider.slug, write_new_key(key_file))
        players.append(Player(provider, key_file, hosts))
    return players


def _play(installation: Installation, running: Services, players: list[Player], say: Teller) -> None:
    first, second = players
    good = _rows(installation, first)
    bad = _bad_rows(good["participant_id"][-1])
    _upload(installation, running, first, "declarations-december.csv", good.head(GOOD_ROWS).vstack(bad).write_csv())
    say.done(
        f"{first.provider.name} uploads {GOOD_ROWS + bad.height} declarations over SFTP, {bad.height} of them wrong"
    )
    _upload(installation, running, first, "expected-payments.csv", _expected(installation, first, good).write_csv())
    say.done(f"{first.provider.name} says what it expects to be paid for January")
    whole = _rows(installation, second).head(GOOD_ROWS).write_csv()
    _upload(installation, running, second, "declarations.csv", whole)
    torn = good.head(3).rename({"declaration_type": "type"}).write_csv()
    _upload(installation, running, second, "declarations-old-layout.csv", torn)
    say.done(f"{second.provider.name} uploads {GOOD_ROWS} right ones, and a file with a wrong header")
    say.step("Intake: a Prefect flow takes and judges the files")
    _flow(installation, running, "intake", UPLOADED_AT)
    say.done("Intake: every row judged, accepted ones applied, receipts delivered")
    _upload(installation, running, second, "declarations-once-more.csv", whole)
    _flow(installation, running, "intake", RESENT_AT)
    say.done(f"{second.provider.name} sends the same file again: a duplicate, nothing is applied twice")
    say.step("Statements: provisional first")
    _flow(installation, running, "statements", RESENT_AT)
    say.done("Statements: provisional figures for everything not yet paid")
    say.step("Statements: the clock moves past the deadline of 31 December")
    _flow(installation, running, "statements", AFTER_DEADLINE)
    say.done("Statements: past the deadline, January's became payable")


def _flow(installation: Installation, running: Services, name: str, as_of: str) -> None:
    """Run one flow as the schedule would: a process of its own, recorded by the Prefect server."""
    code = f"from flows.deployed import {name}; {name}({as_of!r})"
    environment = prefect_environment(installation.settings, running.api_url)
    environment["ECTX_SECONDS_BETWEEN_LOOKS"] = str(installation.settings.seconds_between_looks)
    environment.pop("ECTX_DATABASE_URL", None)
    environment.pop("ECTX_MAILBOXES", None)
    log = installation.settings.home / "logs" / "flows.log"
    with log.open("ab") as output:
        if subprocess.run([sys.executable, "-c", code], env=environment, stdout=output, stderr=output).returncode:
            raise ExchangeError("FLOW-FAILED", f"The flow {name} failed.", f"See {log}.")


def _upload(installation: Installation, running: Services, player: Player, name: str, content: str) -> None:
    """As the provider would: over SFTP, key login, host key checked; with OpenSSH's own command where there is one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(content, encoding="utf-8")
        if shutil.which("sftp"):
            _sftp(running, player, f'put "{path}" to-dfe/')
            return
        url = f"sftp://{player.provider.slug}@{running.sftp_host}:{running.sftp_port}/"
        service = SftpService(url, player.key_file, player.known_hosts)
        service.client.put(str(path), f"to-dfe/{name}")
        service.close()


def _sftp(running: Services, player: Player, batch: str) -> None:
    command = [
        "sftp", "-q", "-b", "-", "-i", str(player.key_file), "-P", str(running.sftp_port), "-o", "IdentitiesOnly=yes",
        "-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={player.known_hosts}", "-F", "none",
        f"{player.provider.slug}@{running.sftp_host}",
    ]  # fmt: skip
    result = subprocess.run(command, input=batch + "\n", text=True, capture_output=True)
    if result.returncode:
        raise ExchangeError("SFTP-FAILED", "The upload failed.", result.stderr.strip().splitlines()[-1])


_DUE = """
SELECT sp.participant_id, MAX(p.contract_period) AS contract_period
FROM training_periods tp
JOIN partnerships p ON p.partnership_id = tp.partnership_id
JOIN school_periods sp ON sp.school_period_id = tp.school_period_id
WHERE p.lead_provider_id = ? AND p.contract_period IN (2025, 2026) AND sp.participant_type = 'ect'
GROUP BY sp.participant_id
ORDER BY sp.participant_id
"""
_BAND_A = """
SELECT c.contract_period, MIN(t.fee_per_declaration) AS fee_per_declaration
FROM contracts c JOIN band_terms t ON t.contract_id = c.contract_id AND t.band = 'A'
WHERE c.lead_provider_id = ? GROUP BY c.contract_period
"""


def _expected(installation: Installation, player: Player, rows: pl.DataFrame) -> pl.DataFrame:
    """What a provider might write down: everything it means to declare, declared or not, all at band A's price."""
    with installation.database.read() as reader:
        people = reader.frame(_DUE, player.provider.lead_provider_id)
        prices = reader.frame(_BAND_A, player.provider.lead_provider_id)
    expected = rows.head(GOOD_ROWS + 5).join(people, on="participant_id").join(prices, on="contract_period")
    shares = {"started": Decimal("0.20")}
    amounts = [
        str((shares.get(kind, Decimal("0.15")) * Decimal("0.60") * Decimal(fee)).quantize(Decimal("0.01")))
        for kind, fee in expected.select("declaration_type", "fee_per_declaration").iter_rows()
    ]
    return expected.select(
        pl.lit("2027-01").alias("statement_month"), "contract_period", "participant_id", "course_identifier",
        "declaration_type", pl.Series("expected_amount", amounts, dtype=pl.String), "your_reference",
    )  # fmt: skip


def _rows(installation: Installation, player: Player) -> pl.DataFrame:
    """Declarations that this provider could make now: ECTs of 2025 and 2026, those that the rules accept."""
    with installation.database.read() as reader:
        people = reader.frame(_DUE, player.provider.lead_provider_id).select("participant_id")
        tries = [_of_type(people, kind, evidence) for kind, evidence in _TYPES]
        accepted = [_accepted(reader, rows, player) for rows in tries]
    rows = pl.concat(accepted).unique("participant_id", keep="first", maintain_order=True)
    numbers = pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(4)
    return rows.with_columns(pl.concat_str(pl.lit("DEC-"), numbers).alias("your_reference"))


_TYPES = (
    ("started", "training-event-attended"),
    ("retained-4", "other"),
    ("retained-3", "self-study-material-completed"),
)


def _of_type(people: pl.DataFrame, kind: str, evidence: str) -> pl.DataFrame:
    return people.select(
        "participant_id",
        pl.lit("ecf-induction").alias("course_identifier"),
        pl.lit(kind).alias("declaration_type"),
        pl.lit("2026-12-10T14:00:00Z").alias("declaration_date"),
        pl.lit(evidence).alias("evidence_held"),
    )


def _accepted(reader: Reader, rows: pl.DataFrame, player: Player) -> pl.DataFrame:
    owner = player.provider.lead_provider_id
    return acceptable(reader, "declarations", rows, owner, instant(UPLOADED_AT))


def _bad_rows(known: str) -> pl.DataFrame:
    """What goes wrong in real life: an unknown person, a spreadsheet's date, a wrong word."""
    stranger = "00000000-0000-4000-8000-000000000000"
    rows = [
        (stranger, "ecf-induction", "started", "2026-12-10T14:00:00Z", "training-event-attended", "DEC-9001"),
        (known, "ecf-induction", "retained1", "10/12/2026", "training-event-attended", "DEC-9002"),
        ("1.23E+06", "ecf-mentors", "started", "2026-12-10", "", "DEC-9003"),
    ]
    columns = ("participant_id", "course_identifier", "declaration_type", "declaration_date", "evidence_held")
    return pl.DataFrame(rows, schema=[*columns, "your_reference"], orient="row")


def _show(
    installation: Installation, players: list[Player], running: Services, console: Console, seconds: float
) -> None:
    home = installation.settings.home
    boxes = {player.provider.name: home / "mailboxes" / player.provider.slug / "from-dfe" for player in players}
    for name, box in boxes.items():
        console.print()
        console.print(_got(name, box))
    console.print(f"\nAll of it took {seconds:.0f} seconds. Where to look:", highlight=False)
    first = next(iter(boxes.values()))
    receipt = next(path for path in sorted(first.glob("receipts/*/receipt.html")))
    statement = next(path for path in sorted(first.glob("statements/2026/2027-01/*payable/statement.html")))
    places = {
        "mailboxes": home / "mailboxes",
        "a receipt": receipt,
        "a statement": statement,
        "the operators' pages": running.pages,
    }
    for words, place in places.items():
        console.print(f"  {words + ':':22}{place}", highlight=False, soft_wrap=True)
    console.print("The operators' pages answer while the demo runs: `ectx demo --keep` leaves it running.")


def _got(name: str, box: Path) -> Table:
    """One provider's receipts, and what its statements come to."""
    statements = len(list(box.glob("statements/*/*/*/manifest.json")))
    due = f"{statements} statement versions; due for January 2027: £{_january(box):,.2f} with VAT"
    table = Table(title=name, title_justify="left", caption=due, caption_justify="left")
    table.add_column("File")
    table.add_column("Outcome")
    table.add_column("Accepted", justify="right")
    table.add_column("Rejected", justify="right")
    for path in sorted(box.glob("receipts/*/receipt.json")):
        receipt = json.loads(path.read_text(encoding="utf-8"))
        errors = ", ".join(error["code"] for error in receipt["file_errors"])
        outcome = f"{receipt['status']} ({errors})" if errors else receipt["status"]
        rows = receipt["rows"]
        table.add_row(receipt["file_name"], outcome, str(rows["accepted"]), str(rows["rejected"]))
    return table


def _january(box: Path) -> Decimal:
    """The totals of January 2027's payable statements, over all contract periods."""
    total = Decimal()
    for path in box.glob("statements/*/2027-01/*-payable/manifest.json"):
        total += Decimal(json.loads(path.read_text(encoding="utf-8"))["control_totals"]["amount"]["total"])
    return total


def _wait(installation: Installation, console: Console, say: Teller) -> None:
    say.bar.stop()
    signed_in = auth_string(made_secret(installation.settings))
    console.print(f"\nSign in to the operators' pages with [bold]{signed_in}[/bold] (name and secret)", highlight=False)
    console.print("\nEverything keeps running. Press Ctrl-C to stop.")
    with stop_signals() as stopped:
        stopped.wait()
    console.print("Stopping.")
