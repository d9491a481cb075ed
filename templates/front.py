"""start-here.html: the front page of a mailbox, for whoever opens it."""

from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from schemas.discrepancies import AGREED, TITLES
from schemas.instants import in_london, london_day
from schemas.outbound.versions import NewestVersion
from schemas.submission import Judged
from templates.guidance.marking import words_of_month
from templates.guidance.rules import rules_with_pages
from templates.rendering import page
from transforms.money.told_once import TO_PUT_RIGHT
from transforms.money.version_changes import pence_of

_MOST = 20
_RULES = 5
_STATUSES = {
    "accepted": "every row accepted",
    "partially-accepted": "some rows rejected",
    "rejected": "rejected",
    "duplicate": "sent before",
    "set-aside": "put aside",
}


def _status_of(file: Judged) -> str:
    """What became of a file. One of practice may hold no rows at all."""
    if file.status == "accepted" and not file.rows_total:
        return "done"
    return _STATUSES.get(file.status, file.status)


@dataclass(frozen=True)
class News:
    """A folder that was delivered. what: as in the index; path: under from-dfe."""

    what: str
    path: str


@dataclass(frozen=True)
class Rejected:
    """A file of which rows were rejected that have not come again. pence: what they would pay, as far as the forecast says."""

    file: Judged
    rows: int
    pence: int | None


@dataclass(frozen=True)
class Refused:
    """A file that was refused whole: the rule, and what its receipt says."""

    file: Judged
    code: str
    message: str


@dataclass(frozen=True)
class Closing:
    """A statement whose deadline is near. possible, possible_pence: what could still be declared, as the last extract had it.
    missing, missing_pence: what is on the list of expected payments and is not declared. path: of its newest version."""

    deadline: date
    month: str
    contract_period: int
    possible: int
    possible_pence: int
    missing: int
    missing_pence: int
    path: str | None


@dataclass(frozen=True)
class Waiting:
    """A file that has no answer yet. since: an instant, or as waiting.csv writes it. file: where it was taken already."""

    file_name: str
    since: datetime | str
    why: str
    file: Judged | None = None

    @property
    def since_words(self) -> str:
        return in_london(datetime.fromisoformat(self.since) if isinstance(self.since, str) else self.since)


@dataclass(frozen=True)
class Front:
    """What the page is made of. files: submissions of late, in order. versions: the newest of each statement, by month.
    differences: statement_id, reason_code, difference (pounds, as text) of statements not paid. rules: code and rows, the commonest
    first. has: what was ever delivered. forecast_at: when the forecast was made; None: there is none. next_day: on which something
    becomes payable or is paid; None: none is known."""

    name: str
    as_of: datetime
    news: list[News]
    files: list[Judged]
    rejected: list[Rejected]
    versions: list[NewestVersion]
    differences: pl.DataFrame
    closing: list[Closing]
    waits: list[Waiting]
    refused: list[dict[str, str]]
    rules: list[tuple[str, int]]
    has: set[str]
    unread: list[Refused]
    forecast_at: datetime | None
    next_day: date | None


def front_page(front: Front) -> str:
    """The page."""
    files = {f"from-dfe/receipts/{each.submission_id}": each for each in front.files}
    versions = {each.path: each for each in front.versions}
    news = [_told(each, files, versions) for each in {each.path: each for each in front.news}.values()]
    whys = {each.code: each for each in rules_with_pages()}
    final = [each for each in front.versions if each.status != "open"]
    return page(
        "front.html",
        front=front,
        news=news[-_MOST:][::-1],
        news_count=len(news),
        differing=_differing(front),
        rules=[(whys[code], rows) for code, rows in front.rules if code in whys][:_RULES],
        last=_last_month(final),
        payable=[each for each in final if each.status == "payable"],
        today=london_day(front.as_of),
        receipts=front.files[::-1][:10],
        months=sorted({each.statement_month for each in front.versions}, reverse=True)[:12],
        statuses=_STATUSES,
        status_of=_status_of,
        most=_MOST,
        words=words_of_month,
        here=_here,
    )


def _last_month(final: list[NewestVersion]) -> dict[str, object] | None:
    """The last month of which a statement is closed: month, total over its contract periods (pounds)."""
    month = max((each.statement_month for each in final), default=None)
    if month is None:
        return None
    return {"month": month, "total": sum(each.total for each in final if each.statement_month == month)}


def _here(path: str) -> str:
    """A path in the mailbox, from this page."""
    return path.removeprefix("from-dfe/")


def _told(news: News, files: dict[str, Judged], versions: dict[str, NewestVersion]) -> dict[str, str]:
    """What was delivered, for people: words, and the page to open."""
    here = _here(news.path)
    if news.what == "receipt":
        file = files.get(news.path)
        said = f"Receipt for {file.file_name}: {_status_of(file)}" if file else "A receipt"
        return {"words": said, "href": f"{here}/receipt.html"}
    if news.what == "statement":
        version = versions.get(news.path)
        said = f"Statement for {words_of_month(here.split('/')[2])}, contract period {here.split('/')[1]}"
        return {"words": said + ("" if version else ", replaced since"), "href": f"{here}/statement.html"}
    if news.what == "summary":
        return {"words": f"Summary of {words_of_month(here.split('/')[1])}", "href": f"{here}/summary.html"}
    if news.what == "guidance":
        return {"words": "New guidance", "href": f"{here}/index.html"}
    if here.endswith("/full"):
        return {"words": "Extract of DfE’s records", "href": f"{here}/index.html"}
    return {"words": "What changed in DfE’s records, for programs", "href": f"{here}/manifest.json"}


def _differing(front: Front) -> list[dict[str, object]]:
    """Differences of statements that are not paid, by statement and reason: those that can be put right first."""
    rows = front.differences.filter(pl.col("reason_code") != AGREED.code)
    sums = rows.group_by("statement_id", "reason_code", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("declarations"), pence_of("difference").sum().alias("difference")
    )
    of = {each.statement_id: each for each in front.versions}
    found = [
        {**row, "title": TITLES[row["reason_code"]], "version": of[row["statement_id"]],
         "is_to_put_right": row["reason_code"] in TO_PUT_RIGHT and of[row["statement_id"]].status == "open"}
        for row in sums.iter_rows(named=True)
    ]  # fmt: skip
    return sorted(found, key=lambda row: (not row["is_to_put_right"], -abs(row["difference"])))
