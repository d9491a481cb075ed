"""One round of statements: settle what falls due, compute what is not paid, deliver what changed."""

import logging
from dataclasses import replace
from datetime import date, datetime

from polars.exceptions import PanicException

from data.accounts import submitted_without_statement
from data.counting import keep_paid_units
from data.outside import database_failed
from data.settling import due_owners, settle_due
from flows.errors import log_trouble, what_is_known
from flows.installation import Installation, LeadProvider
from flows.rounds.accounts import computed_of
from flows.rounds.intake import held_from, intake_round
from flows.rounds.months import months_to_sum
from flows.rounds.unchanged import Inputs, Told, inputs_of, recall, remember
from flows.rounds.versions import deliver, write_versions
from schemas.instants import london_day
from schemas.reports import IntakeRound, Made, StatementsRound
from transforms.money.computing import Computed
from transforms.money.statement import Statement

INTAKE_SECONDS = 600  # a mailbox of many long files is judged in less
NOTHING = Computed([], [], {})  # that would have to be delivered anew
log = logging.getLogger("ectx.statements")


def statements_lock(slug: str) -> str:
    """What is held while a lead provider's statements are made, authorised or copied."""
    return f"statements-{slug}"


def statements_round(
    installation: Installation,
    as_of: datetime | None,
    judged: IntakeRound | None = None,
    chosen: list[LeadProvider] | None = None,
    today: date | None = None,
    done: StatementsRound | None = None,
) -> StatementsRound:
    """Judge what has arrived, then move statements along, then deliver every statement not yet paid that changed.

    What was received by a deadline counts for it, so nothing of a provider's moves while a file of theirs waits, or their
    mailbox has not been seen since; all others go on. as_of: the instant of a rehearsal; None: now. judged: the round of
    intake, where somebody has seen to it already, and today: the day before its looks. chosen: whose; None: everybody's.
    done: where it is told as it is done, for who has to know of a round that failed.
    """
    done = done or StatementsRound(IntakeRound())
    # Of before the looks: what came later cannot be missed by them.
    today = today or london_day(installation.now(as_of))
    everybody = installation.lead_providers() if chosen is None else chosen
    with installation.database.only_some(statements_lock(each.slug) for each in everybody) as ours:
        providers = [each for each in everybody if statements_lock(each.slug) in ours]
        done.troubles += [
            f"{each.slug}: another round is at its statements" for each in everybody if each not in providers
        ]
        if providers or not everybody:
            _round(installation, as_of, today, judged, providers, done)
    return done


def _round(
    installation: Installation,
    as_of: datetime | None,
    today: date,
    judged: IntakeRound | None,
    providers: list[LeadProvider],
    done: StatementsRound,
) -> None:
    done.intake = judged or judge_first(installation, as_of, providers)
    now, held = settle(installation, as_of, today, providers, done)
    done.troubles += held
    owners = [each.lead_provider_id for each in providers]
    with installation.database.read(is_sparing=True) as reader:
        inputs = inputs_of(installation, reader, providers, today)
        told = recall(installation, inputs)
        changed = [own for own in owners if own not in told]
        computed = computed_of(installation, reader, today, owners=changed) if changed else NOTHING
        done.nowhere = submitted_without_statement(reader, owners)
    to_remember = {}
    for provider in providers:  # to all of them what is owed, too, and summaries not made yet
        own = provider.lead_provider_id
        said = told.get(own) or _told(computed, inputs, own, today)
        done.held_back += said.held_back
        done.unchanged += said.unchanged
        done.not_wanted += said.not_wanted
        done.standing += said.standing
        try:
            new = _deliver(installation, provider, computed, today, now, done)
        except (Exception, PanicException) as error:
            if len(providers) < 2 or database_failed(error):
                raise
            log_trouble(f"statements of {provider.slug}", error)
            done.troubles.append(not_ended(provider, what_is_known(error)))
            continue
        if own not in told:
            to_remember[own] = replace(said, unchanged=said.unchanged + new)
    remember(installation, inputs, to_remember)


def not_ended(provider: LeadProvider, trouble: str) -> str:
    """A line for operators on a lead provider whose part went wrong, while the others' went on."""
    return (
        f"{provider.slug}: the round of its statements did not come to its end ({trouble}); what it had done stands; "
        "run this one again"
    )


