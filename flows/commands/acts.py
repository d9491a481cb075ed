"""What DfE does by hand, and asks: payments, void, adjustments, history."""

from pathlib import Path
from typing import Annotated

import typer

from flows.commands.app import AsOf, app, id_of, one_ledger, rehearsed


@app.command()
def payments(
    month: str, to: Annotated[Path | None, typer.Option(help="Write to this file instead of standard output.")] = None
) -> None:
    """A month's payment schedule (YYYY-MM): payable and paid statements of all lead providers, with control totals."""
    from flows.acts.payments import payment_schedule
    from templates.folders import write

    with one_ledger() as installation:
        schedule = payment_schedule(installation, month).write_csv(None)
    if to:
        write(to, schedule)
        print(f"{schedule.count(chr(10)) - 4:,} statements: {to}")
    else:
        print(schedule, end="")


@app.command()
def void(
    declaration_id: str,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")],
    as_of: AsOf = None,
) -> None:
    """Void a declaration for DfE, or claw it back where it was paid; the providers' rules hold."""
    from flows.acts.void import void as void_declaration

    at = rehearsed(as_of)
    with one_ledger() as installation:
        print(void_declaration(installation, id_of(declaration_id), reason, at))


@app.command()
def adjustments(file: Path, as_of: AsOf = None) -> None:
    """Add the adjustments of a CSV FILE (statement_id, payment_type, amount) to statements: all of them or none."""
    from flows.acts.adjust import add_adjustments
    from templates.rendering import pounds

    at = rehearsed(as_of)
    with one_ledger() as installation:
        done = add_adjustments(installation, file, installation.now(at))
        names = {each.lead_provider_id: each.name for each in installation.lead_providers()}
    if done.was_there:
        print("This file has been added before: nothing to do.")
        return
    for owner, count, amount in done.sums:
        print(f"{names[owner]}: {count:,} {'adjustment' if count == 1 else 'adjustments'}, {pounds(amount)} in all")


@app.command()
def history(
    record_id: str,
    with_reasons: Annotated[
        bool, typer.Option(help="Reasons of deferrals and withdrawals too: personal data.")
    ] = False,
) -> None:
    """The story of a participant or a declaration, by its id: who changed what, when, by which file and row."""
    from flows.acts.history import history as tell

    with one_ledger() as installation, installation.database.read() as reader:
        print("\n".join(tell(reader, id_of(record_id), with_reasons)))
