"""The sample's reference data: providers, partners, schools, contracts, bands, statements along the published calendar."""

from datetime import UTC, date, datetime

import polars as pl

from data.sample.draws import chance, draws, uuids, whole
from schemas.columns import INSTANT
from schemas.facts import statement_calendar

SAMPLE_NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)  # of which a sample speaks, unless another instant is asked for

PROVIDERS = (
    ("Alder Teaching Institute", True),
    ("Beacon Education Partnership", True),
    ("Castle Street Training", True),
    ("Fairfield Institute of Education", True),
    ("Harbour Teacher Development", True),
    ("National Mentoring Trust", False),
    ("Westbrook Learning", False),
)
PLACES = (
    "Ashford Barnsley Carlisle Durham Exeter Fleetwood Grimsby Halifax Ipswich Keighley Lincoln Morpeth Newark Oldham "
    "Penrith Redcar Selby Taunton Uttoxeter Whitby"
).split()
PARTNER_KINDS = ("Teaching School Hub", "Schools Alliance", "Learning Trust", "Training Partnership")
SCHOOL_KINDS = ("Primary School", "High School", "Academy", "Church of England School", "Infant School", "College")
PENCE = pl.Decimal(14, 2)


def lead_providers() -> pl.DataFrame:
    ids = uuids("lead providers", len(PROVIDERS))
    return pl.DataFrame(
        {"lead_provider_id": ids, "name": [n for n, _ in PROVIDERS], "vat_registered": [v for _, v in PROVIDERS]}
    )


def delivery_partners(scale: float) -> pl.DataFrame:
    count = min(80, max(10, round(80 * scale)))
    names = [f"{PLACES[i % len(PLACES)]} {PARTNER_KINDS[(i // len(PLACES)) % 4]}" for i in range(count)]
    return pl.DataFrame({"delivery_partner_id": uuids("delivery partners", count), "name": names})


