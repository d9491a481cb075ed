"""Expected against due, declaration by declaration, and why they differ (transforms/README.md, Discrepancies).

The reasons' words are in schemas.discrepancies; when each applies is `_applies` below. Whole pence throughout.
"""

from datetime import date

import polars as pl

from schemas import discrepancies as reasons
from schemas.accounts import Accounts, Expectations
from schemas.frames import holds, joined
from schemas.instants import day_in_london, long_day_text
from schemas.lifecycle import PAID_FOR, is_taken_back, next_statements, statement_month
from schemas.rules import in_words
from schemas.vocabulary import DECLARATION_TYPE
from transforms.money.amounts import pounds_text, rate_text
from transforms.money.expected import DECLARED, expected, rejected_of_lists
from transforms.money.guesses import guesses
from transforms.money.statements import Figures
from transforms.whose_act import by_whom

KEY = ["statement_id", *DECLARED]
IS_THERE = pl.col("is_billable") | pl.col("is_refund")
OTHER_PARTNER = holds(pl.col("expected_partner_id") != pl.col("due_partner_id"))
# Reasons beside which a delivery partner that is not the expected one is told too.
WITH_PARTNER = (reasons.CLAWED_BACK_HERE, reasons.OVER_CAPACITY, reasons.DIFFERENT_AMOUNT)
DIFFERENCES = {
    **dict.fromkeys(("statement_id", "participant_id", "trn", "full_name", "participant_type", "declaration_type"), pl.String),
    **dict.fromkeys(("declaration_id", "delivery_partner_name"), pl.String),
    **dict.fromkeys(("expected_pence", "due_pence", "difference_pence"), pl.Int64),
    **dict.fromkeys(("reason_code", "reason", "what_to_do", "your_reference"), pl.String),
}  # fmt: skip


def discrepancies(accounts: Accounts, figures: Figures, expectations: Expectations, today: date) -> pl.DataFrame:
    """Every expected or due declaration of the chosen statements for which something was expected.

    Returns DIFFERENCES, by statement, reason and participant; expected_pence is null where no amount was sent, and 0 for
    what was not expected at all; difference_pence = due − expected.
    """
    sent = expected(expectations)
    concerned = accounts.wanted.join(sent.select("statement_id").unique(), on="statement_id", how="semi")
    rows = _both_sides(concerned, figures.declarations, sent)
    rows = _with_people(rows, expectations.trained, expectations.merges)
    rows = _with_declared(rows, expectations.declarations, accounts.named)
    rows = joined(rows, expectations.rejected, DECLARED)
    rows = joined(rows, rejected_of_lists(expectations), KEY)
    rows = _with_voids(rows, expectations.voids)
    rows = rows.join(_next_deadlines(accounts.named, today), on=["lead_provider_id", "contract_period"], how="left")
    rows = _with_partner_words(rows, expectations.partners)
    rows = joined(rows, guesses(rows, concerned, figures.prices), KEY)
    return _judged(rows.with_columns(**_words()))


def _both_sides(statements: pl.DataFrame, declarations: pl.DataFrame, expected: pl.DataFrame) -> pl.DataFrame:
    """One row a key of either side: is_expected, what was sent, and what the statement holds."""
    terms = statements.select("statement_id", "lead_provider_id", "contract_period", "contract_id", "contract_type")
    sent = expected.select(
        *KEY,
        (pl.col("expected_amount") * 100).cast(pl.Int64).alias("sent_pence"),
        pl.col("delivery_partner_id").alias("expected_partner_id"),
        pl.col("your_reference").alias("sent_reference"),
        "misplaced_words",
        is_expected=pl.lit(True),
    )
    held = _due(declarations.join(terms, on="statement_id"))
    rows = sent.join(held, on=KEY, how="full", coalesce=True)
    rows = rows.join(terms.drop("lead_provider_id"), on="statement_id", how="left").with_columns(
        holds(pl.col("is_expected", "is_billable", "is_refund", "is_over")),
        pl.col("due_pence").fill_null(0),
    )
    none_sent = pl.when("is_expected").then("sent_pence").otherwise(0)
    return rows.with_columns(none_sent.alias("expected_pence")).with_columns(
        difference_pence=pl.col("due_pence") - pl.col("expected_pence"),
        your_reference=pl.coalesce("sent_reference", "held_reference"),
    )


