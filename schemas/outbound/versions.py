"""Versions of a statement: what was made and delivered, as the ledger keeps it."""

from dataclasses import dataclass
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
