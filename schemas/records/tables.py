"""DfE's records: every table of the extract, its columns, types and links. The one place they are written down."""

from dataclasses import dataclass, field

from schemas.vocabulary import (
    CLAWBACK_STATUSES,
    DECLARATION_TYPES,
    PAYMENT_STATUSES,
    STATEMENT_STATUSES,
    schedule_identifiers,
)


@dataclass(frozen=True)
class Column:
    """One column: its kind of value, whether it may be empty, the words allowed, the column it points at.

    kind: `id` (UUID), `text`, `trn` (7 digits), `integer`, `day`, `instant`, `money` (2 decimals), `ratio` (2 decimals),
    `flag` (true or false).
    """

    kind: str
    optional: bool = False
    words: tuple[str, ...] = ()
    points_at: str = ""
    indexed: bool = False


@dataclass(frozen=True)
class Table:
    """One table of the extract: its key, by which rows are ordered, and its columns in the interface's order."""

    name: str
    key: tuple[str, ...]
    columns: dict[str, Column] = field(default_factory=dict)


ID = Column("id")
TEXT = Column("text")
DAY = Column("day")
INSTANT = Column("instant")
INTEGER = Column("integer")
MONEY = Column("money")
RATIO = Column("ratio")
FLAG = Column("flag")
OPTIONAL_ID = Column("id", optional=True)
OPTIONAL_TEXT = Column("text", optional=True)
OPTIONAL_DAY = Column("day", optional=True)
OPTIONAL_INSTANT = Column("instant", optional=True)
OPTIONAL_INTEGER = Column("integer", optional=True)
OPTIONAL_MONEY = Column("money", optional=True)
DECLARATION_TYPE = Column("text", words=DECLARATION_TYPES)
PARTICIPANT_TYPE = Column("text", words=("ect", "mentor"))
CONTRACT_PERIOD = Column("integer", points_at="contract_periods.contract_period")
LEAD_PROVIDER = Column("id", points_at="lead_providers.lead_provider_id")
DELIVERY_PARTNER = Column("id", points_at="delivery_partners.delivery_partner_id")
SCHOOL = Column("id", points_at="schools.school_id", indexed=True)
CONTRACT = Column("id", points_at="contracts.contract_id", indexed=True)
STATEMENT = Column("id", optional=True, points_at="statements.statement_id", indexed=True)

