"""One statement, about to be a version: its figures as its files and pages show them."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from schemas.outbound.versions import Version
from transforms.money.service_fees import ServiceFee

Rows = list[dict[str, Any]]

ROWS_SHOWN = 50  # of a long list, on a page
# How long before its deadline an open statement is first delivered, though nothing is on it yet.
FIRST_DELIVERED = timedelta(days=62)


@dataclass(frozen=True)
class Statement:
    """One statement, about to be a version.

    facts: a row of schemas.accounts.Accounts.statements. content: a digest of everything that it says. lines: of
    transforms.money.statements.Figures, with rate and amount as text. counts, filling, partners, reasons, overflown: rows of
    transforms.money.overview. differing: what differs, as transforms.money.told_once has it. earlier: earlier statements of
    its lead provider and contract period: year, month, status, pence.
    """

    facts: dict[str, Any]
    version: int
    previous: Version | None
    is_ordered: bool
    content: str
    lines: Rows
    service_fee: ServiceFee
    counts: Rows = field(default_factory=list)
    filling: Rows = field(default_factory=list)
    partners: Rows = field(default_factory=list)
    reasons: Rows = field(default_factory=list)
    differing: Rows = field(default_factory=list)
    overflown: Rows = field(default_factory=list)
    earlier: Rows = field(default_factory=list)

    @property
    def declarations(self) -> int:
        """How many declarations are on it, voided ones too."""
        return sum(row["output"] + row["clawback"] + row["voided"] for row in self.counts)

    @property
    def statement_id(self) -> str:
        return str(self.facts["statement_id"])

    @property
    def month(self) -> str:
        return f"{self.facts['year']}-{self.facts['month']:02}"

    @property
    def total_pence(self) -> int:
        return int(self.lines[-1]["pence"])

    @property
    def total(self) -> Decimal:
        return Decimal(self.total_pence) / 100

    @property
    def path(self) -> str:
        place = f"from-dfe/statements/{self.facts['contract_period']}/{self.month}"
        return f"{place}/v{self.version:02}-{self.facts['status']}"

    @property
    def has_changed(self) -> bool:
        return self.previous is None or self.previous.content_sha256 != self.content

    def is_wanted(self, today: date) -> bool:
        """Whether it is time to deliver it: it was delivered before, is no longer open, something is on it or expected of
        it, or its deadline is near."""
        is_bare = not (self.declarations or self.reasons or any(line["section"] == "adjustment" for line in self.lines))
        is_far = self.facts["deadline_date"] > today + FIRST_DELIVERED
        return self.previous is not None or self.facts["status"] != "open" or not (is_bare and is_far)

    @property
    def sums(self) -> dict[str, int]:
        """Pence by section."""
        sums: dict[str, int] = {}
        for line in self.lines:
            sums[line["section"]] = sums.get(line["section"], 0) + line["pence"]
        return sums

    @property
    def amounts(self) -> dict[str, str]:
        """Control totals: pounds by section."""
        return {section: f"{Decimal(pence) / 100:.2f}" for section, pence in self.sums.items()}


@dataclass(frozen=True)
class Changes:
    """Against the version before: its status and sums (pence by section), how many rows of each change, the rows of
    changes.csv (with difference in pence). store_is_gone: its files are no longer held."""

    status: str
    before: dict[str, int]
    counts: dict[str, int]
    rows: Rows
    store_is_gone: bool = False
