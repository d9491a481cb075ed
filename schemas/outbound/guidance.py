"""What the guidance of a lead provider is made of: what is its own."""

from dataclasses import dataclass
from datetime import date

from schemas.outbound.versions import NewestVersion


@dataclass(frozen=True)
class Due:
    """A statement of a lead provider, with its days. statement_month: YYYY-MM."""

    statement_id: str
    contract_period: int
    statement_month: str
    fee_type: str
    deadline_date: date
    payment_date: date

    @property
    def takes_declarations(self) -> bool:
        return self.fee_type == "output"


@dataclass(frozen=True)
class Milestone:
    """A milestone of a schedule that somebody of theirs is on. milestone_date: its last day; None: no end."""

    contract_period: int
    schedule_identifier: str
    declaration_type: str
    start_date: date
    milestone_date: date | None


@dataclass(frozen=True)
class Partner:
    """A delivery partner, and the contract periods in which they may work together."""

    delivery_partner_id: str
    name: str
    contract_periods: tuple[int, ...]


@dataclass(frozen=True)
class Whose:
    """A lead provider, and what its guidance is made of. contracts: contract period and type of contract. newest: the version whose
    figures are shown; None: there is none."""

    lead_provider_id: str
    name: str
    statements: tuple[Due, ...] = ()
    milestones: tuple[Milestone, ...] = ()
    partners: tuple[Partner, ...] = ()
    contracts: tuple[tuple[int, str], ...] = ()
    newest: NewestVersion | None = None
