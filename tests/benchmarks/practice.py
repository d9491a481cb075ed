"""A practice mailbox's turns, against the same rounds on a real service: a file, a move of statements, a reset."""

import shutil
import tempfile
from pathlib import Path

from flows.clock import instant
from flows.home import mark
from flows.installation import Installation, open_installation
from flows.practice.turns import practice_round
from flows.rounds.extracts import extracts_round
from flows.rounds.guidance import guidance_round
from flows.rounds.intake import intake_round
from flows.rounds.statements import statements_round
from flows.settings import Settings
from flows.upkeep.backup import copy_database
from tests.benchmarks.results import say, timed

DAY = "2027-01-01"


def bench_practice(installation: Installation, content: bytes) -> None:
    """content: a file of declarations of the first lead provider. The records are the installation's, as they are now."""
    provider = installation.lead_providers()[0]
    records = installation.settings.home.resolve() / "records.db"
    with tempfile.TemporaryDirectory() as folder:
        real, home = Path(folder) / "real", Path(folder) / "practice"
        real.mkdir()
        copy_database(records, real / "records.db")
        mark(home)
        copy_database(records, home / "records.db")
        with open_installation(Settings(home=real, seconds_between_looks=0)) as peer:
            for each in peer.lead_providers():
                peer.mailbox(each.slug)
            (real / "mailboxes" / provider.slug / "to-dfe" / "declarations.csv").write_bytes(content)
            judged, _ = timed(lambda: intake_round(peer, instant("2026-12-14T10:00:00Z")))
            moved, _ = timed(lambda: _morning(peer))
        copied, _ = timed(lambda: copy_database(records, Path(folder) / "copy.db"))
        with open_installation(Settings(home=home, practice=True, seconds_between_looks=0)) as practice:
            to_dfe = home / "mailboxes" / provider.slug / "to-dfe"
            practice.mailbox(provider.slug)
            practice.accounts.allow(provider.slug)

            def turn(name: str, rows: bytes = b"") -> float:
                (to_dfe / name).write_bytes(rows)
                return timed(lambda: practice_round(practice, None))[0]

            began, _ = timed(lambda: practice_round(practice, None))
            say("a practice mailbox begun, with all that is delivered then", began)
            file = turn("declarations@2026-12-14T10-00-00Z.csv", content)
            say("a file in practice", file, "the real round", file / judged)
            move = turn(f"statements@{DAY}.csv")
            say("statements moved on to another day, one mailbox's", move, "the real rounds, of all", move / moved)
            reset = turn("reset.csv")
            say("a mailbox started afresh", reset, "copying its records", reset / copied)
        shutil.rmtree(real)


def _morning(installation: Installation) -> None:
    at = instant(DAY)
    statements_round(installation, at)
    extracts_round(installation, at)
    guidance_round(installation, at)
