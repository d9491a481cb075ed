"""Guidance of all lead providers, against writing the same files; a file checked, against the same rows judged by intake; starting
a check, against importing Polars."""

import subprocess
import sys
import tempfile
from pathlib import Path

from data.snapshots import snapshot_for
from flows.clock import instant
from flows.commands.checking import check_file, read_extract
from flows.installation import Installation
from flows.place import PROJECT
from flows.rounds import guidance, guidance_shared
from flows.rounds.extracts import extracts_round
from schemas.inbound.reading import Limits, read_sheet
from schemas.kinds import KINDS
from templates.guidance.shared import shared_articles
from tests.benchmarks.nation import copied
from tests.benchmarks.results import compared, found, interleaved, spread, timed
from transforms.changes import act_of_file
from transforms.judging import judge

NOW = "2026-12-14T04:00:00Z"


def bench_guidance(installation: Installation) -> None:
    told = guidance_shared._told(installation)
    pages = interleaved([lambda: shared_articles(told)])[0]
    found(f"what is everybody's, made of its examples: {len(shared_articles(told))} articles", spread(pages))
    taken: list[float] = []
    floor: list[float] = []
    again: list[float] = []
    made = 0
    for _ in range(5):
        with copied(installation) as copy:
            guidance_shared.shared_of(copy)
            taken.append(timed(lambda copy=copy: guidance.guidance_round(copy, instant(NOW)))[0])  # type: ignore[misc]
            providers = copy.lead_providers()
            folders = [
                next((copy.outbox / each.lead_provider_id / "from-dfe").glob("guidance.*")) for each in providers
            ]
            contents = [path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()]
            floor.append(timed(lambda contents=contents: _write(contents))[0])  # type: ignore[misc]
            seconds, done = timed(lambda copy=copy: guidance.guidance_round(copy, instant("2026-12-14T05:00:00Z")))  # type: ignore[misc]
            again.append(seconds)
            made = max(made, done.made)
    against = f"writing the {len(contents):,} files of {len(providers)} lead providers once"
    compared("guidance of all lead providers, the first time, with everybody's pages at hand", taken, floor, against)
    found(f"again, nothing new ({made} versions)", spread(again), "", "10 s")


def _write(contents: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number, content in enumerate(contents):
            (Path(folder) / str(number)).write_bytes(content)


def bench_check(installation: Installation, content: bytes) -> None:
    """content: a file of declarations of the first lead provider."""
    provider = installation.lead_providers()[0]
    extracts_round(installation, instant(NOW), [provider])
    folder = installation.settings.home / "mailboxes" / provider.slug / "from-dfe/extracts/full"
    at = instant("2026-12-14T10:00:00Z")
    kind, act = KINDS["declarations"], act_of_file("20261214T100000Z-declarations-bench", provider.lead_provider_id, at)

    def as_intake() -> object:
        sheet = read_sheet(content, kind, Limits())
        with installation.database.read() as reader:
            snapshot = snapshot_for(reader, kind.needs, sheet.values, provider.lead_provider_id)
        return judge(sheet, kind, snapshot, act)

    def run(*command: str, is_right: bool = True) -> None:
        subprocess.run(command, capture_output=True, check=is_right, cwd=PROJECT)

    with tempfile.TemporaryDirectory() as here:
        path, one = Path(here) / "declarations.csv", Path(here) / "requests.csv"
        path.write_bytes(content)
        one.write_text("request\nextract\n")
        known = read_extract(folder, at)
        rows = check_file(path, known, at).told["rows"]["total"]
        judged, without, checked, extract = interleaved(
            [
                as_intake,
                lambda: check_file(path, None, at),
                lambda: check_file(path, known, at),
                lambda: read_extract(folder, at),
            ]
        )
        command = (sys.executable, "-c", "from flows.commands.main import main; main()", "check")
        importing, starting, small = interleaved(
            [lambda: run(sys.executable, "-c", "import polars"), lambda: run(*command, "--help"),
             lambda: run(*command, str(one), is_right=False)]
        )  # fmt: skip
    against = f"{rows:,} rows read, looked up and judged as intake does"
    compared(f"{rows:,} rows checked without an extract", without, judged, against)
    compared(f"{rows:,} rows checked against an extract", checked, judged, against)
    found("  the extract read, and records made of it", spread(extract))
    compared("`ectx check --help`", starting, importing, "importing Polars", 2)
    compared("`ectx check` of one row", small, importing, "importing Polars")
