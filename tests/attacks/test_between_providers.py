"""What one provider sends and holds stays out of what another is told: only the outcome, the code
and words that are always the same may hang on it."""

import os
import shutil
from datetime import UTC, date, datetime
from functools import partial

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.clock import instant
from flows.installation import open_installation
from flows.rounds.intake import intake_round
from flows.rounds.statements import statements_round
from flows.settings import Settings
from tests.builders import codes, judged
from tests.laws import tried
from transforms.examples.world import (
    OTHERS,
    PARTNER,
    SCHOOL,
    SECOND_PARTNER,
    SECOND_SCHOOL,
    US,
    Declared,
    Partnership,
    Training,
    World,
    a_row,
    a_training_row,
)

LAST_DAY = date(2025, 11, 30)
NOW = datetime(2026, 2, 10, 12, tzinfo=UTC)
OURS = Training(finished_on=LAST_DAY)
TYPES = ["started", "retained-1", "retained-2", "completed"]
WE_DECLARED = st.lists(
    st.builds(
        Declared,
        st.sampled_from(TYPES[:2]),
        st.sampled_from(["2025-10-03T09:30:00Z", "2025-11-03T09:30:00Z"]),
        status=st.sampled_from(["eligible", "paid", "voided"]),
        training=st.just(OURS),
    ),
    max_size=2,
    unique_by=lambda each: each.kind,
)
THEIR_TRAINING = st.builds(
    Training,
    provider=st.just(OTHERS),
    started_on=st.sampled_from([date(2025, 12, 1), date(2026, 1, 5)]),
    finished_on=st.sampled_from([None, date(2026, 1, 31)]),
    contract_period=st.sampled_from([2025, 2026]),
    schedule=st.sampled_from(["ecf-standard-september", "ecf-extended-september"]),
    school=st.sampled_from([SCHOOL, SECOND_SCHOOL]),
    partner=st.sampled_from([PARTNER, SECOND_PARTNER]),
    deferred_at=st.sampled_from([None, datetime(2026, 1, 10, tzinfo=UTC)]),
    withdrawn_at=st.sampled_from([None, datetime(2026, 1, 20, tzinfo=UTC)]),
)
# The second after our last day in London, and later.
AFTER_US = ["2025-12-01T00:00:00Z", "2025-12-15T10:00:00Z", "2026-01-15T10:00:00Z"]


@st.composite
def unseen(draw):
    """(their training, their declarations): what happened after the participant had left us."""
    training = draw(THEIR_TRAINING)
    declared = draw(
        st.lists(
            st.builds(
                partial(Declared, training=training),
                st.sampled_from(TYPES),
                st.sampled_from(AFTER_US),
                status=st.sampled_from(["no_payment", "eligible", "payable", "paid", "voided"]),
            ),
            max_size=3,
            unique_by=lambda each: each.kind,
        )
    )
    return training, tuple(declared)


ROWS = {
    "declarations": st.builds(
        a_row,
        declaration_type=st.sampled_from(TYPES),
        declaration_date=st.sampled_from(["2025-10-03T09:30:00Z", "2025-11-03T09:30:00Z", *AFTER_US]),
        evidence_held=st.sampled_from(["training-event-attended", "75-percent-engagement-met", ""]),
    ),
    "deferrals": st.builds(a_training_row, reason=st.sampled_from(["bereavement", "x"])),
    "withdrawals": st.builds(a_training_row, reason=st.sampled_from(["left-teaching-profession", "x"])),
    "resumptions": st.builds(a_training_row),
    "schedule-changes": st.builds(
        a_training_row,
        schedule_identifier=st.sampled_from(["ecf-extended-september", "ecf-standard-september", "ecf-standard-april"]),
        contract_period=st.sampled_from(["", "2025", "2026"]),
    ),
    "partnerships": st.builds(
        dict,
        school_urn=st.sampled_from(["123456", "654321"]),
        delivery_partner_id=st.sampled_from([PARTNER, SECOND_PARTNER]),
        contract_period=st.sampled_from(["2025", "2026"]),
    ),
    "partnership-changes": st.builds(
        dict,
        partnership_id=st.sampled_from([Partnership().id, Partnership(provider=OTHERS).id]),
        delivery_partner_id=st.sampled_from([PARTNER, SECOND_PARTNER]),
    ),
}


def told(judgement, row):
    """Everything in a receipt about one row, but for its line."""
    verdict = judgement.verdicts.row(row - 1, named=True)
    found = judgement.findings
    messages = found.filter(found["row_number"] == row).select("code", "field", "message").rows()
    return verdict["outcome"], codes(judgement, row), (verdict, messages)


@pytest.mark.parametrize("kind", ROWS)
@tried(120)
@given(data=st.data())
@pytest.mark.slow
def test_two_worlds_that_differ_in_what_we_may_not_see_tell_us_the_same(kind, data):
    ours = tuple(data.draw(WE_DECLARED))
    rows = data.draw(st.lists(ROWS[kind], min_size=1, max_size=3))
    answers = []
    for training, theirs in (data.draw(unseen()), data.draw(unseen())):
        world = World(
            training=(OURS, training),
            declared=(*ours, *theirs),
            deadlines=((date(2026, 3, 31), "output", "open"),),
            partnerships=(Partnership(provider=US), Partnership(provider=OTHERS)),
        )
        answers.append(judged(world, *rows, kind=kind, now=NOW))
    for row in range(1, len(rows) + 1):
        (outcome, found, words), (other_outcome, other_found, other_words) = (told(each, row) for each in answers)
        if (outcome, found) == (other_outcome, other_found):
            assert words == other_words
        else:  # later rows of the file have other records before them
            break


