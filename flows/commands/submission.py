"""`ectx submission`: files that wait to be judged, or could not be."""

from typing import Annotated

import typer

from flows.commands.app import AsOf, one_ledger, rehearsed, submission


@submission.command("list")
def submission_list() -> None:
    """Files that wait to be judged or could not be, the oldest first: ids and what is known, no names."""
    from flows.acts.submissions import listed

    with one_ledger() as installation:
        print("\n".join(listed(installation)) or "Nothing waits, and nothing is put aside.")


@submission.command("show")
def submission_show(submission_id: str) -> None:
    """What is known of one submission, and what was done with it."""
    from flows.acts.submissions import shown

    with one_ledger() as installation:
        print("\n".join(shown(installation, submission_id)))


@submission.command("retry")
def submission_retry(submission_id: str, as_of: AsOf = None) -> None:
    """Judge a file now that waits or is put aside, as of when it was received; its receipt replaces the one that it has."""
    from flows.acts.submissions import tried_again

    at = rehearsed(as_of)
    with one_ledger() as installation:
        print(tried_again(installation, submission_id, at))


@submission.command("set-aside")
def submission_set_aside(
    submission_id: str, reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")], as_of: AsOf = None
) -> None:
    """Put a file aside that cannot be judged: its sender gets a receipt that says so, and what lies behind it goes on."""
    from flows.acts.submissions import put_aside

    at = rehearsed(as_of)
    with one_ledger() as installation:
        print(put_aside(installation, submission_id, reason, at))
