"""`ectx records`: DfE’s records, in and out."""

from pathlib import Path
from typing import Annotated

import typer

from flows.commands.app import AsOf, records, rehearsed
from flows.errors import ExchangeError


@records.command("import")
def records_import(folder: Path, as_of: AsOf = None) -> None:
    """Load DfE's records from FOLDER (CSV or Parquet, a file a table), all of it or nothing; then bring the guidance up to date."""
    from data.records.extract import import_records
    from flows.installation import open_installation
    from flows.rounds.guidance import guidance_round
    from templates.loads import import_report
    from templates.operators import guidance_report

    at = rehearsed(as_of)
    with open_installation() as installation:
        if installation.is_practice:
            from flows.practice.mailboxes import demand_home

            demand_home(installation)
        imported = import_records(installation.database, folder, at)
        print(import_report(imported))
        if installation.is_practice:
            print("Practice mailboxes start from these records from now on: those in use after their next reset.csv.")
            return
        guidance = guidance_round(installation, rehearsed(as_of))
    print(guidance_report(guidance))
    if guidance.troubles:
        raise ExchangeError(
            "GUIDANCE", "The records are loaded; not all of the guidance is delivered.", "Run `ectx guidance`."
        )


@records.command("export")
def records_export(
    folder: Path, parquet: Annotated[bool, typer.Option(help="Parquet instead of CSV.")] = False
) -> None:
    """Write DfE's records to FOLDER, rows ordered by key."""
    from data.records.extract import export_records
    from flows.installation import open_installation

    with open_installation() as installation:
        counts = export_records(installation.database, folder, parquet)
    print("\n".join(f"{name}: {count:,} rows" for name, count in counts.items()))


@records.command("sample")
def records_sample(
    folder: Path, scale: Annotated[float, typer.Option(help="1 is the nation.", min=0.0)] = 0.01
) -> None:
    """Write a sample extract to FOLDER: always the same for the same scale, and nobody in it exists."""
    from data.sample.nation import write_sample

    counts = write_sample(folder, scale)
    print("\n".join(f"{name}: {count:,} rows" for name, count in counts.items()))
