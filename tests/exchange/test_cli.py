"""`ectx` as people and schedules call it: exit status, one-line reasons, what it prints."""

import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from sftp.keys import write_new_key


def ectx(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    import os

    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ECTX_", "PREFECT_"))}
    environment |= {"ECTX_HOME": str(home), "ECTX_SECONDS_BETWEEN_LOOKS": "0"}
    command = [str(Path(sys.executable).parent / "ectx"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


WRONG = [
    (("statments",), 2, "statements"),
    (("intake", "--as-of", "yesterday"), 2, "not an instant"),
    (("authorise",), 2, "statement_id"),
    (("authorise", "nothing"), 2, "--total"),
    (("authorise", "nothing", "--total", "a lot"), 2, "not an amount like 1,234.50"),
    (("authorise", "nothing", "--total", "£1,234.50"), 1, "NO-STATEMENT"),
    (("authorise", "nothing", "--total", "-1234"), 1, "NO-STATEMENT"),
    (("submission", "show", "nothing"), 1, "NO-SUBMISSION"),
    (("submission", "set-aside", "nothing"), 2, "--reason"),
    (("records", "import", "nowhere"), 1, "holds no .csv"),
    (("provider", "add", "nobody"), 1, "NO-PROVIDER"),
    (("payments", "January"), 1, "NO-MONTH"),
    (("payments", "2026-11"), 1, "NOT-READY"),
    (("verify", "nothing"), 2, "not an id"),
    (("verify", "00000000-0000-4000-8000-000000000000"), 1, "NOT-PAID"),
    (("records", "sample", "x", "--scale", "-1"), 2, "scale"),
]


@pytest.fixture
def home(small_home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_home, tmp_path / "home"))


@pytest.mark.parametrize(("arguments", "status", "words"), WRONG)
def test_what_cannot_be_done_has_a_status_and_a_one_line_reason(home, arguments, status, words):
    result = ectx(home, *arguments)
    assert result.returncode == status
    assert words in result.stderr and len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_rounds_say_what_they_did(home):
    assert "Nothing was waiting" in ectx(home, "intake", "--as-of", "2026-12-14T10:00:00Z").stdout
    result = ectx(home, "statements", "--as-of", "2026-12-14T10:00:00Z")
    assert result.returncode == 0
    assert "Money by section" in result.stdout


@pytest.mark.slow
def test_a_year_can_be_rehearsed_from_sample_to_statements(tmp_path):
    home, sample = tmp_path / "home", tmp_path / "sample"
    for arguments in (
        ("records", "sample", str(sample), "--scale", "0.003"),
        ("records", "import", str(sample)),
        ("statements", "--as-of", "2026-12-01T00:30:00Z"),
        ("records", "export", str(tmp_path / "out")),
    ):
        result = ectx(home, *arguments)
        assert result.returncode == 0, result.stderr
    assert {path.name for path in sample.iterdir()} == {path.name for path in (tmp_path / "out").iterdir()}


@pytest.mark.slow
def test_a_month_is_paid_and_proved(home, tmp_path):
    assert ectx(home, "statements", "--as-of", "2027-01-01T00:30:00Z").returncode == 0
    schedule = ectx(home, "payments", "2027-01")
    assert schedule.returncode == 0 and schedule.stdout.startswith("line,lead_provider_id,")
    rows = pl.read_csv(schedule.stdout.encode(), infer_schema=False)
    chosen = rows.filter(line="statement")["statement_id"][0]
    total = rows.filter(line="statement")["total"][0]
    other = ectx(home, "authorise", chosen, "--total", "1.00", "--as-of", "2027-01-20T10:00:00Z")
    assert other.returncode == 1 and "£1.00 was typed" in other.stderr and len(other.stderr.splitlines()) == 1
    typed = f"£{float(total):,.2f}"
    done = ectx(home, "authorise", chosen, "--total", typed, "--as-of", "2027-01-20T10:00:00Z")
    assert done.returncode == 0, done.stderr
    proof = ectx(home, "verify")
    assert proof.returncode == 0, proof.stdout + proof.stderr
    assert "1 paid statement" in proof.stdout
    assert ectx(home, "payments", "2027-01", "--to", str(tmp_path / "january.csv")).returncode == 0
    paid = pl.read_csv(tmp_path / "january.csv", infer_schema=False)
    assert paid.filter(line="statement", status="paid")["statement_id"].to_list() == [chosen]
    same = ["line", "statement_id", "total"]
    assert paid.filter(line="statement").select(same).equals(rows.filter(line="statement").select(same))
    manifest = next((home / "outbox").rglob("2027-01/*-paid/manifest.json"))
    manifest.write_text("{}")
    alarm = ectx(home, "verify")
    assert alarm.returncode == 1 and "not the one that was delivered" in alarm.stdout + alarm.stderr


@pytest.mark.slow
def test_providers_and_keys_are_kept_by_command(home, tmp_path):
    public = tmp_path / "id.pub"
    public.write_text(write_new_key(tmp_path / "id") + " a laptop\n")
    name = "alder-teaching-institute"
    assert ectx(home, "provider", "add", name, "--key", str(public)).returncode == 0
    listed = ectx(home, "provider", "list").stdout
    fingerprint = next(word for word in listed.split() if word.startswith("SHA256:"))
    assert "a laptop" in listed and (home / "mailboxes" / name / "to-dfe").is_dir()
    assert ectx(home, "provider", "key", "remove", name, fingerprint).returncode == 0
    assert ectx(home, "provider", "key", "remove", name, fingerprint).returncode == 1
    assert ectx(home, "provider", "key", "add", name, str(public)).returncode == 0
    assert ectx(home, "provider", "remove", name).returncode == 0
    assert "SHA256" not in ectx(home, "provider", "list").stdout
