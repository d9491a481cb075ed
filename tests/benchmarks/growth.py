"""How cost grows: statements at 1, 2 and 4 times the records, and the history; and the lead providers."""

import statistics
import tempfile
from pathlib import Path

from data.counting import keep_paid_units
from data.tables import metadata
from flows.clock import instant
from flows.installation import Installation
from flows.rounds.statements import statements_round
from tests.benchmarks.nation import NOW, copied, fill, house
from tests.benchmarks.results import found, grown, interleaved, spread, timed

TIMES = 5

_MORE_HISTORY = """
INSERT INTO declarations SELECT 'h{copy}' || substr(declaration_id, 3), {others} FROM declarations
WHERE payment_status = 'paid' AND clawback_status = 'no_clawback' AND declaration_id NOT LIKE 'h%'
"""


def bench_growth(scale: float) -> None:
    """Statements at 1, 2 and 4 times the records; then at 1, 2 and 4 times the history behind the same open period; then of more and
    more lead providers."""
    first: list[float] = []
    for times in (1, 2, 4):
        with tempfile.TemporaryDirectory(prefix="ectx-growth-") as folder, house(Path(folder)) as installation:
            fill(installation, scale * times)
            with installation.database.write() as connection:
                keep_paid_units(installation.database, connection)  # what is paid is counted once
            taken, declarations = _rounds(installation)
            first = first or taken
            what = f"{times} × the records: {declarations:,} declarations not yet paid"
            _told(what, "Records of all kinds (to grow as they do)", times, taken, first, is_linear=True)
            if times == 1:
                _bench_history(installation)
    _bench_providers(scale / 5)


def _rounds(installation: Installation) -> tuple[list[float], int]:
    """(seconds of each round, how many declarations it was about): each on a copy."""
    taken: list[float] = []
    declarations = 0
    for _ in range(TIMES):
        with copied(installation) as copy:
            seconds, done = timed(lambda copy=copy: statements_round(copy, instant(NOW)))  # type: ignore[misc]
            taken.append(seconds)
            declarations = sum(each.declarations for each in done.standing)
    return taken, declarations


def _told(what: str, series: str, times: int, taken: list[float], first: list[float], is_linear: bool) -> None:
    median, of = statistics.median(taken), statistics.median(first)
    aim = f"{times} ×" if is_linear else "1 ×"
    found(what, f"{spread(taken)}, {median / of:.1f} ×", "the first", aim)
    grown(series, times, median, is_linear)


def _bench_history(installation: Installation) -> None:
    columns = ", ".join(column.name for column in list(metadata.tables["declarations"].columns)[1:])
    first: list[float] = []
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
        taken = interleaved([computed])[0]
        first = first or taken
        what = f"  {times} × the history, the same open period: a round"
        _told(what, "History behind the same open period (to stay as it is)", times, taken, first, is_linear=False)


def _bench_providers(scale: float) -> None:
    """Rounds of 7, 21 and 70 lead providers, each with as many records of its own."""
    first: list[float] = []
    for times in (1, 3, 10):
        with tempfile.TemporaryDirectory(prefix="ectx-growth-") as folder, house(Path(folder)) as installation:
            fill(installation, scale, copies=times)
            taken, declarations = _rounds(installation)
            first = first or taken
            providers = len(installation.lead_providers())
            what = f"{times} × the lead providers: {providers}, {declarations:,} declarations not yet paid"
            _told(what, "Lead providers (to grow as they do)", times, taken, first, is_linear=True)
