"""`ectx serve` judges a file when it arrives, whatever the schedule; a process that dies at it is followed by a fresh one."""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from flows.installation import open_installation
from flows.service.reached import prefect_environment
from flows.settings import Settings
from sftp.keys import host_key, write_new_key
from tests.exchange.provider import acceptable_rows, receipts
from tests.exchange.servers import Client, mailbox_service, pinned
from tests.operators.test_serve import _command, children, environment, free_port, serving, wait_for

HELD_UP_SECONDS = 45  # SQLite gives up after 60


def _warm(pid: int) -> list[int]:
    return [each for each in children(pid) if b"flows.arrivals.warm" in _command(each)]


def _runs(home: Path, ui_port: int) -> list[dict[str, str]]:
    """Runs of flows, as operators see them."""
    secret = base64.b64encode(f"ectx:{(home / 'ui_secret').read_text().strip()}".encode()).decode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{ui_port}/api/flow_runs/filter", data=b"{}", method="POST",
        headers={"Authorization": f"Basic {secret}", "Content-Type": "application/json"},
    )  # fmt: skip
    token = urllib.request.Request(
        f"http://127.0.0.1:{ui_port}/api/csrf-token?client=tests", headers={"Authorization": f"Basic {secret}"}
    )
    with urllib.request.urlopen(token) as answer:
        request.add_header("Prefect-Csrf-Token", json.load(answer)["token"])
        request.add_header("Prefect-Csrf-Client", "tests")
    with urllib.request.urlopen(request) as answer:
        return [{"name": run["name"], "state": run["state_name"]} for run in json.load(answer)]


@pytest.mark.slow
def test_a_file_is_judged_when_it_arrives_though_a_process_dies_at_it(small_home, tmp_path):
    home = Path(shutil.copytree(small_home, tmp_path / "home"))
    ui_port, sftp_port = free_port(), free_port()
    with open_installation(Settings(home=home)) as installation:
        provider = installation.lead_providers()[0]
        installation.accounts.add_key(provider.slug, write_new_key(tmp_path / "id"))
        rows = acceptable_rows(installation, provider).head(3)
        known = pinned(tmp_path, sftp_port, host_key(home / "host_key"))
    client = Client(tmp_path / "id", known, provider.slug, sftp_port)
    # Neither a schedule nor a second look would come while this test runs.
    settings = environment(home, ui_port, sftp_port) | {
        "ECTX_INTAKE_EVERY_SECONDS": "3600", "ECTX_SECONDS_BETWEEN_LOOKS": "3600",
    }  # fmt: skip
    (tmp_path / "declarations.csv").write_text(rows.write_csv())
    large = pl.concat(
        [rows.with_columns(participant_id=pl.lit(f"{n:08x}-0000-4000-8000-000000000000")) for n in range(30_000)]
    )
    (tmp_path / "large.csv").write_text(large.write_csv())
    with (tmp_path / "stderr.txt").open("w") as errors:
        process, _ = serving(settings, errors)
    try:
        client.sftp(f'put "{tmp_path / "declarations.csv"}" "to-dfe/declarations.csv"')
        with open_installation(Settings(home=home)) as installation:
            done = wait_for(lambda: receipts(installation, provider).get("declarations.csv"), 90)
            assert done["rows"]["total"] == 3
            before = _warm(process.pid)
            assert len(before) == 3, "two for small files, and one that gives way"
            idle = children(process.pid)

            # Who judges is killed at it: as soon as the file is written down, while it is judged.
            client.sftp(f'put "{tmp_path / "large.csv"}" "to-dfe/declarations-large.csv"')
            wait_for(lambda: list((home / "trying").glob("*")) if (home / "trying").is_dir() else [], 60)
            for pid in before:
                os.kill(pid, signal.SIGKILL)
            done = wait_for(lambda: receipts(installation, provider).get("declarations-large.csv"), 180)
            assert done["rows"]["rejected"] == 90_000 and done["rows"]["total"] == 90_000
            with installation.database.read() as reader:
                assert reader.frame("SELECT submission_id FROM submissions").height == 2
        assert not set(before) & set(_warm(process.pid))
        states = wait_for(lambda: _ended(_runs(home, ui_port)), 60)
        assert "Crashed" in states and "Completed" in states

        # Nothing to do: nobody comes and nobody goes.
        still = set(children(process.pid))
        time.sleep(10)
        assert set(children(process.pid)) == still and len(still) <= len(idle)
        below = children(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below), 20)
    finally:
        process.kill()


