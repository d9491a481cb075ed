"""What operators read of a run: who sent what, counts, rules broken, money by section. No names of people, no file names."""

from collections.abc import Sequence
from decimal import Decimal

from flows.intake import IntakeRound
from flows.receipts import Outcome
from flows.rendering import pounds
from flows.statements import StatementsRound, money_by_section

SECTION_ORDER = ("output", "clawback", "uplift", "uplift-clawback", "service-fee", "adjustment", "vat", "total")


def intake_report(done: IntakeRound, names: dict[str, str]) -> str:
    """Markdown of one intake round. names: lead provider id → name (a company's, not a person's)."""
    if not done.outcomes and not done.troubles:
        return "Nothing was waiting."
    rows = [_outcome_row(outcome, names) for outcome in done.outcomes]
    parts = [
        f"{len(done.outcomes)} files processed, {done.delivered} receipts delivered.",
        _table(("Lead provider", "Submission", "Status", "Rows", "Accepted", "Rejected", "Done already"), rows),
    ]
    counts = _rule_counts(done.outcomes)
    if counts:
        parts += ["## Rules broken", _table(("Rule", "Rows"), [(rule, str(number)) for rule, number in counts])]
    return "\n\n".join(parts + _troubles(done.troubles))


def _outcome_row(outcome: Outcome, names: dict[str, str]) -> tuple[str, ...]:
    rows, failure = outcome.rows, outcome.failure
    status = f"{outcome.status} ({failure.code})" if failure else outcome.status
    counts = (rows["total"], rows["accepted"], rows["rejected"], rows["already_done"])
    provider = names.get(outcome.submission.lead_provider_id, outcome.submission.lead_provider_id)
    return (provider, outcome.submission.submission_id, status, *(f"{count:,}" for count in counts))


def _rule_counts(outcomes: list[Outcome]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for outcome in outcomes:
        broken = {outcome.failure.code: 1} if outcome.failure else outcome.rule_counts
        for rule, number in broken.items():
            counts[rule] = counts.get(rule, 0) + number
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def statements_report(done: StatementsRound) -> str:
    """Markdown of one statements round."""
    parts = [
        f"{len(done.settled)} statements became payable; {len(done.made)} new versions, {done.unchanged} unchanged, "
        f"{done.delivered} delivered."
    ]
    if done.made:
        parts += ["## Money by section, all new versions", _money(money_by_section(done.made))]
        totals = [(name, *figures) for name, figures in _by_provider(done).items()]
        parts += ["## By lead provider", _table(("Lead provider", "Versions", "Declarations", "Total"), totals)]
    if done.held_back:
        parts += ["## Held back: these do not add up", "\n".join(f"- {line}" for line in done.held_back)]
    return "\n\n".join(parts + _troubles(done.troubles))


def _by_provider(done: StatementsRound) -> dict[str, tuple[str, str, str]]:
    found: dict[str, tuple[int, int, Decimal]] = {}
    for each in done.made:
        versions, declarations, total = found.get(each.lead_provider, (0, 0, Decimal()))
        amount = Decimal(each.amounts["total"])
        found[each.lead_provider] = (versions + 1, declarations + each.declarations, total + amount)
    return {name: (f"{v:,}", f"{d:,}", pounds(t)) for name, (v, d, t) in sorted(found.items())}


def _money(sums: dict[str, Decimal]) -> str:
    rows = [(section, pounds(sums[section])) for section in SECTION_ORDER if section in sums]
    return _table(("Section", "Amount"), rows)


def _troubles(troubles: list[str]) -> list[str]:
    return ["## Troubles", "\n".join(f"- {line}" for line in troubles)] if troubles else []


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
