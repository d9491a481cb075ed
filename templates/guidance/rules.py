"""A page a rule: what a receipt says, why, a row that breaks it, the same row put right, where the rule comes from. What is said of
the rows is what judging them says."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.kinds import KINDS
from schemas.rules import Rule
from templates.rendering import page
from transforms.examples import EXAMPLES
from transforms.examples.example import Example, Shown, shown_right, shown_wrong


@dataclass(frozen=True)
class Cell:
    """A cell of an example's row. is_at_issue: it is what breaks the rule, or what puts it right."""

    column: str
    value: str
    is_at_issue: bool


def rule_page(kind: str, example: Example) -> str:
    """rules/CODE.html."""
    rule = rule_of(kind, example.code)
    wrong, right = shown_wrong(kind, example), shown_right(kind, example)
    return page(
        "guidance/rule.html",
        rule=rule,
        kind=kind,
        example=example,
        wrong=_cells(kind, example.wrong, {rule.field}),
        said=_said_of(rule, wrong),
        right=_cells(kind, example.put_right or {}, set(example.right or {})),
        taken=right,
        at=example.right_at,
    )


def rules_with_pages() -> list[tuple[str, Example]]:
    """Kind and example of every rule that is shown, each rule once."""
    found: dict[str, tuple[str, Example]] = {}
    for kind, examples in EXAMPLES.items():
        for example in examples:
            found.setdefault(example.code, (kind, example))
    return list(found.values())


def rule_of(kind: str, code: str) -> Rule:
    """The rule of a kind that has this code; of several, the first."""
    return next(rule for rule in KINDS[kind].rules if rule.code == code)


def _said_of(rule: Rule, shown: Shown) -> str:
    return next(message for code, message in zip(shown.codes, shown.messages, strict=True) if code == rule.code)


def _cells(kind: str, row: Mapping[str, str], at_issue: set[str]) -> list[Cell]:
    return [Cell(name, row[name], name in at_issue) for name in KINDS[kind].columns if name in row]
