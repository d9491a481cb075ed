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
LARGE_BYTES = 2 << 20  # a mailbox with more than this, as far as it can be seen, is left to a process of lower priority
log = logging.getLogger("ectx.services")


@dataclass
class _Work:
    """A process at work. only: the slugs whose turn it is now; None: everybody's. has_more: whether it is the turn of somebody
    who had one for the same files. began: monotonic seconds."""

    warm: Warm
    is_quick: bool
    only: list[str] | None
    has_more: bool
    began: float
    future: "Future[Ended | None] | None" = None

    @property
    def is_done(self) -> bool:
        return self.future is not None and self.future.done()


@dataclass(frozen=True)
class _Free:
    """Slugs of those who wait and at whose mailbox nobody is, the first first: with little; with more than one turn took; and
    with large files."""

    little: list[str]
    more: list[str]
    large: list[str]


class Dispatcher:
    """Hands mailboxes to processes that are warm, none to two at once. Quick ones take those with little; while none of those wait,
    all but one of the quick ones (or the only one) go on with who has more. For large files, and the look at everybody, there are
    others beside them, which give way: so nobody's small file waits for another's large one, and no large one for ever. What the
    dispatcher knows is looked at by the one who steps, and by those who hear the processes: one at a time (`_alone`)."""

    def __init__(self, installation: Installation, processes: int) -> None:
        """processes: how many quick ones; none in practice, where all is done by looks at everybody."""
        output = installation.settings.home / "logs" / "intake.log"
        output.parent.mkdir(parents=True, exist_ok=True)
        self._watch, self._is_practice = Watch(installation), installation.is_practice
        self._quick = 0 if self._is_practice else processes
        others = max(1, self._quick // 2)
        self._idle = [Warm(output, Share(place, self._quick)) for place in range(self._quick)]
        self._idle_others = [Warm(output, Share(place, others, gives_way=True)) for place in range(others)]
        self._longest = float(installation.settings.intake_every_seconds)
        self._threads, self._alone = ThreadPoolExecutor(self._quick + others), RLock()
        self._waiting: dict[str, None] = {}
        self._again: set[str] = set()  # who is not through: what was taken, or claimed, lies where nobody sees it
        self._has_more: set[str] = set()  # those among them whose turn was over before their files were
        self._large: set[str] = set()  # those who have, or had at their last turn, large files
        self._later: dict[str, float] = {}  # whom nobody came to → when they are tried again
        self._waits: dict[str, float] = {}  # how long they waited last
        self._at_work: list[_Work] = []
        self.all_is_due = self._was_all = False

    def step(self) -> None:
        """See what is new and who has ended, and hand out what there are hands for."""
        with self._alone:
            for work in [each for each in self._at_work if each.is_done]:
                assert work.future
                self._at_work.remove(work)
                ended, idle = work.future.result(), self._idle if work.is_quick else self._idle_others
                idle.insert(0 if ended is None or ended.leaves else len(idle), work.warm)  # the last is taken first
                self._has_ended(ended, work.only)
            for slug in [slug for slug, at in self._later.items() if at <= time.monotonic()]:
                del self._later[slug]
                self._go_on([slug])
            if not self._is_practice:  # there, files that lie together go by their clocks: they are waited for
                self._waiting |= dict.fromkeys(self._watch.new())
            while self._idle and (quick := self._quick_turn()):
                self._hand(self._idle, quick)
            while self._idle_others and (other := self._other_turn()) != []:
                self._hand(self._idle_others, other)

    def _has_ended(self, ended: Ended | None, only: list[str] | None) -> None:
        if ended is None:  # its process died
            self.all_is_due = self.all_is_due or only is None
            self._go_on(only or [])
            return
        done = set(only or []) - set(ended.goes_on) - set(ended.missed)
        self._has_more = self._has_more - done | set(ended.goes_on)
        self._large -= done
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

    def _free(self) -> _Free:
        busy = {slug for work in self._at_work for slug in work.only or []}
        for slug in [each for each in self._waiting if each not in self._again and not self._watch.is_there(each)]:
            del self._waiting[slug]  # a round that began later has seen to it
            self._large.discard(slug)
            self._has_more.discard(slug)
        free = [slug for slug in self._waiting if slug not in busy]
        large = {slug for slug in free if slug in self._large or self._watch.bytes_of(slug) > LARGE_BYTES}
        self._large |= large
        more = self._has_more - large
        return _Free(*([slug for slug in free if slug in these] for these in (set(free) - more - large, more, large)))

    def _quick_turn(self, work: _Work | None = None) -> list[str]:
        """Whose turn it is, for a quick process; nobody's: []. work: what it is at."""
        free = self._free()
        if free.little:
            return self._next(free.little)
        at_more = sum(each.is_quick and each.has_more for each in self._at_work if each is not work)
        return free.more[:1] if at_more < max(1, self._quick - 1) else []

    def _other_turn(self) -> list[str] | None:
        """Whose turn it is, for one that gives way; everybody's (None) where that is due, unless somebody waits and the last turn
        was everybody's."""
        free = self._free()
        wait = [slug for slug in self._waiting if slug in free.more or slug in free.large]
        is_all = self.all_is_due and not any(work.only is None for work in self._at_work)
        if is_all and not (wait and self._was_all):
            self.all_is_due = False
            return None
        return wait[:1]

    def _next(self, little: list[str]) -> list[str]:
        """One, where the server saw its file whole, so that who is done first takes more. Others are looked at twice, with a wait
        between: a share of them together."""
        if self._watch.is_told(little[0]):
            return little[:1]
        untold = [slug for slug in little if not self._watch.is_told(slug)]
        return untold[: -(-len(untold) // self._quick)]

    def _hand(self, idle: list[Warm], only: list[str] | None) -> None:
        is_quick = idle is self._idle
        work = _Work(idle.pop(), is_quick, only, self._taken(only), time.monotonic())
        if not is_quick:
            self._was_all = only is None
        self._at_work.append(work)
        work.future = self._threads.submit(work.warm.round, only, partial(self._more, work))

    def _taken(self, only: list[str] | None) -> bool:
        """They wait no longer. Says whether they had a turn for the same files before."""
        for slug in only or []:
            del self._waiting[slug]
            self._again.discard(slug)
        return not self._has_more.isdisjoint(only or [])

    def _more(self, work: _Work, ended: Ended) -> list[str]:
        """Who is next, for a quick process whose run is about to end, until the run has lasted long enough. It waits a moment for
        somebody to come."""
        with self._alone:
            self._has_ended(ended, work.only)
            work.only, work.has_more = [], False
        until = min(time.monotonic() + LINGER_SECONDS, work.began + RUN_SECONDS)
        while work.is_quick and time.monotonic() < until:
            with self._alone:
                if only := self._quick_turn(work):
                    work.only, work.has_more = only, self._taken(only)
                    return only
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
