"""What a check cannot know: rules by kind, and of which rows. Without an extract, every rule that looks at a record; with one,
what a full set does not say: other training than the latest with its sender, others' declarations after that, what was asked for
before.

Expressions are over the facts of a row (transforms/updates), to which `until` is added: the last day of the training shown.
"""

import polars as pl

from schemas.inbound.form import form_rules
from schemas.kinds.kind import Kind
from schemas.rules import Rule

ALWAYS = pl.lit(True)
NOT_IN_A_FILE = "It looks at DfE's records. Give an extract, and it is judged."
NOT_IN_AN_EXTRACT = "An extract does not hold all that it looks at."
ONLY_DFE = {
    "FILE-013": "Only DfE knows what you have sent before.",
    "REQUEST-002": "Only DfE knows what you have asked for before.",
}
# Facts that come of the file alone, whatever the records hold.
_OF_THE_FILE = {
    "declared_at", "received_at", "participant_type", "is_stated_above", "earlier_rows", "cell_count", "header_count",
    "odd_quote", "extra_cells", "request_shown", "row_number", "line_number", "year",
}  # fmt: skip

_SHORT_TRN = pl.col("trn").str.contains(r"^[0-9]{1,6}$")
_DONE = pl.col("asks_for_what_is_done")
_IS_THEIRS = pl.col("is_your_participant") & pl.col("participant_type").is_not_null()
_IS_OVER = pl.col("until").is_not_null()
_IS_RUNNING = (pl.col("started") <= pl.col("day")) & (~_IS_OVER | (pl.col("until") >= pl.col("day")))
_SAME_INSTANT = pl.col("live_is_own") & (pl.col("live_declared_at") == pl.col("declared_at")) & ~_DONE
_FUNDING = pl.when(pl.col("participant_type") == "ect").then("ect_is_unsure").otherwise("mentor_is_unsure")
_FROZEN_YEAR = pl.col("frozen_year").is_not_null()
_ON_IT = pl.col("schedule_identifier") == pl.col("present_schedule_identifier")
_NO_SUCH_PARTNER = pl.col("delivery_partner_name").is_null()
_NO_SUCH_SCHOOL = pl.col("school_id").is_null()

WITH_AN_EXTRACT: dict[str, dict[str, pl.Expr]] = {
    "declarations": {
        "DECL-011": _IS_THEIRS & (_IS_OVER | _SAME_INSTANT),
        "DECL-020": _IS_THEIRS & (pl.col("training_period_id").is_null() | ~_IS_RUNNING),
        "DECL-021": _FUNDING & pl.col("next_statement_id").is_null(),
        "DECL-023": _IS_THEIRS & _IS_OVER & pl.col("sequence_is_enforced"),
    },
    "voids": {"VOID-006": (pl.col("participant_type") == "mentor") & (pl.col("declaration_type") == "completed")},
    # The record may have another reason than the row that was accepted.
    "deferrals": {"DEFER-009": (pl.col("training_status") == "deferred") & ~_DONE},
    "withdrawals": {"WITHDRAW-009": (pl.col("training_status") == "withdrawn") & ~_DONE},
    "resumptions": {
        "RESUME-007": (pl.col("training_status") == "active") & ~_DONE,
        "RESUME-008": _IS_THEIRS,
        "RESUME-011": _IS_THEIRS,
    },
    "schedule-changes": {
        "SCHED-010": _IS_THEIRS & _ON_IT,
        "SCHED-013": pl.col("is_in_place"),
        "SCHED-015": _FROZEN_YEAR,
        "SCHED-019": _IS_THEIRS & (_IS_OVER | pl.col("training_period_id").is_null()),
    },
    "partnerships": {
        "PARTNER-007": _NO_SUCH_SCHOOL,
        "PARTNER-008": pl.col("eligible").is_null(),
        "PARTNER-009": _NO_SUCH_PARTNER,
        "PARTNER-010": _NO_SUCH_PARTNER,
        "PARTNER-011": (pl.col("existing_partnership_id").is_not_null() & ~_DONE) | _NO_SUCH_SCHOOL,
        "PARTNER-012": _NO_SUCH_SCHOOL | ~pl.col("enabled"),
    },
    "partnership-changes": {
        "PARTNERUPD-003": _NO_SUCH_PARTNER,
        "PARTNERUPD-005": _NO_SUCH_PARTNER,
        "PARTNERUPD-006": (pl.col("present_partner") == pl.col("delivery_partner_id")) & ~_DONE,
    },
    "requests": {"REQUEST-002": ALWAYS},
}


def without_an_extract(kind: Kind) -> dict[str, pl.Expr]:
    """By code, of which rows a rule is not judged where nothing is known but the file."""
    unsure = {rule.code: ALWAYS for rule in kind.rules if not is_of_the_file(kind, rule)}
    if "trn" in kind.columns:
        unsure["FILE-012"] = _SHORT_TRN  # DfE's record tells whether zeros were lost
    return unsure


def is_of_the_file(kind: Kind, rule: Rule) -> bool:
    """Whether a rule looks at nothing but the file: it names the file's own columns alone."""
    return set(rule.broken.meta.root_names()) <= {*kind.columns, *_OF_THE_FILE}


def of_records(kind: Kind) -> list[str]:
    """Codes of the rules that look at records."""
    form = form_rules(kind)
    return list(dict.fromkeys(rule.code for rule in (*form, *kind.rules) if not is_of_the_file(kind, rule)))
