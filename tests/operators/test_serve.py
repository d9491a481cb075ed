"""`ectx serve`: everything answers, a file is taken on schedule, and Ctrl-C leaves nothing behind."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import polars as pl
import pytest

from flows.installation import open_installation
from flows.service.reached import api_of_running_service
from flows.service.services import held_port
from flows.settings import Settings
from sftp.keys import host_key, write_new_key
from tests.exchange.provider import box, put, receipts
from tests.exchange.servers import Client, pinned


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


def environment(home: Path, ui_port: int, sftp_port: int) -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")} | {
        "ECTX_HOME": str(home), "ECTX_UI_PORT": str(ui_port), "ECTX_SFTP_PORT": str(sftp_port), "ECTX_LOG_LEVEL": "INFO",
        "ECTX_INTAKE_EVERY_SECONDS": "5", "ECTX_SECONDS_BETWEEN_LOOKS": "0.1",
    }  # fmt: skip


ECTX = [str(Path(sys.executable).parent / "ectx")]
SERVE = [*ECTX, "serve"]


def serving(settings: dict[str, str], output) -> tuple[subprocess.Popen[str], list[str]]:
    """The process, once it answers, and the four lines it says."""
    process = subprocess.Popen(SERVE, env=settings, stdout=subprocess.PIPE, stderr=output, text=True)
    return process, [process.stdout.readline() for _ in range(4)]


def refused(settings: dict[str, str]) -> str:
    """What a service says that does not start."""
    done = subprocess.run(SERVE, env=settings, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    return done.stderr


def test_a_port_that_is_taken_is_said_before_anything_starts(small_home, tmp_path):
    home = Path(shutil.copytree(small_home, tmp_path / "home"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"NO-PORT: Port {port} on 127.0.0.1 is taken." in refused(environment(home, port, free_port()))
        assert f"NO-PORT: Port {port} on 127.0.0.1 is taken." in refused(environment(home, free_port(), port))
        with open_installation(Settings(home=home)) as installation:
            other = held_port("127.0.0.1", port, "ECTX_UI_PORT", or_another=True)
            assert other.getsockname()[1] != port
            other.close()
            assert api_of_running_service(installation.settings) is None


@pytest.mark.slow
def test_it_serves_survives_its_servers_death_and_stops_cleanly(small_home, tmp_path):
    home = Path(shutil.copytree(small_home, tmp_path / "home"))
    ui_port, sftp_port = free_port(), free_port()
    with open_installation(Settings(home=home)) as installation:
        provider = installation.lead_providers()[0]
        installation.accounts.add_key(provider.slug, write_new_key(tmp_path / "id"))
        people = _people(installation)
        known = pinned(tmp_path, sftp_port, host_key(home / "host_key"))
    client = Client(tmp_path / "id", known, provider.slug, sftp_port)
    settings = environment(home, ui_port, sftp_port)
    with (tmp_path / "stderr.txt").open("w") as errors:
        process, lines = serving(settings, errors)
    try:
        assert "host key SHA256:" in lines[0] and str(ui_port) in lines[1]
        assert str(home / "ui_secret") in lines[2] and (home / "ui_secret").read_text().strip() not in "".join(lines)
        assert "RUNNING: The service runs on this home already." in refused(settings)
        with urllib.request.urlopen(f"http://127.0.0.1:{ui_port}/ui-settings") as answer:
            assert f"http://127.0.0.1:{ui_port}/api" in answer.read().decode()
        for name, content in _personal_files(people, tmp_path).items():
            client.sftp(f'put "{content}" "to-dfe/{name}"')
        with open_installation(Settings(home=home)) as installation:
            wait_for(lambda: len(receipts(installation, provider)) == 3, 90)
            assert list((box(installation, provider) / "to-dfe").iterdir()) == []

            # The Prefect server dies: it is started again, and the schedule goes on.
            [server] = [pid for pid in children(process.pid) if b"flows.service.prefect_server" in _command(pid)]
            os.kill(server, signal.SIGKILL)
            put(installation, provider, "declarations-after.csv", "x\n")
            assert (
                wait_for(lambda: receipts(installation, provider).get("declarations-after.csv"), 120)["status"]
                == "rejected"
            )

        # A command that goes through Prefect answers a person as it does without: in words, and in one line where it could not.
        told = _ectx(settings, "verify")
        assert (told.returncode, told.stdout, told.stderr) == (
            0,
            "0 paid statements computed anew: 0 not as paid.\n",
            "",
        )
        wrong = _ectx(settings, "authorise", "99999999-0000-4000-8000-000000000000", "--total", "5.00")
        assert (wrong.returncode, wrong.stdout, wrong.stderr.count("\n")) == (1, "", 1)
        assert wrong.stderr.startswith("ectx: NO-STATEMENT")

        # The SFTP server dies: it is started again on the port that is held, and who comes meanwhile is served.
        for pid in children(process.pid):
            if b"sftp.server" in _command(pid):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: client.sftp("ls", check=False).returncode == 0, 30)

        # The whole service dies: nothing of it is left, and it starts again as it was.
        below = children(process.pid)
        process.kill()
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below), 60)
        with (tmp_path / "stderr.txt").open("a") as errors:
            process, again = serving(settings, errors)
        assert again == lines

        below = children(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below), 20)
        assert api_of_running_service(Settings(home=home)) is None
    finally:
        process.kill()
    _nothing_personal(people, [*(home / "logs").iterdir(), *(home / "prefect").rglob("*"), tmp_path / "stderr.txt"])


def _ectx(settings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    quiet = settings | {"ECTX_LOG_LEVEL": "WARNING"}
    return subprocess.run([*ECTX, *arguments], env=quiet, capture_output=True, text=True, check=False, timeout=120)


def _command(pid: int) -> bytes:
    path = Path(f"/proc/{pid}/cmdline")
    return path.read_bytes() if path.exists() else b""


def _people(installation) -> pl.DataFrame:
    """participant_id, full_name, trn, email of everybody; tutors' names and addresses among them."""
    with installation.database.read() as reader:
        people = reader.frame(
            "SELECT p.participant_id, p.full_name, p.trn, s.email FROM participants p "
            "LEFT JOIN school_periods s ON s.participant_id = p.participant_id UNION "
            "SELECT NULL, NULL, NULL, induction_tutor_email FROM schools"
        )
    assert people["full_name"].n_unique() > 300 and people["email"].n_unique() > 300
    return people


