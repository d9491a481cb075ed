"""What operators read of a run: who sent what, counts, rules broken, money by section. No names of people, no file names."""

from collections.abc import Sequence
from decimal import Decimal

import polars as pl

from data.records.extract import Imported
from flows.rounds.intake import IntakeRound
from flows.rounds.receipts import Outcome
from flows.rounds.statements import StatementsRound, money_by_section
from flows.upkeep.housekeeping import Kept
from flows.upkeep.replay import Replayed
from flows.upkeep.verify import Verified
from schemas.showing import in_markdown
from templates.rendering import in_london, pounds

SECTION_ORDER = ("output", "clawback", "uplift", "uplift-clawback", "service-fee", "adjustment", "vat", "total")


def intake_report(done: IntakeRound, names: dict[str, str]) -> str:
    """Markdown of one intake round. names: lead provider id → name (a company's, not a person's)."""
    if not done.outcomes and not done.troubles and not done.waits:
        return "Nothing was waiting."
    rows = [_outcome_row(outcome, names) for outcome in done.outcomes]
    parts = [
        f"{len(done.outcomes)} files processed, {done.delivered} receipts delivered.",
        _table(("Lead provider", "Submission", "Status", "Rows", "Accepted", "Rejected", "Done already"), rows),
    ]
    counts = _rule_counts(done.outcomes)
    if counts:
        parts += ["## Rules broken", _table(("Rule", "Rows"), [(rule, str(number)) for rule, number in counts])]
    if done.waits:
        parts += ["## Waiting for their next try", "\n".join(f"- {in_markdown(line, 1000)}" for line in done.waits)]
    return "\n\n".join(parts + _troubles(done.troubles))


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


SHOWN = 20


def keeping_report(done: Kept, names: dict[str, str]) -> str:
    """Markdown of one housekeeping: how many receipts went from whose mailbox."""
    head = f"Kept from {in_london(done.before)} on. {done.uploads:,} stored uploads removed."
    rows = [(in_markdown(names.get(owner, owner)), f"{count:,}") for owner, count in sorted(done.receipts.items())]
    table = [_table(("Lead provider", "Receipts removed"), rows)] if rows else ["No receipt was older."]
    return "\n\n".join([head, *table, *_troubles(done.troubles)])


def replay_report(done: Replayed) -> str:
    """What a replay found: tables and counts."""
    head = f"{done.extracts} extracts and {done.files:,} files replayed, {done.rows:,} rows compared."
    if not done.different:
        return f"{head}\nThe end state is the same."
    told = [
        f"{name}: {ours:,} rows only here, {theirs:,} only in the replay"
        for name, (ours, theirs) in done.different.items()
    ]
    return "\n".join([head, *told])


def import_report(done: Imported) -> str:
    """What a load of DfE's records did, and what it kept or gave up of accepted updates. Ids and columns, no values."""
    parts = ["\n".join(f"{name}: {count:,} rows" for name, count in done.counts.items())]
    kept, overruled = done.reconciled.kept, done.reconciled.overruled
    if kept.height:
        parts.append("Kept, accepted here and not known to this extract yet:\n" + "\n".join(_changes_by_table(kept)))
    if overruled.height:
        parts.append(
            "Given up to DfE's word, which differs from what was accepted here:\n"
            + "\n".join([*_changes_by_table(overruled), *_listed(overruled)])
        )
    if done.reconciled.rehoused.height:
        moved = done.reconciled.rehoused.select("record_id", "column", "after").iter_rows()
        lines = [
            f"  {record} {'into partnership' if column == '*' else 'to school'} {after}"
            for record, column, after in moved
        ]
        more = [f"  … and {len(lines) - SHOWN:,} more"] if len(lines) > SHOWN else []
        parts.append("Partnerships that moved with schools that DfE has merged:\n" + "\n".join(lines[:SHOWN] + more))
    if done.reconciled.orphaned.height:
        count = done.reconciled.orphaned.height
        parts.append(
            f"Training whose school DfE has merged, and that has no partnership there: it keeps the one that it had, for "
            f"something was declared on it ({count:,}):\n"
            + "\n".join(f"  {each}" for each in done.reconciled.orphaned["training_period_id"].head(SHOWN))
        )
    for doubt in done.doubts:
        more = [f"  … and {len(doubt.cases) - SHOWN:,} more"] if len(doubt.cases) > SHOWN else []
        lines = [f"  {case}" for case in doubt.cases[:SHOWN]]
        parts.append(f"To be looked at. {doubt.what} ({len(doubt.cases):,}):\n" + "\n".join(lines + more))
    if done.attached.eligible:
        parts.append(f"Submitted declarations that became eligible, now on a statement: {done.attached.eligible:,}")
    nowhere = done.attached.nowhere
    if nowhere:
        lines = [f"  {declaration} (contract period {year})" for declaration, year in nowhere[:SHOWN]]
        more = [f"  … and {len(nowhere) - SHOWN:,} more"] if len(nowhere) > SHOWN else []
        parts.append(
            f"Eligible, but with no open statement to go to; they stay submitted: {len(nowhere):,}\n"
            + "\n".join(lines + more)
        )
    return "\n\n".join(parts)


def _changes_by_table(changes: pl.DataFrame) -> list[str]:
    counted = changes.group_by("table", maintain_order=True).agg(pl.col("record_id").n_unique())
    return [f"  {table}: {count:,} {'record' if count == 1 else 'records'}" for table, count in counted.iter_rows()]


def _listed(changes: pl.DataFrame) -> list[str]:
    columns = pl.col("column").replace("*", "removed by DfE").str.join(", ")
    found = changes.group_by("table", "record_id", maintain_order=True).agg(columns)
    lines = [f"  {table} {record}: {column}" for table, record, column in found.head(SHOWN).iter_rows()]
    return lines + (
        [f"  … and {found.height - SHOWN:,} more; `ectx history` tells each"] if found.height > SHOWN else []
    )


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
    moved = dict.fromkeys(found, Decimal())
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
        "Lead provider", "Statement", "Over contract volume, £0.00", "Nothing left to give back",
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


def _money(sums: dict[str, Decimal]) -> str:
    rows = [(section, pounds(sums[section])) for section in SECTION_ORDER if section in sums]
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
