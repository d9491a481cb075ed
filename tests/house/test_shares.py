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
print(json.dumps([sorted(os.sched_getaffinity(0)), os.environ["POLARS_MAX_THREADS"], os.nice(0), cores(), Settings().processes]))
"""

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system gives nobody a core")


@pytest.fixture(autouse=True)
def nothing_is_told(monkeypatch):
    monkeypatch.delenv("POLARS_MAX_THREADS", raising=False)
    monkeypatch.delenv(ALL_CORES, raising=False)


def told(share: Share) -> tuple[list[int], int, int, list[int], int]:
    process = share.start([sys.executable, "-c", TELLS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    own, threads, nice, everybodys, processes = json.loads(process.communicate("\n", timeout=60)[0])
    return own, int(threads), nice, everybodys, processes


def test_every_core_is_somebodys_and_each_knows_of_all():
    ours = cores()
    shares = [told(Share(place, 2)) for place in range(2)]
    assert sorted({each for own, *_ in shares for each in own}) == ours
    for own, threads, nice, everybodys, processes in shares:
        assert threads == len(own) and nice == os.nice(0)
        assert everybodys == ours and processes == len(ours), "for what it starts itself"


def test_more_processes_than_cores_take_turns_at_them():
    ours = cores()
    many = 2 * len(ours)
    assert [told(Share(place, many))[:2] for place in (0, many - 1)] == [([ours[0]], 1), ([ours[-1]], 1)]


def test_who_gives_way_and_who_roams():
    ours = cores()
    assert told(Share(0, 1, gives_way=True))[:3] == (ours, len(ours), min(19, os.nice(0) + GIVES_WAY))
    assert told(Share(0, len(ours), roams=True))[:2] == (ours, 1)


def test_a_share_of_one_that_has_a_share_is_of_all(monkeypatch):
    ours = cores()
    before = os.sched_getaffinity(0)
    monkeypatch.setenv(ALL_CORES, ",".join(map(str, ours)))
    os.sched_setaffinity(0, {ours[0]})
    try:
        assert told(Share(len(ours) - 1, len(ours)))[0] == [ours[-1]]
    finally:
        os.sched_setaffinity(0, before)


def test_one_that_has_gone_already_is_nobodys_trouble(monkeypatch):
    def gone(*_):
        raise ProcessLookupError

    monkeypatch.setattr(os, "sched_setaffinity", gone)
    assert Share(0, 1).start(["true"]).wait() == 0
