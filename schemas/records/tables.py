"""DfE's records: every table of the extract, with its columns in the interface's order. What a column holds: schemas.columns."""

from dataclasses import dataclass, field

from schemas.columns import Column, column


@dataclass(frozen=True)
class Stored:
    """A column as a table of the records has it: whether it may be empty, the `table.column` it points at."""

    column: Column
    optional: bool = False
    points_at: str = ""
    indexed: bool = False

    @property
    def kind(self) -> str:
        return self.column.kind

    @property
    def words(self) -> tuple[str, ...]:
        return self.column.words


@dataclass(frozen=True)
class Table:
    """One table of the extract: its key, by which rows are ordered, and its columns in the interface's order."""

    name: str
    key: tuple[str, ...]
    columns: dict[str, Stored] = field(default_factory=dict)


_PERIOD = {"contract_period": "contract_periods.contract_period"}
_PROVIDER = {"lead_provider_id": "lead_providers.lead_provider_id"}
_PARTNER = {"delivery_partner_id": "delivery_partners.delivery_partner_id"}
_SCHOOL = {"school_id": "schools.school_id"}
_CONTRACT = {"contract_id": "contracts.contract_id"}


def _table(name: str, key: str, columns: str, points_at: dict[str, str] | None = None, indexed: str = "") -> Table:
    """key, columns, indexed: names with blanks between; `?` after a column that may be empty."""
    links, found = points_at or {}, {}
    for each in columns.split():
        own = each.removesuffix("?")
        found[own] = Stored(column(own), each.endswith("?"), links.get(own, ""), own in indexed.split())
    return Table(name, tuple(key.split()), found)


_TABLES = (
    _table(
        "contract_periods", "contract_period",
        "contract_period started_on finished_on enabled payments_frozen_at? mentor_funding_enabled "
        "detailed_evidence_types_enabled uplift_fees_enabled",
    ),
    _table(
        "milestones", "contract_period schedule_identifier declaration_type",
        "contract_period schedule_identifier declaration_type start_date milestone_date?",
        _PERIOD,
    ),
    _table("lead_providers", "lead_provider_id", "lead_provider_id name vat_registered"),
    _table("delivery_partners", "delivery_partner_id", "delivery_partner_id name"),
    _table(
        "provider_delivery_partners", "lead_provider_id delivery_partner_id contract_period",
        "lead_provider_id delivery_partner_id contract_period",
        _PROVIDER | _PARTNER | _PERIOD,
    ),
    _table(
        "schools", "school_id",
        "school_id urn name eligible induction_tutor_name? induction_tutor_email?",
        indexed="urn",
    ),
    _table(
        "school_contract_periods", "school_id contract_period",
        "school_id contract_period induction_programme_choice pupil_premium_uplift sparsity_uplift",
        _SCHOOL | _PERIOD,
    ),
    _table(
        "partnerships", "partnership_id",
        "partnership_id lead_provider_id delivery_partner_id school_id contract_period created_at updated_at",
        _PROVIDER | _PARTNER | _SCHOOL | _PERIOD, indexed="school_id",
    ),
    _table(
        "participants", "participant_id",
        "participant_id trn? full_name? ect_training_record_id mentor_training_record_id "
        "ect_first_became_eligible_at? mentor_first_became_eligible_at? ect_payments_frozen_year? "
        "mentor_payments_frozen_year? mentor_funding_end_date? mentor_funding_end_reason? "
        "ect_ineligible_for_funding_on? induction_start_date? induction_end_date? "
        "most_recent_induction_period_end_date? created_at updated_at",
    ),
    # Neither end of a change is a link: it may lead to a participant through other changes (schemas.records.checks).
    _table(
        "participant_id_changes", "from_participant_id to_participant_id changed_at",
        "from_participant_id to_participant_id changed_at",
    ),
    _table("school_merges", "from_school_id", "from_school_id to_school_id merged_at"),
    _table(
        "school_periods", "school_period_id",
        "school_period_id participant_id participant_type school_id started_on finished_on? email? working_pattern? created_at",
        {"participant_id": "participants.participant_id"} | _SCHOOL, indexed="participant_id school_id",
    ),
    _table(
        "training_periods", "training_period_id",
        "training_period_id school_period_id training_programme partnership_id? expression_of_interest_lead_provider_id? "
        "expression_of_interest_contract_period? schedule_identifier? started_on finished_on? withdrawn_at? "
        "withdrawal_reason? deferred_at? deferral_reason? created_at",
        {
            "school_period_id": "school_periods.school_period_id",
            "partnership_id": "partnerships.partnership_id",
            "expression_of_interest_lead_provider_id": "lead_providers.lead_provider_id",
            "expression_of_interest_contract_period": "contract_periods.contract_period",
        },
        indexed="school_period_id partnership_id",
    ),
    _table(
        "mentorships", "ect_school_period_id mentor_school_period_id started_on",
        "ect_school_period_id mentor_school_period_id started_on finished_on?",
        dict.fromkeys(("ect_school_period_id", "mentor_school_period_id"), "school_periods.school_period_id"),
    ),
    _table(
        "contracts", "contract_id",
        "contract_id lead_provider_id contract_period contract_type vat_rate recruitment_target setup_fee "
        "monthly_service_fee? uplift_fee_per_declaration? mentor_fee_per_declaration? mentor_recruitment_target?",
        _PROVIDER | _PERIOD,
    ),
    _table(
        "bands", "lead_provider_id contract_period band",
        "lead_provider_id contract_period band capacity",
        _PROVIDER | _PERIOD,
    ),
    _table(
        "band_terms", "contract_id band",
        "contract_id band fee_per_declaration output_fee_ratio service_fee_ratio",
        _CONTRACT,
    ),
    _table(
        "statements", "statement_id",
        "statement_id contract_id year month fee_type deadline_date payment_date status marked_as_paid_at?",
        _CONTRACT, indexed="contract_id",
    ),
    _table(
        "adjustments", "adjustment_id",
        "adjustment_id statement_id payment_type amount",
        {"statement_id": "statements.statement_id"}, indexed="statement_id",
    ),
    _table(
        "declarations", "declaration_id",
        "declaration_id training_period_id declaration_type declaration_date evidence_held? delivery_partner_id mentor_id? "
        "payment_status clawback_status payment_statement_id? clawback_statement_id? pupil_premium_uplift sparsity_uplift "
        "your_reference? created_at updated_at",
        {"training_period_id": "training_periods.training_period_id"} | _PARTNER
        | dict.fromkeys(("payment_statement_id", "clawback_statement_id"), "statements.statement_id"),
        indexed="training_period_id payment_statement_id clawback_statement_id",
    ),
)  # fmt: skip

RECORDS: dict[str, Table] = {table.name: table for table in _TABLES}
