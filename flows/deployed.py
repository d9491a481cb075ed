"""The jobs as Prefect flows, with a task a mailbox and an artifact a report; when each is due. Run as a module, it serves them.

`spread`, of those that are done for each lead provider by itself: do not do it here, but look who has work, and start a run of
this deployment for each of them (flows.spread). Prefect names a flow by the path of this file.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import flow, serve, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run
from prefect.schedules import Cron, Interval

from flows import jobs
from flows.clock import LONDON, instant, rehearsed
from flows.installation import open_installation
from flows.jobs import Done, Job, Told, Troubled
from flows.rounds.intake import More
from flows.service.kept import end_with_parent
from flows.settings import Settings
from flows.spread import alive, start_runs
from schemas.instants import LONDON as LONDON_NAME
from schemas.reports import IntakeRound
from templates.operators import spread_report

SOMEBODY_ELSE_SECONDS = 30.0  # who is at a mailbox for the files before is waited for


def _flow_of(job: Job) -> dict[str, Any]:
    def named() -> str:
        given = flow_run.parameters
        whose = [*(given.get("only") or []), *filter(None, [given.get("provider")])]
        what = "look" if given.get("spread") else " ".join(whose[:1]) if len(whose) < 2 else f"{len(whose)} mailboxes"
        return " ".join(filter(None, [job.name, what, f"{instant().astimezone(LONDON):%Y-%m-%d %H:%M:%S}"]))

    # What a flow returns is kept nowhere. Not told so, Prefect asks its server three times a run where it would be.
    nowhere = {"persist_result": False, "result_storage": Path(os.devnull)}
    return {"name": job.name, "description": job.description, "flow_run_name": named, **nowhere}


# Of the last round of intake of this process: who has more, and whom nobody came to (flows.arrivals.warm).
last_intake: list[IntakeRound] = []
# In such a process, who tells a round on arrival who has something new while it is at work.
who_is_next: list[More] = []


def _run(job: Job, as_of: str | None, **arguments: Any) -> str:
    """Do a job, and keep what operators read of it. A run with troubles did what it could; it is red all the same, so that
    somebody looks."""
    with open_installation() as installation, alive(installation.database):
        done = job.run(installation, rehearsed(as_of), **arguments)
        if done.intake:
            last_intake[:] = [done.intake]
        return _tell(done)


def _tell(done: Done) -> str:
    for told in done.told:
        create_markdown_artifact(told.markdown, key=told.key, description=told.what)
    if done.troubles:
        raise Troubled(done)
    return done.report


def _spread(job: Job, as_of: str | None, named: str = "only") -> str:
    """Start a run for each lead provider that has work, and tell whose. In practice it is all done here."""
    with open_installation() as installation, alive(installation.database):
        if installation.is_practice:
            return _tell(job.run(installation, rehearsed(as_of)))
        assert job.looks
        slugs, troubles = job.looks(installation, rehearsed(as_of))
        started = start_runs(installation.database, named, slugs, as_of)
        report = spread_report(started.started, started.waiting, started.dead, troubles)
        return _tell(Done([Told(f"{job.name}-look", report, "Whose runs were started")], troubles))


def _as_task(name: str, act: Callable[[], Any]) -> None:
    """Each mailbox's work is a task of its own: seen apart, failed apart."""
    # Without a policy Prefect reads and hashes our source for each task, to remember what it returned: it returns nothing.
    run: Any = task(name="mailbox", task_run_name=name, cache_policy=NO_CACHE)(act)
    run()


@flow(**_flow_of(jobs.INTAKE))
def intake(
    as_of: str | None = None, only: list[str] | None = None, one_turn: bool = False, spread: bool = False
) -> str:
    """only: the slugs of the lead providers whose mailboxes are looked at first; empty: all of them. one_turn: of each of them,
    however much waits there; who comes meanwhile is taken on, where somebody tells of them (`who_is_next`). spread: a run for
    each lead provider that has work, instead of doing it here."""
    if spread:
        return _spread(jobs.INTAKE, as_of)
    patience = 0.0 if one_turn or not only else SOMEBODY_ELSE_SECONDS
    more = who_is_next[0] if who_is_next and only and one_turn else None
    return _run(jobs.INTAKE, as_of, do=_as_task, only=only or None, one_turn=one_turn, patience=patience, more=more)


