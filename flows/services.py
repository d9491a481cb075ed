"""This machine as the whole service: SFTP server, Prefect server with its pages, flows on schedules. One process group."""

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from flows.errors import ExchangeError
from flows.house import House
from flows.settings import Settings
from flows.sshd import bounds
from sftp.accounts import Accounts
from sftp.audit import AuditLog
from sftp.keys import host_key
from sftp.server import SftpServer

HEALTHY_SECONDS = 120
STOP_SECONDS = 15
AGAIN_SECONDS = 3
log = logging.getLogger("ectx.services")
RUNNING_FILE = "serve.json"


@dataclass(frozen=True)
class Services:
    """What is running, and where."""

    sftp_host: str
    sftp_port: int
    fingerprint: str
    pages: str
    api_url: str


def free_port(host: str, wanted: int) -> int:
    """The wanted port, or any that is free when it is taken."""
    for port in (wanted, 0):
        with contextlib.suppress(OSError), socket.create_server((host, port)) as probe:
            return int(probe.getsockname()[1])
    raise ExchangeError("NO-PORT", f"No port is free on {host}.", "Stop another service, or set ECTX_UI_PORT.")


def prefect_environment(settings: Settings, api_url: str) -> dict[str, str]:
    """What Prefect's processes need: their own home, no telemetry, where the API is."""
    home = settings.home.resolve()
    ours = {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": api_url,
        "PREFECT_SERVER_UI_API_URL": api_url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "ectx",
        "PREFECT_CLI_PROMPT": "false",
        "ECTX_HOME": str(home),
    }
    return {**os.environ, **ours}


def api_of_running_service(settings: Settings) -> str | None:
    """Prefect's API: as set, or that of an `ectx serve` that runs on this home."""
    if os.environ.get("PREFECT_API_URL"):
        return os.environ["PREFECT_API_URL"]
    path = settings.home / RUNNING_FILE
    if not path.is_file():
        return None
    running = json.loads(path.read_text())
    try:
        os.kill(running["pid"], 0)
    except (OSError, KeyError):
        return None
    return running["api_url"] if _is_healthy(running["api_url"]) else None


def _is_healthy(api_url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{api_url}/health", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


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
def services(house: House, ui_port: int, sftp_port: int, scheduled: bool = True) -> Iterator[Services]:
    """Start everything, yield when it answers, stop everything, whatever happens. Raises ExchangeError (NO-START)."""
    settings = house.settings
    folder = settings.mailboxes_folder
    if folder is None:
        raise ExchangeError(
            "REMOTE", "The mailboxes are on another SFTP service.", "Unset ECTX_MAILBOXES to serve them here."
        )
    for provider in house.lead_providers():
        house.mailbox(provider.slug)
    api_url = f"http://{settings.ui_host}:{ui_port}/api"
    environment = prefect_environment(settings, api_url)
    logs = settings.home / "logs"
    logs.mkdir(exist_ok=True)
    key = host_key(settings.home / "host_key")
    audit = AuditLog(logs)
    sftp = SftpServer(
        folder, Accounts(settings.keys_folder), key, settings.sftp_host, sftp_port, audit, bounds(settings)
    )
    kept = _Kept(environment)
    try:
        sftp.start()
        command = ["prefect", "server", "start", "--host", settings.ui_host, "--port", str(ui_port)]
        server = kept.start(command, logs / "prefect-server.log")
        _wait_until_healthy(api_url, server)
        if scheduled:
            kept.start(["flows.deployed"], logs / "flows.log")
        kept.watch()
        running = {"pid": os.getpid(), "api_url": api_url}
        (settings.home / RUNNING_FILE).write_text(json.dumps(running))
        yield Services(settings.sftp_host, sftp.port, key.fingerprint, f"http://{settings.ui_host}:{ui_port}", api_url)
    finally:
        (settings.home / RUNNING_FILE).unlink(missing_ok=True)
        sftp.stop()
        kept.stop()


class _Kept:
    """Processes that are started again when they end by themselves, until all are stopped."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment, self._stopping = environment, threading.Event()
        self._running: list[tuple[list[str], Path, subprocess.Popen[bytes]]] = []
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def start(self, command: list[str], output: Path) -> subprocess.Popen[bytes]:
        process = _start(command, self._environment, output)
        self._running.append((command, output, process))
        return process

    def watch(self) -> None:
        self._watcher.start()

    def _watch(self) -> None:
        while not self._stopping.wait(AGAIN_SECONDS):
            for place, (command, output, process) in enumerate(self._running):
                if process.poll() is not None and not self._stopping.is_set():
                    log.warning("%s ended with %s; it is started again", command[0], process.returncode)
                    self._running[place] = (command, output, _start(command, self._environment, output))

    def stop(self) -> None:
        """The flows first, then the server they talk to."""
        self._stopping.set()
        if self._watcher.is_alive():
            self._watcher.join()
        _stop([process for _, _, process in self._running])


def _start(module: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """In the project's own folder: Prefect names a flow by the path of its file."""
    project = Path(__file__).resolve().parent.parent
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", *module], env=environment, stdout=output, stderr=output, cwd=project
        )


def _wait_until_healthy(api_url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + HEALTHY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ExchangeError(
                "NO-START", "The Prefect server stopped while starting.", "See logs/prefect-server.log in the home."
            )
        if _is_healthy(api_url):
            return
        time.sleep(0.25)
    raise ExchangeError("NO-START", "The Prefect server did not answer.", "See logs/prefect-server.log in the home.")


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """The flows first, then the server they talk to. Who does not listen is killed."""
    for process in reversed(processes):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
