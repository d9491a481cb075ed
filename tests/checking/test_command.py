"""`ectx check` as a provider runs it: what it says, writes and ends with; on a machine that has nothing but what it needs."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import polars as pl
import pytest
from packaging.requirements import Requirement

from flows.clock import instant
from flows.installation import open_installation
from flows.place import PROJECT
from flows.rounds.extracts import extracts_round
from flows.rounds.intake import intake_round
from flows.settings import Settings
from schemas.kinds import KINDS
from templates.guidance.kinds import sample_file, wrong_file
from tests.conftest import NOW
from tests.exchange.provider import acceptable_rows, box, put

NEEDS = ("polars", "pandera", "typer", "tzdata")
ONLY_POSIX = ("fcntl", "grp", "pwd", "resource", "termios")
RUN = (
    f"import sys\nfor name in {ONLY_POSIX}:\n    sys.modules[name] = None\nfrom flows.commands.main import main\nmain()"
)


def packages(*names):
    """These packages and what they need, by their metadata."""
    found, coming = {}, [*names, "pandera[polars]"]
    while coming:
        asked = Requirement(coming.pop())
        if (asked.name, tuple(asked.extras)) in found:
            continue
        found[asked.name, tuple(asked.extras)] = own = distribution(asked.name)
        for each in own.requires or ():
            wanted = Requirement(each)
            extras = [*asked.extras, ""]
            if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in extras):
                coming.append(f"{wanted.name}[{','.join(wanted.extras)}]" if wanted.extras else wanted.name)
    return {own.metadata["Name"]: own for own in found.values()}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A folder with the packages that a check needs, and no other."""
    folder = tmp_path_factory.mktemp("alone")
    for own in packages(*NEEDS).values():
        for top in {path.parts[0] for path in own.files or () if path.parts[0] != ".."}:
            source = Path(str(own.locate_file(top)))
            if source.exists() and not (folder / top).exists():
                (folder / top).symlink_to(source)
    return folder


@pytest.fixture(scope="module")
def sent(filled_home, tmp_path_factory):
    """A delivered full set, and what its lead provider could send."""
    home = Path(shutil.copytree(filled_home, tmp_path_factory.mktemp("sent") / "home"))
    with open_installation(Settings(home=home, seconds_between_looks=0)) as installation:
        provider = installation.lead_providers()[0]
        assert extracts_round(installation, instant(NOW)).troubles == []
        rows = acceptable_rows(installation, provider).head(5)
        put(installation, provider, "declarations.csv", rows.write_csv())
        intake_round(installation, instant(NOW))
        folder = box(installation, provider) / "from-dfe/extracts/full"
        (receipt,) = (box(installation, provider) / "from-dfe/receipts").glob("*declarations*")
    return folder, rows, receipt


def check(*arguments, where=PROJECT, path=None, code="from flows.commands.main import main\nmain()", options=()):
    environment = {**os.environ, "PYTHONPATH": path or str(PROJECT)}
    command = [sys.executable, *options, "-c", code, "check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=where, env=environment)


def test_it_runs_where_nothing_else_is_installed_and_nothing_posix_is_there(alone, sent, tmp_path):
    folder, rows, _ = sent
    (tmp_path / "declarations.csv").write_text(rows.write_csv())
    done = check(
        tmp_path / "declarations.csv", "--extract", folder, "--as-of", NOW, "--json",
        where=tmp_path, path=f"{alone}{os.pathsep}{PROJECT}", code=RUN, options=("-S",),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)["files"]
    assert told["rows"] == {"total": 5, "passed": 5, "rejected": 0}
    others = "import importlib.util, sys; print([n for n in ('prefect', 'sqlalchemy', 'duckdb', 'paramiko', 'psycopg') if importlib.util.find_spec(n)])"
    there = subprocess.run(
        [sys.executable, "-S", "-c", others],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(alone)},
    )
    assert there.stdout.strip() == "[]"


def test_other_commands_say_what_they_lack(alone, tmp_path):
    code = RUN.replace("from flows", "sys.argv[1:] = ['intake']\nfrom flows")
    done = check(where=tmp_path, path=f"{alone}{os.pathsep}{PROJECT}", code=code, options=("-S",))
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert "make install" in done.stderr


def test_what_breaks_no_rule_passes_and_is_never_called_accepted(sent, tmp_path):
    folder, rows, receipt = sent
    assert pl.read_csv(receipt / "results.csv")["outcome"].to_list() == ["accepted"] * 5
    (tmp_path / "declarations.csv").write_text(rows.write_csv())
    done = check(tmp_path / "declarations.csv", "--extract", folder, "--as-of", NOW)
    assert done.returncode == 0 and "5 rows. None breaks a rule that could be judged." in done.stdout
    assert "as of 14 December 2026 at 10:00" in done.stdout and "accepted" not in done.stdout


