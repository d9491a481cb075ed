"""What of the records stands in a lead provider's guidance: statements' days, milestones of its schedules, delivery partners."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from data.reader import Reader
from schemas.columns import typed
from schemas.outbound.guidance import Band, Due, Milestone, Partner, Period, Whose
from schemas.vocabulary import DECLARATION_TYPE

_STATEMENTS = """
SELECT c.lead_provider_id, c.contract_period, s.year, s.month, s.statement_id, s.fee_type, s.deadline_date, s.payment_date
FROM statements s JOIN contracts c ON c.contract_id = s.contract_id
ORDER BY s.deadline_date, c.contract_period, s.statement_id
"""
_MILESTONES = """
SELECT u.lead_provider_id, m.contract_period, m.schedule_identifier, m.declaration_type, m.start_date, m.milestone_date
FROM (
    SELECT DISTINCT p.lead_provider_id, p.contract_period, t.schedule_identifier
    FROM training_periods t JOIN partnerships p ON p.partnership_id = t.partnership_id
) u
JOIN milestones m ON m.contract_period = u.contract_period AND m.schedule_identifier = u.schedule_identifier
"""
_PARTNERS = """
SELECT b.lead_provider_id, b.contract_period, p.delivery_partner_id, p.name
FROM provider_delivery_partners b JOIN delivery_partners p ON p.delivery_partner_id = b.delivery_partner_id
ORDER BY p.name, p.delivery_partner_id, b.contract_period
"""
_PERIODS = """
SELECT DISTINCT c.lead_provider_id, c.contract_period, c.contract_type, p.detailed_evidence_types_enabled,
    p.mentor_funding_enabled, p.payments_frozen_at, c.mentor_fee_per_declaration
FROM contracts c JOIN contract_periods p ON p.contract_period = c.contract_period
ORDER BY c.contract_period, c.contract_type
"""
_BANDS = """
SELECT DISTINCT c.lead_provider_id, c.contract_period, b.band, b.capacity, t.fee_per_declaration, t.output_fee_ratio
FROM contracts c
JOIN bands b ON b.lead_provider_id = c.lead_provider_id AND b.contract_period = c.contract_period
JOIN band_terms t ON t.contract_id = c.contract_id AND t.band = b.band
ORDER BY c.contract_period, b.band
"""


def load_whose(reader: Reader, names: dict[str, str]) -> list[Whose]:
    """What the guidance of these lead providers (id → name) is made of, but their figures: five questions for all of them."""
    statements, milestones = _by_provider(reader, _STATEMENTS), _by_provider(reader, _MILESTONES)
    partners, periods = _by_provider(reader, _PARTNERS), _by_provider(reader, _PERIODS)
    bands = _by_provider(reader, _BANDS)
    return [
        Whose(
            own,
            name,
            tuple(_due(row) for row in _rows(statements.get(own))),
            tuple(Milestone(**row) for row in _rows(_in_order(milestones.get(own)))),
            tuple(_partners(_rows(partners.get(own)))),
            tuple(Period(*row.values()) for row in _rows(periods.get(own))),
            tuple(Band(*row.values()) for row in _rows(bands.get(own))),
        )
        for own, name in names.items()
    ]


def _by_provider(reader: Reader, question: str) -> dict[str, pl.DataFrame]:
    rows = typed(reader.frame(question))
    parts = rows.partition_by("lead_provider_id", as_dict=True, include_key=False, maintain_order=True)
    return {str(own): part for (own,), part in parts.items()}


def _rows(rows: pl.DataFrame | None) -> list[dict[str, Any]]:
    return [] if rows is None else rows.to_dicts()


def _in_order(milestones: pl.DataFrame | None) -> pl.DataFrame | None:
    """Contract period, schedule, then the order of training."""
    if milestones is None:
        return None
    return milestones.sort("contract_period", "schedule_identifier", pl.col("declaration_type").cast(DECLARATION_TYPE))


def _due(row: dict[str, Any]) -> Due:
    return Due(
        row["statement_id"],
        row["contract_period"],
        f"{row['year']}-{row['month']:02}",
        row["fee_type"],
        row["deadline_date"],
        row["payment_date"],
    )


def _partners(rows: list[dict[str, Any]]) -> Iterator[Partner]:
    periods: dict[str, list[int]] = {}
    for row in rows:
        periods.setdefault(row["delivery_partner_id"], []).append(row["contract_period"])
    names = {row["delivery_partner_id"]: row["name"] for row in rows}
    for own, years in periods.items():
        yield Partner(own, names[own], tuple(years))
