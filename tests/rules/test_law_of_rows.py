"""The law: one file of N rows is N files of one row, each judged after the effects of those before it."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import MENTOR, after, codes, judged
from tests.laws import tried
from transforms.examples.world import (
    PARTICIPANT,
    STRANGER,
    Training,
    World,
    a_row,
)

WORLD = World(
    training=(
        Training(),
        Training(role="mentor"),
        Training(participant=MENTOR, role="mentor"),
        Training(
            participant=MENTOR, contract_period=2024, started_on=date(2024, 9, 1), schedule="ecf-extended-september"
        ),
    ),
    deadlines=((date(2025, 12, 31), "output", "open"),),
)
ROWS = st.builds(
    a_row,
    participant_id=st.sampled_from([PARTICIPANT, PARTICIPANT.upper(), MENTOR, STRANGER, "", "nonsense"]),
    course_identifier=st.sampled_from(["ecf-induction", "ecf-mentor", ""]),
    declaration_type=st.sampled_from(["started", "retained-1", "retained-2", "completed", "extended-1", "x"]),
    declaration_date=st.sampled_from(
        ["2025-11-03T09:30:00Z", "2025-11-04T09:30:00Z", "2025-10-03", "2026-01-01T00:00:00Z"]
    ),
    evidence_held=st.sampled_from(["training-event-attended", "75-percent-engagement-met", "other", ""]),
)


@tried(60)
@given(st.lists(ROWS, min_size=1, max_size=8))
def test_one_file_of_many_rows_is_many_files_of_one_row(rows):
    together = judged(WORLD, *rows)
    snapshot, apart = WORLD.snapshot(), []
    for number, row in enumerate(rows):
        judgement = judged(snapshot, row, name=str(number))
        snapshot = after(snapshot, judgement)
        apart.append((judgement.verdicts["outcome"][0], judgement.verdicts["state"][0], codes(judgement)))
    verdicts = zip(together.verdicts["outcome"], together.verdicts["state"], strict=True)
    assert [(*verdict, codes(together, number)) for number, verdict in enumerate(verdicts, 1)] == apart


@tried(30)
@given(st.lists(ROWS, min_size=1, max_size=6))
def test_twice_is_once(rows):
    """What was accepted is already done when the same rows come again."""
    first = judged(WORLD, *rows)
    second = judged(after(WORLD, first), *rows, name="again")
    assert second.changes.inserts == {}
    for before, now in zip(first.verdicts["outcome"], second.verdicts["outcome"], strict=True):
        if before in ("accepted", "already-done"):
            assert now == "already-done"
