"""What providers said they expect of the chosen statements, and what the records say of the declarations they name."""

from dataclasses import dataclass

import polars as pl

from data.casting import typed
from data.database import Reader
from data.merging import surviving_participants

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
    partners: of those for whom a delivery partner was expected: PARTNERS, what the records say of it
    declarations: of those named: lead_provider_id (who declared), participant_id, participant_type, declaration_type,
        declaration_id, created_at, statuses and statements
    rejected: the last row turned away: lead_provider_id, participant_id, participant_type, declaration_type,
        submission_id, row_number, rule_codes
    """

    expected: pl.DataFrame
    trained: pl.DataFrame
    merges: pl.DataFrame
    partners: pl.DataFrame
    declarations: pl.DataFrame
    rejected: pl.DataFrame


# Training with the delivery partner that was expected, and corrections of the partnerships trained under.
_TRAINED_WITH = """
SELECT n.participant_id, sp.participant_type, p.lead_provider_id, p.partnership_id, p.delivery_partner_id, sp.school_id,
       sc.name AS school_name, tp.started_on, tp.finished_on
FROM naming n CROSS JOIN school_periods sp CROSS JOIN training_periods tp CROSS JOIN partnerships p CROSS JOIN schools sc
WHERE sp.participant_id = n.participant_id AND tp.school_period_id = sp.school_period_id
  AND p.partnership_id = tp.partnership_id AND sc.school_id = sp.school_id
"""
_CORRECTIONS = """
SELECT e.partnership_id, e.happened_at, e.before, e.after FROM correcting c CROSS JOIN events e
WHERE e.partnership_id = c.partnership_id AND e.type = 'school_partnership_updated'
"""
PARTNERS: dict[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(("lead_provider_id", "participant_id", "participant_type", "expected_partner_id"), pl.String),
    **dict.fromkeys(("expected_partner_name", "trained_at", "trained_at_id"), pl.String),
    "trained_until": pl.Date,
    **dict.fromkeys(("corrected_from", "corrected_to"), pl.String),
    "corrected_at": pl.Datetime("us", "UTC"),
}


def _partners(reader: Reader, expected: pl.DataFrame) -> pl.DataFrame:
    """What the records say of delivery partners that were expected: their name; the school at which the participant has
    trained with them, and until when; the last correction of a partnership from or to them."""
    whose = ["lead_provider_id", "participant_id", "participant_type"]
    asked = expected.filter(pl.col("delivery_partner_id").is_not_null()).select(
        *whose, expected_partner_id="delivery_partner_id"
    ).unique(maintain_order=True)  # fmt: skip
    if asked.is_empty():
        return pl.DataFrame(schema=PARTNERS)
    names = reader.frame("SELECT delivery_partner_id, name FROM delivery_partners")
    asked = asked.join(
        names.select(expected_partner_id="delivery_partner_id", expected_partner_name="name"),
        on="expected_partner_id", how="left",
    )  # fmt: skip
    reader.lend("naming", "participant_id", asked["participant_id"].unique().sort())
    periods = typed(reader.frame(_TRAINED_WITH)).sort("started_on")
    trained = periods.unique([*whose, "delivery_partner_id"], keep="last", maintain_order=True).select(
        *whose, expected_partner_id="delivery_partner_id", trained_at="school_name", trained_at_id="school_id",
        trained_until="finished_on",
    )  # fmt: skip
    reader.lend("correcting", "partnership_id", periods["partnership_id"].unique().sort())
    corrected = typed(reader.frame(_CORRECTIONS)).join(
        periods.select(*whose, "partnership_id").unique(), on="partnership_id"
    )
    partner = "$.delivery_partner_id"
    corrected = corrected.select(
        *whose, corrected_at="happened_at", corrected_from=pl.col("before").str.json_path_match(partner),
        corrected_to=pl.col("after").str.json_path_match(partner),
    )  # fmt: skip
    sides = [corrected.with_columns(expected_partner_id=f"corrected_{side}") for side in ("from", "to")]
    last = (
        pl.concat(sides).sort("corrected_at").unique([*whose, "expected_partner_id"], keep="last", maintain_order=True)
    )
    key = [*whose, "expected_partner_id"]
    return asked.join(trained, on=key, how="left").join(last, on=key, how="left").select(list(PARTNERS))


def load_expectations(reader: Reader, chosen: pl.DataFrame) -> Expectations:
    """chosen: statement_id, lead_provider_id, contract_period, statement_month."""
    reader.lend("months", "statement_month", chosen["statement_month"].unique().sort())
    stated = typed(reader.frame(_STATED)).cast({"number": pl.Int64}).join(chosen, on=_MONTH)
    last = stated.sort("number").unique(_MONTH, keep="last", maintain_order=True)
    reader.lend("stating", "submission_id", last["submission_id"].unique().sort())
    expected = typed(reader.frame(_EXPECTED)).join(last.select("submission_id", *_MONTH, "statement_id"),
                                                   on=["submission_id", *_MONTH])  # fmt: skip
    merges = surviving_participants(reader, expected["participant_id"])
    named = pl.concat([expected["participant_id"], merges["merged_into"].rename("participant_id")])
    reader.lend("naming", "participant_id", named.unique().sort())
    rejected = (
        typed(reader.frame(_REJECTED)).cast({"number": pl.Int64, "row_number": pl.Int64}).sort("number", "row_number")
    )
    return Expectations(
        expected=expected.drop("submission_id", "contract_period", "statement_month"),
        trained=reader.frame(_TRAINED),
        merges=merges,
        partners=_partners(reader, expected),
        declarations=typed(reader.frame(_DECLARATIONS)),
        rejected=rejected.unique(_DECLARED, keep="last", maintain_order=True).drop("number"),
    )