def test_a_row_sees_what_an_accepted_row_above_it_did(sent, tmp_path):
    folder, rows, _ = sent
    again = rows.with_columns(declaration_date=pl.lit("2026-12-11T14:00:00Z"))
    (tmp_path / "declarations.csv").write_text(pl.concat([rows, again]).write_csv())
    done = check(tmp_path / "declarations.csv", "--extract", folder, "--as-of", NOW, "--json")
    (told,) = json.loads(done.stdout)["files"]
    assert [each["rule_codes"] for each in told["results"]] == [[]] * 5 + [["DECL-011"]] * 5


def test_wrong_rows_are_told_in_the_receipt_s_words_and_written_to_be_put_right(sent, tmp_path):
    folder, rows, _ = sent
    wrong = rows.with_columns(declaration_type=pl.lit("startd"))
    (tmp_path / "declarations.csv").write_text(wrong.write_csv())
    done = check(tmp_path / "declarations.csv", "--extract", folder, "--as-of", NOW, "--write")
    assert done.returncode == 1
    assert "5 would be rejected; 0 break no rule that could be judged." in done.stdout
    assert "line 2: “startd” is not a declaration type." in done.stdout
    back = pl.read_csv(tmp_path / "declarations.rejected.csv", infer_schema=False)
    assert back["line_number"].to_list() == ["2", "3", "4", "5", "6"]
    assert all("DECL-010" in each or "startd" in each for each in back["errors"])
    assert (tmp_path / "declarations.rejected.csv").read_bytes().startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_samples_of_the_guidance_without_an_extract(kind, tmp_path):
    """The wrong row is told where its rule needs no records; what is not judged is named."""
    (tmp_path / f"{kind.name}.csv").write_bytes(sample_file(kind))
    (tmp_path / f"{kind.name}-wrong.csv").write_bytes(wrong_file(kind))
    done = check(tmp_path / f"{kind.name}.csv", tmp_path / f"{kind.name}-wrong.csv", "--json")
    assert done.returncode == 1, done.stderr
    right, wrong = json.loads(done.stdout)["files"]
    assert (right["kind"], right["rows"]["rejected"], wrong["rows"]["rejected"]) == (kind.name, 0, 1)
    assert "FILE-013" in [each["code"] for each in right["not_judged"]] or kind.name == "requests"
    (row,) = wrong["results"]
    assert row["outcome"] == "rejected" and row["rule_codes"] and row["line_number"] == 2
    assert len(row["rule_codes"]) == len(row["fields"]) == len(row["messages"])


def test_a_file_that_would_be_refused_whole(tmp_path):
    (tmp_path / "declarations.csv").write_text("participant\nx\n")
    (tmp_path / "november.csv").write_text("participant_id\nx\n")
    done = check(tmp_path / "declarations.csv", tmp_path / "november.csv", "--json")
    codes = [each["file_errors"][0]["code"] for each in json.loads(done.stdout)["files"]]
    assert (done.returncode, codes) == (1, ["FILE-007", "FILE-001"])


@pytest.mark.slow
def test_what_cannot_be_checked_ends_with_two_and_a_line(tmp_path, sent):
    folder, rows, _ = sent
    (tmp_path / "declarations.csv").write_text(rows.write_csv())
    file = tmp_path / "declarations.csv"
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/manifest.json").write_text("{")
    changes = Path(shutil.copytree(folder, tmp_path / "changes"))
    said = json.loads((changes / "manifest.json").read_text()) | {"what": "changes"}
    (changes / "manifest.json").write_text(json.dumps(said))
    for arguments in (
        (tmp_path / "nothing.csv",), (file, "--extract", tmp_path / "empty"), (file, "--extract", tmp_path / "broken"),
        (file, "--extract", changes), (file, "--as-of", "yesterday"), (),
    ):  # fmt: skip
        done = check(*arguments)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1), (arguments, done.stderr)


def test_an_extract_that_is_old_or_not_whole_is_said(tmp_path, sent):
    folder, rows, _ = sent
    (tmp_path / "declarations.csv").write_text(rows.write_csv())
    old = check(tmp_path / "declarations.csv", "--extract", folder, "--as-of", "2026-12-24T10:00:00Z")
    assert "The extract is 10 days old" in old.stdout
    torn = Path(shutil.copytree(folder, tmp_path / "torn"))
    (torn / "participants.csv").write_bytes((torn / "participants.csv").read_bytes()[:-50])
    done = check(tmp_path / "declarations.csv", "--extract", torn, "--as-of", NOW, "--json")
    said = json.loads(done.stdout)
    assert "participants.csv is missing, or is not as manifest.json says" in said["warnings"][0]
    assert all("DECL-004" in each["not_judged"] for each in said["files"][0]["results"])
