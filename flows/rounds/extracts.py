"""One round of extracts: DfE's records as each lead provider may see them, and what changed since the last time."""

import logging
import time
from collections.abc import Callable, Iterator
from datetime import datetime

from data.forecasts import near_statements
from data.holdings import load_declarations, load_holdings
from data.outside import is_from_outside
from flows.installation import Installation, LeadProvider
from flows.rounds.delivery import deliver_owed
from flows.rounds.extract_sets import ExtractInTheMaking, sweep
from flows.rounds.forecasts import forecast_of, put_forecasts
from flows.rounds.front import keep_forecasts, put_front
from flows.rounds.hands import by_processes, one_by_one
from schemas.instants import london_day
from schemas.outbound.extracts import DECLARATIONS, FILES, ExtractFile
from schemas.records.doubts import Doubt
from schemas.reports import ExtractsRound
from sftp.mailbox import MailboxError
from templates.extract_book import write_extract_book
from transforms.extracts.doubts import doubts_of
from transforms.extracts.making import make
from transforms.extracts.view import Nation, View

PATIENCE_SECONDS = 600
MAILBOX_SECONDS = 60
MANY_ROWS = 20_000  # below it, what starting the processes costs is not won back
log = logging.getLogger("ectx.extracts")


def extracts_lock(slug: str) -> str:
    """What is held while a lead provider's extract is made."""
    return f"extracts-{slug}"


def extracts_round(
    installation: Installation,
    as_of: datetime | None,
    chosen: list[LeadProvider] | None = None,
    patience: float = PATIENCE_SECONDS,
) -> ExtractsRound:
    """Make and deliver the extracts of the lead providers chosen, or of all. as_of: the instant of a rehearsal; None: now. One
    provider's trouble is its own."""
    done, started = ExtractsRound(), time.monotonic()
    wanted = installation.lead_providers() if chosen is None else chosen
    with installation.database.only_some((extracts_lock(each.slug) for each in wanted), patience) as ours:
        done.busy = [each.slug for each in wanted if extracts_lock(each.slug) not in ours]
        _round(installation, as_of, [each for each in wanted if each.slug not in done.busy], done)
    done.seconds = time.monotonic() - started
    return done


def _round(
    installation: Installation, as_of: datetime | None, providers: list[LeadProvider], done: ExtractsRound
) -> None:
    everybody = installation.lead_providers()
    if not providers:
        return
    now = installation.now(as_of)
    last, asked = installation.extracts.last_of_all(), installation.extracts.requests()
    names = installation.extracts.last_names()
    making: dict[str, ExtractInTheMaking] = {}
    for provider in providers:
        own = provider.lead_provider_id

        def start(provider: LeadProvider = provider, own: str = own) -> None:
            making[own] = ExtractInTheMaking(
                installation, provider, last.get(own), names.get(own), asked.get(own, []), now
            )

        _guarded(done, provider, start)
    _write_all(installation, making, now, len(providers) == len(everybody), done)
    for each in making.values():
        if each.is_lost:
            done.troubles.append(
                f"{each.provider.slug}: the set before is not in the store, so what changed cannot be said"
            )
    for each, trouble in _with_books(installation, list(making.values())):
        if trouble:
            done.troubles.append(
                f"{each.provider.slug}: {trouble} while its extract was made (it is left as it was); run it again"
            )
        else:
            _guarded(done, each.provider, lambda each=each: done.made.append(each.finish()))  # type: ignore[misc]
        _guarded(done, each.provider, lambda each=each: _deliver(installation, each.provider, {}, now, done))  # type: ignore[misc]
    order = list(making)
    done.made.sort(key=lambda made: order.index(made.lead_provider_id))
    _forecasts(installation, [each.provider for each in making.values()], now, done)


def _with_books(installation: Installation, sets: list[ExtractInTheMaking]) -> Iterator[tuple[ExtractInTheMaking, str]]:
    """Each set, once its spreadsheet is written, if it wants one; with what kept it from that. Spreadsheets take nine tenths of the
    time: where there is much to write, a process a core does it, the longest first."""
    wanted = sorted((each for each in sets if each.is_wanted), key=lambda each: -each.rows)
    yield from ((each, "") for each in sets if not each.is_wanted)
    if len(wanted) > 1 and sum(each.rows for each in wanted) > MANY_ROWS and not installation.is_practice:
        books = by_processes(write_extract_book, [each.book for each in wanted], installation.settings.processes)
    else:
        books = one_by_one(write_extract_book, [each.book for each in wanted])
    for place, came in books:
        wanted[place].seconds += came.seconds
        yield wanted[place], came.trouble


