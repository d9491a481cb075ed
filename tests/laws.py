"""How many examples a law is tried on: some in every test run, many in `make test-long` (LAWS=long)."""

import os

from hypothesis import settings

IN_EVERY_RUN, AT_LENGTH = 0.2, 5
FEWEST = 12
LONG = os.environ.get("LAWS") == "long"


def tried(examples: int) -> settings:
    """examples: what the law deserves when nobody is in a hurry."""
    share = AT_LENGTH if LONG else IN_EVERY_RUN
    return settings(max_examples=max(FEWEST, round(examples * share)), deadline=None)
