"""One round of intake: look, take, claim, read, judge, apply, deliver, for one mailbox after another.

Every step can be cut at any instant: the next round finds what was taken, judged or owed, and carries on. One mailbox's
trouble is its own: what it holds up is its provider's alone.
"""

import logging
import time
from collections.abc import Callable, Collection
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from data.outside import is_from_outside
from flows.clock import to_the_second
from flows.installation import Installation, LeadProvider
from flows.rounds.claiming import Claims
from flows.rounds.delivery import deliver_owed
from flows.rounds.extracts import extracts_round
from flows.rounds.front import put_front
from flows.rounds.looking import Looks, forget_gone, look_at_all, look_once
from flows.rounds.trying import Failed, failed, log_trouble, try_one
from flows.rounds.waiting import WAITING, tell_what_waits
from schemas.instants import london_day
from schemas.reports import IntakeRound
from schemas.submission import Submission
from sftp.local import LocalMailbox
from sftp.mailbox import MailboxError

log = logging.getLogger("ectx.intake")


TURN_SECONDS = 1.0  # after it, whoever waits behind a mailbox with many files has their turn


Do = Callable[[str, Callable[[], Any]], None]  # does one mailbox's work, which has a name


def plainly(name: str, act: Callable[[], Any]) -> None:
    """Do one mailbox's work here and now. flows.deployed makes a Prefect task of it instead."""
    act()


def intake_round(
    installation: Installation,
    as_of: datetime | None,
    do: Do = plainly,
    patience: float = 0.0,
    apart: bool = False,
    only: Collection[str] | None = None,
    one_turn: bool = False,
) -> IntakeRound:
    """Take and process every waiting file of every mailbox once. Who has many waits for others in between: a turn is short.

    as_of: the instant of a rehearsal, at which everything is received; None: now. patience: seconds to wait for who is at
    a mailbox. apart: judge in processes of their own, so that no file can take this one with it. only: slugs of the mailboxes
    that are looked at; None: all. one_turn: of each mailbox (`goes_on` says who has more); else to their end.
    """
    providers = [each for each in installation.lead_providers() if only is None or each.slug in only]
    looks = look_at_all(installation, providers)
    done = IntakeRound(troubles=looks.troubles, unseen=looks.unseen)
    waiting = [each for each in providers if has_work(installation, each, looks, done)]
    while waiting:
        for provider in waiting:
            act = partial(in_turn, installation, provider, looks, as_of, done, patience, apart)
            guarded(done, provider, lambda act=act, name=provider.slug: do(name, act))  # type: ignore[misc]
        waiting = [each for each in waiting if each.slug in done.goes_on and not one_turn]
    answer_requests(installation, providers, as_of, done, do)
    if only is None:
        done.troubles += strangers(installation, providers)
    return done


def who_waits(installation: Installation) -> tuple[list[str], list[str]]:
    """One cheap look: (slugs of the lead providers for whom a round would have something to do, what it would have to tell
    operators)."""
    providers = installation.lead_providers()
    looks = Looks()
    seen = look_once(installation, providers, looks)
    done, asked = IntakeRound(unseen=looks.unseen), installation.extracts.requests()
    slugs = [
        each.slug
        for each in providers
        if seen.get(each.slug) or each.lead_provider_id in asked or has_work(installation, each, looks, done)
    ]
    return slugs, [*looks.troubles, *done.troubles, *strangers(installation, providers)]


def who_waits_for_us(installation: Installation) -> tuple[list[str], list[str]]:
    """The same, but for those whose mailbox somebody is at: a second run would only wait for the first."""
    slugs, troubles = who_waits(installation)
    return free_of(installation, slugs), troubles


def free_of(installation: Installation, slugs: list[str]) -> list[str]:
    """Those of these lead providers (slugs) at whose mailbox nobody is."""
    with installation.database.only_some(f"mailbox-{slug}" for slug in slugs) as free:
        return [slug for slug in slugs if f"mailbox-{slug}" in free]


