"""An article a kind of file: what its rows do, its columns, a file that passes, one that does not, and its rules."""

from dataclasses import dataclass

from schemas.columns import COLUMNS
from schemas.inbound.form import form_rules
from schemas.kinds.kind import Kind
from schemas.vocabulary import DEFERRAL_REASONS, WITHDRAWAL_REASONS
from templates.guidance.marking import Article, article
from transforms.examples import EXAMPLES
from transforms.examples.example import Example, file_of, shown_right

WHOSE = {"ect+mentor": "ECTs and mentors", "ect": "ECTs", "mentor": "Mentors"}
_WORDS = {("deferrals", "reason"): DEFERRAL_REASONS, ("withdrawals", "reason"): WITHDRAWAL_REASONS}


# What a column is in a file that people send, where that is not what it is in ours. None: in every kind.
_MEANINGS: dict[tuple[str | None, str], str] = {
    (None, "declaration_date"): "When the engagement was, with its time. London time where no zone is given.",
    (None, "evidence_held"): "The evidence that you hold. In most cases it must be there.",
    (None, "trn"): "The participant's TRN. Where you give it, it is compared with DfE's record.",
    (None, "your_reference"): "Whatever you want to find again, up to 100 characters. It comes back with the row.",
    ("deferrals", "reason"): "Why the training pauses.",
    ("withdrawals", "reason"): "Why the training has ended. `mentor-no-longer-being-mentor` is for mentors alone.",
    ("schedule-changes", "schedule_identifier"): "The new schedule.",
    (
        "schedule-changes",
        "contract_period",
    ): "The contract period to move to. Empty: the one that the participant is in.",
    ("partnership-changes", "partnership_id"): "The partnership whose delivery partner is wrong.",
    ("partnership-changes", "delivery_partner_id"): "The right delivery partner.",
    (
        "expected-payments",
        "expected_amount",
    ): "What you expect for it: pounds, uplift included, before VAT. Empty: not compared.",
    (
        "expected-payments",
        "delivery_partner_id",
    ): "The delivery partner that you expect it to count for. Empty: not compared.",
}


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
        columns=[
            (COLUMNS[name], name in kind.required, words_of(kind, name), meaning_of(kind, name))
            for name in kind.columns
        ],
        row=_that_passes(kind).put_right,
        sample=sample_file(kind).decode(),
        wrong=_that_fails(kind),
        notes=taken.notes if taken else "",
        rules=_held_to(kind, whys),
    )


def words_of(kind: Kind, column: str) -> tuple[str, ...]:
    """The words that a column of a kind may hold, where the list is closed and the same for every row."""
    return _WORDS.get((kind.name, column), COLUMNS[column].words)


def meaning_of(kind: Kind, column: str) -> str:
    """What a column of a kind is, in a sentence."""
    meanings = (_MEANINGS.get((kind.name, column)), _MEANINGS.get((None, column)), COLUMNS[column].meaning)
    return next(filter(None, meanings), "")


def sample_file(kind: Kind) -> bytes:
    """A file of the kind with one row that is accepted in the made-up records that examples are judged by."""
    row = _that_passes(kind).put_right
    assert row is not None
    return file_of(kind.name, row)


def wrong_file(kind: Kind) -> bytes:
    """A file of the kind with one row that is rejected in those records."""
    return file_of(kind.name, _that_fails(kind).wrong)


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
