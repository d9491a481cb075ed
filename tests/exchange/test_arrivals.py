"""Files are judged when they arrive: who sees that something is new, what is taken at the first look, whose turn it is."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from flows.arrivals.dispatch import Dispatcher
from flows.arrivals.warm import Ended, Warm
from flows.arrivals.watching import Watch
from flows.deployed import DEPLOYMENTS
from flows.installation import open_installation
from flows.rounds import intake, turn
from flows.rounds.intake import intake_round, who_waits
from flows.service.kept import Share
from flows.settings import Settings
from sftp.server.journal import Whole
from tests.exchange.provider import put, receipts

REFUSED = "declaration_id\nx\n"


def announce(installation, provider, path: Path) -> None:
    """As the embedded server does when an upload is closed."""
    status = path.stat()
    whole = Whole(path.name, status.st_size, status.st_mtime, status.st_ctime, time.time())
    installation.journal.add(provider.slug, whole)


@pytest.fixture
def patient(home):
    """A house whose looks are so far apart that no test would see the second."""
    with open_installation(Settings(home=home, seconds_between_looks=3600)) as opened:
        yield opened


def test_what_the_server_saw_whole_is_taken_at_the_first_look(patient):
    provider = patient.lead_providers()[0]
    announce(patient, provider, put(patient, provider, "voids.csv", REFUSED.rstrip()))  # without a last line end, too
    assert [each.status for each in intake_round(patient, None).outcomes] == ["rejected"]


def test_it_is_known_to_be_whole_though_another_look_has_read_what_the_server_said(patient):
    provider = patient.lead_providers()[0]
    announce(patient, provider, put(patient, provider, "voids.csv", REFUSED))
    assert any(who_waits(patient))
    assert len(intake_round(patient, None, only=[provider.slug]).outcomes) == 1
    assert not any(who_waits(patient))


def test_what_was_put_in_its_place_is_not(installation, monkeypatch):
    """The same name, size and time, and another file: it is looked at twice."""
    provider = installation.lead_providers()[0]
    path = put(installation, provider, "voids.csv", REFUSED)
    announce(installation, provider, path)
    before = path.stat()
    time.sleep(0.02)
    path.write_text(REFUSED.replace("x", "y"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    waited = []
    monkeypatch.setattr("flows.rounds.looking.time.sleep", waited.append)
    intake_round(installation, None)
    assert waited


def test_one_file_that_nobody_saw_whole_makes_the_mailbox_wait(installation, monkeypatch):
    """Or a file would overtake one that came before it."""
    provider = installation.lead_providers()[0]
    put(installation, provider, "deferrals.csv", "participant_id,course_identifier,reason\nx,ecf-induction,other\n")
    time.sleep(0.02)
    announce(installation, provider, put(installation, provider, "voids.csv", REFUSED))
    waited = []
    monkeypatch.setattr("flows.rounds.looking.time.sleep", waited.append)
    judged = [each.submission.kind for each in intake_round(installation, None).outcomes]
    assert waited and judged == ["deferrals", "voids"]


def test_only_those_mailboxes_are_looked_at(installation):
    one, other = installation.lead_providers()[:2]
    for provider in (one, other):
        put(installation, provider, "voids.csv", REFUSED)
    done = intake_round(installation, None, only=[other.slug])
    assert [each.submission.lead_provider_id for each in done.outcomes] == [other.lead_provider_id]
    assert not receipts(installation, one)


def test_nobody_waits_for_anothers_backlog(installation, monkeypatch):
    """After a short turn the next mailbox is looked after; nothing is forgotten, and files keep their order."""
    monkeypatch.setattr(turn._judge_waiting, "__defaults__", (False, 0.0))  # a turn is one file
    one, other = installation.lead_providers()[:2]
    for number in range(3):
        path = put(installation, one, f"voids-{number}.csv", REFUSED)
        os.utime(path, (1_700_000_000 + number,) * 2)
        time.sleep(0.02)
    put(installation, other, "voids.csv", REFUSED)
    judged = [each.submission.file_name for each in intake_round(installation, None).outcomes]
    assert judged == ["voids-0.csv", "voids.csv", "voids-1.csv", "voids-2.csv"]


def test_nothing_waits_in_a_quiet_house(installation):
    assert not any(who_waits(installation))
    stranger = installation.settings.mailboxes_folder / "nobody" / "to-dfe"
    stranger.mkdir(parents=True)
    (stranger / "voids.csv").write_text(REFUSED)
    assert any(who_waits(installation))  # for operators are told of it


def test_what_the_server_tells_of_is_seen_at_once_and_once(patient):
    provider, watch = patient.lead_providers()[0], Watch(patient)
    assert watch.new() == []
    path = put(patient, provider, "voids.csv", REFUSED)
    announce(patient, provider, path)
    assert watch.new() == [provider.slug]
    assert watch.new() == []
    assert watch.is_there(provider.slug) and watch.bytes_of(provider.slug) == len(REFUSED)
    announce(patient, provider, put(patient, provider, "voids-2.csv", REFUSED))
    assert watch.new() == [provider.slug]


def looks_after(watch: Watch, monkeypatch) -> Callable[[float], list[str]]:
    """Seconds that go by → slugs that are new then."""
    clock = [1000.0]
    monkeypatch.setattr("flows.arrivals.watching.time.monotonic", lambda: clock[0])

    def after(seconds: float) -> list[str]:
        clock[0] += seconds
        return watch.new()

    return after


def test_what_comes_some_other_way_is_seen_when_it_has_come_to_rest(installation, monkeypatch):
    provider, watch = installation.lead_providers()[0], Watch(installation)
    after = looks_after(watch, monkeypatch)
    assert after(2) == []
    path = put(installation, provider, "voids.csv", REFUSED)
    (path.parent / ".voids.part").write_text("x")  # a client's own, while it sends
    assert after(2) == []  # it has only just been seen
    path.write_text(REFUSED + "y\n")
    assert after(2) == []  # it grows
    assert after(2) == [provider.slug]
    assert after(2) == []  # it waits for something: a checksum, room
    put(installation, provider, "voids.csv.sha256", "0" * 64)
    assert after(2) == [] and after(2) == [provider.slug]


def test_a_look_that_fails_makes_nothing_new(installation, monkeypatch):
    provider, watch = installation.lead_providers()[0], Watch(installation)
    after = looks_after(watch, monkeypatch)
    put(installation, provider, "voids.csv", REFUSED)
    assert after(2) == [] and after(2) == [provider.slug]
    scandir = os.scandir

    def fails(path):
        if str(path).endswith("to-dfe"):
            raise OSError
        return scandir(path)

    with monkeypatch.context() as while_it_fails:
        while_it_fails.setattr("flows.arrivals.watching.os.scandir", fails)
        assert after(2) == []
    assert after(2) == [] == after(2)


def test_what_comes_again_as_it_was_is_new(installation, monkeypatch):
    """With the time that it had where it came from, as some programs keep it."""
    provider, watch = installation.lead_providers()[0], Watch(installation)
    after = looks_after(watch, monkeypatch)
    for _ in range(2):
        path = put(installation, provider, "voids.csv", REFUSED)
        os.utime(path, (1_700_000_000, 1_700_000_000))
        assert after(2) == [] and after(2) == [provider.slug]
        path.unlink()  # it is taken
        assert after(2) == []


def nobody(_: Ended) -> list[str]:
    """Who is next."""
    return []


class Hand:
    """A process that does nothing, and says so when it is told to."""

    made: ClassVar[list["Hand"]] = []

    def __init__(self, _: Path, share: Share) -> None:
        self.gives_way = share.gives_way
        self.rounds: list[list[str] | None] = []
        self.may_end = False
        self.ended = Ended([], [])
        Hand.made.append(self)

    def stay_warm(self) -> None:
        """It has not gone."""

    def round(self, only: list[str] | None, more) -> Ended:
        self.rounds.append(only)
        while not self.may_end:
            time.sleep(0.01)
        self.may_end = False
        return self.ended


@pytest.fixture
def hands(monkeypatch):
    Hand.made = []
    monkeypatch.setattr("flows.arrivals.dispatch.Warm", Hand)
    yield Hand.made
    for each in Hand.made:
        each.may_end = True


def settled(dispatcher: Dispatcher, what) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline
        dispatcher.step()
        time.sleep(0.01)


def large(patient, provider) -> None:
    announce(patient, provider, put(patient, provider, "voids.csv", REFUSED + "x\n" * (2 << 20)))


def little(patient, provider) -> None:
    announce(patient, provider, put(patient, provider, "voids.csv", REFUSED))


def taken(patient, provider) -> None:
    """Everything that a mailbox holds, as a round does that looks: nothing of it can be seen."""
    for path in (patient.settings.mailboxes_folder / provider.slug / "to-dfe").iterdir():
        path.unlink()
    for path in patient.settings.journal_folder.glob(f"{provider.slug}.*"):
        path.unlink()


def rounds(hands) -> list[list[str] | None]:
    return [only for each in hands for only in each.rounds]


def test_large_files_wait_for_one_another_and_give_way_to_the_small_ones(patient, hands):
    providers, dispatcher = patient.lead_providers()[:4], Dispatcher(patient, 2)
    *quick, other = hands
    assert [each.gives_way for each in hands] == [False, False, True]
    for provider in providers[:2]:
        large(patient, provider)
    settled(dispatcher, lambda: len(other.rounds) == 1)
    for provider in providers[2:]:
        little(patient, provider)
    settled(dispatcher, lambda: all(each.rounds for each in quick))
    assert sorted(rounds(quick)) == [[each.slug] for each in providers[2:]]
    other.ended, other.may_end = Ended([providers[0].slug], []), True  # it had many large ones
    settled(dispatcher, lambda: len(other.rounds) == 2)
    other.ended, other.may_end = Ended([], []), True
    settled(dispatcher, lambda: len(other.rounds) == 3)
    assert other.rounds == [[providers[0].slug], [providers[1].slug], [providers[0].slug]]
    assert len(rounds(quick)) == 2


def test_the_look_at_everybody_is_kept_waiting_by_one_turn_at_most(patient, hands):
    """However much waits there. It is kept from the quick ones."""
    providers, dispatcher = patient.lead_providers()[:2], Dispatcher(patient, 2)
    other = hands[-1]
    for provider in providers:
        large(patient, provider)
    other.ended = Ended([each.slug for each in providers], [])  # there is always more
    for count in range(1, 6):
        dispatcher.all_is_due = True
        settled(dispatcher, lambda count=count: len(other.rounds) == count)
        other.may_end = True
    assert [only is None for only in other.rounds] == [True, False, True, False, True]
    assert not rounds(hands[:-1])


def test_no_mailbox_is_given_to_two(patient, hands):
    provider, dispatcher = patient.lead_providers()[0], Dispatcher(patient, 2)
    for number in range(3):
        announce(patient, provider, put(patient, provider, f"voids-{number}.csv", REFUSED))
        dispatcher.step()
        time.sleep(0.05)
    assert sum(len(each.rounds) for each in hands) == 1
    next(each for each in hands if each.rounds).may_end = True
    settled(dispatcher, lambda: sum(len(each.rounds) for each in hands) == 2)


def test_a_round_that_was_cut_off_is_done_again(patient, hands, monkeypatch):
    provider = patient.lead_providers()[0]
    monkeypatch.setattr(Hand, "round", lambda self, only, more: self.rounds.append(only))
    dispatcher = Dispatcher(patient, 1)
    little(patient, provider)
    settled(dispatcher, lambda: len(hands[0].rounds) == 1)
    taken(patient, provider)
    settled(dispatcher, lambda: len(hands[0].rounds) >= 2)
    assert hands[0].rounds[:2] == [[provider.slug]] * 2


def test_who_dies_at_every_round_is_followed_ever_later(tmp_path, monkeypatch):
    waited: list[float] = []
    monkeypatch.setattr("flows.arrivals.warm.time.sleep", waited.append)
    dying = [sys.executable, "-c", "import sys; sys.stdin.readline(); sys.exit(3)"]
    start = subprocess.Popen
    monkeypatch.setattr("flows.arrivals.warm.subprocess.Popen", lambda _, **how: start(dying, **how))
    warm = Warm(tmp_path / "intake.log", Share(0, 2))
    assert [warm.round(["somebody"], nobody) for _ in range(4)] == [None] * 4
    assert waited == [0.0, 0.0, 3.0, 6.0]


TOLD = """
import json, sys
told = []
for line in sys.stdin:
    told.append(json.loads(line))
    print("run 00000000-0000-4000-8000-000000000000", flush=True)
    while told[-1]:
        print('more {"goes_on": [], "missed": ' + json.dumps(told[-1]) + "}", flush=True)
        told.append(json.loads(sys.stdin.readline()))
        if told[-1] == ["deadly"]:
            sys.exit(3)
    print('done {"goes_on": ' + json.dumps([str(each) for each in told]) + ', "missed": []}', flush=True)