def answer_requests(
    installation: Installation,
    providers: list[LeadProvider],
    as_of: datetime | None,
    done: IntakeRound,
    do: Do,
) -> None:
    """Extracts that were asked for, after everybody's receipts: nobody waits for another's. What was cut off is asked for still."""
    asked = installation.extracts.requests()
    chosen = [provider for provider in providers if provider.lead_provider_id in asked]
    if not chosen:
        return

    def act() -> None:
        made = extracts_round(installation, as_of, chosen, patience=0)
        done.waits += [f"{slug}: an extract that was asked for waits: another is being made" for slug in made.busy]
        done.extracts += sum(each.delivered for each in made.made)
        done.troubles += made.troubles

    try:
        do("extracts asked for", act)
    except Exception as error:  # nobody's receipts are the worse for it
        log_trouble("extracts asked for", error)
        done.troubles.append(f"extracts asked for: {type(error).__name__}; they will be tried again next round")


def guarded(done: IntakeRound, provider: LeadProvider, act: Callable[[], Any]) -> None:
    """One mailbox's work; what goes wrong with it is told, and is nobody else's."""
    try:
        act()
    except Exception as error:  # one mailbox's trouble is not another's
        log_trouble(f"mailbox {provider.slug}", error)
        done.troubles.append(f"{provider.slug}: {type(error).__name__}; it will be tried again next round")


def has_work(installation: Installation, provider: LeadProvider, looks: Looks, done: IntakeRound) -> bool:
    """Whether something waits in a mailbox, or an earlier round was cut off before it was through with it."""
    if looks.settled.get(provider.slug) or provider.slug in looks.stale:
        return True
    if provider.slug in looks.unseen:
        return False
    try:
        mailbox = installation.mailbox(provider.slug)
        taken = mailbox.taken() or mailbox.half_sent() or mailbox.is_there(WAITING)
    except MailboxError as error:
        done.unseen.add(provider.slug)
        done.troubles.append(f"{provider.slug}: {error}")
        return False
    owner, submissions = provider.lead_provider_id, installation.submissions
    is_owed = submissions.waiting(owner) or installation.deliveries.owed(owner) or submissions.any_unremoved(owner)
    return bool(taken or is_owed)


def strangers(installation: Installation, providers: list[LeadProvider]) -> list[str]:
    """Mailboxes with files in them that belong to no lead provider in the records (rule FILE-003)."""
    folder, known = installation.settings.mailboxes_folder, {provider.slug for provider in providers}
    if folder is None or not folder.is_dir():
        return []
    others = [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name not in known]
    waiting = [(path.name, _files_in(path)) for path in others]
    return [
        f"{name}: FILE-003, {files} files wait in a mailbox of no lead provider: load records that have it, or shut it out "
        f"(`ectx provider remove {name}`) and take the files away"
        for name, files in waiting
        if files
    ]


def _files_in(folder: Path) -> int:
    """How many files lie in the to-dfe of a folder that may be anything: nothing is made in it."""
    try:
        return len(LocalMailbox(folder).look())
    except MailboxError:
        return 0