def _due(declarations: pl.DataFrame) -> pl.DataFrame:
    """What the statements hold for each key: their billable and refundable declarations together."""
    billable, refund = pl.col("line_type") == "output", pl.col("line_type") == "clawback"
    over = billable & holds(pl.col("nothing_because") == "over-volume")
    rows = declarations.filter(billable | refund).sort("line_type", "declaration_id", descending=[True, False])
    return rows.group_by(KEY, maintain_order=True).agg(
        (pl.col("pence") + pl.col("uplift_pence")).sum().alias("due_pence"),
        billable.any().alias("is_billable"),
        refund.any().alias("is_refund"),
        over.any().alias("is_over"),
        pl.col("declaration_id", "band", "rate_micros", "uplift_pence").first(),
        pl.col("declaration_id").filter(refund).first().alias("refund_id"),
        pl.col("delivery_partner_id").first().alias("due_partner_id"),
        pl.col("delivery_partner_name").first().alias("due_partner_name"),
        pl.col("school_name").first().alias("due_school"),
        pl.col("created_at").first().alias("due_created_at"),
        pl.col("trn", "full_name").first(),
        pl.col("your_reference").first().alias("held_reference"),
        pl.col("payment_statement_id").filter(refund).first().alias("paid_statement_id"),
    )


def _with_people(rows: pl.DataFrame, trained: pl.DataFrame, merges: pl.DataFrame) -> pl.DataFrame:
    """is_yours, the name and TRN of those who are, and merged_into where that record is yours."""
    yours = trained.rename({"trn": "known_trn", "full_name": "known_name"}).with_columns(is_yours=pl.lit(True))
    whose = ["lead_provider_id", "participant_id"]
    rows = joined(rows, yours, whose).with_columns(
        holds(pl.col("is_yours")),
        trn=pl.coalesce("trn", "known_trn"),
        full_name=pl.coalesce("full_name", "known_name"),
    )
    kept = merges.join(trained, left_on="merged_into", right_on="participant_id")
    return joined(rows, kept.select(*whose, "merged_into"), whose)


def _with_declared(rows: pl.DataFrame, declared: pl.DataFrame, named: pl.DataFrame) -> pl.DataFrame:
    """What the records hold of the key, on whatever statement: the newest, the live one, the one taken back."""
    in_order = declared.sort("created_at", "declaration_id")
    taken_back = is_taken_back()
    live = pl.col("payment_status").is_in(PAID_FOR.statuses) & ~taken_back
    held = in_order.group_by(DECLARED, maintain_order=True).agg(
        pl.col("payment_status").last().alias("newest_status"),
        pl.col("declaration_id").last().alias("newest_id"),
        pl.col("payment_statement_id").filter(live).last().alias("live_statement_id"),
        pl.col("payment_statement_id").filter(taken_back).last().alias("paid_before_id"),
        pl.col("clawback_statement_id").filter(taken_back).last().alias("taken_back_statement_id"),
        pl.col("declaration_id").filter(taken_back).last().alias("taken_back_id"),
    )
    rows = joined(rows, held, DECLARED).with_columns(
        paid_statement_id=pl.coalesce("paid_statement_id", "paid_before_id"),
        declaration_id=pl.coalesce("declaration_id", "newest_id"),
    )
    for link, words in (("live", "live_on"), ("paid", "paid_on"), ("taken_back", "taken_back_on")):
        names = named.select(pl.col("statement_id").alias(f"{link}_statement_id"), _statement_words().alias(words))
        rows = joined(rows, names, f"{link}_statement_id")
    where = named.select(live_statement_id="statement_id", live_month=statement_month(), live_period="contract_period")
    return joined(rows, where, "live_statement_id")


def _with_voids(rows: pl.DataFrame, voids: pl.DataFrame) -> pl.DataFrame:
    """voided_words: the day on which the declaration was voided or clawed back, and by which line; null where nothing tells it."""
    day = long_day_text(day_in_london(pl.col("happened_at")))
    told = voids.select(clawed_id="declaration_id", voided_words=pl.format(" on {}{}", day, by_whom()))
    clawed = pl.coalesce(pl.when("is_refund").then("refund_id"), "taken_back_id", "newest_id")
    return joined(rows.with_columns(clawed_id=clawed), told, "clawed_id")


