"""The rounds as Prefect flows, with a task a mailbox and an artifact a run. Run as a module, it serves them on schedules."""

from collections.abc import Callable
from typing import Any

from prefect import flow, serve, task
from prefect.artifacts import create_markdown_artifact
from prefect.schedules import Cron, Interval

from flows.acts.authorise import authorise
from flows.clock import LONDON, instant, rehearsed
from flows.errors import ExchangeError
from flows.installation import Installation, open_installation
from flows.rounds.intake import intake_round
from flows.rounds.statements import statements_round
from flows.service.kept import end_with_parent
from flows.settings import Settings
from flows.upkeep.housekeeping import housekeeping as keep
from flows.upkeep.verify import verify
from templates.operators import intake_report, keeping_report, statements_report, verify_report
from templates.rendering import typed_pounds


def _as_task(name: str, act: Callable[[], Any]) -> None:
    """Each mailbox's work is a task of its own: seen apart, failed apart."""
    run: Any = task(name="mailbox", task_run_name=name)(act)
    run()


def _run_name(what: str) -> Callable[[], str]:
    return lambda: f"{what} {instant().astimezone(LONDON):%Y-%m-%d %H:%M:%S}"


def _names(installation: Installation) -> dict[str, str]:
    return {provider.lead_provider_id: provider.name for provider in installation.lead_providers()}


@flow(
    name="intake",
    flow_run_name=_run_name("intake"),
    description="Take and judge every waiting file, apply what is accepted, deliver receipts.",
)
def intake(as_of: str | None = None) -> None:
    with open_installation() as installation:
        done = intake_round(installation, rehearsed(as_of), _as_task)
        create_markdown_artifact(
            intake_report(done, _names(installation)), key="intake", description="One intake round"
        )
    _complain(done.troubles)


@flow(
    name="statements",
    flow_run_name=_run_name("statements"),
    description="Move statements along, and deliver every statement not yet paid that changed.",
)
def statements(as_of: str | None = None) -> None:
    with open_installation() as installation:
        done = statements_round(installation, rehearsed(as_of))
        names = _names(installation)
    if done.intake.outcomes:
        create_markdown_artifact(intake_report(done.intake, names), key="intake", description="Files judged first")
    create_markdown_artifact(statements_report(done, names), key="statements", description="One statements round")
    _complain([*done.held_back, *done.troubles, *done.intake.troubles])


@flow(
    name="authorise",
    flow_run_name=_run_name("authorise"),
    description="Mark one payable statement paid, if it comes to what was last delivered and to the total typed.",
)
def authorise_statement(statement_id: str, total: str, as_of: str | None = None) -> str:
    """statement_id: as in the statement's manifest. total: in pounds, VAT included, as last delivered: 1,234.50."""
    try:
        typed = typed_pounds(total)
    except ValueError:
        raise ExchangeError(
            "NO-TOTAL", "The total is not an amount of pounds.", "Type it as the statement has it: 1,234.50."
        ) from None
    with open_installation() as installation:
        statement, path = authorise(
            installation, statement_id.strip().lower(), typed, installation.now(rehearsed(as_of))
        )
    paid = f"Statement {statement_id} is paid: £{statement.total:,.2f}, VAT included. Delivered as `{path}`."
    create_markdown_artifact(paid, key="authorised", description="One statement authorised")
    return path


@flow(
    name="verify",
    flow_run_name=_run_name("verify"),
    description="Compute paid statements anew: any figure that would not be as paid is an alarm.",
)
def verify_paid(as_of: str | None = None) -> None:
    with open_installation() as installation:
        done = verify(installation, instant(as_of))
    create_markdown_artifact(verify_report(done), key="verify", description="Paid statements computed anew")
    _complain(done.alarms)


@flow(
    name="housekeeping",
    flow_run_name=_run_name("housekeeping"),
    description="Remove uploads and receipts that have been kept long enough.",
)
def housekeeping(as_of: str | None = None) -> None:
    with open_installation() as installation:
        done = keep(installation, instant(as_of))
        report = keeping_report(done, _names(installation))
    create_markdown_artifact(report, key="housekeeping", description="Uploads and receipts removed for their age")
    _complain(done.troubles)


def _complain(troubles: list[str]) -> None:
    """A round with troubles did what it could; its run is red all the same, so that somebody looks."""
    if troubles:
        raise ExchangeError("TROUBLE", f"{len(troubles)} things went wrong.", "The run's artifact lists them.")


def serve_on_schedules(settings: Settings) -> None:
    """Run the flows when they are due, until stopped."""
    every, daily = Interval(settings.intake_every_seconds), Cron(settings.statements_cron, timezone="Europe/London")
    deployments: list[Any] = [
        intake.to_deployment("every-minute", schedule=every),
        statements.to_deployment("daily", schedule=daily),
        authorise_statement.to_deployment("by-hand"),
        verify_paid.to_deployment("weekly", schedule=Cron(settings.verify_cron, timezone="Europe/London")),
        housekeeping.to_deployment("nightly", schedule=Cron(settings.housekeeping_cron, timezone="Europe/London")),
    ]
    serve(*deployments, pause_on_shutdown=False, limit=2)


if __name__ == "__main__":
    end_with_parent()
    serve_on_schedules(Settings())
