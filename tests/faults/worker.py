"""A worker that can be killed anywhere: one process that has everything loaded, and forks a round at each request.

Run as a module, it reads jobs from standard input, one JSON list a line (the jobs of a list run at once), and answers with
how each ended. Jobs: `action` (intake, statements, extracts, authorise, practice), `settings`, `as_of`, `fault` (see tests.faults.steps),
`kill_after` (seconds, from outside).
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

Job = dict[str, Any]


def _round(job: Job) -> None:
    from flows.acts.authorise import authorise
    from flows.clock import instant
    from flows.installation import open_installation
    from flows.practice.turns import practice_round
    from flows.rounds.extracts import extracts_round
    from flows.rounds.intake import intake_round
    from flows.rounds.statements import statements_round
    from flows.settings import Settings
    from tests.faults.steps import watched

    if limit := job.get("largest_file"):  # the disk is full beyond it
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if job.get("as_nobody") and os.getuid() == 0:  # root may write where it is forbidden
        os.setgid(65534)
        os.setuid(65534)
    now: datetime = instant(job["as_of"])
    with watched(job.get("fault")) as steps, open_installation(Settings(**job["settings"])) as installation:
        if job["action"] == "practice":
            troubles = practice_round(installation, now).troubles
        elif job["action"] == "intake":
            troubles = intake_round(installation, now).troubles
        elif job["action"] == "extracts":
            troubles = extracts_round(installation, now, installation.lead_providers()[:2]).troubles
        elif job["action"] == "statements":
            done = statements_round(installation, now)
            troubles = done.troubles + done.intake.troubles + done.held_back
        else:
            newest = installation.versions.newest(job["statement_id"])
            authorise(installation, job["statement_id"], newest.total if newest else Decimal(), now)
            troubles = []
    _tell(job, {"steps": steps.count, "troubles": troubles, "by_kind": steps.by_kind, "struck": steps.has_struck})


def _tell(job: Job, told: dict[str, Any]) -> None:
    os.write(job["answer"], json.dumps(told).encode()[:60_000])  # what a pipe takes at once; a file may be refused


def _forked(job: Job) -> int:
    reading, job["answer"] = os.pipe()
    child = os.fork()
    if child:
        os.close(job["answer"])
        job["answer"] = reading
        return child
    status = 1
    try:
        os.dup2(os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        _round(job)
        status = 0
    except BaseException as error:
        _tell(job, {"error": f"{type(error).__name__}: {error}"[:2000]})
    finally:
        os._exit(status)


def _ended(child: int, job: Job) -> dict[str, Any]:
    if seconds := job.get("kill_after"):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                return _how(status, job)
            time.sleep(0.001)
        os.kill(child, signal.SIGKILL)
    return _how(os.waitpid(child, 0)[1], job)


def _how(status: int, job: Job) -> dict[str, Any]:
    told = json.loads(os.read(job["answer"], 60_000) or b"{}")
    os.close(job["answer"])
    return {"killed": os.WIFSIGNALED(status), "status": os.waitstatus_to_exitcode(status), **told}


def main() -> None:
    """Load everything, what a round loads late too; start nothing: a thread pool would not outlive a fork."""
    import pandera.strategies.base_strategies  # noqa: F401
    import psycopg.types.json  # noqa: F401
    import pyarrow  # noqa: F401
    import xlsxwriter  # noqa: F401
    from pandera.backends.polars.register import register_polars_backends

    import flows.practice.turns  # noqa: F401
    import tests.faults.steps  # noqa: F401

    register_polars_backends()

    print("ready", flush=True)
    for line in sys.stdin:
        jobs = json.loads(line)
        children = [_forked(job) for job in jobs]
        print(json.dumps([_ended(child, job) for child, job in zip(children, jobs, strict=True)]), flush=True)


class Worker:
    """The other end: starts the process, and hands it jobs."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "worker.log"
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("ECTX_", "PREFECT_"))}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment | {"POLARS_MAX_THREADS": "1"}, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        assert self._process.stdout and self._process.stdout.readline().strip() == "ready"

    def together(self, jobs: list[Job]) -> list[dict[str, Any]]:
        """Run jobs at once; returns how each ended: killed, status, and steps, troubles or error where it could tell."""
        for job in jobs:
            job["log"] = str(self.log)
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(jobs, default=str) + "\n")
        self._process.stdin.flush()
        found: list[dict[str, Any]] = json.loads(self._process.stdout.readline())
        return found

    def run(self, **job: Any) -> dict[str, Any]:
        return self.together([job])[0]

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


if __name__ == "__main__":
    main()
