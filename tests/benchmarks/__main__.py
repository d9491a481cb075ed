"""Run with `make bench`; `make bench ARGS="--scale 0.1"` for a smaller nation. Nothing here is asserted."""

import argparse
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import duckdb
import polars as pl

from data.accounts import load_accounts
from data.counting import keep_paid_units
from data.records.extract import import_records
from data.sample.nation import write_sample
from data.tables import metadata
from flows.clock import instant
from flows.installation import Installation, LeadProvider, open_installation
from flows.rounds.beside import statements_of_all
from flows.rounds.claiming import Claims
from flows.rounds.delivery import deliver_owed
from flows.rounds.looking import remember_all
from flows.rounds.processing import process
from flows.rounds.rehearsal import acceptable
from flows.rounds.statements import statements_round
from flows.settings import Settings
from tests.benchmarks.arrival import PROVIDERS, bench_arrival
from tests.benchmarks.extracts import bench_extracts
from tests.benchmarks.guidance import bench_check, bench_guidance
from tests.benchmarks.judging import bench_floor, bench_memory, judged_again
from tests.benchmarks.moving import bench_moving
from tests.benchmarks.peers import PEER_ROWS, bench_figures, bench_peers
from tests.benchmarks.practice import bench_practice
from tests.benchmarks.results import found, grown, interleaved, spread, write_picture, write_results
from tests.benchmarks.starting import bench_starting
from tests.benchmarks.workers import NOW as BEFORE
from tests.benchmarks.workers import ROWS as OF_WORKERS
from tests.benchmarks.workers import bench_workers
from tests.benchmarks.written import Written
from tests.postgresql import postgresql
from transforms.money.breakdowns import share
from transforms.money.statements import compute_figures

NOW = "2026-12-14T10:00:00Z"
ROWS = 100_000
PYDANTIC_TIMES_PARSE = 33  # pydantic's type check alone, times a typed Polars parse of the same file
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
FLOOR_SCALE = 0.2  # the least at which one lead provider has 10,000 rows to declare, where nobody has declared before


def timed(act: Callable[[], object]) -> tuple[float, object]:
    started = time.perf_counter()
    answer = act()
    return time.perf_counter() - started, answer


def best(act: Callable[[], object], times: int = 5) -> float:
    return min(timed(act)[0] for _ in range(times))


def say(what: str, seconds: float, limit: str = "", ratio: float | None = None, aim: float | None = None) -> None:
    """A figure that is measured once."""
    of_it = "" if ratio is None else f", {ratio:.1f} ×"
    found(what, f"{seconds:.3f} s{of_it}", limit, f"{aim:g} ×" if aim else "")


def peak_gibibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


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


def bench_intake(installation: Installation) -> None:
    now, provider = instant(NOW), installation.lead_providers()[0]
    content, valid = file_of_rows(installation, provider, now)
    declarations = _through(installation, provider, "declarations", content, valid, now)
    for place, kind in enumerate(OTHER_KINDS, 1):
        rows = updates_of(installation, provider, kind, now)
        moment = now + timedelta(days=place)
        with installation.database.read() as reader:
            valid = acceptable(reader, kind, rows, provider.lead_provider_id, moment).height
        content = rows.write_csv().encode()
        seconds = _through(installation, provider, kind, content, valid, moment)
        say("  against as many rows of declarations", seconds, "declarations", seconds / declarations, 1)


