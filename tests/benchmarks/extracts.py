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
from tests.benchmarks.written import frame_rows, write_sheets

NOW = "2026-12-14T04:00:00Z"
_MORE = """
INSERT INTO declarations SELECT 'h{copy}' || substr(d.declaration_id, 3), {others} FROM declarations d
JOIN training_periods t ON t.training_period_id = d.training_period_id
JOIN partnerships p ON p.partnership_id = t.partnership_id
WHERE p.lead_provider_id <> ? AND d.declaration_id NOT LIKE 'h%'
"""
Say = Callable[..., None]


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


def bench_extracts(installation: Installation, say: Say) -> None:
    apart = _Apart()
    first, done = apart.round(installation, NOW)
    rows = sum(counts["rows"] for each in done.made for counts in each.counts.values())
    books, forecasts = apart.books, apart.forecasts
    writing, sheets, reading_sets = _floors(installation)
    files = len(FILES) * len(done.made)
    say(f"Polars writes {rows:,} rows of {files} files once, XlsxWriter {files} sheets of them", writing + sheets)
    whole = first + books + forecasts
    say("full sets of all lead providers, with all that is in them", whole, "that", whole / (writing + sheets), 10)
    say("  without workbooks and forecasts", first, "Polars alone", first / writing)
    say("  their workbooks", books, "XlsxWriter alone", books / sheets)
    say("  their forecasts", forecasts)
    reading = reading_sets + _read_records(installation)
    say("reading the records and the sets before", reading)
    quiet, done = apart.round(installation, "2026-12-15T04:00:00Z")
    say(f"a quiet night: {done.delivered} folders delivered", quiet, "that reading", quiet / reading, 3)
    changed = _change_a_little(installation)
    some, done = apart.round(installation, "2026-12-16T04:00:00Z")
    say(f"a night on which {changed} participants changed", some, "that reading", some / reading, 3)
    say("  the workbooks of those who got a set", apart.books)
    _bench_history(installation, apart, say)


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
        load_holdings(reader, [each.lead_provider_id for each in installation.lead_providers()], True)
        load_declarations(reader, None)
    return time.perf_counter() - started


def _change_a_little(installation: Installation) -> int:
    with installation.database.write() as connection:
        return connection.exec_driver_sql(
            "UPDATE participants SET full_name = full_name || ' Smith' WHERE participant_id LIKE '0000%'"
        ).rowcount


def _bench_history(installation: Installation, apart: _Apart, say: Say) -> None:
    """One lead provider's extract, with 1, 2 and 4 times the declarations of all others behind it."""
    provider = installation.lead_providers()[0]
    with installation.database.read() as reader:
        columns = reader.frame("SELECT * FROM declarations LIMIT 1").columns
    others = ", ".join(f"d.{name}" for name in columns if name != "declaration_id")
    first: float | None = None
    for times, copies in ((1, ()), (2, (1,)), (4, (2, 3))):
        with installation.database.write() as connection:
            for copy in copies:
                connection.exec_driver_sql(_MORE.format(copy=copy, others=others), (provider.lead_provider_id,))
        at = instant(NOW) + timedelta(days=10)
        seconds = min(apart.round(installation, f"{at:%Y-%m-%dT%H:%M:%SZ}", chosen=[provider])[0] for _ in range(3))
        first = first or seconds
        say(f"  {times} × others' declarations: one provider's extract", seconds, "the first", seconds / first, 1)
