"""`from-dfe/start-here.html`: made anew with every delivery, after housekeeping and every morning. It reads what is in the ledger
and the outbox, computes no figure, and nothing waits for it."""

import csv
import json
import logging
import os
from collections import Counter
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import polars as pl

from data.forecasts import near_statements
from data.ledger.deliveries import DeliveryRow
from flows.installation import Installation, LeadProvider
from flows.rounds.places import FOLDER, kept_forecasts
from flows.rounds.receipts import receipt_folder
from flows.rounds.results import rows_of
from flows.rounds.waiting import WAITING
from schemas.instants import london_day, start_of_london_day
from schemas.kinds import KINDS
from schemas.outbound.statements import DISCREPANCIES
from schemas.outbound.versions import NewestVersion
from schemas.submission import CLAIMED, SET_ASIDE, Judged
from sftp.mailbox import FROM_DFE, Mailbox, MailboxError
from sftp.refusals import REFUSED
from templates.front import Closing, Front, News, Refused, Rejected, Waiting, front_page
from transforms.outstanding import asked_for, outstanding, worth

PAGE = f"{FROM_DFE}/start-here.html"
LATELY, SOON, REFUSED_LATELY = timedelta(days=30), timedelta(days=30), timedelta(days=7)
_FORECAST = ["statement_month", "contract_period", "participant_id", "course_identifier", "declaration_type",
             "expected_amount", "state"]  # fmt: skip
log = logging.getLogger("ectx.front")


class FrontTrouble(MailboxError):
    """The page could not be made. To ask again changes nothing, so it keeps nothing back."""


def put_front(
    installation: Installation,
    provider: LeadProvider,
    mailbox: Mailbox,
    now: datetime,
    delivered: list[DeliveryRow] | None = None,
) -> None:
    """Make the front page what it is to be. delivered: what the mailbox has, where that is not written down yet. The caller holds
    the mailbox. Raises FrontTrouble, and MailboxError."""
    try:
        there = installation.deliveries.index(provider.lead_provider_id) if delivered is None else delivered
        page = front_page(_front(installation, provider, mailbox, now, there))
    except MailboxError:
        raise
    except Exception as error:
        log.warning("front page %s: %s", provider.slug, type(error).__name__)
        raise FrontTrouble(f"its front page could not be made ({type(error).__name__})") from error
    mailbox.put_or_remove(PAGE, page.encode())


def _front(
    installation: Installation, provider: LeadProvider, mailbox: Mailbox, now: datetime, delivered: list[DeliveryRow]
) -> Front:
    own, today = provider.lead_provider_id, london_day(now)
    yesterday = start_of_london_day(today - timedelta(days=1))
    lately = installation.submissions.received_since(own, now - LATELY)
    newest = installation.versions.newest_of(own)
    forecast = _forecast(installation, own)
    digests = {each.path: each.sha256 for each in delivered}
    unread = _unread(installation, lately, digests)
    receipts = {f"{FROM_DFE}/receipts/{each.submission_id}" for each in lately}
    differences = _differences(installation, own, newest)
    return Front(
        name=provider.name,
        as_of=now,
        news=[News(each.what, each.path) for each in delivered
              if each.delivered_at and each.delivered_at >= yesterday and _is_kept(installation, own, each.path, receipts)],
        files=lately,
        rejected=_rejected(installation, lately, forecast, digests),
        versions=newest,
        differences=differences,
        closing=_closing(installation, own, today, forecast, differences, newest),
        waits=_waits(mailbox, lately),
        refused=_refused(mailbox, now),
        rules=_rules(lately, unread),
        unread=unread,
        forecast_at=_forecast_at(installation, own),
        has={each.what for each in delivered},
        next_day=_next_day(newest, today),
    )  # fmt: skip


def _next_day(newest: list[NewestVersion], today: date) -> date | None:
    """The next day on which something becomes payable, or is paid; None where nothing is known to."""
    days = [each.deadline_date + timedelta(days=1) for each in newest if each.status == "open"]
    days += [each.payment_date for each in newest if each.status == "payable"]
    return min((day for day in days if day > today), default=None)


