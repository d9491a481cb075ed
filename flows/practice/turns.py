"""A practice mailbox's turn: its files one after another, each at its own instant, so that a rehearsed year takes a minute.

Files that lie there together go so: a reset first, then those without a clock, then by their clocks; of one instant, files
before the move of statements. Cut anywhere, the next turn carries on: a file is claimed first, then what it asks for is done,
which twice is as once, and its receipt comes last.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from flows.errors import ExchangeError
from flows.installation import Installation, LeadProvider
from flows.practice.mailboxes import deliver_all, found, is_made_for, opened, practising, replace, start
from flows.rounds.claiming import Claims
from flows.rounds.intake import Do, answer_requests, guarded, has_work, in_turn, judge_one, plainly
from flows.rounds.looking import Looks, look_at_all
from flows.rounds.practised import Clock, asked_of, asks_for_reset, asks_to_move_on, clock_of
from schemas.inbound.practised import FILE, RESET
from schemas.reports import IntakeRound
from schemas.submission import Submission
from sftp.mailbox import SIDECAR, Arrival, MailboxError

TURN_SECONDS = 600.0


def practice_round(home: Installation, as_of: datetime | None, do: Do = plainly, patience: float = 0.0) -> IntakeRound:
    """Every practice mailbox's turn. as_of: in place of the present, where a mailbox's clock has not been set."""
    found(home)
    done = IntakeRound()
    for provider in practising(home):
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
            replace(home, provider.slug, asked_for)


def _until_reset(
    home: Installation, provider: LeadProvider, as_of: datetime | None, done: IntakeRound
) -> Submission | None:
    """A turn up to the file that asks for a new mailbox, which is returned; None: there was none, and the turn is at its end."""
    with opened(home, provider.slug) as mailbox:
        try:
            start(mailbox, provider, clock_of(mailbox, provider, as_of).now, done)
            looks = look_at_all(mailbox, [provider])
            done.troubles += looks.troubles
            if not has_work(mailbox, provider, looks, done):
                return None
            return _Turn(mailbox, provider, as_of, done).take_all(looks)
        except MailboxError as error:
            done.troubles.append(f"{provider.slug}: {error}")
            return None


def each_mailbox(
    home: Installation, as_of: datetime | None, only: str | None = None
) -> Iterator[tuple[Installation, LeadProvider, datetime]]:
    """Each practice mailbox after its turn, or that of one slug alone, with its present instant; nobody else is at it meanwhile."""
    found(home)
    for provider in practising(home):
        if only not in (None, provider.slug):
            continue
        done = IntakeRound()
        _turn(home, provider, as_of, done, TURN_SECONDS)
        with home.database.only_one(turn_lock(provider.slug), TURN_SECONDS) as ours:
            if not ours or done.busy:
                raise ExchangeError(
                    "BUSY", f"{provider.slug}: another round has been at it for long.", "Try again later."
                )
            with opened(home, provider.slug) as mailbox:
                yield mailbox, provider, clock_of(mailbox, provider, as_of).now


class _Turn:
    """What a turn works with. The caller holds the mailbox's turn."""

    def __init__(
        self, mailbox: Installation, provider: LeadProvider, as_of: datetime | None, done: IntakeRound
    ) -> None:
        self._mailbox, self._provider, self._as_of, self._done = mailbox, provider, as_of, done
        self._box = mailbox.mailbox(provider.slug)

    @property
    def _clock(self) -> Clock:
        return clock_of(self._mailbox, self._provider, self._as_of)

    def take_all(self, looks: Looks) -> Submission | None:
        """Everything up to the file that asks for a new mailbox, which is returned."""
        asked_for, may_go_on = self._judge()  # what a cut left
        if asked_for or not may_go_on:
            return asked_for
        settled = looks.settled.get(self._provider.slug, [])
        sidecars = {each.name.lower(): each for each in settled if each.is_sidecar}
        left_over = [each for each in self._box.taken() if not each.is_sidecar]
        for arrival in [*self._in_order(left_over), *self._in_order(settled)]:
            sidecar = sidecars.get(arrival.name.lower() + SIDECAR)
            if not self._claim([each for each in (arrival, sidecar) if each in settled], arrival):
                break
            asked_for, may_go_on = self._judge()
            if asked_for or not may_go_on:
                return asked_for
        self._finish(looks, [each for each in settled if each.is_sidecar])
        return None

    def _in_order(self, arrivals: list[Arrival]) -> list[Arrival]:
        """See the head of this file."""
        clock = self._clock

        def place(arrival: Arrival) -> tuple[int, datetime, bool]:
            asked = clock.asked_by(arrival.shown_name)
            which = 0 if asked.act == RESET else 2 if asked.sets_clock else 1
            return which, asked.received_at, asked.act != FILE

        return sorted((each for each in arrivals if not each.is_sidecar), key=place)

    def _claim(self, settled: list[Arrival], first: Arrival) -> bool:
        """Take and claim one file with its checksum, and what an earlier turn took, at the instant that its name asks for.
        Says whether files behind may go on."""
        asked = self._clock.asked_by(first.shown_name)
        # The new mailbox's clock is the real one again.
        at = self._mailbox.now(self._as_of) if asked.act == RESET else asked.received_at
        with self._mailbox.database.only_one(f"mailbox-{self._provider.slug}", TURN_SECONDS) as ours:
            if not ours:
                raise MailboxError("another round has been at it for long")
            claims = Claims(self._mailbox, self._provider, self._box, at)
            claims.left_over()
            claims.take(settled)
        self._done.troubles += claims.troubles
        self._done.waits += claims.notices
        return not claims.troubles

    def _judge(self) -> tuple[Submission | None, bool]:
        """Do what claimed files ask for, and judge them. Returns the one that asks for a new mailbox; and whether files behind
        may go on."""
        for submission in self._mailbox.submissions.waiting(self._provider.lead_provider_id):
            asked = asked_of(self._mailbox, submission)
            # The clock stands still: a file that failed is tried again by every turn.
            at = max(submission.received_at, submission.next_try_at or submission.received_at)
            if asks_for_reset(asked) and not is_made_for(self._mailbox, submission):
                return submission, False
            if asks_to_move_on(asked):
                deliver_all(self._mailbox, self._provider, at, self._done)
            if not judge_one(self._mailbox, self._provider, submission, at, self._done):
                return None, False
        return None, True

    def _finish(self, looks: Looks, sidecars: list[Arrival]) -> None:
        """Receipts, checksums that came late, what waits, extracts that were asked for."""
        slug = self._provider.slug
        rest = Looks({slug: sidecars}, stale={slug: looks.stale[slug]} if slug in looks.stale else {})
        in_turn(self._mailbox, self._provider, rest, self._clock.now, self._done, TURN_SECONDS, False)
        answer_requests(self._mailbox, [self._provider], self._clock.now, self._done, plainly)
