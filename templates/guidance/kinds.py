"""An article a kind of file: what its rows do, its columns, a file that passes, one that does not, and its rules."""

from dataclasses import dataclass
from typing import Any

from schemas.columns import COLUMNS
from schemas.facts import rows_of
from schemas.inbound.form import form_rules
from schemas.kinds.kind import Kind
from schemas.vocabulary import DEFERRAL_REASONS, WITHDRAWAL_REASONS
from templates.guidance.marking import Article, article
from transforms.examples import EXAMPLES
from transforms.examples.example import Example, file_of, shown_right

WHOSE = {"ect+mentor": "ECTs and mentors", "ect": "ECTs", "mentor": "Mentors"}
_WORDS = {("deferrals", "reason"): DEFERRAL_REASONS, ("withdrawals", "reason"): WITHDRAWAL_REASONS}


@dataclass(frozen=True)
class HeldTo:
    """A rule that a kind is held to: its code, its column, and why it is there."""

    code: str
    column: str
    why: str


def kind_article(kind: Kind, whys: dict[str, str]) -> Article:
    """kinds/KIND. whys: by code, why each rule that has a page is there."""
    taken = shown_right(kind.name, _that_passes(kind))
    return article(
        f"kinds/{kind.name}",
        "kind.md",
        kind=kind,
        columns=[(COLUMNS[name], name in kind.required, words_of(kind, name)) for name in kind.columns],
        row=_that_passes(kind).put_right,
        sample=sample_file(kind).decode(),
        wrong=_that_fails(kind),
        notes=taken.notes if taken else "",
        rules=_held_to(kind, whys),
        evidence=_evidence() if "evidence_held" in kind.columns else [],
    )


def words_of(kind: Kind, column: str) -> tuple[str, ...]:
    """The words that a column of a kind may hold, where the list is closed and the same for every row."""
    return _WORDS.get((kind.name, column), COLUMNS[column].words)


def sample_file(kind: Kind) -> bytes:
    """A file of the kind with one row that is accepted in the made-up records that examples are judged by."""
    row = _that_passes(kind).put_right
    assert row is not None
    return file_of(kind.name, row)


def wrong_file(kind: Kind) -> bytes:
    """A file of the kind with one row that is rejected in those records."""
    return file_of(kind.name, _that_fails(kind).wrong)


def _evidence() -> list[dict[str, Any]]:
    """Which evidence goes with which declaration: contract periods, whose training, type, the evidence."""
    periods: dict[str, list[str]] = {}
    for row in rows_of("contract_periods"):
        regime = "detailed" if row["detailed_evidence_types_enabled"] == "true" else "simple"
        periods.setdefault(regime, []).append(row["contract_period_year"])
    found: dict[tuple[str, str, str], list[str]] = {}
    for row in rows_of("evidence_types"):
        types = found.setdefault((row["regime"], row["participant_type"], row["declaration_type"]), [])
        types += [row["evidence_type"]] if row["evidence_type"] else []
    return [
        {"periods": ", ".join(periods[regime]), "whose": WHOSE[whose], "declaration_type": kind, "types": types}
        for (regime, whose, kind), types in found.items()
    ]


def _that_passes(kind: Kind) -> Example:
    """The first example that can be put right in the file itself."""
    return next(each for each in EXAMPLES[kind.name] if each.right is not None)


def _that_fails(kind: Kind) -> Example:
    """The first example that is wrong by itself, with no row above it."""
    return next(each for each in EXAMPLES[kind.name] if not each.before)


def _held_to(kind: Kind, whys: dict[str, str]) -> list[HeldTo]:
    """Rules of its own first, then those of form; each code once, with the first column that it is about."""
    found: dict[str, HeldTo] = {}
    for rule in (*kind.rules, *form_rules(kind)):
        if rule.code in whys:
            found.setdefault(rule.code, HeldTo(rule.code, rule.field, whys[rule.code]))
    return list(found.values())
