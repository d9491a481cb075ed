"""SIGKILL at every step boundary of every round, and at random instants: a plain round afterwards ends as if none had been."""

import os

import pytest

from tests.faults.lives import Lives, shuffled

KILLS_IN_A_LIFE = 5  # each does some of the work, so that a later one may find its boundary gone
STAGES = ("intake", "open", "changed", "night", "asked", "payable", "paid")
# How many of a round's boundaries are struck: as many as there is time for; others with another seed; all with FAULTS=all.
BOUNDARIES = {"sqlite-folder": 10, "postgresql-folder": 5, "sqlite-sftp": 5, "postgresql-sftp": 5}
if os.environ.get("FAULTS") == "all":
    BOUNDARIES = dict.fromkeys(BOUNDARIES, None)
# A round that never gets far: how often it is killed before one comes through, and how far it gets at most.
AGAIN = {"sqlite-folder": 60, "postgresql-folder": 15, "sqlite-sftp": 10, "postgresql-sftp": 10}
SOON = 40
everywhere = pytest.mark.parametrize("lives_on", list(BOUNDARIES), indirect=True)
# What is struck at random: rounds that make extracts take long, and do the same on every ground.
EXTRACTS = ("night", "asked")
at_random = pytest.mark.parametrize(
    ("name", "lives_on"),
    [(name, on) for on in BOUNDARIES for name in STAGES if name not in EXTRACTS or on == "sqlite-folder"],
    indirect=["lives_on"],
)


@everywhere
@pytest.mark.parametrize("name", STAGES)
def test_killed_at_a_step_boundary(lives: Lives, name, chance):
    stage = lives.stages[name]
    boundaries = shuffled(range(1, stage.steps + 1), chance, BOUNDARIES[lives.ground.name])
    for start in range(0, len(boundaries), KILLS_IN_A_LIFE):
        own = sorted(boundaries[start : start + KILLS_IN_A_LIFE])
        home = lives.home(stage)
        for step in own:
            lives.suffer(stage, home, fault={"at": step, "do": "kill"})
        lives.carry_on(stage, home, f"kills before steps {own} of {name}")


@at_random
def test_killed_at_a_random_instant(lives: Lives, name, chance):
    stage = lives.stages[name]
    home = lives.home(stage)
    instants = sorted(chance.uniform(0.005, 0.5) for _ in range(KILLS_IN_A_LIFE))
    for seconds in instants:
        lives.suffer(stage, home, kill_after=seconds)
    lives.carry_on(stage, home, f"kills after {instants} seconds of {name}")


@at_random
def test_killed_again_and_again(lives: Lives, name, chance):
    """Each round gets a few steps further than the one before, or none: where it stands moves all the time."""
    stage = lives.stages[name]
    home = lives.home(stage)
    times = AGAIN[lives.ground.name] // (5 if name == "paid" else 1)  # its first step comes after all the figures
    for _ in range(times):
        lives.suffer(stage, home, fault={"at": chance.randint(1, SOON), "do": "kill"})
    assert lives.counts["faults injected"] > times / 2
    lives.carry_on(stage, home, f"{times} kills, each before step {SOON}, of {name}")
