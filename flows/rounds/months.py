"""What stands beside the statements of a mailbox: each month's summary, and the ledger. Both are made of the files of the newest
versions, as they lie in the outbox, whenever there are newer ones than they are of."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path

import pandera.polars as pa
import polars as pl

from data.accounts import clawback_pairs
from data.ledger.deliveries import DeliveryRow
from flows.installation import Installation, LeadProvider
from flows.rounds.places import month_folder, month_path
from schemas.outbound.statements import DECLARATIONS, DISCREPANCIES, PARTNERS
from schemas.outbound.versions import NewestVersion
from schemas.vocabulary import OF_DECLARATIONS, SECTIONS
from sftp.durable import on_disk
from sftp.mailbox import MailboxError
from templates.month import Month
from templates.month_files import LAST_FILE, write_month
from templates.statement_files import LAST_FILE as VERSIONS_LAST_FILE
from transforms.money.months import (
    distinct_names,
    first_month_of_year,
    ledger_rows,
    not_adding_up,
    summary_rows,
    year_so_far,
)
from transforms.money.version_changes import pence_of

_OF_MONEY = tuple(section for section in SECTIONS if section != "total")


def months_to_sum(installation: Installation, provider: LeadProvider) -> list[str]:
    """The months whose summary is not of the newest versions, or is not there: new ones, ones that a statement has left, ones
    whose making failed before. With them later months of the same financial year, since they say what each partner got so far.
    """
    newest = installation.versions.newest_by_month(provider.lead_provider_id)
    made = installation.deliveries.summaries(provider.lead_provider_id)
    months = sorted({*newest, *(path.rsplit("/", 1)[1] for path in made)})
    moved = [month for month in months if newest.get(month, {}) != _summed(installation, provider, made, month)]
    year = {first_month_of_year(month): month for month in reversed(moved)}  # its earliest month that moved
    return [month for month in months if month >= year.get(first_month_of_year(month), "9999")]


def _summed(
    installation: Installation, provider: LeadProvider, made: dict[str, str], month: str
) -> dict[str, int] | None:
    """The versions that the last summary of a month is of: statement_id → number. None: there is none, or it cannot be read."""
    path = month_path(month)
    if path not in made:
        return None
    manifest = month_folder(installation.outbox, provider.lead_provider_id, path, made[path]) / LAST_FILE
    try:
        said = json.loads(manifest.read_text(encoding="utf-8"))
        return {each["statement_id"]: each["version"] for each in said["statements"]}
    except (OSError, ValueError, LookupError, TypeError):
        return None


@contextmanager
def _told_by_place() -> Iterator[None]:
    """Libraries put rows into what they say of a failure; operators are told without."""
    try:
        yield
    except (pa.errors.SchemaError, pa.errors.SchemaErrors, pl.exceptions.PolarsError) as error:
        told = f"no summary or ledger can be made of the statements' files in the store ({type(error).__name__})"
        raise MailboxError(told) from None


@_told_by_place()
def promise_summaries(installation: Installation, provider: LeadProvider, wanted: list[str], now: datetime) -> bytes:
    """Make the summaries of these months, and owe them. Returns the ledger that goes with them (ledger.csv).

    Raises MailboxError where the files of a version are not in the store as they were delivered, or do not add up.
    """
    standing = _Standing.of(installation, provider)
    promised = [
        (said.month, _written(installation, provider, said))
        for said in _months(installation, provider, standing, wanted, now)
    ]
    with installation.database.write() as connection:
        for month, sha256 in promised:
            installation.deliveries.owe(
                connection, lead_provider_id=provider.lead_provider_id, what="summary", path=month_path(month),
                last_file=LAST_FILE, sha256=sha256, owed_since=now,
            )  # fmt: skip
    return standing.ledger_file()


@_told_by_place()
def ledger_file(installation: Installation, provider: LeadProvider) -> bytes:
    """ledger.csv by itself, of the newest versions as they stand. Raises MailboxError as above."""
    return _Standing.of(installation, provider).ledger_file()


def sweep_summaries(installation: Installation, delivered: list[DeliveryRow]) -> None:
    """Remove what lies in the outbox of summaries that those delivered now have replaced. The caller holds the mailbox."""
    for delivery in delivered:
        if delivery.what == "summary":
            stays = month_folder(installation.outbox, delivery.lead_provider_id, delivery.path, delivery.sha256)
            for each in stays.parent.glob(f"{Path(delivery.path).name}.*"):
                if each != stays:
                    shutil.rmtree(each, ignore_errors=True)


@dataclass(frozen=True)
class _Standing:
    """The newest versions of a lead provider's statements: heads (transforms.money.months.HEADS), lines (statement_id, section,
    amount), the ledger, names of delivery partners by id."""

    versions: list[NewestVersion]
    heads: pl.DataFrame
    lines: pl.DataFrame
    ledger: pl.DataFrame
    names: dict[str, str]

    @classmethod
    def of(cls, installation: Installation, provider: LeadProvider) -> "_Standing":
        versions = installation.versions.newest_of(provider.lead_provider_id)
        heads = pl.DataFrame(
            [(each.statement_id, each.contract_period, each.statement_month, each.status, each.version) for each in versions],
            schema={"statement_id": pl.String, "contract_period": pl.Int64, "statement_month": pl.String,
                    "status": pl.String, "version": pl.Int64},
            orient="row",
        )  # fmt: skip
        lines = pl.DataFrame(
            [(each.statement_id, line["section"], line["amount"]) for each in versions for line in json.loads(each.lines)],
            schema=dict.fromkeys(("statement_id", "section", "amount"), pl.String), orient="row",
        )  # fmt: skip
        declarations = _read(installation, provider, versions, DECLARATIONS.name, DECLARATIONS.columns)
        with installation.database.read() as reader:
            pairs = clawback_pairs(reader, provider.lead_provider_id)
            named = reader.frame("SELECT delivery_partner_id, name FROM delivery_partners")
        money = declarations.with_columns(pence=pence_of("amount") + pence_of("uplift_amount"))
        _demand(not_adding_up(heads, lines, money, OF_DECLARATIONS))
        names = distinct_names(declarations, named)
        return cls(versions, heads, lines, ledger_rows(heads, declarations, pairs), names)

    def ledger_file(self) -> bytes:
        out = BytesIO()
        self.ledger.write_csv(out)
        return out.getvalue()


def _months(
    installation: Installation, provider: LeadProvider, standing: _Standing, wanted: list[str], now: datetime
) -> list[Month]:
    """What the summaries of these months say. Read and added up once for all of them."""
    versions = [each for each in standing.versions if each.statement_month in wanted]
    heads = standing.heads.filter(pl.col("statement_month").is_in(wanted))
    rows = summary_rows(heads, standing.lines, _read(installation, provider, versions, PARTNERS.name, PARTNERS.columns))
    _demand(not_adding_up(heads, standing.lines, rows, _OF_MONEY))
    _demand(not_adding_up(heads, standing.lines, rows, ("total",)))
    expected = _read(installation, provider, versions, DISCREPANCIES.name, DISCREPANCIES.columns, may_lack=True)
    elsewhere = installation.versions.months_paid_elsewhere(provider.lead_provider_id)
    expected = expected.join(heads.select("statement_id", "statement_month"), on="statement_id", maintain_order="left")
    return [
        Month(
            provider.name,
            month,
            [each for each in versions if each.statement_month == month],
            rows.filter(statement_month=month),
            expected.filter(statement_month=month),
            year_so_far(standing.ledger, month, standing.names),
            standing.names,
            [each for each in elsewhere if first_month_of_year(month) <= each <= month],
            now,
        )
        for month in wanted
    ]


def _written(installation: Installation, provider: LeadProvider, said: Month) -> str:
    """Write a month's summary into the outbox. Returns the SHA-256 of its manifest."""
    unfinished = installation.outbox / provider.lead_provider_id / f"{month_path(said.month)}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    sha256 = write_month(unfinished, said)
    folder = month_folder(installation.outbox, provider.lead_provider_id, month_path(said.month), sha256)
    shutil.rmtree(folder, ignore_errors=True)  # of a try that was cut off
    unfinished.rename(folder)
    on_disk([folder], installation.outbox)
    return sha256


