"""A home in which guidance has been delivered, beside receipts and statements."""

import shutil
from pathlib import Path

import pytest

from flows.clock import instant
from flows.installation import open_installation
from flows.rounds.extracts import extracts_round
from flows.rounds.guidance import guidance_round
from flows.rounds.intake import intake_round
from flows.rounds.statements import statements_round
from flows.settings import Settings
from schemas.kinds import KINDS
from templates.guidance.kinds import wrong_file
from tests.conftest import NOW
from tests.exchange.provider import put


@pytest.fixture(scope="session")
def guided_home(small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first lead provider has sent a file of each kind with a row that is rejected, and one that is refused whole; everybody has
    statements, extracts, guidance. Not to be changed: copy it."""
    home = Path(shutil.copytree(small_home, tmp_path_factory.mktemp("guided") / "home"))
    with open_installation(Settings(home=home, seconds_between_looks=0)) as installation:
        first = installation.lead_providers()[0]
        for kind in KINDS.values():
            put(installation, first, f"{kind.name}.csv", wrong_file(kind))
        put(installation, first, "november.csv", b"participant_id\n")
        assert intake_round(installation, instant(NOW)).troubles == []
        assert statements_round(installation, instant(NOW)).troubles == []
        assert extracts_round(installation, instant(NOW)).troubles == []
        done = guidance_round(installation, instant(NOW))
        assert (done.troubles, done.made) == ([], len(installation.lead_providers()))
    return home


@pytest.fixture
def installation(guided_home: Path, tmp_path: Path):
    """A copy of it, for a test of its own."""
    home = Path(shutil.copytree(guided_home, tmp_path / "home"))
    with open_installation(Settings(home=home, seconds_between_looks=0)) as opened:
        yield opened


@pytest.fixture
def provider(installation):
    return installation.lead_providers()[0]
