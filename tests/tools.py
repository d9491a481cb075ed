"""Programs outside Python that some tests need: tried with the real thing, or said not to have been tried."""

import os
import shutil
from typing import NoReturn

import pytest


def needed(*names: str) -> str:
    """The first of these programs that is here. Where none is, the test is left out, and the run says so at its end; in CI
    one has to be here (`make test-tools`)."""
    found = next(filter(None, (shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") for name in names)), None)
    if found is None:
        left_out(f"NOT TRIED: no {names[0]} here. `make test-tools` installs it on Debian, as root.")
    return found


def left_out(told: str, always: bool = False) -> NoReturn:
    """Leave a test out, saying why; in CI it fails instead, unless always: what no setup of ours can give a machine."""
    (pytest.fail if os.environ.get("CI") and not always else pytest.skip)(told)
    raise AssertionError
