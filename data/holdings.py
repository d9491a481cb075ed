"""What extracts are made from, out of the database: one question a table, for all lead providers or for some."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from data.reader import Reader
from data.records.survivors import survivors
from schemas.columns import typed
from schemas.frames import joined
from schemas.holdings import Holdings
from schemas.instants import as_rfc3339

_PEOPLE = """
SELECT DISTINCT s.participant_id FROM whose w CROSS JOIN partnerships p CROSS JOIN training_periods t CROSS JOIN school_periods s
WHERE p.lead_provider_id = w.id AND t.partnership_id = p.partnership_id AND s.school_period_id = t.school_period_id
"""
_SCHOOL_PERIODS = """
SELECT s.school_period_id, s.participant_id, s.participant_type, s.school_id, s.started_on, s.finished_on, s.email,
       s.working_pattern, s.created_at
FROM {among}school_periods s{where}
"""
_TRAINING = """
SELECT t.training_period_id, t.school_period_id, t.partnership_id, t.schedule_identifier, t.started_on, t.finished_on,
       t.withdrawn_at, t.withdrawal_reason, t.deferred_at, t.deferral_reason, t.created_at,
       t.expression_of_interest_lead_provider_id, t.expression_of_interest_contract_period
FROM {among}training_periods t{where}
"""
# Training anywhere of which the school has said whom it chose.
_CHOSEN = """
SELECT s.school_id, t.partnership_id, t.expression_of_interest_lead_provider_id, t.expression_of_interest_contract_period
FROM training_periods t JOIN school_periods s ON s.school_period_id = t.school_period_id
WHERE t.expression_of_interest_lead_provider_id IN (SELECT id FROM whose)
"""
_MENTORSHIPS = "SELECT m.* FROM {among}mentorships m{where}"
_PARTICIPANTS = """
SELECT p.participant_id, p.trn, p.full_name, p.ect_training_record_id, p.mentor_training_record_id,
       p.ect_first_became_eligible_at, p.mentor_first_became_eligible_at, p.ect_payments_frozen_year,
       p.mentor_payments_frozen_year, p.mentor_funding_end_date, p.mentor_funding_end_reason, p.ect_ineligible_for_funding_on,
       p.induction_start_date, p.induction_end_date, p.most_recent_induction_period_end_date, p.created_at, p.updated_at
FROM {among}participants p{where}
"""
_DECLARATIONS = """
SELECT d.declaration_id, d.training_period_id, d.declaration_type, d.declaration_date, d.evidence_held, d.delivery_partner_id,
       d.mentor_id, d.payment_status, d.clawback_status, d.payment_statement_id, d.clawback_statement_id,
       d.pupil_premium_uplift, d.sparsity_uplift, d.your_reference, d.created_at, d.updated_at
FROM {among}declarations d{where}
"""
_PARTNERSHIPS, _SCHOOL_YEARS = "SELECT * FROM partnerships", "SELECT * FROM school_contract_periods"
_STATEMENTS = """
SELECT s.statement_id, s.year, s.month, s.fee_type, s.deadline_date, s.payment_date, s.status, c.lead_provider_id,
       c.contract_period
