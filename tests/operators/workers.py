"""Several machines, as far as one can be: Prefect's server, workers with homes of their own, and a network that can be cut."""

import base64
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.settings import Settings
from tests.operators.test_serve import ECTX, children, free_port, serving, wait_for
from tests.tools import left_out

WRONG_CLOCK = """import datetime, time_machine
wrong = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes={minutes})
time_machine.travel(wrong, tick=True).start()
"""


@dataclass
class Network:
    """Two wires between this machine and a room of its own for one worker. here: our ends; `database` is the one that is cut."""

    name: str
    here: dict[str, str]

    def cut(self, wire: str) -> None:
        _ip("link", "set", f"{self.name}{wire[0]}", "down")

    def mend(self, wire: str) -> None:
        _ip("link", "set", f"{self.name}{wire[0]}", "up")

    @property
    def inside(self) -> list[str]:
        return ["ip", "netns", "exec", self.name]


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextmanager
def network() -> Iterator[Network]:
    """Needs root: a test that needs it is left out where there is none."""
    name, third = f"ectx{os.getpid() % 10_000}", os.getpid() % 250
    made = Network(name, {"all": f"10.77.{third}.1", "database": f"10.78.{third}.1"})
    try:
        _ip("netns", "add", name)
    except (OSError, subprocess.CalledProcessError):
        left_out("NOT TRIED: a worker that is cut off needs root and network namespaces.", always=True)
    with ExitStack() as undone:
        undone.callback(_ip, "netns", "del", name)
        for wire, address in made.here.items():
            outer, inner = f"{name}{wire[0]}", f"{name}{wire[0]}i"
            _ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
            _ip("addr", "add", f"{address}/24", "dev", outer)
            _ip("link", "set", outer, "up")
            _ip("-n", name, "addr", "add", f"{address[:-1]}2/24", "dev", inner)
            _ip("-n", name, "link", "set", inner, "up")
        yield made


@dataclass
class Worker:
    process: "subprocess.Popen[bytes]"

    def runs(self) -> dict[str, int]:
        """Flow run id → process of each run that this worker has at work."""
        found = {}
        for pid in children(self.process.pid):
            try:
                around = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            except OSError:
                continue
            for each in around:
                if each.startswith(b"PREFECT__FLOW_RUN_ID="):
                    found[each.split(b"=", 1)[1].decode()] = pid
        return found

    def die(self) -> None:
        """As a machine does: the worker with its runs, at once."""
        for pid in [self.process.pid, *children(self.process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)


@dataclass
class Machines:
    """settings: of every machine (ECTX_…), but for its home."""

    folder: Path
    settings: dict[str, str]
    host: str = "127.0.0.1"
    workers: list[Worker] = field(default_factory=list)
    api: str = ""
    secret: str = ""

    def __post_init__(self) -> None:
        self._port = free_port()

    def environment(self, home: str, **more: str) -> dict[str, str]:
        around = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "ECTX_"))}
        return around | self.settings | {"ECTX_HOME": str(self.folder / home)} | more

    @contextmanager
    def serving(self) -> Iterator[None]:
        """`ectx serve`, whose work workers do; when it is over, all of them end."""
        about = {"ECTX_UI_PORT": str(self._port), "ECTX_UI_HOST": self.host, "ECTX_SFTP_PORT": str(free_port()),
                 "ECTX_ON_WORKERS": "true"}  # fmt: skip
        with (self.folder / "serve.txt").open("w") as errors:
            process, _ = serving(self.environment("server", **about), errors)
        try:
            self.api = f"http://{self.host}:{self._port}/api"
            self.secret = (self.folder / "server" / "ui_secret").read_text().strip()
            wait_for(lambda: len(self.asked("deployments/filter", {})) == 7, 120)
            yield
        finally:
            for worker in self.workers:
                worker.die()
            process.send_signal(signal.SIGINT)
            process.wait(60)

    def worker(self, home: str, inside: tuple[str, ...] | list[str] = (), limit: int = 2, **more: str) -> Worker:
        """`ectx worker`, on a machine of its own."""
        told = self.environment(home, PREFECT_API_URL=self.api, ECTX_UI_SECRET=self.secret, **more)
        (self.folder / home).mkdir()
        with (self.folder / f"{home}.txt").open("w") as output:
            command = [*inside, *ECTX, "worker", "--limit", str(limit)]
            worker = Worker(subprocess.Popen(command, env=told, stdout=output, stderr=output))
        self.workers.append(worker)
        return worker

    def asked(self, path: str, body: dict[str, Any]) -> Any:
        """What Prefect's API answers."""
        token = self._request("csrf-token?client=tests")
        return self._request(path, json.dumps(body).encode(), token["token"])

    def _request(self, path: str, data: bytes | None = None, token: str = "") -> Any:
        secret = base64.b64encode(f"ectx:{self.secret}".encode()).decode()
        headers = {"Authorization": f"Basic {secret}", "Content-Type": "application/json"}
        headers |= {"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": "tests"} if token else {}
        with urllib.request.urlopen(urllib.request.Request(f"{self.api}/{path}", data, headers)) as answer:
            return json.load(answer)

    def runs(self, slug: str) -> list[dict[str, Any]]:
        """Runs of one lead provider, as Prefect has them."""
        return list(self.asked("flow_runs/filter", {"flow_runs": {"tags": {"all_": [slug]}}}))

    def run(self, deployment: str, **parameters: Any) -> None:
        """As an operator: `ectx prefect deployment run`."""
        told = self.environment("server", PREFECT_API_URL=self.api, ECTX_UI_SECRET=self.secret)
        given = [part for name, value in parameters.items() for part in ("--param", f"{name}={json.dumps(value)}")]
        command = [*ECTX, "prefect", "deployment", "run", deployment, *given]
        subprocess.run(command, env=told, check=True, capture_output=True, timeout=60)


def wrong_clock(folder: Path, minutes: int) -> str:
    """A PYTHONPATH under which the clock of every Python program is so many minutes fast."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(WRONG_CLOCK.format(minutes=minutes))
    return f"{folder}:{os.environ.get('PYTHONPATH', '')}".rstrip(":")


def at_work(machines: Machines, worker: Worker, slug: str) -> bool:
    """Whether a worker has a run of this lead provider at work."""
    ours = worker.runs()
    return any(run["id"] in ours and run["state_type"] == "RUNNING" for run in machines.runs(slug))


def own_settings(told: dict[str, str], home: Path) -> Settings:
    """The same installation, for the test itself."""
    names = {"ECTX_DATABASE_URL": "database_url", "ECTX_MAILBOXES": "mailboxes", "ECTX_STORE": "store",
             "ECTX_SFTP_KEY": "sftp_key", "ECTX_SFTP_KNOWN_HOSTS": "sftp_known_hosts"}  # fmt: skip
    return Settings(home=home, **{names[name]: value for name, value in told.items() if name in names})  # type: ignore[arg-type]


assert sys.platform == "linux"
