"""A process that has everything loaded and does a worker's runs, one after another; and how it is kept.

Run as a module it is that process: it listens at a path, takes the id of a run, and answers with its exit status. A fresh
interpreter for each run would load for seconds. Whoever dies, or has grown, is followed by a fresh one, never by a fork.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path

from flows.arrivals.loading import load_all
from flows.place import PROJECT
from flows.service.kept import Share, end_with_parent, has_grown
from flows.settings import Settings

START_SECONDS = 120
MOST_MEBIBYTES = 1024
log = logging.getLogger("ectx.services")


class Ready:
    """Such a process, seen from the worker that keeps it."""

    def __init__(self, path: Path, share: Share) -> None:
        """path: where it listens."""
        self.path, self._share = path, share
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        self.path.unlink(missing_ok=True)
        command = [sys.executable, "-m", "flows.workers.ready", str(self.path)]
        return self._share.start(command, cwd=PROJECT)

    def end(self) -> None:
        """Whatever it is at; it is followed by a fresh one when it is wanted."""
        self._process.kill()
        self._process.wait()

    def wait(self) -> None:
        """Until it listens; one that has gone is followed. Raises TimeoutError."""
        end = time.monotonic() + START_SECONDS
        while self._process.poll() is not None or not self.path.exists():
            if self._process.poll() is not None:
                self._process = self._start()
            if time.monotonic() > end:
                raise TimeoutError("a process that does runs does not start")
            time.sleep(0.05)


def _serve(path: Path) -> None:
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    load_all(Settings())
    beginning = path.with_suffix(".beginning")
    with socket.socket(socket.AF_UNIX) as listener, temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        beginning.unlink(missing_ok=True)
        listener.bind(str(beginning))
        listener.listen(1)
        beginning.rename(path)  # there, and ready, at once
        while path.exists():
            connection, _ = listener.accept()
            with connection:
                run_id, over = connection.makefile().readline().strip(), threading.Event()
                threading.Thread(target=_end_with, args=(connection, over), daemon=True).start()
                status = _done(run_id)
                over.set()
                if has_grown(MOST_MEBIBYTES):
                    path.unlink()  # before it is said that this run is over: the next is for who follows
                with suppress(OSError):
                    connection.sendall(f"{status}\n".encode())


def _end_with(connection: socket.socket, over: threading.Event) -> None:
    """Who handed the run over has gone before it was over: stopped by an operator, or dead. Then it is to stop at once."""
    with suppress(OSError):
        connection.recv(1)
    if not over.is_set():
        os.kill(os.getpid(), signal.SIGKILL)


def _done(run_id: str) -> int:
    """Do a run of one of our deployments, as Prefect's engine does. What fails in it is its state; 1: it was not done."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import Abort, Pause
    from prefect.flow_engine import run_flow

    from flows.deployed import DEPLOYMENTS

    try:
        with get_client(sync_client=True) as client:
            run = client.read_flow_run(uuid.UUID(run_id))
            name = client.read_flow(run.flow_id).name
        [ours] = {each.flow.name: each.flow for each in DEPLOYMENTS if each.flow.name == name}.values()
        run_flow(ours, flow_run=run, return_type="state")
    except (Abort, Pause):  # the server would not have it
        return 0
    except Exception as error:
        log.warning("run %s: %s", run_id, type(error).__name__)
        return 1
    return 0


if __name__ == "__main__":
    end_with_parent()
    _serve(Path(sys.argv[1]))
