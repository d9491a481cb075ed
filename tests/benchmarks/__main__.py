"""Run with `make bench`, at a tenth of the nation; `make bench ARGS="--scale 1"` for all of it. Nothing here is asserted."""

import argparse
import resource
import shutil
import tempfile
from functools import partial
from pathlib import Path

from flows.clock import instant
from flows.installation import open_installation
from flows.settings import Settings
from tests.benchmarks.arrival import PROVIDERS, bench_arrival
from tests.benchmarks.extracts import bench_extracts
from tests.benchmarks.growth import bench_growth
from tests.benchmarks.guidance import bench_check, bench_guidance
from tests.benchmarks.intake import bench_intake
from tests.benchmarks.judging import bench_floor, bench_judging, judged_again
from tests.benchmarks.memory import bench_memory
from tests.benchmarks.moving import bench_moving
from tests.benchmarks.nation import MONTHS, NOW, SINCE_2023, copied, file_of_rows, fill, house
from tests.benchmarks.peers import PEER_ROWS, bench_figures, bench_peers
from tests.benchmarks.practice import bench_practice
from tests.benchmarks.results import found, write_picture, write_results
from tests.benchmarks.starting import bench_starting
from tests.benchmarks.statements import bench_statements
from tests.benchmarks.workers import NOW as BEFORE
from tests.benchmarks.workers import ROWS as OF_WORKERS
from tests.benchmarks.workers import bench_workers
from tests.postgresql import postgresql

FLOOR_SCALE = 0.2  # the least at which one lead provider has 10,000 rows to declare, where nobody has declared before


def peak_gibibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


def _bench_floor(scale: float) -> None:
    """Where nobody has declared yet, so that there is as much to accept as is asked for; on both databases."""
    with postgresql() as url:
        for where, address in (("", ""), (" on PostgreSQL", url)):
            with tempfile.TemporaryDirectory(prefix="ectx-floor-") as home:
                settings = Settings(home=Path(home), database_url=address, mailboxes="", seconds_between_looks=0)
                with open_installation(settings) as installation:
                    fill(installation, max(scale, FLOOR_SCALE), has_declarations=False)
                    provider, now = installation.lead_providers()[0], instant(NOW)
                    file_of = partial(file_of_rows, installation, provider, now, months=MONTHS, periods=SINCE_2023)
                    bench_floor(installation, provider, file_of, now, where)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.1, help="1 is the nation; a tenth of it, else")
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
            "judging",
            "figures",
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
        if set(chosen.part or [""]) - {"growth", "figures", "workers", "moving"}:
            with house(home) as installation:
                if not installation.lead_providers():
                    fill(installation, chosen.scale)
                if wants("extracts"):  # before others change the records
                    bench_extracts(installation)
                if wants("guidance"):
                    bench_guidance(installation)
                if wants("check"):
                    content, _ = file_of_rows(installation, installation.lead_providers()[0], instant(NOW))
                    with copied(installation) as copy:
                        bench_check(copy, content)
                if "practice" in (chosen.part or ()) or (
                    not chosen.part and chosen.scale <= 0.1
                ):  # it is for small records
                    content, _ = file_of_rows(installation, installation.lead_providers()[0], instant(NOW))
                    bench_practice(installation, content)
                if wants("arrival"):
                    with house(home / "arrival") as own:
                        fill(own, min(chosen.scale, 0.1), PROVIDERS)
                        bench_arrival(own, file_of_rows(own, own.lead_providers()[0], instant(NOW))[0])
                provider = installation.lead_providers()[0]
                if wants("floor"):
                    _bench_floor(chosen.scale)
                if wants("judging"):
                    bench_judging(
                        installation, provider, file_of_rows(installation, provider, instant(NOW))[0], instant(NOW)
                    )
                if wants("start"):
                    ten = file_of_rows(installation, provider, instant(NOW), 10, 0.3)[0]
                    # Not the same bytes twice: a copy would not be judged.
                    bench_starting(installation, provider, lambda number: ten + b"\n" * number)
                if wants("peers"):
                    content, _ = file_of_rows(installation, provider, instant(NOW), PEER_ROWS, 0.1)
                    with copied(installation) as copy:
                        bench_peers(content, judged_again(copy, provider, content, instant(NOW)))
                if wants("memory"):
                    content, _ = file_of_rows(installation, provider, instant(NOW), 1_000_000)
                    bench_memory(installation, provider, content, instant(NOW))
                if wants("intake"):
                    bench_intake(installation)
                if wants("statements"):
                    bench_statements(installation)
        if wants("workers"):  # a quarter of an hour, of few records
            bench_workers(
                min(chosen.scale, 0.02),
                lambda there, whose: file_of_rows(there, whose, instant(BEFORE), OF_WORKERS, months=("2026-11",))[0],
            )
        if wants("figures"):
            bench_figures(chosen.scale, NOW)
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