@flow(**_flow_of(jobs.STATEMENTS))
def statements(as_of: str | None = None, only: list[str] | None = None, spread: bool = False) -> str:
    """only: the slugs of the lead providers whose statements are made; empty: all of them. spread: a run for each lead provider
    that has work, instead of doing it here."""
    return _spread(jobs.STATEMENTS, as_of) if spread else _run(jobs.STATEMENTS, as_of, only=only or None)


@flow(**_flow_of(jobs.EXTRACTS))
def extracts(as_of: str | None = None, provider: str | None = None, spread: bool = False) -> str:
    """provider: the slug, name or id of one lead provider; empty: all of them. spread: a run for each of them, instead of doing it
    here."""
    if spread:
        return _spread(jobs.EXTRACTS, as_of, named="provider")
    return _run(jobs.EXTRACTS, as_of, provider=provider)


@flow(**_flow_of(jobs.GUIDANCE))
def guidance(as_of: str | None = None, only: list[str] | None = None, spread: bool = False) -> str:
    """only: the slugs of the lead providers whose guidance is made; empty: all of them. spread: a run for each of them, instead of
    doing it here."""
    return _spread(jobs.GUIDANCE, as_of) if spread else _run(jobs.GUIDANCE, as_of, only=only or None)


@flow(**_flow_of(jobs.AUTHORISE))
def authorise_statement(statement_id: str, total: str, as_of: str | None = None) -> str:
    """statement_id: as in the statement's manifest. total: in pounds, VAT included, as last delivered: 1,234.50."""
    return _run(jobs.AUTHORISE, as_of, statement_id=statement_id, total=jobs.total_typed(total))


@flow(**_flow_of(jobs.VERIFY))
def verify_paid(as_of: str | None = None, statement_id: str | None = None) -> str:
    """statement_id: of one paid statement; empty: all of them."""
    return _run(jobs.VERIFY, as_of, statement_id=statement_id)


@flow(**_flow_of(jobs.HOUSEKEEPING))
def housekeeping(as_of: str | None = None) -> str:
    return _run(jobs.HOUSEKEEPING, as_of)


@dataclass(frozen=True)
class Deployment:
    """When a flow is due: a setting that holds seconds or a cron (London time); none: when a person asks."""

    name: str
    flow: Any
    setting: str = ""

    def schedule(self, settings: Settings) -> Any:
        if not self.setting or (self.flow is intake and settings.intake_on_arrival):
            return None  # a person asks, or who watches for arrivals (flows.arrivals) looks too
        due = getattr(settings, self.setting)
        return Interval(due) if isinstance(due, int) else Cron(due, timezone=LONDON_NAME)


# Here alone; prefect.yaml says the same for workers on several machines, and a test holds it to that.
DEPLOYMENTS = (
    Deployment("every-minute", intake, "intake_every_seconds"),
    Deployment("daily", statements, "statements_cron"),
    Deployment("nightly", extracts, "extracts_cron"),
    Deployment("nightly", guidance, "guidance_cron"),
    Deployment("by-hand", authorise_statement),
    Deployment("weekly", verify_paid, "verify_cron"),
    Deployment("nightly", housekeeping, "housekeeping_cron"),
)


def serve_on_schedules(settings: Settings) -> None:
    """Run the flows when they are due, until stopped."""
    due = [each.flow.to_deployment(each.name, schedule=each.schedule(settings)) for each in DEPLOYMENTS]
    serve(*due, pause_on_shutdown=False, limit=2)


if __name__ == "__main__":
    end_with_parent()
    serve_on_schedules(Settings())
