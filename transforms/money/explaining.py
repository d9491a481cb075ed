"""How a line of a statement was made, in a sentence. Everything is read from the figures; nothing is computed anew."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from transforms.money.service_fees import SERVICE_FEE_MONTHS, ServiceFee

Line = dict[str, Any]


def explained(line: Line, statement: dict[str, Any], service_fee: ServiceFee) -> str:
    """line: a row of transforms.money.statements.Figures.lines. statement: its statement's facts. service_fee: its own."""
    say: dict[str, Callable[[], str]] = {
        "output": lambda: _unit(line),
        "clawback": lambda: _unit(line) + (" Clawed back from the highest band filled." if line["band"] else ""),
        "uplift": lambda: f"{_times(line)} declarations of started with an uplift flag, at the contract's uplift fee.",
        "uplift-clawback": lambda: f"{_times(line)} declarations clawed back that had earned an uplift.",
        "service-fee": lambda: _service_fee(service_fee),
        "adjustment": lambda: "Entered by DfE.",
        "vat": lambda: _vat(statement),
    }
    return say[line["section"]]()


def _rate(line: Line) -> str:
    return _plain(Decimal(abs(line["rate_micros"])) / 1_000_000)


def _times(line: Line) -> str:
    return f"{line['count']:,} × £{_rate(line)}:"


def _plain(amount: Decimal) -> str:
    """Exact, at least two decimals, with commas."""
    whole, _, fraction = f"{amount:,f}".partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


_NOTHING = {
    "nothing-left": "Nothing was left in the bands to claw back: £0.00.",
    "over-volume": "Over contract volume, beyond the last band: £0.00.",
    "no-price": "The contract has no price for it: £0.00.",  # such a statement is held back
}


def _unit(line: Line) -> str:
    if line["nothing_because"]:
        return _NOTHING[line["nothing_because"]]
    share = f"{_plain(line['proportion'])} (the share for {line['declaration_type']})"
    if line["band"] is None:
        made = f"{share} × £{_plain(line['fee'])} (fee for a mentor)"
    else:
        made = f"{share} × {_plain(line['ratio'])} (output part) × £{_plain(line['fee'])} (band {line['band']})"
    return f"{line['count']:,} × £{_rate(line)}, which is {made}."


def _service_fee(fee: ServiceFee) -> str:
    if fee.stated:
        return "The monthly service fee that the contract states."
    if not fee.has_bands:
        return "The contract has no bands, and so no service fee."
    parts = [f"{each.places:,} × £{each.fee:,} × {each.ratio} (band {each.band})" for each in fee.filled]
    less = f", less the set-up fee of £{_rounded(fee.setup)}" if fee.setup else ""
    return f"{' + '.join(parts) or '£0.00'} = £{_rounded(fee.whole)}{less}, divided by {SERVICE_FEE_MONTHS} months."


def _rounded(amount: Fraction) -> str:
    return f"{Decimal(round(amount * 100)) / 100:,.2f}"


def _vat(statement: dict[str, Any]) -> str:
    if not statement["vat_registered"]:
        return "You are not registered for VAT."
    return f"{(Decimal(statement['vat_rate']) * 100).normalize():f}% of all lines above, before rounding."
