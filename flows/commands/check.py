"""`ectx check`: what would become of a file, before it is sent."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.app import AsOf, app, moment


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Files as they would be sent: declarations.csv.")],
    extract: Annotated[Path | None, typer.Option(help="A delivered full set: from-dfe/extracts/full.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    write: Annotated[
        bool, typer.Option("--write", help="NAME.rejected.csv beside each file, of the rows to put right.")
    ] = False,
    as_of: AsOf = None,
) -> int:
    """Judge files before they are sent, as far as can be told. Status 0: clean; 1: something would be rejected; 2: could not."""
    from flows.commands.checking import CannotCheck, check_file, read_extract
    from templates.checked import checked_report
    from templates.folders import write as write_whole

    now = moment(as_of)
    try:
        known = read_extract(extract, now) if extract else None
        if known and known.is_practice and as_of is None:
            now = known.as_of  # where the clock of practice stands
        found = [check_file(path, known, now) for path in files]
    except CannotCheck as error:
        print(f"ectx: {error}", file=sys.stderr)
        return 2
    if write:
        for each in found:
            if each.back is not None:
                write_whole(each.path.with_name(f"{each.path.stem}.rejected.csv"), each.back)
    warnings = known.warnings if known else []
    if as_json:
        said = {
            "files": [each.told for each in found],
            "extract_as_of": known.as_of.isoformat().replace("+00:00", "Z") if known else None,
            "warnings": warnings,
        }
        print(json.dumps(said, ensure_ascii=False))
    else:
        print(checked_report([each.told for each in found], known.as_of if known else None, warnings))
    return 0 if all(each.is_clean for each in found) else 1
