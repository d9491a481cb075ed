"""Guidance of all lead providers, against writing the same files; a file checked, against the same rows judged by intake; starting
a check, against importing Polars."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
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
from transforms.changes import act_of_file
from transforms.judging import judge

NOW = "2026-12-14T04:00:00Z"
Say = Callable[..., None]


def timed(act: Callable[[], object]) -> tuple[float, object]:
    started = time.perf_counter()
    made = act()
    return time.perf_counter() - started, made


def bench_guidance(installation: Installation, say: Say) -> None:
    told = guidance_shared._told(installation)
    pages, articles = timed(lambda: shared_articles(told))
    say(f"what is everybody's, made of its examples: {len(articles)} articles", pages)  # type: ignore[arg-type]
    guidance_shared.shared_of(installation)
    first, done = timed(lambda: guidance.guidance_round(installation, instant(NOW)))
    providers = installation.lead_providers()
    folders = [
        next((installation.outbox / each.lead_provider_id / "from-dfe").glob("guidance.*")) for each in providers
    ]
    contents = [path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()]
    writing, _ = timed(lambda: _write(contents))
    say(f"writing the {len(contents):,} files of {len(providers)} lead providers once", writing)
    say("guidance of all lead providers, the first time", first, "that writing", first / writing)
    again, done = timed(lambda: guidance.guidance_round(installation, instant("2026-12-14T05:00:00Z")))
    say(f"again, nothing new ({done.made} versions)", again)  # type: ignore[attr-defined]


def _write(contents: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number, content in enumerate(contents):
            (Path(folder) / str(number)).write_bytes(content)


def bench_check(installation: Installation, say: Say, content: bytes) -> None:
    """content: a file of declarations of the first lead provider."""
    provider = installation.lead_providers()[0]
    extracts_round(installation, instant(NOW), [provider])
    folder = installation.settings.home / "mailboxes" / provider.slug / "from-dfe/extracts/full"
    at = instant("2026-12-14T10:00:00Z")
    with tempfile.TemporaryDirectory() as here:
        path = Path(here) / "declarations.csv"
        path.write_bytes(content)
        extract, known = timed(lambda: read_extract(folder, at))
        seconds, checked = timed(lambda: check_file(path, known, at))  # type: ignore[arg-type]
        without, _ = timed(lambda: check_file(path, None, at))
        command = [sys.executable, "-c", "from flows.commands.main import main; main()", "check"]
        starting, _ = timed(lambda: subprocess.run([*command, "--help"], capture_output=True, check=True, cwd=PROJECT))
        (Path(here) / "requests.csv").write_text("request\nextract\n")
        one = [*command, str(Path(here) / "requests.csv")]
        small, _ = timed(lambda: subprocess.run(one, capture_output=True, check=False, cwd=PROJECT))
    importing, _ = timed(lambda: subprocess.run([sys.executable, "-c", "import polars"], check=True))
    kind, act = KINDS["declarations"], act_of_file("20261214T100000Z-declarations-bench", provider.lead_provider_id, at)

    def as_intake() -> object:
        sheet = read_sheet(content, kind, Limits())
        with installation.database.read() as reader:
            snapshot = snapshot_for(reader, kind.needs, sheet.values, provider.lead_provider_id)
        return judge(sheet, kind, snapshot, act)

    judged, _ = timed(as_intake)
    rows = checked.told["rows"]["total"]  # type: ignore[attr-defined]
    say(f"{rows:,} rows read, looked up and judged as intake does", judged)
    say(f"{rows:,} rows checked without an extract", without, "that", without / judged)
    say(f"{rows:,} rows checked against an extract", seconds, "that", seconds / judged)
    say("  the extract read, and records made of it", extract)
    say("importing Polars", importing)
    say("ectx check --help", starting, "that importing", starting / importing, 2)
    say("ectx check of one row", small, "that importing", small / importing)
