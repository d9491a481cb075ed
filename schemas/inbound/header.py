"""Why a file's first line is no header of ours: what it was read as, what it looks like, what to do (rule FILE-007)."""

import csv
import re
from collections.abc import Iterable

from schemas.inbound.failure import FileFailure
from schemas.inbound.names import column_name
from schemas.kinds.kind import Kind
from schemas.showing import shown
from schemas.vocabulary import COURSE_IDENTIFIERS

FIRST_LINES = 25
SAVE_AS = "In Excel: File > Save As > CSV UTF-8 (Comma delimited)."
SEPARATORS = {";": "Semicolons separate", "\t": "Tabs separate", "|": "Vertical bars separate"}
_WITH_COMMAS = {
    ";": f"Save it with commas. {SAVE_AS} Where that writes semicolons, set the region's list separator to a comma first "
    "(in Windows: Region > Additional settings), or save from LibreOffice with the field delimiter “,”.",
    "\t": f"Save it with commas: “Text (Tab delimited)” is another format. {SAVE_AS}",
    "|": f"Save it with commas. {SAVE_AS}",
}
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d(-\d\d.*)?|\d{1,2}/\d{1,2}/\d{2,4}.*|\d{5,}(\.\d+)?")
_MARKS = "\ufeff\ufffe\u200b\u200c\u200d\u2060\u00ad\u200e\u200f"
_WEB_PAGE = re.compile(r"\s*<(!doctype|html|head|body|\?xml|script|div|p\b)", re.IGNORECASE)


def diagnosis(text: str, kind: Kind) -> FileFailure | None:
    """What is plainly wrong at a file's start; None where nothing is, or nothing that we know.

    text: the start of the file, its own byte-order mark taken off.
    """
    lines = text.splitlines()[:FIRST_LINES]
    first = next((line for line in lines if line.strip(", \t;")), "")
    read_as = f"Line {lines.index(first) + 1 if first else 1} was read as “{shown(first, 80)}”"
    if _WEB_PAGE.match(first):
        return _failure(
            f"{read_as}: this is a web page, not a table. A sign-in page or an error was saved in the file's place.",
            "Sign in, download the file again, and look into it before you send it.",
        )
    if first.lstrip().startswith(("{", "[")):
        return _failure(f"{read_as}: this looks like JSON, not a table.", f"Send a CSV file. {SAVE_AS}")
    if "-----BEGIN PGP" in first:
        return _failure(
            f"{read_as}: the file is encrypted.", "Send it as it is: the connection encrypts whatever goes over it."
        )
    if (mark := re.match(f"[{_MARKS}]+", first)) and _is_header(first[mark.end() :], kind, ","):
        return _failure(
            f"{read_as}: an invisible mark stands in front of the first name, as where two files were joined, or a file was "
            "saved twice as “UTF-8 with BOM”.",
            f"Open it in a spreadsheet and save it anew. {SAVE_AS}",
        )
    wrapped = _cells(first, ",")
    if len(wrapped) == 1 and _is_header(wrapped[0], kind, ","):
        return _failure(
            f"{read_as}: one pair of quotes stands around the whole line, so that it is a single cell.",
            "Take the quotes at the start and the end of each line away: something wrote the table as a table of one column.",
        )
    return _separated(lines, kind) or _further_down(lines, kind) or _looks_like_data(first, read_as, kind)


def _separated(lines: list[str], kind: Kind) -> FileFailure | None:
    for separator, says in SEPARATORS.items():
        place = next((number for number, line in enumerate(lines, 1) if _is_header(line, kind, separator)), None)
        if place:
            message = f"Line {place} was read as “{shown(lines[place - 1], 80)}”. {says} its columns; we read commas."
            above = " What stands above the header must go, too." if place > 1 else ""
            return FileFailure("FILE-007", message, _WITH_COMMAS[separator] + above, place)
    return None


def _further_down(lines: list[str], kind: Kind) -> FileFailure | None:
    place = next((number for number, line in enumerate(lines, 1) if _is_header(line, kind, ",")), None)
    if place in (None, 1):
        return None
    first = lines[0].strip()
    if re.fullmatch(r"\"?sep=.\"?", first, re.IGNORECASE):
        message = (
            f"Line 1, “{shown(first, 20)}”, is a spreadsheet's own note on how to open the file: "
            f"the header stands on line {place}."
        )
    else:
        above = next((line for line in lines if line.strip(", ")), "")
        message = f"The header was found on line {place}, not on line 1; above it stands “{shown(above, 60)}”."
    gone = {2: "line 1", 3: "lines 1 and 2"}.get(place, f"lines 1 to {place - 1:,}")
    return FileFailure(
        "FILE-007", message, f"What stands above the header must go: delete {gone} and save the file again.", place
    )


def _looks_like_data(first: str, read_as: str, kind: Kind) -> FileFailure | None:
    cells = _cells(first, ",")
    if any(column_name(cell) in kind.columns for cell in cells):
        return None
    if any(_UUID.fullmatch(cell) or _DATE.fullmatch(cell) or cell.lower() in COURSE_IDENTIFIERS for cell in cells):
        return _failure(
            f"{read_as}: that looks like data. The file has no header line.",
            f"Put a line with the names of the columns above it: {', '.join(kind.required)}.",
        )
    if sum(not sign.isprintable() for sign in first) * 10 > len(first):
        return _failure(
            f"{read_as}: this is no text. It may be encrypted, compressed or a program's own file.", SAVE_AS
        )
    return None


def _is_header(line: str, kind: Kind, separator: str) -> bool:
    """Whether a line has all the columns that the kind needs, separated so."""
    if separator not in line and len(kind.required) > 1:
        return False
    names = [column_name(name) for name in _cells(line, separator)]
    return set(kind.required) <= set(names)


def _cells(line: str, separator: str) -> list[str]:
    try:
        rows: Iterable[list[str]] = csv.reader([line], delimiter=separator)
        return [cell.strip() for cell in next(iter(rows), [])]
    except csv.Error:
        return [cell.strip().strip('"') for cell in line.split(separator)]


def _failure(message: str, advice: str) -> FileFailure:
    return FileFailure("FILE-007", message, advice, 1)