def _demand(wrong: list[str]) -> None:
    if wrong:
        raise MailboxError(f"statement {wrong[0]}: its files do not add up to its lines; no summary or ledger is made")


def _read(
    installation: Installation,
    provider: LeadProvider,
    versions: list[NewestVersion],
    name: str,
    columns: list[str],
    may_lack: bool = False,
) -> pl.DataFrame:
    """One file of each version, as text, with statement_id. Raises MailboxError where it is not there, unless it may lack, and
    where it is not the one that was delivered."""
    found = [pl.DataFrame(schema=dict.fromkeys(("statement_id", *columns), pl.String))]
    for each in versions:
        folder = installation.outbox / provider.lead_provider_id / each.path
        content = _as_delivered(folder, each.path, f"{name}.csv", may_lack)
        if content is None:
            continue
        rows = pl.read_csv(content, infer_schema=False)
        own = pl.lit(each.statement_id).alias("statement_id")
        found.append(rows.select(own, *(column for column in columns if column in rows.columns)))
    return pl.concat(found, how="diagonal")


def _as_delivered(folder: Path, shown: str, name: str, may_lack: bool) -> bytes | None:
    """A file of a version's folder in the store; None where the version has none and may lack it. What is said of one that is not
    as delivered names its place alone."""
    try:
        files = json.loads((folder / VERSIONS_LAST_FILE).read_text(encoding="utf-8"))["files"]
        listed = {each["name"]: each["sha256"] for each in files}
        if may_lack and name not in listed:
            return None
        content = (folder / name).read_bytes()
    except (OSError, ValueError, KeyError):
        raise MailboxError(f"{shown}/{name} is not in the store: put it back from a backup") from None
    if listed.get(name) != hashlib.sha256(content).hexdigest():
        raise MailboxError(f"{shown}/{name} in the store is not as it was delivered: put it back from a backup")
    return content
