"""What a command loads: one that finds nothing to do is over before all that judges, computes and writes would be loaded."""

import subprocess
import sys

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
LOADED = """
import sys
from flows.commands.main import main
sys.argv = ["ectx", *sys.argv[1:]]
try:
    main()
finally:
    print("loaded", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def loaded(home, *arguments: str) -> set[str]:
    command = [sys.executable, "-c", LOADED, *arguments]
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