def _personal_files(people: pl.DataFrame, folder: Path) -> dict[str, Path]:
    """Names, TRNs and e-mail addresses in every cell, in the header and in the file's name; right rows and wrong ones."""
    some = people.drop_nulls().head(50)
    name, trn, email = some["full_name"][0], some["trn"][0], some["email"][0]
    head = "participant_id,course_identifier,declaration_type,declaration_date,evidence_held,your_reference\n"
    cells = [f"{p},{n},{t},{e},{n},{n} {t}\n" for p, n, t, e in some.iter_rows()]
    right = [f"{p},ecf-induction,started,2026-12-01T10:00:00Z,other,{n} {t}\n" for p, n, t, _ in some.iter_rows()]
    made = {
        f"declarations-{name}-{trn}.csv": head + "".join(cells + right),
        f"withdrawals-{email}.csv": f"{name},{trn},{email}\nx,y,z\n",
        f"{name}.csv": f"{name},{trn}\n",
    }
    found = {}
    for number, (file_name, content) in enumerate(made.items()):
        found[file_name] = folder / f"sent{number}.csv"
        found[file_name].write_text(content)
    return found


def _nothing_personal(people: pl.DataFrame, paths: list[Path]) -> None:
    """No name, TRN or e-mail address of anybody in the sample, in logs, Prefect's database, artifacts or run names."""
    names, trns = set(people["full_name"].drop_nulls()), set(people["trn"].drop_nulls())
    emails = set(people["email"].drop_nulls())
    read = 0
    for path in (each for each in paths if each.is_file()):
        text = path.read_bytes().decode("utf-8", "replace")
        read += len(text)
        pairs = set(re.findall(r"(?=\b([A-Z][\w'’-]+ [A-Z][\w'’-]+))", text))
        assert not pairs & names, (path, pairs & names)
        assert not set(re.findall(r"[\w.+-]+@[\w.-]+\w", text)) & emails, path
        # A number of seven digits may be anything: beside other words of ours it is a TRN.
        found = set(re.findall(r"(?<![\w.-])\d{7}(?![\w.-])", text)) & trns
        assert not found, (path, found)
    assert read > 100_000