def _with_partner_words(rows: pl.DataFrame, partners: pl.DataFrame) -> pl.DataFrame:
    """expected_partner_name, and partner_words: what made the delivery partner another one, as far as the records show."""
    key = ["lead_provider_id", "participant_id", "participant_type", "expected_partner_id"]
    rows = joined(rows, partners, key).with_columns(
        pl.col("expected_partner_name").fill_null("the delivery partner you name"),
        day_in_london(pl.col("corrected_at")).alias("corrected_on"),
    )
    from_expected = (pl.col("corrected_from") == pl.col("expected_partner_id")) & (
        pl.col("corrected_to") == pl.col("due_partner_id")
    )
    to_expected = pl.col("corrected_to") == pl.col("expected_partner_id")
    declared_later = pl.col("due_created_at") >= pl.col("corrected_at")
    left = pl.col("trained_until").is_not_null() & (pl.col("trained_at") != pl.col("due_school"))
    words = (
        pl.when(holds(from_expected & declared_later)).then(in_words(reasons.CORRECTED_BEFORE, rows))
        .when(holds(to_expected & ~declared_later)).then(in_words(reasons.CORRECTED_AFTER, rows))
        .when(holds(left & (pl.col("trained_until") <= pl.col("due_created_at").dt.date())))
        .then(in_words(reasons.MOVED_SCHOOL, rows))
        .otherwise(pl.lit(reasons.SIMPLY_ANOTHER))
    )  # fmt: skip
    return rows.with_columns(words.alias("partner_words"))


def _statement_words() -> pl.Expr:
    """A statement as people name it: January 2027 (contract period 2025)."""
    return pl.format("{} (contract period {})", _month_words(), "contract_period")


def _month_words() -> pl.Expr:
    return pl.date(pl.col("year").cast(pl.Int32), pl.col("month").cast(pl.Int8), 1).dt.strftime("%B %Y")


def _next_deadlines(named: pl.DataFrame, today: date) -> pl.DataFrame:
    """lead_provider_id, contract_period, deadline_words: the open output statement with the earliest deadline to come."""
    return next_statements(named, today, "open").select(
        "lead_provider_id",
        "contract_period",
        pl.format(
            "The next deadline is {}, of the statement for {}.", long_day_text(pl.col("deadline_date")), _month_words()
        ).alias("deadline_words"),
    )


def _words() -> dict[str, pl.Expr]:
    """What the reasons' sentences are filled with."""
    is_ect, merged = pl.col("participant_type") == "ect", pl.col("merged_into")
    band = pl.when(pl.col("band").is_not_null()).then(pl.format("band {}, ", "band")).otherwise(pl.lit(""))
    rate = pl.format("{}£{}", band, rate_text(pl.col("rate_micros")))
    uplift = pl.format(", with an uplift of {}", pounds_text(pl.col("uplift_pence")))
    check = "Take the id from participants.csv of your extract."
    chase = "Ask the school and its appropriate body to record the induction start."
    return {
        "used": pl.when(pl.col("uplift_pence") != 0).then(pl.concat_str(rate, uplift)).otherwise(rate),
        # A rate may have parts of a penny; a list cannot, and a penny either way is agreed.
        "in_list_words": pl.when(pl.col("rate_micros") % 10_000 != 0)
        .then(pl.format(": {} in your list", pounds_text(_in_pence())))
        .otherwise(pl.lit("")),
        "merged_words": pl.format(" DfE has merged that record into {}.", merged).fill_null(""),
        "merged_advice": pl.format("Use {}.", merged).fill_null(check),
        "waits_for": pl.when(is_ect)
        .then(pl.lit("no induction start is recorded for this ECT yet"))
        .otherwise(pl.lit("this mentor is not recorded as eligible for funding yet")),
        "waiting_advice": pl.when(is_ect).then(pl.lit(chase)).otherwise(pl.lit("Ask DfE.")),
        "deadline_words": pl.col("deadline_words").fill_null("No statement is open for this contract period."),
        "guess": pl.col("guess").fill_null(""),
        "due_words": pounds_text(pl.col("due_pence")),
        "line_words": pl.coalesce(
            pl.format("Line {}", "line_number"), pl.format("Row {}", "row_number"), pl.lit("A row")
        ),
        "rejected_row_words": pl.format(": {}", "messages").fill_null("."),
        "rejected_line_words": pl.format(": {}", "list_messages").fill_null("."),
        "voided_words": pl.col("voided_words").fill_null(""),
        "void_words": pl.format(" It was voided{}.", "voided_words").fill_null(""),
    }


