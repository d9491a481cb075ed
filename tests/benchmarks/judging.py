"""A file judged and applied, against the least that could be: reading it, inserting the same rows and events, writing the same bytes."""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import polars as pl

from data.snapshots import snapshot_for
from data.tables import metadata
from flows.installation import Installation, LeadProvider
from flows.rounds.answering import Answer, answer
from flows.rounds.claiming import Claims
from flows.rounds.looking import remember_all
from flows.rounds.processing import _write_down
from flows.rounds.receipts import let_go, receipt_folder
from flows.rounds.trying import set_aside
from schemas.events import DFE_STAFF
from schemas.frames import holds
from schemas.inbound.form import form_rules, with_owners
from schemas.inbound.reading import Limits, read_sheet
from schemas.kinds import KINDS
from schemas.submission import Submission
from tests.benchmarks.results import compared, interleaved
from transforms.changes import act_of_file
from transforms.judging import judge
from transforms.updates import UPDATES


class _Undone(Exception):
    """So that the next time begins where this one did."""


def claimed(installation: Installation, provider: LeadProvider, name: str, content: bytes, now: datetime) -> Submission:
    """A file put into to-dfe and claimed."""
    mailbox = installation.mailbox(provider.slug)
    (installation.settings.home / "mailboxes" / provider.slug / "to-dfe" / name).write_bytes(content)
    remember_all(installation)
    Claims(installation, provider, mailbox, now).take(mailbox.look())
    return installation.submissions.waiting(provider.lead_provider_id)[-1]


def bench_floor(
    installation: Installation,
    provider: LeadProvider,
    file_of: Callable[[int, float], tuple[bytes, int]],
    now: datetime,
    where: str = "",
) -> None:
    """file_of: (rows, share that is wrong) → content, how many are meant to be valid. where: which database, in words."""
    measured = set()
    for count, share in ((10_000, 0.0), (10_000, 0.1), (10_000, 0.5), (10_000, 1.0), (100_000, 0.5), (100_000, 1.0)):
        content, valid = file_of(count, share)
        if (count, valid) in measured:  # there is no more to accept
            continue
        measured.add((count, valid))
        name = f"declarations-floor-{count}-{round(share * 100)}.csv"
        submission = claimed(installation, provider, name, content, now)
        with installation.database.read() as reader:
            last = answer(installation, provider, reader, submission, now)

        ours = _judged_and_undone(installation, provider, submission, now)

        def floor(submission: Submission = submission, last: Answer = last) -> None:
            _floor(installation, submission, last)

        seconds, least = interleaved([ours, floor])
        what = f"intake of {count:,} declarations{where}, {count - valid:,} meant to be wrong: judged, applied, receipt written"
        compared(what, seconds, least, "reading, inserting the same rows and events, writing the same bytes", 1.5)
        # What it declares is there for the next.
        set_aside(installation, provider, submission, "it is measured", now, DFE_STAFF)


def judged_again(
    installation: Installation, provider: LeadProvider, content: bytes, now: datetime
) -> Callable[[], None]:
    """A file, claimed; what judges, applies and answers it, as often as it is called."""
    submission = claimed(installation, provider, "declarations-again.csv", content, now)
    return _judged_and_undone(installation, provider, submission, now)


def _judged_and_undone(
    installation: Installation, provider: LeadProvider, submission: Submission, now: datetime
) -> Callable[[], None]:
    last: list[Answer] = []

    def act() -> None:
        for each in last:  # a receipt is written, not found
            let_go(installation.outbox, submission.submission_id, each.receipt)
        with installation.database.read() as reader:
            answered = answer(installation, provider, reader, submission, now)
        with suppress(_Undone), installation.database.write() as connection:
            _write_down(installation, connection, provider, answered)
            raise _Undone
        last[:] = [answered]

    return act


def _floor(installation: Installation, submission: Submission, last: Answer) -> None:
    """The same rows and events by the same means, undone; the same bytes to the disk."""
    database = installation.database
    pl.read_csv(installation.stored_upload(submission.sha256), infer_schema=False)
    with suppress(_Undone), database.write() as connection:
        assert last.judgement
        changes = last.judgement.changes
        for name, rows in changes.inserts.items():
            database.insert(connection, metadata.tables[name], rows)
        for name, rows in changes.updates:
            database.update(connection, metadata.tables[name], rows.columns[0], rows)
        database.insert(connection, metadata.tables["events"], changes.events)
        if rejections := UPDATES[submission.kind or ""].rejections:
            database.insert(connection, metadata.tables[rejections.table], last.judgement.rejected)
        raise _Undone
    receipt = receipt_folder(installation.outbox, submission.submission_id, last.receipt)
    with tempfile.TemporaryDirectory(dir=installation.settings.home) as folder:
        for path in receipt.iterdir():
            with Path(folder, path.name).open("wb") as handle:
                handle.write(path.read_bytes())
                handle.flush()
                os.fsync(handle.fileno())


def bench_judging(installation: Installation, provider: LeadProvider, content: bytes, now: datetime) -> None:
    """content: a file of declarations. Its rows judged, against the same facts and rules asked of Polars alone and in one turn: which
    rule each row breaks first. No row sees another's effects there, nothing is said in words, and nothing follows."""
    kind = KINDS["declarations"]
    sheet, act = read_sheet(content, kind, Limits()), act_of_file("bench", provider.lead_provider_id, now)
    with installation.database.read() as reader:
        snapshot = snapshot_for(reader, kind.needs, sheet.values, provider.lead_provider_id)
    rules, update = (*form_rules(kind), *kind.rules), UPDATES[kind.name]

    def bare() -> pl.DataFrame:
        seen = update.facts(with_owners(kind, sheet.values, None), snapshot, act)
        broken = [pl.when(holds(rule.broken)).then(pl.lit(rule.code)) for rule in rules]
        return seen.select("row_number", code=pl.coalesce(broken))

    seconds, floor = interleaved([lambda: judge(sheet, kind, snapshot, act), bare])
    what = f"{sheet.values.height:,} declarations judged, their records at hand"
    compared(what, seconds, floor, "the same facts and rules by Polars alone", 2.5)
