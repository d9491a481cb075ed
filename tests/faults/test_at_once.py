"""Two workers on one mailbox, the same statements twice at once: done once."""

import pytest

from tests.faults.lives import Lives


@pytest.mark.parametrize(
    "lives_on", ["sqlite-folder", "postgresql-folder", "sqlite-sftp", "postgresql-sftp"], indirect=True
)
@pytest.mark.parametrize("name", ["intake", "open", "changed", "night", "payable", "paid"])
def test_two_or_three_at_once(lives: Lives, name):
    stage = lives.stages[name]
    for count in (2, 3):
        home = lives.home(stage)
        ended = lives.worker.together([lives.job(stage, home) for _ in range(count)])
        lives.counts["faults injected"] += count - 1
        assert any(each["status"] == 0 for each in ended), ended
        assert not any(each["killed"] for each in ended)
        lives.carry_on(stage, home, f"{count} at once of {name}")
