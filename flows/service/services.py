"""This machine as the whole service: SFTP server, Prefect server with its pages, flows on schedules. One process group."""

import contextlib
import fcntl
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TextIO

from flows.errors import ExchangeError
from flows.installation import Installation
from flows.service.kept import KeptAlive
from flows.service.reached import RUNNING_FILE, is_healthy, server_environment
from flows.service.signing_in import made_secret
from flows.service.sshd import bounds
from flows.settings import Settings
from sftp.keys import HOST_KEYS, host_keys
from sftp.server.running import Serving, environment

HEALTHY_SECONDS = 120


@dataclass(frozen=True)
class Services:
    """What is running, and where. sftp_port, fingerprint: of the SFTP server, if there is one here; else 0 and nothing."""

    sftp_host: str
    sftp_port: int
    fingerprint: str
    pages: str
    api_url: str


def held_port(host: str, port: int, setting: str, or_another: bool = False) -> socket.socket:
    """A listening socket: while it is held, nobody else has that port. Raises ExchangeError (NO-PORT)."""
    for each in (port, 0) if or_another else (port,):
        with contextlib.suppress(OSError):
            return socket.create_server((host, each), backlog=128)
    advice = f"Stop the other service, or set {setting} to a free port."
    raise ExchangeError("NO-PORT", f"Port {port} on {host} is taken.", advice)


def _held(file: TextIO) -> None:
    """Raises BlockingIOError where a service holds it; a command that asks whether one does holds it for a moment."""
    for is_last in (*[False] * 10, True):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if is_last:
                raise
            time.sleep(0.02)


@contextlib.contextmanager
def _running_as(settings: Settings) -> Iterator[Callable[[str], None]]:
    """The only service on this home; what is yielded makes its API known. Raises ExchangeError (RUNNING)."""
    path = settings.home / RUNNING_FILE
    with path.open("a", encoding="utf-8") as file:
        try:
            _held(file)
        except BlockingIOError:
            raise ExchangeError(
                "RUNNING", "The service runs on this home already.", "Stop that one first, or set ECTX_HOME."
            ) from None

        def make_known(api_url: str) -> None:
            file.truncate(0)
            file.write(api_url)
            file.flush()

        try:
            yield make_known
        finally:
            file.truncate(0)


@contextlib.contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Ctrl-C and SIGTERM set the event instead of cutting anything off, so that services are stopped in order."""
    stopped = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopped.set()

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextlib.contextmanager
def services(
    installation: Installation, sftp_port: int, scheduled: bool = True, any_ui_port: bool = False
) -> Iterator[Services]:
    """Start everything, yield when it answers, stop everything, whatever happens.

    any_ui_port: another port for the operators' pages when the one that is set is taken.
    Where the mailboxes lie on another SFTP service, there is none here. Raises ExchangeError (RUNNING, NO-PORT, NO-START).
    """
    settings, folder = installation.settings, installation.settings.mailboxes_folder
    for provider in installation.lead_providers() if folder else []:
        installation.mailbox(provider.slug)
    logs = settings.home / "logs"
    logs.mkdir(exist_ok=True)
    with (
        _running_as(settings) as make_known,
        held_port(settings.ui_host, settings.ui_port, "ECTX_UI_PORT", any_ui_port) as held,
        contextlib.ExitStack() as of_sftp,
    ):
        port = folder and of_sftp.enter_context(held_port(settings.sftp_host, sftp_port, "ECTX_SFTP_PORT"))
        fingerprint = host_keys(settings.home)[0].fingerprint if port else ""
        address = f"http://{settings.ui_host}:{held.getsockname()[1]}"
        pages, api_url = settings.ui_address.rstrip("/") or address, f"{address}/api"
        made_secret(settings)
        kept = KeptAlive(server_environment(settings, api_url, pages))
        try:
            if folder and port:
                module = serving(settings, folder).module(port.fileno())
                kept.start(module, logs / "sftp-server.log", port.fileno(), environment())
            server = kept.start(
                ["flows.service.prefect_server", str(held.fileno())], logs / "prefect-server.log", socket=held.fileno()
            )
            _wait_until_healthy(api_url, server)
            if scheduled and settings.on_workers and not settings.practice:
                kept.start(["flows.workers.pool"], logs / "arrivals.log")
            elif scheduled:
                kept.start(["flows.deployed"], logs / "flows.log")
                if settings.intake_on_arrival:
                    kept.start(["flows.arrivals.dispatch"], logs / "arrivals.log")
            kept.watch()
            make_known(api_url)
            yield Services(settings.sftp_host, port.getsockname()[1] if port else 0, fingerprint, pages, api_url)
        finally:
            kept.stop()


def serving(settings: Settings, mailboxes: Path) -> Serving:
    """What the embedded SFTP server serves."""
    home = settings.home.resolve()
    return Serving(
        mailboxes=mailboxes.resolve(), keys=settings.keys_folder, host_keys=tuple(home / name for name in HOST_KEYS),
        journal=settings.journal_folder, logs=home / "logs", bounds=bounds(settings),
    )  # fmt: skip


def _wait_until_healthy(api_url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + HEALTHY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ExchangeError(
                "NO-START", "The Prefect server stopped while starting.", "See logs/prefect-server.log in the home."
            )
        if is_healthy(api_url):
            return
        time.sleep(0.25)
    raise ExchangeError("NO-START", "The Prefect server did not answer.", "See logs/prefect-server.log in the home.")
