"""`ectx`, put together: the groups of its commands, and what they share."""

import gc
import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from flows.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="ECT file exchange.")
records = typer.Typer(no_args_is_help=True, help="DfE's records, in and out.")
provider = typer.Typer(no_args_is_help=True, help="Lead providers' mailboxes and keys.")
key = typer.Typer(no_args_is_help=True, help="Public keys of a mailbox.")
submission = typer.Typer(no_args_is_help=True, help="Files that wait to be judged, or could not be.")
app.add_typer(submission, name="submission")
app.add_typer(records, name="records")
app.add_typer(provider, name="provider")
provider.add_typer(key, name="key")

AsOf = Annotated[str | None, typer.Option(help="Act as at this instant, for example 2026-01-10T09:30:00Z.")]


def moment(as_of: str | None) -> datetime:
    """The instant given, or now."""
    from flows.clock import instant

    return rehearsed(as_of) or instant()


def rehearsed(as_of: str | None) -> datetime | None:
    """The instant given, or None."""
    from flows import clock

    try:
        return clock.rehearsed(as_of)
    except ValueError as error:
        raise typer.BadParameter(f"{as_of} is not an instant like 2026-01-10T09:30:00Z") from error


@contextmanager
def founded() -> Iterator[Any]:
    """The installation; a home of practice has its made-up records first."""
    from flows.installation import open_installation

    with open_installation() as installation:
        if installation.is_practice:
            from flows.practice.mailboxes import demand_home, found

            demand_home(installation)
            found(installation)
        yield installation


@contextmanager
def one_ledger() -> Iterator[Any]:
    """The installation, for what is done to one record or file. Raises ExchangeError for a home of practice, whose mailboxes have
    ledgers of their own."""
    from flows.errors import ExchangeError
    from flows.installation import open_installation

    with open_installation() as installation:
        if installation.is_practice and not installation.is_of_one_mailbox:
            home = installation.settings.home
            raise ExchangeError(
                "WHICH-MAILBOX",
                "Each practice mailbox has records of its own.",
                f"Say whose: ECTX_HOME={home}/practice/SLUG (slugs: `ectx provider list`).",
            )
        yield installation


def id_of(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise typer.BadParameter(f"{text} is not an id") from error


def through_prefect(settings: "Settings") -> bool:
    """Whether a Prefect server is there to record the run. Without one a job needs none, and is quicker."""
    from flows.service.reached import api_of_running_service, prefect_environment

    api_url = api_of_running_service(settings)
    if api_url is None:
        return False
    os.environ.update(prefect_environment(settings, api_url))
    for handler in logging.getLogger().handlers:
        handler.addFilter(_is_for_people)
    return True


def _is_for_people(record: logging.LogRecord) -> bool:
    """What a run logs of itself is for its page: a person at a terminal is told in words, once."""
    return not record.name.startswith(("prefect.flow_runs", "prefect.task_runs", "EventsWorker"))


def run(job_name: str, flow_name: str, as_of: str | None, typed: dict[str, Any], **arguments: Any) -> None:
    """Do a job, through Prefect where it runs, and print its report. typed: the flow's arguments as a person types them;
    arguments: the job's."""
    from flows import jobs
    from flows.home import settled
    from flows.installation import open_installation
    from flows.settings import Settings

    gc.freeze()  # what is loaded by now stays: nobody looks for garbage in it, not even at the end
    at, job = rehearsed(as_of), getattr(jobs, job_name)
    settings = settled(Settings())  # where the home is of the other kind, that is no run
    if through_prefect(settings):
        from flows import deployed

        try:
            print(getattr(deployed, flow_name)(as_of=as_of, **typed))
            return
        except jobs.Troubled as error:
            done = error.done
    else:
        with open_installation(settings) as installation:
            done = job.run(installation, at, **arguments)
    print(done.report)
    if done.troubles:
        raise job.error(done.troubles)