"""


def test_a_process_is_told_who_is_next_until_nobody_is(tmp_path, monkeypatch):
    crashed: list[tuple] = []
    monkeypatch.setattr("flows.arrivals.warm.time.sleep", lambda _: None)
    monkeypatch.setattr("flows.arrivals.warm._tell_crashed", lambda *told: crashed.append(told))
    start = subprocess.Popen
    monkeypatch.setattr(
        "flows.arrivals.warm.subprocess.Popen", lambda _, **how: start([sys.executable, "-c", TOLD], **how)
    )
    warm, heard = Warm(tmp_path / "intake.log", Share(0, 2)), []

    def answers(*given: list[str]):
        left = iter(given)

        def more(ended: Ended) -> list[str]:
            heard.append(ended.missed)
            return next(left)

        return more

    assert warm.round(["one"], answers(["two"], ["three"], [])) == Ended(["['one']", "['two']", "['three']", "[]"], [])
    assert heard == [["one"], ["two"], ["three"]]
    assert warm.round(["four"], answers(["deadly"])) is None and crashed == [
        ("00000000-0000-4000-8000-000000000000", 3, ["deadly"])
    ]
    # Whoever should say who is next fails: the process is not left waiting for an answer that the next round would be.
    assert warm.round(["five"], answers()) is None
    assert warm.round(["six"], answers([])) == Ended(["['six']", "[]"], [])


def test_what_came_of_those_before_is_told_though_the_next_cannot_be_looked_at(patient, monkeypatch):
    providers = patient.lead_providers()[:2]
    for provider in providers:
        announce(patient, provider, put(patient, provider, "voids.csv", REFUSED))
    look, told = intake.look_at_all, []

    def fails_at_the_second(installation, those):
        if [each.slug for each in those] == [providers[1].slug]:
            raise OSError(5, "Input/output error")
        return look(installation, those)

    monkeypatch.setattr(intake, "look_at_all", fails_at_the_second)
    next_ones = iter([[providers[1].slug], []])

    def more(part):
        told.append((len(part.outcomes), part.busy))
        return next(next_ones)

    done = intake_round(patient, None, only=[providers[0].slug], one_turn=True, more=more)
    assert told == [(1, []), (0, [providers[1].slug])]
    assert len(done.outcomes) == 1 and done.troubles == [
        f"{providers[1].slug}: OSError; it will be tried again next round"
    ]


def test_files_that_are_looked_at_twice_are_looked_at_together(installation, hands):
    """Nobody saw them whole: a wait for each mailbox by itself would be a minute for all of them."""
    providers, dispatcher = installation.lead_providers()[:4], Dispatcher(installation, 2)
    dispatcher._waiting |= dict.fromkeys(each.slug for each in providers)
    for provider in providers:
        put(installation, provider, "voids.csv", REFUSED)
    announce(installation, providers[0], put(installation, provider, "voids-2.csv", REFUSED))
    assert dispatcher._next([each.slug for each in providers]) == [providers[0].slug]
    assert dispatcher._next([each.slug for each in providers[1:]]) == [each.slug for each in providers[1:3]]


def test_there_may_be_no_room_for_another_process(tmp_path, monkeypatch):
    monkeypatch.setattr("flows.arrivals.warm.time.sleep", lambda _: None)
    start = subprocess.Popen
    monkeypatch.setattr("flows.arrivals.warm.subprocess.Popen", lambda _, **how: start(["true"], **how))
    warm = Warm(tmp_path / "intake.log", Share(0, 2))

    def full(*_, **__):
        raise OSError(12, "Cannot allocate memory")

    assert warm.round(None, nobody) is None
    monkeypatch.setattr("flows.arrivals.warm.subprocess.Popen", full)
    assert warm.round(None, nobody) is None


LEAVES = """
import sys
sys.stdin.readline()
print('done {"goes_on": ["somebody"], "missed": [], "leaves": true}')
"""


def test_who_has_grown_is_followed_before_anybody_waits(tmp_path, monkeypatch):
    """And who dies at its work is not, but when it is wanted: it may be the work."""
    programs = iter([LEAVES, LEAVES, "import sys; sys.stdin.readline(); sys.exit(3)"])
    start, started = subprocess.Popen, []

    def popen(_, **how):
        started.append(start([sys.executable, "-c", next(programs)], **how))
        return started[-1]

    monkeypatch.setattr("flows.service.kept.subprocess.Popen", popen)
    warm = Warm(tmp_path / "intake.log", Share(0, 1))
    for count in (1, 2):
        assert len(started) == count
        assert warm.round(["somebody"], nobody) == Ended(["somebody"], [], leaves=True)
    assert len(started) == 3 and [each.poll() for each in started] == [0, 0, None]
    assert warm.round(["somebody"], nobody) is None
    assert len(started) == 3


def test_who_follows_is_the_last_to_be_taken(patient, hands):
    """It loads what the others have."""
    provider, dispatcher = patient.lead_providers()[0], Dispatcher(patient, 2)
    hands[1].ended = Ended([], [], leaves=True)
    little(patient, provider)
    settled(dispatcher, lambda: hands[1].rounds)
    hands[1].may_end = True
    settled(dispatcher, lambda: dispatcher._idle == [hands[1], hands[0]])


def test_the_only_quick_one_goes_on_with_who_has_more_while_a_large_file_is_judged(patient, hands):
    one, two = patient.lead_providers()[:2]
    dispatcher = Dispatcher(patient, 1)
    large(patient, one)
    little(patient, two)
    settled(dispatcher, lambda: all(each.rounds for each in hands))
    hands[0].ended, hands[0].may_end = Ended([two.slug], []), True
    settled(dispatcher, lambda: len(hands[0].rounds) == 2)
    assert hands[0].rounds == [[two.slug]] * 2


def test_who_had_a_large_file_once_is_as_quick_as_anybody(patient, hands):
    """Though a look at everybody has judged it, which tells of nobody."""
    one, two = patient.lead_providers()[:2]
    dispatcher = Dispatcher(patient, 1)
    quick, other = hands
    large(patient, two)
    settled(dispatcher, lambda: other.rounds)
    large(patient, one)
    settled(dispatcher, lambda: one.slug in dispatcher._waiting)
    dispatcher.step()
    taken(patient, one)
    settled(dispatcher, lambda: one.slug not in dispatcher._waiting)
    little(patient, one)
    settled(dispatcher, lambda: quick.rounds == [[one.slug]])


def test_a_large_file_that_was_missed_is_large_still(patient, hands):
    """Somebody else was at the mailbox, and has taken it from where it could be seen."""
    one = patient.lead_providers()[0]
    dispatcher = Dispatcher(patient, 1)
    quick, other = hands
    large(patient, one)
    settled(dispatcher, lambda: other.rounds)
    taken(patient, one)
    other.ended, other.may_end = Ended([], [one.slug]), True
    settled(dispatcher, lambda: len(other.rounds) == 2)
    assert not quick.rounds


def test_who_has_more_goes_on_behind_the_others(patient, hands):
    """And leaves a quick process to those whose files are few; one that gives way takes more of them."""
    providers, dispatcher = patient.lead_providers()[:4], Dispatcher(patient, 2)
    *quick, other = hands
    one, two, three, four = [each.slug for each in providers]
    for provider in providers[:3]:
        little(patient, provider)
    settled(dispatcher, lambda: len(rounds(quick)) == 2)
    for each in quick:
        each.ended, each.may_end = Ended(each.rounds[0], []), True
    settled(dispatcher, lambda: len(rounds(hands)) == 5)
    assert sorted(only[0] for only in rounds(quick)) != sorted([one, two, one, two]), "who has little comes first"
    assert {each.rounds[-1][0] for each in hands} == {one, two, three} and other.rounds
    kept = next(each for each in quick if each.rounds[-1] == [three])
    kept.ended, kept.may_end = Ended([three], []), True
    settled(dispatcher, lambda: kept in dispatcher._idle)
    dispatcher.step()
    assert kept in dispatcher._idle
    little(patient, providers[3])
    settled(dispatcher, lambda: kept.rounds[-1] == [four])


class Asking(Hand):
    """One that asks who is next, once it may, until nobody is."""

    def round(self, only: list[str] | None, more) -> Ended:
        ended = super().round(only, more)
        while only:
            if only := more(ended):
                ended = super().round(only, more)
        return Ended([], [])


def test_a_run_goes_on_with_whoever_comes_while_it_is_at_work(patient, hands, monkeypatch):
    """One at a time, so that who is done first takes more; never one at whose mailbox another is; who was missed is tried later."""
    monkeypatch.setattr("flows.arrivals.dispatch.Warm", Asking)
    monkeypatch.setattr("flows.arrivals.dispatch.LINGER_SECONDS", 3.0)
    providers, dispatcher = patient.lead_providers()[:4], Dispatcher(patient, 2)
    slugs = [each.slug for each in providers]
    for provider in providers[:3]:
        announce(patient, provider, put(patient, provider, "voids.csv", REFUSED))
    settled(dispatcher, lambda: all(each.rounds for each in hands[:2]))
    first = next(each for each in hands if each.rounds == [slugs[:1]])
    other = next(each for each in hands[:2] if each is not first)
    assert other.rounds == [slugs[1:2]]
    first.ended, first.may_end = Ended([], [slugs[0]]), True
    settled(dispatcher, lambda: len(first.rounds) == 2)
    assert first.rounds[1] == [slugs[2]]
    first.ended, first.may_end = Ended([], []), True  # it waits for somebody to come
    announce(patient, providers[3], put(patient, providers[3], "voids.csv", REFUSED))
    settled(dispatcher, lambda: len(first.rounds) >= 3)
    first.may_end = True
    settled(dispatcher, lambda: len(first.rounds) >= 4)
    assert sorted(only[0] for only in first.rounds[2:4]) == sorted([slugs[0], slugs[3]])
    assert other.rounds == [slugs[1:2]]


def test_a_run_takes_nobody_on_when_it_has_lasted_long_enough(patient, hands, monkeypatch):
    monkeypatch.setattr("flows.arrivals.dispatch.Warm", Asking)
    monkeypatch.setattr("flows.arrivals.dispatch.RUN_SECONDS", 0.0)
    providers, dispatcher = patient.lead_providers()[:2], Dispatcher(patient, 1)
    for provider in providers:
        little(patient, provider)
    settled(dispatcher, lambda: len(hands[0].rounds) == 1)
    work = dispatcher._at_work[0]
    hands[0].may_end = True
    settled(dispatcher, lambda: len(hands[0].rounds) == 2)
    assert work.is_done and dispatcher._at_work[0] is not work, "another run"


def test_a_mailbox_that_somebody_else_was_at_is_tried_again(patient, hands):
    """A little later, and ever later while that goes on."""
    provider, dispatcher = patient.lead_providers()[0], Dispatcher(patient, 1)
    hands[0].ended = Ended([], [provider.slug])
    announce(patient, provider, put(patient, provider, "voids.csv", REFUSED))
    settled(dispatcher, lambda: len(hands[0].rounds) == 1)
    hands[0].may_end = True
    began = time.monotonic()
    settled(dispatcher, lambda: len(hands[0].rounds) == 2)
    assert time.monotonic() - began >= 0.9
    hands[0].may_end = True
    began = time.monotonic()
    settled(dispatcher, lambda: len(hands[0].rounds) == 3)
    assert time.monotonic() - began >= 1.9


def test_one_look_at_all_is_enough(patient, hands):
    dispatcher = Dispatcher(patient, 4)
    assert sum(each.gives_way for each in hands) == 2
    for _ in range(2):
        dispatcher.all_is_due = True
        dispatcher.step()
    time.sleep(0.1)
    assert sum(len(each.rounds) for each in hands) == 1


def test_a_journal_in_parts_is_told_once(patient):
    """Two parts that nobody could take in: neither is new again because of the other."""
    provider, watch = patient.lead_providers()[0], Watch(patient)
    folder = patient.settings.journal_folder
    folder.mkdir()
    (folder / f"{provider.slug}.jsonl").write_text("{}\n")
    (folder / f"{provider.slug}.abc.taken").write_text("{}\n")
    assert watch.new() == [provider.slug]
    assert watch.new() == [] == watch.new()


def test_a_journal_that_cannot_be_read_stops_nobody(installation):
    provider = installation.lead_providers()[0]
    (installation.settings.journal_folder / f"{provider.slug}.abc.taken").mkdir(parents=True)
    put(installation, provider, "voids.csv", REFUSED)
    done = intake_round(installation, None)
    assert len(done.outcomes) == 1 and "journal" in done.troubles[0]


def test_in_practice_files_may_come_together(tmp_path, hands):
    """A mailbox is looked at by the minute, for its files go by their clocks and not by who came first."""
    with open_installation(Settings(home=tmp_path / "practice", practice=True)) as practice:
        (practice.settings.home / "mailboxes" / "somebody" / "to-dfe").mkdir(parents=True)
        practice.journal.add("somebody", Whole("voids.csv", 10, 1.0, 1.0, 1.0))
        dispatcher = Dispatcher(practice, 1)
        dispatcher.step()
        assert not hands[0].rounds
        dispatcher.all_is_due = True
        settled(dispatcher, lambda: hands[0].rounds == [None])


def test_the_schedule_stays_where_nobody_watches(tmp_path):
    due = {each.name: each for each in DEPLOYMENTS if each.setting == "intake_every_seconds"}["every-minute"]
    assert due.schedule(Settings(home=tmp_path)) is None
    every = due.schedule(Settings(home=tmp_path, intake_on_arrival=False, intake_every_seconds=90))
    assert every.interval.total_seconds() == 90
