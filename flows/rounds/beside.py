"""A round of statements of many lead providers: where there is much to compute, a process a core takes one of them after another,
and none has more in memory than one needs."""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from functools import partial

from polars.exceptions import PanicException

from data.accounts import declarations_not_paid
from data.outside import database_failed
from flows.errors import log_trouble, what_is_known
from flows.installation import Installation, LeadProvider, open_installation
from flows.rounds.hands import Came, by_processes, one_by_one
from flows.rounds.statements import (
    judge_first,
    not_ended,
    settle,
    statements_lock,
    statements_round,
    whose_statements,
)
from flows.settings import Settings
from schemas.instants import london_day
from schemas.reports import IntakeRound, StatementsRound, add_report

MANY_DECLARATIONS = 5_000  # below it, what starting the processes costs is not won back


def statements_of_all(
    installation: Installation, as_of: datetime | None, chosen: list[LeadProvider] | None = None
) -> StatementsRound:
    """A round of statements of those chosen, or of everybody: what goes wrong with one lead provider's is told, and the others go
    on. Where it is done one by one, by several processes or because it fails for all together, all that has arrived is judged,
    and all that falls due moved along, before the first of them."""
    providers = installation.lead_providers() if chosen is None else chosen
    sizes = _sizes(installation, as_of, providers) if len(providers) > 1 else {}
    if len(sizes) >= 2 and sum(sizes.values()) >= MANY_DECLARATIONS:
        by_several = partial(by_processes, processes=installation.settings.processes)
        return _one_by_one(installation, as_of, providers, sizes, by_several, StatementsRound(IntakeRound()))
    done = StatementsRound(IntakeRound())
    try:
        return statements_round(installation, as_of, chosen=chosen, done=done)
    except (Exception, PanicException) as error:
        if len(providers) < 2 or database_failed(error):
            raise
        log_trouble(f"statements of {len(providers)} lead providers together", error)
        so_far = StatementsRound(done.intake, settled=done.settled, made=done.made, delivered=done.delivered)
        whole = _one_by_one(installation, as_of, providers, sizes, one_by_one, so_far)
        if not whole.troubles:  # or nobody would look why
            whole.troubles.append(
                f"all statements together could not be made ({what_is_known(error)}); each lead provider's was made by itself"
            )
        return whole


def _one_by_one(
    installation: Installation,
    as_of: datetime | None,
    providers: list[LeadProvider],
    sizes: dict[str, int],
    by: Callable[..., Iterator[tuple[int, Came]]],
    done: StatementsRound,
) -> StatementsRound:
    """by: as hands.one_by_one. done: what was done before."""
    today = london_day(installation.now(as_of))
    first = StatementsRound(judge_first(installation, as_of, providers))
    with installation.database.only_some(statements_lock(each.slug) for each in providers) as ours:
        settle(installation, as_of, today, [each for each in providers if statements_lock(each.slug) in ours], first)
    looks = IntakeRound(busy=[*first.intake.busy], unseen=set(first.intake.unseen))
    add_report(done, first)
    largest_first = sorted(providers, key=lambda each: -sizes.get(each.slug, 0))
    pieces = [(installation.settings, each.slug, as_of, today, looks) for each in largest_first]
    came = {largest_first[place].slug: part for place, part in by(_of_one, pieces)}
    for each in providers:
        part = came[each.slug]
        if part.trouble:
            done.troubles.append(not_ended(each, part.trouble))
        else:
            add_report(done, part.value)
    return done


def _sizes(installation: Installation, as_of: datetime | None, providers: list[LeadProvider]) -> dict[str, int]:
    """Of those who have something to compute or deliver: slug → declarations on statements not paid."""
    moved = set(whose_statements(installation, as_of)[0])
    with installation.database.read() as reader:
        counts = declarations_not_paid(reader)
    return {each.slug: counts.get(each.lead_provider_id, 0) for each in providers if each.slug in moved}


def _of_one(settings: Settings, slug: str, as_of: datetime | None, today: date, looks: IntakeRound) -> StatementsRound:
    """One lead provider's part, after everybody's intake (`looks`: whose mailboxes it did not see). What it tells of that again is
    left off."""
    with open_installation(settings) as installation:
        done = statements_round(installation, as_of, looks, [installation.lead_provider(slug)], today)
    done.intake = IntakeRound()
    return done
