"""The rules of a correction of a partnership's delivery partner, PARTNERUPD-001 to -006."""

import polars as pl

from schemas import events
from schemas.kinds.kind import Kind, Memory, Owner, codes
from schemas.kinds.shared import OWN_TERMS, remembered
from schemas.needs import FILE, Ids, Need
from schemas.rules import Rule

UPDATE = "RECT app/services/api/school_partnerships/update.rb"

RULES: tuple[Rule, ...] = (
    Rule(
        code="PARTNERUPD-001",
        field="partnership_id",
        broken=pl.col("partnership_id").is_null(),
        message="The partnership_id is blank.",
        advice="Give the partnership's id.",
        source=UPDATE,
    ),
    Rule(
        code="PARTNERUPD-002",
        field="delivery_partner_id",
        broken=pl.col("delivery_partner_id").is_null(),
        message="The delivery_partner_id is blank.",
        advice="Give the delivery partner's id.",
        source=UPDATE,
    ),
    Rule(
        code="PARTNERUPD-003",
        field="delivery_partner_id",
        broken=pl.col("delivery_partner_name").is_null(),
        message="There is no delivery partner with this id.",
        advice="Take it from id in delivery-partners.csv of your extract.",
        source=UPDATE,
        silenced_by=("delivery_partner_id",),
    ),
    Rule(
        code="PARTNERUPD-004",
        field="partnership_id",
        broken=~pl.col("is_your_partnership"),
        message="We do not recognise this partnership_id as one of your partnerships.",
        advice=pl.when(pl.col("moved_into").is_not_null())
        .then(
            pl.format(
                "DfE has merged the school into another, and this partnership into {}: use that id.", "moved_into"
            )
        )
        .otherwise(pl.lit("Take it from id in partnerships.csv of your extract.")),
        source=UPDATE,
        silenced_by=("partnership_id",),
    ),
    Rule(
        code="PARTNERUPD-005",
        field="delivery_partner_id",
        broken=pl.col("is_your_partnership") & pl.col("delivery_partner_name").is_not_null() & ~pl.col("is_paired"),
        message="DfE has not recorded you as working with this delivery partner in contract period {contract_period}.",
        advice="Contact DfE to add the pairing.",
        source=UPDATE,
    ),
    Rule(
        code="PARTNERUPD-006",
        field="delivery_partner_id",
        broken=pl.col("is_your_partnership") & pl.col("same_partnership_id").is_not_null(),
        message="You have a partnership with this school and this delivery partner in contract period {contract_period} "
        "already: {same_partnership_id}.",
        advice="There is nothing to change.",
        source=UPDATE,
    ),
)

_MEMORY = Memory("partnership_id", (events.PARTNERSHIP_UPDATED,))
_SENT = Ids(FILE, "partnership_id")
# Of the partnerships named, not those beside them: who trains under them, and what was declared.
_OWN = Ids("partnerships", "partnership_id", own=True)

KIND = Kind(
    name="partnership-changes",
    does="Corrects the delivery partner of a partnership. Declarations made before keep theirs.",
    place=8,
    required=("partnership_id", "delivery_partner_id"),
    optional=(),
    owner="partnership_id",
    owned_by=Owner.SCHOOL_YEAR,
    rules=RULES,
    told_done_by=codes("PARTNERUPD", 1, 2, 3, 4),
    needs=(
        *OWN_TERMS,
        Need("partnership_moves", "from_partnership_id", (_SENT,)),
        Need("partnerships", "partnership_id", (_SENT, Ids("partnership_moves", "to_partnership_id"))),
        Need("training_periods", "partnership_id", (_OWN,)),
        Need("school_periods", "school_period_id", (Ids("training_periods", "school_period_id"),)),
        Need("declarations", "training_period_id", (Ids("training_periods", "training_period_id"),)),
        remembered(_MEMORY, _OWN),
        # This lead provider's others at the same schools, which a correction might repeat.
        Need("partnerships", "school_id", (Ids("partnerships", "school_id", own=True),), own=True),
    ),
    memory=_MEMORY,
    last_row_counts=True,
)
