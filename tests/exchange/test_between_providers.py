"""Two lead providers' files about the same person, the one judged and applied between any two steps of the other: what comes of
it is what comes of the one after the other. On SQLite and on PostgreSQL."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from data.database import Database
from data.reader import Reader
from flows.acts.void import void
from flows.clock import instant
from flows.installation import Installation, LeadProvider, open_installation
from flows.rounds import answering, processing
from flows.rounds.claiming import Claims
from flows.rounds.looking import remember_all
from flows.rounds.processing import process
from flows.rounds.receipts import receipt_folder
from flows.rounds.rehearsal import acceptable
from flows.settings import Settings
from flows.upkeep.replay import replay
from schemas.submission import Submission
from templates.folders import digest
from tests.conftest import NOW
from tests.exchange.provider import put
from tests.faults.grounds import ground
from tests.faults.state import State, state_of
from tests.faults.story import Ground
from transforms import judging

AT = instant(NOW)
_OWN = """
SELECT DISTINCT sp.participant_id FROM training_periods tp
JOIN partnerships p ON p.partnership_id = tp.partnership_id
JOIN school_periods sp ON sp.school_period_id = tp.school_period_id
WHERE p.lead_provider_id = ? AND sp.participant_type = 'ect' ORDER BY sp.participant_id
"""
# Whom two lead providers have trained in one contract period that is open.
_SHARED = """
SELECT sp.participant_id, MIN(p.lead_provider_id) AS one, MAX(p.lead_provider_id) AS other FROM training_periods tp
JOIN partnerships p ON p.partnership_id = tp.partnership_id
JOIN school_periods sp ON sp.school_period_id = tp.school_period_id
WHERE p.contract_period = 2025 AND sp.participant_type = 'ect'
GROUP BY sp.participant_id HAVING COUNT(DISTINCT p.lead_provider_id) = 2 ORDER BY sp.participant_id
"""


def declared(participant_id: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "participant_id": [participant_id],
            "course_identifier": ["ecf-induction"],
            "declaration_type": ["retained-3"],
            "declaration_date": ["2026-12-10T14:00:00Z"],
            "evidence_held": ["other"],
        }
    )


def shared(installation: Installation) -> tuple[str, list[str]]:
    """Somebody of whom two lead providers may declare the same; and those lead providers' ids."""
    with installation.database.read() as reader:
        for person, *both in reader.frame(_SHARED).iter_rows():
            own = [each for each in both if acceptable(reader, "declarations", declared(person), each, AT).height]
            if len(own) == 2:
                return person, own
    raise AssertionError("nobody in the sample is trained by two")


@pytest.fixture(scope="module", params=["sqlite-folder", "postgresql-folder"])
def on(request, tmp_path_factory, filled_home) -> Iterator[tuple[Ground, Path]]:
    """Where it happens, and a home with both files claimed."""
    folder = tmp_path_factory.mktemp("between") / "homes"
    folder.mkdir()
    with ground(request.param, folder) as chosen:
        home = folder / "claimed"
        settings = _settings(chosen, home)
        if "database_url" in settings:
            _copied_to_postgresql(filled_home, home, settings, chosen, folder)
        else:
            shutil.copytree(filled_home, home)
        with open_installation(Settings(**settings)) as installation:
            person, owners = shared(installation)
            for owner in owners:
                provider = installation.lead_provider(owner)
                put(installation, provider, "declarations.csv", declared(person).write_csv())
                remember_all(installation)
                mailbox = installation.mailbox(provider.slug)
                Claims(installation, provider, mailbox, AT).take(mailbox.look())
        yield chosen, home


def _settings(chosen: Ground, home: Path) -> dict[str, str]:
    return chosen.settings(home)