def judge_first(installation: Installation, as_of: datetime | None, providers: list[LeadProvider]) -> IntakeRound:
    """What has arrived for these lead providers. A round of statements comes once a day: no file may take it with it."""
    only = None if providers == installation.lead_providers() else [each.slug for each in providers]
    return intake_round(installation, as_of, patience=INTAKE_SECONDS, apart=as_of is None, only=only)


def settle(
    installation: Installation,
    as_of: datetime | None,
    today: date,
    providers: list[LeadProvider],
    done: StatementsRound,
) -> tuple[datetime, list[str]]:
    """Move along what falls due, after done.intake. Returns when that was, and a line for each lead provider some of whose
    statements have to stay. The caller holds theirs."""
    owners = [each.lead_provider_id for each in providers]
    with installation.database.write(is_sparing=True) as connection:
        now = installation.now(as_of)
        settled = settle_due(connection, today, now, held_from(installation, providers, done.intake), owners)
        keep_paid_units(installation.database, connection)
    done.settled += settled.statement_ids
    staying = [(each, settled.held[each.lead_provider_id]) for each in providers]
    return now, [_held(each, count, done.intake) for each, count in staying if count]


def _told(computed: Computed, inputs: Inputs, own: str, today: date) -> Told:
    """What this round tells of one lead provider's statements."""
    statements = [each for each in computed.statements if each.facts["lead_provider_id"] == own]
    return Told(
        [str(each) for each in computed.held_back if inputs.owner[each.statement_id] == own],
        sum(not each.has_changed for each in statements),
        sum(not each.is_wanted(today) for each in statements),
        [replace(_made(each), before=None) for each in statements],
    )


def whose_statements(installation: Installation, as_of: datetime | None) -> tuple[list[str], list[str]]:
    """One cheap look: (slugs of the lead providers for whom a round would have something to move, compute or deliver; what is held
    back of the others)."""
    providers, today = installation.lead_providers(), london_day(installation.now(as_of))
    with installation.database.read() as reader:
        told = recall(installation, inputs_of(installation, reader, providers, today))
        due = due_owners(reader, today)
    slugs, held_back = [], []
    for each in providers:
        own = each.lead_provider_id
        if own not in told or own in due or installation.deliveries.owed(own) or months_to_sum(installation, each):
            slugs.append(each.slug)
        else:
            held_back += told[own].held_back
    return slugs, held_back


def _held(provider: LeadProvider, statements: int, intake: IntakeRound) -> str:
    """A line for operators on statements whose deadline has passed and that stay open."""
    if provider.slug in intake.busy:
        why = "another round is at its mailbox; run this one again after it"
    elif provider.slug in intake.unseen:
        why = "its mailbox could not be looked at since the deadline"
    else:
        why = "a file received by the deadline is not judged yet (`ectx submission list`)"
    return f"{provider.slug}: {statements} statements stay open past their deadline, since {why}"


def _deliver(
    installation: Installation,
    provider: LeadProvider,
    computed: Computed,
    today: date,
    now: datetime,
    done: StatementsRound,
) -> int:
    """Promise new versions of a lead provider's statements, and deliver what its mailbox is owed. Returns how many are new."""
    own = [each for each in computed.statements if each.facts["lead_provider_id"] == provider.lead_provider_id]
    changed = [each for each in own if each.has_changed and each.is_wanted(today)]
    promises = write_versions(installation, provider, computed, changed, now)
    if promises:
        with installation.database.write() as connection:
            for promise in promises:
                promise(connection)
    done.made += [_made(statement) for statement in changed]
    done.delivered += deliver(installation, provider, now, done.troubles)
    return len(changed)


def _made(statement: Statement) -> Made:
    return Made(
        statement.facts["lead_provider_name"],
        statement.statement_id,
        statement.path if statement.has_changed or not statement.previous else statement.previous.path,
        statement.declarations,
        statement.amounts,
        sum(row["over_volume"] for row in statement.counts),
        sum(row["unrefunded"] for row in statement.counts),
        tuple(row["declaration_type"] for row in statement.overflown),
        statement.previous.total if statement.previous else None,
    )
