"""How long a command takes from its start: nothing but help, nothing to do, one small file."""

import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from flows.installation import Installation, LeadProvider
from tests.benchmarks.results import found, interleaved, spread

ECTX = str(Path(sys.executable).parent / "ectx")


def bench_starting(installation: Installation, provider: LeadProvider, content_of: Callable[[int], bytes]) -> None:
    """content_of: number → a declarations file of ten rows."""
    home = installation.settings.home.resolve()
    around = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "ECTX_"))}
    settings = around | {"ECTX_HOME": str(home), "ECTX_SECONDS_BETWEEN_LOOKS": "0"}
    number = iter(range(100))

    def run(*command: str) -> None:
        subprocess.run(command, env=settings, check=True, capture_output=True)

    def one_file() -> None:
        each = next(number)
        place = home / "mailboxes" / provider.slug / "to-dfe" / f"declarations-start-{each}.csv"
        place.write_bytes(content_of(each))
        run(ECTX, "intake")

    run(ECTX, "intake")
    python, shown, idle, filled = interleaved(
        [lambda: run(sys.executable, "-c", "pass"), lambda: run(ECTX, "--help"), lambda: run(ECTX, "intake"), one_file]
    )
    against = f"python: {statistics.median(python):.3f} s"
    for what, seconds, aim in (
        ("`ectx --help`", shown, "0.3 s"),
        ("`ectx intake` with nothing to do", idle, "0.6 s"),
        ("`ectx intake` with one file of ten rows", filled, "2 s"),
    ):
        found(what, spread(seconds), against, aim)
