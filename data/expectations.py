"""What providers said they expect of the chosen statements, and what the records say of the declarations they name."""

from dataclasses import dataclass

import polars as pl

from data.casting import typed
from data.database import Reader
from data.records.merging import surviving_participants

_STATED = """
SELECT m.lead_provider_id, m.contract_period, m.statement_month, m.submission_id, x.number, x.received_at, x.file_name
FROM stated_months m JOIN submissions x ON x.submission_id = m.submission_id
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
       r.line_number, r.rule_codes, x.number, x.file_name
FROM naming n CROSS JOIN rejected_declarations r CROSS JOIN submissions x
WHERE r.participant_id = n.participant_id AND x.submission_id = r.submission_id
"""
_REJECTED_OF_LISTS = """
SELECT r.submission_id, r.statement_month, r.contract_period, r.participant_id, r.participant_type, r.declaration_type,
       r.line_number, r.rule_codes
FROM stating s CROSS JOIN rejected_expectations r WHERE r.submission_id = s.submission_id
"""
_MONTH = ["lead_provider_id", "contract_period", "statement_month"]
_DECLARED = ["lead_provider_id", "participant_id", "participant_type", "declaration_type"]


@dataclass(frozen=True)
class Expectations:
    """What was expected, and the records beside it.

    expected: statement_id, lead_provider_id, participant_id, participant_type, declaration_type, expected_amount,
        delivery_partner_id, your_reference: the accepted rows of the last file that names the statement's month; and
        misplaced_words: of a row stated for a month that has no statement, or one that was paid by then, what to say of it
    trained: participant_id, lead_provider_id, trn, full_name: those named whom each provider trains or has trained
    merges: participant_id, merged_into
    partners: of those for whom a delivery partner was expected: PARTNERS, what the records say of it
    declarations: of those named: lead_provider_id (who declared), participant_id, participant_type, declaration_type,
        declaration_id, created_at, statuses and statements
    rejected: the last row turned away: lead_provider_id, participant_id, participant_type, declaration_type,
        submission_id, file_name, row_number, line_number (null where it was not kept), rule_codes
    rejected_of_lists: rows of the lists that stand which were turned away: statement_id, lead_provider_id, participant_id,
        participant_type, declaration_type, list_submission, list_file, list_line, list_codes
    """

    expected: pl.DataFrame
    trained: pl.DataFrame
    merges: pl.DataFrame
    partners: pl.DataFrame
    declarations: pl.DataFrame
    rejected: pl.DataFrame
    rejected_of_lists: pl.DataFrame


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


def _stated_in_time(stated: pl.DataFrame, named: pl.DataFrame) -> pl.DataFrame:
    """Months whose statement is paid, and was compared with a list by then: it holds what was stated, and a later list of the
    same month is told so on its receipt."""
    paid = named.filter((pl.col("fee_type") == "output") & (pl.col("status") == "paid")).select(
        "lead_provider_id", "contract_period", "marked_as_paid_at", statement_month=_its_month()
    )
    first = stated.group_by(_MONTH).agg(
        pl.col("received_at").min().alias("first_at"), pl.col("received_at").max().alias("last_at")
    )
    told = paid.join(first, on=_MONTH).filter(
        (pl.col("first_at") < pl.col("marked_as_paid_at")) & (pl.col("last_at") > pl.col("marked_as_paid_at"))
    )
    return told.select(_MONTH).unique()


def _compared_with(stated: pl.DataFrame, named: pl.DataFrame) -> pl.DataFrame:
    """The lists' months with the statement that each is compared with, and misplaced_words where that is not its own.

    It is its own where there is one, and that was not paid before the list came. Else every pound is to appear somewhere: on
    that month's statement of another contract period, or on the next month's, or the last before; of those that could
    still change when the list came.
    """
    output = named.filter(pl.col("fee_type") == "output").select(
        "lead_provider_id",
        "statement_id",
        "status",
        "marked_as_paid_at",
        its_month=_its_month(),
        its_period="contract_period",
    )
    pairs = stated.join(output, on="lead_provider_id")
    is_own = (pl.col("its_month") == pl.col("statement_month")) & (pl.col("its_period") == pl.col("contract_period"))
    is_able = (pl.col("status") != "paid") | (pl.col("marked_as_paid_at") > pl.col("received_at")).fill_null(False)
    pairs = pairs.with_columns(is_own=is_own, is_able=is_able).with_columns(
        has_own=(pl.col("is_own")).any().over(_MONTH)
    )
    later = pl.col("its_month") >= pl.col("statement_month")
    distance = (_months("its_month") - _months("statement_month")).abs()
    same_month = pl.col("its_month") == pl.col("statement_month")
    best = pairs.filter("is_able").sort(
        ~pl.col("is_own"), ~same_month, ~later, distance, -pl.col("its_period"), "statement_id"
    ).unique(_MONTH, keep="first", maintain_order=True)  # fmt: skip
    where = pl.format("{} of contract period {}", "statement_month", "contract_period")
    why = pl.when("has_own").then(pl.lit("whose statement had been paid by then")).otherwise(
        pl.lit("for which you have no statement")
    )  # fmt: skip
    words = pl.format("You stated it for {}, {}. ", where, why)
    return best.with_columns(misplaced_words=pl.when(~pl.col("is_own")).then(words)).select(
        *stated.columns, "statement_id", "misplaced_words"
    )


