"""Processes beside one another: each has its cores, and as many threads of Polars."""

import json
import os
import subprocess
import sys

import pytest

from flows.service.kept import GIVES_WAY, Share
from flows.settings import ALL_CORES, cores

# It waits until it is told: its share is given to it when it has begun.
TELLS = """
import json, os, sys
sys.stdin.readline()
from flows.settings import Settings, cores
where = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores()
print(json.dumps([where, os.environ["POLARS_MAX_THREADS"], os.nice(0), cores(), Settings().processes]))
"""


@pytest.fixture(autouse=True)
def nothing_is_told(monkeypatch):
    monkeypatch.delenv("POLARS_MAX_THREADS", raising=False)
    monkeypatch.delenv(ALL_CORES, raising=False)


def told(share: Share) -> tuple[list[int], int, int, list[int], int]:
    process = share.start([sys.executable, "-c", TELLS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    own, threads, nice, everybodys, processes = json.loads(process.communicate("\n", timeout=60)[0])
    return own, int(threads), nice, everybodys, processes


@pytest.fixture
def gives_cores():
    """Where a system has no such thing (macOS), a process has all cores: `test_a_system_that_gives_nobody_a_core`."""
    return hasattr(os, "sched_setaffinity")


def test_a_system_that_gives_nobody_a_core(monkeypatch):
    """Its processes begin all the same, with their share of threads."""
    ours = cores()
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    assert told(Share(0, len(ours)))[:2] == (ours, 1)


def test_every_core_is_somebodys_and_each_knows_of_all(gives_cores):
    ours = cores()
    shares = [told(Share(place, 2)) for place in range(2)]
    assert sorted({each for own, *_ in shares for each in own}) == ours
    for place, (own, threads, nice, everybodys, processes) in enumerate(shares):
        assert own == ((ours[place::2] or ours) if gives_cores else ours)
        assert threads == max(1, len(ours[place::2])) and nice == os.nice(0)
        assert everybodys == ours and processes == len(ours), "for what it starts itself"


def test_more_processes_than_cores_take_turns_at_them(gives_cores):
    ours = cores()
    many = 2 * len(ours)
    own = [[ours[0]], [ours[-1]]] if gives_cores else [ours, ours]
    assert [told(Share(place, many))[:2] for place in (0, many - 1)] == [(each, 1) for each in own]


def test_who_gives_way_and_who_roams():
    ours = cores()
    assert told(Share(0, 1, gives_way=True))[:3] == (ours, len(ours), min(19, os.nice(0) + GIVES_WAY))
    assert told(Share(0, len(ours), roams=True))[:2] == (ours, 1)


@pytest.mark.parametrize(("inherited", "threads"), [("1", 1), ("1000", len(cores())), ("", len(cores()))])
def test_nobody_has_more_threads_of_polars_than_who_started_it(monkeypatch, inherited, threads):
    monkeypatch.setenv("POLARS_MAX_THREADS", inherited)
    assert told(Share(0, 1))[1] == threads


def test_who_may_not_have_cores_of_its_own_gives_way_all_the_same(monkeypatch):
    def refused(*_):
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", refused, raising=False)
    assert told(Share(0, 1, gives_way=True))[2] == min(19, os.nice(0) + GIVES_WAY)


def test_a_share_of_one_that_has_a_share_is_of_all(monkeypatch):
    ours = cores()
    monkeypatch.setenv(ALL_CORES, ",".join(map(str, [*ours, 1000])))  # as it was told, whatever it has itself
    assert told(Share(0, 1))[3:] == ([*ours, 1000], len(ours) + 1)


def test_one_that_has_gone_already_is_nobodys_trouble(monkeypatch):
    def gone(*_):
        raise ProcessLookupError

    monkeypatch.setattr(os, "sched_setaffinity", gone, raising=False)
    assert Share(0, 1).start(["true"]).wait() == 0
