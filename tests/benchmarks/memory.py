"""How much memory a million rows take, and the rounds of the nation: by a process of its own, and all that it starts."""

import subprocess
import sys
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from flows.clock import instant
from flows.installation import Installation, LeadProvider, open_installation
from flows.rounds.beside import statements_of_all
from flows.rounds.extracts import extracts_round
from flows.rounds.processing import process
from flows.settings import Settings
from tests.benchmarks.judging import claimed
from tests.benchmarks.nation import copied
from tests.benchmarks.results import found

EVERY = 0.05  # seconds between two looks


def bench_memory(installation: Installation, provider: LeadProvider, content: bytes, now: datetime) -> None:
    """content: a million rows of this lead provider."""
    with copied(installation) as copy:
        submission = claimed(
            copy, copy.lead_provider(provider.lead_provider_id), "declarations-million.csv", content, now
        )
        _told("a million rows judged, applied and receipted", copy, now, "1.2 GiB", submission.submission_id)
    with copied(installation) as copy:
        _told("a round of everybody's statements", copy, now, "1 GiB", "statements")
    with copied(installation) as copy:
        _told("full extracts of everybody", copy, now, "1 GiB", "extracts")


def _told(what: str, installation: Installation, now: datetime, aim: str, chosen: str) -> None:
    """Of all its processes together: the most that was their own at one time, and with what they map of files (SQLite's pages, programs:
    counted again for each process that maps them, and given back when the machine wants them)."""
    home = installation.settings.home
    command = [sys.executable, "-m", "tests.benchmarks.memory", str(home), chosen, f"{now:%Y-%m-%dT%H:%M:%SZ}"]
    began, own, all_ = time.monotonic(), 0, 0
    with subprocess.Popen(command) as started:
        while started.poll() is None:
            of_each = [_kibibytes(pid) for pid in family(started.pid)]
            own, all_ = max(own, sum(o for o, _ in of_each)), max(all_, sum(a for _, a in of_each))
            time.sleep(EVERY)
    if started.returncode:
        raise SystemExit(f"{what}: it failed")
    if not own:
        raise SystemExit(f"{what}: this system does not tell how much memory a process has")
    seconds = time.monotonic() - began
    found(what, f"{own / (1 << 20):.2f} GiB ({all_ / (1 << 20):.2f} with mapped files), {seconds:.0f} s", "", aim)


def family(pid: int) -> list[int]:
    """The process and all below it."""
    found = [pid]
    for told in Path(f"/proc/{pid}/task").glob("*/children"):  # each thread has those that it started
        with suppress(OSError):  # it has ended
            found += [each for child in told.read_text().split() for each in family(int(child))]
    return found


def _kibibytes(pid: int) -> tuple[int, int]:
    """(its own, with what it maps)"""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    said = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines if "kB" in line)}
    return said.get("RssAnon", 0) + said.get("RssShmem", 0), said.get("VmRSS", 0)


def _alone(home: str, chosen: str, now: str) -> None:
    told: list[str] = []
    with open_installation(Settings(home=Path(home), database_url="", mailboxes="")) as installation:
        if chosen == "statements":
            told = statements_of_all(installation, instant(now)).troubles
        elif chosen == "extracts":
            told = extracts_round(installation, instant(now)).troubles
        else:
            submission = installation.submissions.find(chosen)
            assert submission
            process(installation, installation.lead_provider(submission.lead_provider_id), submission, instant(now))
    if told:
        raise SystemExit("\n".join(told))


if __name__ == "__main__":
    _alone(*sys.argv[1:])