_TABLES = (
    Table(
        "contract_periods",
        ("contract_period",),
        {
            "contract_period": INTEGER,
            "started_on": DAY,
            "finished_on": DAY,
            "enabled": FLAG,
            "payments_frozen_at": OPTIONAL_INSTANT,
            "mentor_funding_enabled": FLAG,
            "detailed_evidence_types_enabled": FLAG,
            "uplift_fees_enabled": FLAG,
        },
    ),
    Table(
        "milestones",
        ("contract_period", "schedule_identifier", "declaration_type"),
        {
            "contract_period": CONTRACT_PERIOD,
            "schedule_identifier": Column("text", words=schedule_identifiers()),
            "declaration_type": DECLARATION_TYPE,
            "start_date": DAY,
            "milestone_date": OPTIONAL_DAY,
        },
    ),
    Table(
        "lead_providers",
        ("lead_provider_id",),
        {"lead_provider_id": ID, "name": TEXT, "vat_registered": FLAG},
    ),
    Table("delivery_partners", ("delivery_partner_id",), {"delivery_partner_id": ID, "name": TEXT}),
    Table(
        "provider_delivery_partners",
        ("lead_provider_id", "delivery_partner_id", "contract_period"),
        {
            "lead_provider_id": LEAD_PROVIDER,
            "delivery_partner_id": DELIVERY_PARTNER,
            "contract_period": CONTRACT_PERIOD,
        },
    ),
    Table(
        "schools",
        ("school_id",),
        {
            "school_id": ID,
            "urn": Column("text", indexed=True),
            "name": TEXT,
            "eligible": FLAG,
            "induction_tutor_name": OPTIONAL_TEXT,
            "induction_tutor_email": OPTIONAL_TEXT,
        },
    ),
    Table(
        "school_contract_periods",
        ("school_id", "contract_period"),
        {
            "school_id": Column("id", points_at="schools.school_id"),
            "contract_period": CONTRACT_PERIOD,
            "induction_programme_choice": Column("text", words=("not_yet_known", "provider_led", "school_led")),
            "pupil_premium_uplift": FLAG,
            "sparsity_uplift": FLAG,
        },
    ),
    Table(
        "partnerships",
        ("partnership_id",),
        {
            "partnership_id": ID,
            "lead_provider_id": LEAD_PROVIDER,
            "delivery_partner_id": DELIVERY_PARTNER,
            "school_id": SCHOOL,
            "contract_period": CONTRACT_PERIOD,
            "created_at": INSTANT,
            "updated_at": INSTANT,
        },
    ),
    Table(
        "participants",
        ("participant_id",),
        {
            "participant_id": ID,
            "trn": Column("trn", optional=True),
            "full_name": OPTIONAL_TEXT,
            "ect_training_record_id": ID,
            "mentor_training_record_id": ID,
            "ect_first_became_eligible_at": OPTIONAL_INSTANT,
            "mentor_first_became_eligible_at": OPTIONAL_INSTANT,
            "ect_payments_frozen_year": OPTIONAL_INTEGER,
            "mentor_payments_frozen_year": OPTIONAL_INTEGER,
            "mentor_funding_end_date": OPTIONAL_DAY,
            "mentor_funding_end_reason": Column(
                "text",
                optional=True,
                words=(
                    "completed_declaration_received",
                    "completed_during_early_roll_out",
                    "started_not_completed",
                ),
            ),
            "ect_ineligible_for_funding_on": OPTIONAL_DAY,
            "induction_start_date": OPTIONAL_DAY,
            "induction_end_date": OPTIONAL_DAY,
            "most_recent_induction_period_end_date": OPTIONAL_DAY,
            "created_at": INSTANT,
            "updated_at": INSTANT,
        },
    ),
    Table(
        "participant_id_changes",
        ("from_participant_id", "to_participant_id", "changed_at"),
        {
            "from_participant_id": ID,
            # Not a link: it may lead to a participant through other changes (schemas.records.checks, chains).
            "to_participant_id": ID,
            "changed_at": INSTANT,
        },
    ),
    Table(
        "school_merges",
        ("from_school_id",),
        {"from_school_id": ID, "to_school_id": ID, "merged_at": INSTANT},
    ),
    Table(
        "school_periods",
        ("school_period_id",),
        {
            "school_period_id": ID,
            "participant_id": Column("id", points_at="participants.participant_id", indexed=True),
            "participant_type": PARTICIPANT_TYPE,
            "school_id": SCHOOL,
            "started_on": DAY,
            "finished_on": OPTIONAL_DAY,
            "email": OPTIONAL_TEXT,
            "working_pattern": Column("text", optional=True, words=("full_time", "part_time")),
            "created_at": INSTANT,
        },
    ),
    Table(
        "training_periods",
        ("training_period_id",),
        {
            "training_period_id": ID,
            "school_period_id": Column("id", points_at="school_periods.school_period_id", indexed=True),
            "training_programme": Column("text", words=("provider_led", "school_led")),
            "partnership_id": Column("id", optional=True, points_at="partnerships.partnership_id", indexed=True),
            "expression_of_interest_lead_provider_id": Column(
                "id", optional=True, points_at="lead_providers.lead_provider_id"
            ),
            "expression_of_interest_contract_period": Column(
                "integer", optional=True, points_at="contract_periods.contract_period"
            ),
            "schedule_identifier": Column("text", optional=True, words=schedule_identifiers()),
            "started_on": DAY,
            "finished_on": OPTIONAL_DAY,
            "withdrawn_at": OPTIONAL_INSTANT,
            "withdrawal_reason": OPTIONAL_TEXT,
            "deferred_at": OPTIONAL_INSTANT,
            "deferral_reason": OPTIONAL_TEXT,
            "created_at": INSTANT,
        },
    ),
    Table(
        "mentorships",
        ("ect_school_period_id", "mentor_school_period_id", "started_on"),
        {
            "ect_school_period_id": Column("id", points_at="school_periods.school_period_id"),
            "mentor_school_period_id": Column("id", points_at="school_periods.school_period_id"),
            "started_on": DAY,
            "finished_on": OPTIONAL_DAY,
        },
    ),
    Table(
        "contracts",
        ("contract_id",),
        {
            "contract_id": ID,
            "lead_provider_id": LEAD_PROVIDER,
            "contract_period": CONTRACT_PERIOD,
            "contract_type": Column("text", words=("ecf", "ittecf_ectp")),
            "vat_rate": RATIO,
            "recruitment_target": INTEGER,
            "setup_fee": MONEY,
            "monthly_service_fee": OPTIONAL_MONEY,
            "uplift_fee_per_declaration": OPTIONAL_MONEY,
            "mentor_fee_per_declaration": OPTIONAL_MONEY,
            "mentor_recruitment_target": OPTIONAL_INTEGER,
        },
    ),
    Table(
        "bands",
        ("lead_provider_id", "contract_period", "band"),
        {
            "lead_provider_id": LEAD_PROVIDER,
            "contract_period": CONTRACT_PERIOD,
            "band": TEXT,
            "capacity": INTEGER,
        },
    ),
    Table(
        "band_terms",
        ("contract_id", "band"),
        {
            "contract_id": Column("id", points_at="contracts.contract_id"),
            "band": TEXT,
            "fee_per_declaration": MONEY,
            "output_fee_ratio": RATIO,
            "service_fee_ratio": RATIO,
        },
    ),
    Table(
        "statements",
        ("statement_id",),
        {
            "statement_id": ID,
            "contract_id": CONTRACT,
            "year": INTEGER,
            "month": INTEGER,
            "fee_type": Column("text", words=("output", "service")),
            "deadline_date": DAY,
            "payment_date": DAY,
            "status": Column("text", words=STATEMENT_STATUSES),
            "marked_as_paid_at": OPTIONAL_INSTANT,
        },
    ),
    Table(
        "adjustments",
        ("adjustment_id",),
        {
            "adjustment_id": ID,
            "statement_id": Column("id", points_at="statements.statement_id", indexed=True),
            "payment_type": TEXT,
            "amount": MONEY,
        },
    ),
    Table(
        "declarations",
        ("declaration_id",),
        {
            "declaration_id": ID,
            "training_period_id": Column("id", points_at="training_periods.training_period_id", indexed=True),
            "declaration_type": DECLARATION_TYPE,
            "declaration_date": INSTANT,
            "evidence_held": OPTIONAL_TEXT,
            "delivery_partner_id": DELIVERY_PARTNER,
            "mentor_id": OPTIONAL_ID,
            "payment_status": Column("text", words=PAYMENT_STATUSES),
            "clawback_status": Column("text", words=CLAWBACK_STATUSES),
            "payment_statement_id": STATEMENT,
            "clawback_statement_id": STATEMENT,
            "pupil_premium_uplift": FLAG,
            "sparsity_uplift": FLAG,
            "your_reference": OPTIONAL_TEXT,
            "created_at": INSTANT,
            "updated_at": INSTANT,
        },
    ),
)

RECORDS: dict[str, Table] = {table.name: table for table in _TABLES}
