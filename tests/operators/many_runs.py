"""Runs of a flow, one after another, each with tasks and an artifact as ours have: prints the seconds of the longest."""

import logging
import os
import sys
import time
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

task_of_nothing = task(name="mailbox", cache_policy=NO_CACHE)(lambda: None)


@flow(name="nothing", persist_result=False, result_storage=Path(os.devnull))
def nothing() -> None:
    for _ in range(2):
        task_of_nothing()
    create_markdown_artifact("Nothing.", key="nothing")


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    longest = 0.0
    for _ in range(int(sys.argv[1])):
        began = time.monotonic()
        nothing()
        longest = max(longest, time.monotonic() - began)
    print(longest)
