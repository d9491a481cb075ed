"""A life: a copy of a stage's start, some rounds that end badly, then a plain one; and the end compared."""

import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from flows.settings import Settings
from tests.faults.state import harm, state_of
from tests.faults.story import Ground, Stage
from tests.faults.worker import Job, Worker


class Lives:
    """counts: faults injected, files lost, rows doubled, receipts missing; summed over the suite at its end."""

    def __init__(self, ground: Ground, worker: Worker, stages: dict[str, Stage], folder: Path) -> None:
        self.ground, self.worker, self.stages = ground, worker, stages
        self.counts: Counter[str] = Counter()
        self._folder, self._number = folder, 0

    def home(self, stage: Stage) -> Path:
        """A fresh copy of where a stage starts."""
        self._number += 1
        home = self._folder / f"life{self._number}"
        self.ground.copied(stage.start, home)
        return home

    def job(self, stage: Stage, home: Path, **fault: Any) -> Job:
        settings = self.ground.settings(home)
        return {
            "action": stage.action, "as_of": stage.as_of, "settings": settings, "statement_id": stage.statement_id, **fault,
        }  # fmt: skip

    def suffer(self, stage: Stage, home: Path, **fault: Any) -> dict[str, Any]:
        """One round with a fault. It counts when it struck: the process died, said that something was wrong, or was cut off
        and carried on by itself."""
        ended = self.worker.run(**self.job(stage, home, **fault))
        self.counts["faults injected"] += (
            ended["killed"] or ended["status"] != 0 or bool(ended.get("troubles")) or ended.get("struck", False)
        )
        return ended

    def carry_on(self, stage: Stage, home: Path, what: str) -> None:
        """A plain round; then everything is as if nothing had happened."""
        ended = self.worker.run(**self.job(stage, home))
        if stage.action == "authorise" and "NOT-PAYABLE" in ended.get("error", "") + ended.get("code", ""):
            # It was paid before the fault struck; delivering what is owed is intake's.
            ended = self.worker.run(**self.job(stage, home) | {"action": "intake"})
        assert ended["status"] == 0 and not ended["troubles"], f"after {what}: {ended}\n{self.last_words()}"
        done = harm(state_of(Settings(**self.ground.settings(home)), home), stage.end)
        for name in ("files_lost", "rows_doubled", "receipts_missing"):
            self.counts[name.replace("_", " ")] += getattr(done, name)
        assert done.is_none, f"after {what}: {done}"
        self.ground.dropped(home)
        shutil.rmtree(home)

    def last_words(self) -> str:
        return self.worker.log.read_text()[-2000:] if self.worker.log.exists() else ""


def shuffled(numbers: range, chance: random.Random, most: int | None = None) -> list[int]:
    found = list(numbers)
    chance.shuffle(found)
    return found[:most]
