"""The kinds of file a lead provider may send: names, columns, who owns a row. One table (handbook: interface 2)."""

import difflib
import re
from dataclasses import dataclass

# Columns that never count, so that a returned rejected.csv can be sent straight back.
IGNORED_COLUMNS = ("errors", "outcome", "rule_codes", "line_number")
# Ours too, in rejected.csv: what stood beyond a row's last column, or what is wrong with its shape. A row is right when it is
# empty: else a row that was split wrongly would pass when it comes back, for we write it as a table.
TO_PUT_RIGHT = "extra_cells"
MAX_CELL = 10_000
MAX_REFERENCE = 100
MAX_ROWS_OF_ONE_OWNER = 50


@dataclass(frozen=True)
class Kind:
    """One kind: its columns, the column that says whose row it is, and what owns it, in words (rule FILE-014)."""

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    owner: str
    owned_by: str = "participant"
    # How many rows may concern one owner; None: as many as you like.
    most_rows_of_one_owner: int | None = MAX_ROWS_OF_ONE_OWNER

    @property
    def named_by(self) -> tuple[str, ...]:
        """The columns that tell a person which row it is."""
        return (self.owner, "contract_period") if self.owner == "school_urn" else (self.owner,)

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.required, *self.optional, "your_reference")


_SCHOOL_YEAR = "school and contract period"
_TRAINING = ("participant_id", "course_identifier")

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "declarations",
            (*_TRAINING, "declaration_type", "declaration_date"),
            ("evidence_held", "trn"),
            "participant_id",
        ),
        Kind("voids", ("declaration_id",), (), "declaration_id"),
        Kind("deferrals", (*_TRAINING, "reason"), (), "participant_id"),
        Kind("withdrawals", (*_TRAINING, "reason"), (), "participant_id"),
        Kind("resumptions", _TRAINING, (), "participant_id"),
        Kind("schedule-changes", (*_TRAINING, "schedule_identifier"), ("contract_period",), "participant_id"),
        Kind("partnerships", ("school_urn", "delivery_partner_id", "contract_period"), (), "school_urn", _SCHOOL_YEAR),
        Kind("partnership-changes", ("partnership_id", "delivery_partner_id"), (), "partnership_id", _SCHOOL_YEAR),
        Kind(
            "expected-payments",
            ("statement_month", "contract_period", *_TRAINING, "declaration_type"),
            ("expected_amount", "delivery_partner_id"),
            "participant_id",
        ),
    )
}

# Not from providers: what DfE adds to or takes off statements (`ectx adjustments`).
ADJUSTMENTS = Kind(
    "adjustments", ("statement_id", "payment_type", "amount"), (), "statement_id", "statement",
    most_rows_of_one_owner=None,
)  # fmt: skip

# What each column holds, where the form of a cell is fixed (rules FILE-010, FILE-012).
ID_COLUMNS = ("participant_id", "declaration_id", "delivery_partner_id", "partnership_id", "statement_id")
WORD_COLUMNS = (
    "course_identifier",
    "declaration_type",
    "evidence_held",
    "reason",
    "schedule_identifier",
    "payment_type",
)
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