OTHER_KINDS = (
    "expected-payments",
    "voids",
    "deferrals",
    "resumptions",
    "schedule-changes",
    "withdrawals",
    "partnerships",
    "partnership-changes",
)
_OWN = {
    "voids": """
SELECT d.declaration_id FROM partnerships p CROSS JOIN training_periods tp CROSS JOIN declarations d
WHERE p.lead_provider_id = ? AND p.contract_period >= 2025 AND tp.partnership_id = p.partnership_id
  AND d.training_period_id = tp.training_period_id ORDER BY d.declaration_id""",
    "partnerships": """
SELECT s.urn AS school_urn, x.delivery_partner_id, '2026' AS contract_period FROM provider_delivery_partners x
CROSS JOIN schools s WHERE x.lead_provider_id = ? AND x.contract_period = 2026 ORDER BY 2, 1""",
    "partnership-changes": """
SELECT p.partnership_id, x.delivery_partner_id FROM partnerships p JOIN provider_delivery_partners x
ON x.lead_provider_id = p.lead_provider_id AND x.contract_period = p.contract_period
WHERE p.lead_provider_id = ? ORDER BY 2, 1""",
}
_CELLS = {
    "deferrals": {"reason": "other"},
    "withdrawals": {"reason": "other"},
    "resumptions": {},
    "schedule-changes": {"schedule_identifier": "ecf-extended-april"},
    "expected-payments": {
        "statement_month": "2027-01", "contract_period": "2025", "declaration_type": "retained-1",
        "expected_amount": "73.11",
    },
}  # fmt: skip


