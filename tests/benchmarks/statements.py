"""A round of everybody's statements, against the libraries writing the same files from ready rows; a round in which nothing has
changed; the figures alone."""

import tempfile
from pathlib import Path

import duckdb
import polars as pl

from data.accounts import load_accounts
from flows.clock import instant
from flows.installation import Installation
from flows.rounds.beside import statements_of_all
from tests.benchmarks.nation import NOW, copied
from tests.benchmarks.results import best, compared, found, interleaved, say, spread, timed
from tests.benchmarks.written import Written
from transforms.money.breakdowns import share
from transforms.money.statements import compute_figures


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
    _rounds(installation)


def _rounds(installation: Installation, times: int = 5) -> None:
    """The round of everybody's, and the same files written by libraries, in turns; at the end, rounds in which nothing has changed."""
    taken: list[float] = []
    floor: list[float] = []
    for number in range(times):
        with copied(installation) as copy:
            seconds, done = timed(lambda copy=copy: statements_of_all(copy, instant(NOW)))  # type: ignore[misc]
            assert not done.troubles, done.troubles
            taken.append(seconds)
            home = copy.settings.home
            files = [path for path in home.glob("mailboxes/*/from-dfe/statements/**/*") if path.is_file()]
            same, size = Written(files), sum(path.stat().st_size for path in files) / (1 << 20)
            with tempfile.TemporaryDirectory(dir=home) as folder:
                floor.append(timed(lambda same=same, folder=folder: same.write(Path(folder)))[0])  # type: ignore[misc]
            if number < times - 1:
                continue
            what = f"statements round: {len(done.made)} versions, {len(files):,} files, {size:,.0f} MiB delivered"
            compared(what, taken, floor, "Polars and XlsxWriter write the same in one process, pages as bytes", 1.5)
            statements_of_all(copy, instant(NOW))  # what moved in the first is remembered after the second
            again = interleaved([lambda copy=copy: statements_of_all(copy, instant(NOW))])[0]  # type: ignore[misc]
            found("the same round when nothing has changed", spread(again), "", "1 s")
