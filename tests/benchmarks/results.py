"""What a run of the benchmarks found, printed as it comes and written to RESULTS.md at the end."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import jinja2

T = TypeVar("T")
HERE = Path(__file__).parent
PACKAGES = ("polars", "pandera", "duckdb", "sqlalchemy", "prefect", "paramiko", "xlsxwriter")
_ROWS: list[tuple[str, str, str, str]] = []
_GROWN: dict[str, list[dict[str, float]]] = {}


def timed(act: Callable[[], T]) -> tuple[float, T]:
    """Seconds, and what the act returned."""
    started = time.perf_counter()
    made = act()
    return time.perf_counter() - started, made


def best(act: Callable[[], object], times: int = 5) -> float:
    return min(timed(act)[0] for _ in range(times))


def say(what: str, seconds: float, limit: str = "", ratio: float | None = None, aim: float | None = None) -> None:
    """A figure that is measured once."""
    of_it = "" if ratio is None else f", {ratio:.1f} ×"
    found(what, f"{seconds:.3f} s{of_it}", limit, f"{aim:g} ×" if aim else "")


def interleaved(acts: Sequence[Callable[[], object]], times: int = 5) -> list[list[float]]:
    """Seconds that each act takes, `times` times, in turns: what the machine does beside it falls on all alike."""
    taken: list[list[float]] = [[] for _ in acts]
    for _ in range(times):
        for place, act in enumerate(acts):
            started = time.perf_counter()
            act()
            taken[place].append(time.perf_counter() - started)
    return taken


def spread(seconds: list[float]) -> str:
    """The median, and least to most."""
    return f"{statistics.median(seconds):.3f} s ({min(seconds):.3f}–{max(seconds):.3f}, {len(seconds)} times)"


def found(what: str, figure: str, against: str = "", aim: str = "") -> None:
    """Print a figure and keep it for RESULTS.md."""
    _ROWS.append((what, figure, against, aim))
    print(
        "  ".join(each for each in (f"{what:<58}", figure, against, f"(aim {aim})" if aim else "") if each), flush=True
    )


def compared(what: str, ours: list[float], floor: list[float], against: str, aim: float | None = None) -> None:
    """Our seconds against those of a floor or a peer, measured in turns."""
    ratio = statistics.median(ours) / statistics.median(floor)
    found(what, f"{spread(ours)}, {ratio:.1f} ×", f"{against}: {spread(floor)}", f"{aim:g} ×" if aim else "")


def grown(series: str, times: int, seconds: float, is_linear: bool) -> None:
    """Keep a figure for the picture of how cost grows: so many times of something, and how long that took."""
    points = _GROWN.setdefault(series, [])
    first = points[0]["seconds"] if points else seconds
    points.append({"times": times, "seconds": seconds, "allowed": first * (times if is_linear else 1)})


def write_picture() -> None:
    """growth.svg, of what was kept."""
    if not _GROWN:
        return
    series = [
        {"name": name, "points": points, "most": max(max(p["seconds"], p["allowed"]) for p in points)}
        for name, points in _GROWN.items()
    ]
    template = jinja2.Template((HERE / "growth.svg.jinja").read_text(encoding="utf-8"), autoescape=True)
    (HERE / "growth.svg").write_text(template.render(series=series), encoding="utf-8")


def write_results(scale: float) -> None:
    """RESULTS.md of this run: the machine, the versions, every figure; then what holds back those that miss, which a person writes
    (held_back.md)."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    lines = [
        "# What was measured",
        "",
        f"By `make bench` on {datetime.now(UTC):%d %B %Y}, at {scale:g} of the nation: "
        f"{os.cpu_count()} cores ({platform.machine()}), {_memory()} GiB of memory, Python {platform.python_version()}, {versions}. What "
        "has a spread is compared with a floor or a peer measured in the same run, in turns: the median, and least to most.",
        "",
        "| What | Found | Against | Aim |",
        "| --- | --- | --- | --- |",
        *(f"| {' | '.join(each)} |" for each in _ROWS),
        "",
        (HERE / "held_back.md").read_text(encoding="utf-8").rstrip(),
        "",
    ]
    (HERE / "RESULTS.md").write_text("\n".join(lines), encoding="utf-8")


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
