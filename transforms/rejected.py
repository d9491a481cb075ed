"""Rejected rows, kept so that a difference from what was expected can name the line that was turned away."""

import polars as pl

from schemas.inbound.patterns import MONTH, UUID_ANY_CASE, YEAR
from schemas.needs import Snapshot
from schemas.vocabulary import DECLARATION_TYPES
from transforms.changes import Act


def rejected_declarations(rejected: pl.DataFrame, findings: pl.DataFrame, snapshot: Snapshot, act: Act) -> pl.DataFrame:
    """One row for each rejected row that names a participant whom DfE knows, a role and a type.

    rejected: rows with their facts; findings: row_number, position, code of every rule broken.
    findings: also message. Returns submission_id, row_number, line_number, lead_provider_id, participant_id, participant_type,
    declaration_type, rule_codes (`;` between), messages: what the receipt says of the row.
    """
    named = rejected.filter(
        pl.col("participant_type").is_not_null() & pl.col("declaration_type").is_in(DECLARATION_TYPES)
    ).join(snapshot.participants, on="participant_id", how="semi", maintain_order="left")
    return _kept(named, findings, act)


def rejected_expectations(
    rejected: pl.DataFrame, findings: pl.DataFrame, _snapshot: Snapshot, act: Act
) -> pl.DataFrame:
    """The same of a list of expected payments, for rows that name a participant, a role and a type. Also statement_month and
    contract_period, null where they could not be read."""
    named = rejected.filter(
        pl.col("participant_type").is_not_null()
        & pl.col("declaration_type").is_in(DECLARATION_TYPES)
        & pl.col("participant_id").str.contains(UUID_ANY_CASE)
    ).with_columns(
        pl.when(pl.col("statement_month").str.contains(MONTH)).then("statement_month"),
        contract_period=pl.when(pl.col("contract_period").str.contains(YEAR)).then("year"),
    )
    return _kept(named, findings, act, "statement_month", "contract_period")


def _kept(named: pl.DataFrame, findings: pl.DataFrame, act: Act, *more: str) -> pl.DataFrame:
    said = (
        findings.sort("position")
        .group_by("row_number")
        .agg(
            pl.col("code").unique(maintain_order=True).str.join(";").alias("rule_codes"),
            pl.col("message").str.join(" ").alias("messages"),
        )
    )
    return named.join(said, on="row_number", maintain_order="left").select(
        pl.lit(act.submission_id).alias("submission_id"),
        "row_number",
        "line_number",
        pl.lit(act.lead_provider_id).alias("lead_provider_id"),
        *more,
        "participant_id",
        "participant_type",
        "declaration_type",
        "rule_codes",
        "messages",
    )
