"""What of the guidance is a lead provider's own: its deadlines, milestones, delivery partners, and its newest figures."""

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
from icalendar import Calendar, Event, vText

from schemas.facts import evidence_matrix, rows_of
from schemas.outbound.defusing import defused
from schemas.outbound.guidance import Band, Due, Whose
from templates.guidance.kinds import WHOSE
from templates.guidance.marking import Article, article, words_of_month
from templates.practice import titled
from templates.rendering import pounds
from templates.statement import BASIS_WORDS, SECTION_WORDS, line_words

_SECTIONS_SAID = {
    "output": "Declarations that this statement pays for, each at the price of its band.",
    "clawback": "Declarations that were paid before, and voided since. The money goes back to DfE.",
    "uplift": "An extra sum for some schools, in contract periods up to 2024. It comes with the type started.",
    "uplift-clawback": "The same, going back to DfE.",
    "service-fee": "A fixed sum each month, from your contract.",
    "adjustment": "A sum that DfE has added by hand, with a reason.",
    "vat": "Tax on all of it, if you charge VAT.",
}


def own_articles(whose: Whose, today: date) -> list[Article]:
    """Its articles, but the front page."""
    return [
        _five_minutes(whose, today),
        article("sending", "sending.md", whose=whose),
        article("evidence", "evidence.md", evidence=_evidence(whose)),
        _statements(whose),
        _calendar(whose, school_year(today)),
    ]


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
    found = {}
    for name, (columns, rows) in lists.items():
        cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
        table = pl.DataFrame(cells, schema=dict.fromkeys(columns, pl.String), orient="row")
        free = [each for each in columns if each.endswith("_name")]
        found[f"building/codes/{name}.csv"] = (defused(table, *free) if free else table).write_csv().encode()
    return found


def deadlines(whose: Whose, year: int, stamp: datetime) -> bytes:
    """deadlines.ics: a day for each deadline and each payment, from the school year on that began in `year`. An event keeps its id,
    whatever its day. stamp: when what it says was last changed."""
    found = Calendar()
    found.add("prodid", "-//DfE//ECT file exchange//EN")
    found.add("version", "2.0")
    found["x-wr-calname"] = vText(titled(f"ECT file exchange: {whose.name}"))
    for each in whose.statements:
        if each.payment_date < date(year, 9, 1):
            continue
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
    event.add("summary", titled(summary))
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
    """What is still to come this term; where no deadline is, the next one."""
    term, _, last = _term(today)
    coming = [each for each in whose.statements if each.takes_declarations and each.deadline_date >= today]
    until = max(last, min((each.deadline_date for each in coming), default=last))
    closing = _together([(each.deadline_date, each) for each in coming if each.deadline_date <= until])
    paid = _together([(each.payment_date, each) for each in whose.statements if today <= each.payment_date <= last])
    return article("five-minutes", "five-minutes.md", whose=whose, term=term, closing=closing, paid=paid)


def _together(days: list[tuple[date, Due]]) -> list[tuple[date, str, list[int]]]:
    """Day, month, contract periods: statements of one month with one day in one line."""
    found: dict[tuple[date, str], list[int]] = {}
    for day, due in days:
        found.setdefault((day, due.statement_month), []).append(due.contract_period)
    return [(*key, sorted(set(periods))) for key, periods in sorted(found.items())]


def _calendar(whose: Whose, year: int) -> Article:
    first, last = date(year, 9, 1), date(year + 1, 8, 31)
    closing = _together([(each.deadline_date, each) for each in whose.statements if each.takes_declarations])
    paid = _together([(each.payment_date, each) for each in whose.statements])
    told = [(day, "Last day to send", month, periods) for day, month, periods in closing]
    told += [(day, "Payment", month, periods) for day, month, periods in paid]
    days = sorted(each for each in told if first <= each[0] <= last)
    return article(
        "calendar", "calendar.md", whose=whose, year=year, days=days, milestones=_milestones(whose, first, last)
    )


def _milestones(whose: Whose, first: date, last: date) -> list[dict[str, Any]]:
    """Milestones that run between two days, of contract periods that are paid for then; types with the same days together."""
    frozen = {each.contract_period for each in whose.periods if each.frozen_at and each.frozen_at.date() < first}
    found: dict[tuple[Any, ...], list[str]] = {}
    for each in whose.milestones:
        if each.contract_period in frozen or each.start_date > last or (each.milestone_date or last) < first:
            continue
        key = (each.contract_period, each.schedule_identifier, each.start_date, each.milestone_date)
        found.setdefault(key, []).append(each.declaration_type)
    return [
        {"contract_period": period, "schedule": schedule, "types": types, "first": start, "last": end}
        for (period, schedule, start, end), types in found.items()
    ]


