"""Who has something new is given a run over the work pool. Run as a module, this is who watches where workers do the work.

Beside it, as often as the schedule would have it, a cheap look at everything; so the schedule itself rests: no process a minute.
Prefect's server runs on this machine: its clock is this one's.
"""

import logging
import os
import subprocess
import sys
import time

from prefect.client.orchestration import SyncPrefectClient, get_client

from flows.arrivals.watching import Watch
from flows.clock import instant
from flows.installation import Installation, open_installation
from flows.place import PROJECT
from flows.rounds.intake import who_waits
from flows.service.kept import end_with_parent
from flows.spread import POOL, end_dead, start

LOOK_SECONDS, TROUBLE_SECONDS = 0.2, 5.0
INTAKE = "intake/every-minute"
log = logging.getLogger("ectx.services")


def deploy() -> None:
    """Make the work pool, if there is none, and tell Prefect what prefect.yaml says. Raises CalledProcessError."""
    with get_client(sync_client=True) as client:
        has_pool = any(each.name == POOL for each in client.read_work_pools())
    commands = [] if has_pool else [["work-pool", "create", POOL, "--type", "process"]]
    for command in [*commands, ["--no-prompt", "deploy", "--all"]]:
        subprocess.run([sys.executable, "-m", "prefect", *command], check=True, cwd=PROJECT, env=os.environ)


class Pool:
    """Starts runs of intake over the work pool."""

    def __init__(self, installation: Installation, client: SyncPrefectClient) -> None:
        self._installation, self._client = installation, client
        self._watch = Watch(installation)
        self._every = installation.settings.intake_every_seconds
        self._due: dict[str, None] = {}
        self._looked = -float(self._every)
        self._deployment = client.read_deployment_by_name(INTAKE).id
        for schedule in client.read_deployment_schedules(self._deployment):
            client.update_deployment_schedule(self._deployment, schedule.id, active=False)

    def step(self) -> None:
        """See what is new, and start runs for it."""
        self._due |= dict.fromkeys(self._watch.new())
        if time.monotonic() - self._looked >= self._every:
            self._looked = time.monotonic()
            end_dead(self._client, self._installation.database, instant())
            slugs, troubles = who_waits(self._installation)
            self._due |= dict.fromkeys(slugs)
            if troubles:  # a look that is a run tells them, where operators see them
                self._client.create_flow_run_from_deployment(self._deployment)
        if self._due:
            start(self._client, self._deployment, "only", list(self._due), instant(), {"spread": False})
            self._due.clear()  # whose run waits to begin, or comes too early, is found by the next look


def watch(installation: Installation) -> None:
    """Watch until this process ends."""
    with get_client(sync_client=True) as client:
        pool = Pool(installation, client)
        while True:
            try:
                pool.step()
            except Exception as error:  # a folder, a database or a server that is gone: it comes back
                log.warning("the watch for files: %s", type(error).__name__)
                time.sleep(TROUBLE_SECONDS)
            time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    end_with_parent()
    deploy()
    with open_installation() as opened:
        watch(opened)