def _is_kept(installation: Installation, own: str, path: str, receipts: set[str]) -> bool:
    """Whether what was delivered is there still: housekeeping takes receipts and change sets away. receipts: those that it left."""
    if path.startswith(f"{FROM_DFE}/receipts/"):
        return path in receipts
    return not path.startswith(f"{FOLDER}/changes/") or (installation.outbox / own / path).is_dir()


def _forecast_at(installation: Installation, own: str) -> datetime | None:
    """When the forecast was made that the page reads; None: there is none yet."""
    page = kept_forecasts(installation.outbox, own) / "index.html"
    return datetime.fromtimestamp(page.stat().st_mtime, UTC) if page.is_file() else None


def _rejected(
    installation: Installation, lately: list[Judged], forecast: pl.DataFrame, digests: dict[str, str]
) -> list[Rejected]:
    """Files with rejected rows that have not come again, the newest first."""
    found: list[Rejected] = []
    outbox = installation.outbox
    for kind in KINDS.values():
        files = [(number, each) for number, each in enumerate(lately) if each.kind == kind.name and each.rows_total]
        wanted = next((place for place, (_, each) in enumerate(files) if each.rows_rejected), None)
        if wanted is None or kind.is_judged_anew:
            continue
        of_each = [
            rows_of(installation, each, _receipt(outbox, each, digests), asked_for(kind)) for _, each in files[wanted:]
        ]
        lengths = [rows.height for rows in of_each]
        whose = pl.DataFrame(
            {
                "number": _each(lengths, [number for number, _ in files[wanted:]]),
                "submission_id": _each(lengths, [each.submission_id for _, each in files[wanted:]]),
            },
            schema={"number": pl.Int64, "submission_id": pl.String},
        )
        results = pl.concat([pl.concat(of_each), whose], how="horizontal")
        if kind.memory is None:  # a file takes the place of those before it
            results = results.filter(pl.col("number") == pl.col("number").max().over("statement_month"))
        rows = outstanding(kind, results)
        pence = worth(rows, forecast) if kind.name == "declarations" else {}
        by_id = {each.submission_id: each for _, each in files}
        for submission_id, count in rows.group_by("submission_id", maintain_order=True).len().iter_rows():
            found.append(Rejected(by_id[submission_id], count, pence.get(submission_id)))
    return sorted(found, key=lambda each: each.file.received_at, reverse=True)


def _each(lengths: list[int], values: list[Any]) -> list[Any]:
    """Each value as often as its length says."""
    return list(chain.from_iterable(map(repeat, values, lengths)))


def _receipt(outbox: Path, file: Judged, digests: dict[str, str]) -> Path:
    sha256 = digests.get(f"{FROM_DFE}/receipts/{file.submission_id}", "")
    return receipt_folder(outbox, file.submission_id, sha256)


def _unread(installation: Installation, lately: list[Judged], digests: dict[str, str]) -> list[Refused]:
    """Files that were refused whole, of whose kind none was taken since."""
    found = []
    outbox = installation.outbox
    for place, each in enumerate(lately):
        if each.status != "rejected" or each.rows_total:
            continue
        path = _receipt(outbox, each, digests) / "receipt.json"
        if not path.is_file():
            continue
        later = lately[place + 1 :]
        if any((other.kind == each.kind or other.file_name == each.file_name) and other.rows_total for other in later):
            continue
        said = json.loads(path.read_text(encoding="utf-8"))["file_errors"]
        found += [Refused(each, error["code"], error["message"]) for error in said[:1]]
    return found[::-1]


def _forecast(installation: Installation, own: str) -> pl.DataFrame:
    """What could still be declared, as the last extract had it."""
    found = []
    for path in sorted(kept_forecasts(installation.outbox, own).glob("*.csv")):
        with suppress(pl.exceptions.PolarsError):  # one that was cut off counts for none
            found.append(pl.read_csv(path, infer_schema=False).select(_FORECAST))
    return pl.concat(found) if found else pl.DataFrame(schema=dict.fromkeys(_FORECAST, pl.String))


