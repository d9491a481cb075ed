"""Our own errors: a code, what happened, what to do. They go to operators; providers' mistakes are verdicts, not errors.

And what operators are told of any other: its kind and place, for what it says may be personal.
"""

import logging
import traceback
from pathlib import Path

from flows.place import PROJECT

log = logging.getLogger("ectx.intake")


class ExchangeError(Exception):
    """What the exchange cannot do. str() is one line: code, what happened, what to do."""

    def __init__(self, code: str, what: str, advice: str) -> None:
        self.code, self.what, self.advice = code, what, advice
        super().__init__(f"{code}: {what} {advice}")


def log_trouble(what: str, error: BaseException) -> None:
    """The trace without its message: what an error says of a file may be personal."""
    log.error("%s failed: %s\n%s", what, type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))


def what_is_known(error: BaseException) -> str:
    """Kind and place of an error, for operators: what it says of a file may be personal."""
    if isinstance(error, ExchangeError):
        return f"{error.code}: {error.what}".rstrip(".")
    ours = [each for each in traceback.extract_tb(error.__traceback__) if Path(each.filename).is_relative_to(PROJECT)]
    place = f" in {Path(ours[-1].filename).relative_to(PROJECT)}, line {ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{place}"
