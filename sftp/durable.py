"""Waiting for the disk: a file and the folders that name it, and nothing else that the machine has to write."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# The disk takes many waits together in about the time of one.
AT_ONCE = 16


def on_disk(paths: Iterable[Path], within: Path) -> None:
    """Wait until these files and folders, with all that lies in them, and the folders above them up to `within`, are on
    the disk. What has gone meanwhile is left out. Raises OSError."""
    files: set[Path] = set()
    folders: set[Path] = {within}
    for path in paths:
        if path.is_dir():
            for here, _, names in os.walk(path):
                folders.add(Path(here))
                files |= {Path(here, name) for name in names}
        else:
            files.add(path)
        for above in path.parents:
            if not above.is_relative_to(within):
                break
            folders.add(above)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(wait, files))
        list(pool.map(wait, folders))


def wait(path: Path) -> None:
    """Wait for one file or folder, if it is there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
