"""What a process that waits for work has loaded before any comes: all of it, so that nobody waits for that, and nothing of another
release that is put in the place of ours meanwhile. (A command loads what it needs, when it needs it: flows.jobs.)"""

from importlib import import_module

import polars as pl

from flows.settings import Settings
from flows.stamps import libraries, rule_set

OURS = ("flows.deployed", "flows.rounds.turn", "flows.rounds.extracts", "templates.operators")
OURS_IN_PRACTICE = ("flows.practice.mailboxes", "flows.practice.turns")


def load_all(settings: Settings) -> None:
    """Everything that judges and answers a file."""
    from schemas.rules import Rule, model
    from templates.rendering import templates

    for name in (*OURS, *(OURS_IN_PRACTICE if settings.practice else ())):
        import_module(name)
    kept = Rule("", "row_number", pl.col("row_number") < 0, "", "", "")
    # Pandera loads most of itself with the first frame and check.
    model([kept]).validate(pl.DataFrame({"row_number": [1]}))
    templates(), templates(escaped=False)
    rule_set(settings.home), libraries()
