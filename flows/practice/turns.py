"""A practice mailbox's turn: its files one after another, each at its own instant, so that a rehearsed year takes a minute.

Files that lie there together go so: a reset first, then those without a clock, then by their clocks; of one instant, files
before the move of statements. Cut anywhere, the next turn carries on: a file is claimed first, then what it asks for is done,
which twice is as once, and its receipt comes last.
"""

import dataclasses
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial

from flows.errors import ExchangeError
from flows.installation import Installation, LeadProvider
from flows.practice.mailboxes import deliver_all, is_made_for, opened, practising, replace, start
from flows.rounds.claiming import Claims
from flows.rounds.intake import Do, answer_requests, guarded, has_work, plainly, with_something_open
from flows.rounds.looking import Looks, look_at_all
from flows.rounds.practised import MOST_OF_NOTHING, asked_of, asks_for_reset, asks_to_move_on, clock_of, earliest_of
from flows.rounds.turn import in_turn, judge_one
from schemas.inbound.practised import FILE, RESET, STATEMENTS, asked_by
from schemas.reports import IntakeRound
from schemas.submission import Submission
from sftp.mailbox import SIDECAR, Arrival, MailboxError

TURN_SECONDS = 600.0


def practice_round(
    home: Installation,
    as_of: datetime | None,
    do: Do = plainly,
    patience: float = 0.0,
    only: Collection[str] | None = None,
    one_turn: bool = True,
) -> IntakeRound:
    """Every practice mailbox's turn, or that of `only` these slugs; one turn is all there is. as_of: in place of the clock of a
    mailbox that has not come so far."""
    done = IntakeRound()
    for provider in [each for each in practising(home) if only is None or each.slug in only]:
        act = partial(_turn, home, provider, as_of, done, patience)
        guarded(done, provider, lambda act=act, name=provider.slug: do(name, act))  # type: ignore[misc]
    return done


def turn_lock(slug: str) -> str:
    """What is held of the home while a practice mailbox is worked on: its folder may be replaced."""
    return f"practice-{slug}"


def _turn(
    home: Installation, provider: LeadProvider, as_of: datetime | None, done: IntakeRound, patience: float
) -> None:
    with home.database.only_one(turn_lock(provider.slug), patience) as ours:
        if not ours:
            done.busy.append(provider.slug)
            return
        while asked_for := _until_reset(home, provider, as_of, done):
            began = home.records.as_of() or home.now()  # where the new mailbox's clock stands
            replace(home, provider.slug, dataclasses.replace(asked_for, received_at=began))


def _until_reset(
    home: Installation, provider: LeadProvider, as_of: datetime | None, done: IntakeRound
) -> Submission | None:
    """A turn up to the file that asks for a new mailbox, which is returned; None: there was none, and the turn is at its end."""
    with opened(home, provider.slug) as mailbox:
        try:
            start(mailbox, provider, mailbox.now(), done)
            looks = look_at_all(mailbox, [provider])
            done.troubles += looks.troubles
            if not has_work(mailbox, provider, looks, with_something_open(mailbox), done):
                return None
            return _Turn(mailbox, provider, as_of, done).take_all(looks)
        except MailboxError as error:
            done.troubles.append(f"{provider.slug}: {error}")
            return None


@contextmanager
def after_its_turn(
    home: Installation, provider: LeadProvider, as_of: datetime | None
) -> Iterator[tuple[Installation, datetime, IntakeRound]]:
    """One practice mailbox after its turn, its present instant, and what its turn did; nobody else is at it meanwhile. Raises
    ExchangeError (BUSY)."""
    done = IntakeRound()
    _turn(home, provider, as_of, done, TURN_SECONDS)
    with home.database.only_one(turn_lock(provider.slug), TURN_SECONDS) as ours:
        if not ours or done.busy:
            raise ExchangeError("BUSY", "Another round has been at it for long.", "Try again later.")
        with opened(home, provider.slug) as mailbox:
            yield mailbox, clock_of(mailbox, as_of), done