@pytest.mark.slow
def test_runs_side_by_side_do_not_hold_each_other_up(tmp_path):
    """Prefect's server once waited for one of its own connections until SQLite gave up, after a minute; in the first seconds, mostly."""
    home, ui_port = tmp_path / "home", free_port()
    with (tmp_path / "stderr.txt").open("w") as errors:
        process, _ = serving(environment(home, ui_port, free_port()), errors)
    try:
        told = prefect_environment(Settings(home=home), f"http://127.0.0.1:{ui_port}/api")
        command = [sys.executable, "-m", "tests.operators.many_runs", "15"]
        many = [subprocess.Popen(command, env=told, stdout=subprocess.PIPE, text=True) for _ in range(3)]
        longest = [float(each.communicate(timeout=240)[0]) for each in many]
        assert max(longest) < HELD_UP_SECONDS, longest
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _ended(runs: list[dict[str, str]]) -> set[str]:
    """The states of runs of intake, once none is running; nothing before."""
    states = {run["state"] for run in runs if run["name"].startswith("intake ")}
    return set() if states & {"Running", "Pending"} else states


@pytest.mark.slow
def test_all_lead_providers_at_once_and_one_of_them_by_openssh(small_home, tmp_path):
    """Two processes take turns at all mailboxes; what came by OpenSSH nobody announces, and nobody's schedule would come to."""
    home = Path(shutil.copytree(small_home, tmp_path / "home"))
    ui_port, sftp_port = free_port(), free_port()
    with open_installation(Settings(home=home)) as installation:
        providers = installation.lead_providers()
        for each in providers:
            installation.accounts.add_key(each.slug, write_new_key(tmp_path / each.slug))
        known = pinned(tmp_path, sftp_port, host_key(home / "host_key"))
    (tmp_path / "declarations.csv").write_text("declaration_id\nx\n")
    (other := tmp_path / "openssh").mkdir()
    settings = environment(home, ui_port, sftp_port) | {"ECTX_INTAKE_EVERY_SECONDS": "3600"}
    with (tmp_path / "stderr.txt").open("w") as errors, mailbox_service("openssh", other) as (address, key, trusted):
        process, _ = serving(settings, errors)
        try:
            wait_for(lambda: len(_warm(process.pid)) == 3, 60)

            def send(slug: str) -> None:
                Client(tmp_path / slug, known, slug, sftp_port).sftp(
                    f'put "{tmp_path / "declarations.csv"}" "to-dfe/declarations.csv"'
                )

            with ThreadPoolExecutor(len(providers)) as everybody:
                list(everybody.map(send, [each.slug for each in providers]))
            user, port = address.removeprefix("sftp://").split("@")[0], int(address.rsplit(":", 1)[1])
            place = home / "mailboxes" / providers[0].slug / "to-dfe" / "voids.csv"
            Client(key, trusted, user, port).sftp(f'put "{tmp_path / "declarations.csv"}" "{place}"')
            with open_installation(Settings(home=home)) as installation:
                for each in providers:
                    wait_for(lambda each=each: receipts(installation, each).get("declarations.csv"), 60)
                wait_for(lambda: receipts(installation, providers[0]).get("voids.csv"), 60)
                with installation.database.read() as reader:
                    assert reader.frame("SELECT submission_id FROM submissions").height == len(providers) + 1
            assert wait_for(lambda: _ended(_runs(home, ui_port)), 60) == {"Completed"}
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
