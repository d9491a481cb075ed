"""Templates filled: pages that escape what is put into them, and texts that do not; money as people read and type it."""

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from schemas.instants import in_london, london_day, long_day
from templates.cards import with_cards
from templates.practice import WORDS, is_practice

if TYPE_CHECKING:  # loaded with the first template: money is put in words without any
    from jinja2.sandbox import ImmutableSandboxedEnvironment

INTERFACE_VERSION = "1"


def pounds(amount: Decimal) -> str:
    """£1,234.50; −£12.00 for money owed to DfE."""
    return f"{'−' if amount < 0 else ''}£{abs(amount):,.2f}"


_TYPED = re.compile(r"([-−])?\s*£?\s*([-−])?\s*(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d{2}))?")


def typed_pounds(text: str) -> Decimal:
    """Pounds as a person types them: 1234.50, £1,234.50, -12.00. Raises ValueError where it is none of these."""
    found = _TYPED.fullmatch(text.strip())
    if found is None or (found[1] and found[2]):
        raise ValueError(text)
    amount = Decimal(f"{found[3].replace(',', '')}.{found[4] or '00'}")
    return -amount if found[1] or found[2] else amount


def pence_in_pounds(pence: int) -> str:
    """The same from whole pence."""
    return pounds(Decimal(pence) / 100)


@cache
def templates(escaped: bool = True) -> "ImmutableSandboxedEnvironment":
    """The templates, sandboxed: a missing name is an error; everything put into a page is escaped, into a text it is not."""
    from jinja2 import FileSystemLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(str(files("templates"))),
        autoescape=escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=not escaped,
    )
    environment.filters |= {
        "in_london": in_london,
        "pounds": pounds,
        "pence": pence_in_pounds,
        "day_of": lambda instant: long_day(london_day(datetime.fromisoformat(instant))),
        "as_pounds": lambda typed: pounds(Decimal(typed)) if typed else "",
        "long_day": long_day,
        "thousands": "{:,}".format,
    }
    return environment


def page(template: str, **facts: Any) -> str:
    """An HTML page."""
    return with_cards(templates().get_template(template).render(practice=WORDS if is_practice() else "", **facts))


def text(template: str, filters: dict[str, Callable[..., str]], **facts: Any) -> str:
    """A file of plain text; its filters write values the way its readers need."""
    environment = templates(escaped=False).overlay()
    environment.filters = environment.filters | filters
    return environment.get_template(template).render(**facts)
