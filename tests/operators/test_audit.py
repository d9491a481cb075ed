"""`make audit`: says what is known, and never passes for want of an answer. The database is one of our own here."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

KNOWN = {
    "id": "ECT-2026-1",
    "modified": "2026-11-01T00:00:00Z",
    "published": "2026-11-01T00:00:00Z",
    "details": "Made up.",
    "affected": [
        {
            "package": {"name": "jinja2", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}],
        }
    ],
}


@pytest.fixture
def database():
    """Knows of one vulnerability, in what it is told to be vulnerable. Yields its address, the set, and who was asked for."""
    vulnerable: set[str] = set()
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = question["package"]["name"]
            asked.append(name)
            body = json.dumps({"vulns": [KNOWN]} if name in vulnerable else {}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/query", vulnerable, asked
    server.shutdown()


def audit(address: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.audit", "--osv-url", address], capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout


def test_every_locked_package_is_asked_about(database):
    address, _, asked = database
    status, told = audit(address)
    assert (status, told) == (0, f"{len(asked)} packages checked, 0 known vulnerabilities.\n")
    assert {"prefect", "polars", "paramiko", "jinja2", "pytest"} <= set(asked) and len(asked) > 100


def test_a_known_vulnerability_is_named_with_what_mends_it(database):
    address, vulnerable, _ = database
    vulnerable.add("jinja2")
    status, told = audit(address)
    assert status == 1
    assert "jinja2 3." in told and "ECT-2026-1, fixed in 99.0" in told and "1 known vulnerabilities" in told


def test_without_an_answer_nothing_passes():
    status, told = audit("http://127.0.0.1:9/query")
    assert status == 1 and told.startswith("NOT CHECKED: no database")