def _forecasts(installation: Installation, providers: list[LeadProvider], now: datetime, done: ExtractsRound) -> None:
    """What could still be declared, after the extracts: nobody waits for it."""
    with installation.database.read(is_sparing=len(providers) > 1) as reader:
        near = near_statements(reader, london_day(now))
        for provider in providers:

            def act(provider: LeadProvider = provider) -> None:
                _deliver(installation, provider, forecast_of(reader, provider, near, now), now, done)

            _guarded(done, provider, act, "what it could still declare")


def _deliver(
    installation: Installation,
    provider: LeadProvider,
    files: dict[str, bytes | None],
    now: datetime,
    done: ExtractsRound,
) -> None:
    """What the mailbox is owed, and files that are only to be there. Full sets that others have replaced go."""
    with installation.database.only_one(f"mailbox-{provider.slug}", MAILBOX_SECONDS) as ours:
        if not ours:
            done.troubles.append(
                f"{provider.slug}: a round has been at its mailbox for long; the next delivers what is owed"
            )
            return
        try:
            mailbox = installation.mailbox(provider.slug)
            done.delivered += deliver_owed(installation, provider, mailbox, now)
            if files:
                put_forecasts(mailbox, files)
                keep_forecasts(installation.outbox, provider.lead_provider_id, files, now)
                # Whether they are others or not: a round may have been cut off here.
                put_front(installation, provider, mailbox, now)
        except MailboxError as error:
            done.troubles.append(f"{provider.slug}: {error}")
            return
        if stands := installation.extracts.last_of_all().get(provider.lead_provider_id):
            own = provider.lead_provider_id
            sweep(installation, own, stands.sha256, installation.extracts.change_sets().get(own, []))


def _guarded(done: ExtractsRound, provider: LeadProvider, act: Callable[[], None], what: str = "its extract") -> bool:
    """One provider's part; what goes wrong with it is told, and it is left as it was. Says whether nothing did."""
    try:
        act()
    except Exception as error:
        log.warning("extract %s: %s", provider.slug, type(error).__name__)
        why = "the disk or the network" if is_from_outside(error) else "it is left as it was"
        done.troubles.append(f"{provider.slug}: {type(error).__name__} while {what} was made ({why}); run it again")
        return False
    return True


def _write_all(
    installation: Installation, making: dict[str, ExtractInTheMaking], now: datetime, has_all: bool, done: ExtractsRound
) -> None:
    """Every file of everybody, out of one state of the database. Declarations, which are many, come last, when the rest is let go
    of, and only those of one lead provider's participants lie in memory at a time."""
    with installation.database.read(is_sparing=has_all) as reader:
        nation = Nation(load_holdings(reader, list(making), has_all), london_day(now))
        done.doubts = doubts_of(nation)
        for file in FILES:
            if file is not DECLARATIONS:
                _write(file, making, lambda own: View(nation, own), done)
        nation = nation.for_declarations()

        def with_theirs(own: str) -> View:
            theirs = nation.of_those_trained_by(own)
            return View(theirs.with_declarations(load_declarations(reader, theirs.training["training_period_id"])), own)

        _write(DECLARATIONS, making, with_theirs, done)


def _write(
    file: ExtractFile, making: dict[str, ExtractInTheMaking], viewed: Callable[[str], View], done: ExtractsRound
) -> None:
    for own, each in list(making.items()):

        def act(own: str = own, each: ExtractInTheMaking = each) -> None:
            started = time.monotonic()
            before = each.file_before(file)
            rows = make(viewed(own), file, before)
            each.seconds += time.monotonic() - started
            if rows.left_out:
                done.doubts.append(Doubt(f"Rows left out of {file.name}.csv of {each.provider.slug}", rows.left_out))
            each.add(file, rows, before)

        if not _guarded(done, each.provider, act):
            del making[own]
