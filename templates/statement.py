"""What a statement's pages say: figures come ready-made, words are chosen here, and templates lay them out."""

import calendar
from datetime import datetime
from typing import Any

from schemas.discrepancies import AGREED, TITLES
from schemas.instants import long_day
from templates.charts import filling_chart, partners_chart, totals_chart
from templates.rendering import page, pence_in_pounds
from transforms.money.explaining import explained
from transforms.money.statement import ROWS_SHOWN, Changes, Statement
from transforms.money.told_once import differ

SECTION_WORDS = {
    "output": "Output payments",
    "clawback": "Clawbacks",
    "uplift": "Uplift fees",
    "uplift-clawback": "Uplift clawbacks",
    "service-fee": "Service fee",
    "adjustment": "Additional adjustments",
    "vat": "VAT",
}
# Reasons told one by one under each heading; what has others is left to discrepancies.csv.
GROUPS_SHOWN = 50
# What no delivery partner gets.
NOBODYS = ("service-fee", "adjustment", "vat")
STATUS_WORDS = {
    "open": "So far: it changes as declarations arrive, until the deadline has passed.",
    "payable": "Closed to new declarations; a void can still change it until it is authorised.",
    "paid": "Authorised for payment. These figures will not change.",
}
# Of a statement that takes no declarations.
SERVICE_STATUS_WORDS = {
    "open": "So far: it takes no declarations; an adjustment can still change it.",
    "payable": "Closed; an adjustment can still change it until it is authorised.",
    "paid": STATUS_WORDS["paid"],
}
BASIS_WORDS = {
    True: "each declaration at the band it was placed in, oldest first.",
    False: "every declaration of a type at that type’s average rate on this statement, so that no partner gains by "
    "declaring early.",
}
ROLES = {"ect": "ECTs", "mentor": "Mentors", None: ""}
ROLE_PREFIX = {"ect": "", "mentor": "mentors, ", None: ""}


def month_words(year: int, month: int) -> str:
    """A statement's month, for people: January 2027."""
    return f"{calendar.month_name[month]} {year}"


def status_words(facts: dict[str, Any]) -> str:
    """What a statement's status means for its figures."""
    return (STATUS_WORDS if facts["fee_type"] == "output" else SERVICE_STATUS_WORDS)[facts["status"]]


def statement_page(statement: Statement, changes: Changes | None, as_of: datetime, pages: dict[str, str]) -> str:
    """statement.html of one version. pages: by delivery partner's id, the path of its own page."""
    facts, sums = statement.facts, statement.sums
    chart = filling_chart(statement.filling, ROLE_PREFIX)
    attributed = sum(partner["pence"] for partner in statement.partners)
    return page(
        "statement.html",
        facts=facts,
        month=month_words(facts["year"], facts["month"]),
        version=statement.version,
        previous=statement.previous.path if statement.previous else None,
        as_of=as_of,
        status_words=status_words(facts),
        takes_declarations=facts["fee_type"] == "output",
        overview=[(words, sums[section]) for section, words in SECTION_WORDS.items() if section in sums],
        total=statement.total_pence,
        section_words=SECTION_WORDS,
        roles=ROLES,
        parted=facts["contract_type"] != "ecf",
        lines=[_shown(line) for line in statement.lines[:-1]],
        made=_made(statement),
        counts=statement.counts,
        over_volume=sum(row["over_volume"] for row in statement.counts),
        unrefunded=sum(row["unrefunded"] for row in statement.counts),
        filling=statement.filling,
        filling_chart=chart,
        gives_back=chart is not None and any(bar.kind == "back" for bar in chart.bars),
        partners=[{**each, "page": pages.get(each["delivery_partner_id"])} for each in statement.partners],
        partners_chart=partners_chart(statement.partners),
        to_pass_on=attributed,
        nobodys=[(SECTION_WORDS[name], sums[name]) for name in NOBODYS if name in sums],
        vat=sums["vat"],
        month_path=statement.month,
        basis_words=BASIS_WORDS[statement.is_ordered],
        earlier=_earlier(statement),
        earlier_chart=totals_chart(_earlier(statement)),
        changes=_changes(statement, changes) if changes else None,
        **_differences(statement),
    )


def _shown(line: dict[str, Any]) -> dict[str, Any]:
    rate = line["rate"]
    if line["section"] == "vat":
        percent = (line["rate_micros"] or 0) / 10_000
        return {**line, "rate": f"{percent:g}%" if percent else ""}
    return {**line, "rate": "" if rate is None else f"−£{rate[1:]}" if rate.startswith("-") else f"£{rate}"}


