"""A worker of the pool `ectx`: Prefect's own for processes, but that it takes no run while its machine is cut off.

Without the database, the store or the mailboxes a run would fail, and whose it is would have waited for nothing: others are there
to do it.
"""

import asyncio
import logging
import os
import shlex
import socket
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from anyio.abc import TaskStatus
from prefect.client.schemas.objects import FlowRun
from prefect.utilities.processutils import setup_signal_handlers_worker
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult

from flows.installation import Installation, open_installation
from flows.place import PROJECT
from flows.service.kept import Share
from flows.spread import POOL
from flows.workers.ready import Ready
from flows.workers.shared import mark_of

log = logging.getLogger("ectx.services")


PREFETCH_SECONDS = 2.0


def looked(installation: Installation) -> tuple[str, float]:
    """(What of the installation this machine does not reach now, in words, empty: nothing; by how many seconds the database's
    clock is ahead of ours.)"""
    missing = "the database"
    try:
        ahead = (installation.database.now() - datetime.now(UTC)).total_seconds()
        missing = "the store"
        mark_of(installation).stat()
        missing = "the mailboxes"
        for provider in installation.lead_providers()[:1]:
            installation.mailbox(provider.slug)
    except Exception as error:  # whatever a driver or a network has to say
        return f"{missing} ({type(error).__name__})", 0.0
    return "", ahead


class Worker(ProcessWorker):
    """Prefect's, with a look before each time that it asks for runs; and each run done by a process that is warm."""

    type = "process"
    installation: Installation
    ready: list[Ready]
    _told = ""

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """As Prefect's own; nothing while the machine is cut off."""
        missing, ahead = await asyncio.to_thread(looked, self.installation)
        self._prefetch_seconds = (
            PREFETCH_SECONDS + ahead
        )  # runs are asked for by this machine's clock, which may be wrong
        if missing != self._told:
            log.warning("no run is taken: %s cannot be reached" if missing else "runs are taken again%s", missing)
            self._told = missing
        return [] if missing else await super().get_and_submit_flow_runs()

    async def run(
        self, flow_run: FlowRun, configuration: ProcessJobConfiguration, task_status: TaskStatus[int] | None = None
    ) -> ProcessWorkerResult:
        """As Prefect's own, but what it starts hands the run over. There are as many that are warm as there are runs at once."""
        warm, is_well = self.ready.pop(), False
        try:
            await asyncio.to_thread(warm.wait)
            configuration.command = shlex.join([sys.executable, "-m", "flows.workers.handed", str(warm.path)])
            configuration._command_configured = True
            configuration.working_dir = PROJECT
            done = await super().run(flow_run, configuration, task_status)
            is_well = not done.status_code
            return done
        finally:
            if not is_well:  # stopped by an operator, or dead
                warm.end()
            self.ready.append(warm)


def _work(limit: int) -> None:
    setup_signal_handlers_worker(os.getpid(), "the worker", print)
    worker = Worker(work_pool_name=POOL, name=f"{socket.gethostname()} {os.getpid()}", limit=limit)
    with open_installation() as worker.installation, tempfile.TemporaryDirectory(prefix="ectx-worker-") as folder:
        worker.ready = [Ready(Path(folder) / str(number), Share(number, limit, roams=True)) for number in range(limit)]
        for each in worker.ready:
            each.wait()
        print("The worker is ready. Press Ctrl-C to stop.", flush=True)
        asyncio.run(worker.start())


if __name__ == "__main__":
    _work(int(sys.argv[1]))
