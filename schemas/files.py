"""The kinds of file a lead provider may send: names, columns, who owns a row. One table (handbook: interface 2)."""

import difflib
import re
from dataclasses import dataclass

# Columns that never count, so that a returned rejected.csv can be sent straight back.
IGNORED_COLUMNS = ("errors", "outcome", "rule_codes")
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


def kind_of(file_name: str) -> Kind | None:
    """The longest known kind that the name begins with, followed by `.csv`, `-` or `_`; any case (rule FILE-001)."""
    name = file_name.lower()
    fitting = [kind for kind in KINDS.values() if re.match(rf"{re.escape(kind.name)}(\.csv$|[-_].*\.csv$)", name)]
    return max(fitting, key=lambda kind: len(kind.name), default=None)


def nearest_kind(file_name: str) -> str:
    """The kind a misnamed file most likely is."""
    stem = re.split(r"[.\d]", file_name.lower())[0].replace("_", "-")
    return (difflib.get_close_matches(stem, KINDS, n=1, cutoff=0.0) or ["declarations"])[0]
