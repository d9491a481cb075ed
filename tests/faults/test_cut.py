"""The SFTP connection cut in mid-listing, mid-read, mid-write, before the rename: nothing lost, the next round carries on."""

import os

import pytest

from tests.faults.lives import Lives, shuffled

CUTS = {"listing": 4, "read": 3, "write": 6, "open": 4, "rename": 6, "remove": 3, "stat": 3, "mkdir": 3}
if os.environ.get("FAULTS") == "all":
    CUTS = dict.fromkeys(CUTS, 40)


@pytest.mark.parametrize("lives_on", ["sqlite-sftp", "postgresql-sftp"], indirect=True)
@pytest.mark.parametrize("name", ["intake", "changed"])
@pytest.mark.parametrize("kind", list(CUTS))
def test_cut_before_a_request(lives: Lives, name, kind, chance):
    stage = lives.stages[name]
    assert stage.by_kind.get(kind), f"{name} makes no request of the kind {kind}: {stage.by_kind}"
    home = lives.home(stage)
    own = sorted(shuffled(range(1, stage.by_kind[kind] + 1), chance, CUTS[kind]))
    for number in own:
        ended = lives.suffer(stage, home, fault={"at": number, "do": "cut", "kind": kind})
        assert not ended["killed"]
        assert "Traceback" not in ended.get("error", "")
    assert lives.counts["faults injected"] > 0
    lives.carry_on(stage, home, f"cuts before requests {own} ({kind}) of {name}")
