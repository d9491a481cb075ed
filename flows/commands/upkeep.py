"""`ectx backup`, `restore`, `replay`."""

from pathlib import Path
from typing import Annotated

import typer

from flows.commands.app import AsOf, app, moment
from flows.errors import ExchangeError


@app.command()
def backup(folder: Path, as_of: AsOf = None) -> None:
    """Copy the embedded default to FOLDER while it runs; again into the same folder copies only what is new."""
    from flows.installation import open_installation
    from flows.upkeep.backup import backup as copy
    from flows.upkeep.backup import demand_real

    with open_installation() as installation:
        demand_real(installation)
        made = copy(installation, folder, moment(as_of))
    print(f"{folder}: {made['files']:,} files, {made['bytes']:,} bytes")


@app.command()
def restore(folder: Path) -> None:
    """Make an installation from a copy in FOLDER, in an ECTX_HOME that is empty. What was delivered is delivered again."""
    from flows.settings import Settings
    from flows.upkeep.restore import restore as put_back

    made = put_back(folder, Settings())
    print(f"Restored as of {made['made_at']}.")


@app.command()
def replay(
    extracts: Annotated[list[Path], typer.Argument(help="Every extract that was loaded, in order.")],
    to: Annotated[Path, typer.Option(help="A new folder, for the replay's own records.")],
) -> None:
    """Judge all stored uploads again on the starting records, apart from the real ones, and compare the end states."""
    from flows.installation import open_installation
    from flows.upkeep.backup import demand_real
    from flows.upkeep.replay import replay as judge_again
    from templates.loads import replay_report

    with open_installation() as installation:
        demand_real(installation)
        done = judge_again(installation, extracts, to)
    print(replay_report(done))
    if done.different:
        raise ExchangeError(
            "NOT-THE-SAME", f"{len(done.different)} tables differ.", f"The replay's records are in {to}."
        )
