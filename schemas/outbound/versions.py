"""Versions of a statement: what was made and delivered, as the ledger keeps it."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True)
class Version:
    """A version of a statement. content_sha256: of all that it says (transforms.money.statement); total: in pounds."""

    statement_id: str
    version: int
    status: str
    content_sha256: str
    path: str
    total: Decimal


@dataclass(frozen=True)
class NewestVersion:
    """The last version of a statement. statement_month: YYYY-MM; total: in pounds; lines: as the ledger keeps them (JSON)."""

    statement_id: str
    contract_period: int
    statement_month: str
    fee_type: str
    deadline_date: date
    payment_date: date
    version: int
    status: str
    path: str
    total: Decimal
    lines: str
