"""What operators read of a run: who sent what, counts, rules broken, money by section. No names of people, no file names."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

import polars as pl

from schemas.instants import in_london
from schemas.records.doubts import Doubt
from schemas.reports import (
    ExtractsRound,
    GuidanceRound,
    HousekeepingRound,
    IntakeRound,
    Made,
    StatementsRound,
    Verified,
)
from schemas.showing import in_markdown
from schemas.submission import Outcome
from schemas.vocabulary import SECTIONS
from templates.rendering import pounds

SHOWN = 20  # of a long list


def intake_report(done: IntakeRound, names: dict[str, str]) -> str:
    """Markdown of one intake round. names: lead provider id → name (a company's, not a person's)."""
    if not done.outcomes and not done.troubles and not done.waits:
        return "Nothing was waiting."
    rows = [_outcome_row(outcome, names) for outcome in done.outcomes]
    parts = [
        f"{len(done.outcomes)} files processed, {done.delivered} receipts delivered{_extracts_made(done)}.",
        _table(("Lead provider", "Submission", "Status", "Rows", "Accepted", "Rejected", "Done already"), rows),
    ]
    counts = _rule_counts(done.outcomes)
    if counts:
        parts += ["## Rules broken", _table(("Rule", "Rows"), [(rule, str(number)) for rule, number in counts])]
    if done.waits:
        parts += ["## Waiting for their next try", "\n".join(f"- {in_markdown(line, 1000)}" for line in done.waits)]
    return "\n\n".join(parts + _troubles(done.troubles))


def _extracts_made(done: IntakeRound) -> str:
    return f", {done.extracts} extracts made for those who asked" if done.extracts else ""


def _outcome_row(outcome: Outcome, names: dict[str, str]) -> tuple[str, ...]:
    rows, failure = outcome.rows, outcome.failure
    status = f"{outcome.status} ({failure.code})" if failure else outcome.status
    counts = (rows["total"], rows["accepted"], rows["rejected"], rows["already_done"])
    provider = names.get(outcome.submission.lead_provider_id, outcome.submission.lead_provider_id)
    return (in_markdown(provider), outcome.submission.submission_id, status, *(f"{count:,}" for count in counts))


def _rule_counts(outcomes: list[Outcome]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for outcome in outcomes:
        broken = {outcome.failure.code: 1} if outcome.failure else outcome.rule_counts
        for rule, number in broken.items():
            counts[rule] = counts.get(rule, 0) + number
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def keeping_report(done: HousekeepingRound, names: dict[str, str]) -> str:
    """Markdown of one housekeeping: how many receipts and change sets went from whose mailbox."""
    head = f"Kept from {in_london(done.before)} on. {done.uploads:,} stored uploads removed."
    owners = sorted(set(done.receipts) | set(done.change_sets))
    rows = [
        (in_markdown(names.get(owner, owner)), f"{done.receipts[owner]:,}", f"{done.change_sets[owner]:,}")
        for owner in owners
    ]
    header = ("Lead provider", "Receipts removed", "Change sets removed")
    table = [_table(header, rows)] if rows else ["No receipt was older, and no change set."]
    return "\n\n".join([head, *table, *_troubles(done.troubles)])


def extracts_report(done: ExtractsRound, names: dict[str, str]) -> str:
    """Markdown of one round of extracts: rows, changes and seconds by lead provider and file, and records that are in doubt."""
    sets = sum(each.delivered for each in done.made)
    parts = [
        f"{sets} of {len(done.made)} extracts are new, {done.delivered} folders delivered, in {done.seconds:,.1f} seconds."
    ]
    named = [(in_markdown(names.get(each.lead_provider_id, each.lead_provider_id)), each) for each in done.made]
    files = list(done.made[0].counts) if done.made else []
    if done.made:
        rows = [
            (name, *(f"{each.counts[file]['rows']:,}" for file in files), f"{each.seconds:,.1f}")
            for name, each in named
        ]
        parts += ["## Rows", _table(("Lead provider", *files, "Seconds"), rows)]
    moved = [
        (name, file, *(f"{each.counts[file][what]:,}" for what in _MOVES))
        for name, each in named
        for file in files
        if any(each.counts[file][what] for what in _MOVES)
    ]
    if moved:
        parts += ["## Changes", _table(("Lead provider", "File", "New", "Changed", "Gone"), moved)]
    if done.doubts:
        parts.append("## To be looked at in DfE's records")
        parts += [_doubt(each) for each in done.doubts]
    return "\n\n".join(parts + _troubles(done.troubles))


def guidance_report(done: GuidanceRound) -> str:
    """Markdown of one round of guidance."""
    head = (
        f"{done.made} new versions of the guidance, {done.delivered} folders delivered, in {done.seconds:,.1f} seconds."
    )
    return "\n\n".join([head, *_troubles(done.troubles)])


def spread_report(started: list[str], waiting: list[str], dead: int, troubles: list[str]) -> str:
    """Markdown of a look at who has work. started, waiting: slugs of lead providers whose runs were started, or wait to begin;
    dead: runs that had ended without a word."""
    parts = [f"{len(started)} runs started, {len(waiting)} wait to begin already."]
    parts += [f"- {what}: {', '.join(slugs)}" for what, slugs in (("Started", started), ("Waiting", waiting)) if slugs]
    if dead:
        parts.append(
            f"{dead} runs had ended without a word, and are marked as crashed: what they were at is done again."
        )
    return "\n\n".join([*parts, *_troubles(troubles)])


_MOVES = ("new", "changed", "removed")


def _doubt(doubt: Doubt) -> str:
    more = f" … and {len(doubt.cases) - SHOWN:,} more" if len(doubt.cases) > SHOWN else ""
    return f"{doubt.what}: {in_markdown(', '.join(doubt.cases[:SHOWN]), 2000)}{more}"


def statements_report(done: StatementsRound, names: dict[str, str]) -> str:
    """Markdown of one statements round. names: lead provider id → name."""
    parts = [
        f"{len(done.settled)} statements became payable; {len(done.made)} new versions, {done.unchanged} unchanged, "
        f"{done.delivered} delivered."
    ]
    if done.not_wanted:
        parts.append(
            f"{done.not_wanted} open statements are not delivered yet: nothing is on them, and their deadlines are far."
        )
    if done.held_back:
        parts += ["## Held back", "\n".join(f"- {line}" for line in grouped(done.held_back))]
    if done.standing:
        header = ("Lead provider", "Statements not yet paid", "Declarations", "Total", "Changed since last time")
        parts += ["## By lead provider", _table(header, _by_provider(done))]
    if done.made:
        parts += ["## Money by section, all new versions", _money(money_by_section(done.made))]
    return "\n\n".join(parts + _worth_a_look(done) + _nowhere(done, names) + _troubles(done.troubles))


def grouped(held_back: list[str]) -> list[str]:
    """A line a reason: what holds all statements of a contract back is said once. held_back: `statement id: why`."""
    ids: dict[str, list[str]] = {}
    for line in held_back:
        statement_id, why = line.split(": ", 1)
        ids.setdefault(why, []).append(statement_id)
    return [f"{', '.join(dict.fromkeys(statements))}: {why}" for why, statements in ids.items()]


def _by_provider(done: StatementsRound) -> list[tuple[str, ...]]:
    """Every lead provider's statements not yet paid, as they stand, and how far this round moved them."""
    found: dict[str, tuple[int, int, Decimal]] = {}
    for each in done.standing:
        statements, declarations, total = found.get(each.lead_provider, (0, 0, Decimal()))
        found[each.lead_provider] = (statements + 1, declarations + each.declarations, total + each.total)
    moved: dict[str, Decimal] = defaultdict(Decimal)
    for each in done.made:
        moved[each.lead_provider] += each.total - (each.before or Decimal())
    return [
        (in_markdown(name), f"{s:,}", f"{d:,}", pounds(t), pounds(moved[name]))
        for name, (s, d, t) in sorted(found.items())
    ]


