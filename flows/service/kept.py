"""Processes that live and die with this one: started again when they end by themselves, ended when it has gone."""

import logging
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.place import PROJECT
from flows.settings import ALL_CORES, cores

STOP_SECONDS = 15
AGAIN_SECONDS = 3
GIVES_WAY = 10  # of a core that is wanted by others, a tenth
log = logging.getLogger("ectx.services")


@dataclass(frozen=True)
class _Program:
    """A module with its arguments, and how it is run."""

    module: list[str]
    output: Path
    socket: int | None
    environment: dict[str, str]

    def start(self) -> subprocess.Popen[bytes]:
        """In the project's own folder: Prefect names a flow by the path of its file."""
        command = [sys.executable, "-m", *self.module]
        inherited = () if self.socket is None else (self.socket,)
        self.output.parent.mkdir(parents=True, exist_ok=True)
        with self.output.open("ab") as log_file:
            return subprocess.Popen(
                command, env=self.environment, stdout=log_file, stderr=log_file, cwd=PROJECT, pass_fds=inherited
            )


class KeptAlive:
    """Modules run as processes, until all are stopped. Each calls end_with_parent when it starts."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment, self._stopping = environment, threading.Event()
        self._running: list[tuple[_Program, subprocess.Popen[bytes]]] = []
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def start(
        self, module: list[str], output: Path, socket: int | None = None, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Run a module with its arguments. socket: a descriptor that it, and whoever follows it, inherits. environment:
        its own, where it is not everybody's."""
        program = _Program(module, output, socket, self._environment if environment is None else environment)
        process = program.start()
        self._running.append((program, process))
        return process

    def watch(self) -> None:
        """From now on, who ends is started again."""
        self._watcher.start()

    def _watch(self) -> None:
        while not self._stopping.wait(AGAIN_SECONDS):
            for place, (program, process) in enumerate(self._running):
                if process.poll() is not None and not self._stopping.is_set():
                    log.warning("%s ended with %s; it is started again", program.module[0], process.returncode)
                    try:
                        self._running[place] = (program, program.start())
                    except OSError as error:  # no room, no memory, no folder: they come back
                        log.error("%s cannot be started (%s); it is tried again", program.module[0], error.strerror)

    def stop(self) -> None:
        """The last started first. Who does not listen is killed."""
        self._stopping.set()
        if self._watcher.is_alive():
            self._watcher.join()
        for _, process in reversed(self._running):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


@dataclass(frozen=True)
class Share:
    """What one of so many processes of ours that work beside one another on this machine may use of it: its own cores, and a thread
    of Polars for each. A question to Polars about a few rows is answered in half the time where its thread runs on the core
    of who asks (measured: 0.25 ms and 0.11 ms), and it is thousands of such questions that a file is judged by.

    place: which of them it is, from 0. of: how many there are. gives_way: whether others come first, where a core is wanted by
    both. roams: whether it may use all cores, for nobody knows who else is beside it."""

    place: int
    of: int
    gives_way: bool = False
    roams: bool = False

    def start(self, command: Sequence[str], **how: Any) -> "subprocess.Popen[Any]":
        """The process, which keeps to its share; what it starts is told of all cores. how: as subprocess.Popen takes it."""
        everybodys = cores()
        own = everybodys[self.place :: self.of] or [everybodys[self.place % len(everybodys)]]
        threads = min(len(own), int(os.environ.get("POLARS_MAX_THREADS") or len(own)))
        told = {"POLARS_MAX_THREADS": str(threads), ALL_CORES: ",".join(map(str, everybodys))}
        process = subprocess.Popen(command, env=os.environ | told, **how)
        with suppress(OSError):  # it has gone already, or this machine gives nobody a core
            if hasattr(os, "sched_setaffinity") and not self.roams:
                os.sched_setaffinity(process.pid, own)  # before it has loaded what starts threads: they are where it is
        with suppress(OSError):
            if self.gives_way:
                os.setpriority(os.PRIO_PROCESS, process.pid, min(19, os.nice(0) + GIVES_WAY))
        return process


def has_grown(mebibytes: int) -> bool:
    """Whether this process has ever had more memory than that."""
    in_bytes = sys.platform == "darwin"  # elsewhere in KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > mebibytes << (20 if in_bytes else 10)


def end_with_parent(parent: int | None = None) -> None:
    """End this process, as SIGTERM would, once the one that started it has gone, however it went. parent: its process id, as it
    said itself; None: whoever is the parent now, who may have taken the place of one that has gone already."""
    parent = parent or os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
