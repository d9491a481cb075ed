"""The records that benchmarks run on, and files of declarations about them."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import polars as pl

from data.records.extract import import_records
from data.sample.nation import write_sample
from flows.clock import instant
from flows.installation import Installation, LeadProvider, open_installation
from flows.rounds.rehearsal import acceptable
from flows.settings import Settings
from flows.upkeep.backup import copy_database
from tests.benchmarks.results import say, timed

NOW = "2026-12-14T10:00:00Z"
ROWS = 100_000
TYPES = ("started", "retained-1", "retained-2", "retained-3", "retained-4", "completed")
TRAINED = """
SELECT DISTINCT sp.participant_id
FROM training_periods tp
JOIN partnerships p ON p.partnership_id = tp.partnership_id
JOIN school_periods sp ON sp.school_period_id = tp.school_period_id
WHERE p.lead_provider_id = ? AND p.contract_period {periods}
ORDER BY sp.participant_id
"""
LATELY, SINCE_2023 = "IN (2025, 2026)", ">= 2023"
# Between them, days in most milestones that were open by NOW.
MONTHS = ("2025-10", "2026-01", "2026-04", "2026-07", "2026-10", "2026-12")


@contextmanager
def house(home: Path) -> Iterator[Installation]:
    with open_installation(Settings(home=home, database_url="", mailboxes="", seconds_between_looks=0)) as installation:
        yield installation


def fill(
    installation: Installation, scale: float, providers: int = 0, has_declarations: bool = True, copies: int = 1
) -> None:
    """providers: how many there are at the least; those whom the sample lacks have nothing but a mailbox. copies: each of the
    sample's lead providers, with all that is its own, so many times."""
    sample = installation.settings.home / "sample"
    made, counts = timed(lambda: write_sample(sample, scale))
    table = sample / "lead_providers.csv"
    there = pl.read_csv(table, infer_schema=False)
    more = pl.int_range(providers - there.height, eager=True).cast(pl.String)
    others = there.clear().select(
        lead_provider_id="0000000" + more + "-1111-4111-8111-111111111111",
        name="Provider " + more,
        vat_registered=pl.lit("true"),
    )
    pl.concat([there, others.select(there.columns)]).write_csv(table)
    say(f"sample at scale {scale:g}: {counts['declarations']:,} declarations", made)  # type: ignore[index]
    for table in sample.glob("*.csv"):
        if table.stem not in _EVERYBODYS and copies > 1:
            rows = pl.read_csv(table, infer_schema=False)
            pl.concat([rows, *(_own(rows, number) for number in range(1, copies))]).write_csv(table)
    if not has_declarations:
        declared = sample / "declarations.csv"
        pl.read_csv(declared, infer_schema=False).clear().write_csv(declared)
    say("import", timed(lambda: import_records(installation.database, sample, instant(NOW)))[0])
    shutil.rmtree(sample)


_EVERYBODYS = (
    "contract_periods",
    "milestones",
    "schools",
    "school_contract_periods",
    "school_merges",
    "delivery_partners",
)


def _own(rows: pl.DataFrame, number: int) -> pl.DataFrame:
    """The same rows of other lead providers, under ids, names and no TRN of their own. number: 1 to 11."""
    ids = [name for name in rows.columns if name.endswith("_id") and name not in ("school_id", "delivery_partner_id")]
    # The sample's are UUIDs of version 4, which is said by one digit: others have another there.
    version, id_ = f"{(4 + number) % 16:x}", pl.col(ids)
    rows = rows.with_columns((id_.str.head(14) + version + id_.str.tail(-15)).name.keep())
    if "trn" in rows.columns:
        return rows.with_columns(trn=pl.lit(None, pl.String))
    return rows.with_columns(name=pl.col("name") + f" {number}") if "name" in rows.columns else rows


@contextmanager
def copied(installation: Installation) -> Iterator[Installation]:
    """The same records in a home of their own, with mailboxes in which nothing is yet: what is measured there is done anew each time."""
    with tempfile.TemporaryDirectory(prefix="ectx-copy-") as home:
        copy_database(installation.settings.home.resolve() / "records.db", Path(home) / "records.db")
        with house(Path(home)) as copy:
            for each in copy.lead_providers():
                copy.mailbox(each.slug)
            yield copy


def file_of_rows(
    installation: Installation,
    provider: LeadProvider,
    now: datetime,
    count: int = ROWS,
    wrong: float = 0.5,
    months: tuple[str, ...] = ("2026-12",),
    periods: str = LATELY,
) -> tuple[bytes, int]:
    """A declarations file: so many rows, a share of them wrong (more where the provider has fewer to declare), the rest new and
    valid, dated in these months. Returns it, and how many are meant to be valid."""
    with installation.database.read() as reader:
        people = reader.frame(TRAINED.format(periods=periods), provider.lead_provider_id)
        rows = pl.concat(
            [_rows(people, place, declared, month) for place, declared in enumerate(TYPES) for month in months]
        )
        as_mentors = rows.filter(pl.col("declaration_type").is_in(["started", "completed"])).with_columns(
            pl.lit("ecf-mentor").alias("course_identifier")
        )
        rows = pl.concat([rows, as_mentors])
        valid = acceptable(reader, "declarations", rows, provider.lead_provider_id, now).head(
            round(count * (1 - wrong))
        )
    # Of the wrong ones, half are dated in the future and half are about strangers.
    future = rows.with_columns(pl.lit("2027-02-01T09:00:00Z").alias("declaration_date")).head(
        (count - valid.height) // 2
    )
    strange = count - valid.height - future.height
    strangers = pl.Series("participant_id", [f"{number:08x}-0000-4000-8000-000000000000" for number in range(strange)])
    unknown = pl.concat([rows] * (strange // rows.height + 1)).head(strange).with_columns(strangers)
    return pl.concat([valid, future, unknown]).write_csv().encode(), valid.height


def _rows(people: pl.DataFrame, place: int, declared: str, month: str) -> pl.DataFrame:
    thorough = declared in ("retained-2", "completed")
    return people.select(
        "participant_id",
        pl.lit("ecf-induction").alias("course_identifier"),
        pl.lit(declared).alias("declaration_type"),
        pl.lit(f"{month}-{3 + place:02}T14:00:00Z").alias("declaration_date"),
        pl.lit("75-percent-engagement-met" if thorough else "other").alias("evidence_held"),
    )
