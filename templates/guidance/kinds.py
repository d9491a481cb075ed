"""A page a kind of file: what its rows do, its columns, a file that passes, and the rules that it is held to."""

from dataclasses import dataclass

from schemas.columns import COLUMNS, Column
from schemas.inbound.form import form_rules
from schemas.kinds.kind import Kind
from templates.rendering import page
from transforms.examples import EXAMPLES
from transforms.examples.example import Example, file_of, shown_right


@dataclass(frozen=True)
class HeldTo:
    """A rule that a kind is held to: its code, its column, and why it is there."""

    code: str
    column: str
    why: str


def kind_page(kind: Kind, whys: dict[str, str]) -> str:
    """kinds/KIND.html. whys: by code, why each rule that has a page is there."""
    example = _that_passes(kind)
    taken = shown_right(kind.name, example)
    return page(
        "guidance/kind.html",
        kind=kind,
        columns=[(_column(name), name in kind.required) for name in kind.columns],
        sample=sample_file(kind).decode(),
        notes=taken.notes if taken else "",
        rules=_held_to(kind, whys),
    )


def sample_file(kind: Kind) -> bytes:
    """A file of the kind with one row that is accepted in the made-up records that examples are judged by."""
    row = _that_passes(kind).put_right
    assert row is not None
    return file_of(kind.name, row)


def _that_passes(kind: Kind) -> Example:
    """The first example that can be put right in the file itself."""
    return next(each for each in EXAMPLES[kind.name] if each.right is not None)


def _column(name: str) -> Column:
    return COLUMNS[name]


def _held_to(kind: Kind, whys: dict[str, str]) -> list[HeldTo]:
    """Rules of its own first, then those of form; each code once, with the first column that it is about."""
    found: dict[str, HeldTo] = {}
    for rule in (*kind.rules, *form_rules(kind)):
        if rule.code in whys:
            found.setdefault(rule.code, HeldTo(rule.code, rule.field, whys[rule.code]))
    return list(found.values())
