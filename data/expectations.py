"""What providers said they expect of some statements, and what the records say of the declarations they name. Which list
stands for what is decided in transforms.money.expected."""

import polars as pl

from data.reader import Reader
from data.records.survivors import surviving_participants
from data.repeats import BY
from data.stated import MONTH
from schemas.accounts import Expectations
from schemas.columns import INSTANT, typed
from schemas.events import DECLARATION_AWAITING_CLAWBACK, DECLARATION_VOIDED, PARTNERSHIP_UPDATED

_EXPECTED = """
SELECT e.submission_id, e.lead_provider_id, e.contract_period, e.statement_month, e.participant_id, e.participant_type,
       e.declaration_type, e.expected_amount, e.delivery_partner_id, e.your_reference
FROM stating s CROSS JOIN expected_payments e WHERE e.submission_id = s.id
"""
_TRAINED = """
SELECT DISTINCT n.id AS participant_id, p.lead_provider_id, t.trn, t.full_name
FROM naming n CROSS JOIN participants t CROSS JOIN school_periods sp CROSS JOIN training_periods tp
CROSS JOIN partnerships p
WHERE t.participant_id = n.id AND sp.participant_id = n.id
  AND tp.school_period_id = sp.school_period_id AND p.partnership_id = tp.partnership_id
"""
_DECLARATIONS = """
SELECT p.lead_provider_id, sp.participant_id, sp.participant_type, d.declaration_type, d.declaration_id, d.created_at,
       d.payment_status, d.clawback_status, d.payment_statement_id, d.clawback_statement_id
FROM naming n CROSS JOIN school_periods sp CROSS JOIN training_periods tp CROSS JOIN partnerships p
CROSS JOIN declarations d
WHERE sp.participant_id = n.id AND tp.school_period_id = sp.school_period_id
  AND p.partnership_id = tp.partnership_id AND d.training_period_id = tp.training_period_id
"""
_REJECTED = """
SELECT r.lead_provider_id, r.participant_id, r.participant_type, r.declaration_type, r.submission_id, r.row_number,
       r.line_number, r.rule_codes, r.messages, x.number, x.file_name
FROM naming n CROSS JOIN rejected_declarations r CROSS JOIN submissions x
WHERE r.participant_id = n.id AND x.submission_id = r.submission_id
"""
_REJECTED_OF_LISTS = """
SELECT r.submission_id, r.statement_month, r.contract_period, r.participant_id, r.participant_type, r.declaration_type,
       r.line_number, r.rule_codes, r.messages
FROM stating s CROSS JOIN rejected_expectations r WHERE r.submission_id = s.id
"""
# Training with the delivery partner that was expected, and corrections of the partnerships trained under.
_TRAINED_WITH = """
SELECT n.id AS participant_id, sp.participant_type, p.lead_provider_id, p.partnership_id, p.delivery_partner_id, sp.school_id,
       sc.name AS school_name, tp.started_on, tp.finished_on
FROM naming n CROSS JOIN school_periods sp CROSS JOIN training_periods tp CROSS JOIN partnerships p CROSS JOIN schools sc
WHERE sp.participant_id = n.id AND tp.school_period_id = sp.school_period_id
  AND p.partnership_id = tp.partnership_id AND sc.school_id = sp.school_id
"""
_CORRECTIONS = f"""
SELECT e.partnership_id, e.happened_at, e.before, e.after FROM correcting c CROSS JOIN events e
WHERE e.partnership_id = c.id AND e.type = '{PARTNERSHIP_UPDATED}'
"""
# Which act voided a declaration or had it clawed back, and by which line of which file.
_VOIDS = f"""
SELECT e.declaration_id, e.event_id, e.happened_at, e.author, e.submission_id, e.row_number, e.line_number, x.file_name
FROM voided n CROSS JOIN events e LEFT JOIN submissions x ON x.submission_id = e.submission_id
WHERE e.declaration_id = n.id AND e.type IN ('{DECLARATION_VOIDED}', '{DECLARATION_AWAITING_CLAWBACK}')
"""
_DECLARED = ["lead_provider_id", "participant_id", "participant_type", "declaration_type"]
PARTNERS: dict[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(("lead_provider_id", "participant_id", "participant_type", "expected_partner_id"), pl.String),
    **dict.fromkeys(("expected_partner_name", "trained_at", "trained_at_id"), pl.String),
    "trained_until": pl.Date,
    **dict.fromkeys(("corrected_from", "corrected_to"), pl.String),
    "corrected_at": INSTANT,
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
    periods = typed(reader.frame(_TRAINED_WITH, naming=asked["participant_id"])).sort("started_on")
    trained = periods.unique([*whose, "delivery_partner_id"], keep="last", maintain_order=True).select(
        *whose, expected_partner_id="delivery_partner_id", trained_at="school_name", trained_at_id="school_id",
        trained_until="finished_on",
    )  # fmt: skip
    corrected = typed(reader.frame(_CORRECTIONS, correcting=periods["partnership_id"])).join(
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


def load_expectations(reader: Reader, lists: pl.DataFrame) -> Expectations:
    """lists: those that stand, with what each month is compared with, as transforms.money.expected gives them."""
    with reader.lending(stating=lists["submission_id"]):
        stated = typed(reader.frame(_EXPECTED))
        turned_away = typed(reader.frame(_REJECTED_OF_LISTS))
    rows = stated.join(
        lists.select("submission_id", *MONTH, "statement_id", "misplaced_words"), on=["submission_id", *MONTH]
    )
    merges = surviving_participants(reader, rows["participant_id"])
    with reader.lending(naming=pl.concat([rows["participant_id"], merges["merged_into"].rename("participant_id")])):
        trained, declarations = reader.frame(_TRAINED), typed(reader.frame(_DECLARATIONS))
        rejected = typed(reader.frame(_REJECTED)).sort("number", "row_number")
    voided = declarations.filter((pl.col("payment_status") == "voided") | (pl.col("clawback_status") != "no_clawback"))
    voids = typed(reader.frame(_VOIDS, voided=voided["declaration_id"])).sort("event_id")
    return Expectations(
        lists=lists,
        rows=rows.drop("contract_period", "statement_month"),
        trained=trained,
        merges=merges,
        declarations=declarations,
        rejected=rejected.unique(_DECLARED, keep="last", maintain_order=True).drop("number"),
        rejected_of_lists=turned_away,
        voids=voids.unique("declaration_id", keep="last", maintain_order=True).rename(BY).drop("event_id"),
        partners=_partners(reader, rows),
    )
