"""What of the guidance is a lead provider's own: its deadlines, milestones, delivery partners, and its newest figures."""

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
from icalendar import Calendar, Event

from schemas.facts import rows_of
from schemas.outbound.guidance import Due, Whose
from templates.guidance.kinds import WHOSE
from templates.guidance.marking import Article, article, words_of_month
from templates.rendering import pounds
from templates.statement import ROLES, SECTION_WORDS

_SECTIONS_SAID = {
    "output": "Declarations of this month. Each is worth a share of the fee of its band.",
    "clawback": "Declarations that were paid before, and voided since. The money goes back to DfE.",
    "uplift": "An extra sum for some schools, in contract periods up to 2024. It comes with the type started.",
    "uplift-clawback": "The same, going back to DfE.",
    "service-fee": "A fixed sum each month, from your contract.",
    "adjustment": "A sum that DfE has added by hand, with a reason.",
    "vat": "Tax on all of it, if you charge VAT.",
}


def own_articles(whose: Whose, today: date) -> list[Article]:
    """Its articles, but the front page."""
    return [_five_minutes(whose, today), _statements(whose), _calendar(whose, school_year(today))]


def own_lists(whose: Whose) -> dict[str, bytes]:
    """building/codes/your-….csv: its contract periods' statements, milestones and delivery partners, for programs."""
    partners = [
        (each.delivery_partner_id, each.name, year) for each in whose.partners for year in each.contract_periods
    ]
    lists = {
        "your-delivery-partners": (("delivery_partner_id", "delivery_partner_name", "contract_period"), partners),
        "your-statements": (
            ("statement_id", "contract_period", "statement_month", "fee_type", "deadline_date", "payment_date"),
            [tuple(vars(each).values()) for each in whose.statements],
        ),
        "your-milestones": (
            ("contract_period", "schedule_identifier", "declaration_type", "start_date", "milestone_date"),
            [tuple(vars(each).values()) for each in whose.milestones],
        ),
    }
    return {
        f"building/codes/{name}.csv": pl.DataFrame(rows, schema=list(columns), orient="row").write_csv().encode()
        for name, (columns, rows) in lists.items()
    }


def deadlines(whose: Whose, stamp: datetime) -> bytes:
    """deadlines.ics: a day for each deadline and each payment. An event keeps its id, whatever its day. stamp: when what it
    says was last changed."""
    found = Calendar()
    found.add("prodid", "-//DfE//ECT file exchange//EN")
    found.add("version", "2.0")
    found.add("x-wr-calname", f"ECT file exchange: {whose.name}")
    for each in whose.statements:
        of = f"the statement for {words_of_month(each.statement_month)}, contract period {each.contract_period}"
        if each.takes_declarations:
            said = f"Send what is to be paid with {of} by midnight, London time."
            found.add_component(_event(each, "deadline", each.deadline_date, f"Last day for {of}", said, stamp))
        paid = f"DfE expects to pay {of}, if it is authorised by then."
        found.add_component(_event(each, "payment", each.payment_date, f"Payment of {of}", paid, stamp))
    ical: bytes = found.to_ical()
    return ical


def _event(due: Due, what: str, day: date, summary: str, said: str, stamp: datetime) -> Event:
    event = Event()
    event.add("uid", f"{due.statement_id}-{what}@ect-file-exchange")
    event.add("dtstamp", stamp)
    event.add("dtstart", day)
    event.add("summary", summary)
    event.add("description", said)
    event.add("transp", "TRANSPARENT")
    return event


def school_year(day: date) -> int:
    """The year in which the school year of a day began, on 1 September."""
    return day.year if day.month >= 9 else day.year - 1


def _term(day: date) -> tuple[str, date, date]:
    """The term of a day: what it is called, its first day, its last one."""
    if day.month >= 9:
        return f"autumn term {day.year}, September to December", date(day.year, 9, 1), date(day.year, 12, 31)
    if day.month <= 4:
        return f"spring term {day.year}, January to April", date(day.year, 1, 1), date(day.year, 4, 30)
    return f"summer term {day.year}, May to August", date(day.year, 5, 1), date(day.year, 8, 31)


def _five_minutes(whose: Whose, today: date) -> Article:
    term, first, last = _term(today)
    closing = [each for each in whose.statements if each.takes_declarations and first <= each.deadline_date <= last]
    paid = [each for each in whose.statements if first <= each.payment_date <= last]
    return article(
        "five-minutes",
        "five-minutes.md",
        whose=whose,
        term=term,
        closing=closing,
        paid=sorted(paid, key=lambda each: (each.payment_date, each.contract_period)),
    )


def _calendar(whose: Whose, year: int) -> Article:
    first, last = date(year, 9, 1), date(year + 1, 8, 31)
    days = [
        {"day": day, "what": what, "statement_month": each.statement_month, "contract_period": each.contract_period}
        for each in whose.statements
        for day, what, is_told in (
            (each.deadline_date, "Last day to send", each.takes_declarations),
            (each.payment_date, "Payment", True),
        )
        if is_told and first <= day <= last
    ]
    days.sort(key=lambda each: (each["day"], each["what"], each["contract_period"]))
    running = [each for each in whose.milestones if each.start_date <= last and (each.milestone_date or last) >= first]
    return article("calendar", "calendar.md", whose=whose, year=year, days=days, milestones=running)


def _statements(whose: Whose) -> Article:
    newest = whose.newest
    lines = [_line(each) for each in json.loads(newest.lines)] if newest else []
    return article(
        "statements",
        "statements.md",
        newest=newest,
        lines=lines,
        total_is_of=lines[-1]["amount"] if lines else "",
        sections=[(words, _SECTIONS_SAID[section]) for section, words in SECTION_WORDS.items()],
        proportions=_proportions(whose),
        partners=whose.partners,
    )


def _proportions(whose: Whose) -> list[dict[str, str]]:
    """What share of a fee a declaration is worth, under the contracts that they have."""
    periods: dict[str, list[str]] = {}
    for period, contract_type in whose.contracts:
        periods.setdefault(contract_type, []).append(str(period))
    return [
        {
            "contract": ", ".join(periods[row["contract_type"]]),
            "whose": WHOSE[row["participant_type"]],
            "declaration_type": row["declaration_type"],
            "share": f"{Decimal(row['fee_proportion']) * 100:.0f}%",
        }
        for row in rows_of("fee_proportions")
        if row["contract_type"] in periods
    ]


def _line(line: dict[str, Any]) -> dict[str, str]:
    """A line of a statement as it was delivered, for people."""
    if line["section"] == "total":
        return {"what": "Total", "count": "", "rate": "", "amount": pounds(Decimal(line["amount"]))}
    kind = ", ".join(part for part in (line["declaration_type"], line["band"] and f"band {line['band']}") if part)
    who = f" ({ROLES[line['participant_type']]})" if line["participant_type"] else ""
    return {
        "what": f"{SECTION_WORDS[line['section']]}{who}{': ' + kind if kind else ''}",
        "count": "" if line["count"] is None else f"{line['count']:,}",
        "rate": _rate(line),
        "amount": pounds(Decimal(line["amount"])),
    }


def _rate(line: dict[str, Any]) -> str:
    if not line["rate"]:
        return ""
    rate = Decimal(line["rate"])
    if line["section"] == "vat":
        return f"{(rate * 100).normalize():f}%"
    return f"{'−' if rate < 0 else ''}£{abs(rate):,}"
