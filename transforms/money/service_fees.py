"""The service fee that every statement carries: what it is, and what it is made of.

Source: RECT app/services/payment_calculator/service_fees.rb; transforms/README.md, Service fee.
"""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

SERVICE_FEE_MONTHS = 29


@dataclass(frozen=True)
class Filled:
    """Places of one band that the contract's target fills, and what each adds: fee × ratio (the service part)."""

    band: str
    places: int
    fee: Decimal
    ratio: Decimal

    @property
    def amount(self) -> Fraction:
        return self.places * Fraction(self.fee) * Fraction(self.ratio)


@dataclass(frozen=True)
class ServiceFee:
    """A month's fee in pounds, exact. stated: the contract gives it as it is. Else filled, less setup, by months."""

    amount: Fraction
    stated: bool = False
    filled: tuple[Filled, ...] = ()
    setup: Fraction = Fraction()
    has_bands: bool = True

    @property
    def whole(self) -> Fraction:
        """What the bands come to, before the set-up fee and the months."""
        return sum((each.amount for each in self.filled), Fraction())


def monthly_service_fee(contract: dict[str, Any], terms: list[dict[str, Any]]) -> ServiceFee:
    """The fee that every statement of a contract carries.

    contract: monthly_service_fee (0 is a statement, null is not), recruitment_target, setup_fee. terms: the bands, lowest
    first. A target beyond all capacity earns nothing more.
    """
    stated: Decimal | None = contract["monthly_service_fee"]
    if stated is not None:
        return ServiceFee(Fraction(stated), stated=True)
    if not terms:
        return ServiceFee(Fraction(), has_bands=False)
    remaining, filled = contract["recruitment_target"], []
    for term in terms:
        places = min(remaining, term["capacity"])
        remaining -= places
        if places:
            filled.append(Filled(term["band"], places, term["fee_per_declaration"], term["service_fee_ratio"]))
    first = terms[0]["capacity"]
    setup = min(contract["recruitment_target"], first) * Fraction(contract["setup_fee"]) / first
    whole = sum((each.amount for each in filled), Fraction())
    return ServiceFee((whole - setup) / SERVICE_FEE_MONTHS, filled=tuple(filled), setup=setup)
