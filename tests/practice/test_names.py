"""What names ask of a practice mailbox."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.rounds.claiming import is_kept
from schemas.inbound.practised import FILE, RESET, STATEMENTS, asked_by
from schemas.inbound.reading import Limits
from schemas.inbound.unread import refused_unread

CLOCK = datetime(2026, 3, 31, 22, tzinfo=UTC)  # 23:00 in London


@pytest.mark.parametrize(
    "name, act, bare, received_at",
    [
        ("declarations@2026-03-31T23-30-00Z.csv", FILE, "declarations.csv", datetime(2026, 3, 31, 23, 30, tzinfo=UTC)),
        (
            "Declarations-North@2026-03-31T23-30-00z.CSV",
            FILE,
            "Declarations-North.CSV",
            datetime(2026, 3, 31, 23, 30, tzinfo=UTC),
        ),
        (
            "expected-payments@2028-02-29T00-00-00Z.csv",
            FILE,
            "expected-payments.csv",
            datetime(2028, 2, 29, tzinfo=UTC),
        ),
        ("voids@2026-03-31T22-00-00Z.csv", FILE, "voids.csv", CLOCK),
        ("statements@2026-04-01.csv", STATEMENTS, "statements@2026-04-01.csv", datetime(2026, 3, 31, 23, tzinfo=UTC)),
        ("statements@2026-12-01.csv", STATEMENTS, "statements@2026-12-01.csv", datetime(2026, 12, 1, tzinfo=UTC)),
        # The day that it is: its first instant has gone by, so the clock stays.
        ("statements@2026-03-31.csv", STATEMENTS, "statements@2026-03-31.csv", CLOCK),
    ],
)
def test_it_carries_the_clock(name, act, bare, received_at):
    asked = asked_by(name, CLOCK)
    assert (asked.act, asked.name, asked.received_at, asked.sets_clock, asked.failure) == (
        act,
        bare,
        received_at,
        True,
        None,
    )


@pytest.mark.parametrize("name", ["reset.csv", "RESET.CSV"])
def test_reset_leaves_the_clock(name):
    asked = asked_by(name, CLOCK)
    assert (asked.act, asked.received_at, asked.sets_clock, asked.failure) == (RESET, CLOCK, False, None)


@pytest.mark.parametrize(
    "name",
    ["declarations.csv", "voids-march.csv", "holiday.csv", "reset.txt", "reset-now.csv", "declarations@home.pdf"],
)
def test_other_names_are_as_on_any_service(name):
    asked = asked_by(name, CLOCK)
    assert (asked.act, asked.name, asked.received_at, asked.sets_clock, asked.failure) == (
        FILE,
        name,
        CLOCK,
        False,
        None,
    )


@pytest.mark.parametrize(
    "name, words",
    [
        (
            "declarations@2026-03-31T21-59-59Z.csv",
            "31 March 2026 at 23:00",
        ),  # a second before the clock, in London's words
        ("statements@2026-03-30.csv", "never goes back"),
        ("declarations@2026-04-01.csv", "has a day and no time"),
        ("declarations@2026-04-31T10-00-00Z.csv", "cannot be read"),
        ("declarations@2026-04-01T10:00:00Z.csv", "cannot be read"),
        ("declarations@2026-04-01T10-00-00.csv", "cannot be read"),
        ("declarations@.csv", "cannot be read"),
        ("declarations@1999-04-01T10-00-00Z.csv", "cannot be read"),
        ("declarations@9999-04-01T10-00-00Z.csv", "cannot be read"),
        ("declarations@২০২৬-04-01T10-00-00Z.csv", "cannot be read"),
        ("holiday@2026-04-01.csv", "begins with no kind"),
        ("holiday@2090-01-01T00-00-00Z.csv", "begins with no kind"),
        ("statements.csv", "cannot read the day"),
        ("statements@2026-02-30.csv", "cannot read the day"),
        ("statements@2026-04-01T10-00-00Z.csv", "cannot read the day"),
    ],
)
def test_what_cannot_be_done_is_said_and_moves_nothing(name, words):
    asked = asked_by(name, CLOCK)
    assert asked.failure and asked.failure.code == "FILE-001"
    assert words in asked.failure.message
    assert (asked.received_at, asked.sets_clock) == (CLOCK, False)


instants = st.datetimes().map(
    lambda at: at.replace(year=2021 + at.year % 79, day=min(at.day, 28), microsecond=0, tzinfo=UTC)
)
names = st.one_of(
    instants.map(lambda at: f"declarations@{at:%Y-%m-%dT%H-%M-%SZ}.csv"),
    instants.map(lambda at: f"statements@{at:%Y-%m-%d}.csv"),
    st.sampled_from(["reset.csv", "voids.csv", "declarations@never.csv", "statements.csv"]),
    st.text(max_size=30),
)


@given(names, instants)
def test_the_clock_never_goes_back_and_asking_again_changes_nothing(name, clock):
    first = asked_by(name, clock)
    assert first.received_at >= clock
    assert asked_by(name, first.received_at) == first or first.failure  # the clock in a failure's words is another
    again = asked_by(name, first.received_at)
    assert (again.received_at, bool(again.failure), again.act) == (first.received_at, bool(first.failure), first.act)


@given(
    instants,
    st.sampled_from(["declarations", "declarations-north", "voids_2", "declarations (1)", "holiday", "requests"]),
)
def test_a_real_mailbox_refuses_such_names(at, name):
    for each in (
        f"{name}@{at:%Y-%m-%dT%H-%M-%SZ}.csv",
        f"{name}@{at:%Y-%m-%dT%H-%M-%SZ} (1).csv",
        f"statements@{at:%Y-%m-%d}.csv",
    ):
        _refused(each)


@pytest.mark.parametrize("name", ["reset.csv", "RESET.csv", "reset (1).csv", "statements@2027-1-1.csv"])
def test_and_those_that_start_afresh_or_are_written_otherwise(name):
    _refused(name)


def _refused(name: str) -> None:
    refused = refused_unread(name, None, 0, "", None, Limits())
    assert refused and refused.code == "FILE-001" and "practice" in refused.advice, name


def test_nor_does_it_keep_what_was_meant_for_practice():
    assert is_kept("declarations-north.csv")
    assert not is_kept("declarations-north@2026-12-14T10-00-00Z.csv")


@pytest.mark.parametrize("name", ["declarations-me@example.csv", "declarations-2026-03-31.csv", "voids@school.csv"])
def test_it_takes_what_only_looks_a_little_like_them(name):
    refused = refused_unread(name, None, 0, "", None, Limits())
    assert refused is None or "practice" not in refused.advice


def test_days_are_of_london():
    just_before_midnight = datetime(2026, 6, 30, 22, 59, 59, tzinfo=UTC)
    assert asked_by("statements@2026-06-30.csv", just_before_midnight).failure is None
    midnight = just_before_midnight + timedelta(seconds=1)
    assert asked_by("statements@2026-06-30.csv", midnight).failure is not None
