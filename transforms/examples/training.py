"""Examples of the rules of deferrals, withdrawals and resumptions, and of those that every kind about training shares."""

from collections.abc import Mapping
from datetime import date

from transforms.examples.example import Example
from transforms.examples.world import OTHERS, PARTICIPANT, SECOND_SCHOOL, STRANGER, Training, World, a_training_row, utc

TODAY, TOMORROW = date(2025, 11, 10), date(2025, 11, 11)
_STOPPED = utc("2025-10-20T09:00:00Z")
DEFERRED = Training(deferred_at=_STOPPED, deferral_reason="other", finished_on=date(2025, 10, 20))
WITHDRAWN = Training(withdrawn_at=_STOPPED, withdrawal_reason="other", finished_on=date(2025, 10, 20))
_NEXT_DAY = utc("2025-11-11T09:00:00Z")
_WAS_DEFERRED = "You deferred this participant on 20 October 2025."
_WAS_WITHDRAWN = "You withdrew this participant on 20 October 2025."


def of_participant(family: str, row: Mapping[str, str], world: World = World()) -> tuple[Example, ...]:
    """Rules 1 to 5 of a family: whom a row is about, and in which role. row: one that keeps every rule in `world`."""
    return (
        Example(
            f"{family}-001",
            "Without the id we cannot know whom you mean.",
            {**row, "participant_id": ""},
            {"participant_id": PARTICIPANT},
            world,
        ),
        Example(
            f"{family}-002",
            "You can change only the training of people who train, or have trained, with you.",
            {**row, "participant_id": STRANGER},
            {"participant_id": PARTICIPANT},
            world,
        ),
        Example(
            f"{family}-003",
            "One person can train as an ECT, and later as a mentor. We must know which training you mean.",
            {**row, "course_identifier": ""},
            {"course_identifier": "ecf-induction"},
            world,
        ),
        Example(
            f"{family}-004",
            "There are two courses, and each has one name.",
            {**row, "course_identifier": "ecf-ect"},
            {"course_identifier": "ecf-induction"},
            world,
        ),
        Example(
            f"{family}-005",
            "A change to training in one role leaves the other role as it is.",
            {**row, "course_identifier": "ecf-mentor"},
            {"course_identifier": "ecf-induction"},
            world,
            holds="This participant trains with you as an ECT.",
        ),
    )


def _of_reason(family: str, reason: str) -> tuple[Example, ...]:
    row = a_training_row(reason=reason)
    return (
        *of_participant(family, row),
        Example(f"{family}-007", "DfE counts why people stop.", {**row, "reason": ""}, {"reason": reason}),
        Example(
            f"{family}-008",
            "DfE counts why people stop, and can count only reasons that all write the same way.",
            {**row, "reason": "holiday"},
            {"reason": "other"},
        ),
    )


def _of_start(family: str, first: int, row: Mapping[str, str]) -> tuple[Example, ...]:
    """The two rules about training that starts today or later."""
    return (
        Example(
            f"{family}-{first:03}",
            "What has not begun cannot stop.",
            row,
            world=World(training=(Training(started_on=TOMORROW),)),
            holds="This participant's training starts on 11 November 2025.",
        ),
        Example(
            f"{family}-{first + 1:03}",
            "Training lasts at least a day, so that it can be counted.",
            row,
            world=World(training=(Training(started_on=TODAY),)),
            right_at=_NEXT_DAY,
            holds="This participant's training started today, 10 November 2025.",
        ),
    )


_DEFERRAL = a_training_row(reason="parental-leave")
DEFERRALS = (
    *_of_reason("DEFER", "parental-leave"),
    Example(
        "DEFER-009",
        "What is deferred once is deferred until you resume it.",
        _DEFERRAL,
        world=World(training=(DEFERRED,)),
        holds=_WAS_DEFERRED,
    ),
    Example(
        "DEFER-010",
        "Whoever was withdrawn has left. They can come back: resume them.",
        _DEFERRAL,
        world=World(training=(WITHDRAWN,)),
        holds=_WAS_WITHDRAWN,
    ),
    *_of_start("DEFER", 11, _DEFERRAL),
)

_WITHDRAWAL = a_training_row(reason="moved-school")
WITHDRAWALS = (
    *_of_reason("WITHDRAW", "moved-school"),
    Example(
        "WITHDRAW-009",
        "What is withdrawn once is withdrawn until you resume it.",
        _WITHDRAWAL,
        world=World(training=(WITHDRAWN,)),
        holds=_WAS_WITHDRAWN,
    ),
    *_of_start("WITHDRAW", 10, _WITHDRAWAL),
    Example(
        "WITHDRAW-012",
        "This reason is for mentors alone.",
        a_training_row(reason="mentor-no-longer-being-mentor"),
        {"reason": "other"},
        holds="This participant trains with you as an ECT.",
    ),
)

_RESUMPTION = a_training_row()
RESUMPTIONS = (
    *of_participant("RESUME", _RESUMPTION, World(training=(DEFERRED,))),
    Example(
        "RESUME-007",
        "Only what was deferred or withdrawn can go on again.",
        _RESUMPTION,
        holds="This participant trains with you now.",
    ),
    Example(
        "RESUME-008",
        "A person trains with one lead provider at a time.",
        _RESUMPTION,
        world=World(training=(DEFERRED, Training(provider=OTHERS, started_on=date(2025, 11, 1)))),
        holds="Another lead provider has trained this participant since 1 November 2025.",
    ),
    Example(
        "RESUME-009",
        "A day of training is counted once, so the next part starts the day after.",
        _RESUMPTION,
        world=World(
            training=(Training(deferred_at=utc("2025-11-10T09:00:00Z"), deferral_reason="other", finished_on=TODAY),)
        ),
        right_at=_NEXT_DAY,
        holds="You deferred this participant this morning.",
    ),
    Example(
        "RESUME-010",
        "Training goes on at the school where it stopped.",
        _RESUMPTION,
        world=World(
            training=(
                Training(
                    deferred_at=_STOPPED, deferral_reason="other", finished_on=date(2025, 10, 20), left_school_on=TODAY
                ),
            )
        ),
        holds="This participant left the school today.",
    ),
    Example(
        "RESUME-011",
        "A person's training in one role never overlaps.",
        _RESUMPTION,
        world=World(training=(DEFERRED, Training(provider=OTHERS, school=SECOND_SCHOOL, started_on=date(2026, 1, 5)))),
        holds="This participant starts with another lead provider, at another school, on 5 January 2026.",
    ),
)
