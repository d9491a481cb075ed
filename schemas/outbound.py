"""Pandera models of the files we send, and how their cells are written. Nothing leaves that does not fit its model."""

import pandera.polars as pa
import polars as pl

OUTCOMES = ("accepted", "rejected", "already-done")
RESULT_COLUMNS = (
    "row_number",
    "line_number",
    "outcome",
    "rule_codes",
    "fields",
    "messages",
    "notes",
    "declaration_id",
    "state",
    "statement_month",
)

_OUTCOME_AGREES = (
    (pl.col("outcome") == "rejected") == pl.col("rule_codes").is_not_null(),
    pl.col("row_number") == pl.col("row_number").first() + pl.int_range(pl.len()),
)

RESULTS = pa.DataFrameSchema(
    {
        "row_number": pa.Column(pl.Int64),
        "line_number": pa.Column(pl.Int64, pa.Check.gt(1)),
        "outcome": pa.Column(pl.String, pa.Check.isin(OUTCOMES)),
        "rule_codes": pa.Column(pl.String, nullable=True),
    },
    checks=[
        pa.Check(lambda data, keeps=keeps: data.lazyframe.select(keeps), name=name)
        for name, keeps in zip(("rejected rows say why", "one row out for each in"), _OUTCOME_AGREES, strict=True)
    ],
)


def neutralised(column: pl.Expr) -> pl.Expr:
    """Text that a spreadsheet would run as a formula, with an apostrophe before it.

    Source: handbook, statements and extracts 4; RECT lib/csv_support/row_sanitizer.rb. Tabs, line ends and blanks at
    the start do not hide the formula.
    """
    return (
        pl.when(column.str.contains(r"^[\s\x00-\x20]*[=+\-@]"))
        .then(pl.concat_str(pl.lit("'"), column))
        .otherwise(column)
    )


def defused(rows: pl.DataFrame, *names: str) -> pl.DataFrame:
    """The frame with its text columns (all, or those named) neutralised."""
    chosen = names or tuple(name for name, dtype in rows.schema.items() if dtype == pl.String)
    return rows.with_columns([neutralised(pl.col(name)).alias(name) for name in chosen])


MONEY_PATTERN = r"^-?\d+\.\d\d$"
RATE_PATTERN = r"^-?\d+\.\d{2,6}$"
SECTIONS = ("output", "clawback", "uplift", "uplift-clawback", "service-fee", "adjustment", "vat", "total")

STATEMENT = pa.DataFrameSchema(
    {
        "statement_id": pa.Column(pl.String),
        "version": pa.Column(pl.Int64, pa.Check.ge(1)),
        "status": pa.Column(pl.String, pa.Check.isin(("open", "payable", "paid"))),
        "lead_provider_id": pa.Column(pl.String),
        "lead_provider_name": pa.Column(pl.String),
        "contract_period": pa.Column(pl.Int64),
        "statement_month": pa.Column(pl.String, pa.Check.str_matches(r"^\d{4}-\d\d$")),
        "deadline_date": pa.Column(pl.String),
        "payment_date": pa.Column(pl.String),
        "line": pa.Column(pl.Int64, pa.Check.ge(1)),
        "section": pa.Column(pl.String, pa.Check.isin(SECTIONS)),
        "participant_type": pa.Column(pl.String, pa.Check.isin(("ect", "mentor")), nullable=True),
        "declaration_type": pa.Column(pl.String, nullable=True),
        "band": pa.Column(pl.String, nullable=True),
        "count": pa.Column(pl.Int64, nullable=True),
        "rate": pa.Column(pl.String, pa.Check.str_matches(RATE_PATTERN), nullable=True),
        "amount": pa.Column(pl.String, pa.Check.str_matches(MONEY_PATTERN)),
    },
    strict=True,
    ordered=True,
)

_MONEY = pa.Column(pl.String, pa.Check.str_matches(MONEY_PATTERN))
STATEMENT_DECLARATIONS = pa.DataFrameSchema(
    {
        "line_type": pa.Column(pl.String, pa.Check.isin(("output", "clawback", "voided"))),
        **{name: pa.Column(pl.String) for name in ("declaration_id", "participant_id")},
        **{name: pa.Column(pl.String, nullable=True) for name in ("trn", "full_name")},
        **{
            name: pa.Column(pl.String)
            for name in ("participant_type", "declaration_type", "declaration_date", "created_at", "state")
        },
        **{name: pa.Column(pl.String, nullable=True) for name in ("evidence_held", "schedule_identifier", "mentor_id")},
        **{
            name: pa.Column(pl.String)
            for name in ("school_urn", "school_name", "delivery_partner_id", "delivery_partner_name")
        },
        "band": pa.Column(pl.String, nullable=True),
        "rate": pa.Column(pl.String, pa.Check.str_matches(RATE_PATTERN), nullable=True),
        "amount": _MONEY,
        "uplift_amount": _MONEY,
        "share_rate": pa.Column(pl.String, pa.Check.str_matches(RATE_PATTERN), nullable=True),
        "share_amount": _MONEY,
        "your_reference": pa.Column(pl.String, nullable=True),
    },
    strict=True,
    ordered=True,
)

STATEMENT_PARTNERS = pa.DataFrameSchema(
    {
        "delivery_partner_id": pa.Column(pl.String),
        "delivery_partner_name": pa.Column(pl.String),
        "section": pa.Column(pl.String, pa.Check.isin(SECTIONS[:4])),
        "participant_type": pa.Column(pl.String, nullable=True),
        "declaration_type": pa.Column(pl.String),
        "count": pa.Column(pl.Int64, pa.Check.ge(1)),
        "amount": _MONEY,
    },
    strict=True,
    ordered=True,
)
# What a delivery partner may see: everything but the lead provider's own prices.
PARTNER_LEAVES_OUT = ("band", "rate", "amount")
