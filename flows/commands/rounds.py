"""The jobs, in a terminal: `ectx intake`, `statements`, `extracts`, `guidance`, `authorise`, `verify`, `housekeeping`."""

from typing import Annotated

import typer

from flows.commands.app import AsOf, app, id_of, run


@app.command()
def intake(as_of: AsOf = None) -> None:
    """Take and process every waiting file once, and deliver receipts."""
    run("INTAKE", "intake", as_of, {})


@app.command()
def statements(as_of: AsOf = None) -> None:
    """Settle what falls due, compute every statement not yet paid, deliver new versions."""
    run("STATEMENTS", "statements", as_of, {})


@app.command()
def extracts(
    as_of: AsOf = None,
    provider: Annotated[str | None, typer.Option(help="One lead provider, by slug, name or id.")] = None,
) -> None:
    """Deliver DfE's records as each lead provider may see them, and what changed since the last time."""
    run("EXTRACTS", "extracts", as_of, {"provider": provider}, provider=provider)


@app.command()
def guidance(as_of: AsOf = None) -> None:
    """Deliver the guidance of each lead provider, where something in it is new."""
    run("GUIDANCE", "guidance", as_of, {})


@app.command()
def authorise(
    statement_id: str,
    total: Annotated[str, typer.Option(help="What it comes to, VAT included, as last delivered: 1,234.50.")],
    as_of: AsOf = None,
) -> None:
    """Mark a payable statement paid, if it comes to what was last delivered and to what is typed; deliver its final version."""
    from templates.rendering import typed_pounds

    try:
        pounds = typed_pounds(total)
    except ValueError as error:
        raise typer.BadParameter(f"{total} is not an amount like 1,234.50") from error
    typed = {"statement_id": statement_id, "total": total}
    run("AUTHORISE", "authorise_statement", as_of, typed, statement_id=statement_id, total=pounds)


@app.command()
def verify(statement_id: Annotated[str | None, typer.Argument()] = None, as_of: AsOf = None) -> None:
    """Compute paid statements anew, all or one, and raise an alarm where a figure would not be as paid."""
    chosen = {"statement_id": id_of(statement_id) if statement_id else None}
    run("VERIFY", "verify_paid", as_of, chosen, **chosen)


@app.command()
def housekeeping(as_of: AsOf = None) -> None:
    """Remove uploads and receipts that have been kept long enough (ECTX_KEEP_DAYS). The audit trail stays."""
    run("HOUSEKEEPING", "housekeeping", as_of, {})
