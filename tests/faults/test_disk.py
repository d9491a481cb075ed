"""A disk that takes no more, at whatever size that is: the round says so, keeps what it had, and carries on with room."""

import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.lives import Lives
from tests.tools import left_out

# Powers of two, bytes. PostgreSQL's files are its server's: of ours there are only receipts, statements and uploads.
LARGEST = {"sqlite-folder": 18, "postgresql-folder": 10}
STAGES = ("intake", "changed", "night", "paid")


@pytest.mark.parametrize("lives_on", ["sqlite-folder", "postgresql-folder"], indirect=True)
@pytest.mark.parametrize("name", STAGES)
def test_no_file_can_grow(lives: Lives, name, chance):
    """The kernel refuses to let any file grow beyond a limit: the database's, a receipt's, a stored upload's."""
    stage = lives.stages[name]
    home = lives.home(stage)
    for _ in range(8):
        lives.suffer(stage, home, largest_file=int(2 ** chance.uniform(3, LARGEST[lives.ground.name])))
    assert lives.counts["faults injected"] > 2
    lives.carry_on(stage, home, f"no room in {name}")


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of its own with room for the home and little more."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(place)], capture_output=True, text=True
    )
    if done.returncode:
        why = done.stderr.strip()
        left_out(
            f"NOT TRIED: a disk of its own to fill needs root, to mount it ({why}). Files that cannot grow were tried."
        )
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("lives_on", ["sqlite-folder"], indirect=True)
@pytest.mark.parametrize("name", STAGES)
def test_the_disk_is_full(lives: Lives, name, chance, small_disk):
    stage = lives.stages[name]
    home = small_disk / "home"
    lives.ground.copied(stage.start, home)
    filler = small_disk / "filler"
    for _ in range(5):
        with filler.open("wb", buffering=0) as handle, suppress(OSError):
            while handle.write(b"\0" * 4096):
                pass
        room = int(2 ** chance.uniform(8, 19))
        with filler.open("r+b") as handle:
            handle.truncate(max(0, filler.stat().st_size - room))
        lives.suffer(stage, home)
        filler.unlink()
    assert lives.counts["faults injected"] > 0
    lives.carry_on(stage, home, f"a full disk in {name}")
