"""Work that is many pieces, each for itself, by as many processes as this machine has cores: Python does one thing at a time in
each. A process takes one piece after another; who dies takes one piece with it, and is followed by a fresh one, never by a fork,
for Polars has threads. Who waits for them and is told to stop, or dies, takes all of them with it.

Run as a module it is such a process, told who its parent is: pickled, a function and its arguments in, what came of it out.
"""

import logging
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from polars.exceptions import PanicException

from flows.errors import what_is_known
from flows.service.kept import Share, end_with_parent

END_SECONDS = 10
log = logging.getLogger("ectx.hands")


@dataclass(frozen=True)
class Came:
    """What came of a piece, in so many seconds; or, if it did not come to its end, why, for operators."""

    value: Any = None
    trouble: str = ""
    seconds: float = 0.0


def by_processes(
    act: Callable[..., Any], pieces: Sequence[tuple[Any, ...]], processes: int
) -> Iterator[tuple[int, Came]]:
    """Call `act`, a function of a module's, with each of these arguments, the first ones first, by so many processes: (place in
    `pieces`, what came of it), as they come. Whoever stops asking stops the work."""
    waiting: SimpleQueue[int] = SimpleQueue()
    for place in range(len(pieces)):
        waiting.put(place)
    done: SimpleQueue[tuple[int, Came]] = SimpleQueue()
    beside = max(1, min(processes, len(pieces)))
    hands = [_Hand(Share(place, beside)) for place in range(beside)]

    def keep_busy(hand: _Hand) -> None:
        with suppress(Empty):
            while True:
                place = waiting.get_nowait()
                done.put((place, hand.do(act, pieces[place])))

    threads = [threading.Thread(target=keep_busy, args=(hand,), daemon=True) for hand in hands]
    try:
        for thread in threads:
            thread.start()
        for _ in pieces:
            yield done.get()
    finally:
        with suppress(Empty):  # of a round that is stopped: nobody begins another piece
            while True:
                waiting.get_nowait()
        for hand in hands:
            hand.end()


def one_by_one(act: Callable[..., Any], pieces: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Came]]:
    """The same, here."""
    for place, arguments in enumerate(pieces):
        yield place, _called(act, arguments)


def _called(act: Callable[..., Any], arguments: tuple[Any, ...]) -> Came:
    started = time.monotonic()
    try:
        value = act(*arguments)
    except (Exception, PanicException) as error:
        trouble = what_is_known(error)
        log.warning("a piece of work: %s", trouble)
        return Came(trouble=trouble, seconds=time.monotonic() - started)
    return Came(value, seconds=time.monotonic() - started)


class _Hand:
    """Such a process, seen from outside."""

    def __init__(self, share: Share) -> None:
        self._share = share
        self._process: subprocess.Popen[bytes] | None = None
        self._is_over = False

    def do(self, act: Callable[..., Any], arguments: tuple[Any, ...]) -> Came:
        """One piece; of a process that has died since the last one a fresh one takes the place."""
        try:
            told = pickle.dumps((act, arguments))
            if self._process is None or self._process.poll() is not None:
                self._process = self._started()
            if self._is_over:
                self._process.kill()
            assert self._process.stdin and self._process.stdout
            self._process.stdin.write(told)
            self._process.stdin.flush()
            came: Came = pickle.load(self._process.stdout)
        except Exception as error:
            if self._process is None or self._is_over:
                return Came(trouble=f"a process could not be started ({type(error).__name__})")
            status, self._process = _ended(self._process), None
            log.warning("a process that did a piece of work ended with %s", status)
            return Came(trouble=f"the process that was at it ended with {status}")
        return came

    def _started(self) -> "subprocess.Popen[bytes]":
        # -P: in a folder that has a `flows` of its own, ours is meant all the same.
        command = [sys.executable, "-P", "-m", "flows.rounds.hands", str(os.getpid())]
        return self._share.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def end(self) -> None:
        """Whatever it is at."""
        self._is_over, process = True, self._process
        if process:
            process.kill()
            process.wait()


def _ended(process: "subprocess.Popen[bytes]") -> int:
    """The exit status of one that answers no more: it is on its way out, or is sent there."""
    with suppress(OSError, ValueError, subprocess.TimeoutExpired):
        process.communicate(timeout=END_SECONDS)
    process.kill()
    return process.wait()


def _serve() -> None:
    """Do one piece after another, as they are told on standard input. What anybody prints goes to the log."""
    answers, told = os.fdopen(os.dup(1), "wb"), sys.stdin.buffer
    os.dup2(2, 1)
    logging.basicConfig(level=os.environ.get("ECTX_LOG_LEVEL", "WARNING"), format="%(asctime)s %(name)s %(message)s")
    while True:
        try:
            act, arguments = pickle.load(told)
        except EOFError:  # nobody is there
            return
        answers.write(pickle.dumps(_called(act, arguments)))
        answers.flush()


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    from flows.rounds import hands  # this module under its own name, for what it answers with

    hands._serve()
