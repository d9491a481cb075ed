"""Examples of the rules of schedule changes."""

from datetime import date

from transforms.examples.example import Example
from transforms.examples.training import TODAY, TOMORROW, of_participant
from transforms.examples.world import (
    NOW,
    OTHERS,
    SECOND_SCHOOL,
    Declared,
    Partnership,
    Training,
    World,
    a_training_row,
    utc,
)

_JANUARY = "ecf-standard-january"
_ROW = a_training_row(schedule_identifier=_JANUARY)
_IN_2024 = Training(contract_period=2024, started_on=TODAY)
_BEFORE = utc("2025-11-09T09:00:00Z")

EXAMPLES = (
    *of_participant("SCHED", _ROW),
    Example(
        "SCHED-020",
        "A schedule belongs to a contract period.",
        {**_ROW, "contract_period": "2031"},
        {"contract_period": "2025"},
    ),
    Example(
        "SCHED-007",
        "We must know which schedule you mean.",
        {**_ROW, "schedule_identifier": ""},
        {"schedule_identifier": _JANUARY},
    ),
    Example(
        "SCHED-008",
        "Each schedule has one name.",
        {**_ROW, "schedule_identifier": "ecf-standard-june"},
        {"schedule_identifier": _JANUARY},
    ),
    Example(
        "SCHED-010",
        "A change must change something.",
        a_training_row(schedule_identifier="ecf-standard-september"),
        {"schedule_identifier": _JANUARY},
        holds="This participant's schedule is ecf-standard-september of contract period 2025.",
    ),
    Example(
        "SCHED-011",
        "Replacement schedules are for mentors who take over from another mentor.",
        a_training_row(schedule_identifier="ecf-replacement-january"),
        {"schedule_identifier": _JANUARY},
        holds="This participant trains with you as an ECT.",
    ),
    Example(
        "SCHED-012",
        "Reduced schedules are for ECTs whose induction is shortened.",
        a_training_row(course_identifier="ecf-mentor", schedule_identifier="ecf-reduced-january"),
        {"schedule_identifier": _JANUARY},
        World(training=(Training(role="mentor"),)),
        holds="This participant trains with you as a mentor.",
    ),
    Example(
        "SCHED-013",
        "What was declared must stay right under the new schedule.",
        _ROW,
        world=World(training=(_IN_2024,), declared=(Declared("started", "2024-12-01T09:00:00Z", training=_IN_2024),)),
        holds="This training started today. A started declaration is dated 1 December 2024; on the new schedule that milestone "
        "opens on 1 January 2025.",
    ),
    Example(
        "SCHED-014",
        "Training belongs to a partnership with the school, and there is one for each contract period.",
        {**_ROW, "contract_period": "2024"},
        {"contract_period": "2025"},
        holds="You have a partnership with this participant's school in 2025, and none in 2024.",
    ),
    Example(
        "SCHED-015",
        "DfE stops paying for a contract period on a day that it sets.",
        {**_ROW, "contract_period": "2024"},
        {"contract_period": "2025"},
        World(frozen={2024: NOW}, partnerships=(Partnership(2024),)),
        holds="Contract period 2024 is closed.",
    ),
    Example(
        "SCHED-016",
        "What is complete has no milestones left to change.",
        _ROW,
        world=World(person={"induction_end_date": date(2025, 10, 1)}),
        holds="This participant's induction was completed on 1 October 2025.",
    ),
    Example(
        "SCHED-017",
        "Only those who train with you have a schedule with you.",
        _ROW,
        world=World(training=(Training(finished_on=date(2025, 10, 1)),)),
        holds="This participant's training with you ended on 1 October 2025.",
    ),
    Example(
        "SCHED-018",
        "Whoever was withdrawn has left. They can come back: resume them.",
        _ROW,
        world=World(training=(Training(finished_on=TOMORROW, withdrawn_at=_BEFORE, withdrawal_reason="other"),)),
        holds="You withdrew this participant on 9 November 2025.",
    ),
    Example(
        "SCHED-019",
        "What comes later would be changed without anybody's asking.",
        _ROW,
        world=World(
            training=(Training(), Training(provider=OTHERS, school=SECOND_SCHOOL, started_on=date(2026, 1, 5)))
        ),
        holds="This participant starts with another lead provider on 5 January 2026.",
    ),
)
