"""Files that mean harm: whatever their shape, a round takes no more memory than it may, and nobody else waits."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows.clock import instant
from flows.installation import open_installation
from flows.rounds.intake import intake_round
from flows.rounds.statements import statements_round
from flows.settings import Settings
from schemas.submission import UNREAD
from tests.conftest import NOW
from tests.laws import LONG

HEADER = "participant_id,course_identifier,declaration_type,declaration_date,evidence_held,your_reference"
MEBIBYTE = 1 << 20
# What it is: how it is made, most MiB, the rule that refuses it.
SHAPES = {
    "blank lines": (lambda: "\n" * (24 * MEBIBYTE), 600, "FILE-004"),
    "blanks": (lambda: " " * (24 * MEBIBYTE), 600, "FILE-005"),
    "rows of commas": (lambda: ",,,,,\n" * (4 * MEBIBYTE), 600, "FILE-004"),
    "999 commas": (lambda: ("x" + "," * 999 + "\n") * (64 * 1048), 600, "FILE-005"),
    "a quote without an end": (lambda: '"' + "x\n" * (24 * MEBIBYTE), 600, "FILE-006"),
    "one wide character and a long line": (lambda: f"😀,{'x' * 64 * MEBIBYTE}\n", 600, "FILE-005"),
}
TALL = {
    "a million rows of long cells": (
        lambda: "".join(f" {'x' * 50}, {'y' * 60}, {'z' * 60}, {'w' * 60},,\n" for _ in range(1_000_000)),
        1228,
        None,
    )
}
# A process remembers as its own what the one that started it has used: so a small one stands between.
MEASURE = """
import resource, subprocess, sys
command = [sys.executable, "-c", "from flows.commands.main import main; main()", "intake"]
done = subprocess.run(command, stdout=subprocess.DEVNULL)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10)
"""


def peak(home: Path) -> tuple[int, int]:
    """(exit status, MiB at most) of a round of intake in a process of its own."""
    environment = {**os.environ, "ECTX_HOME": str(home), "ECTX_SECONDS_BETWEEN_LOOKS": "0", "POLARS_MAX_THREADS": "2"}
    told = subprocess.run(
        [sys.executable, "-c", MEASURE], env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    status, mebibytes = map(int, told.stdout.split())
    return status, mebibytes


def receipts(installation, provider):
    folder = installation.settings.mailboxes_folder / provider.slug / "from-dfe" / "receipts"
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*/receipt.json"))]


@pytest.mark.parametrize("what", [*SHAPES, *(TALL if LONG else {})])
@pytest.mark.slow
def test_no_shape_of_file_takes_more_than_it_may(installation, provider, what):
    content, most, rule = (SHAPES | TALL)[what]
    box = installation.settings.mailboxes_folder / provider.slug / "to-dfe"
    installation.mailbox(provider.slug)
    (box / "declarations.csv").write_text(f"{HEADER}\n{content()}")
    status, mebibytes = peak(installation.settings.home)
    assert (status, mebibytes <= most) == (0, True), mebibytes
    (receipt,) = receipts(installation, provider)
    assert receipt["status"] == "rejected"
    if rule:
        assert [each["code"] for each in receipt["file_errors"]] == [rule]


def test_a_huge_checksum_is_not_read(installation, provider):
    installation.mailbox(provider.slug)
    box = installation.settings.mailboxes_folder / provider.slug / "to-dfe"
    (box / "declarations.csv").write_text(f"{HEADER}\n")
    (box / "declarations.csv.sha256").write_bytes(b"a " * (16 * MEBIBYTE))
    status, mebibytes = peak(installation.settings.home)
    assert (status, mebibytes < 350) == (0, True), mebibytes
    assert [each["code"] for each in receipts(installation, provider)[0]["file_errors"]] == ["FILE-015"]


@pytest.mark.parametrize(
    "form",
    [
        "{0}  declarations.csv\n",
        "SHA256(declarations.csv)= {0}\n",
        "{0}",
        "SHA256 hash of x:\r\n{0}\r\nCertUtil: done.\r\n",
    ],
)
def test_one_checksum_in_it_counts_whatever_stands_around_it(installation, provider, form):
    import hashlib

    content = f"{HEADER}\nx,x,x,x,x,x\n".encode()
    installation.mailbox(provider.slug)
    box = installation.settings.mailboxes_folder / provider.slug / "to-dfe"
    (box / "declarations.csv").write_bytes(content)
    (box / "declarations.csv.sha256").write_text(form.format(hashlib.sha256(content).hexdigest().upper()))
    intake_round(installation, instant(NOW))
    assert receipts(installation, provider)[0]["file_errors"] == []


NOBODY, SOMEBODY = 65534, 12345


@contextmanager
def as_nobody(home: Path) -> Iterator[None]:
    """Root may read everything, so its rounds are somebody else's here; whoever else runs the tests is bounded already."""
    if os.geteuid() != 0:
        yield
        return
    for path in (home, *home.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def keep_out(path: Path) -> None:
    """A file that the process of `as_nobody` may not read: another's with mode 0600, or its own with none."""
    if os.getuid() != 0:
        path.chmod(0)
        return
    os.seteuid(0)
    path.chmod(0o600)
    os.chown(path, SOMEBODY, SOMEBODY)
    os.seteuid(NOBODY)


@pytest.mark.slow
def test_a_file_that_we_may_not_read_is_put_aside_and_stops_nobody(home):
    """Mode 0600 over OpenSSH."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # where somebody else may go, too
        place = Path(shutil.copytree(home, Path(folder) / "home"))
        Path(folder).chmod(0o755)
        settings = Settings(home=place, seconds_between_looks=0)
        with open_installation(
            settings
        ) as installation:  # what a round imports on its way may lie where only we may read
            provider = installation.lead_providers()[0]
            installation.mailbox(provider.slug)
            (settings.mailboxes_folder / provider.slug / "to-dfe" / "deferrals.csv").write_text("reason\nx\n")
            assert intake_round(installation, instant(NOW)).troubles == []
        with as_nobody(place), open_installation(settings) as installation:
            box = settings.mailboxes_folder / provider.slug / "to-dfe"
            (box / "voids.csv").write_text("declaration_id\nx\n")
            (box / "declarations.csv").write_text(f"{HEADER}\nx,x,x,x,x,x\n")
            keep_out(box / "declarations.csv")
            assert intake_round(installation, instant(NOW)).troubles == []
            told = {each["file_name"]: each for each in receipts(installation, provider)}
            assert told["declarations.csv"]["status"] == "set-aside"
            assert "could not read this file" in told["declarations.csv"]["notes"][0]
            assert told["voids.csv"]["status"] == "rejected"
            assert list(box.iterdir()) == []
            assert installation.submissions.waiting(provider.lead_provider_id) == []
            assert installation.submissions.unsettled()[0].sha256 == UNREAD
        with open_installation(settings) as installation:
            assert statements_round(installation, instant(NOW)).troubles == []


def test_a_file_refused_by_its_name_is_not_kept(installation, provider):
    installation.mailbox(provider.slug)
    box = installation.settings.mailboxes_folder / provider.slug / "to-dfe"
    (box / "holiday.mov").write_bytes(b"x" * MEBIBYTE)
    intake_round(installation, instant(NOW))
    assert [each["code"] for each in receipts(installation, provider)[0]["file_errors"]] == ["FILE-001"]
    assert not [path for path in (installation.settings.store_folder / "uploads").rglob("*") if path.is_file()]


def test_what_is_kept_of_a_provider_has_a_bound_that_is_told_before(home):
    settings = Settings(home=home, seconds_between_looks=0, max_store_mebibytes=1)
    with open_installation(settings) as installation:
        first, second = installation.lead_providers()[:2]
        for provider in (first, second):
            installation.mailbox(provider.slug)
        box = settings.mailboxes_folder / first.slug / "to-dfe"
        row = "x,x,x,x,x," + "y" * 90 + "\n"

        def send(name, size):
            (box / name).write_text(f"{HEADER}\n" + row * (size // len(row)))
            (settings.mailboxes_folder / second.slug / "to-dfe" / name).write_text(f"{HEADER}\n{row}")
            return intake_round(installation, instant(NOW))

        assert send("declarations-1.csv", 500_000).waits == []
        nearly = send("declarations-2.csv", 400_000)
        assert "of the room" in nearly.waits[0] and first.slug in nearly.waits[0]
        full = send("declarations-3.csv", 300_000)
        assert ["STORE-FULL" in each for each in full.troubles] == [True]
        assert (box / "declarations-3.csv").is_file()
        assert full.unseen == {first.slug}
        assert len(receipts(installation, second)) == 3


def test_rows_of_one_participant_cost_what_rows_of_many_do():
    """3,000 rows of one took a minute and a half: a rank a row, in one transaction. They come in a few turns now."""
    import polars as pl

    from schemas.kinds import KINDS
    from transforms.turns import Turns

    rows = pl.DataFrame({"row_number": range(1, 3001), "owner": ["one"] * 3000, "earlier_rows": range(3000)})
    turns, sizes = Turns(rows, KINDS["declarations"]), []
    while turns.rows_left:
        turn = turns.rows()
        sizes.append(turn.height)
        turns.judged(turn.with_columns(outcome=pl.lit("rejected")))
        turns.end()
    assert sizes == [1, 2, 4, 8, 16, 2969]
