"""What providers said they expect of the chosen statements, and what the records say of the declarations they name."""

from dataclasses import dataclass

import polars as pl

from data.casting import typed
from data.database import Reader

# Months are few and looked up one by one; what was stated for other months is not read.
_STATED = """
SELECT DISTINCT e.lead_provider_id, e.contract_period, e.statement_month, e.submission_id, x.number
FROM months m
CROSS JOIN lead_providers l
CROSS JOIN contract_periods c
JOIN expected_payments e ON e.lead_provider_id = l.lead_provider_id AND e.contract_period = c.contract_period
  AND e.statement_month = m.statement_month
JOIN submissions x ON x.submission_id = e.submission_id
"""
_EXPECTED = """
SELECT e.submission_id, e.lead_provider_id, e.contract_period, e.statement_month, e.participant_id, e.participant_type,
       e.declaration_type, e.expected_amount, e.delivery_partner_id, e.your_reference
FROM stating s CROSS JOIN expected_payments e WHERE e.submission_id = s.submission_id
"""
_MERGES = """
SELECT m.from_participant_id AS participant_id, m.to_participant_id AS merged_into
FROM naming n JOIN participant_id_changes m ON m.from_participant_id = n.participant_id
"""
_TRAINED = """
SELECT DISTINCT n.participant_id, p.lead_provider_id, t.trn, t.full_name
FROM naming n CROSS JOIN participants t CROSS JOIN school_periods sp CROSS JOIN training_periods tp
CROSS JOIN partnerships p
WHERE t.participant_id = n.participant_id AND sp.participant_id = n.participant_id
  AND tp.school_period_id = sp.school_period_id AND p.partnership_id = tp.partnership_id
"""
_DECLARATIONS = """
SELECT p.lead_provider_id, sp.participant_id, sp.participant_type, d.declaration_type, d.declaration_id, d.created_at,
       d.payment_status, d.clawback_status, d.payment_statement_id, d.clawback_statement_id
FROM naming n CROSS JOIN school_periods sp CROSS JOIN training_periods tp CROSS JOIN partnerships p
CROSS JOIN declarations d
WHERE sp.participant_id = n.participant_id AND tp.school_period_id = sp.school_period_id
  AND p.partnership_id = tp.partnership_id AND d.training_period_id = tp.training_period_id
"""
_REJECTED = """
SELECT r.lead_provider_id, r.participant_id, r.participant_type, r.declaration_type, r.submission_id, r.row_number,
       r.rule_codes, x.number
FROM naming n CROSS JOIN rejected_declarations r CROSS JOIN submissions x
WHERE r.participant_id = n.participant_id AND x.submission_id = r.submission_id
"""
_MONTH = ["lead_provider_id", "contract_period", "statement_month"]
_DECLARED = ["lead_provider_id", "participant_id", "participant_type", "declaration_type"]


@dataclass(frozen=True)
class Expectations:
    """What was expected, and the records beside it.

    expected: statement_id, lead_provider_id, participant_id, participant_type, declaration_type, expected_amount,
        delivery_partner_id, your_reference: the accepted rows of the last file that names the statement's month
    trained: participant_id, lead_provider_id, trn, full_name: those named whom each provider trains or has trained
    merges: participant_id, merged_into
    declarations: of those named: lead_provider_id (who declared), participant_id, participant_type, declaration_type,
        declaration_id, created_at, statuses and statements
    rejected: the last row turned away: lead_provider_id, participant_id, participant_type, declaration_type,
        submission_id, row_number, rule_codes
    """

    expected: pl.DataFrame
    trained: pl.DataFrame
    merges: pl.DataFrame
    declarations: pl.DataFrame
    rejected: pl.DataFrame


def load_expectations(reader: Reader, chosen: pl.DataFrame) -> Expectations:
    """chosen: statement_id, lead_provider_id, contract_period, statement_month."""
    reader.lend("months", "statement_month", chosen["statement_month"].unique().sort())
    stated = typed(reader.frame(_STATED)).cast({"number": pl.Int64}).join(chosen, on=_MONTH)
    last = stated.sort("number").unique(_MONTH, keep="last", maintain_order=True)
    reader.lend("stating", "submission_id", last["submission_id"].unique().sort())
    expected = typed(reader.frame(_EXPECTED)).join(last.select("submission_id", *_MONTH, "statement_id"),
                                                   on=["submission_id", *_MONTH])  # fmt: skip
    reader.lend("naming", "participant_id", expected["participant_id"].unique().sort())
    merges = reader.frame(_MERGES).unique("participant_id", keep="last", maintain_order=True)
    named = pl.concat([expected["participant_id"], merges["merged_into"].rename("participant_id")])
    reader.lend("naming", "participant_id", named.unique().sort())
    rejected = (
        typed(reader.frame(_REJECTED)).cast({"number": pl.Int64, "row_number": pl.Int64}).sort("number", "row_number")
    )
    return Expectations(
        expected=expected.drop("submission_id", "contract_period", "statement_month"),
        trained=reader.frame(_TRAINED),
        merges=merges,
        declarations=typed(reader.frame(_DECLARATIONS)),
        rejected=rejected.unique(_DECLARED, keep="last", maintain_order=True).drop("number"),
    )