def _in_pence() -> pl.Expr:
    """Rate and uplift, to the whole penny below."""
    return pl.col("rate_micros").floordiv(10_000) + pl.col("uplift_pence")


def _applies() -> tuple[tuple[reasons.Reason, pl.Expr], ...]:
    """When each reason applies; the first that does is given."""
    expected, billable = pl.col("is_expected"), pl.col("is_billable")
    differs = holds(pl.col("difference_pence") != 0)
    by_more_than_a_penny = holds(pl.col("difference_pence").abs() > 1)
    both = expected & IS_THERE
    return (
        (reasons.UNKNOWN, expected & ~IS_THERE & ~pl.col("is_yours")),
        (reasons.CLAWED_BACK_HERE, pl.col("is_refund") & (differs | ~expected)),
        (reasons.OVER_CAPACITY, billable & pl.col("is_over")),
        (reasons.DIFFERENT_AMOUNT, both & by_more_than_a_penny),
        (reasons.DIFFERENT_PARTNER, both & OTHER_PARTNER),
        (reasons.WITHOUT_AMOUNT, both & pl.col("expected_pence").is_null()),
        (reasons.AGREED, both),
        (reasons.LIST_ROW_REJECTED, IS_THERE & pl.col("list_line").is_not_null()),
        (reasons.NOT_EXPECTED, IS_THERE),
        (reasons.AWAITING, pl.col("newest_status") == "no_payment"),
        (reasons.ELSEWHERE, pl.col("live_statement_id").is_not_null()),
        (reasons.CLAWED_BACK_ELSEWHERE, pl.col("taken_back_statement_id").is_not_null()),
        (reasons.VOIDED, pl.col("newest_status") == "voided"),
        (reasons.ROW_REJECTED, pl.col("submission_id").is_not_null()),
        (reasons.NOT_DECLARED, pl.lit(True)),
    )


def _second(reason: reasons.Reason, words: str, rows: pl.DataFrame) -> pl.Expr:
    """What there is to say of the delivery partner beside this reason."""
    if reason not in WITH_PARTNER:
        return pl.lit("")
    is_both = pl.col("is_expected") & IS_THERE & OTHER_PARTNER
    return pl.when(is_both).then(pl.concat_str(pl.lit(" "), in_words(words, rows))).otherwise(pl.lit(""))


def _judged(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with their reasons in words."""
    place = pl.coalesce([pl.when(holds(applies)).then(pl.lit(place)) for place, (_, applies) in enumerate(_applies())])
    told = []
    for key, part in rows.with_columns(place.alias("place")).partition_by("place", as_dict=True).items():
        reason = _applies()[key[0]][0]
        told.append(
            part.with_columns(
                pl.lit(reason.code).alias("reason_code"),
                pl.concat_str(
                    pl.col("misplaced_words").fill_null(""),
                    in_words(reason.reason, part),
                    _second(reason, reasons.DIFFERENT_PARTNER.reason, part),
                ).alias("reason"),
                pl.concat_str(
                    pl.when(pl.col("misplaced_words").is_not_null())
                    .then(pl.lit("Correct the month or the contract period in your list. "))
                    .otherwise(pl.lit("")),
                    in_words(reason.what_to_do, part),
                    _second(reason, reasons.PARTNER_BESIDE, part),
                ).alias("what_to_do"),
                pl.coalesce("due_partner_name").alias("delivery_partner_name"),
            )
        )
    if not told:
        return pl.DataFrame(schema=DIFFERENCES)
    agreed_last = pl.col("reason_code") == reasons.AGREED.code
    kind = pl.col("declaration_type").cast(DECLARATION_TYPE)
    every = pl.concat(told).sort("statement_id", agreed_last, "place", "participant_id", "participant_type", kind)
    return every.select([pl.col(name).cast(dtype) for name, dtype in DIFFERENCES.items()])