class _Turn:
    """What a turn works with. The caller holds the mailbox's turn."""

    def __init__(
        self, mailbox: Installation, provider: LeadProvider, as_of: datetime | None, done: IntakeRound
    ) -> None:
        self._mailbox, self._provider, self._as_of, self._done = mailbox, provider, as_of, done
        self._box = mailbox.mailbox(provider.slug)

    @property
    def _clock(self) -> datetime:
        return clock_of(self._mailbox, self._as_of)

    def take_all(self, looks: Looks) -> Submission | None:
        """Everything up to the file that asks for a new mailbox, which is returned. A reset goes past a file that cannot be judged:
        nothing else does."""
        settled = looks.settled.get(self._provider.slug, [])
        sidecars = {each.name.lower(): each for each in settled if each.is_sidecar}
        left_over = [each for each in self._box.taken() if not each.is_sidecar]
        resets = [each for each in settled if asked_by(each.shown_name, self._clock).act == RESET]
        may_go_on = bool(resets) or self._judge()  # what a cut left
        for arrival in [*self._in_order(resets), *self._in_order(left_over), *self._in_order(settled)]:
            if not may_go_on:
                break
            sidecar = sidecars.get(arrival.name.lower() + SIDECAR)
            may_go_on = self._claim([each for each in (arrival, sidecar) if each in settled], arrival)
            if asked_for := self._asked_for():
                return asked_for
            may_go_on = self._judge() and may_go_on
        self._finish(looks, [each for each in settled if each.is_sidecar])
        return None

    def _asked_for(self) -> Submission | None:
        """The claimed file that asks for a new mailbox, while this is not the one."""
        for submission in self._mailbox.submissions.waiting(self._provider.lead_provider_id):
            if asks_for_reset(asked_of(self._mailbox, submission)) and not is_made_for(self._mailbox, submission):
                return submission
        return None

    def _in_order(self, arrivals: list[Arrival]) -> list[Arrival]:
        """See the head of this file."""
        clock, earliest = self._clock, earliest_of(self._mailbox, self._provider)

        def place(arrival: Arrival) -> tuple[int, datetime, bool]:
            asked = asked_by(arrival.shown_name, clock, earliest)
            which = 0 if asked.act == RESET else 2 if asked.sets_clock else 1
            return which, asked.received_at, asked.act != FILE

        return sorted((each for each in arrivals if not each.is_sidecar), key=place)

    def _claim(self, settled: list[Arrival], first: Arrival) -> bool:
        """Take and claim one file with its checksum, and what an earlier turn took, at the instant that its name asks for.
        Says whether files behind may go on."""
        clock = self._clock
        asked = asked_by(first.shown_name, clock, earliest_of(self._mailbox, self._provider))
        # What will not move it on, for it is not empty, is received where the clock stands.
        stays = asked.act == STATEMENTS and first.size_bytes > MOST_OF_NOTHING
        at = clock if stays else asked.received_at
        if at != clock:
            self._deliver(clock)
        with self._mailbox.database.only_one(f"mailbox-{self._provider.slug}", TURN_SECONDS) as ours:
            if not ours:
                raise MailboxError("another round has been at it for long")
            claims = Claims(self._mailbox, self._provider, self._box, at)
            claims.left_over()
            claims.take(settled)
        self._done.troubles += claims.troubles
        self._done.waits += claims.notices
        return not claims.troubles

    def _judge(self) -> bool:
        """Do what claimed files ask for, and judge them. Says whether files behind may go on."""
        for submission in self._mailbox.submissions.waiting(self._provider.lead_provider_id):
            # The clock stands still: a file that failed is tried again by every turn.
            at = max(submission.received_at, submission.next_try_at or submission.received_at)
            if asks_to_move_on(asked_of(self._mailbox, submission)):
                deliver_all(self._mailbox, self._provider, at, self._done)
            if not judge_one(self._mailbox, self._provider, submission, at, self._done):
                return False
        return True

    def _finish(self, looks: Looks, sidecars: list[Arrival]) -> None:
        """Receipts, checksums that came late, what waits, extracts that were asked for."""
        slug = self._provider.slug
        stale = {slug: looks.stale[slug]} if slug in looks.stale else {}
        self._deliver(self._clock, Looks({slug: sidecars}, stale=stale))

    def _deliver(self, at: datetime, looks: Looks | None = None) -> None:
        """What is owed, before the clock moves on from an instant."""
        in_turn(self._mailbox, self._provider, looks or Looks(), at, self._done, TURN_SECONDS, False)
        answer_requests(self._mailbox, [self._provider], at, self._done, plainly)
