"""Examples of the rules of form: whole files, as bytes, read and judged as any other. FILE-003 and FILE-013 speak of other files,
FILE-005 of files too long to show."""

import hashlib
from dataclasses import dataclass

import polars as pl

from schemas.inbound.failure import FileFailure
from schemas.inbound.names import kind_of
from schemas.inbound.reading import Limits, read_sheet
from schemas.inbound.unread import refused_unread
from transforms.changes import act_of_file
from transforms.examples.world import NOW, US, World, a_row
from transforms.judging import judge

_COLUMNS = ("participant_id", "course_identifier", "declaration_type", "declaration_date", "evidence_held")


@dataclass(frozen=True)
class FileExample:
    """A rule of form, shown. wrong, right: the file as it breaks the rule, and put right. checksum: what lies beside it,
    if anything does. named, named_right: the file's name. why: what the rule is for. described: the file in words, where it is no
    text."""

    code: str
    why: str
    wrong: bytes
    right: bytes
    named: str = "declarations.csv"
    named_right: str = "declarations.csv"
    checksum: str | None = None
    described: str = ""


@dataclass(frozen=True)
class FileShown:
    """What a receipt says of a file: the codes of rules that it, or its first row that is wrong, breaks; and what is said."""

    codes: tuple[str, ...]
    messages: tuple[str, ...]


def shown_file(code: str, name: str, content: bytes, checksum: str | None = None) -> FileShown:
    """What is said of a file of this name, or of its first row that breaks the rule `code`, else of its first that is wrong."""
    digest = hashlib.sha256(content).hexdigest()
    failure = refused_unread(name, None, len(content), digest, checksum, Limits())
    try:
        if failure:
            raise failure
        kind = kind_of(name)
        assert kind is not None  # or it were refused
        sheet = read_sheet(content, kind, Limits())
    except FileFailure as refused:
        return FileShown((refused.code,), (f"{refused.message} {refused.advice}",))
    act = act_of_file(f"{NOW:%Y%m%dT%H%M%SZ}-{kind.name}-example", US, NOW)
    found = judge(sheet, kind, World().snapshot(), act).findings.sort("row_number", "position")
    about = found.filter(pl.col("row_number").is_in(found.filter(code=code)["row_number"].implode()))
    first = (about if about.height else found).filter(pl.col("row_number") == pl.col("row_number").min())
    return FileShown(tuple(first["code"]), tuple(first["message"]))


def _lines(*rows: dict[str, str], columns: tuple[str, ...] = _COLUMNS, between: str = ",") -> bytes:
    cells = [columns, *([row.get(name, "") for name in columns] for row in rows)]
    return "".join(between.join(line) + "\n" for line in cells).encode()


_RIGHT = _lines(a_row())
_LINE = _RIGHT.splitlines(keepends=True)[1]
_TORN = _LINE.replace(b"ecf-induction", b'"ecf-induction')

EXAMPLES = (
    FileExample(
        "FILE-001",
        "The file's name says what its rows are.",
        _RIGHT,
        _RIGHT,
        "november.csv",
        "declarations-november.csv",
    ),
    FileExample(
        "FILE-002",
        "A workbook looks like a file of rows and is not one.",
        b"PK\x03\x04" + bytes(40),
        _RIGHT,
        described="A workbook, given the name declarations.csv.",
    ),
    FileExample("FILE-004", "A file without rows asks for nothing.", _RIGHT.splitlines(keepends=True)[0], _RIGHT),
    FileExample("FILE-006", "A quote that never ends hides where cells end.", _RIGHT + _TORN, _RIGHT),
    FileExample(
        "FILE-007",
        "We find cells by the names of their columns.",
        _lines(a_row(), columns=tuple(name for name in _COLUMNS if name != "declaration_type")),
        _RIGHT,
    ),
    FileExample(
        "FILE-008",
        "A cell too many, or too few, moves the others under wrong names.",
        _RIGHT.replace(b",other\n", b",other,1\n").replace(b"attended\n", b"attended,1\n"),
        _RIGHT,
    ),
    FileExample("FILE-010", "Ids are long, and easily cut.", _lines(a_row(participant_id="55555555-5555")), _RIGHT),
    FileExample(
        "FILE-011",
        "Signs that nobody can see are in no id and no word, and break programs that read them.",
        _lines({**a_row(), "your_reference": "A\x07-1"}, columns=(*_COLUMNS, "your_reference")),
        _RIGHT,
    ),
    FileExample(
        "FILE-012",
        "A month, a number or an amount has one form here, so that it is never misread.",
        _lines({**a_row(), "trn": "12A456"}, columns=(*_COLUMNS, "trn")),
        _lines({**a_row(), "trn": "0123456"}, columns=(*_COLUMNS, "trn")),
    ),
    FileExample(
        "FILE-014",
        "So many rows about one person, or one school, come from a mistake.",
        _lines(*([a_row(declaration_type="extended-1")] * 51)),
        _RIGHT,
    ),
    FileExample("FILE-015", "A checksum shows that the file came whole.", _RIGHT, _RIGHT, checksum="0" * 64),
)
