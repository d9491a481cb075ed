"""What statements are made of: contracts and their terms, and the declarations on statements not yet paid."""

import polars as pl

from data.counting import on_side, units_of
from data.reader import Reader
from schemas.accounts import Accounts
from schemas.columns import typed
from schemas.lifecycle import SIDES
from schemas.records.prices import mismatched_bands

_STATEMENTS = """
SELECT s.statement_id, s.contract_id, s.year, s.month, s.fee_type, s.deadline_date, s.payment_date, s.status, s.marked_as_paid_at,
       c.lead_provider_id, c.contract_period, c.contract_type, c.vat_rate, c.recruitment_target, c.setup_fee,
       c.monthly_service_fee, c.uplift_fee_per_declaration, c.mentor_fee_per_declaration,
       l.name AS lead_provider_name, l.vat_registered
FROM statements s
JOIN contracts c ON c.contract_id = s.contract_id
JOIN lead_providers l ON l.lead_provider_id = c.lead_provider_id
"""

_DECLARATIONS = """
SELECT n.id AS statement_id, d.declaration_id, sp.participant_id, t.trn, t.full_name, sp.participant_type,
       d.declaration_type, d.declaration_date, d.created_at, d.payment_status, d.clawback_status, d.evidence_held,
       tp.schedule_identifier, d.mentor_id, sc.urn AS school_urn, sc.name AS school_name, d.delivery_partner_id,
       dp.name AS delivery_partner_name, d.pupil_premium_uplift, d.sparsity_uplift, d.your_reference,
       d.payment_statement_id
FROM unpaid n
CROSS JOIN declarations d
CROSS JOIN training_periods tp
CROSS JOIN school_periods sp
CROSS JOIN participants t
CROSS JOIN schools sc
CROSS JOIN delivery_partners dp
WHERE d.{link} = n.id AND d.{status} IN ({statuses})
  AND tp.training_period_id = d.training_period_id AND sp.school_period_id = tp.school_period_id
  AND t.participant_id = sp.participant_id AND sc.school_id = sp.school_id
  AND dp.delivery_partner_id = d.delivery_partner_id
"""
_ADJUSTMENTS = "SELECT a.* FROM unpaid n CROSS JOIN adjustments a WHERE a.statement_id = n.id"
_BANDS = """
SELECT b.lead_provider_id, b.contract_period, b.band, b.capacity, t.contract_id, t.fee_per_declaration,
       t.output_fee_ratio, t.service_fee_ratio
FROM bands b
JOIN contracts c ON c.lead_provider_id = b.lead_provider_id AND c.contract_period = b.contract_period
JOIN band_terms t ON t.contract_id = c.contract_id AND t.band = b.band
"""

_PAIRS = """
SELECT d.declaration_id, d.payment_statement_id, d.clawback_statement_id
FROM contracts c
JOIN statements s ON s.contract_id = c.contract_id
JOIN declarations d ON d.clawback_statement_id = s.statement_id
WHERE c.lead_provider_id = ?
"""


def clawback_pairs(reader: Reader, lead_provider_id: str) -> pl.DataFrame:
    """What was clawed back on a lead provider's statements: declaration_id, payment_statement_id, clawback_statement_id."""
    return reader.frame(_PAIRS, lead_provider_id)


def load_accounts(reader: Reader, statement_ids: list[str] | None = None, owners: list[str] | None = None) -> Accounts:
    """The accounts of the statements named, or of all that are not paid; of `owners` (lead_provider_id) alone, if given."""
    statements = named = typed(reader.frame(_STATEMENTS))
    chosen = (
        statements.filter(pl.col("status") != "paid")
        if statement_ids is None
        else statements.filter(pl.col("statement_id").is_in(statement_ids))
    )
    if owners is not None:
        chosen = chosen.filter(pl.col("lead_provider_id").is_in(owners))
    owner = ["lead_provider_id", "contract_period"]
    statements = statements.join(chosen.select(owner).unique(), on=owner, how="semi")
    ids = chosen["statement_id"].sort()
    with reader.looking_up():  # most statements that are not paid have no declarations yet
        units, declarations = units_of(reader, statements), _declarations(reader, ids)
    return Accounts(
        statements=statements,
        chosen=ids,
        bands=typed(reader.frame(_BANDS)).sort("contract_id", "band"),
        mismatched=_mismatched(reader, statements),
        units=units,
        declarations=declarations,
        adjustments=typed(reader.frame(_ADJUSTMENTS, unpaid=ids)).sort("adjustment_id"),
        named=named,
    )


def _mismatched(reader: Reader, statements: pl.DataFrame) -> pl.DataFrame:
    bands = typed(reader.frame("SELECT lead_provider_id, contract_period, band FROM bands"))
    terms = reader.frame("SELECT contract_id, band FROM band_terms")
    return mismatched_bands(statements.unique("contract_id", maintain_order=True), bands, terms)


def _declarations(reader: Reader, statement_ids: pl.Series) -> pl.DataFrame:
    """The declarations on these statements, in each capacity in which they are."""
    with reader.lending(unpaid=statement_ids):
        parts = [
            typed(reader.frame(on_side(_DECLARATIONS, side))).with_columns(line_type=pl.lit(side.line_type))
            for side in SIDES
        ]
    return pl.concat(parts)


_UNPAID = """
SELECT c.lead_provider_id, COUNT(*) AS declarations
FROM contracts c
JOIN statements s ON s.contract_id = c.contract_id
JOIN declarations d ON d.payment_statement_id = s.statement_id
WHERE s.status <> 'paid'
GROUP BY c.lead_provider_id
"""


def declarations_not_paid(reader: Reader) -> dict[str, int]:
    """Lead provider id → how many declarations are on statements of theirs that are not paid: what computing those costs."""
    return dict(typed(reader.frame(_UNPAID)).with_columns(pl.col("declarations").cast(pl.Int64)).iter_rows())


_NOWHERE = """
SELECT p.lead_provider_id, p.contract_period, d.declaration_id, sp.participant_type,
       CASE WHEN sp.participant_type = 'ect' THEN t.ect_first_became_eligible_at
            ELSE t.mentor_first_became_eligible_at END AS first_became_eligible_at
FROM declarations d
JOIN training_periods tp ON tp.training_period_id = d.training_period_id
JOIN school_periods sp ON sp.school_period_id = tp.school_period_id
JOIN participants t ON t.participant_id = sp.participant_id
JOIN partnerships p ON p.partnership_id = tp.partnership_id
WHERE d.payment_statement_id IS NULL AND d.payment_status = 'no_payment' AND p.lead_provider_id IN (SELECT id FROM asked)
"""


def submitted_without_statement(reader: Reader, owners: list[str]) -> pl.DataFrame:
    """Declarations of these lead providers that are submitted, and so on no statement: lead_provider_id, contract_period,
    declaration_id, participant_type, is_eligible (it could be on one, were one open)."""
    rows = reader.frame(_NOWHERE, asked=pl.Series(owners, dtype=pl.String)).with_columns(
        pl.col("contract_period").cast(pl.Int64), is_eligible=pl.col("first_became_eligible_at").is_not_null()
    )
    return rows.drop("first_became_eligible_at").sort("declaration_id")
