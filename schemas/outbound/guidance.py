"""What the guidance of a lead provider is made of: what is its own."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

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
class Band:
    """A band of a contract. fee: of a place, in pounds; ratio: the part of it that is paid for outputs."""

    contract_period: int
    band: str
    capacity: int
    fee: Decimal
    ratio: Decimal


@dataclass(frozen=True)
class Period:
    """A contract period of a contract of theirs. mentor_fee: in pounds; None: mentors are in the bands."""

    contract_period: int
    contract_type: str
    has_detailed_evidence: bool
    has_mentor_funding: bool
    frozen_at: datetime | None
    mentor_fee: Decimal | None


@dataclass(frozen=True)
class Whose:
    """A lead provider, and what its guidance is made of. newest: the version whose figures are shown; None: there is none.
    is_ordered: delivery partners' shares go by the ordered rule. contact: whom they ask, in words."""

    lead_provider_id: str
    name: str
    statements: tuple[Due, ...] = ()
    milestones: tuple[Milestone, ...] = ()
    partners: tuple[Partner, ...] = ()
    periods: tuple[Period, ...] = ()
    bands: tuple[Band, ...] = ()
    newest: NewestVersion | None = None
    vat_registered: bool = True
    is_ordered: bool = False
    contact: str = "your contact at DfE"
