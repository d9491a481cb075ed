"""What the demo’s lead providers send: rows that the rules accept, rows that they do not, and what is expected."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import polars as pl

from data.reader import Reader
from flows.clock import instant
from flows.installation import Installation, LeadProvider
from flows.rounds.rehearsal import acceptable

UPLOADED_AT = "2025-12-14T10:00:00Z"


@dataclass
class Player:
    """A lead provider in the demo, and its key."""

    provider: LeadProvider
    key_file: Path
    known_hosts: Path


GOOD_ROWS = 25


_DUE = """
SELECT sp.participant_id, MAX(p.contract_period) AS contract_period
FROM training_periods tp
JOIN partnerships p ON p.partnership_id = tp.partnership_id
JOIN school_periods sp ON sp.school_period_id = tp.school_period_id
WHERE p.lead_provider_id = ? AND p.contract_period IN (2024, 2025) AND sp.participant_type = 'ect'
GROUP BY sp.participant_id
ORDER BY sp.participant_id
"""


_BAND_A = """
SELECT c.contract_period, MIN(t.fee_per_declaration) AS fee_per_declaration
FROM contracts c JOIN band_terms t ON t.contract_id = c.contract_id AND t.band = 'A'
WHERE c.lead_provider_id = ? GROUP BY c.contract_period
"""


def expected(installation: Installation, player: Player, rows: pl.DataFrame) -> pl.DataFrame:
    """What a provider might write down: everything it means to declare, declared or not, all at band A's price."""
    with installation.database.read() as reader:
        people = reader.frame(_DUE, player.provider.lead_provider_id)
        prices = reader.frame(_BAND_A, player.provider.lead_provider_id)
    expected = rows.head(GOOD_ROWS + 5).join(people, on="participant_id").join(prices, on="contract_period")
    shares = {"started": Decimal("0.20")}
    amounts = [
        str((shares.get(kind, Decimal("0.15")) * Decimal("0.60") * Decimal(fee)).quantize(Decimal("0.01")))
        for kind, fee in expected.select("declaration_type", "fee_per_declaration").iter_rows()
    ]
    return expected.select(
        pl.lit("2026-01").alias("statement_month"), "contract_period", "participant_id", "course_identifier",
        "declaration_type", pl.Series("expected_amount", amounts, dtype=pl.String), "your_reference",
    )  # fmt: skip


def rows(installation: Installation, player: Player) -> pl.DataFrame:
    """Declarations that this provider could make now: ECTs of 2024 and 2025, those that the rules accept."""
    with installation.database.read() as reader:
        people = reader.frame(_DUE, player.provider.lead_provider_id).select("participant_id")
        tries = [_of_type(people, kind, evidence) for kind, evidence in _TYPES]
        accepted = [_accepted(reader, rows, player) for rows in tries]
    rows = pl.concat(accepted).unique("participant_id", keep="first", maintain_order=True)
    numbers = pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(4)
    return rows.with_columns(pl.concat_str(pl.lit("DEC-"), numbers).alias("your_reference"))


_TYPES = (
    ("started", "training-event-attended"),
    ("retained-4", "other"),
    ("retained-3", "self-study-material-completed"),
)


def _of_type(people: pl.DataFrame, kind: str, evidence: str) -> pl.DataFrame:
    return people.select(
        "participant_id",
        pl.lit("ecf-induction").alias("course_identifier"),
        pl.lit(kind).alias("declaration_type"),
        pl.lit("2025-12-10T14:00:00Z").alias("declaration_date"),
        pl.lit(evidence).alias("evidence_held"),
    )


def _accepted(reader: Reader, rows: pl.DataFrame, player: Player) -> pl.DataFrame:
    owner = player.provider.lead_provider_id
    return acceptable(reader, "declarations", rows, owner, instant(UPLOADED_AT))


def bad_rows(known: str) -> pl.DataFrame:
    """What goes wrong in real life: an unknown person, a spreadsheet's date, a wrong word."""
    stranger = "00000000-0000-4000-8000-000000000000"
    rows = [
        (stranger, "ecf-induction", "started", "2025-12-10T14:00:00Z", "training-event-attended", "DEC-9001"),
        (known, "ecf-induction", "retained1", "10/12/2025", "training-event-attended", "DEC-9002"),
        ("1.23E+06", "ecf-mentors", "started", "2025-12-10", "", "DEC-9003"),
    ]
    columns = ("participant_id", "course_identifier", "declaration_type", "declaration_date", "evidence_held")
    return pl.DataFrame(rows, schema=[*columns, "your_reference"], orient="row")