def pairings(providers: pl.DataFrame, partners: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """Each provider works with about a third of the partners, the same ones nearly every year."""
    pairs = providers.select("lead_provider_id").join(partners.select("delivery_partner_id"), how="cross")
    pairs = pairs.with_columns(draws("pairs", pairs.height).alias("affinity"))
    nearest = pl.col("affinity").rank("ordinal").over("lead_provider_id") <= max(4, partners.height // 3)
    every_year = pairs.filter(nearest).join(periods.select("contract_period"), how="cross")
    return every_year.select("lead_provider_id", "delivery_partner_id", "contract_period")


def schools(scale: float) -> pl.DataFrame:
    count = max(60, round(21_000 * scale))
    place, kind = whole("school place", count, len(PLACES)), whole("school kind", count, len(SCHOOL_KINDS))
    numbers = range(1, count + 1)
    names = [f"{PLACES[p]} {SCHOOL_KINDS[k]} {n}" for p, k, n in zip(place, kind, numbers, strict=True)]
    has_tutor = draws("tutor", count) < 0.9
    return pl.DataFrame(
        {
            "school_id": uuids("schools", count),
            "urn": [str(100_000 + n) for n in numbers],
            "name": names,
            "eligible": draws("eligible school", count) < 0.98,
            "induction_tutor_name": [
                f"Induction Tutor {n}" if t else None for n, t in zip(numbers, has_tutor, strict=True)
            ],
            "induction_tutor_email": [
                f"induction.tutor.{n}@school.example" if t else None for n, t in zip(numbers, has_tutor, strict=True)
            ],
        }
    )


def partnerships(schools: pl.DataFrame, pairs: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """Every school has a provider each year; one in ten has a second. A school keeps its provider for years."""
    wanted = schools.select("school_id", second=pl.lit(False))
    seconds = schools.select("school_id", second=pl.lit(True)).filter(draws("second provider", schools.height) < 0.1)
    wanted = pl.concat([wanted, seconds])
    providers = pairs["lead_provider_id"].unique(maintain_order=True)
    turn = whole("school provider", wanted.height, len(providers))
    wanted = wanted.with_columns(providers.gather(turn).alias("lead_provider_id")).unique(
        ["school_id", "lead_provider_id"], keep="first", maintain_order=True
    )
    partners = pairs.group_by("lead_provider_id", "contract_period", maintain_order=True).agg("delivery_partner_id")
    wanted = wanted.with_columns(whole("school partner", wanted.height, 1000).alias("turn"))
    yearly = (
        wanted.join(periods.select("contract_period", opened="started_on"), how="cross")
        .join(partners, on=["lead_provider_id", "contract_period"])
        .sort("contract_period", "school_id", "lead_provider_id")
    )
    created = pl.col("opened").cast(INSTANT) + pl.duration(days=14, hours=9)
    return yearly.select(
        uuids("partnerships", yearly.height).alias("partnership_id"),
        "lead_provider_id",
        pl.col("delivery_partner_id").list.get(pl.col("turn") % pl.col("delivery_partner_id").list.len()),
        "school_id",
        "contract_period",
        created.alias("created_at"),
        created.alias("updated_at"),
    )


def school_contract_periods(schools: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    premium, sparse = draws("premium", schools.height) < 0.25, draws("sparse", schools.height) < 0.08
    flagged = schools.select("school_id", pupil_premium_uplift=premium, sparsity_uplift=sparse)
    yearly = flagged.join(periods.select("contract_period"), how="cross")
    return yearly.select(
        "school_id",
        "contract_period",
        pl.lit("provider_led").alias("induction_programme_choice"),
        "pupil_premium_uplift",
        "sparsity_uplift",
    )


def contracts(providers: pl.DataFrame, scale: float) -> dict[str, pl.DataFrame]:
    """contracts, bands and band_terms: banded for all until 2024; from 2025 banded for ECTs and flat for mentors.

    The 2021 contracts have a second version without service fee, for the months after the twenty-ninth.
    """
    rows: dict[str, list[dict[str, object]]] = {"contracts": [], "bands": [], "band_terms": []}
    ids = iter(uuids("contracts", len(providers) * 7))
    random = chance("contracts")
    for provider in providers.iter_rows(named=True):
        for year in range(2021, 2027):
            flat = year >= 2025
            capacity = max(8, round((2_000 if flat else 3_200) * scale * random.uniform(0.8, 1.2)))
            fee = (812_35 if flat else 995_00) + 50 * int(random.integers(0, 40))
            terms = [("A", fee, 60), ("B", fee - 16_25, 60), ("C", fee - 29_50, 60), ("D", fee - 29_50, 100)]
            owner = {"lead_provider_id": provider["lead_provider_id"], "contract_period": year}
            for band, _, _ in terms:
                size = capacity if band != "D" else max(2, capacity // 10)
                rows["bands"].append({**owner, "band": band, "capacity": size})
            for version in range(2 if year == 2021 else 1):
                contract = next(ids)
                explicit = "0.00" if version else "18250.00" if flat and random.random() < 0.5 else None
                rows["contracts"].append(
                    {
                        "contract_id": contract,
                        **owner,
                        "contract_type": "ittecf_ectp" if flat else "ecf",
                        "vat_rate": "0.20",
                        "recruitment_target": round(capacity * 2.4),
                        "setup_fee": "0.00" if flat else f"{round(149_651 * min(1, scale))}.00",
                        "monthly_service_fee": explicit,
                        "uplift_fee_per_declaration": "0.00" if flat else "100.00",
                        "mentor_fee_per_declaration": "1125.75" if flat else None,
                        "mentor_recruitment_target": capacity * 2 if flat else None,
                    }
                )
                for band, pence, ratio in terms:
                    rows["band_terms"].append(
                        {
                            "contract_id": contract,
                            "band": band,
                            "fee_per_declaration": f"{pence // 100}.{pence % 100:02d}",
                            "output_fee_ratio": f"{ratio / 100:.2f}",
                            "service_fee_ratio": f"{1 - ratio / 100:.2f}",
                        }
                    )
    frames = {name: pl.DataFrame(listed, infer_schema_length=None) for name, listed in rows.items()}
    money = ("setup_fee", "monthly_service_fee", "uplift_fee_per_declaration", "mentor_fee_per_declaration", "vat_rate")
    frames["contracts"] = frames["contracts"].with_columns(pl.col(*money).cast(pl.String).cast(PENCE))
    ratios = ("fee_per_declaration", "output_fee_ratio", "service_fee_ratio")
    frames["band_terms"] = frames["band_terms"].with_columns(pl.col(*ratios).cast(PENCE))
    return frames


def statements(contracts: pl.DataFrame, day: date) -> pl.DataFrame:
    """A statement per provider for each recommended month of the calendar, settled as far as the day has come."""
    months = statement_calendar().with_columns((pl.int_range(pl.len()).over("contract_period") >= 29).alias("late"))
    versions = contracts.select("lead_provider_id", "contract_period", "contract_id").with_columns(
        pl.int_range(pl.len()).over("lead_provider_id", "contract_period").alias("version"),
        pl.len().over("lead_provider_id", "contract_period").alias("versions"),
    )
    due = months.join(versions, on="contract_period").filter(
        (pl.col("versions") == 1) | (pl.col("late") == (pl.col("version") == 1))
    )
    status = (
        pl.when(pl.col("deadline_date") >= day)
        .then(pl.lit("open"))
        .when(pl.col("payment_date") > day)
        .then(pl.lit("payable"))
        .otherwise(pl.lit("paid"))
    )
    due = due.sort("lead_provider_id", "contract_period", "year", "month").with_columns(status=status)
    paid_at = pl.col("payment_date").cast(INSTANT) - pl.duration(days=3) + pl.duration(hours=10)
    return due.with_columns(
        uuids("statements", due.height).alias("statement_id"),
        pl.when(pl.col("status") == "paid").then(paid_at).alias("marked_as_paid_at"),
    )


def adjustments(statements: pl.DataFrame) -> pl.DataFrame:
    chosen = statements.filter(pl.col("fee_type") == "output")
    chosen = chosen.filter(draws("adjusted", chosen.height) < 0.15)
    pounds = whole("adjustment", chosen.height, 400)
    return chosen.select(
        uuids("adjustments", chosen.height).alias("adjustment_id"),
        "statement_id",
        pl.lit("Correction agreed with contract manager").alias("payment_type"),
        pl.format("{}.50", pounds * 5 - 1000).cast(PENCE).alias("amount"),
    )
