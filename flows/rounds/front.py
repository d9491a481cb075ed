"""`from-dfe/start-here.html`: made anew with every delivery, after housekeeping and every morning. It reads what is in the ledger
and the outbox, computes no figure, and nothing waits for it."""

import csv
import json
import logging
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from data.forecasts import near_statements
from flows.installation import Installation, LeadProvider
from flows.rounds.places import kept_forecasts
from flows.rounds.receipts import receipt_folder
from flows.rounds.waiting import WAITING
from schemas.instants import london_day, start_of_london_day
from schemas.kinds import KINDS
from schemas.outbound.statements import DISCREPANCIES
from schemas.outbound.versions import NewestVersion
from schemas.submission import CLAIMED, SET_ASIDE, Judged
from sftp.mailbox import FROM_DFE, Mailbox, MailboxError
from sftp.refusals import REFUSED
from templates.front import Closing, Front, News, Rejected, Waiting, front_page
from transforms.outstanding import asked_for, outstanding, worth

PAGE = f"{FROM_DFE}/start-here.html"
LATELY, SOON, REFUSED_LATELY = timedelta(days=30), timedelta(days=30), timedelta(days=7)
_FORECAST = ["statement_month", "contract_period", "participant_id", "course_identifier", "declaration_type",
             "expected_amount", "state"]  # fmt: skip
log = logging.getLogger("ectx.front")


def put_front(installation: Installation, provider: LeadProvider, mailbox: Mailbox, now: datetime) -> None:
    """Make the front page what it is to be. The caller holds the mailbox. Raises MailboxError."""
    try:
        page = front_page(_front(installation, provider, mailbox, now))
    except MailboxError:
        raise
    except Exception as error:
        log.warning("front page %s: %s", provider.slug, type(error).__name__)
        raise MailboxError(f"its front page could not be made ({type(error).__name__})") from error
    mailbox.put_or_remove(PAGE, page.encode())


def _front(installation: Installation, provider: LeadProvider, mailbox: Mailbox, now: datetime) -> Front:
    own, today = provider.lead_provider_id, london_day(now)
    yesterday = start_of_london_day(today - timedelta(days=1))
    delivered = installation.deliveries.index(own)
    lately = installation.submissions.received_since(own, now - LATELY)
    newest = installation.versions.newest_of(own)
    forecast = _forecast(installation, own)
    differences = _differences(installation, own, newest)
    return Front(
        name=provider.name,
        as_of=now,
        news=[News(each.what, each.path) for each in delivered
              if each.delivered_at and each.delivered_at >= yesterday],
        files=lately,
        rejected=_rejected(installation, lately, forecast, {each.path: each.sha256 for each in delivered}),
        versions=newest,
        differences=differences,
        closing=_closing(installation, own, today, forecast, differences, newest),
        waits=_waits(mailbox, lately),
        refused=_refused(mailbox, now),
        rules=_rules(lately),
        has={each.what for each in delivered},
        has_forecast=kept_forecasts(installation.outbox, own).is_dir(),
    )  # fmt: skip


def _rejected(
    installation: Installation, lately: list[Judged], forecast: pl.DataFrame, digests: dict[str, str]
) -> list[Rejected]:
    """Files with rejected rows that have not come again, the newest first."""
    found: list[Rejected] = []
    for kind in KINDS.values():
        files = [(number, each) for number, each in enumerate(lately) if each.kind == kind.name and each.rows_total]
        wanted = next((place for place, (_, each) in enumerate(files) if each.rows_rejected), None)
        if wanted is None or kind.is_judged_anew:
            continue
        results = pl.concat(
            [_results(installation, number, each, digests, asked_for(kind)) for number, each in files[wanted:]]
        )
        if kind.memory is None:  # a file takes the place of those before it
            results = results.filter(pl.col("number") == pl.col("number").max().over("statement_month"))
        rows = outstanding(kind, results)
        for (submission_id,), part in rows.partition_by("submission_id", as_dict=True, maintain_order=True).items():
            pence = worth(part, forecast) if kind.name == "declarations" else None
            file = next(each for _, each in files if each.submission_id == submission_id)
            found.append(Rejected(file, part.height, pence))
    return sorted(found, key=lambda each: each.file.received_at, reverse=True)


def _results(
    installation: Installation, number: int, file: Judged, digests: dict[str, str], what: list[str]
) -> pl.DataFrame:
    """Rows of a receipt in the outbox: number, submission_id, row_number, outcome, what each asks for; none where it is gone."""
    columns = {"row_number": pl.Int64, "outcome": pl.String, **dict.fromkeys(what, pl.String)}
    sha256 = digests.get(f"{FROM_DFE}/receipts/{file.submission_id}", "")
    path = receipt_folder(installation.outbox, file.submission_id, sha256) / "results.csv"
    if path.is_file():
        rows = pl.read_csv(path, infer_schema=False)
        lacking = [pl.lit(None, pl.String).alias(name) for name in what if name not in rows.columns]
        rows = rows.with_columns(lacking).select(pl.col(name).cast(dtype) for name, dtype in columns.items())
    else:
        rows = pl.DataFrame(schema=columns)
    return rows.with_columns(number=pl.lit(number), submission_id=pl.lit(file.submission_id))


def _forecast(installation: Installation, own: str) -> pl.DataFrame:
    """What could still be declared, as the last extract had it."""
    files = sorted(kept_forecasts(installation.outbox, own).glob("*.csv"))
    found = [pl.read_csv(path, infer_schema=False).select(_FORECAST) for path in files]
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
    rows = csv.DictReader((mailbox.own(f"{FROM_DFE}/{REFUSED}") or b"").decode("utf-8", "replace").splitlines())
    return [row for row in rows if datetime.fromisoformat(row["refused_at"]) >= now - REFUSED_LATELY]


def _rules(lately: list[Judged]) -> list[tuple[str, int]]:
    """Rules broken of late, the commonest first: code, rows."""
    counted: Counter[str] = Counter()
    for each in lately:
        counted.update(json.loads(each.rule_counts or "{}"))
    return sorted(counted.items(), key=lambda each: (-each[1], each[0]))


def keep_forecasts(outbox: Path, own: str, files: dict[str, bytes | None]) -> None:
    """What the front page reads of forecasts, beside what lies in the mailbox."""
    folder = kept_forecasts(outbox, own)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {Path(path).name: content for path, content in files.items() if path.endswith(".csv") and content}
    for path in folder.glob("*.csv"):
        if path.name not in wanted:
            path.unlink()
    for name, content in wanted.items():
        unfinished = folder / f".{name}.tmp"
        unfinished.write_bytes(content)
        unfinished.replace(folder / name)
