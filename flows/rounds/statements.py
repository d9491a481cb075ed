"""One round of statements: settle what falls due, compute what is not paid, deliver what changed."""

import logging
from dataclasses import replace
from datetime import date, datetime

from data.accounts import submitted_without_statement
from data.counting import keep_paid_units
from data.settling import settle_due
from flows.installation import Installation, LeadProvider
from flows.rounds.accounts import computed_of
from flows.rounds.intake import held_from, intake_round
from flows.rounds.unchanged import inputs_of, recall, remember
from flows.rounds.versions import deliver, write_versions
from schemas.instants import london_day
from schemas.reports import IntakeRound, Made, StatementsRound
from transforms.money.computing import Computed
from transforms.money.statement import Statement

INTAKE_SECONDS = 600  # a mailbox of many long files is judged in less
NOTHING = Computed([], [], {})  # that would have to be delivered anew
log = logging.getLogger("ectx.statements")


def statements_round(
    installation: Installation, as_of: datetime | None, judged: IntakeRound | None = None
) -> StatementsRound:
    """Judge what has arrived, then move statements along, then deliver every statement not yet paid that changed.

    What was received by a deadline counts for it, so nothing of a provider's moves while a file of theirs waits, or their
    mailbox has not been seen since; all others go on. as_of: the instant of a rehearsal; None: now. judged: the round of
    intake, where somebody has seen to it already.
    """
    done = StatementsRound(IntakeRound())
    with installation.database.only_one("statements") as ours:
        if not ours:
            done.troubles.append("another statements round is at work")
            return done
        today = london_day(installation.now(as_of))  # of before the looks: what came later cannot be missed by them
        # This round comes once a day: no file may take it with it.
        if judged is None:
            judged = intake_round(installation, as_of, patience=INTAKE_SECONDS, apart=as_of is None)
        done.intake = judged
        providers = installation.lead_providers()
        with installation.database.write() as connection:
            now = installation.now(as_of)
            settled = settle_due(connection, today, now, held_from(installation, providers, done.intake))
            keep_paid_units(installation.database, connection)
        done.settled = settled.statement_ids
        done.troubles += [_held(each, settled.held[each.lead_provider_id], done.intake) for each in providers
                          if settled.held[each.lead_provider_id]]  # fmt: skip
        with installation.database.read() as reader:
            inputs = inputs_of(installation, reader, today)
            is_unchanged = recall(installation, inputs, done)
            computed = NOTHING if is_unchanged else computed_of(installation, reader, today)
            done.nowhere = submitted_without_statement(reader)
        done.held_back += [str(each) for each in computed.held_back]
        _deliver_all(installation, computed, today, now, done)  # what is owed, too, and summaries not made yet
        if not is_unchanged:
            remember(installation, inputs, done)
    return done


def _held(provider: LeadProvider, statements: int, intake: IntakeRound) -> str:
    """A line for operators on statements whose deadline has passed and that stay open."""
    if provider.slug in intake.busy:
        why = "another round is at its mailbox; run this one again after it"
    elif provider.slug in intake.unseen:
        why = "its mailbox could not be looked at since the deadline"
    else:
        why = "a file received by the deadline is not judged yet (`ectx submission list`)"
    return f"{provider.slug}: {statements} statements stay open past their deadline, since {why}"


def _deliver_all(
    installation: Installation, computed: Computed, today: date, now: datetime, done: StatementsRound
) -> None:
    by_provider: dict[str, list[Statement]] = {}
    for statement in computed.statements:
        by_provider.setdefault(statement.facts["lead_provider_id"], []).append(statement)
    for provider in installation.lead_providers():
        own = by_provider.get(provider.lead_provider_id, [])
        changed = [statement for statement in own if statement.has_changed and statement.is_wanted(today)]
        done.not_wanted += sum(not statement.is_wanted(today) for statement in own)
        promises = write_versions(installation, provider, computed, changed, now)
        with installation.database.write() as connection:
            for promise in promises:
                promise(connection)
        done.unchanged += sum(not statement.has_changed for statement in own)
        done.made += [_made(statement) for statement in changed]
        done.standing += [replace(_made(statement), before=None) for statement in own]
        done.delivered += deliver(installation, provider, now, done.troubles)


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
