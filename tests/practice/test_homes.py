"""Practice and the real thing are never taken for each other; and what is done by hand is done to one mailbox."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows import jobs
from flows.errors import ExchangeError
from flows.home import mark
from flows.installation import open_installation
from flows.settings import Settings
from tests.exchange.provider import acceptable_rows
from tests.practice.conftest import Practising

ECTX = str(Path(sys.executable).parent / "ectx")


def refused(settings: Settings) -> ExchangeError:
    with pytest.raises(ExchangeError) as error, open_installation(settings):
        pass
    return error.value


def ectx(home: Path, *command: str, practice: str = "true") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"ECTX_HOME": str(home), "ECTX_PRACTICE": practice, "ECTX_SECONDS_BETWEEN_LOOKS": "0"}
    return subprocess.run([ECTX, *command], env=environment, capture_output=True, text=True, timeout=300)


def contents(home: Path) -> dict[str, bytes]:
    return {
        path.relative_to(home).as_posix(): path.read_bytes()
        for path in home.rglob("*")
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


def test_a_home_that_holds_real_records_is_refused_untouched(home):
    before = contents(home)
    done = ectx(home, "serve")
    assert done.returncode == 1
    assert done.stderr.startswith("ectx: REAL-RECORDS:") and done.stderr.count("\n") == 1
    assert contents(home) == before


@pytest.mark.parametrize("folder", ["mailboxes/someone/to-dfe", "keys/someone", "outbox/x", "uploads/ab"])
def test_a_home_whose_records_are_elsewhere_is_refused_too(tmp_path, folder):
    """Its database may be a PostgreSQL that nobody has told us of."""
    (tmp_path / "real" / folder).mkdir(parents=True)
    assert refused(Settings(home=tmp_path / "real", practice=True)).code == "REAL-RECORDS"
    assert not (tmp_path / "real" / "practice").exists()


@pytest.mark.parametrize("name", ["records.db", "host_key", "ui_secret", "prefect", "logs"])
def test_whatever_a_service_has_left_is_refused(tmp_path, name):
    (tmp_path / name).write_text("x")
    assert refused(Settings(home=tmp_path, practice=True)).code == "REAL-RECORDS"


def test_a_real_service_is_not_pointed_into_a_home_of_practice(practising, tmp_path):
    home = practising.home.settings.home
    for pointed in (
        {"mailboxes": (home / "mailboxes").as_uri()},
        {"database_url": f"sqlite:///{home}/records.db"},
        {"store": home},
    ):
        assert refused(Settings(home=tmp_path / "real", **pointed)).code == "PRACTICE-HOME"
    assert refused(Settings(home=home / "practice")).code == "PRACTICE-HOME"
    assert not (tmp_path / "real").exists()


@pytest.mark.slow
def test_a_real_service_refuses_a_home_of_practice_and_its_mailboxes(practising):
    home = practising.home.settings.home
    practising.round()
    assert refused(Settings(home=home)).code == "PRACTICE-HOME"
    assert refused(Settings(home=home / "practice" / practising.provider.slug)).code == "PRACTICE-HOME"
    assert ectx(home, "intake", practice="false").stderr.startswith("ectx: PRACTICE-HOME")


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"database_url": "postgresql://db.example.org/real"},
        {"mailboxes": "file:///srv/real"},
        {"mailboxes": "sftp://h/x"},
        {"store": Path("/srv")},
    ],
)
def test_nothing_outside_its_home_is_touched(tmp_path, elsewhere):
    assert refused(Settings(home=tmp_path / "new", practice=True, **elsewhere)).code == "PRACTICE-APART"
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_a_new_home_is_marked_and_gets_made_up_records(tmp_path):
    home = tmp_path / "a new — home %20"
    done = ectx(home, "provider", "list")
    assert (done.returncode, done.stderr) == (0, "")
    assert "alder-teaching-institute\tAlder Teaching Institute\tno login" in done.stdout
    assert (home / "practice" / "READ-ME.txt").is_file()
    assert ectx(home, "intake").stdout.startswith("PRACTICE: made-up records.")


@pytest.mark.slow
def test_whichever_job_comes_first_makes_the_records(tmp_path):
    """A file that lay there before there were any is of whoever has that mailbox in them."""
    to_dfe = tmp_path / "mailboxes" / "alder-teaching-institute" / "to-dfe"
    mark(tmp_path)
    (to_dfe.parent / ".taking").mkdir(parents=True)
    to_dfe.mkdir()
    (to_dfe / "voids.csv").write_text("declaration_id\n")
    with open_installation(Settings(home=tmp_path, practice=True, seconds_between_looks=0)) as installation:
        done = jobs.EXTRACTS.run(installation, None)
    assert done.troubles == []
    assert "# Alder Teaching Institute, 20 November 2025 at 09:00" in done.told[0].markdown


def test_the_setting_is_a_word_that_it_knows(tmp_path):
    done = ectx(tmp_path, "provider", "list", practice="perhaps")
    assert done.returncode == 2 and "ECTX_PRACTICE" in done.stderr


@pytest.mark.slow
def test_what_is_done_by_hand_is_done_to_one_mailbox(practising):
    rows = acceptable_rows(practising.home, practising.provider).head(2).write_csv()
    practising.sent("declarations@2026-12-14T10-00-00Z.csv", rows)
    (declaration, *_rest) = practising.asked(
        "SELECT declaration_id FROM declarations WHERE created_at = '2026-12-14T10:00:00Z'"
    )
    home = practising.home.settings.home
    for command in (
        ["submission", "list"],
        ["history", declaration[0]],
        ["payments", "2027-01"],
        ["void", declaration[0], "--reason", "x"],
    ):
        done = ectx(home, *command)
        assert done.returncode == 1 and f"{home}/practice/SLUG" in done.stderr
    own = home / "practice" / practising.provider.slug
    assert "Nothing waits" in ectx(own, "submission", "list").stdout
    assert ectx(own, "void", declaration[0], "--reason", "to see").returncode == 0
    told = ectx(own, "history", declaration[0]).stdout
    (line,) = [each for each in told.splitlines() if "to see" in each]
    assert line.startswith("14 December 2026 at 10:00")
    for command in (["intake"], ["serve"], ["provider", "list"], ["records", "import", "x"]):
        assert ectx(own, *command).stderr.startswith("ectx: ONE-MAILBOX")
    assert ectx(own.parent, "submission", "list").stderr.startswith("ectx: WHICH-MAILBOX")
    assert ectx(own, "payments", "2027-01").returncode == 0
    assert ectx(home / "practice" / "nobody", "submission", "list").stderr.startswith("ectx: NO-PROVIDER")
    for command in (["backup", str(home.parent / "copy")], ["replay", "x", "--to", str(home.parent / "copy")]):
        assert ectx(home, *command).stderr.startswith("ectx: PRACTICE:")


@pytest.mark.slow
def test_jobs_go_by_each_mailboxs_clock(practising):
    rows = acceptable_rows(practising.home, practising.provider).head(2).write_csv()
    practising.sent("declarations@2026-12-14T10-00-00Z.csv", rows)
    for job in (jobs.STATEMENTS, jobs.EXTRACTS, jobs.GUIDANCE, jobs.VERIFY, jobs.HOUSEKEEPING):
        done = job.run(practising.home, None)
        assert done.troubles == [] and done.told[0].markdown.startswith("PRACTICE: made-up records.")
    (open_one,) = [each for path, each in practising.statements().items() if "/2027-01/v02-open" in path][:1]
    assert open_one["as_of"] == "2026-12-14T10:00:00Z"
    with pytest.raises(ExchangeError, match="NOT-PAYABLE"):
        jobs.AUTHORISE.run(practising.home, None, statement_id=open_one["statement_id"], total=0)


@pytest.mark.slow
def test_one_mailboxs_trouble_is_not_anothers(practising):
    other = Practising(practising.home, practising.home.lead_providers()[1])
    other.send("voids@2026-12-14T10-00-00Z.csv", "declaration_id\n")
    practising.round()
    records = practising.home.settings.home / "practice" / practising.provider.slug / "records.db"
    for path in records.parent.glob("records.db*"):
        path.write_bytes(b"broken")
    for job in (jobs.INTAKE, jobs.STATEMENTS, jobs.EXTRACTS):
        done = job.run(practising.home, None)
        assert [line.split(":")[0] for line in done.troubles] == [practising.provider.slug]
    assert other.statements()


@pytest.mark.slow
def test_other_records_to_start_from(practising, sample, tmp_path):
    """Those in use go on with what they have until they are reset."""
    folder = Path(shutil.copytree(sample, tmp_path / "other"))
    schools = (folder / "schools.csv").read_text().replace("Academy", "Zenith")
    (folder / "schools.csv").write_text(schools)
    done = ectx(practising.home.settings.home, "records", "import", str(folder))
    assert (done.returncode, "reset.csv" in done.stdout) == (0, True)
    academies = "SELECT COUNT(*) > 0 FROM schools WHERE name LIKE '%Zenith%'"
    before = practising.asked(academies)
    practising.sent("reset.csv")
    assert (before, practising.asked(academies)) == ([(0,)], [(1,)])


def test_marking_twice_is_once(tmp_path):
    mark(tmp_path)
    mark(tmp_path)
    with open_installation(Settings(home=tmp_path, practice=True)) as installation:
        assert installation.is_practice and not installation.is_of_one_mailbox
