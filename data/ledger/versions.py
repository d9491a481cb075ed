"""Versions of statements that were made, as they were delivered."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Subquery, func, insert, literal, select

from data.ledger.asking import Asking
from data.tables import RECORD_TABLES, deliveries, lead_providers, statement_versions, statements
from schemas.outbound.versions import NewestVersion, Version

contracts = RECORD_TABLES["contracts"]


@dataclass(frozen=True)
class FinalVersion:
    """A statement that is payable or paid in the records, with its last version (version_status: as that has it)."""

    lead_provider_id: str
    lead_provider_name: str
    contract_period: int
    statement_month: str
    statement_id: str
    fee_type: str
    status: str
    deadline_date: date
    payment_date: date
    version: int | None
    version_status: str | None
    lines: str


@dataclass(frozen=True)
class PaidVersion:
    """The paid version of a statement, and the SHA-256 of its manifest."""

    statement_id: str
    lead_provider_id: str
    contract_period: int
    version: int
    path: str
    sha256: str


@dataclass(frozen=True)
class DeliveredVersion:
    """A version of a statement, the SHA-256 of its manifest, and when it was delivered; None while it is owed."""

    version: int
    status: str
    path: str
    total: Decimal
    sha256: str
    delivered_at: datetime | None


@dataclass(frozen=True)
class VersionOfPath:
    """What the index says of a statement's folder. month: YYYY-MM; total in pounds."""

    month: str
    contract_period: int
    status: str
    total: Decimal


_VERSION = [statement_versions.c[name] for name in Version.__dataclass_fields__]


def _as_delivered(*columns: ColumnElement[Any]) -> Select[Any]:
    """Versions of statements with their contract and the delivery of their folder; those never delivered are left out."""
    v, c, d = statement_versions.c, contracts.c, deliveries.c
    return _with_contracts(*columns).join(deliveries, (d.path == v.path) & (d.lead_provider_id == c.lead_provider_id))


def _with_contracts(*columns: ColumnElement[Any]) -> Select[Any]:
    """Versions of statements with their contract."""
    v, s, c = statement_versions.c, statements.c, contracts.c
    return (
        select(*columns)
        .join_from(statement_versions, statements, s.statement_id == v.statement_id)
        .join(contracts, c.contract_id == s.contract_id)
    )


def _last_numbers() -> Subquery:
    """statement_id, version: the last number of each statement that has one."""
    v = statement_versions.c
    return select(v.statement_id, func.max(v.version).label("version")).group_by(v.statement_id).subquery()


