"""What comes out now against what was delivered, figure by figure."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from flows.installation import Installation
from schemas.outbound.files import SentFile
from schemas.outbound.statements import DECLARATIONS, PARTNERS, STATEMENT
from templates.folders import digest
from transforms.money.computing import Computed

# The files whose figures are compared.
COMPARED = (STATEMENT, DECLARATIONS, PARTNERS)


@dataclass(frozen=True)
class Delivered:
    """A version as it was delivered: whose, where, and the SHA-256 of its manifest."""

    statement_id: str
    lead_provider_id: str
    path: str
    sha256: str


@dataclass(frozen=True)
class Compared:
    """different: what money would come out differently, a line a file; moved_on: files in which only names, states and the like
    would."""

    different: list[str]
    moved_on: int = 0


def compared(installation: Installation, version: Delivered, computed: Computed) -> Compared:
    """A version against what is computed now."""
    folder = installation.outbox / version.lead_provider_id / version.path
    manifest, own_rows = folder / "manifest.json", pl.col("statement_id") == version.statement_id
    if not manifest.is_file() or digest(manifest) != version.sha256:
        return Compared(["manifest.json is not the one that was delivered"])
    different, moved_on = [], 0
    for file in COMPARED:
        rows = computed.tables[file.name].filter(own_rows).select(file.columns)
        what = _compared(folder / f"{file.name}.csv", rows, file)
        if what:
            different.append(what)
        moved_on += what is None
    return Compared(different, moved_on)


def _compared(path: Path, rows: pl.DataFrame, file: SentFile) -> str | None:
    """'' when the bytes are the same, None when only details differ, else what money differs."""
    if not path.is_file():
        return f"{path.name} is gone"
    if path.read_bytes() == rows.write_csv().encode():
        return ""
    columns = [*file.key, *file.figures]
    before = pl.read_csv(path, infer_schema=False).select(columns)
    now = rows.select(pl.col(column).cast(pl.String) for column in columns)
    gone, new = (
        one.join(other, on=columns, how="anti", nulls_equal=True) for one, other in ((before, now), (now, before))
    )
    if gone.is_empty() and new.is_empty():
        return None
    first = "; ".join([*_shown(gone, "was"), *_shown(new, "would be")][:FIGURES_SHOWN])
    return f"{path.name}: {max(gone.height, new.height)} rows would come out differently today ({first})"


FIGURES_SHOWN = 4


def _shown(rows: pl.DataFrame, word: str) -> list[str]:
    """The first rows as they were, or would be: ids and figures, nothing personal."""
    told = rows.head(FIGURES_SHOWN // 2).iter_rows()
    return [f"{word} {' '.join(str(cell) for cell in row if cell is not None)}" for row in told]
