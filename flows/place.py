"""Where the project lies on this machine: what a worker asks before it runs a flow (prefect.yaml, `pull`)."""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def stand_in_project() -> dict[str, str]:
    """Prefect finds a flow by the path of its file, from the working folder."""
    os.chdir(PROJECT)
    return {"directory": str(PROJECT)}
