"""A process that has everything loaded, and does one round of intake after another as it is told; and how it is told.

Run as a module it is that process: a line of JSON in, the slugs of the mailboxes to look at (null: all), a line out when it
is done. Each round is a Prefect run like any other; before one of some mailboxes ends, it asks who is next (`more`), for what
beginning and ending a run takes is worth some files. Whoever dies in the middle is followed by a fresh process, never by a
fork: Polars has threads. Which file it was at is written down before each try (flows.rounds.trying).
"""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from flows.arrivals.loading import load_all
from flows.place import PROJECT
from flows.service.kept import Share, end_with_parent, has_grown
from schemas.reports import IntakeRound

RUN, MORE, DONE = "run", "more", "done"
WAIT_SECONDS, MOST_WAIT_SECONDS = 3.0, 60.0
LEAVING_SECONDS = 10
MOST_MEBIBYTES = 1024  # a process that has grown beyond it, for a large file, gives way to a fresh one
log = logging.getLogger("ectx.services")


@dataclass(frozen=True)
class Ended:
    """How mailboxes' turns ended, by slugs. goes_on: whose turn was over before their files were. missed: whose mailbox somebody
    else was at, or could not be looked at. leaves: whether the process has grown, and ends."""

    goes_on: list[str]
    missed: list[str]
    leaves: bool = False


class Warm:
    """Such a process, seen from outside."""

    def __init__(self, output: Path, share: Share) -> None:
        """output: its log."""
        self._output, self._share = output, share
        self._process, self._deaths = self._start(), 0

    def _start(self) -> "subprocess.Popen[str]":
        with self._output.open("ab") as log_file:
            return self._share.start(
                [sys.executable, "-m", "flows.arrivals.warm"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log_file, text=True, cwd=PROJECT,
            )  # fmt: skip

    def round(self, only: list[str] | None, more: Callable[[Ended], list[str]]) -> "Ended | None":
        """Have one round done. more: told how the turns before ended: who is next, in the same round. Returns how the last ended.

        None: the process has not lived to see its end, and what it was at has to be done again. Who dies at every round is
        followed ever later."""
        time.sleep(min(MOST_WAIT_SECONDS, WAIT_SECONDS * max(0, self._deaths - 1)))
        run_id, at = "", only
        try:
            if self._process.poll() is not None:
                self._process = self._start()
            assert self._process.stdout
            self._tell(at := only)
            while line := self._process.stdout.readline():
                word, _, told = line.strip().partition(" ")
                if word == DONE:
                    self._deaths, ended = 0, Ended(**json.loads(told))
                    if ended.leaves:
                        self._follow()
                    return ended
                if word == MORE:
                    self._tell(at := more(Ended(**json.loads(told))))
                else:
                    run_id = told
        except Exception as error:
            # It has gone, there is no room for another, or it waits for an answer that nobody could give.
            log.warning("a process that judges: %s", getattr(error, "strerror", None) or type(error).__name__)
        self._deaths += 1
        self._process.kill()
        status = self._process.wait()
        log.warning("a process that judges ended with %s; it is followed by a fresh one", status)
        if run_id:
            _tell_crashed(run_id, status, at)
        return None

    def _follow(self) -> None:
        """Who has done its work and leaves is followed at once: whoever follows is warm when it is wanted."""
        try:
            self._process.wait(LEAVING_SECONDS)
        except subprocess.TimeoutExpired:  # it cannot tell Prefect what it did, say; all of it is done
            self._process.kill()
            self._process.wait()
        with suppress(OSError):  # there is no room: it is tried again when it is wanted
            self._process = self._start()

    def _tell(self, slugs: list[str] | None) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(slugs) + "\n")
        self._process.stdin.flush()


def _tell_crashed(run_id: str, status: int, at: list[str] | None) -> None:
    """A run whose process has died would be shown as running for ever. at: whose turn it was; None: everybody's."""
    try:
        from prefect.client.orchestration import get_client
        from prefect.states import Crashed

        with get_client(sync_client=True) as client:
            client.set_flow_run_state(
                UUID(run_id),
                Crashed(message=f"Its process ended with {status}, at {_named(at)}. What it was at is done again."), force=True,
            )  # fmt: skip
    except Exception as error:  # operators see a run that does not end; nothing else hangs on it
        log.warning("run %s could not be marked as crashed: %s", run_id, type(error).__name__)


def _named(slugs: list[str] | None) -> str:
    return "all mailboxes" if slugs is None else ", ".join(slugs) or "its end"


def _serve() -> None:
    """Do rounds as they are told on standard input. What anybody prints goes to the log."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from flows.deployed import intake, last_intake, who_is_next
    from flows.installation import open_installation

    with open_installation() as installation:
        installation.lead_providers()
        load_all(installation.settings)

    def started(flow: Any, flow_run: Any, state: Any) -> None:
        print(RUN, flow_run.id, file=answers)

    at: list[str] | None = None  # whose turn it is

    def more(part: IntakeRound) -> list[str]:
        nonlocal at
        print(MORE, _ended(part), file=answers)
        at = json.loads(sys.stdin.readline() or "[]")
        return at or []

    who_is_next[:] = [more]
    told_of = intake.with_options(on_running=[started])
    # A run waits up to a second for the thread of its heartbeats; here whoever started this process sees that it lives.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        for line in sys.stdin:
            at = json.loads(line)
            last_intake.clear()
            try:
                told_of(only=at, one_turn=True)
            except Exception as error:  # the run is red, and says why
                log.warning("a round of intake: %s", type(error).__name__)
            # Of nobody there is nothing left to tell; a round that told nothing never began, or did not come to its end.
            done = IntakeRound() if at == [] else last_intake[0] if last_intake else IntakeRound(busy=at or [])
            leaves = has_grown(MOST_MEBIBYTES)
            print(DONE, _ended(done, leaves), file=answers)
            if leaves:
                return


def _ended(done: IntakeRound, leaves: bool = False) -> str:
    return json.dumps(asdict(Ended(sorted(done.goes_on), sorted({*done.busy, *done.unseen}), leaves)))


if __name__ == "__main__":
    end_with_parent()
    _serve()