def _its_month() -> pl.Expr:
    """A statement's month as YYYY-MM."""
    return pl.format("{}-{}", "year", pl.col("month").cast(pl.String).str.zfill(2))


def _months(name: str) -> pl.Expr:
    """A month as a number, to count with."""
    return pl.col(name).str.slice(0, 4).cast(pl.Int64) * 12 + pl.col(name).str.slice(5, 2).cast(pl.Int64)


def load_expectations(reader: Reader, chosen: pl.DataFrame, named: pl.DataFrame) -> Expectations:
    """chosen: statement_id, lead_provider_id, contract_period, statement_month. named: every statement that there is."""
    stated = typed(reader.frame(_STATED)).cast({"number": pl.Int64, "contract_period": pl.Int64})
    last = stated.sort("number").unique(_MONTH, keep="last", maintain_order=True)
    last = last.join(_stated_in_time(stated, named), on=_MONTH, how="anti")
    last = _compared_with(last, named).join(chosen.select("statement_id"), on="statement_id", how="semi")
    reader.lend("stating", "submission_id", last["submission_id"].unique().sort())
    rows = typed(reader.frame(_EXPECTED)).join(
        last.select("submission_id", *_MONTH, "statement_id", "misplaced_words"), on=["submission_id", *_MONTH]
    )
    expected = _each_once(_not_corrected_since(rows, last))
    merges = surviving_participants(reader, expected["participant_id"])
    people = pl.concat([expected["participant_id"], merges["merged_into"].rename("participant_id")])
    reader.lend("naming", "participant_id", people.unique().sort())
    rejected = typed(reader.frame(_REJECTED)).cast(
        {"number": pl.Int64, "row_number": pl.Int64, "line_number": pl.Int64}
    ).sort("number", "row_number")  # fmt: skip
    return Expectations(
        expected=expected,
        trained=reader.frame(_TRAINED),
        merges=merges,
        declarations=typed(reader.frame(_DECLARATIONS)),
        rejected=rejected.unique(_DECLARED, keep="last", maintain_order=True).drop("number"),
        rejected_of_lists=_rejected_of_lists(reader, last),
        partners=_partners(reader, expected),
    )


def _not_corrected_since(rows: pl.DataFrame, last: pl.DataFrame) -> pl.DataFrame:
    """Without rows stated for months that have no statement, where a later list states the same declaration for one that has."""
    numbered = rows.join(
        last.select("submission_id", "number").unique(), on="submission_id", how="left", maintain_order="left"
    )
    placed = (
        numbered.filter(pl.col("misplaced_words").is_null())
        .group_by(_DECLARED)
        .agg(pl.col("number").max().alias("later"))
    )
    numbered = numbered.join(placed, on=_DECLARED, how="left", maintain_order="left")
    is_corrected = pl.col("misplaced_words").is_not_null() & (pl.col("later") > pl.col("number"))
    return numbered.filter(~is_corrected.fill_null(False)).drop("number", "later")


def _each_once(rows: pl.DataFrame) -> pl.DataFrame:
    """One row a declaration and statement: what was stated for it under several months, together."""
    key = ["statement_id", *_DECLARED]
    columns = [*key, "expected_amount", "delivery_partner_id", "your_reference", "misplaced_words"]
    if not rows.select(key).is_duplicated().any():
        return rows.select(columns)
    amount = pl.col("expected_amount")
    together = pl.when(amount.is_not_null().any()).then(amount.sum()).alias("expected_amount")
    words = pl.col("misplaced_words").drop_nulls().first()
    counted = (
        pl.when(pl.len() > 1).then(words + "It is counted together with what you stated for it here. ").otherwise(words)
    )
    own_first = rows.sort(pl.col("misplaced_words").is_not_null(), maintain_order=True)
    return own_first.group_by(key, maintain_order=True).agg(
        together, pl.col("delivery_partner_id", "your_reference").first(), counted.alias("misplaced_words")
    ).select(columns)  # fmt: skip


def _rejected_of_lists(reader: Reader, last: pl.DataFrame) -> pl.DataFrame:
    """stating: lent. The last line of a list that was turned away for each declaration, by the statements it may be of."""
    rows = reader.frame(_REJECTED_OF_LISTS).cast({"line_number": pl.Int64, "contract_period": pl.Int64})
    lists = last.select(
        "submission_id",
        "statement_id",
        "lead_provider_id",
        "file_name",
        its_month="statement_month",
        its_period="contract_period",
    )
    pairs = rows.join(lists, on="submission_id").filter(
        (pl.col("statement_month").is_null() | (pl.col("statement_month") == pl.col("its_month")))
        & (pl.col("contract_period").is_null() | (pl.col("contract_period") == pl.col("its_period")))
    )
    return pairs.sort("line_number").unique(["statement_id", *_DECLARED], keep="last", maintain_order=True).select(
        "statement_id", *_DECLARED, list_submission="submission_id", list_file="file_name", list_line="line_number",
        list_codes="rule_codes",
    )  # fmt: skip
