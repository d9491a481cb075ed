"""Figures and shares → the tables of a statement's files, in the interface's columns. Text and whole numbers only."""

from dataclasses import dataclass

import polars as pl

from schemas.outbound.receipts import defused
from schemas.outbound.statements import CHANGES, DISCREPANCIES, STATEMENT, STATEMENT_DECLARATIONS, STATEMENT_PARTNERS
from schemas.vocabulary import state
from transforms.money.amounts import pence_text, rate_text
from transforms.money.breakdowns import Shares


@dataclass(frozen=True)
class StatementTables:
    """Of many statements, each table with statement_id in front: lines, declarations, partners, discrepancies."""

    lines: pl.DataFrame
    declarations: pl.DataFrame
    partners: pl.DataFrame
    discrepancies: pl.DataFrame


def statement_tables(
    statements: pl.DataFrame,
    lines: pl.DataFrame,
    shares: Shares,
    differences: pl.DataFrame,
    versions: dict[str, int],
) -> StatementTables:
    """statements: as in data.accounts.Accounts; lines: as in transforms.money.statements.Figures; differences: as
    transforms.money.discrepancies gives them; versions: by statement_id, the number that the next version would have."""
    return StatementTables(
        lines=_lines(statements, lines, versions),
        declarations=_declarations(shares.declarations),
        partners=_partners(shares.partners),
        discrepancies=_discrepancies(differences),
    )


def _lines(statements: pl.DataFrame, lines: pl.DataFrame, versions: dict[str, int]) -> pl.DataFrame:
    month = pl.format("{}-{}", pl.col("year"), pl.col("month").cast(pl.String).str.zfill(2)).alias("statement_month")
    heads = statements.select(
        "statement_id", "status", "lead_provider_id", "lead_provider_name", "contract_period", month,
        pl.col("deadline_date", "payment_date").cast(pl.String),
    )  # fmt: skip
    rows = lines.join(heads, on="statement_id", how="left", maintain_order="left").with_columns(
        version=pl.col("statement_id").replace_strict(versions, default=1, return_dtype=pl.Int64),
        rate=rate_text(pl.col("rate_micros")),
        amount=pence_text(pl.col("pence")),
    )
    return STATEMENT.validate(defused(rows.select(list(STATEMENT.columns)), "lead_provider_name"))


def _declarations(declarations: pl.DataFrame) -> pl.DataFrame:
    priced = pl.col("is_priced")
    rows = declarations.sort(
        "statement_id",
        pl.col("line_type").replace_strict({"output": 0, "clawback": 1, "voided": 2}),
        "declaration_date",
        "created_at",
        "declaration_id",
    ).with_columns(
        state=state(),
        rate=pl.when(priced).then(rate_text(pl.col("rate_micros"))),
        amount=pence_text(pl.col("pence")),
        uplift_amount=pence_text(pl.col("uplift_pence")),
        share_rate=pl.when(priced).then(rate_text(pl.col("share_micros"))),
        share_amount=pence_text(pl.col("share_pence")),
        declaration_date=_instant("declaration_date"),
        created_at=_instant("created_at"),
    )
    names = ("full_name", "school_name", "delivery_partner_name", "your_reference")
    rows = defused(rows.select("statement_id", *STATEMENT_DECLARATIONS.columns), *names)
    STATEMENT_DECLARATIONS.validate(rows.drop("statement_id"))
    return rows


def _instant(name: str) -> pl.Expr:
    """UTC, RFC 3339; a fraction only where there is one."""
    column = pl.col(name)
    fraction = column.dt.strftime("%.6f").str.strip_chars_end("0").str.strip_chars_end(".")
    return pl.concat_str(column.dt.strftime("%Y-%m-%dT%H:%M:%S"), fraction, pl.lit("Z"))


def _partners(partners: pl.DataFrame) -> pl.DataFrame:
    rows = partners.with_columns(participant_type="role", amount=pence_text(pl.col("pence")))
    rows = defused(rows.select("statement_id", *STATEMENT_PARTNERS.columns), "delivery_partner_name")
    STATEMENT_PARTNERS.validate(rows.drop("statement_id"))
    return rows


def _discrepancies(differences: pl.DataFrame) -> pl.DataFrame:
    rows = differences.with_columns(
        expected_amount=pence_text(pl.col("expected_pence")),
        due_amount=pence_text(pl.col("due_pence")),
        difference=pence_text(pl.col("difference_pence")),
    )
    names = ("full_name", "delivery_partner_name", "your_reference")
    rows = defused(rows.select("statement_id", *DISCREPANCIES.columns), *names)
    DISCREPANCIES.validate(rows.drop("statement_id"))
    return rows


def changes_table(changes: pl.DataFrame) -> pl.DataFrame:
    """changes: as transforms.money.version_changes gives them. Their text comes from our own files, neutralised already."""
    rows = changes.with_columns(
        amount_before=pence_text(pl.col("pence_before")),
        amount_now=pence_text(pl.col("pence_now")),
        difference=pence_text(pl.col("difference")),
    ).select("statement_id", *CHANGES.columns)
    CHANGES.validate(rows.drop("statement_id"))
    return rows
