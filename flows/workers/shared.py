"""A mark in the store: where it is not, the folder is not the one that all machines share (a share that is not mounted, say)."""

from pathlib import Path

from flows.installation import Installation

MARK = ".shared-by-workers"


def mark_of(installation: Installation) -> Path:
    """Where it lies."""
    return installation.settings.store_folder / MARK


def mark(installation: Installation) -> None:
    """Whoever serves makes it."""
    mark_of(installation).touch()
