"""Rules that no example shows: what they are for, and what there is to know of them, in words."""

from dataclasses import dataclass

from schemas.inbound.reading import Limits
from schemas.inbound.repeats import UNDONE_SINCE
from schemas.kinds import KINDS


@dataclass(frozen=True)
class Unshown:
    """A rule in words. why: what it is for. instead: what there is to know, in place of an example. message, advice: what a receipt
    says, where that is the same for every row."""

    code: str
    why: str
    instead: str
    message: str = ""
    advice: str = ""
    source: str = "ours"


_GUARDS = {
    "VOID-004": "What is voided cannot be voided again.",
    "VOID-005": "Some declarations can only be looked at.",
    "CLAW-001": "Only what was paid can be clawed back.",
    "CLAW-002": "Money is clawed back once.",
    "SCHED-009": "A contract period has its own schedules.",
}
_NO_ROW = "You will hardly meet this rule. The rules before it answer first. It stays, so that no mistake of ours gets past it."
_LIMITS = Limits()


def _guards() -> list[Unshown]:
    rules = [rule for kind in KINDS.values() for rule in kind.rules if rule.code in _GUARDS]
    return [
        Unshown(rule.code, _GUARDS[rule.code], _NO_ROW, _plain(rule.message), _plain(rule.advice), rule.source)
        for rule in rules
    ]


def _plain(words: object) -> str:
    """A sentence that is the same for every row; nothing where it is not."""
    return words if isinstance(words, str) and "{" not in words else ""


UNSHOWN = (
    Unshown(
        "FILE-005",
        "A file must be small enough to be judged whole.",
        f"A file may have up to {_LIMITS.size_bytes >> 20} MiB and {_LIMITS.rows:,} rows, if DfE has not set another limit. "
        "The receipt names the limit. Split the file, and send the parts one after the other.",
    ),
    Unshown(
        "FILE-013",
        "You sent the same file before. Some of what it did has been undone since. We cannot know whether you mean it again.",
        "The receipt names the day on which you sent the row, and what undid it. Nothing was changed now.",
        advice=_plain(UNDONE_SINCE.advice),
    ),
    *_guards(),
)
