"""Practice mailboxes: each an installation of its own beside the others, made of the records that all start from.

A mailbox's folder is put together beside its place and then moved there, so that whatever is cut off, the old one is there or the
new one. `starting` lies in it until what lay in from-dfe is taken away; then `delivering`, until all that it has is there.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from data.records.extract import import_records
from data.sample.nation import write_sample
from flows.acts.authorise import authorise
from flows.errors import ExchangeError
from flows.home import FOLDER, RECORDS, of_mailbox
from flows.installation import Installation, LeadProvider, open_installation
from flows.rounds.delivery import INDEX
from flows.rounds.extracts import extracts_round
from flows.rounds.front import PAGE
from flows.rounds.guidance import guidance_round
from flows.rounds.statements import statements_round
from flows.rounds.waiting import WAITING
from flows.upkeep.backup import copy_database
from schemas.instants import london_day, rfc3339
from schemas.reports import IntakeRound, StatementsRound
from schemas.submission import Submission
from sftp.durable import on_disk
from sftp.local import LocalMailbox
from sftp.mailbox import FOLDERS, FROM_DFE, Mailbox, MailboxError
from sftp.refusals import REFUSED

BEGINS = datetime(2025, 11, 20, 9, tzinfo=UTC)  # of which the made-up records speak: a year of deadlines lies ahead
SCALE = 0.02  # of the nation: some 170 participants of each contract period for each lead provider
FOUNDING_SECONDS = 600
_STARTING, _DELIVERING, _MADE_FOR = "starting", "delivering", "made-for"


def demand_home(installation: Installation) -> None:
    """Raises ExchangeError (ONE-MAILBOX) where it is one practice mailbox's."""
    if installation.is_of_one_mailbox:
        home = installation.settings.home.parent.parent
        raise ExchangeError("ONE-MAILBOX", "This home is one practice mailbox's.", f"Set ECTX_HOME to {home}.")


def found(home: Installation) -> None:
    """Give a practice home that has no records yet the sample's."""
    if home.records_as_of is not None:
        return
    with home.database.only_one("founding", FOUNDING_SECONDS), tempfile.TemporaryDirectory() as folder:
        if home.records.as_of() is None:
            write_sample(Path(folder), SCALE, BEGINS)
            (Path(folder) / "extract.json").write_text(json.dumps({"as_of": rfc3339(BEGINS)}), encoding="utf-8")
            import_records(home.database, Path(folder), BEGINS)
    home.forget()


def practising(home: Installation) -> list[LeadProvider]:
    """Lead providers whose practice mailboxes are of use: somebody may log in, a file lies there, or one was begun."""
    logins = set(home.accounts.names())
    return [
        each
        for each in home.lead_providers()
        if each.slug in logins or _was_begun(_place(home, each.slug)) or _any_file(home, each)
    ]


def _any_file(home: Installation, provider: LeadProvider) -> bool:
    folder = home.settings.mailboxes_folder
    try:
        box = LocalMailbox(folder / provider.slug) if folder else None
        return bool(box and (box.look() or box.taken()))
    except MailboxError:
        return False


def _was_begun(place: Path) -> bool:
    return place.is_dir() or _new(place).is_dir()


def _place(home: Installation, slug: str) -> Path:
    return home.settings.home.resolve() / FOLDER / slug


def _new(place: Path) -> Path:
    """Where a mailbox's folder is put together."""
    return place.with_name(f".{place.name}.new")


def _old(place: Path) -> Path:
    """Where the one goes whose place it takes."""
    return place.with_name(f".{place.name}.old")


@contextmanager
def opened(home: Installation, slug: str) -> Iterator[Installation]:
    """The installation of one practice mailbox, made where it is missing. Whoever opens it holds its turn."""
    place = _place(home, slug)
    if not place.is_dir():
        if not (_new(place) / _STARTING).is_file():
            _put_together(home, slug, None)
        _new(place).rename(place)
    for left_over in (_new(place), _old(place)):  # of a turn that was cut off
        shutil.rmtree(left_over, ignore_errors=True)
    with open_installation(of_mailbox(home.settings, home.settings.home.resolve(), slug)) as mailbox:
        yield mailbox


