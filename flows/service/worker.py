"""A worker of the pool `ectx`: Prefect's own for processes, but that it takes no run while its machine is cut off.

Without the database, the store or the mailboxes a run would fail, and whose it is would have waited for nothing: others are there
to do it.
"""

import asyncio
import logging
import os
import socket
import sys

from prefect.client.schemas.objects import FlowRun
from prefect.utilities.processutils import setup_signal_handlers_worker
from prefect.workers.process import ProcessWorker

from flows.installation import Installation, open_installation
from flows.spread import POOL

log = logging.getLogger("ectx.services")


def lacks(installation: Installation) -> str:
    """What of the installation this machine does not reach now, in words; empty: nothing."""
    missing = "the database"
    try:
        installation.database.now()
        missing = "the store"
        os.listdir(installation.settings.store_folder)
        missing = "the mailboxes"
        for provider in installation.lead_providers()[:1]:
            installation.mailbox(provider.slug)
    except Exception as error:  # whatever a driver or a network has to say
        return f"{missing} ({type(error).__name__})"
    return ""


class Worker(ProcessWorker):
    """Prefect's, with a look before each time that it asks for runs."""

    type = "process"
    installation: Installation
    _told = ""

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """As Prefect's own; nothing while the machine is cut off."""
        missing = await asyncio.to_thread(lacks, self.installation)
        if missing != self._told:
            log.warning("no run is taken: %s cannot be reached" if missing else "runs are taken again%s", missing)
            self._told = missing
        return [] if missing else await super().get_and_submit_flow_runs()


def _work(limit: int) -> None:
    setup_signal_handlers_worker(os.getpid(), "the worker", print)
    worker = Worker(work_pool_name=POOL, name=f"{socket.gethostname()} {os.getpid()}", limit=limit)
    with open_installation() as worker.installation:
        print("The worker is ready. Press Ctrl-C to stop.", flush=True)
        asyncio.run(worker.start())


if __name__ == "__main__":
    _work(int(sys.argv[1]))
