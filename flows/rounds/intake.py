"""One round of intake: a look at all mailboxes, and a turn for each in which something waits (flows.rounds.turn).

One mailbox's trouble is its own: what it holds up is its provider's alone. Where nothing waits, nothing that judges is loaded:
a look is all that most rounds are.
"""

from collections.abc import Callable, Collection
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from flows.errors import log_trouble
from flows.installation import Installation, LeadProvider
from flows.rounds.looking import Looks, look_at_all, look_once
from flows.rounds.waiting import WAITING
from schemas.instants import london_day
from schemas.reports import IntakeRound, add_report
from schemas.submission import Submission
from sftp.local import LocalMailbox
from sftp.mailbox import MailboxError

Do = Callable[[str, Callable[[], Any]], None]  # does one mailbox's work, which has a name
More = Callable[[IntakeRound], list[str]]  # told what came of those before: slugs of who is next


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
    more: More | None = None,
) -> IntakeRound:
    """Take and process every waiting file of every mailbox once. Who has many waits for others in between: a turn is short.

    as_of: the instant of a rehearsal, at which everything is received; None: now. patience: seconds to wait for who is at
    a mailbox. apart: judge in processes of their own, so that no file can take this one with it. only: slugs of the mailboxes
    that are looked at; None: all. one_turn: of each mailbox (`goes_on` says who has more); else to their end. more: asked when
    those of `only` had theirs, and again, for as long as somebody is next.
    """
    done = part = _round_of(installation, as_of, do, patience, apart, only, one_turn)
    while more and (slugs := more(part)):
        try:
            part = _round_of(installation, as_of, do, patience, apart, slugs, one_turn)
        except Exception as error:  # what came of those before is told all the same
            what = ", ".join(slugs)
            log_trouble(what, error)
            trouble = f"{what}: {type(error).__name__}; it will be tried again next round"
            part = IntakeRound(troubles=[trouble], busy=slugs)
        add_report(done, part)
    return done


def _round_of(
    installation: Installation,
    as_of: datetime | None,
    do: Do,
    patience: float,
    apart: bool,
    only: Collection[str] | None,
    one_turn: bool,
) -> IntakeRound:
    providers = [each for each in installation.lead_providers() if only is None or each.slug in only]
    looks = look_at_all(installation, providers)
    done = IntakeRound(troubles=looks.troubles, unseen=looks.unseen)
    unfinished = with_something_open(installation)
    waiting = [each for each in providers if has_work(installation, each, looks, unfinished, done)]
    if waiting:
        from flows.rounds.turn import in_turn
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
    done = IntakeRound(unseen=looks.unseen)
    asked, unfinished = installation.extracts.requests(), with_something_open(installation)
    slugs = [
        each.slug
        for each in providers
        if seen.get(each.slug)
        or each.lead_provider_id in asked
        or has_work(installation, each, looks, unfinished, done)
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
    from flows.rounds.extracts import extracts_round

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


def with_something_open(installation: Installation) -> set[str]:
    """Ids of the lead providers with whom an earlier round was not through, as the ledger has it."""
    return installation.submissions.with_something_open() | installation.deliveries.whose_are_owed()


def has_work(
    installation: Installation, provider: LeadProvider, looks: Looks, unfinished: set[str], done: IntakeRound
) -> bool:
    """Whether something waits in a mailbox, or an earlier round was cut off before it was through with it. unfinished: with whom
    one was, as the ledger has it (with_something_open)."""
    if looks.settled.get(provider.slug) or provider.slug in looks.stale:
        return True
    if provider.slug in looks.unseen:
        return False
    try:
        mailbox = installation.mailbox(provider.slug)
        is_begun = mailbox.taken() or mailbox.half_sent() or mailbox.is_there(WAITING)
    except MailboxError as error:
        done.unseen.add(provider.slug)
        done.troubles.append(f"{provider.slug}: {error}")
        return False
    return bool(is_begun) or provider.lead_provider_id in unfinished


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
