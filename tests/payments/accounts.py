"""Accounts for tests of money: one provider, one contract, statements in a row, declarations by count."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from schemas.accounts import Accounts
from schemas.columns import INSTANT
from transforms.money.breakdowns import Shares, share
from transforms.money.statements import Figures, compute_figures

CONTRACT, PROVIDER = "contract", "provider"
PENCE = pl.Decimal(14, 2)
MISMATCHED = {
    **dict.fromkeys(("code", "contract_id", "lead_provider_id"), pl.String),
    "contract_period": pl.Int64,
    "band": pl.String,
}


@dataclass(frozen=True)
class Unit:
    """One declaration in one capacity on the statement of a month (counted from 0)."""

    month: int
    kind: str
    line_type: str = "output"
    role: str = "ect"
    partner: str = "p1"
    uplift: bool = False
    participant: str | None = None


@dataclass(frozen=True)
class Account:
    """A contract and its history; the last month is the one computed."""

    units: tuple[Unit, ...]
    bands: tuple[tuple[int, str, str], ...]  # capacity, fee, output ratio
    months: int = 1
    contract_type: str = "ecf"
    vat_registered: bool = True
    recruitment_target: int = 0
    setup_fee: str = "0.00"
    monthly_service_fee: str | None = "0.00"
    uplift_fee: str = "100.00"
    mentor_fee: str | None = None
    adjustments: tuple[str, ...] = ()
    names: dict[str, str] = field(default_factory=dict)

    @property
    def last(self) -> str:
        return f"s{self.months - 1:02}"

    def figures(self) -> Figures:
        return compute_figures(self.accounts())

    def accounts(self, **changes: Any) -> Accounts:
        """What its last statement is computed from."""
        frames = self.frames()
        given = {
            "statements": frames["statements"], "chosen": pl.Series("statement_id", [self.last], dtype=pl.String),
            "bands": frames["bands"], "mismatched": pl.DataFrame(schema=MISMATCHED), "units": frames["units"],
            "declarations": frames["declarations"], "adjustments": frames["adjustments"], "named": frames["statements"],
        }  # fmt: skip
        return Accounts(**given | changes)

    def shares(self, ordered: bool = False) -> tuple[Figures, Shares]:
        figures = self.figures()
        chosen = pl.DataFrame({"statement_id": [self.last] if ordered else []}, schema={"statement_id": pl.String})
        return figures, share(figures.declarations, chosen)

    def frames(self) -> dict[str, pl.DataFrame]:
        return {
            "statements": self._statements(),
            "bands": self._bands(),
            "units": self._units(),
            "declarations": self._declarations(),
            "adjustments": pl.DataFrame(
                {
                    "statement_id": [self.last] * len(self.adjustments),
                    "payment_type": ["x"] * len(self.adjustments),
                    "amount": list(self.adjustments),
                },
                schema={"statement_id": pl.String, "payment_type": pl.String, "amount": pl.String},
            ).with_columns(pl.col("amount").cast(PENCE)),
        }

    def _statements(self) -> pl.DataFrame:
        terms = {
            "contract_id": CONTRACT, "lead_provider_id": PROVIDER, "contract_period": 2024,
            "contract_type": self.contract_type, "vat_rate": Decimal("0.20"), "vat_registered": self.vat_registered,
            "recruitment_target": self.recruitment_target, "setup_fee": Decimal(self.setup_fee),
            "monthly_service_fee": None if self.monthly_service_fee is None else Decimal(self.monthly_service_fee),
            "uplift_fee_per_declaration": Decimal(self.uplift_fee),
            "mentor_fee_per_declaration": None if self.mentor_fee is None else Decimal(self.mentor_fee),
        }  # fmt: skip
        rows = [
            {
                "statement_id": f"s{m:02}",
                "payment_date": date(2025, 1, 25) + timedelta(days=31 * m),
                "deadline_date": date(2024, 12, 31) + timedelta(days=31 * m),
                "year": 2025 + m // 12,
                "month": m % 12 + 1,
                "status": "open",
                "fee_type": "output",
                "lead_provider_name": "Alder",
                **terms,
            }
            for m in range(self.months)
        ]
        money = dict.fromkeys(
            (
                "vat_rate",
                "setup_fee",
                "monthly_service_fee",
                "uplift_fee_per_declaration",
                "mentor_fee_per_declaration",
            ),
            PENCE,
        )
        return pl.DataFrame(rows, schema_overrides=money)

    def _bands(self) -> pl.DataFrame:
        rows = [
            {
                "contract_id": CONTRACT, "lead_provider_id": PROVIDER, "contract_period": 2024, "band": "ABCDEFGH"[place],
                "capacity": capacity, "fee_per_declaration": Decimal(fee), "output_fee_ratio": Decimal(ratio),
                "service_fee_ratio": 1 - Decimal(ratio),
            }
            for place, (capacity, fee, ratio) in enumerate(self.bands)
        ]  # fmt: skip
        money = dict.fromkeys(("fee_per_declaration", "output_fee_ratio", "service_fee_ratio"), PENCE)
        return pl.DataFrame(rows, schema_overrides=money)

    def _units(self) -> pl.DataFrame:
        together = self.contract_type == "ecf"
        rows = [
            {
                "statement_id": f"s{u.month:02}", "counted_as": "all" if together else u.role, "declaration_type": u.kind,
                "billed": int(u.line_type == "output"), "refunded": int(u.line_type == "clawback"),
            }
            for u in self.units
        ]  # fmt: skip
        schema = {
            "statement_id": pl.String, "counted_as": pl.String, "declaration_type": pl.String, "billed": pl.Int64,
            "refunded": pl.Int64,
        }  # fmt: skip
        key = ["statement_id", "counted_as", "declaration_type"]
        return pl.DataFrame(rows, schema=schema).group_by(key).sum()

    def _declarations(self) -> pl.DataFrame:
        made = datetime(2024, 9, 1, tzinfo=UTC)
        rows = [
            {
                "statement_id": self.last, "declaration_id": f"d{number:06}", "participant_type": u.role,
                "declaration_type": u.kind, "declaration_date": made + timedelta(minutes=number), "created_at": made,
                "delivery_partner_id": u.partner, "delivery_partner_name": self.names.get(u.partner, u.partner),
                "pupil_premium_uplift": u.uplift, "sparsity_uplift": False, "line_type": u.line_type,
                "participant_id": u.participant or f"t{number:06}", "trn": "1234567", "full_name": "Ada Obi",
                "payment_statement_id": "earlier" if u.line_type == "clawback" else self.last,
            }
            for number, u in enumerate(self.units)
            if u.month == self.months - 1
        ]  # fmt: skip
        schema = {
            "statement_id": pl.String, "declaration_id": pl.String, "participant_type": pl.String,
            "declaration_type": pl.String, "declaration_date": INSTANT, "created_at": INSTANT,
            "delivery_partner_id": pl.String, "delivery_partner_name": pl.String, "pupil_premium_uplift": pl.Boolean,
            "sparsity_uplift": pl.Boolean, "line_type": pl.String, "participant_id": pl.String, "trn": pl.String,
            "full_name": pl.String, "payment_statement_id": pl.String,
        }  # fmt: skip
        columns = ("your_reference", "evidence_held", "schedule_identifier", "mentor_id")
        nothing = [pl.lit(None, pl.String).alias(name) for name in columns]
        return pl.DataFrame(rows, schema=schema).with_columns(
            *nothing, school_urn=pl.lit("100001"), school_name=pl.lit("Hill School"),
            payment_status=pl.when(pl.col("line_type") == "voided").then(pl.lit("voided")).otherwise(pl.lit("paid")),
            clawback_status=pl.when(pl.col("line_type") == "clawback")
            .then(pl.lit("awaiting_clawback")).otherwise(pl.lit("no_clawback")),
        )  # fmt: skip


def many(count: int, month: int, kind: str, **facts: object) -> tuple[Unit, ...]:
    return (Unit(month, kind, **facts),) * count  # type: ignore[arg-type]


def pounds_by_section(figures: Figures) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for section, pence in figures.lines.select("section", "pence").iter_rows():
        sums[section] = sums.get(section, Decimal()) + Decimal(pence) / 100
    return sums


def counts_by_band(figures: Figures, kind: str, section: str = "output") -> dict[str, int]:
    chosen = figures.lines.filter((pl.col("declaration_type") == kind) & (pl.col("section") == section))
    return dict(chosen.select(pl.col("band").fill_null("over"), "count").iter_rows())