def in_turn(
    installation: Installation,
    provider: LeadProvider,
    looks: Looks,
    as_of: datetime | None,
    done: IntakeRound,
    patience: float,
    apart: bool,
) -> None:
    """One mailbox's work, unless somebody else is at it; no longer than a turn lasts, where much of it waits."""
    done.goes_on.discard(provider.slug)
    with installation.database.only_one(f"mailbox-{provider.slug}", patience) as ours:
        if not ours:
            done.busy.append(provider.slug)
            return
        all_is_claimed = False
        try:
            mailbox = installation.mailbox(provider.slug)
            claims = Claims(installation, provider, mailbox, as_of)
            claims.left_over()
            settled = looks.settled.pop(provider.slug, [])  # of a later turn there is nothing more to take
            claims.take(settled)
            if stale := looks.stale.pop(provider.slug, []):
                forget_gone(installation, provider, stale)
            all_is_claimed = not claims.troubles
            done.troubles += claims.troubles
            done.waits += claims.notices
            _judge_waiting(installation, provider, as_of, done, apart)
            waited = mailbox.own(WAITING)
            if installation.is_practice:  # what is late, and for how long a file waits, is a matter of real time
                done.waits += tell_what_waits(installation, provider, mailbox, installation.database.now())
            else:
                done.troubles += claims.late_checksums(settled)
                done.waits += tell_what_waits(installation, provider, mailbox, as_of)
            delivered = deliver_owed(installation, provider, mailbox, installation.now(as_of))
            done.delivered += delivered
            if not delivered and mailbox.own(WAITING) != waited:
                put_front(installation, provider, mailbox, installation.now(as_of))
        except MailboxError as error:
            log.warning("mailbox %s: %s", provider.slug, error)
            done.troubles.append(f"{provider.slug}: {error}")
        finally:
            if not all_is_claimed:
                done.unseen.add(provider.slug)


def judge_waiting_of(installation: Installation, provider: LeadProvider, as_of: datetime | None) -> IntakeRound:
    """Judge what is claimed of one mailbox, as far as it goes. The caller holds it."""
    done = IntakeRound()
    _judge_waiting(installation, provider, as_of, done, lasts=float("inf"))
    return done


def _judge_waiting(
    installation: Installation,
    provider: LeadProvider,
    as_of: datetime | None,
    done: IntakeRound,
    apart: bool = False,
    lasts: float = TURN_SECONDS,
) -> None:
    """Judge a mailbox's claimed files, in their order: a void counts after its declaration. So none is judged before one
    that has to be tried again."""
    if installation.is_practice:  # its turns judge, for a file may ask for more (flows.practice.turns)
        return
    over = time.monotonic() + lasts
    for place, submission in enumerate(installation.submissions.waiting(provider.lead_provider_id)):
        if place and time.monotonic() > over:
            done.goes_on.add(provider.slug)
            return
        if not judge_one(installation, provider, submission, as_of, done, apart):
            return


def judge_one(
    installation: Installation,
    provider: LeadProvider,
    submission: Submission,
    as_of: datetime | None,
    done: IntakeRound,
    apart: bool = False,
) -> bool:
    """Judge one claimed file, unless its next try is not due. Says whether the files behind it may go on."""
    now = installation.now(as_of)
    if submission.next_try_at and now < submission.next_try_at:
        done.waits.append(
            f"{submission.submission_id} is tried again at {to_the_second(submission.next_try_at)}: {submission.trouble}"
        )
        return False
    try:
        outcome = try_one(installation, provider, submission, as_of, apart)
        if outcome:
            done.outcomes.append(outcome)
    except Failed as error:
        line, is_aside = failed(installation, provider, submission, error.trouble, now)
        done.troubles.append(line)
        return is_aside
    except MailboxError:
        raise
    except Exception as error:
        if not is_from_outside(error):
            raise
        done.troubles.append(f"{submission.submission_id}: {type(error).__name__}; it will be tried again next round")
        return False
    return True


def held_from(installation: Installation, providers: list[LeadProvider], done: IntakeRound) -> dict[str, date]:
    """Lead provider id → the first day of whose deadline nothing of theirs may move yet: a file received by then is not
    judged, or their mailbox has not been seen since. Those of whom all is judged are not in it."""
    held: dict[str, date] = {}
    for provider in providers:
        if provider.slug in done.unseen or provider.slug in done.busy:
            held[provider.lead_provider_id] = date.min
        elif waiting := installation.submissions.waiting(provider.lead_provider_id):
            held[provider.lead_provider_id] = min(_day(each) for each in waiting)
    return held


def _day(submission: Submission) -> date:
    return london_day(submission.received_at)