def _evidence(whose: Whose) -> list[dict[str, Any]]:
    """By role and by what holds in the contract period: types that take the same evidence together."""
    periods: dict[bool, list[int]] = {}
    for each in whose.periods:
        periods.setdefault(each.has_detailed_evidence, []).append(each.contract_period)
    found: dict[tuple[bool, str], dict[str, list[str]]] = {}
    for row in evidence_matrix().iter_rows(named=True):
        group = (row["detailed_evidence_types_enabled"], row["participant_type"])
        if group[0] in periods:
            words = found.setdefault(group, {}).setdefault(row["declaration_type"], [])
            words += [row["evidence_type"]] if row["evidence_type"] else []
    return [
        {
            "whose": WHOSE[role],
            "periods": ", ".join(map(str, sorted(set(periods[is_detailed])))),
            "rows": [([kind for kind in types if types[kind] == words], words) for words in _distinct(types)],
        }
        for (is_detailed, role), types in found.items()
    ]


def _distinct(types: dict[str, list[str]]) -> list[list[str]]:
    return [list(words) for words in dict.fromkeys(tuple(words) for words in types.values())]


def _statements(whose: Whose) -> Article:
    newest = whose.newest
    lines = json.loads(newest.lines) if newest else []
    told = [_line(each) for each in lines]
    period = newest.contract_period if newest else max((each.contract_period for each in whose.bands), default=0)
    bands = [each for each in whose.bands if each.contract_period == period]
    fees = [each.mentor_fee for each in whose.periods if each.contract_period == period and each.mentor_fee]
    return article(
        "statements",
        "statements.md",
        newest=newest,
        lines=told,
        total_is_of=told[-1]["amount"] if told else "",
        sections=[(words, _SECTIONS_SAID[section]) for section, words in SECTION_WORDS.items()],
        worked=next(filter(None, (_worked(each, bands) for each in lines)), ""),
        period=period,
        bands=[
            {"band": each.band, "places": f"{each.capacity:,}", "fee": pounds(each.fee), "part": _percent(each.ratio)}
            for each in bands
        ],
        mentor_fee=pounds(fees[0]) if fees else "",
        proportions=_proportions(whose),
        basis=BASIS_WORDS[whose.is_ordered],
        partners=whose.partners,
    )


def _worked(line: dict[str, Any], bands: list[Band]) -> str:
    """How one line in a band came about: its factors, as the contract and the type have them."""
    of = next((each for each in bands if each.band == line["band"]), None)
    if line["section"] != "output" or of is None or not line["rate"]:
        return ""
    share = Decimal(line["rate"]) / (of.fee * of.ratio)
    return (
        f"{line['declaration_type']} in band {of.band} is {pounds(of.fee)} × {_percent(of.ratio)} × {_percent(share)}, which is "
        f"£{Decimal(line['rate']):,}. {line['count']:,} of them make {pounds(Decimal(line['amount']))}."
    )


def _percent(part: Decimal) -> str:
    return f"{(part * 100).normalize():f}%"


def _proportions(whose: Whose) -> list[dict[str, Any]]:
    """What share of a fee a declaration is worth, under the contracts that they have; types with the same share together."""
    periods: dict[str, list[str]] = {}
    for each in whose.periods:
        periods.setdefault(each.contract_type, []).append(str(each.contract_period))
    found: dict[tuple[str, str, str], list[str]] = {}
    for row in rows_of("fee_proportions"):
        if row["contract_type"] in periods:
            key = (row["contract_type"], row["participant_type"], row["fee_proportion"])
            found.setdefault(key, []).append(row["declaration_type"])
    return [
        {
            "periods": ", ".join(sorted(set(periods[contract_type]))),
            "whose": WHOSE[role],
            "types": types,
            "share": _percent(Decimal(share)),
        }
        for (contract_type, role, share), types in found.items()
    ]


def _line(line: dict[str, Any]) -> dict[str, str]:
    """A line of a statement as it was delivered, for people."""
    if line["section"] == "total":
        return {"what": "Total", "count": "", "rate": "", "amount": pounds(Decimal(line["amount"]))}
    return {
        "what": line_words(line),
        "count": "" if line["count"] is None else f"{line['count']:,}",
        "rate": _rate(line),
        "amount": pounds(Decimal(line["amount"])),
    }


def _rate(line: dict[str, Any]) -> str:
    if not line["rate"]:
        return ""
    rate = Decimal(line["rate"])
    if line["section"] == "vat":
        return _percent(rate)
    return f"{'−' if rate < 0 else ''}£{abs(rate):,}"
