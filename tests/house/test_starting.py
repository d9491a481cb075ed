"""What is loaded when: a command that finds nothing to do is over before all that judges, computes and writes would be loaded; a
process that waits for files has all of it."""

import subprocess
import sys

from tests.exchange.provider import put

HEADER = "participant_id,course_identifier,declaration_type,declaration_date,evidence_held"
ROW = "00000001-0000-4000-8000-000000000000,ecf-induction,started,2026-01-10T09:00:00Z,"

COSTLY = (
    "alembic",
    "duckdb",
    "icalendar",
    "jinja2",
    "markdown_it",
    "numpy",
    "pandera",
    "paramiko",
    "prefect",
    "xlsxwriter",
)
WAITING = """
import sys
from flows.arrivals.loading import load_all
from flows.installation import open_installation
from flows.rounds.intake import intake_round
with open_installation() as installation:
    load_all(installation.settings)
    before = set(sys.modules)
    assert [each.status for each in intake_round(installation, None).outcomes] == ["rejected"]
    print("loaded", *sorted(set(sys.modules) - before))
"""
LOADED = """
import sys
from flows.commands.main import main
sys.argv = ["ectx", *sys.argv[1:]]
try:
    main()
finally:
    print("loaded", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def loaded(home, *arguments: str, program: str = LOADED) -> set[str]:
    command = [sys.executable, "-c", program, *arguments]
    environment = {
        "ECTX_HOME": str(home),
        "ECTX_SECONDS_BETWEEN_LOOKS": "0",
        "PYTHONPATH": ":".join(filter(None, sys.path)),
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_help_loads_none_of_it(tmp_path):
    found = loaded(tmp_path, "--help")
    assert not found & {*COSTLY, "sqlalchemy", "polars"} - {"markdown_it"}  # it lays out the help itself


def test_a_look_that_finds_nothing_loads_nothing_that_judges(installation):
    found = loaded(installation.settings.home, "intake")
    assert {"sqlalchemy", "polars"} <= found and not found & set(COSTLY)


def test_a_process_that_waits_for_files_loads_nothing_when_one_comes(installation, provider):
    """Or the first would wait for it, and for another release, if one was put in the place of ours meanwhile."""
    put(installation, provider, "declarations.csv", f"{HEADER}\n{ROW}\n")
    late = loaded(installation.settings.home, program=WAITING)
    rooms = ("flows", "schemas", "transforms", "data", "templates", "sftp")
    assert not [each for each in late if each.partition(".")[0] in (*rooms, *COSTLY)]
