"""`ectx demo`: the main job on a practice service, told in one terminal. Real files, real SFTP, real flows; made-up records."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from flows.commands.demo_rows import GOOD_ROWS, Player, bad_rows, expected, rows
from flows.commands.demo_shown import show
from flows.errors import ExchangeError
from flows.installation import Installation, open_installation
from flows.practice.mailboxes import found
from flows.service.reached import prefect_environment
from flows.service.services import Services, services, stop_signals
from flows.service.signing_in import auth_string, made_secret
from flows.settings import Settings
from sftp.keys import host_keys, known_hosts_line, write_new_key
from sftp.service import SftpService

UPLOADED, SENT_AGAIN = "2025-12-14T10-00-00Z", "2025-12-14T15-30-00Z"
BEFORE_DEADLINE, AFTER_DEADLINE = "2025-12-15", "2026-01-01"
STEPS = 9


def run_demo(folder: Path, keep: bool) -> None:
    """Raises ExchangeError when something that must be there is not."""
    console = Console()
    folder = folder.resolve()
    if folder.exists() and any(folder.iterdir()) and not (folder / "records.db").exists():
        raise ExchangeError("NOT-OURS", f"{folder} holds other things.", "Name an empty folder with --folder.")
    shutil.rmtree(folder, ignore_errors=True)
    settings = Settings(
        home=folder, database_url="", mailboxes="", store=None, practice=True, seconds_between_looks=0.3
    )
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
    found(installation)
    counts = installation.records.counts()
    say.done(
        f"DfE's records: {counts['participants']:,} made-up participants, {counts['declarations']:,} declarations, "
        f"{counts['lead_providers']} lead providers, six contract periods"
    )
    say.step("Starting the SFTP server, and Prefect with the operators' pages")
    with services(installation, sftp_port=0, scheduled=keep, any_ui_port=True) as running:
        say.done(f"SFTP server on port {running.sftp_port}, operators' pages at {running.pages}")
        players = _players(installation, running)
        _play(installation, running, players, say)
        show(installation, players, running, console, time.monotonic() - started)
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
    good = rows(installation, first)
    bad = bad_rows(good["participant_id"][-1])
    many = good.head(GOOD_ROWS).vstack(bad).write_csv()
    _upload(installation, running, first, f"declarations-december@{UPLOADED}.csv", many)
    say.done(
        f"{first.provider.name} uploads {GOOD_ROWS + bad.height} declarations over SFTP, {bad.height} of them wrong; the file's "
        "name says as of when"
    )
    wanted = expected(installation, first, good).write_csv()
    _upload(installation, running, first, f"expected-payments@{UPLOADED}.csv", wanted)
    say.done(f"{first.provider.name} says what it expects to be paid for January")
    whole = rows(installation, second).head(GOOD_ROWS).write_csv()
    _upload(installation, running, second, f"declarations@{UPLOADED}.csv", whole)
    torn = good.head(3).rename({"declaration_type": "type"}).write_csv()
    _upload(installation, running, second, f"declarations-old-layout@{UPLOADED}.csv", torn)
    say.done(f"{second.provider.name} uploads {GOOD_ROWS} right ones, and a file with a wrong header")
    say.step("Intake: a Prefect flow takes and judges the files")
    _flow(installation, running, "intake")
    say.done("Intake: every row judged, accepted ones applied, receipts, extracts and guidance delivered")
    _upload(installation, running, second, f"declarations-once-more@{SENT_AGAIN}.csv", whole)
    for player in players:
        _upload(installation, running, player, f"statements@{BEFORE_DEADLINE}.csv", "")
    say.step("Both move on to 15 December: provisional statements")
    _flow(installation, running, "intake")
    say.done(f"{second.provider.name} sends the same file again: a duplicate, nothing is applied twice")
    say.done("Statements: provisional figures for everything not yet paid")
    for player in players:
        _upload(installation, running, player, f"statements@{AFTER_DEADLINE}.csv", "")
    say.step("Both move on to 1 January, past the deadline of 31 December")
    _flow(installation, running, "intake")
    _flow(installation, running, "statements")
    say.done("Statements: past the deadline, January's became payable; new extracts, and each mailbox's front page")


def _flow(installation: Installation, running: Services, name: str) -> None:
    """Run one flow as the schedule would: a process of its own, recorded by the Prefect server."""
    code = f"from flows.deployed import {name}; {name}()"
    environment = prefect_environment(installation.settings, running.api_url)
    environment["ECTX_SECONDS_BETWEEN_LOOKS"] = str(installation.settings.seconds_between_looks)
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


def _wait(installation: Installation, console: Console, say: Teller) -> None:
    say.bar.stop()
    signed_in = auth_string(made_secret(installation.settings))
    console.print(f"\nSign in to the operators' pages with [bold]{signed_in}[/bold] (name and secret)", highlight=False)
    console.print("\nEverything keeps running. Press Ctrl-C to stop.")
    with stop_signals() as stopped:
        stopped.wait()
    console.print("Stopping.")
