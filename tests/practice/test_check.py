"""`ectx check` with the extract of a practice mailbox: names of practice are taken, and judged at the instant that they say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.exchange.provider import acceptable_rows

ECTX = str(Path(sys.executable).parent / "ectx")


@pytest.fixture
def checked(practising, tmp_path):
    """What is told of a file of this name, with or without the practice mailbox's extract."""
    rows = acceptable_rows(practising.home, practising.provider).head(2).write_csv()
    extract = practising.box / "from-dfe/extracts/full"

    def told(name: str, content: str = rows, with_extract: bool = True) -> dict:
        (tmp_path / name).write_text(content)
        options = ["--extract", str(extract)] if with_extract else []
        command = [ECTX, "check", str(tmp_path / name), "--json", *options]
        done = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=60).stdout)
        assert done["warnings"] == []
        return done["files"][0]

    return told


@pytest.mark.slow
def test_a_file_is_judged_at_the_instant_of_its_name(checked):
    """The rows are dated 10 December 2026: before that they are in the future."""
    in_time = checked("declarations@2026-12-14T10-00-00Z.csv")
    assert (in_time["kind"], in_time["file_errors"], in_time["rows"]["passed"]) == ("declarations", [], 2)
    too_soon = checked("declarations@2026-12-01T10-00-00Z.csv")
    assert {code for row in too_soon["results"] for code in row["rule_codes"]} == {"DECL-012"}
    # Without a clock: where the extract's stands.
    assert {code for row in checked("declarations.csv")["results"] for code in row["rule_codes"]} == {"DECL-012"}


@pytest.mark.slow
def test_what_holds_no_rows_and_what_is_misnamed(checked):
    for name in ("statements@2027-01-01.csv", "reset.csv"):
        assert (checked(name, "")["file_errors"], checked(name, "")["rows"]["total"]) == ([], 0)
    assert checked("declarations@2026-12-14.csv")["file_errors"][0]["code"] == "FILE-001"
    assert checked("declarations@2026-12-14T10-00-00Z.csv", with_extract=False)["file_errors"][0]["code"] == "FILE-001"
