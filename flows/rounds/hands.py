"""Work that is many pieces, each for itself, by as many processes as this machine has cores: Python does one thing at a time in
each. A process takes one piece after another; who dies takes one piece with it, and is followed by a fresh one, never by a fork,
for Polars has threads.

Run as a module it is such a process: pickled, a function and its arguments in, (what came of it, the trouble) out. It ends when
nobody is there to tell it of more.
"""

import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from flows.rounds.trying import what_is_known
from flows.service.kept import end_with_parent

END_SECONDS = 10
log = logging.getLogger("ectx.hands")


@dataclass(frozen=True)
class Came:
    """What came of a piece; or, if it did not come to its end, why, for operators."""

    value: Any = None
    trouble: str = ""


def by_processes(act: Callable[..., Any], pieces: Sequence[tuple[Any, ...]], processes: int) -> list[Came]:
    """Call `act`, a function of a module's, with each of these arguments, the first ones first, by so many processes. What came of
    each, in the order given."""
    waiting: SimpleQueue[int] = SimpleQueue()
    for place in range(len(pieces)):
        waiting.put(place)
    came = [Came()] * len(pieces)
    beside = max(1, min(processes, len(pieces)))

    def take_them() -> None:
        hand = _Hand(beside)
        try:
            while True:
                place = waiting.get_nowait()
                came[place] = hand.do(act, pieces[place])
        except Empty:
            hand.end()

    with ThreadPoolExecutor(beside) as threads:
        for taken in [threads.submit(take_them) for _ in range(beside)]:
            taken.result()
    return came


class _Hand:
    """Such a process, seen from outside."""

    def __init__(self, beside: int) -> None:
        """beside: how many there are of them: small frames are quickest where nobody waits for a thread."""
        threads = max(1, (os.cpu_count() or 1) // beside)
        self._environment = {"POLARS_MAX_THREADS": str(threads)} | os.environ
        self._process: subprocess.Popen[bytes] | None = None

    def do(self, act: Callable[..., Any], arguments: tuple[Any, ...]) -> Came:
        try:
            self._process = self._process or self._started()
            assert self._process.stdin and self._process.stdout
            self._process.stdin.write(pickle.dumps((act, arguments)))
            self._process.stdin.flush()
            came: Came = pickle.load(self._process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            if self._process is None:
                return Came(trouble=f"a process could not be started ({type(error).__name__})")
            status, self._process = _ended(self._process), None
            log.warning("a process that did a piece of work ended with %s", status)
            return Came(trouble=f"the process that was at it ended with {status}")
        return came

    def _started(self) -> "subprocess.Popen[bytes]":
        # -P: in a folder that has a `flows` of its own, ours is meant all the same.
        command = [sys.executable, "-P", "-m", "flows.rounds.hands"]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self._environment)

    def end(self) -> None:
        if self._process:
            self._process.communicate()


def _ended(process: "subprocess.Popen[bytes]") -> int:
    """The exit status of one that answers no more: it is on its way out, or is sent there."""
    with suppress(OSError, subprocess.TimeoutExpired):
        process.communicate(timeout=END_SECONDS)
    process.kill()
    return process.wait()


def _serve() -> None:
    """Do one piece after another, as they are told on standard input. What anybody prints goes to the log."""
    answers, told = os.fdopen(os.dup(1), "wb"), sys.stdin.buffer
    os.dup2(2, 1)
    from flows.rounds.hands import Came  # not this module's, which is __main__ here

    while True:
        try:
            act, arguments = pickle.load(told)
        except EOFError:  # nobody is there
            return
        try:
            came = Came(act(*arguments))
        except Exception as error:
            came = Came(trouble=what_is_known(error))
            log.warning("a piece of work: %s", came.trouble)
        answers.write(pickle.dumps(came))
        answers.flush()


if __name__ == "__main__":
    end_with_parent()
    _serve()
