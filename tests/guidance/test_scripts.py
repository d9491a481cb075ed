"""The scripts that providers are given, run as they are: sent with, and collected with, on our server and on OpenSSH."""

import csv
import hashlib
import os
import shutil
import subprocess
import sys

import pytest

from tests.exchange.servers import PORTS, port_of
from tests.tools import needed

ROW = b"participant_id,course_identifier,declaration_type,declaration_date\n"


@pytest.fixture(scope="module")
def delivered(guided_home):
    return next(guided_home.glob("mailboxes/*/from-dfe/receipts/*")).parents[1]


@pytest.fixture(scope="module", params=PORTS)
def port(request, tmp_path_factory, delivered):
    with port_of(request.param, tmp_path_factory.mktemp(request.param)) as opened:
        place = opened.mailbox / "from-dfe"
        status = place.stat()
        shutil.copytree(delivered, place, dirs_exist_ok=True)
        for path in (place, *place.rglob("*")):
            os.chown(path, status.st_uid, status.st_gid)
            path.chmod(0o2750 if path.is_dir() else 0o640)
        yield opened


def python(port, scripts, *asked):
    client = port.client
    told = ["--host", "127.0.0.1", "--port", str(client.port), "--user", client.user, "--key", str(client.key)]
    command = [sys.executable, str(scripts / "exchange.py"), *told, "--known-hosts", str(client.known_hosts)]
    return subprocess.run([*command, *map(str, asked)], capture_output=True, text=True, check=False, timeout=300)


def shell(port, scripts, *asked):
    client = port.client
    told = {"HOST": "127.0.0.1", "PORT": str(client.port), "USER_NAME": client.user, "KEY": str(client.key)}
    environment = {**os.environ, **told, "KNOWN_HOSTS": str(client.known_hosts)}
    needed("sftp")
    command = ["sh", str(scripts / "exchange.sh"), *map(str, asked)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)


@pytest.fixture(params=[python, shell], ids=["python", "shell"])
def run(request, port, delivered):
    def asked(*arguments):
        return request.param(port, delivered / "guidance/scripts", *arguments)

    return asked


def test_a_file_is_sent_and_replaced(run, port, tmp_path):
    path = tmp_path / "declarations november.csv"
    for content in (ROW, ROW + b"x,,,\n"):
        path.write_bytes(content)
        done = run("send", path)
        assert done.returncode == 0, done.stderr
        assert {each.name: each.read_bytes() for each in (port.mailbox / "to-dfe").iterdir()} == {path.name: content}
    (port.mailbox / "to-dfe" / path.name).unlink()


@pytest.mark.slow
def test_everything_is_collected_once_and_what_is_new_after_it(run, port, tmp_path, delivered, files_of):
    into = tmp_path / "collected"
    done = run("collect", into)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((delivered / "index.csv").read_text().splitlines()))
    for path in {row["path"] for row in rows}:
        own = delivered.parent / path
        assert files_of(into / path) == files_of(own)
        for name in files_of(own):
            assert (into / path / name).read_bytes() == (own / name).read_bytes(), name
    assert (into / "collected.txt").read_text().strip() == rows[-1]["sequence"]
    again = run("collect", into)
    assert (again.returncode, again.stdout) == (0, "")
    (into / "collected.txt").write_text(str(len(rows) - 1))
    assert run("collect", into).stdout.split() == ["collected", rows[-1]["path"]]


@pytest.mark.slow
def test_a_folder_that_is_not_as_its_manifest_says_is_not_taken_for_whole(run, port, tmp_path):
    page = port.mailbox / "from-dfe/guidance/words.html"
    content = page.read_bytes()
    page.write_bytes(content + b"x")
    try:
        done = run("collect", tmp_path)
        assert done.returncode == 1 and "changed while it was read" in done.stderr
        rows = csv.DictReader((port.mailbox / "from-dfe/index.csv").read_text().splitlines())
        number = next(int(row["sequence"]) for row in rows if row["path"] == "from-dfe/guidance")
        assert int((tmp_path / "collected.txt").read_text()) == number - 1
    finally:
        page.write_bytes(content)
    assert run("collect", tmp_path).returncode == 0


@pytest.mark.slow
def test_a_folder_that_has_been_kept_long_enough_is_said_to_be_gone(run, port, tmp_path):
    receipt = sorted((port.mailbox / "from-dfe/receipts").iterdir())[0]
    aside = tmp_path / receipt.name
    shutil.move(receipt, aside)
    try:
        done = run("collect", tmp_path / "into")
        assert done.returncode == 0, done.stderr
        assert f"gone from-dfe/receipts/{receipt.name}" in done.stdout
        assert not (tmp_path / "into/from-dfe/receipts" / receipt.name).exists()
        for path in ("start-here.html", "statements/ledger.csv", "forecast/index.html"):
            assert (tmp_path / "into/from-dfe" / path).is_file(), path
    finally:
        shutil.copytree(aside, receipt, dirs_exist_ok=True)
        for path in (receipt, *receipt.rglob("*")):
            os.chown(path, receipt.parent.stat().st_uid, receipt.parent.stat().st_gid)
            path.chmod(0o2750 if path.is_dir() else 0o640)


def test_a_server_that_nobody_knows_is_not_talked_to(run, port, tmp_path):
    known = port.client.known_hosts.read_text()
    port.client.known_hosts.write_text("")
    try:
        assert run("collect", tmp_path).returncode != 0
        assert not (tmp_path / "from-dfe").exists()
    finally:
        port.client.known_hosts.write_text(known)


def test_the_scripts_are_those_of_the_manifest(delivered):
    import json

    said = {
        each["name"]: each["sha256"] for each in json.loads((delivered / "guidance/manifest.json").read_text())["files"]
    }
    for path in (delivered / "guidance/scripts").iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == said[f"scripts/{path.name}"]