def _differences(installation: Installation, own: str, newest: list[NewestVersion]) -> pl.DataFrame:
    """discrepancies.csv of the statements that are not paid: statement_id, reason_code, difference."""
    columns = ["reason_code", "difference"]
    found = [pl.DataFrame(schema=dict.fromkeys(("statement_id", *columns), pl.String))]
    for each in newest:
        path = installation.outbox / own / each.path / f"{DISCREPANCIES.name}.csv"
        if each.status != "paid" and path.is_file():
            rows = pl.read_csv(path, infer_schema=False)
            found.append(rows.select(pl.lit(each.statement_id).alias("statement_id"), *columns))
    return pl.concat(found)


def _closing(
    installation: Installation,
    own: str,
    today: date,
    forecast: pl.DataFrame,
    differences: pl.DataFrame,
    newest: list[NewestVersion],
) -> list[Closing]:
    """Deadlines of the next 30 days, and what is still missing for each."""
    with installation.database.read() as reader:
        near = near_statements(reader, today)
    near = near.filter((pl.col("lead_provider_id") == own) & (pl.col("deadline_date") <= today + SOON))
    paths = {each.statement_id: each.path for each in newest}
    found = []
    for row in near.sort("deadline_date", "contract_period").iter_rows(named=True):
        month = f"{row['year']}-{row['month']:02}"
        possible = forecast.filter(
            statement_month=month, contract_period=str(row["contract_period"]), state="possible"
        )["expected_amount"].cast(pl.Decimal(14, 2))
        missing = differences.filter(statement_id=row["statement_id"], reason_code="not-declared")
        pence = missing["difference"].cast(pl.Decimal(14, 2)).sum() or 0
        path = paths.get(row["statement_id"])
        found.append(
            Closing(row["deadline_date"], month, row["contract_period"], possible.len(), int((possible.sum() or 0) * 100),
                    missing.height, -int(pence * 100), path)
        )  # fmt: skip
    return found


def _waits(mailbox: Mailbox, lately: list[Judged]) -> list[Waiting]:
    rows = csv.DictReader((mailbox.own(WAITING) or b"").decode("utf-8", "replace").splitlines())
    found = [Waiting(row["file_name"], row["waiting_since"], f"It waits for {row['waits_for']}.") for row in rows]
    for each in lately:
        if each.status == SET_ASIDE:
            found.append(Waiting(each.file_name, each.received_at, "We have put it aside. Its receipt says why.", each))
        elif each.status == CLAIMED:
            found.append(Waiting(each.file_name, each.received_at, "We have it, and will judge it soon.", each))
    return found


def _refused(mailbox: Mailbox, now: datetime) -> list[dict[str, str]]:
    """Uploads that the server refused; what intake refused has a receipt, and is told by that."""
    rows = csv.DictReader((mailbox.own(f"{FROM_DFE}/{REFUSED}") or b"").decode("utf-8", "replace").splitlines())
    lately = [row for row in rows if datetime.fromisoformat(row["refused_at"]) >= now - REFUSED_LATELY]
    return [row for row in lately if not row["reason"].startswith("FILE-")]


def _rules(lately: list[Judged], unread: list[Refused]) -> list[tuple[str, int]]:
    """Rules broken of late, the commonest first: code, rows (a file that was refused whole counts as one)."""
    counted: Counter[str] = Counter(each.code for each in unread)
    for each in lately:
        counted.update(json.loads(each.rule_counts or "{}"))
    return sorted(counted.items(), key=lambda each: (-each[1], each[0]))


def keep_forecasts(outbox: Path, own: str, files: dict[str, bytes | None], now: datetime) -> None:
    """What the front page reads of forecasts, and what a mailbox that is filled again is given."""
    folder = kept_forecasts(outbox, own)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {Path(path).name: content for path, content in files.items() if content}
    for path in folder.iterdir():
        if path.name not in wanted:
            path.unlink()
    for name, content in wanted.items():
        unfinished = folder / f".{name}.tmp"
        unfinished.write_bytes(content)
        os.utime(unfinished, (now.timestamp(), now.timestamp()))
        unfinished.replace(folder / name)
