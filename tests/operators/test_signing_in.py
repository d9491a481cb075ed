"""Operators' pages: nobody without the secret, no page of anybody else's even where an operator is signed in; workers."""

import asyncio
import base64
import http.server
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.clock import instant
from flows.installation import open_installation
from flows.service.prefect_server import OwnPagesOnly
from flows.service.reached import prefect_environment, server_environment
from flows.service.services import Services, services
from flows.service.signing_in import auth_string, known_secret, made_secret, secret_file
from flows.settings import Settings
from flows.upkeep.backup import backup
from flows.upkeep.restore import restore
from tests.conftest import NOW
from tests.exchange.provider import put
from tests.operators.browser import browser
from tests.operators.test_serve import children, wait_for

ECTX = str(Path(sys.executable).parent / "ectx")
PROJECT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Office:
    """A service that runs: its settings, what it is, the environment of its commands."""

    settings: Settings
    running: Services
    environment: dict[str, str]

    def ask(self, path: str, body: dict | None = None, secret: str | None = None, **headers: str) -> tuple[int, str]:
        """Status and text of an answer of the API."""
        sent = {"content-type": "application/json", **headers}
        if secret:
            sent["authorization"] = "Basic " + base64.b64encode(auth_string(secret).encode()).decode()
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.running.api_url}{path}", data, sent)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def prefect(self, *arguments: str) -> str:
        done = subprocess.run(
            [ECTX, "prefect", *arguments],
            env=self.environment,
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def runs(self) -> list[tuple[str, str]]:
        """Name and state of every run there is."""
        listed = json.loads(self.prefect("flow-run", "ls", "--output", "json", "--limit", "100") or "[]")
        return [(each["name"], each["state"]["type"]) for each in listed]


@pytest.fixture(scope="module")
def office(small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    home = Path(shutil.copytree(small_home, tmp_path_factory.mktemp("office") / "home"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ECTX_", "PREFECT_"))}
    settings = Settings(home=home, seconds_between_looks=0)
    with (
        open_installation(settings) as installation,
        services(installation, 0, scheduled=False, any_ui_port=True) as running,
    ):
        yield Office(settings, running, kept | {"ECTX_HOME": str(home)})


def test_a_secret_is_made_once_and_only_its_user_can_read_it(tmp_path):
    settings = Settings(home=tmp_path)
    assert known_secret(settings) is None
    threads = [threading.Thread(target=made_secret, args=(settings,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first = made_secret(settings)
    assert len(first) >= 32 and first == known_secret(settings)
    assert stat.S_IMODE(secret_file(settings).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["ui_secret"]
    assert known_secret(Settings(home=tmp_path, ui_secret="given")) == "given"


def test_the_secret_of_a_home_is_not_shown_to_a_server_somewhere_else(tmp_path, monkeypatch):
    settings = Settings(home=tmp_path)
    made_secret(settings)
    here = "http://127.0.0.1:4200/api"
    assert "PREFECT_API_AUTH_STRING" in prefect_environment(settings, here)
    monkeypatch.setenv("PREFECT_API_URL", "https://elsewhere.example/api")
    assert "PREFECT_API_AUTH_STRING" not in prefect_environment(settings, "https://elsewhere.example/api")
    told = settings.model_copy(update={"ui_secret": Settings(home=tmp_path, ui_secret="theirs").ui_secret})
    assert prefect_environment(told, "https://elsewhere.example/api")["PREFECT_API_AUTH_STRING"] == "ectx:theirs"


def test_a_backup_keeps_the_secret(installation, tmp_path):
    secret = made_secret(installation.settings)
    backup(installation, tmp_path / "copy", instant(NOW))
    restored = Settings(home=tmp_path / "again")
    restore(tmp_path / "copy", restored)
    assert known_secret(restored) == secret
    assert stat.S_IMODE(secret_file(restored).stat().st_mode) == 0o600


def test_pages_elsewhere_are_told_where_the_api_is(tmp_path):
    told = server_environment(Settings(home=tmp_path), "http://0.0.0.0:4200/api", "https://ops.example.org")
    assert told["PREFECT_SERVER_UI_API_URL"] == "https://ops.example.org/api"
    assert told["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] == "https://ops.example.org"


def test_nobody_is_answered_without_the_secret(office: Office):
    secret = known_secret(office.settings)
    for path, body in (("/flow_runs/filter", {}), ("/deployments/filter", {}), ("/admin/settings", None)):
        assert office.ask(path, body)[0] in (401, 403)
        assert office.ask(path, body, secret="a guess")[0] in (401, 403)
    assert office.ask("/admin/settings", None, secret)[0] == 200
    status, said = office.ask("/flow_runs/filter", {}, secret)
    assert status == 403 and "CSRF" in said


class _Hostile(http.server.BaseHTTPRequestHandler):
    """A page of somebody else's, on another port of this machine."""

    page = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(self.page.encode())

    def log_message(self, *_: object) -> None:
        return


HOSTILE = """<!doctype html><meta charset=utf-8><title>Free cake</title><iframe id=frame src="PAGES/"></iframe>
<form id=form method=post enctype="text/plain" target=_blank action="API/deployments/DEPLOYMENT/create_flow_run">
<input name='{"parameters":{"statement_id":"x","total":"1.00"},"x":"' value='"}'></form>
<script>
const run = JSON.stringify({parameters: {statement_id: "x", total: "1.00"}});
const url = "API/deployments/DEPLOYMENT/create_flow_run";
const tries = {
  json: () => fetch(url, {method: "POST", body: run, headers: {"content-type": "application/json"}}),
  cookies: () => fetch(url, {method: "POST", body: run, credentials: "include", headers: {"content-type": "application/json"}}),
  plain: () => fetch(url, {method: "POST", body: run, mode: "no-cors", credentials: "include"}),
  csrf: () => fetch("API/csrf-token?client=x", {credentials: "include"}),
  read: () => fetch("API/flow_runs/filter", {method: "POST", body: "{}", headers: {"content-type": "application/json"}}),
};
const told = {};
function socket(path) {
  return new Promise(done => {
    const it = new WebSocket("API".replace("http", "ws") + path, ["prefect"]);
    it.onopen = () => it.send(JSON.stringify({type: "auth", token: null}));
    it.onmessage = event => done(JSON.parse(event.data).type);
    it.onclose = () => done("closed");
    it.onerror = () => done("closed");
  });
}
(async () => {
  for (const [name, act] of Object.entries(tries)) {
    try { const answer = await act(); told[name] = answer.type === "opaque" ? "opaque" : await answer.text(); }
    catch (error) { told[name] = "refused"; }
  }
  told.events = await socket("/events/in");
  told.logs = await socket("/logs/out");
  try { told.frame = document.getElementById("frame").contentDocument === null ? "closed" : "empty"; }
  catch (error) { told.frame = "closed"; }
  document.getElementById("form").submit();
  window.told = told;
})();
</script>"""


@pytest.fixture(scope="module")
def deployment(office: Office) -> str:
    """The id of `authorise/by-hand`, with the others, as README has it."""
    office.prefect("work-pool", "create", "ectx", "--type", "process")
    office.prefect("deploy", "--all")
    listed = json.loads(office.prefect("deployment", "inspect", "authorise/by-hand", "--output", "json"))
    assert [line for line in json.dumps(listed, indent=1).splitlines() if str(PROJECT) in line] == []
    return str(listed["id"])


@pytest.mark.parametrize("is_signed_in", [False, True], ids=["not signed in", "signed in"])
@pytest.mark.slow
def test_a_hostile_page_can_neither_run_anything_nor_read_anything(office: Office, deployment: str, is_signed_in):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hostile)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _Hostile.page = (
        HOSTILE.replace("API", office.running.api_url)
        .replace("PAGES", office.running.pages)
        .replace("DEPLOYMENT", deployment)
    )
    before = [run for run in office.runs() if run[1] != "SCHEDULED"]
    with browser() as opened:
        context = opened.new_context()
        own = context.new_page()
        own.goto(office.running.pages)
        own.wait_for_selector("input")
        if is_signed_in:
            own.fill("input", auth_string(made_secret(office.settings)))
            own.keyboard.press("Enter")
            own.wait_for_selector("text=Deployments")
            # What the operator may do from there, so that what follows is no accident.
            assert own.evaluate(_FROM_THE_PAGES, office.running.api_url) == 200
        hostile = context.new_page()
        hostile.goto(f"http://127.0.0.1:{server.server_address[1]}/")
        hostile.wait_for_function("() => window.told", timeout=60_000)
        told = hostile.evaluate("window.told")
        hostile.wait_for_timeout(1000)
    server.shutdown()
    assert told == {
        "json": "refused", "cookies": "refused", "plain": "opaque", "csrf": "refused", "read": "refused",
        "events": "closed", "logs": "closed", "frame": "closed",
    }  # fmt: skip
    assert [run for run in office.runs() if run[1] != "SCHEDULED"] == before
    assert not any(name.startswith("authorise") for name, _ in office.runs())


_FROM_THE_PAGES = """async api => {
  const secret = localStorage.getItem("prefect-password");
  const answer = await fetch(api + "/admin/settings", {headers: {authorization: "Basic " + secret.replaceAll('"', '')}});
  return answer.status;
}"""


def test_localhost_is_led_to_the_pages_and_nobody_frames_them(office: Office):
    port = office.running.pages.rsplit(":", 1)[1]
    with urllib.request.urlopen(f"http://localhost:{port}/?page=2") as answer:
        assert answer.url == f"{office.running.pages}/?page=2"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


class Locked(Exception):
    """The server's own trouble."""


def answered(
    statuses: list[int], length: bytes = b"5", method: str = "POST", path: str = "/api/flow_runs/"
) -> tuple[list[int], list[bytes]]:
    """What a client is answered by a server that answers these, one after another, each time it has read the whole question; and
    the questions that it read. Its question comes in two parts."""
    left, read, sent, parts = iter(statuses), [], [], iter([(b"he", True), (b"llo", False)])

    async def app(_scope, receive, send):
        question, more = b"", True
        while more:
            message = await receive()
            question, more = question + message["body"], message["more_body"]
        read.append(question)
        status = next(left)
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b""})
        if status >= 500:  # as Starlette does
            raise Locked

    async def receive():
        body, more = next(parts)
        return {"type": "http.request", "body": body, "more_body": more}

    async def send(message):
        sent.append(message)

    pages = OwnPagesOnly(app, "http://127.0.0.1:4200")
    headers = [(b"host", b"127.0.0.1:4200"), (b"content-length", length)]
    scope = {
        "type": "http",
        "method": method,
        "headers": headers,
        "query_string": b"",
        "path": path,
        "raw_path": path.encode(),
    }
    with suppress(Locked):
        asyncio.run(pages(scope, receive, send))
    assert len(sent) == 2 * len([each for each in sent if each["type"] == "http.response.start"])
    return [each["status"] for each in sent if "status" in each], read


def test_whoever_meets_a_busy_server_is_answered_a_moment_later():
    assert answered([201, 404]) == ([201], [b"hello"])
    assert answered([503, 503, 201]) == ([201], [b"hello"] * 3)
    assert answered([500, 201]) == ([500], [b"hello"])


def test_a_server_that_stays_busy_says_so():
    """Its client waits longer each time, then, and so outlasts it. What is too long to be kept is asked once, and what only reads."""
    assert answered([503] * 20) == ([503], [b"hello"] * 9)
    assert answered([503] * 20, b"99999") == ([503], [b"hello"])
    assert answered([503] * 20, method="GET") == ([503], [b"hello"])


def test_whoever_asks_for_a_token_is_asked_for_again():
    """It is written down."""
    assert answered([503, 200], b"", method="GET", path="/api/csrf-token")[0] == [200]


# It waits for what collects garbage, in a process of its own: pytest's own garbage is its own matter.
COLLECTS = """
import gc, threading, time, weakref
from flows.service.prefect_server import _collect_elsewhere

class Thing:
    pass

_collect_elsewhere()
thing, where = Thing(), []
thing.itself = thing
gone = weakref.ref(thing, lambda _: where.append(threading.current_thread().name))
del thing
assert not gc.isenabled() and gc.get_freeze_count() > 1000
end = time.monotonic() + 20
while gone() and time.monotonic() < end:
    [[] for _ in range(10_000)]
    time.sleep(0.05)
print(where)
"""


def test_garbage_is_collected_by_a_thread_that_nobody_waits_for():
    told = subprocess.run([sys.executable, "-c", COLLECTS], capture_output=True, text=True, check=True).stdout
    assert told == "['garbage']\n"


def test_a_server_that_finds_out_late_that_it_is_busy_says_so_at_once(monkeypatch):
    """Its client has waited long enough, and may have gone."""
    monkeypatch.setattr("flows.service.prefect_server.MOST_SECONDS", 0.0)
    assert answered([503] * 20) == ([503], [b"hello"])


@pytest.mark.slow
def test_a_worker_killed_with_its_run_stops_nothing(office: Office, deployment: str):
    """A run that sleeps between two looks is killed with its worker; another worker's run is through at once."""
    with open_installation(office.settings) as installation:
        put(installation, installation.lead_providers()[0], "declarations.csv", "x\n")
    slow = _worker(office, seconds_between_looks="300")
    try:
        office.prefect("deployment", "run", "intake/every-minute")
        wait_for(lambda: any(state == "RUNNING" for _, state in office.runs()), 90)
        below = [slow.pid, *children(slow.pid)]
    finally:
        for pid in (below := [slow.pid, *children(slow.pid)]):
            os.kill(pid, signal.SIGKILL)
    slow.wait()
    assert len(below) > 1
    quick = _worker(office, seconds_between_looks="0")
    try:
        office.prefect("deployment", "run", "intake/every-minute")
        begun = time.monotonic()
        receipts = office.settings.home / "mailboxes"
        wait_for(lambda: list(receipts.glob("*/from-dfe/receipts/*/receipt.json")), 90)
        assert time.monotonic() - begun < 90
    finally:
        quick.send_signal(signal.SIGINT)
        quick.wait(60)


def _worker(office: Office, **settings: str) -> subprocess.Popen[bytes]:
    told = {f"ECTX_{name.upper()}": value for name, value in settings.items()}
    command = [ECTX, "prefect", "worker", "start", "--pool", "ectx"]
    return subprocess.Popen(
        command, env=office.environment | told, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
