"""One run for each lead provider that has work, on whichever machine comes first: a run that only looks starts them.

prefect.yaml has it so, for workers on several machines. Whoever has a run that waits to begin is given no second one. A worker that
is killed with its run, or cut off, never says so: which runs are dead our own locks tell. No machine's clock counts: instants are
those of Prefect's server, and a run is never due later than now.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed, Scheduled

from data.database import Database
from flows.errors import ExchangeError

POOL = "ectx"  # as in prefect.yaml
OF_ONE = "of one lead provider"  # a tag of every run that is started here; another is the slug
# A run that has begun takes its lock in its first seconds. One whose process never came begins no more.
BEGUN, NEVER_CAME = timedelta(minutes=1), timedelta(minutes=2)
LATE = timedelta(seconds=20)
ENDING_SECONDS = 2.0
BY_PEOPLE = ("authorise",)  # what a person asked for is not done again unasked
AGAIN, MOST_TIMES = "again", 3  # how often what was cut off is begun again: a tag
MOST = 200  # runs in one answer of Prefect's


@dataclass
class Started:
    """Whose runs were started, and whose wait to begin already: slugs. dead: how many runs were found dead."""

    started: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    dead: int = 0


@contextmanager
def alive(database: Database) -> Iterator[None]:
    """While a deployment's run does its work, its lock is held: for as long as its process lives and reaches the database."""
    run = _own_run()
    if run is None or run.deployment_id is None:
        yield
        return
    own = str(run.id)
    try:
        with database.only_one(_lock(own)):
            yield
    finally:
        database.forget(_lock(own))


def _own_run() -> FlowRun | None:
    """The run that we are. (Prefect's `runtime.deployment` asks its server each time.)"""
    context = FlowRunContext.get()
    return context.flow_run if context else None


def _lock(run_id: str) -> str:
    return f"run-{run_id}"


def start_runs(database: Database, named: str, slugs: list[str], as_of: str | None) -> Started:
    """Start a run of this run's deployment for each of these lead providers, unless theirs waits to begin. named: the parameter
    of the flow that takes their slugs. Raises ExchangeError (NO-DEPLOYMENT)."""
    run = _own_run()
    own = run.deployment_id if run else None
    if run is None or own is None:
        raise ExchangeError(
            "NO-DEPLOYMENT",
            "Only a run of a deployment can start others.",
            "Leave `spread` out, or run the deployment.",
        )
    with get_client(sync_client=True) as client:
        here = client.read_flow_run(run.id)
        now = _told(here)
        dead = end_dead(client, database, now)
        done = start(client, own, named, slugs, now, {"as_of": as_of, "spread": False}, f"{here.id}:{here.run_count}:")
    done.dead = dead
    return done


def start(
    client: SyncPrefectClient,
    of: uuid.UUID,
    named: str,
    slugs: list[str],
    now: datetime,
    given: dict[str, Any],
    key: str = "",
) -> Started:
    """Start a run of a deployment for each of these lead providers, unless theirs waits to begin. now: by the clock of Prefect's
    server. given: the other parameters. key: of the asking: asked with the same again, no run is started twice."""
    done, waiting = Started(), _waiting(client, of, now)
    for slug in slugs:
        if slug in waiting:
            done.waiting.append(slug)
            continue
        client.create_flow_run_from_deployment(
            of,
            parameters=given | {named: [slug] if named == "only" else slug},
            state=Scheduled(scheduled_time=now),  # by the clock of a machine that is wrong it would be due later
            tags=[OF_ONE, slug],
            idempotency_key=f"{key}{slug}" if key else None,
        )
        done.started.append(slug)
    return done


def _told(run: FlowRun) -> datetime:
    """When Prefect's server last heard of a run, by the server's clock."""
    assert run.updated
    return run.updated


def waiting_runs(client: SyncPrefectClient, of: uuid.UUID) -> list[FlowRun]:
    """Runs of a deployment that wait to begin, but for those that its schedule has yet to come to."""
    found = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[of]), state=_in(StateType.SCHEDULED, StateType.PENDING)
        ),
        limit=MOST,
    )
    return [run for run in found if "auto-scheduled" not in run.tags]


def _waiting(client: SyncPrefectClient, of: uuid.UUID, now: datetime) -> set[str]:
    """Whose run of this deployment waits to begin. One that a worker has taken, and that does not begin, is no reason to wait for
    it, but for two there is none either."""
    found = [run for run in waiting_runs(client, of) if OF_ONE in run.tags]
    waiting: dict[str, list[FlowRun]] = {}
    for run in found:
        for slug in {*run.tags} - {OF_ONE}:
            waiting.setdefault(slug, []).append(run)
    return {
        slug
        for slug, runs in waiting.items()
        if len(runs) > 1 or any(run.state_type == StateType.SCHEDULED or now - _told(run) < LATE for run in runs)
    }


def end_dead(client: SyncPrefectClient, database: Database, now: datetime) -> int:
    """Mark runs of the pool as crashed whose process is no more, or never came: they would be shown as running for ever. What each
    was at is begun again, but for what a person asked for. Returns how many there were."""
    found = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(state=_in(StateType.RUNNING, StateType.PENDING)),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL])),
        limit=MOST,
    )
    seem = [each for each in found if _seems_dead(database, each, now)]
    if seem:
        time.sleep(ENDING_SECONDS)  # one that lets go of its lock is about to say that it has ended
    return sum(_end(client, database, each, now) for each in seem)


def _seems_dead(database: Database, run: FlowRun, now: datetime) -> bool:
    """Whether it should have its lock by now, and has not."""
    if now - _told(run) < (BEGUN if run.state_type == StateType.RUNNING else NEVER_CAME):
        return False
    with database.only_one(_lock(str(run.id))) as is_dead:
        pass
    return is_dead


def _end(client: SyncPrefectClient, database: Database, run: FlowRun, now: datetime) -> bool:
    """Begin a run again, and mark it as crashed, unless it has ended meanwhile."""
    try:
        if client.read_flow_run(run.id).state_type != run.state_type:
            return False
        times = sum(tag.startswith(AGAIN) for tag in run.tags)
        is_done_again = client.read_flow(run.flow_id).name not in BY_PEOPLE and times < MOST_TIMES
        if run.deployment_id and is_done_again:
            client.create_flow_run_from_deployment(
                run.deployment_id,
                parameters=run.parameters,
                tags=[*run.tags, f"{AGAIN} {times + 1}"],
                state=Scheduled(scheduled_time=now),
                idempotency_key=f"after {run.id}",  # cut off before it is marked, it is begun once
            )
        what = (
            "It is done again." if is_done_again else "See what it has done, and run it again by hand if it has to be."
        )
        told = f"Its process has ended, or reaches the database no more. {what}"
        client.set_flow_run_state(run.id, Crashed(message=told), force=True)
    except ObjectNotFound:  # an operator has deleted it
        return False
    database.forget(_lock(str(run.id)))
    return True


def _in(*types: StateType) -> FlowRunFilterState:
    return FlowRunFilterState(type=FlowRunFilterStateType(any_=[*types]))
