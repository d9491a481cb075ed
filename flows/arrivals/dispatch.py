"""Who has something new is handed to a process that is warm. Run as a module, this is who watches and hands out.

Beside it, as often as the schedule would have it, a cheap look at everything: a round is only begun where something waits.
"""

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import RLock

from flows.arrivals.warm import Ended, Warm
from flows.arrivals.watching import Watch
from flows.installation import Installation, open_installation
from flows.rounds.intake import who_waits
from flows.service.kept import Share, end_with_parent

LOOK_SECONDS, TROUBLE_SECONDS = 0.05, 5.0
LINGER_SECONDS, RUN_SECONDS = 0.2, 5.0  # how long a run waits for more; how long it takes more on
LARGE_BYTES = (
    2 << 20
)  # a mailbox with more, or with many files, is looked at by itself, and one process is kept free of such
log = logging.getLogger("ectx.services")


@dataclass
class _Work:
    """A process at work. only: the slugs whose turn it is now; None: everybody's. began: monotonic seconds."""

    warm: Warm
    only: list[str] | None
    is_large: bool
    began: float
    future: "Future[Ended | None] | None" = None

    @property
    def is_done(self) -> bool:
        return self.future is not None and self.future.done()


class Dispatcher:
    """Hands mailboxes to processes that are warm, none to two at once. What it knows is looked at by the one who steps, and by
    those who hear the processes: one at a time (`_alone`)."""

    def __init__(self, installation: Installation, processes: int) -> None:
        output = installation.settings.home / "logs" / "intake.log"
        output.parent.mkdir(parents=True, exist_ok=True)
        self._watch, self._is_practice = Watch(installation), installation.is_practice
        self._idle = [Warm(output, Share(place, processes)) for place in range(processes)]
        self._processes, self._most_large = processes, max(1, processes - 1)
        self._longest = float(installation.settings.intake_every_seconds)
        self._threads, self._alone = ThreadPoolExecutor(processes), RLock()
        self._waiting: dict[str, None] = {}
        self._again: set[str] = set()  # who has more: what was taken, or claimed, lies where nobody sees it
        self._later: dict[str, float] = {}  # whom nobody came to → when they are tried again
        self._waits: dict[str, float] = {}  # how long they waited last
        self._at_work: list[_Work] = []
        self.all_is_due = False

    def step(self) -> None:
        """See what is new and who has ended, and hand out what there are hands for."""
        with self._alone:
            for work in [each for each in self._at_work if each.is_done]:
                assert work.future
                self._at_work.remove(work)
                self._idle.append(work.warm)
                self._has_ended(work.future.result(), work.only)
            for slug in [slug for slug, at in self._later.items() if at <= time.monotonic()]:
                del self._later[slug]
                self._go_on([slug])
            if not self._is_practice:  # there, files that lie together go by their clocks: they are waited for
                self._waiting |= dict.fromkeys(self._watch.new())
            while self._idle and self._hand_out():
                pass

    def _has_ended(self, ended: Ended | None, only: list[str] | None) -> None:
        if ended is None:  # its process died
            self.all_is_due = self.all_is_due or only is None
            self._go_on(only or [])
            return
        self._go_on(ended.goes_on)
        for slug in only or []:
            if slug in ended.missed:
                self._waits[slug] = min(self._longest, 2 * self._waits.get(slug, 0.5))
                self._later[slug] = time.monotonic() + self._waits[slug]
            else:
                self._waits.pop(slug, None)

    def _go_on(self, slugs: list[str]) -> None:
        self._waiting |= dict.fromkeys(slugs)
        self._again |= set(slugs)

    def _free(self) -> tuple[list[str], list[str]]:
        """Who waits, and nobody is at their mailbox: those with little, and those with much."""
        busy = {slug for work in self._at_work for slug in work.only or []}
        for slug in [each for each in self._waiting if each not in self._again and not self._watch.is_there(each)]:
            del self._waiting[slug]  # a round that began later has seen to it
        free = [slug for slug in self._waiting if slug not in busy]
        large = [slug for slug in free if slug in self._again or self._watch.bytes_of(slug) > LARGE_BYTES]
        return [slug for slug in free if slug not in large], large

    def _hand_out(self) -> bool:
        small, large = self._free()
        if small:
            return self._hand(self._next(small), False)
        if sum(work.is_large for work in self._at_work) >= self._most_large:
            return False
        if large:
            return self._hand(large[:1], True)
        if self.all_is_due and not any(work.only is None for work in self._at_work):
            self.all_is_due = False
            return self._hand(None, True)
        return False

    def _next(self, small: list[str]) -> list[str]:
        """One, where the server saw its file whole, so that who is done first takes more. Others are looked at twice, with a wait
        between: a share of them together."""
        if self._watch.is_told(small[0]):
            return small[:1]
        untold = [slug for slug in small if not self._watch.is_told(slug)]
        return untold[: -(-len(untold) // self._processes)]

    def _hand(self, only: list[str] | None, is_large: bool) -> bool:
        work = _Work(self._idle.pop(), self._taken(only), is_large, time.monotonic())
        self._at_work.append(work)
        work.future = self._threads.submit(work.warm.round, only, partial(self._more, work))
        return True

    def _taken(self, only: list[str] | None) -> list[str] | None:
        for slug in only or []:
            del self._waiting[slug]
            self._again.discard(slug)
        return only

    def _more(self, work: _Work, ended: Ended) -> list[str]:
        """Who is next, for a process whose run is about to end: of those with little, until the run has lasted long enough. It
        waits a moment for somebody to come."""
        with self._alone:
            self._has_ended(ended, work.only)
            work.only = []
        until = min(time.monotonic() + LINGER_SECONDS, work.began + RUN_SECONDS)
        while not work.is_large and time.monotonic() < until:
            with self._alone:
                small, large = self._free()
                if small:
                    work.only = self._taken(next_ones := self._next(small))
                    return next_ones
                if large or self.all_is_due:
                    break
            time.sleep(LOOK_SECONDS)
        return []


def watch(installation: Installation) -> None:
    """Watch until this process ends, and those that it began with it."""
    settings = installation.settings
    dispatcher, last = Dispatcher(installation, settings.intake_processes), time.monotonic()
    dispatcher.all_is_due = True  # whatever came while nobody watched
    while True:
        if time.monotonic() - last >= settings.intake_every_seconds:
            last = time.monotonic()
            dispatcher.all_is_due = dispatcher.all_is_due or _is_due(installation)
        try:
            dispatcher.step()
        except Exception as error:  # a folder that cannot be read, or is gone: it comes back
            log.warning("the watch for files: %s", type(error).__name__)
            time.sleep(TROUBLE_SECONDS)
        time.sleep(LOOK_SECONDS)


def _is_due(installation: Installation) -> bool:
    """The cheap look. In practice there is none: each mailbox has a ledger of its own."""
    try:
        return installation.is_practice or any(who_waits(installation))
    except Exception as error:  # the round itself will say what is wrong
        log.warning("the look for files: %s", type(error).__name__)
        return True


if __name__ == "__main__":
    end_with_parent()
    with open_installation() as opened:
        watch(opened)
