"""`ectx serve`: everything answers, a file is taken on schedule, and Ctrl-C leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from flows.house import open_house
from flows.settings import Settings
from tests.exchange.provider import box, put, receipts


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def wait_for(what, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.5)
    raise AssertionError("it did not happen in time")


def children(pid: int) -> list[int]:
    answer = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout.split()
    return [int(child) for child in answer] + [each for child in answer for each in children(int(child))]


def test_it_serves_takes_files_on_schedule_and_stops_cleanly(home):
    ui_port, sftp_port = free_port(), free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")} | {
        "ECTX_HOME": str(home), "ECTX_UI_PORT": str(ui_port), "ECTX_SFTP_PORT": str(sftp_port),
        "ECTX_INTAKE_EVERY_SECONDS": "5", "ECTX_SECONDS_BETWEEN_LOOKS": "0.1",
    }  # fmt: skip
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "ectx"), "serve"], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        lines = [process.stdout.readline() for _ in range(3)]
        assert "host key SHA256:" in lines[0] and str(ui_port) in lines[1]
        with urllib.request.urlopen(f"http://127.0.0.1:{ui_port}/ui-settings") as answer:
            assert f"http://127.0.0.1:{ui_port}/api" in answer.read().decode()
        with socket.create_connection(("127.0.0.1", sftp_port)) as connection:
            assert connection.recv(4) == b"SSH-"
        with open_house(Settings(home=home)) as house:
            provider = house.lead_providers()[0]
            put(house, provider, "declarations.csv", "x\n")
            assert wait_for(lambda: receipts(house, provider).get("declarations.csv"), 90)["status"] == "rejected"
            assert list((box(house, provider) / "to-dfe").iterdir()) == []
        below = children(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below), 20)
        assert not (home / "serve.json").exists()
    finally:
        process.kill()
