"""The rules of a new partnership, PARTNER-001 to PARTNER-012, in the order of evaluation."""

import polars as pl

from schemas import events
from schemas.kinds.kind import Kind, Memory, Owner, codes
from schemas.kinds.shared import AT_SCHOOLS, OWN_TERMS, remembered
from schemas.needs import FILE, Ids, Need
from schemas.rules import Rule

CREATE = "RECT app/services/api/school_partnerships/create.rb"

_BLANK_PERIOD = Rule(
    code="PARTNER-001",
    field="contract_period",
    broken=pl.col("contract_period").is_null(),
    message="The contract_period is blank.",
    advice="Give the year that the contract period starts in, for example 2026.",
    source=CREATE,
)
_BLANK_SCHOOL = Rule(
    code="PARTNER-002",
    field="school_urn",
    broken=pl.col("school_urn").is_null(),
    message="The school_urn is blank.",
    advice="Give the school's URN, 6 digits.",
    source=CREATE,
)
_BLANK_PARTNER = Rule(
    code="PARTNER-003",
    field="delivery_partner_id",
    broken=pl.col("delivery_partner_id").is_null(),
    message="The delivery_partner_id is blank.",
    advice="Give the delivery partner's id.",
    source=CREATE,
)

RULES: tuple[Rule, ...] = (
    _BLANK_PERIOD,
    _BLANK_SCHOOL,
    _BLANK_PARTNER,
    Rule(
        code="PARTNER-004",
        field="contract_period",
        broken=pl.col("period_started_on").is_null(),
        message="There is no contract period {contract_period}.",
        advice="Check the contract_period.",
        source=CREATE,
        silenced_by=("contract_period",),
    ),
    Rule(
        code="PARTNER-005",
        field="contract_period",
        broken=pl.col("period_started_on") > pl.col("today"),
        message="Contract period {contract_period} opens on {period_started_on}.",
        advice="Send the row again from that day on.",
        source=CREATE,
        silenced_by=("contract_period",),
    ),
    Rule(
        code="PARTNER-006",
        field="contract_period",
        broken=~pl.col("enabled"),
        message="Contract period {contract_period} is closed to new partnerships.",
        advice="Check the contract_period.",
        source=CREATE,
        silenced_by=("contract_period",),
    ),
    Rule(
        code="PARTNER-007",
        field="school_urn",
        broken=pl.col("school_id").is_null(),
        message="There is no school with the URN {school_urn}.",
        advice="Take it from urn in schools.csv of your extract, or check it on GIAS (get-information-schools.service.gov.uk).",
        source=CREATE,
        silenced_by=("school_urn",),
    ),
    Rule(
        code="PARTNER-008",
        field="school_urn",
        broken=~pl.col("eligible"),
        message="School {school_urn} cannot have funded training now.",
        advice="Contact the school.",
        source=CREATE,
        silenced_by=("school_urn",),
    ),
    Rule(
        code="PARTNER-009",
        field="delivery_partner_id",
        broken=pl.col("delivery_partner_name").is_null(),
        message="There is no delivery partner with this id.",
        advice="Take it from id in delivery-partners.csv of your extract.",
        source=CREATE,
        silenced_by=("delivery_partner_id",),
    ),
    Rule(
        code="PARTNER-010",
        field="delivery_partner_id",
        broken=pl.col("delivery_partner_name").is_not_null() & ~pl.col("is_paired"),
        message="DfE has not recorded you as working with this delivery partner in contract period {contract_period}.",
        advice="Look up cohort in delivery-partners.csv of your extract: it has the contract periods of each; or contact DfE.",
        source=CREATE,
    ),
    Rule(
        code="PARTNER-011",
        field="school_urn",
        broken=pl.col("existing_partnership_id").is_not_null(),
        message="You have a partnership with school {school_urn} in contract period {contract_period} already: "
        "{existing_partnership_id}.",
        advice="To correct its delivery partner, send a partnership-changes file.",
        source=CREATE,
    ),
    Rule(
        code="PARTNER-012",
        field="school_urn",
        broken=pl.col("induction_programme_choice") == "school_led",
        message="School {school_urn} has registered only school-led participants in contract period {contract_period}.",
        advice="Contact the school: it chooses who leads its training.",
        source=CREATE,
    ),
)

_MEMORY = Memory("partnership_id", (events.PARTNERSHIP_CREATED,))
_SCHOOLS = Ids("schools", "school_id")

KIND = Kind(
    name="partnerships",
    does="Makes a partnership with a school. Whoever waited for it there trains with you from then on.",
    place=7,
    required=("school_urn", "delivery_partner_id", "contract_period"),
    optional=(),
    owner="school_urn",
    owned_by=Owner.SCHOOL_YEAR,
    rules=RULES,
    told_done_by=codes("PARTNER", 1, 2, 3, 4, 7, 9),
    needs=(
        *OWN_TERMS,
        Need("schools", "urn", (Ids(FILE, "school_urn"),)),
        Need("school_contract_periods", "school_id", (_SCHOOLS,)),
        AT_SCHOOLS,
        # Who waits there for a partnership with this lead provider.
        Need("training_periods", "school_id", (_SCHOOLS,), own=True, way="interest"),
        Need("school_periods", "school_period_id", (Ids("training_periods", "school_period_id"),)),
        remembered(_MEMORY, Ids("partnerships", "partnership_id")),
    ),
    memory=_MEMORY,
)
