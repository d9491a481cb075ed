"""Extracts of the whole nation, against Polars writing the same rows once, and against reading what has to be compared."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from data.holdings import load_declarations, load_holdings
from flows.clock import instant
from flows.installation import Installation
from flows.rounds import extracts
from schemas.outbound.extracts import FILES
from templates.extract_files import set_file
from tests.benchmarks.nation import copied
from tests.benchmarks.results import compared, found, spread
from tests.benchmarks.written import frame_rows, write_sheets

NOW = "2026-12-14T04:00:00Z"
_MORE = """
INSERT INTO declarations SELECT 'h{copy}' || substr(d.declaration_id, 3), {others} FROM declarations d
JOIN training_periods t ON t.training_period_id = d.training_period_id
JOIN partnerships p ON p.partnership_id = t.partnership_id
WHERE p.lead_provider_id <> ? AND d.declaration_id NOT LIKE 'h%'
"""
TIMES = 5


class _Apart:
    """The seconds that go into workbooks and forecasts, which are told by themselves."""

    def __init__(self) -> None:
        self.books = self.forecasts = 0.0
        extracts._with_books = self._waited_for(extracts._with_books)  # type: ignore[assignment]
        extracts.forecast_of = self._timed(extracts.forecast_of, "forecasts")  # type: ignore[assignment]

    def _waited_for(self, act: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        """What a round waits for the next workbook: less than they take, where several processes write them."""

        def waited_for(*arguments: Any) -> Iterator[Any]:
            books = act(*arguments)
            while True:
                started = time.perf_counter()
                book = next(books, None)
                self.books += time.perf_counter() - started
                if book is None:
                    return
                yield book

        return waited_for

    def _timed(self, act: Callable[..., Any], where: str) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            started = time.perf_counter()
            try:
                return act(*arguments)
            finally:
                setattr(self, where, getattr(self, where) + time.perf_counter() - started)

        return timed

    def round(self, installation: Installation, at: str, **chosen: Any) -> tuple[float, Any]:
        """(seconds beside workbooks and forecasts, what the round did)."""
        self.books = self.forecasts = 0.0
        started = time.perf_counter()
        done = extracts.extracts_round(installation, instant(at), **chosen)
        return time.perf_counter() - started - self.books - self.forecasts, done


def bench_extracts(installation: Installation) -> None:
    apart = _Apart()
    taken: list[tuple[float, float, float]] = []  # beside workbooks and forecasts, workbooks, forecasts
    floors: list[tuple[float, float, float]] = []
    for number in range(TIMES):
        with copied(installation) as copy:
            first, done = apart.round(copy, NOW)
            taken.append((first, apart.books, apart.forecasts))
            floors.append(_floors(copy))
            if number < TIMES - 1:
                continue
            rows = sum(counts["rows"] for each in done.made for counts in each.counts.values())
            _told_of_sets(rows, len(FILES) * len(done.made), taken, floors)
            _nights(copy, apart, [reading for _, _, reading in floors])
            _bench_history(copy, apart)


def _told_of_sets(
    rows: int, files: int, taken: list[tuple[float, float, float]], floors: list[tuple[float, float, float]]
) -> None:
    writing, sheets = [each[0] for each in floors], [each[1] for each in floors]
    both = [csv + sheet for csv, sheet in zip(writing, sheets, strict=True)]
    rows_of = f"Polars writes {rows:,} rows of {files} files"
    compared(
        "full sets of all lead providers, with all that is in them",
        [sum(each) for each in taken], both, f"{rows_of} once, XlsxWriter as many sheets, in one process", 10,
    )  # fmt: skip
    compared("  without workbooks and forecasts", [each[0] for each in taken], writing, rows_of)
    compared("  waiting for their workbooks", [each[1] for each in taken], sheets, "XlsxWriter alone")
    found("  their forecasts", spread([each[2] for each in taken]))


def _nights(installation: Installation, apart: _Apart, reading_sets: list[float]) -> None:
    """Nights on which nothing has changed, and nights on which a little has."""
    quiet: list[float] = []
    some: list[float] = []
    reading: list[float] = []
    books: list[float] = []
    delivered = changed = 0
    days = (f"2026-12-{day}T04:00:00Z" for day in range(15, 15 + 2 * TIMES))
    for number in range(TIMES):
        seconds, done = apart.round(installation, next(days))
        quiet.append(seconds)
        delivered = max(delivered, done.delivered)
        changed = _change_a_little(installation)
        some.append(apart.round(installation, next(days))[0])
        books.append(apart.books)
        reading.append(reading_sets[number] + _read_records(installation))
    against = "reading the records and the sets before"
    compared(f"a quiet night, beside forecasts: {delivered} folders delivered at most", quiet, reading, against, 3)
    compared(
        f"a night on which {changed} participants changed, beside forecasts and workbooks", some, reading, against, 3
    )
    found("  waiting for the workbooks of those who got a set", spread(books))


def _floors(installation: Installation) -> tuple[float, float, float]:
    """(seconds to write all rows as CSV once, as sheets, seconds to read the sets that stand)."""
    writing = sheets = reading = 0.0
    place = installation.settings.home / "floor.csv"
    for folder in sorted(installation.outbox.glob("*/from-dfe/extracts/full.*")):
        frames = {file.name[:31]: set_file(folder, file) for file in FILES}
        began = time.perf_counter()
        write_sheets(place.with_suffix(".xlsx"), ((name, frame_rows(frame)) for name, frame in frames.items()))
        sheets += time.perf_counter() - began
        place.with_suffix(".xlsx").unlink()
        for file in FILES:
            started = time.perf_counter()
            rows = set_file(folder, file)
            between = time.perf_counter()
            rows.write_csv(place)
            reading, writing = reading + between - started, writing + time.perf_counter() - between
    place.unlink()
    return writing, sheets, reading


def _read_records(installation: Installation) -> float:
    started = time.perf_counter()
    with installation.database.read(is_sparing=True) as reader:
        held = load_holdings(reader, [each.lead_provider_id for each in installation.lead_providers()], True)
        load_declarations(reader, held.training_periods["training_period_id"])
    return time.perf_counter() - started


def _change_a_little(installation: Installation) -> int:
    with installation.database.write() as connection:
        return connection.exec_driver_sql(
            "UPDATE participants SET full_name = full_name || ' Smith' WHERE participant_id LIKE '000%'"
        ).rowcount


def _bench_history(installation: Installation, apart: _Apart) -> None:
    """One lead provider's extract, with 1, 2 and 4 times the declarations of all others behind it."""
    provider = installation.lead_providers()[0]
    with installation.database.read() as reader:
        columns = reader.frame("SELECT * FROM declarations LIMIT 1").columns
    others = ", ".join(f"d.{name}" for name in columns if name != "declaration_id")
    first: list[float] = []
    for times, copies in ((1, ()), (2, (1,)), (4, (2, 3))):
        with installation.database.write() as connection:
            for copy in copies:
                connection.exec_driver_sql(_MORE.format(copy=copy, others=others), (provider.lead_provider_id,))
        at = instant(NOW) + timedelta(days=30)
        taken = [apart.round(installation, f"{at:%Y-%m-%dT%H:%M:%SZ}", chosen=[provider])[0] for _ in range(TIMES)]
        first = first or taken
        compared(f"  {times} × others' declarations: one provider's extract", taken, first, "the first", 1)
