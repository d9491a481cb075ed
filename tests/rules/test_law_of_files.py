"""The law across files: any sequence of files, of any kinds, is the same rows sent one at a time.

And what was accepted is already done, or refused as the rules say, when it comes again: never done twice.
"""

from datetime import date, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from schemas.needs import Snapshot
from tests.builders import MENTOR, after, codes, judged
from tests.laws import tried
from transforms.examples.world import (
    NOW,
    OTHERS,
    PARTICIPANT,
    PARTNER,
    SECOND_PARTNER,
    STRANGER,
    US,
    Declared,
    Partnership,
    Training,
    World,
    a_row,
    utc,
)

LEFT = Training(participant=MENTOR, role="mentor", finished_on=date(2025, 10, 1), deferred_at=utc("2025-10-01T09:00:00Z"),
                deferral_reason="other")  # fmt: skip
DECLARED = (
    Declared("started", "2025-10-01T09:00:00Z", training=Training(), status="paid"),
    Declared("started", "2025-10-01T09:00:00Z", training=Training(role="mentor")),
    Declared("completed", "2025-10-01T09:00:00Z", training=LEFT),
)
WORLD = World(
    training=(
        Training(),
        Training(role="mentor"),
        LEFT,
        Training(participant=STRANGER, provider=None, interest=US, contract_period=2026),
        Training(participant=STRANGER, provider=OTHERS, role="mentor"),
    ),
    declared=DECLARED,
    partnerships=(Partnership(2024), Partnership(partner=SECOND_PARTNER, contract_period=2024)),
    pairings=tuple((partner, year) for partner in (PARTNER, SECOND_PARTNER) for year in (2024, 2025, 2026)),
)
PEOPLE = st.sampled_from([PARTICIPANT, PARTICIPANT, MENTOR, STRANGER, "nonsense"])
COURSES = st.sampled_from(["ecf-induction", "ecf-mentor"])
TYPES = st.sampled_from(["started", "completed", "retained-1"])


def rows(**columns):
    return st.lists(st.fixed_dictionaries(columns), min_size=1, max_size=4)


TRAINING = {"participant_id": PEOPLE, "course_identifier": COURSES}
FILES = {
    "declarations": st.lists(
        st.builds(
            a_row,
            participant_id=PEOPLE,
            course_identifier=COURSES,
            declaration_type=TYPES,
            declaration_date=st.sampled_from(["2025-11-03T09:30:00Z", "2025-11-10T12:00:00Z"]),
            evidence_held=st.sampled_from(["other", "75-percent-engagement-met"]),
        ),
        min_size=1,
        max_size=4,
    ),
    "voids": rows(declaration_id=st.sampled_from([each.id for each in DECLARED])),
    "deferrals": rows(**TRAINING, reason=st.sampled_from(["other", "career-break"])),
    "withdrawals": rows(**TRAINING, reason=st.sampled_from(["other", "moved-school"])),
    "resumptions": rows(**TRAINING),
    "schedule-changes": rows(
        **TRAINING,
        schedule_identifier=st.sampled_from(
            ["ecf-standard-january", "ecf-extended-september", "ecf-standard-september"]
        ),
        contract_period=st.sampled_from(["", "2024", "2025"]),
    ),
    "partnerships": rows(
        school_urn=st.sampled_from(["123456", "654321"]),
        delivery_partner_id=st.sampled_from([PARTNER, SECOND_PARTNER]),
        contract_period=st.sampled_from(["2025", "2026"]),
    ),
    "partnership-changes": rows(
        partnership_id=st.sampled_from([Partnership().id, Partnership(2024).id]),
        delivery_partner_id=st.sampled_from([PARTNER, SECOND_PARTNER]),
    ),
}
SEQUENCES = st.lists(
    st.sampled_from(list(FILES)).flatmap(lambda kind: st.tuples(st.just(kind), FILES[kind])), min_size=1, max_size=5
)
# A day later some of what today refuses passes; within a day the instants differ.
WAITS = st.sampled_from([timedelta(0), timedelta(minutes=5), timedelta(days=1)])


def content(records: Snapshot) -> dict[str, list[tuple]]:
    """The records without ids of rows made along the way: those depend on the submission."""
    known = {row[0] for frame in vars(WORLD.snapshot()).values() for row in frame.rows() if isinstance(row[0], str)}

    def told(value: object) -> object:
        is_id = isinstance(value, str) and len(value) == 36 and value not in known
        return "new" if is_id and value not in (US, OTHERS) else value

    names = ("participants", "training_periods", "partnerships", "declarations")
    return {name: sorted(repr([told(v) for v in row]) for row in getattr(records, name).rows()) for name in names}


@tried(150)
@given(SEQUENCES, st.data())
def test_any_sequence_of_files_is_the_same_rows_one_at_a_time(sequence, data):
    together = apart = WORLD.snapshot()
    now = NOW
    for place, (kind, sent) in enumerate(sequence):
        now += data.draw(WAITS)
        whole = judged(together, *sent, kind=kind, now=now, name=str(place))
        together = after(together, whole)
        for number, row in enumerate(sent, 1):
            alone = judged(apart, row, kind=kind, now=now, name=f"{place}-{number}")
            apart = after(apart, alone)
            verdict, single = whole.verdicts.row(number - 1, named=True), alone.verdicts.row(0, named=True)
            same = ("outcome", "state", "statement_month")
            assert {name: verdict[name] for name in same} == {name: single[name] for name in same}, (kind, row)
            assert codes(whole, number) == codes(alone), (kind, row)
        assert content(together) == content(apart)


@tried(100)
@given(SEQUENCES)
def test_a_file_sent_again_does_nothing_twice(sequence):
    """Whatever each row of the second sending is told, no declaration is made twice, no period opened twice."""
    records = WORLD.snapshot()
    for place, (kind, sent) in enumerate(sequence):
        first = judged(records, *sent, kind=kind, name=str(place))
        records = after(records, first)
        again = judged(records, *sent, kind=kind, now=NOW + timedelta(minutes=5), name=f"{place}-again")
        # These two can go back and forth: the first row of the second sending may undo what the last of the first did.
        accepted = again.verdicts.filter(pl.col("outcome") == "accepted").height
        assert accepted == 0 or kind in ("schedule-changes", "partnership-changes")