def _worth_a_look(done: StatementsRound) -> list[str]:
    """Statements whose bands cannot hold what was declared, or cannot give back what was taken back."""
    rows = [
        (
            in_markdown(each.lead_provider),
            each.path,
            f"{each.over_volume:,}",
            f"{each.unrefunded:,}",
            ", ".join(each.overflown),
        )
        for each in done.standing
        if each.over_volume or each.unrefunded or each.overflown
    ]
    if not rows:
        return []
    header = (
        "Lead provider", "Statement", "Over contract volume, £0.00", "Nothing left to claw back",
        "Billed before beyond all bands, then refunded",
    )  # fmt: skip
    more = [f"… and {len(rows) - SHOWN:,} more statements."] if len(rows) > SHOWN else []
    return ["## Over capacity", _table(header, rows[:SHOWN]), *more]


def _nowhere(done: StatementsRound, names: dict[str, str]) -> list[str]:
    """Submitted declarations, which are on no statement: how many wait for eligibility, and which wait for nothing."""
    if done.nowhere.is_empty():
        return []
    counted = done.nowhere.group_by("lead_provider_id", "contract_period").agg(
        (~pl.col("is_eligible")).sum().alias("waiting"), pl.col("is_eligible").sum().alias("stuck")
    )
    rows = [
        (in_markdown(names.get(owner, owner)), str(period), f"{waiting:,}", f"{stuck:,}")
        for owner, period, waiting, stuck in counted.iter_rows()
    ]
    header = ("Lead provider", "Contract period", "Not eligible yet", "Eligible, no open statement")
    parts = ["## Submitted declarations without a statement", _table(header, sorted(rows))]
    stuck = done.nowhere.filter("is_eligible")["declaration_id"]
    if len(stuck):
        shown = "\n".join(f"- `{declaration}`" for declaration in stuck.head(SHOWN))
        parts.append(f"Eligible, and with no open statement to go to (the first {min(SHOWN, len(stuck))}):\n\n{shown}")
    return parts


def money_by_section(made: list[Made]) -> dict[str, Decimal]:
    """Sums over versions made, for operators."""
    sums: dict[str, Decimal] = {}
    for each in made:
        for section, amount in each.amounts.items():
            sums[section] = sums.get(section, Decimal()) + Decimal(amount)
    return sums


def _money(sums: dict[str, Decimal]) -> str:
    rows = [(section, pounds(sums[section])) for section in SECTIONS if section in sums]
    return _table(("Section", "Amount"), rows)


def verify_report(done: Verified) -> str:
    """What computing paid statements anew has shown."""
    parts = [f"{done.statements:,} paid statements computed anew: {len(done.alarms):,} not as paid."]
    if done.moved_on:
        parts.append(
            f"In {done.moved_on:,} files the figures are as paid, and names, states or the like have changed in the "
            "records since: that is as it should be."
        )
    if done.alarms:
        parts += ["## Not as paid", "\n".join(f"- {alarm}" for alarm in done.alarms)]
    return "\n\n".join(parts)


def _troubles(troubles: list[str]) -> list[str]:
    return ["## Troubles", "\n".join(f"- {in_markdown(line, 1000)}" for line in troubles)] if troubles else []


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