def _copied_to_postgresql(filled: Path, home: Path, settings: dict[str, str], chosen: Ground, folder: Path) -> None:
    import psycopg
    from sqlalchemy.engine import make_url

    from data.records.extract import export_records, import_records

    address = make_url(settings["database_url"])
    server = address.set(database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{address.database}"')
    with open_installation(Settings(home=filled)) as source:
        export_records(source.database, folder / "export")
    with open_installation(Settings(**settings)) as installation:
        import_records(installation.database, folder / "export", instant("2026-11-20T09:00:00Z"))


class Interrupted:
    """Counts one thread's steps, and has something else done between two of them, by another thread: to its end, unless that
    waits for the lock which this one holds."""

    def __init__(self, at: int, act: Callable[[], Any]) -> None:
        self._at, self._act, self._ours = at, act, threading.get_ident()
        self.count, self._holds_lock = 0, False
        self._other: threading.Thread | None = None
        self._error: BaseException | None = None

    def step(self, *_: Any, **__: Any) -> None:
        if threading.get_ident() != self._ours:
            return
        self.count += 1
        if self.count == self._at:
            self._other = threading.Thread(target=self._run)
            self._other.start()
            if not self._holds_lock:
                self._other.join()

    def _run(self) -> None:
        try:
            self._act()
        except BaseException as error:
            self._error = error

    @contextmanager
    def watching(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        with monkeypatch.context() as patch:
            for owner, name in (
                (Reader, "frame"), (Database, "insert"), (Database, "update"), (answering, "write_receipt"),
                (answering, "judge"), (answering, "read_sheet"), (processing, "promise_receipt"),
            ):  # fmt: skip
                patch.setattr(owner, name, self._stepping(getattr(owner, name)))
            patch.setattr(Database, "write", self._locking(Database.write))
            yield
        if self._other:
            self._other.join()
        if self._error:
            raise self._error

    def _stepping(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*arguments: Any, **named: Any) -> Any:
            self.step()
            return inner(*arguments, **named)

        return stepped

    def _locking(self, inner: Any) -> Any:
        @contextmanager
        def write(database: Database, is_sparing: bool = False) -> Iterator[Any]:
            self.step()
            with inner(database, is_sparing) as connection:
                if threading.get_ident() == self._ours:
                    self._holds_lock = True
                yield connection
            if threading.get_ident() == self._ours:
                self._holds_lock = False
                self.step()

        return write


def waiting(installation: Installation) -> list[Submission]:
    return [
        each for p in installation.lead_providers() for each in installation.submissions.waiting(p.lead_provider_id)
    ]


def judge(installation: Installation, submission: Submission, as_of=AT) -> None:
    process(installation, installation.lead_provider(submission.lead_provider_id), submission, as_of)


@contextmanager
def copy_of(on: tuple[Ground, Path], name: str) -> Iterator[tuple[Installation, dict[str, str]]]:
    chosen, home = on
    target = home.parent / name
    chosen.copied(home, target)
    settings = _settings(chosen, target)
    try:
        with open_installation(Settings(**settings)) as installation:
            yield installation, settings
    finally:
        shutil.rmtree(target, ignore_errors=True)
        chosen.dropped(target)


def end(settings: dict[str, str]) -> dict[str, list[tuple[str | None, ...]]]:
    """What every table holds. (A delivery's number says who came first, and nothing else does.)"""
    found: State = state_of(Settings(**settings), Path(settings["home"]))
    return found.tables


@pytest.mark.slow
def test_between_any_two_steps(on, monkeypatch):
    """The one's file comes in between, wherever that is: the end is that of the one after the other, in some order."""
    ends = []
    for order in (0, 1):
        with copy_of(on, f"serial{order}") as (installation, settings):
            files = waiting(installation)
            for each in files[::-1] if order else files:
                judge(installation, each)
            ends.append(end(settings))
    assert ends[0] != ends[1]  # or nothing could go wrong
    with copy_of(on, "counted") as (installation, settings):
        counting = Interrupted(0, lambda: None)
        with counting.watching(monkeypatch):
            judge(installation, waiting(installation)[0])
    assert counting.count > 20
    came_to = []
    for step in range(1, counting.count + 1):
        with copy_of(on, f"step{step}") as (installation, settings):
            ours, theirs = waiting(installation)
            interrupted = Interrupted(step, lambda i=installation, s=theirs: judge(i, s))
            with interrupted.watching(monkeypatch):
                judge(installation, ours)
            assert interrupted.count >= step
            found = end(settings)
            assert found in ends, f"step {step} of {counting.count}"
            came_to.append(ends.index(found))
    # Who comes in between is first, until the lock is held; from then on the other is.
    assert came_to == sorted(came_to, reverse=True)
    assert set(came_to) == {0, 1}


def test_dfe_voids_in_between(on, monkeypatch):
    """What DfE does itself while a file is judged counts as done before it."""
    with copy_of(on, "voided") as (installation, settings):
        ours, theirs = waiting(installation)
        judge(installation, theirs)
        with installation.database.read() as reader:
            made = reader.frame("SELECT declaration_id FROM events WHERE submission_id = ?", theirs.submission_id)
        declaration = made["declaration_id"].drop_nulls()[0]
        interrupted = Interrupted(8, lambda: void(installation, declaration, "a mistake", AT))
        with interrupted.watching(monkeypatch):
            judge(installation, ours)
        assert interrupted.count > 8
        with installation.database.read() as reader:
            rows = reader.frame("SELECT status FROM submissions WHERE submission_id = ?", ours.submission_id)
        assert rows["status"].to_list() == ["accepted"]


def another_of_ours(installation: Installation, provider: LeadProvider, rows: pl.DataFrame, as_of=AT) -> None:
    """These rows in the place of those that the lead provider has sent."""
    with installation.database.write() as connection:
        connection.exec_driver_sql(f"DELETE FROM submissions WHERE lead_provider_id = '{provider.lead_provider_id}'")
    put(installation, provider, "declarations-b.csv", rows.write_csv())
    remember_all(installation)
    mailbox = installation.mailbox(provider.slug)
    Claims(installation, provider, mailbox, as_of).take(mailbox.look())


@pytest.fixture
def many(on) -> Iterator[tuple[Ground, Path, pl.DataFrame]]:
    """A home where one of both has sent a file of many people; and its rows."""
    chosen, home = on
    target = home.parent / "many"
    chosen.copied(home, target)
    with open_installation(Settings(**_settings(chosen, target))) as installation:
        provider = installation.lead_provider(waiting(installation)[0].lead_provider_id)
        with installation.database.read() as reader:
            people = reader.frame(_OWN, provider.lead_provider_id)["participant_id"]
        person = shared(installation)[0]
        others = [each for each in people if each != person][:30]
        rows = pl.concat([declared(each) for each in (*others[:15], person, *others[15:], person)])
        another_of_ours(installation, provider, rows)
    yield chosen, target, rows
    shutil.rmtree(target)
    chosen.dropped(target)


def test_those_alone_whom_it_touches_are_judged_again(many, monkeypatch):
    """Of a file of many people, of whom another lead provider's file comes to one meanwhile."""
    chosen, home, rows = many
    person = rows["participant_id"][-1]
    judged: list[str] = []

    def watched(portion, *others, inner=judging._judge_portion):
        judged.extend(portion["owner"])
        return inner(portion, *others)

    with copy_of((chosen, home), "overtaken") as (installation, settings):
        ours, theirs = _long_first(installation)

        def overtaken(*arguments, inner=processing._still_stands):
            monkeypatch.undo()
            assert len(judged) == rows.height
            judge(installation, theirs)
            judged.clear()
            monkeypatch.setattr(judging, "_judge_portion", watched)
            return inner(*arguments)

        monkeypatch.setattr(judging, "_judge_portion", watched)
        monkeypatch.setattr(processing, "_still_stands", overtaken)
        judge(installation, ours)
        monkeypatch.undo()
        assert judged == [person, person]
        found = end(settings)
    with copy_of((chosen, home), "serially") as (installation, settings):
        for each in reversed(_long_first(installation)):
            judge(installation, each)
        assert found == end(settings)


def _long_first(installation: Installation) -> list[Submission]:
    return sorted(waiting(installation), key=lambda each: each.file_name != "declarations-b.csv")


def test_others_keep_changing_it(on, monkeypatch):
    """Who is overtaken again and again is judged at last while the others wait."""
    with copy_of(on, "overtaken") as (installation, settings):
        ours, theirs = waiting(installation)
        monkeypatch.setattr(answering.Answer, "stands", lambda self, reader: False)
        judge(installation, ours)
        monkeypatch.undo()
        judge(installation, theirs)
        with installation.database.read() as reader:
            rows = reader.frame("SELECT lead_provider_id, rows_accepted FROM submissions")
        accepted = dict(rows.iter_rows())
        assert accepted == {ours.lead_provider_id: "1", theirs.lead_provider_id: "0"}


@pytest.mark.parametrize("step", [1, 12, 20])
@pytest.mark.slow
def test_what_happened_in_between_replays(on, monkeypatch, tmp_path, sample, step):
    """By the clock: the order in which files were applied is that in which they replay."""
    if on[0].name != "sqlite-folder":
        step += 1  # the same, at other steps
    with copy_of(on, f"clock{step}") as (installation, settings):
        ours, theirs = waiting(installation)
        interrupted = Interrupted(step, lambda: judge(installation, theirs, None))
        with interrupted.watching(monkeypatch):
            judge(installation, ours, None)
        assert interrupted.count > step
        replayed = replay(installation, [sample], tmp_path / "replayed")
        assert not replayed.different, replayed.different


@pytest.mark.slow
def test_who_was_rejected_in_between_replays(on, monkeypatch, tmp_path, sample):
    """Whose file changes nothing may be judged after another and applied before it: it replays as it was judged."""
    with copy_of(on, "rejected") as (installation, settings):
        ours, theirs = waiting(installation)
        provider = installation.lead_provider(theirs.lead_provider_id)
        rows = declared(shared(installation)[0]).with_columns(evidence_held=pl.lit("nonsense"))
        another_of_ours(installation, provider, rows, None)
        wrong = next(each for each in waiting(installation) if each.lead_provider_id == provider.lead_provider_id)
        interrupted = Interrupted(10, lambda: judge(installation, wrong, None))
        with interrupted.watching(monkeypatch):
            judge(installation, ours, None)
        with installation.database.read() as reader:
            rows = reader.frame("SELECT submission_id FROM submissions ORDER BY applied_number")
            assert rows["submission_id"].to_list() == [wrong.submission_id, ours.submission_id]
            times = reader.frame("SELECT processed_at FROM submissions ORDER BY applied_number")["processed_at"]
            assert times[0] > times[1]
        replayed = replay(installation, [sample], tmp_path / "replayed")
        assert not replayed.different, replayed.different


def test_two_at_one_file_do_not_meet(on, monkeypatch):
    """A process that lost its round may still be at a file when the next one is: each writes its receipt apart, and one is kept."""
    with copy_of(on, "both") as (installation, settings):
        ours, _ = waiting(installation)
        with open_installation(Settings(**settings)) as other:
            for step in (13, 17):  # while the receipt is written, and after it
                caught = []

                def act(i=other, s=ours, caught=caught):
                    try:
                        judge(i, s)
                    except processing.AlreadyJudged:
                        caught.append("other")

                interrupted = Interrupted(step, act)
                try:
                    with interrupted.watching(monkeypatch):
                        judge(installation, ours)
                except processing.AlreadyJudged:
                    caught.append("ours")
                assert caught
            with installation.database.read() as reader:
                told = reader.frame("SELECT sha256, path FROM deliveries WHERE what = 'receipt'")
        assert told.height == 1
        folder = receipt_folder(installation.outbox, ours.submission_id, told["sha256"][0])
        assert digest(folder / "receipt.json") == told["sha256"][0]
        assert {each["name"] for each in json.loads((folder / "receipt.json").read_text())["files"]} | {
            "receipt.json"
        } == {each.name for each in folder.iterdir()}
        assert not list(installation.outbox.glob(".unfinished/*/*"))
