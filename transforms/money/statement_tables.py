"""Figures and shares → the tables of a statement's files, in the interface's columns. Text and whole numbers only.

What is checked and defused follows from the files' columns (schemas.outbound.statements)."""

from dataclasses import dataclass

import polars as pl

from schemas.accounts import Accounts
from schemas.frames import joined
from schemas.instants import rfc3339_text
from schemas.lifecycle import state, statement_month
from schemas.outbound.statements import CHANGES, DECLARATIONS, DISCREPANCIES, PARTNERS, STATEMENT
from transforms.money.amounts import pence_text, rate_text
from transforms.money.breakdowns import Shares
from transforms.money.statements import Figures


@dataclass(frozen=True)
class StatementTables:
    """Of many statements, each table with statement_id in front: lines, declarations, partners, discrepancies."""

    lines: pl.DataFrame
    declarations: pl.DataFrame
    partners: pl.DataFrame
    discrepancies: pl.DataFrame

    def by_file(self) -> dict[str, pl.DataFrame]:
        """Name of a file → its rows of all statements."""
        return {
            STATEMENT.name: self.lines, DECLARATIONS.name: self.declarations, PARTNERS.name: self.partners,
            DISCREPANCIES.name: self.discrepancies,
        }  # fmt: skip


def statement_tables(
    accounts: Accounts, figures: Figures, shares: Shares, differences: pl.DataFrame, versions: dict[str, int]
) -> StatementTables:
    """differences: as transforms.money.discrepancies gives them; versions: by statement_id, the number that the next version
    would have."""
    return StatementTables(
        lines=_lines(accounts.wanted, figures.lines, versions),
        declarations=_declarations(shares.declarations),
        partners=_partners(shares.partners),
        discrepancies=_discrepancies(differences),
    )


def _lines(statements: pl.DataFrame, lines: pl.DataFrame, versions: dict[str, int]) -> pl.DataFrame:
    heads = statements.select(
        "statement_id", "status", "lead_provider_id", "lead_provider_name", "contract_period",
        pl.col("deadline_date", "payment_date").cast(pl.String), statement_month=statement_month(),
    )  # fmt: skip
    rows = joined(lines, heads, "statement_id").with_columns(
        version=pl.col("statement_id").replace_strict(versions, default=1, return_dtype=pl.Int64),
        rate=rate_text(pl.col("rate_micros")),
        amount=pence_text(pl.col("pence")),
        description=pl.when(pl.col("section") == "adjustment").then("label"),
    )
    return STATEMENT.rows(rows)


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
        declaration_date=rfc3339_text(pl.col("declaration_date")),
        created_at=rfc3339_text(pl.col("created_at")),
    )
    return DECLARATIONS.rows(rows, "statement_id")


def _partners(partners: pl.DataFrame) -> pl.DataFrame:
    rows = partners.with_columns(participant_type="role", amount=pence_text(pl.col("pence")))
    return PARTNERS.rows(rows, "statement_id")


def _discrepancies(differences: pl.DataFrame) -> pl.DataFrame:
    rows = differences.with_columns(
        expected_amount=pence_text(pl.col("expected_pence")),
        due_amount=pence_text(pl.col("due_pence")),
        difference=pence_text(pl.col("difference_pence")),
    )
    return DISCREPANCIES.rows(rows, "statement_id")


def changes_table(changes: pl.DataFrame) -> pl.DataFrame:
    """changes: as transforms.money.version_changes gives them. Their text comes from our own files, neutralised already."""
    rows = changes.with_columns(
        amount_before=pence_text(pl.col("pence_before")),
        amount_now=pence_text(pl.col("pence_now")),
        difference=pence_text(pl.col("difference")),
    )
    return CHANGES.rows(rows, "statement_id")
