"""Some of what `make fuzz` does, in every test run."""

import pytest

from tests.attacks.fuzz import fuzz_files, fuzz_packets


@pytest.mark.slow
def test_mutated_messages_hurt_neither_the_server_nor_anybody_else():
    tried = fuzz_packets(40_000, seed=7)
    assert tried.troubles == []
    assert tried.sent.total() >= 40_000 and tried.logins >= 3
    assert set(tried.sent) == {"before login", "after login", "sftp"}


@pytest.mark.slow
def test_mutated_files_are_read_or_refused_by_a_rule():
    tried = fuzz_files(3_000, seed=7)
    assert tried.troubles == []
    assert tried.sent["read"] and tried.sent["FILE-007"] and tried.sent["FILE-006"]
