"""What extracts are made from: DfE's records about these lead providers' participants, partners and schools, as frames."""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Holdings:
    """Of some lead providers, or all of them. Columns are those of the records, in their types, unless said otherwise.

    lead_providers: those whose extracts are made: lead_provider_id. names: of every lead provider: lead_provider_id, name
    contract_periods, milestones, delivery_partners, pairings, schools, school_years: whole tables; pairings: which delivery
        partners may work with whom; school_years: what schools chose, and their uplifts
    partnerships: everybody's
    participants: those trained, and the mentors of the ECTs among them
    merges: participant_id, previous_participant_ids (`;` between, earliest first): those who are there
    lost_merges: from_participant_id of merges that lead to nobody
    school_periods, training_periods: of these participants; interests: whom schools have chosen, as training says:
        school_id, lead_provider_id, contract_period
    mentorships: of the ECTs among them; with mentor_id (participant), email and mentor_started_on of the mentor's time there
    declarations: of these participants' training; their instants as RFC 3339 text, their statements and partners as
        categories; empty until they are asked for, for they are many (data.holdings.load_declarations)
    statements: output statements, with lead_provider_id and contract_period
    versions: statement_id, version, total of the newest version that was delivered
    """

    lead_providers: pl.DataFrame
    names: pl.DataFrame
    contract_periods: pl.DataFrame
    milestones: pl.DataFrame
    delivery_partners: pl.DataFrame
    pairings: pl.DataFrame
    schools: pl.DataFrame
    school_years: pl.DataFrame
    partnerships: pl.DataFrame
    participants: pl.DataFrame
    merges: pl.DataFrame
    lost_merges: pl.DataFrame
    school_periods: pl.DataFrame
    training_periods: pl.DataFrame
    interests: pl.DataFrame
    mentorships: pl.DataFrame
    declarations: pl.DataFrame
    statements: pl.DataFrame
    versions: pl.DataFrame