def test_a_later_providers_declaration_decides_and_is_not_told():
    theirs = Training(provider=OTHERS, started_on=date(2025, 12, 1))
    world = World(training=(OURS, theirs), declared=(Declared("retained-1", AFTER_US[1], training=theirs),))
    world = World(training=world.training, declared=world.declared, deadlines=((date(2026, 3, 31), "output", "open"),))
    late = judged(world, a_row(declaration_date="2026-01-15T10:00:00Z"), now=NOW)
    assert codes(late) == ["DECL-023"]
    assert "retained" not in late.findings["message"][0] and "December" not in late.findings["message"][0]
    same = judged(world, a_row(declaration_type="retained-1", evidence_held="75-percent-engagement-met",
                               declaration_date="2025-11-20T10:00:00Z"), now=NOW)  # fmt: skip
    assert "DECL-011" in codes(same)
    message = same.findings.filter(same.findings["code"] == "DECL-011")["message"][0]
    assert "December" not in message and "another lead provider" not in message.lower() and "void" not in message


def test_what_may_be_seen_is_told():
    """A declaration dated on the last day of our training, that day included, and our own."""
    theirs = Training(provider=OTHERS, started_on=date(2025, 9, 2), finished_on=LAST_DAY)
    seen = Declared("started", "2025-11-30T23:59:59Z", training=theirs)
    world = World(training=(OURS, theirs), declared=(seen,), deadlines=((date(2026, 3, 31), "output", "open"),))
    message = judged(world, a_row(), now=NOW).findings["message"][0]
    assert "Another lead provider has declared it already, dated 30 November 2025" in message
    own = Declared("started", "2025-10-03T09:30:00Z", training=OURS)
    both = World(training=world.training, declared=(seen, own), deadlines=world.deadlines)
    message = judged(both, a_row(), now=NOW).findings["message"][0]
    assert own.id in message and "3 October 2025" in message and "void it first" in message


def everything(installation, provider):
    """All files of a mailbox, but for when they were made."""
    box = installation.settings.mailboxes_folder / provider.slug / "from-dfe"
    return {path.relative_to(box).as_posix(): path.read_bytes() for path in box.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_another_providers_files_change_nothing_in_our_mailbox(small_home, tmp_path):
    """Two homes: in one the other lead provider sends files too. What we get is the same, to the byte."""
    got = []
    for place, others_send in (("quiet", False), ("busy", True)):
        home = shutil.copytree(small_home, tmp_path / place)
        with open_installation(Settings(home=home, seconds_between_looks=0)) as installation:
            first, second = installation.lead_providers()[:2]
            for provider in (first, second):
                installation.mailbox(provider.slug)
            boxes = installation.settings.mailboxes_folder
            with installation.database.read() as reader:
                people = reader.frame(
                    "SELECT DISTINCT s.participant_id, s.participant_type, p.lead_provider_id FROM training_periods t "
                    "JOIN school_periods s ON s.school_period_id = t.school_period_id "
                    "JOIN partnerships p ON p.partnership_id = t.partnership_id ORDER BY 1, 2"
                )
            shared = people.filter(
                pl.col("participant_id").is_in(
                    people.filter(pl.col("lead_provider_id") == first.lead_provider_id)["participant_id"].implode()
                )
            )
            theirs = (
                people.filter(pl.col("lead_provider_id") == second.lead_provider_id)
                .join(shared, on="participant_id", how="anti")
                .head(40)
            )
            ours = people.filter(pl.col("lead_provider_id") == first.lead_provider_id).head(40)

            def declared(rows):
                return rows.select(
                    "participant_id",
                    course_identifier=pl.when(pl.col("participant_type") == "ect").then(pl.lit("ecf-induction")).otherwise(pl.lit("ecf-mentor")),
                    declaration_type=pl.lit("started"), declaration_date=pl.lit("2026-10-01T09:00:00Z"),
                    evidence_held=pl.lit("training-event-attended"),
                ).write_csv()  # fmt: skip

            (boxes / first.slug / "to-dfe" / "declarations.csv").write_text(declared(ours))
            os.utime(boxes / first.slug / "to-dfe" / "declarations.csv", (0, 0))  # or its receipt has another name
            if others_send:
                (boxes / second.slug / "to-dfe" / "declarations.csv").write_text(declared(theirs))
                (boxes / second.slug / "to-dfe" / "withdrawals.csv").write_text(
                    "participant_id,course_identifier,reason\n"
                    + "".join(
                        f"{who},ecf-induction,left-teaching-profession\n" for who in theirs["participant_id"][:10]
                    )
                )
            intake_round(installation, instant("2026-12-14T10:00:00Z"))
            statements_round(installation, instant("2026-12-14T11:00:00Z"))
            got.append(everything(installation, first))
            assert theirs.height > 20
    assert got[0] == got[1]
