"""What the judging of a file needs of DfE's records: a consistent set of frames, loaded once."""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Snapshot:
    """DfE's records about the participants that a file names, and this lead provider's own terms.

    participants: participant_id, trn, ect_first_became_eligible_at, mentor_first_became_eligible_at,
        mentor_funding_end_date, mentor_funding_end_reason
    training_periods: every one, any provider's: participant_id, participant_type, training_period_id,
        school_period_id, school_id, lead_provider_id (null without a partnership), delivery_partner_id,
        contract_period, schedule_identifier, started_on, finished_on, withdrawn_at, deferred_at
    declarations: the live ones, any provider's: declaration_id, participant_id, participant_type,
        training_period_id, lead_provider_id, declaration_type, declaration_date, evidence_held, payment_status,
        payment_statement_id
    mentorships: ect_school_period_id, mentor_id, started_on, finished_on
    sent_evidence: declaration_id, evidence_sent: what accepted rows of this provider said, where it was not kept
    contract_periods, milestones, school_contract_periods: as in the records
    statements: this provider's: statement_id, contract_period, year, month, fee_type, deadline_date, status
    """

    participants: pl.DataFrame
    training_periods: pl.DataFrame
    declarations: pl.DataFrame
    mentorships: pl.DataFrame
    sent_evidence: pl.DataFrame
    contract_periods: pl.DataFrame
    milestones: pl.DataFrame
    school_contract_periods: pl.DataFrame
    statements: pl.DataFrame