class Versions(Asking):
    """See data.tables.statement_versions."""

    def last_of_all(self) -> dict[str, Version]:
        """The last version of every statement that has one."""
        c = statement_versions.c
        last = _last_numbers()
        same = (c.statement_id == last.c.statement_id) & (c.version == last.c.version)
        return {row[0]: Version(*row) for row in self._all(select(*_VERSION).join(last, same))}

    def newest_of(self, lead_provider_id: str) -> list[NewestVersion]:
        """The last version of each of a lead provider's statements that has one, by month and contract period."""
        v, s, c = statement_versions.c, statements.c, contracts.c
        last = _last_numbers()
        query = (
            select(
                v.statement_id, c.contract_period, s.year, s.month, s.fee_type, s.deadline_date, s.payment_date, v.version,
                v.status, v.path, v.total, v.lines,
            )
            .join_from(statement_versions, last, (v.statement_id == last.c.statement_id) & (v.version == last.c.version))
            .join(statements, s.statement_id == v.statement_id)
            .join(contracts, c.contract_id == s.contract_id)
            .where(c.lead_provider_id == lead_provider_id)
            .order_by(s.year, s.month, c.contract_period, v.statement_id)
        )  # fmt: skip
        return [
            NewestVersion(own, period, f"{year}-{month:02}", *rest)
            for own, period, year, month, *rest in self._all(query)
        ]

    def newest_by_month(self, lead_provider_id: str) -> dict[str, dict[str, int]]:
        """Months (YYYY-MM) of a lead provider's statements → the last version of each: statement_id → its number."""
        v, s, c = statement_versions.c, statements.c, contracts.c
        query = (
            _with_contracts(s.year, s.month, v.statement_id, func.max(v.version))
            .where(c.lead_provider_id == lead_provider_id)
            .group_by(s.year, s.month, v.statement_id)
        )
        found: dict[str, dict[str, int]] = {}
        for year, month, statement_id, version in self._all(query):
            found.setdefault(f"{year}-{month:02}", {})[statement_id] = version
        return found

    def months_paid_elsewhere(self, lead_provider_id: str) -> list[str]:
        """Months (YYYY-MM) of a lead provider's statements that DfE's records brought along as paid: none was made here."""
        v, s, c = statement_versions.c, statements.c, contracts.c
        query = (
            select(s.year, s.month)
            .join_from(statements, contracts, c.contract_id == s.contract_id)
            .join(statement_versions, v.statement_id == s.statement_id, isouter=True)
            .where(c.lead_provider_id == lead_provider_id, s.status == "paid", v.statement_id.is_(None))
            .distinct()
            .order_by(s.year, s.month)
        )
        return [f"{year}-{month:02}" for year, month in self._all(query)]

    def of_paths(self, lead_provider_id: str) -> dict[str, VersionOfPath]:
        """Every version of a lead provider's statements, by its folder: what the index says of it."""
        v, s, c = statement_versions.c, statements.c, contracts.c
        query = _with_contracts(v.path, s.year, s.month, c.contract_period, v.status, v.total).where(
            c.lead_provider_id == lead_provider_id
        )
        return {path: VersionOfPath(f"{year}-{month:02}", *rest) for path, year, month, *rest in self._all(query)}

    def lines(self, statement_id: str, version: int) -> list[dict[str, Any]]:
        """The lines of a version as they were delivered: section, count, rate, amount and so on."""
        c = statement_versions.c
        query = select(c.lines).where(c.statement_id == statement_id, c.version == version)
        found: list[dict[str, Any]] = json.loads(self._all(query)[0][0])
        return found

    def final(self, year: int, month: int) -> list[FinalVersion]:
        """The payable and paid statements of a month, by lead provider and contract period.

        Left out: those that DfE's records brought along as paid, of which no version was ever made here.
        """
        v, s, c, p = statement_versions.c, statements.c, contracts.c, lead_providers.c
        last = _last_numbers()
        query = (
            select(
                c.lead_provider_id, p.name, c.contract_period, literal(f"{year}-{month:02}"), s.statement_id, s.fee_type,
                s.status, s.deadline_date, s.payment_date, v.version, v.status, func.coalesce(v.lines, "[]"),
            )
            .join(contracts, c.contract_id == s.contract_id)
            .join(lead_providers, p.lead_provider_id == c.lead_provider_id)
            .outerjoin(last, last.c.statement_id == s.statement_id)
            .outerjoin(
                statement_versions, (v.statement_id == last.c.statement_id) & (v.version == last.c.version)
            )
            .where(s.year == year, s.month == month)
            .where((s.status == "payable") | ((s.status == "paid") & v.version.is_not(None)))
            .order_by(p.name, c.contract_period, s.statement_id)
        )  # fmt: skip
        return [FinalVersion(*row) for row in self._all(query)]

    def paid(self, statement_id: str | None = None) -> list[PaidVersion]:
        """The paid version of every statement that has one, or of the one named; by lead provider and contract period."""
        v, c, d = statement_versions.c, contracts.c, deliveries.c
        query = (
            _as_delivered(v.statement_id, c.lead_provider_id, c.contract_period, v.version, v.path, d.sha256)
            .where(v.status == "paid")
            .order_by(c.lead_provider_id, c.contract_period, v.statement_id)
        )
        if statement_id is not None:
            query = query.where(v.statement_id == statement_id)
        return [PaidVersion(*row) for row in self._all(query)]

    def newest(self, statement_id: str) -> DeliveredVersion | None:
        """The last version of a statement that was made."""
        v, d = statement_versions.c, deliveries.c
        query = (
            _as_delivered(v.version, v.status, v.path, v.total, d.sha256, d.delivered_at)
            .where(v.statement_id == statement_id)
            .order_by(v.version.desc())
            .limit(1)
        )
        rows = self._all(query)
        return DeliveredVersion(*rows[0]) if rows else None

    @staticmethod
    def add(connection: Connection, **version: Any) -> None:
        connection.execute(insert(statement_versions).values(**version))
