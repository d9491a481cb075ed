"""Which of DfE's records a file is judged by: what a kind asks for, and the consistent set of frames that it gets.

A kind's NEEDS are read in order (data.snapshots): each brings rows of one frame, chosen by ids of the file or of a frame
that came before. What is asked for twice is there once.
"""

from dataclasses import dataclass, field, fields

import polars as pl

from schemas.columns import COLUMNS

# A frame a table of the records, cut down to the rows that a file can touch, in the tables' own names and types. The
# columns that judging reads; a change set may name more.
FRAMES: dict[str, tuple[str, ...]] = {
    "participants": (
        "participant_id", "trn", "ect_first_became_eligible_at", "mentor_first_became_eligible_at",
        "ect_payments_frozen_year", "mentor_payments_frozen_year", "mentor_funding_end_date",
        "mentor_funding_end_reason", "induction_end_date",
    ),
    "participant_id_changes": ("from_participant_id", "to_participant_id"),
    "school_periods": (
        "school_period_id", "participant_id", "participant_type", "school_id", "started_on", "finished_on",
    ),
    "training_periods": (
        "training_period_id", "school_period_id", "training_programme", "partnership_id",
        "expression_of_interest_lead_provider_id", "expression_of_interest_contract_period", "schedule_identifier",
        "started_on", "finished_on", "withdrawn_at", "withdrawal_reason", "deferred_at", "deferral_reason",
    ),
    "partnerships": (
        "partnership_id", "lead_provider_id", "delivery_partner_id", "school_id", "contract_period", "created_at",
    ),
    "partnership_moves": ("from_partnership_id", "to_partnership_id"),
    "declarations": (
        "declaration_id", "training_period_id", "declaration_type", "declaration_date", "evidence_held",
        "payment_status", "clawback_status", "payment_statement_id", "clawback_statement_id",
    ),
    "mentorships": ("ect_school_period_id", "mentor_id", "started_on", "finished_on"),
    "contract_periods": (
        "contract_period", "started_on", "enabled", "payments_frozen_at", "mentor_funding_enabled",
        "detailed_evidence_types_enabled", "uplift_fees_enabled",
    ),
    "milestones": ("contract_period", "schedule_identifier", "declaration_type", "start_date", "milestone_date"),
    "schools": ("school_id", "urn", "eligible"),
    "school_contract_periods": (
        "school_id", "contract_period", "induction_programme_choice", "pupil_premium_uplift", "sparsity_uplift",
    ),
    "delivery_partners": ("delivery_partner_id", "name"),
    "provider_delivery_partners": ("delivery_partner_id", "contract_period"),
    "statements": (
        "statement_id", "contract_period", "year", "month", "fee_type", "deadline_date", "status",
    ),
    "events": (
        "type", "happened_at", "participant_id", "declaration_id", "training_period_id", "partnership_id", "submission_id",
        "before", "after",
    ),
    "extract_requests": ("received_at",),
    "extract_sets": ("number", "as_of"),
    "expected_payments": (
        "statement_month", "contract_period", "participant_id", "participant_type", "declaration_type",
    ),
    "stated_before": (
        "submission_id", "statement_month", "contract_period", "participant_id", "participant_type", "declaration_type",
    ),
}  # fmt: skip
FILE = "file"


@dataclass(frozen=True)
class Ids:
    """Ids in a column of the file (frame `file`: whatever is sent, of a column of ids those that are some), or of a frame
    that came before: of its rows that fulfil `where`, and with `own` only of this lead provider's."""

    frame: str
    column: str
    where: pl.Expr | None = None
    own: bool = False


@dataclass(frozen=True)
class Need:
    """Rows of a frame whose column `by` holds one of the ids `among`; without `by`: all of it.

    own: this lead provider's alone. way: how `by` is reached, where it is no column of the table itself (data.snapshots).
    types: of events, those alone.
    """

    frame: str
    by: str = ""
    among: tuple[Ids, ...] = ()
    own: bool = False
    way: str = ""
    types: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Snapshot:
    """DfE's records about what a file names, and this lead provider's own terms. Columns: FRAMES, or more.

    training_periods, declarations: any lead provider's, of the participants named. mentorships: mentor_id is the
    mentor's participant id. participant_id_changes: to_participant_id is the surviving record's, at the end
    of any chain. provider_delivery_partners, statements: this lead provider's alone. events: of accepted
    rows of this lead provider, the memory of what was asked for before. extract_requests, extract_sets: what this lead provider
    asked for before, and was given. expected_payments: of this very file.
    stated_before: the rows that stand for the months that the file names.
    """

    participants: pl.DataFrame
    participant_id_changes: pl.DataFrame
    school_periods: pl.DataFrame
    training_periods: pl.DataFrame
    partnerships: pl.DataFrame
    partnership_moves: pl.DataFrame
    declarations: pl.DataFrame
    mentorships: pl.DataFrame
    contract_periods: pl.DataFrame
    milestones: pl.DataFrame
    schools: pl.DataFrame
    school_contract_periods: pl.DataFrame
    delivery_partners: pl.DataFrame
    provider_delivery_partners: pl.DataFrame
    statements: pl.DataFrame
    events: pl.DataFrame
    extract_requests: pl.DataFrame
    extract_sets: pl.DataFrame
    expected_payments: pl.DataFrame
    stated_before: pl.DataFrame


assert [each.name for each in fields(Snapshot)] == list(FRAMES), "a frame is not described"
assert {name for columns in FRAMES.values() for name in columns} <= set(COLUMNS), "a column is not described"
