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
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import CronSchedule

from flows.arrivals.watching import Watch
from flows.clock import instant
from flows.deployed import DEPLOYMENTS
from flows.installation import Installation, open_installation
from flows.place import PROJECT
from flows.rounds.intake import free_of, who_waits
from flows.rounds.looking import take_in_journal
from flows.service.kept import end_with_parent
from flows.settings import Settings
from flows.spread import OF_ONE, POOL, end_dead, start, waiting_runs
from flows.upkeep.housekeeping import sweep_audit
from flows.workers.shared import mark
from schemas.instants import LONDON

LOOK_SECONDS, AGAIN_SECONDS, TROUBLE_SECONDS = 0.2, 1.0, 5.0
INTAKE = "intake/every-minute"
log = logging.getLogger("ectx.services")


def deploy() -> None:
    """Make the work pool, if there is none, and tell Prefect what prefect.yaml says. Raises CalledProcessError."""
    with get_client(sync_client=True) as client:
        has_pool = any(each.name == POOL for each in client.read_work_pools())
    commands = [] if has_pool else [["work-pool", "create", POOL, "--type", "process"]]
    for command in [*commands, ["--no-prompt", "deploy", "--all"]]:
        subprocess.run([sys.executable, "-m", "prefect", *command], check=True, cwd=PROJECT, env=os.environ)


def schedule(client: SyncPrefectClient, settings: Settings) -> None:
    """When each deployment is due, as it is set here; intake never, for who watches looks too."""
    for each in DEPLOYMENTS:
        own = client.read_deployment_by_name(f"{each.flow.name}/{each.name}").id
        cron = getattr(settings, each.setting) if each.setting else None
        wanted = CronSchedule(cron=cron, timezone=LONDON) if isinstance(cron, str) else None
        there = client.read_deployment_schedules(own)
        if wanted and [one.schedule for one in there if one.active] == [wanted]:
            continue
        for one in there:
            client.delete_deployment_schedule(own, one.id)
        if wanted:
            client.create_deployment_schedules(own, [DeploymentScheduleCreate(schedule=wanted, active=True)])


class Pool:
    """Starts runs of intake over the work pool."""

    def __init__(self, installation: Installation, client: SyncPrefectClient) -> None:
        self._installation, self._client = installation, client
        self._watch = Watch(installation)
        self._every = installation.settings.intake_every_seconds
        self._due: dict[str, None] = {}
        self._looked = self._started = -float(self._every)
        self._swept = ""
        self._deployment = client.read_deployment_by_name(INTAKE).id
        mark(installation)

    def step(self) -> None:
        """See what is new, and start runs for it."""
        if self._installation.settings.intake_on_arrival:
            self._due |= dict.fromkeys(self._watch.new())
        if time.monotonic() - self._looked >= self._every:
            self._look()
        if self._due and time.monotonic() - self._started >= AGAIN_SECONDS:
            self._start()

    def _look(self) -> None:
        """The cheap look, and what else is this machine's own to do."""
        slugs, troubles = who_waits(self._installation)
        self._looked, now = time.monotonic(), instant()
        self._due |= dict.fromkeys(slugs)
        if troubles and not self._a_look_waits():  # one that is a run tells them, where operators see them
            self._client.create_flow_run_from_deployment(self._deployment)
        if self._swept != f"{now:%Y-%m-%d}":
            sweep_audit(self._installation, now)  # of the SFTP server here
            self._swept = f"{now:%Y-%m-%d}"
        end_dead(self._client, self._installation.database, now)

    def _a_look_waits(self) -> bool:
        return any(OF_ONE not in run.tags for run in waiting_runs(self._client, self._deployment))

    def _start(self) -> None:
        """Runs for those at whose mailbox nobody is. Whoever's run is at work is due still."""
        self._started = time.monotonic()
        known = {each.slug: each for each in self._installation.lead_providers()}
        free = free_of(self._installation, [slug for slug in self._due if slug in known])
        if not self._installation.is_remote:  # when the server here saw a file whole, workers elsewhere do not see
            take_in_journal(self._installation, [known[slug] for slug in free])
        start(self._client, self._deployment, "only", free, instant(), {"spread": False})
        for slug in [slug for slug in self._due if slug in free or slug not in known]:
            del self._due[slug]


def watch(installation: Installation) -> None:
    """Watch until this process ends."""
    with get_client(sync_client=True) as client:
        schedule(client, installation.settings)
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