FROM statements s JOIN contracts c ON c.contract_id = s.contract_id WHERE s.fee_type = 'output'
"""
_VERSIONS = """
SELECT v.statement_id, v.version, v.total
FROM statement_versions v
JOIN statements s ON s.statement_id = v.statement_id
JOIN contracts c ON c.contract_id = s.contract_id
JOIN deliveries d ON d.path = v.path AND d.lead_provider_id = c.lead_provider_id
WHERE d.delivered_at IS NOT NULL
"""
_CHOICE = ("expression_of_interest_lead_provider_id", "expression_of_interest_contract_period")
_FEW = ("delivery_partner_id", "payment_statement_id", "clawback_statement_id")  # of declarations, each many times
_TEXT = ("declaration_date", "created_at", "updated_at")  # of declarations: nothing is reckoned with them


@dataclass(frozen=True)
class _Some:
    """Rows by ids, or (None) all of them."""

    reader: Reader

    def rows(
        self, sql: str, by: str, ids: pl.Series | None, shaped: Callable[[pl.DataFrame], pl.DataFrame] = typed
    ) -> pl.DataFrame:
        """shaped: what each piece of the answer is made into, so that a long one never lies in memory as text."""
        if ids is None:
            return self.reader.long_frame(sql.format(among="", where=""), shaped)
        question = sql.format(among="named n CROSS JOIN ", where=f" WHERE {by} = n.id")
        return self.reader.long_frame(question, shaped, named=ids)


def load_holdings(reader: Reader, lead_providers: list[str], has_all: bool) -> Holdings:
    """All but declarations. lead_providers: ids of those whose extracts are made. has_all: they are all that there are, so whole
    tables are read."""
    some, whose = _Some(reader), pl.Series("lead_provider_id", lead_providers, dtype=pl.String)
    people = None if has_all else reader.frame(_PEOPLE, whose=whose)["participant_id"]
    own_periods = some.rows(_SCHOOL_PERIODS, "s.participant_id", people)
    spells = None if has_all else own_periods["school_period_id"]
    training = some.rows(_TRAINING, "t.school_period_id", spells)
    mentorships = some.rows(_MENTORSHIPS, "m.ect_school_period_id", spells)
    theirs = own_periods if has_all else some.rows(
        _SCHOOL_PERIODS, "s.school_period_id", mentorships["mentor_school_period_id"]
    )  # fmt: skip
    mentorships = mentorships.join(
        theirs.select(
            "email",
            mentor_id="participant_id",
            mentor_school_period_id="school_period_id",
            mentor_started_on="started_on",
        ),
        on="mentor_school_period_id",
    )
    named = None if people is None else pl.concat([people, mentorships["mentor_id"].rename("participant_id")])
    participants = some.rows(_PARTICIPANTS, "p.participant_id", named)
    merges, lost = _merges(reader, participants["participant_id"])
    partnerships = some.rows(_PARTNERSHIPS, "", None)
    choices = joined(training, own_periods.select("school_period_id", "school_id"), "school_period_id")
    if not has_all:
        elsewhere = typed(reader.frame(_CHOSEN, whose=whose))
        choices = pl.concat([choices.select(elsewhere.columns), elsewhere])
    return Holdings(
        lead_providers=whose.to_frame(),
        names=reader.frame("SELECT lead_provider_id, name FROM lead_providers"),
        contract_periods=typed(reader.frame("SELECT * FROM contract_periods")),
        milestones=typed(reader.frame("SELECT * FROM milestones")),
        delivery_partners=reader.frame("SELECT * FROM delivery_partners"),
        pairings=typed(reader.frame("SELECT * FROM provider_delivery_partners")),
        schools=typed(reader.frame("SELECT * FROM schools")),
        school_years=some.rows(_SCHOOL_YEARS, "", None),
        partnerships=partnerships,
        participants=participants,
        merges=merges,
        lost_merges=lost,
        school_periods=own_periods,
        training_periods=training.drop(_CHOICE),
        interests=_interests(choices, partnerships),
        mentorships=mentorships,
        declarations=pl.DataFrame(),
        statements=typed(reader.frame(_STATEMENTS)),
        versions=_newest(typed(reader.frame(_VERSIONS))),
    )


def _interests(choices: pl.DataFrame, partnerships: pl.DataFrame) -> pl.DataFrame:
    """What training says of its school: whom the school chose, or (nobody recorded) with whom it works: school_id,
    lead_provider_id, contract_period."""
    works = partnerships.select("partnership_id", "lead_provider_id", "contract_period")
    rows = joined(choices.select("school_id", "partnership_id", *_CHOICE), works, "partnership_id")
    is_chosen = pl.col(_CHOICE[0]).is_not_null()
    rows = rows.select(
        "school_id",
        pl.when(is_chosen).then(_CHOICE[0]).otherwise("lead_provider_id").alias("lead_provider_id"),
        pl.when(is_chosen).then(_CHOICE[1]).otherwise("contract_period").alias("contract_period"),
    )
    return rows.drop_nulls().unique()


def load_declarations(reader: Reader, training: pl.Series) -> pl.DataFrame:
    """As in Holdings: the declarations on this training, by its ids."""
    return _Some(reader).rows(_DECLARATIONS, "d.training_period_id", training, _slim)


def _slim(rows: pl.DataFrame) -> pl.DataFrame:
    texts = rows.select(as_rfc3339(pl.col(_TEXT)), pl.col(_FEW).cast(pl.Categorical))
    return typed(rows.drop(texts.columns)).with_columns(texts)


def _newest(versions: pl.DataFrame) -> pl.DataFrame:
    return versions.sort("version").unique("statement_id", keep="last", maintain_order=True)


def _merges(reader: Reader, there: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(participant_id, previous_participant_ids; from_participant_id of what leads nowhere). there: participants who are."""
    changes = typed(reader.frame("SELECT * FROM participant_id_changes"))
    present = reader.frame(
        "SELECT p.participant_id FROM named n CROSS JOIN participants p WHERE p.participant_id = n.id",
        named=pl.concat([changes["from_participant_id"], changes["to_participant_id"].rename("from_participant_id")]),
    )["participant_id"]
    renamed = changes.select(old="from_participant_id", new="to_participant_id", at="changed_at")
    led = survivors(renamed, present)
    ends = pl.DataFrame({"old": list(led), "participant_id": list(led.values())}, schema=["old", "participant_id"])
    ends = ends.cast(pl.String)
    last = renamed.sort("at", "old").unique("old", keep="last", maintain_order=True)
    found = (
        last.join(ends, on="old", maintain_order="left")
        .sort("at", "old")
        .group_by("participant_id", maintain_order=True)
        .agg(pl.col("old").str.join(";").alias("previous_participant_ids"))
    )
    lost = last.join(ends, on="old", how="anti").filter(~pl.col("old").is_in(present.implode()))
    return found.filter(pl.col("participant_id").is_in(there.implode())), lost.select(from_participant_id="old")
