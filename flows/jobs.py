"""What `ectx` and Prefect both do: each job once, with what operators read of it and what it complains of.

flows.deployed makes Prefect flows of them, flows.commands runs them in a terminal. Each loads what it needs when it is done, and
not before: what only looks, and finds nothing to do, is over sooner than all that judges, computes and writes would be loaded.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from flows.errors import ExchangeError, what_is_known
from flows.installation import Installation, LeadProvider
from flows.rounds.intake import intake_round, who_waits, who_waits_for_us
from schemas.instants import in_london
from schemas.reports import IntakeRound, StatementsRound
from schemas.showing import in_markdown
from templates.practice import WORDS

log = logging.getLogger("ectx.jobs")


@dataclass(frozen=True)
class Told:
    """Something that operators read of a run: Markdown, under a key, with what it is."""

    key: str
    markdown: str
    what: str


@dataclass(frozen=True)
class Done:
    """What came of a job. told: the run's own report first. troubles: what went wrong, though all that could be done was.
    said: what a person at a terminal is told, if not the report. intake: of a round of intake, as it was."""

    told: list[Told]
    troubles: list[str]
    said: str = ""
    intake: IntakeRound | None = None

    @property
    def report(self) -> str:
        return self.said or self.told[0].markdown


@dataclass(frozen=True)
class Job:
    """Work that comes by a schedule or by a person's asking.

    does: (installation, the instant of a rehearsal or None, further arguments) → what came of it. looks: of work that is done for
    each lead provider by itself, one cheap look at who has any: (slugs, what operators have to see to). complaint: the code and the
    advice of the error that a run with troubles ends with.
    """

    name: str
    description: str
    does: Callable[..., Done]
    looks: Callable[[Installation, datetime | None], tuple[list[str], list[str]]] | None = None
    complaint: tuple[str, str] = ("TROUBLE", "")

    def run(self, installation: Installation, as_of: datetime | None, **arguments: Any) -> Done:
        """Do it; in practice for each mailbox by its own clock. Raises ExchangeError."""
        if not installation.is_practice:
            return self.does(installation, as_of, **arguments)
        from flows.practice.mailboxes import demand_home, found, practising
        from flows.practice.turns import after_its_turn
        from flows.upkeep.housekeeping import sweep_audit

        demand_home(installation)
        found(installation)
        if self.name == "intake":  # it is the mailboxes' turns itself
            return _said_to_be_practice([self.does(installation, as_of, **arguments)])
        if self.name == "housekeeping":
            sweep_audit(installation, installation.now())
        names = arguments.pop("only", None)  # each mailbox is everybody, to itself
        chosen = {installation.lead_provider(name).slug for name in names} if names else None
        only = _whose(installation, **arguments)
        done: list[Done] = []
        for provider in practising(installation):
            if only in (None, provider.slug) and (chosen is None or provider.slug in chosen):
                try:
                    with after_its_turn(installation, provider, as_of) as (mailbox, now, turn):
                        did = self.does(mailbox, now, **arguments)
                        if turn.outcomes:
                            did.told.append(_intake_told(turn, names_of(mailbox), "Files judged first"))
                        done.append(_headed(did, provider.name, now, turn.troubles))
                except Exception as error:  # one mailbox's trouble is not another's
                    if only:
                        raise
                    log.warning("%s of practice mailbox %s: %s", self.name, provider.slug, type(error).__name__)
                    done.append(Done([], [f"{provider.slug}: {what_is_known(error)}"]))
        return _said_to_be_practice(done)

    def error(self, troubles: list[str]) -> ExchangeError:
        """What a run with troubles ends with, for a person at a terminal."""
        code, advice = self.complaint
        many = f"{len(troubles)} differences." if advice else f"{len(troubles)} things went wrong:"
        return ExchangeError(code, many, advice or "; ".join(troubles))


def _whose(installation: Installation, **arguments: Any) -> str | None:
    """The slug of the only lead provider that the arguments of a job are about; None: all of them."""
    if provider := arguments.get("provider"):
        return installation.lead_provider(provider).slug
    if statement_id := arguments.get("statement_id"):
        owner = installation.records.owner_of_statement(statement_id.strip().lower())
        return installation.lead_provider(owner).slug if owner else None
    return None


def _headed(done: Done, name: str, now: datetime, troubles: list[str]) -> Done:
    """What came of a job in one practice mailbox, under whose it is and where its clock stands. troubles: of its turn before."""
    head = f"# {in_markdown(name)}, {in_london(now)}"
    return Done(
        [replace(each, markdown=f"{head}\n\n{each.markdown}") for each in done.told],
        [*troubles, *done.troubles],
        done.said,
    )


def _said_to_be_practice(done: list[Done]) -> Done:
    """What came of a job in each practice mailbox, as one that says what it is."""
    told: dict[str, Told] = {}
    for each in (told for one in done for told in one.told):
        before = told.get(each.key)
        told[each.key] = replace(each, markdown=f"{before.markdown if before else WORDS}\n\n{each.markdown}")
    nothing = [Told("practice", f"{WORDS}\n\nNo practice mailbox is in use yet: see `ectx provider add`.", "Practice")]
    said = "\n".join(each.said for each in done if each.said)
    return Done(list(told.values()) or nothing, [line for each in done for line in each.troubles], said)


class Troubled(ExchangeError):
    """A run under Prefect that did what it could, and is red so that somebody looks."""

    def __init__(self, done: Done) -> None:
        self.done = done
        super().__init__("TROUBLE", f"{len(done.troubles)} things went wrong.", "The run's artifact lists them.")


def names_of(installation: Installation) -> dict[str, str]:
    """lead_provider_id → name, for reports."""
    return {row[0]: row[1] for row in installation.records.lead_providers()}


def _intake_told(done: IntakeRound, names: dict[str, str], what: str) -> Told:
    from templates.operators import intake_report

    return Told("intake", intake_report(done, names), what)


def _intake(installation: Installation, as_of: datetime | None, **how: Any) -> Done:
    take: Callable[..., IntakeRound] = intake_round
    if installation.is_practice:
        from flows.practice.turns import practice_round as take

        how.pop("more", None)  # its files go by their clocks: nobody is told of new ones
    done = take(installation, as_of, **how)
    return Done([_intake_told(done, names_of(installation), "One intake round")], done.troubles, intake=done)


def _chosen(installation: Installation, only: list[str] | None) -> list[LeadProvider] | None:
    """The lead providers named by slug, name or id; None: all. Raises ExchangeError (NO-PROVIDER)."""
    if not only:
        return None
    found = {each.slug: each for each in map(installation.lead_provider, only)}
    return list(found.values())


def _statements(installation: Installation, as_of: datetime | None, only: list[str] | None = None) -> Done:
    from flows.practice.mailboxes import practised_statements
    from flows.rounds.beside import statements_of_all
    from templates.operators import grouped, statements_report

    if installation.is_practice:
        done: StatementsRound = practised_statements(
            installation, installation.lead_providers()[0], installation.now(as_of)
        )
    else:
        done = statements_of_all(installation, as_of, _chosen(installation, only))
    names = names_of(installation)
    told = [Told("statements", statements_report(done, names), "One statements round")]
    if done.intake.outcomes:
        told.append(_intake_told(done.intake, names, "Files judged first"))
    return Done(told, [*grouped(done.held_back), *done.troubles, *done.intake.troubles])


def _extracts(installation: Installation, as_of: datetime | None, provider: str | None = None) -> Done:
    from flows.rounds.extracts import extracts_round
    from templates.operators import extracts_report

    chosen = _chosen(installation, [provider] if provider else None)
    done = extracts_round(installation, as_of, chosen)
    told = Told("extracts", extracts_report(done, names_of(installation)), "One round of extracts")
    busy = [f"{slug}: somebody else makes its extract now; run this one again after it" for slug in done.busy]
    return Done([told], [*busy, *done.troubles])


def _guidance(installation: Installation, as_of: datetime | None, only: list[str] | None = None) -> Done:
    from flows.rounds.guidance import guidance_round
    from templates.operators import guidance_report

    done = guidance_round(installation, as_of, _chosen(installation, only))
    busy = [f"{slug}: somebody else makes its guidance now; run this one again after it" for slug in done.busy]
    return Done([Told("guidance", guidance_report(done), "One round of guidance")], [*busy, *done.troubles])


def _authorise(installation: Installation, as_of: datetime | None, statement_id: str, total: Decimal) -> Done:
    from flows.acts.authorise import authorise

    statement, path = authorise(installation, statement_id.strip().lower(), total, as_of)
    name = statement.facts["lead_provider_name"]
    total_paid = f"£{statement.total:,.2f}, VAT included, for"
    told = f"Statement {statement.statement_id} is paid: {total_paid} {in_markdown(name)}. Delivered as `{path}`."
    return Done([Told("authorised", told, "One statement authorised")], [], f"Paid: {total_paid} {name}: {path}")


def _verify(installation: Installation, as_of: datetime | None, statement_id: str | None = None) -> Done:
    from flows.upkeep.verify import verify
    from templates.operators import verify_report

    done = verify(installation, installation.now(as_of), statement_id)
    return Done([Told("verify", verify_report(done), "Paid statements computed anew")], done.alarms)


def _housekeeping(installation: Installation, as_of: datetime | None) -> Done:
    from flows.upkeep.housekeeping import housekeeping
    from templates.operators import keeping_report

    done = housekeeping(installation, installation.now(as_of))
    report = keeping_report(done, names_of(installation))
    return Done([Told("housekeeping", report, "Uploads and receipts removed for their age")], done.troubles)


def _everybody(installation: Installation, _as_of: datetime | None) -> tuple[list[str], list[str]]:
    """Each night there is something for everybody: days move on, on front pages and in forecasts."""
    return [each.slug for each in installation.lead_providers()], []


def _with_statements(installation: Installation, as_of: datetime | None) -> tuple[list[str], list[str]]:
    """Those whose files wait, too: a round judges them first."""
    from flows.rounds.statements import whose_statements
    from templates.operators import grouped

    slugs, held_back = whose_statements(installation, as_of)
    waiting, troubles = who_waits(installation)
    return list(dict.fromkeys([*slugs, *waiting])), [*grouped(held_back), *troubles]


INTAKE = Job(
    "intake", "Take and judge every waiting file, apply what is accepted, deliver receipts.", _intake,
    lambda installation, _: who_waits_for_us(installation),
)  # fmt: skip
STATEMENTS = Job(
    "statements", "Move statements along, and deliver every statement not yet paid that changed.", _statements,
    _with_statements,
)  # fmt: skip
EXTRACTS = Job(
    "extracts", "Deliver DfE's records as each lead provider may see them, and what changed.", _extracts, _everybody
)
GUIDANCE = Job(
    "guidance", "Deliver the guidance of each lead provider, where something in it is new.", _guidance, _everybody
)
AUTHORISE = Job(
    "authorise",
    "Mark one payable statement paid, if it comes to what was last delivered and to the total typed.",
    _authorise,
)
VERIFY = Job(
    "verify",
    "Compute paid statements anew: any figure that would not be as paid is an alarm.",
    _verify,
    complaint=("NOT-AS-PAID", "What was paid stands: ask why records changed."),
)
HOUSEKEEPING = Job("housekeeping", "Remove uploads and receipts that have been kept long enough.", _housekeeping)


def total_typed(total: str) -> Decimal:
    """Pounds as a person types them. Raises ExchangeError (NO-TOTAL)."""
    from templates.rendering import typed_pounds

    try:
        return typed_pounds(total)
    except ValueError:
        raise ExchangeError(
            "NO-TOTAL", "The total is not an amount of pounds.", "Type it as the statement has it: 1,234.50."
        ) from None
