"""An article a rule: why it is there, a row that breaks it, what a receipt says, the same row put right, where the rule comes from.
What is said of the rows is what judging them says."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.kinds import KINDS
from schemas.rules import Rule
from schemas.showing import shown
from templates.guidance.marking import Article, article
from transforms.examples import EXAMPLES, files, unshown
from transforms.examples.example import Example, Shown, shown_right, shown_wrong
from transforms.examples.files import FileExample, shown_file
from transforms.examples.unshown import Unshown

_MOST_LINES = 4


@dataclass(frozen=True)
class Cell:
    """A cell of an example's row. is_at_issue: it is what breaks the rule, or what puts it right."""

    column: str
    value: str
    is_at_issue: bool


@dataclass(frozen=True)
class OfRule:
    """A rule that has a page: its code, the kind of file (empty: every kind), why it is there, the column that it is about (empty:
    more than one, or none)."""

    code: str
    kind: str
    why: str
    column: str = ""


def rules_with_pages() -> list[OfRule]:
    """Every rule that a file or a row can break, once: those of form first, then kind by kind."""
    found = [OfRule(each.code, "", each.why) for each in files.EXAMPLES]
    found += [OfRule(each.code, _kind_of(each.code), each.why) for each in unshown.UNSHOWN]
    found += [
        OfRule(each.code, kind, each.why, _column_of(kind, each.code)) for kind, own in EXAMPLES.items() for each in own
    ]
    places = {kind: place for place, kind in enumerate(KINDS, 1)}
    first: dict[str, OfRule] = {}
    for each in sorted(found, key=lambda each: (places.get(each.kind, 0), each.code)):
        first.setdefault(each.code, each)
    return list(first.values())


def rule_article(code: str) -> Article:
    """rules/CODE. Raises KeyError for a code that is no rule of files or rows."""
    return _MAKERS[code]()


def has_page(code: str) -> bool:
    """Whether a rule has a page."""
    return code in _MAKERS


def _column_of(kind: str, code: str) -> str:
    columns = {rule.field for rule in KINDS[kind].rules if rule.code == code}
    return columns.pop() if len(columns) == 1 else ""


def said_of(page: Article) -> str:
    """What a receipt says, for an example, of the rule of a page: the first sentence."""
    quoted = next((line[2:] for line in page.markdown.splitlines() if line.startswith("> ")), "")
    return quoted.split(". ")[0].rstrip(".") + "." if quoted else ""


def _kind_of(code: str) -> str:
    return next((name for name, kind in KINDS.items() if any(rule.code == code for rule in kind.rules)), "")


def _of_row(kind: str, example: Example) -> Article:
    rule = next(rule for rule in KINDS[kind].rules if rule.code == example.code)
    wrong, right = shown_wrong(kind, example), shown_right(kind, example)
    return article(
        f"rules/{rule.code}",
        "rule.md",
        rule=rule,
        kind=kind,
        example=example,
        wrong=_cells(kind, example.wrong, {rule.field}),
        said=_said_of(rule, wrong),
        right=_cells(kind, example.put_right or {}, set(example.right or {})),
        taken=right,
        at=example.right_at,
    )


def _of_file(example: FileExample) -> Article:
    said = shown_file(example.code, example.named, example.wrong, example.checksum)
    return article(
        f"rules/{example.code}",
        "rule_file.md",
        example=example,
        wrong="" if example.described else _lines(example.wrong),
        said=next(message for code, message in zip(said.codes, said.messages, strict=True) if code == example.code),
        right=_lines(example.right),
    )


def _in_words(rule: Unshown) -> Article:
    return article(f"rules/{rule.code}", "rule_words.md", rule=rule)


def _said_of(rule: Rule, said: Shown) -> str:
    return next(message for code, message in zip(said.codes, said.messages, strict=True) if code == rule.code)


def _cells(kind: str, row: Mapping[str, str], at_issue: set[str]) -> list[Cell]:
    return [Cell(name, row[name], name in at_issue) for name in KINDS[kind].columns if name in row]


def _lines(content: bytes) -> str:
    """The first lines of a file as it is read, and how many more there are."""
    lines = [shown(line, 10_000) for line in content.decode().splitlines()]
    more = [f"… and {len(lines) - _MOST_LINES} lines more"] if len(lines) > _MOST_LINES else []
    return "\n".join(lines[:_MOST_LINES] + more)


_MAKERS = (
    {each.code: lambda each=each: _in_words(each) for each in unshown.UNSHOWN}
    | {each.code: lambda each=each: _of_file(each) for each in files.EXAMPLES}
    | {
        each.code: lambda kind=kind, each=each: _of_row(kind, each)
        for kind, own in reversed(EXAMPLES.items())
        for each in reversed(own)
    }
)
