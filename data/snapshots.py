"""DfE's records about the participants of one file, as frames. A handful of questions, whatever the file's size."""

import polars as pl

from data.casting import typed
from data.database import Reader
from schemas.form import UUID_ANY_CASE
from schemas.snapshot import Snapshot

_ROLES = """
SELECT sp.participant_id, sp.participant_type, sp.school_id, tp.training_period_id, tp.school_period_id,
       p.lead_provider_id, p.delivery_partner_id,
       COALESCE(p.contract_period, tp.expression_of_interest_contract_period) AS contract_period,
       tp.schedule_identifier, tp.started_on, tp.finished_on, tp.withdrawn_at, tp.deferred_at
FROM named_participants n
CROSS JOIN school_periods sp
CROSS JOIN training_periods tp
LEFT JOIN partnerships p ON p.partnership_id = tp.partnership_id
WHERE sp.participant_id = n.participant_id AND tp.school_period_id = sp.school_period_id
"""
_DECLARATIONS = """
SELECT d.declaration_id, d.training_period_id, d.declaration_type, d.declaration_date, d.evidence_held,
       d.payment_status, d.payment_statement_id
FROM named_periods n
CROSS JOIN declarations d
WHERE d.training_period_id = n.training_period_id
  AND d.payment_status <> 'voided' AND d.clawback_status = 'no_clawback'
"""
_PARTICIPANTS = """
SELECT t.participant_id, t.trn, t.ect_first_became_eligible_at, t.mentor_first_became_eligible_at,
       t.mentor_funding_end_date, t.mentor_funding_end_reason
FROM named_participants n CROSS JOIN participants t
WHERE t.participant_id = n.participant_id
"""
_MENTORSHIPS = """
SELECT m.ect_school_period_id, sp.participant_id AS mentor_id, m.started_on, m.finished_on
FROM named_school_periods n
CROSS JOIN mentorships m
CROSS JOIN school_periods sp
WHERE m.ect_school_period_id = n.school_period_id AND sp.school_period_id = m.mentor_school_period_id
"""
_SENT_EVIDENCE = """
SELECT e.declaration_id, e.after
FROM named_declarations n
CROSS JOIN events e
WHERE e.declaration_id = n.declaration_id AND e.type = 'teacher_declaration_created' AND e.after IS NOT NULL
"""
_STATEMENTS = """
SELECT s.statement_id, c.contract_period, s.year, s.month, s.fee_type, s.deadline_date, s.status
FROM statements s JOIN contracts c ON c.contract_id = s.contract_id
WHERE c.lead_provider_id = ?
"""


def declaration_snapshot(reader: Reader, participant_ids: pl.Series, lead_provider_id: str) -> Snapshot:
    """What judging declarations of these participants needs. participant_ids: as sent, any case, any rubbish."""
    ids = participant_ids.drop_nulls()
    ids = ids.filter(ids.str.contains(UUID_ANY_CASE)).str.to_lowercase().unique().sort()
    reader.lend("named_participants", "participant_id", ids)
    training_periods = typed(reader.frame(_ROLES))
    reader.lend("named_periods", "training_period_id", training_periods["training_period_id"].sort())
    yours = training_periods.filter(
        (pl.col("lead_provider_id") == lead_provider_id) & (pl.col("participant_type") == "ect")
    )
    reader.lend("named_school_periods", "school_period_id", yours["school_period_id"].unique().sort())
    whose = training_periods.select("training_period_id", "participant_id", "participant_type", "lead_provider_id")
    declarations = typed(reader.frame(_DECLARATIONS)).join(whose, on="training_period_id")
    schools = training_periods.select("school_id").unique()
    return Snapshot(
        participants=typed(reader.frame(_PARTICIPANTS)),
        training_periods=training_periods,
        declarations=declarations,
        mentorships=typed(reader.frame(_MENTORSHIPS)),
        sent_evidence=_sent_evidence(reader, declarations),
        contract_periods=typed(reader.frame("SELECT * FROM contract_periods")),
        milestones=typed(reader.frame("SELECT * FROM milestones")),
        school_contract_periods=typed(reader.frame("SELECT * FROM school_contract_periods")).join(
            schools, on="school_id", how="semi"
        ),
        statements=typed(reader.frame(_STATEMENTS, lead_provider_id)),
    )


def _sent_evidence(reader: Reader, declarations: pl.DataFrame) -> pl.DataFrame:
    """Only a `started` can have been sent with evidence that was not kept (handbook: rules 4.2)."""
    unkept = declarations.filter((pl.col("declaration_type") == "started") & pl.col("evidence_held").is_null())
    reader.lend("named_declarations", "declaration_id", unkept["declaration_id"])
    said = reader.frame(_SENT_EVIDENCE)
    return said.select("declaration_id", pl.col("after").str.json_path_match("$.evidence_sent").alias("evidence_sent"))
