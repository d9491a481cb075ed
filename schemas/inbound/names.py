"""What a file may be called, and its columns headed (rule FILE-001)."""

import difflib
import re

from schemas.kinds import KINDS
from schemas.kinds.kind import Kind

# Columns that never count, so that a returned rejected.csv can be sent straight back.
IGNORED_COLUMNS = ("errors", "outcome", "rule_codes", "line_number")
# Ours too, in rejected.csv: what stood beyond a row's last column, or what is wrong with its shape. A row is right when it is
# empty: else a row that was split wrongly would pass when it comes back, for we write it as a table.
TO_PUT_RIGHT = "extra_cells"
_PLAIN_REST = re.compile(r"[-\w\s.,()\[\]{}&+'’!#~–—]*")


def column_name(name: str) -> str:
    """A column as it may be headed: any case, blanks or hyphens for underscores."""
    return re.sub(r"[\s\-]+", "_", name.strip().lower())


def kind_of(file_name: str) -> Kind | None:
    """The longest known kind that the name begins with; after it `.csv`, or `-`, `_`, a blank, a bracket, a dot or a digit and
    whatever is plain, any case (rule FILE-001). `declarations (1).csv` is what a browser makes of a second download."""
    name = file_name.lower()
    fitting = [kind for kind in KINDS.values() if _begins_with(name, kind.name)]
    return max(fitting, key=lambda kind: len(kind.name), default=None)


def _begins_with(name: str, kind: str) -> bool:
    if not name.startswith(kind) or not name.endswith(".csv"):
        return False
    rest = name[len(kind) : -len(".csv")]
    if not rest or rest[0] in "-_":
        return True
    is_apart = rest[0] in " ([.{" or rest[0].isdigit() or rest[0].isspace()
    # Beyond doubt: no other kind is named.
    return is_apart and bool(_PLAIN_REST.fullmatch(rest)) and not any(other in rest for other in KINDS)


def nearest_kind(file_name: str) -> str | None:
    """The kind a misnamed file most likely is; None where none is near."""
    stem = re.sub(r"[\s_]+", "-", re.split(r"[.\d]", file_name.lower())[0].strip())
    named = [kind for kind in KINDS if kind in stem or kind.rstrip("s") in stem]
    return max(named, key=len) if named else next(iter(difflib.get_close_matches(stem, KINDS, n=1, cutoff=0.6)), None)