def replace(home: Installation, slug: str, asked_for: Submission) -> None:
    """Put a new mailbox in the old one's place: the records that all start from, and the file that asked for it."""
    place = _place(home, slug)
    _put_together(home, slug, asked_for)
    shutil.rmtree(_old(place), ignore_errors=True)
    place.rename(_old(place))
    _new(place).rename(place)
    on_disk([place], place.parent)


def _put_together(home: Installation, slug: str, asked_for: Submission | None) -> None:
    place = _place(home, slug)
    folder = _new(place)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    copy_database(home.settings.home.resolve() / RECORDS, folder / RECORDS)
    if asked_for:
        settings = of_mailbox(home.settings, home.settings.home.resolve(), folder.name)
        with open_installation(settings) as mailbox:
            upload = place / "uploads" / asked_for.sha256[:2] / asked_for.sha256
            if upload.is_file():  # what is in it is looked at once more
                mailbox.store_upload([upload.read_bytes()])
            mailbox.submissions.claim(asked_for, [])
            mailbox.submissions.removed(asked_for.submission_id)
            mailbox.database.fold()
        (folder / _MADE_FOR).write_text(asked_for.submission_id, encoding="utf-8")
    (folder / _STARTING).touch()
    on_disk([folder], folder.parent)


def is_made_for(mailbox: Installation, asked_for: Submission) -> bool:
    """Whether this mailbox is the one that a file has asked for."""
    note = mailbox.settings.home / _MADE_FOR
    return note.is_file() and note.read_text(encoding="utf-8") == asked_for.submission_id


def start(mailbox: Installation, provider: LeadProvider, now: datetime, done: IntakeRound) -> None:
    """Deliver all that a new mailbox has, in place of whatever lay there; nothing where that has been done."""
    starting, delivering = (mailbox.settings.home / name for name in (_STARTING, _DELIVERING))
    if starting.is_file():
        _empty(mailbox.mailbox(provider.slug))
        starting.rename(delivering)  # from now on what lies there is this mailbox's own
    if delivering.is_file():
        before = len(done.troubles)
        deliver_all(mailbox, provider, now, done)
        if len(done.troubles) == before:
            delivering.unlink()


def _empty(box: Mailbox) -> None:
    """Take away all that was delivered."""
    for folder in FOLDERS:
        if folder.startswith(f"{FROM_DFE}/"):
            box.remove(folder)
    for path in (INDEX, PAGE, WAITING, f"{FROM_DFE}/{REFUSED}"):
        box.put_or_remove(path, None)
    box.prepare()


def practised_statements(mailbox: Installation, provider: LeadProvider, now: datetime) -> StatementsRound:
    """A round of statements, whose files have been judged; then what is payable is paid, where its payment date has come:
    nobody has to approve what is made up."""
    done = statements_round(mailbox, now, IntakeRound())
    if "lead_provider_id" in done.nowhere.columns:  # others' are not theirs to see to
        done.nowhere = done.nowhere.filter(lead_provider_id=provider.lead_provider_id)
    today = london_day(now)
    for each in mailbox.versions.newest_of(provider.lead_provider_id):
        if each.status == "payable" and each.payment_date <= today:
            try:
                authorise(mailbox, each.statement_id, each.total, now)
            except ExchangeError as error:
                done.troubles.append(f"{provider.slug}: {error}")
    return done


def deliver_all(mailbox: Installation, provider: LeadProvider, now: datetime, done: IntakeRound) -> None:
    """What a day's rounds deliver: statements, extracts, forecasts, guidance, the front page."""
    made = practised_statements(mailbox, provider, now)
    done.troubles += [*made.held_back, *made.troubles]
    extracts = extracts_round(mailbox, now)
    guidance = guidance_round(mailbox, now)
    done.troubles += [*extracts.troubles, *guidance.troubles]