def updates_of(installation: Installation, provider: LeadProvider, kind: str, now: datetime) -> pl.DataFrame:
    """ROWS rows of a kind: all that the provider has to say of it first, the rest about strangers."""
    with installation.database.read() as reader:
        if kind in _OWN:
            rows = reader.frame(_OWN[kind], provider.lead_provider_id).head(ROWS // 2)
        else:
            people = reader.frame(TRAINED.format(periods=LATELY), provider.lead_provider_id)
            cells = {name: pl.lit(cell) for name, cell in _CELLS[kind].items()}
            both = [people.with_columns(course_identifier=pl.lit(c), **cells) for c in ("ecf-induction", "ecf-mentor")]
            rows = pl.concat(both).head(ROWS // 2)
    count = ROWS - rows.height
    owner = rows.columns[0] if rows.columns[0].endswith("_id") else None
    more = pl.concat([rows] * (count // rows.height + 1)).head(count)
    strange = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(count)]
    if owner:
        return pl.concat([rows, more.with_columns(pl.Series(owner, strange))])
    return pl.concat([rows, more.with_columns(pl.Series("delivery_partner_id", strange))])


def _through(
    installation: Installation, provider: LeadProvider, kind: str, content: bytes, valid: int, now: datetime
) -> float:
    """One file claimed, then timed until its receipt is delivered. Returns the seconds."""
    parse = best(lambda: pl.read_csv(content, try_parse_dates=True))
    mailbox = installation.mailbox(provider.slug)
    (installation.settings.home / "mailboxes" / provider.slug / "to-dfe" / f"{kind}.csv").write_bytes(content)
    remember_all(installation)
    Claims(installation, provider, mailbox, now).take(mailbox.look())
    submission = installation.submissions.waiting(provider.lead_provider_id)[0]

    def path() -> object:
        outcome = process(installation, provider, submission, now)
        deliver_owed(installation, provider, mailbox, now)
        return outcome.rows

    seconds, rows = timed(path)
    told = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in rows.items())  # type: ignore[attr-defined]
    print(f"{kind}: {told}; {valid:,} meant to be valid")
    say("  claimed → receipt delivered", seconds, "a typed parse", seconds / parse, PYDANTIC_TIMES_PARSE)
    return seconds


def bench_statements(installation: Installation) -> None:
    def load() -> object:
        with installation.database.read() as reader:
            return load_accounts(reader)

    loading, accounts = timed(load)
    rows = accounts.declarations.to_arrow(compat_level=pl.CompatLevel.oldest())  # type: ignore[attr-defined]
    with duckdb.connect() as connection:
        connection.register("declarations", rows)
        query = "SELECT statement_id, line_type, declaration_type, delivery_partner_id, COUNT(*) FROM declarations GROUP BY ALL"
        scan = best(lambda: connection.sql(query).fetchall())

    def figures() -> object:
        found = compute_figures(accounts)  # type: ignore[arg-type]
        return share(found.declarations, pl.DataFrame(schema={"statement_id": pl.String}))

    say("loading the accounts of all statements not yet paid", loading)
    say(f"DuckDB scans and groups their {rows.num_rows:,} declarations", scan)
    seconds = best(figures, 3)
    say("their figures and shares", seconds, "that scan", seconds / scan, 10)
    whole, done = timed(lambda: statements_of_all(installation, instant(NOW)))
    home = installation.settings.home
    files = [path for path in home.glob("mailboxes/*/from-dfe/statements/**/*") if path.is_file()]
    same, size = Written(files), sum(path.stat().st_size for path in files) / (1 << 20)
    with tempfile.TemporaryDirectory(dir=home) as folder:
        writing, _ = timed(lambda: same.write(Path(folder)))
    say(f"Polars and XlsxWriter write the same {len(files):,} files, {size:,.0f} MiB, pages as bytes", writing)
    say(f"statements round: {len(done.made)} versions delivered", whole, "that", whole / writing, 1.5)  # type: ignore[attr-defined]
    statements_of_all(installation, instant(NOW))  # what moved in the first is remembered after the second
    again = interleaved([lambda: statements_of_all(installation, instant(NOW))])[0]
    found("the same round when nothing has changed", spread(again), "", "1 s")


_MORE_HISTORY = """
INSERT INTO declarations SELECT 'h{copy}' || substr(declaration_id, 3), {others} FROM declarations
WHERE payment_status = 'paid' AND clawback_status = 'no_clawback' AND declaration_id NOT LIKE 'h%'
"""


def bench_growth(scale: float) -> None:
    """Statements at 1, 2 and 4 times the records; then at 1, 2 and 4 times the history behind the same open period."""
    first: float | None = None
    for times in (1, 2, 4):
        with tempfile.TemporaryDirectory(prefix="ectx-growth-") as folder, _house(Path(folder)) as installation:
            _fill(installation, scale * times)
            with installation.database.write() as connection:
                keep_paid_units(installation.database, connection)  # what is paid is counted once
            seconds, done = timed(lambda installation=installation: statements_round(installation, instant(NOW)))  # type: ignore[misc]
            declarations = sum(each.declarations for each in done.standing)  # type: ignore[attr-defined]
            first = first or seconds
            say(
                f"{times} × the records: {declarations:,} declarations not yet paid",
                seconds,
                "the first",
                seconds / first,
                times,
            )
            grown("Records of all kinds (to grow as they do)", times, seconds, is_linear=True)
            if times == 1:
                _bench_history(installation)


def _bench_history(installation: Installation) -> None:
    columns = ", ".join(column.name for column in list(metadata.tables["declarations"].columns)[1:])
    first: float | None = None
    for times, copies in ((1, ()), (2, (1,)), (4, (2, 3))):
        with installation.database.write() as connection:
            for copy in copies:
                connection.exec_driver_sql(_MORE_HISTORY.format(copy=copy, others=columns))
            connection.exec_driver_sql("DELETE FROM paid_units")

        def computed() -> object:
            with installation.database.write() as connection:  # or the round would remember that nothing has changed
                connection.exec_driver_sql("DELETE FROM statement_rounds")
            return statements_round(installation, instant(NOW))

        computed()
        seconds = best(computed, 3)
        first = first or seconds
        say(f"  {times} × the history, the same open period: a round", seconds, "the first", seconds / first, 1)
        grown("History behind the same open period (to stay as it is)", times, seconds, is_linear=False)


@contextmanager
def _house(home: Path) -> Iterator[Installation]:
    with open_installation(Settings(home=home, database_url="", mailboxes="", seconds_between_looks=0)) as installation:
        yield installation


def _fill(installation: Installation, scale: float, providers: int = 0, has_declarations: bool = True) -> None:
    """providers: how many there are at the least; those whom the sample lacks have nothing but a mailbox."""
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
    if not has_declarations:
        declared = sample / "declarations.csv"
        pl.read_csv(declared, infer_schema=False).clear().write_csv(declared)
    say("import", timed(lambda: import_records(installation.database, sample, instant(NOW)))[0])
    shutil.rmtree(sample)


def _bench_floor(scale: float) -> None:
    """Where nobody has declared yet, so that there is as much to accept as is asked for; on both databases."""
    with postgresql() as url:
        for where, address in (("", ""), (" on PostgreSQL", url)):
            with tempfile.TemporaryDirectory(prefix="ectx-floor-") as home:
                settings = Settings(home=Path(home), database_url=address, mailboxes="", seconds_between_looks=0)
                with open_installation(settings) as installation:
                    _fill(installation, max(scale, FLOOR_SCALE), has_declarations=False)
                    provider, now = installation.lead_providers()[0], instant(NOW)
                    file_of = partial(file_of_rows, installation, provider, now, months=MONTHS, periods=SINCE_2023)
                    bench_floor(installation, provider, file_of, now, where)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="1 is the nation")
    parser.add_argument(
        "--part",
        choices=(
            "intake",
            "statements",
            "extracts",
            "guidance",
            "check",
            "practice",
            "arrival",
            "floor",
            "memory",
            "workers",
            "growth",
            "start",
            "peers",
            "moving",
        ),
        help="this part alone; may be given again",
        action="append",
    )
    parser.add_argument("--keep", type=Path, help="keep the records here, and use them when they are there")
    chosen = parser.parse_args()

    def wants(part: str) -> bool:
        return not chosen.part or part in chosen.part

    home = chosen.keep or Path(tempfile.mkdtemp(prefix="ectx-bench-"))
    try:
        if wants("moving"):
            bench_moving()
        if set(chosen.part or [""]) - {"growth", "workers", "moving"}:
            with _house(home) as installation:
                if not installation.lead_providers():
                    _fill(installation, chosen.scale)
                if wants("extracts"):  # before others change the records
                    bench_extracts(installation, say)
                if wants("guidance"):
                    bench_guidance(installation, say)
                if wants("check"):
                    content, _ = file_of_rows(installation, installation.lead_providers()[0], instant(NOW))
                    bench_check(installation, say, content)
                if "practice" in (chosen.part or ()) or (
                    not chosen.part and chosen.scale <= 0.1
                ):  # it is for small records
                    content, _ = file_of_rows(installation, installation.lead_providers()[0], instant(NOW))
                    bench_practice(installation, say, content)
                if wants("arrival"):
                    with _house(home / "arrival") as own:
                        _fill(own, min(chosen.scale, 0.1), PROVIDERS)
                        bench_arrival(own, file_of_rows(own, own.lead_providers()[0], instant(NOW))[0])
                provider = installation.lead_providers()[0]
                if wants("floor"):
                    _bench_floor(chosen.scale)
                if wants("start"):
                    ten = [file_of_rows(installation, provider, instant(NOW), 10, 0.3)[0]] * 100
                    bench_starting(installation, provider, lambda number: ten[number])
                if wants("peers"):
                    content, _ = file_of_rows(installation, provider, instant(NOW), PEER_ROWS, 0.1)
                    bench_peers(content, judged_again(installation, provider, content, instant(NOW)))
                    bench_figures(chosen.scale, NOW)
                if wants("memory"):
                    content, _ = file_of_rows(installation, provider, instant(NOW), 1_000_000)
                    bench_memory(home, installation, provider, content, instant(NOW))
                if wants("intake"):
                    bench_intake(installation)
                if wants("statements"):
                    bench_statements(installation)
        if "workers" in (chosen.part or ()):  # half an hour; by itself
            bench_workers(
                chosen.scale,
                lambda there, whose: file_of_rows(there, whose, instant(BEFORE), OF_WORKERS, months=("2026-11",))[0],
            )
        if wants("growth"):
            bench_growth(chosen.scale / 4)
        found("peak memory of these benchmarks", f"{peak_gibibytes():.2f} GiB")
        if not chosen.part:  # a part's figures do not take the place of a whole run's
            write_results(chosen.scale)
            write_picture()
    finally:
        if not chosen.keep:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