def line_words(line: dict[str, Any]) -> str:
    """Which line of a statement it is: section, role, type and band, as the line has them."""
    kind = ", ".join(part for part in (line["declaration_type"], line["band"] and f"band {line['band']}") if part)
    who = f" ({ROLES[line['participant_type']]})" if line["participant_type"] else ""
    return f"{SECTION_WORDS[line['section']]}{who}{': ' + kind if kind else ''}"


def _made(statement: Statement) -> list[dict[str, Any]]:
    """Each line in words: which one it is, and how it was made."""
    made = []
    for line in statement.lines[:-1]:
        how = explained(line, statement.facts, statement.service_fee)
        made.append({"what": line_words(line), "how": f"{how} {line['label'] or ''}".strip(), "pence": line["pence"]})
    return made


def _earlier(statement: Statement) -> list[dict[str, Any]]:
    """Earlier statements of the same contract period, where their figures are known, and this one; oldest first."""
    if not statement.earlier:
        return []
    own = {"year": statement.facts["year"], "month": statement.facts["month"], "status": statement.facts["status"]}
    rows = [*statement.earlier, {**own, "pence": statement.total_pence}]
    return [
        {
            **row,
            "month": month_words(row["year"], row["month"]),
            "short": f"{calendar.month_abbr[row['month']]} {row['year'] % 100:02}",
        }
        for row in rows
    ]


def _changes(statement: Statement, changes: Changes) -> dict[str, Any]:
    sections = [
        {"words": words, "before": changes.before.get(section, 0), "now": statement.sums.get(section, 0)}
        for section, words in (*SECTION_WORDS.items(), ("total", "Total"))
    ]
    moved = [row for row in sections if row["before"] != row["now"]]
    was, now = changes.status, statement.facts["status"]
    words = [f"It was {was} and is {now} now." if was != now else ""]
    counted = [f"{number:,} {what}" for what, number in changes.counts.items() if number]
    if counted:
        words.append(f"Declarations and sections: {', '.join(counted)}.")
    if not moved:
        words.append("No figure has changed." if not counted else "The sums have not changed.")
    if changes.store_is_gone:
        words.append("The files of the version before are no longer held, so that only sums are compared.")
    return {
        "version": statement.version - 1,
        "words": " ".join(word for word in words if word),
        "sections": moved,
        "shown": changes.rows[:ROWS_SHOWN],
        "count": len(changes.rows),
        "has_file": not changes.store_is_gone,
    }


def _verdict(whole: dict[str, int], differing: list[dict[str, Any]]) -> str:
    """In a sentence, how what is due for the declarations compared differs from what was expected."""
    count = differ(differing)
    if whole["difference"]:
        why = (
            "and the reasons below explain all of it"
            if count
            else "in pence that are shared anew, never more than one each"
        )
        return f"The difference is {pence_in_pounds(whole['difference'])}, {why}."
    if not count:
        return "The two agree."
    several = "1 declaration" if count == 1 else f"{count:,} declarations"
    if any(group["difference"] for group in differing):
        return f"The sums agree, and {several} {'does' if count == 1 else 'do'} not: what is more and what is less cancel out."
    return f"The sums agree; {several} {'differs' if count == 1 else 'differ'} in something else: see below."


def _differences(statement: Statement) -> dict[str, Any]:
    reasons = [{**row, "title": TITLES[row["reason_code"]]} for row in statement.reasons]
    whole = {
        name: sum(row[name] for row in reasons)
        for name in ("declarations", "expected", "due", "difference", "uncompared", "compared")
    }
    whole["due"] -= whole["uncompared"]
    reasons.sort(key=lambda row: (row["reason_code"] == AGREED.code, -abs(row["difference"]), row["title"]))
    deadline = long_day(statement.facts["deadline_date"])
    is_open = statement.facts["status"] == "open"
    first = f"Still to be put right by {deadline}" if is_open else "To be put right, for a later statement"
    to_put_right = [group for group in statement.differing if group["is_to_put_right"]]
    others = [group for group in statement.differing if not group["is_to_put_right"]]
    return {
        "verdict": _verdict(whole, statement.differing),
        "reasons": reasons,
        "expected": whole,
        "titles": TITLES,
        "told": [
            (heading, groups[:GROUPS_SHOWN], differ(groups[GROUPS_SHOWN:]))
            for heading, groups in (
                (first, to_put_right),
                ("Other differences, the largest first" if to_put_right else "The largest first", others),
            )
        ],
        "differing_count": differ(statement.differing),
    }
