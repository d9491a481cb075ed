"""`ectx`: the commands of interface section 7. Each opens the house, does one thing, says what it did."""

import io
import logging
import os
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.exceptions

from flows.errors import ExchangeError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="ECT file exchange.")
records = typer.Typer(no_args_is_help=True, help="DfE's records, in and out.")
provider = typer.Typer(no_args_is_help=True, help="Lead providers' mailboxes and keys.")
key = typer.Typer(no_args_is_help=True, help="Public keys of a mailbox.")
submission = typer.Typer(no_args_is_help=True, help="Files that wait to be judged, or could not be.")
app.add_typer(submission, name="submission")
app.add_typer(records, name="records")
app.add_typer(provider, name="provider")
provider.add_typer(key, name="key")

AsOf = Annotated[str | None, typer.Option(help="Act as at this instant, for example 2026-01-10T09:30:00Z.")]


def main() -> None:
    """Exit 0 when the work was done, 1 when it could not be, 2 for wrong usage; the reason in one line on stderr."""
    from pydantic import ValidationError

    from schemas.records.checks import ExtractRefused
    from schemas.showing import shown
    from sftp.accounts import KeyRefused
    from sftp.mailbox import MailboxError

    os.umask(0o077)  # what we make is for this user alone
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a sign shows another
    logging.basicConfig(level=os.environ.get("ECTX_LOG_LEVEL", "WARNING"), format="%(asctime)s %(name)s %(message)s")
    try:
        code = app(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except typer.Abort:
        sys.exit(1)
    except typer.exceptions.TyperException as error:
        if text := error.format_message():
            print(f"ectx: {text} Try `ectx --help`.", file=sys.stderr)
        else:
            print("ectx: name a command.", file=sys.stderr)
        sys.exit(2)
    except ValidationError as error:
        told = "; ".join(f"ECTX_{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors())
        print(f"ectx: a setting is not right: {shown(told, 1000)}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(
            f"ectx: {shown(f'{error.filename or chr(63)}: {error.strerror or type(error).__name__}', 1000)}",
            file=sys.stderr,
        )
        sys.exit(1)
    except (ExchangeError, ExtractRefused, KeyRefused, MailboxError) as error:
        said = "\n".join(
            shown(line, 4000) for line in str(error).splitlines()
        )  # what comes from elsewhere moves no cursor
        print(f"ectx: {said}", file=sys.stderr)
        sys.exit(1)


def _moment(as_of: str | None) -> Any:
    """The instant given, or now."""
    from flows.clock import instant

    return _rehearsed(as_of) or instant()


def _rehearsed(as_of: str | None) -> Any:
    """The instant given, or None."""
    from flows.clock import rehearsed

    try:
        return rehearsed(as_of)
    except ValueError as error:
        raise typer.BadParameter(f"{as_of} is not an instant like 2026-01-10T09:30:00Z") from error


@records.command("import")
def records_import(folder: Path, as_of: AsOf = None) -> None:
    """Load DfE's records from FOLDER (CSV or Parquet, a file a table), all of it or nothing."""
    from data.records.extract import import_records
    from flows.installation import open_installation
    from templates.loads import import_report

    moment = _moment(as_of)
    with open_installation() as installation:
        imported = import_records(installation.database, folder, moment)
    print(import_report(imported))


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


@app.command()
def intake(as_of: AsOf = None) -> None:
    """Take and process every waiting file once, and deliver receipts."""
    from flows.installation import open_installation
    from flows.rounds.intake import intake_round
    from templates.operators import intake_report

    _moment(as_of)
    if _through_prefect():
        from flows.deployed import intake as flow

        flow(as_of)
        return
    with open_installation() as installation:
        done = intake_round(installation, _rehearsed(as_of))
        names = {each.lead_provider_id: each.name for each in installation.lead_providers()}
    print(intake_report(done, names))
    if done.troubles:
        raise ExchangeError("TROUBLE", f"{len(done.troubles)} things went wrong:", "; ".join(done.troubles))


@app.command()
def statements(as_of: AsOf = None) -> None:
    """Settle what falls due, compute every statement not yet paid, deliver new versions."""
    from flows.installation import open_installation
    from flows.rounds.statements import statements_round
    from templates.operators import grouped, statements_report

    _moment(as_of)
    if _through_prefect():
        from flows.deployed import statements as flow

        flow(as_of)
        return
    with open_installation() as installation:
        done = statements_round(installation, _rehearsed(as_of))
        names = {each.lead_provider_id: each.name for each in installation.lead_providers()}
    print(statements_report(done, names))
    troubles = [*grouped(done.held_back), *done.troubles, *done.intake.troubles]
    if troubles:
        raise ExchangeError("TROUBLE", f"{len(troubles)} things went wrong:", "; ".join(troubles))


@app.command()
def authorise(
    statement_id: str,
    total: Annotated[str, typer.Option(help="What it comes to, VAT included, as last delivered: 1,234.50.")],
    as_of: AsOf = None,
) -> None:
    """Mark a payable statement paid, if it comes to what was last delivered and to what is typed; deliver its final version."""
    from flows.acts.authorise import authorise as authorise_statement
    from flows.installation import open_installation
    from templates.rendering import typed_pounds

    try:
        typed = typed_pounds(total)
    except ValueError as error:
        raise typer.BadParameter(f"{total} is not an amount like 1,234.50") from error
    moment = _rehearsed(as_of)
    with open_installation() as installation:
        statement, path = authorise_statement(installation, statement_id.lower(), typed, installation.now(moment))
    print(f"Paid: £{statement.total:,.2f}, VAT included, for {statement.facts['lead_provider_name']}: {path}")


@submission.command("list")
def submission_list() -> None:
    """Files that wait to be judged or could not be, the oldest first: ids and what is known, no names."""
    from flows.acts.submissions import listed
    from flows.installation import open_installation

    with open_installation() as installation:
        print("\n".join(listed(installation)) or "Nothing waits, and nothing is put aside.")


@submission.command("show")
def submission_show(submission_id: str) -> None:
    """What is known of one submission, and what was done with it."""
    from flows.acts.submissions import shown
    from flows.installation import open_installation

    with open_installation() as installation:
        print("\n".join(shown(installation, submission_id)))


@submission.command("retry")
def submission_retry(submission_id: str, as_of: AsOf = None) -> None:
    """Judge a file now that waits or is put aside, as of when it was received; its receipt replaces the one that it has."""
    from flows.acts.submissions import tried_again
    from flows.installation import open_installation

    moment = _rehearsed(as_of)
    with open_installation() as installation:
        print(tried_again(installation, submission_id, moment))


@submission.command("set-aside")
def submission_set_aside(
    submission_id: str, reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")], as_of: AsOf = None
) -> None:
    """Put a file aside that cannot be judged: its sender gets a receipt that says so, and what lies behind it goes on."""
    from flows.acts.submissions import put_aside
    from flows.installation import open_installation

    moment = _rehearsed(as_of)
    with open_installation() as installation:
        print(put_aside(installation, submission_id, reason, moment))


@app.command()
def payments(
    month: str, to: Annotated[Path | None, typer.Option(help="Write to this file instead of standard output.")] = None
) -> None:
    """A month's payment schedule (YYYY-MM): payable and paid statements of all lead providers, with control totals."""
    from flows.acts.payments import payment_schedule
    from flows.installation import open_installation
    from templates.folders import write

    with open_installation() as installation:
        schedule = payment_schedule(installation, month).write_csv(None)
    if to:
        write(to, schedule)
        print(f"{schedule.count(chr(10)) - 4:,} statements: {to}")
    else:
        print(schedule, end="")


@app.command()
def verify(statement_id: Annotated[str | None, typer.Argument()] = None, as_of: AsOf = None) -> None:
    """Compute paid statements anew, all or one, and raise an alarm where a figure would not be as paid."""
    from flows.installation import open_installation
    from flows.upkeep.verify import verify as verify_paid
    from templates.operators import verify_report

    with open_installation() as installation:
        done = verify_paid(installation, _moment(as_of), _record_id(statement_id) if statement_id else None)
    print(verify_report(done))
    if done.alarms:
        raise ExchangeError(
            "NOT-AS-PAID", f"{len(done.alarms)} differences.", "What was paid stands: ask why records changed."
        )


@app.command()
def void(
    declaration_id: str,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")],
    as_of: AsOf = None,
) -> None:
    """Void a declaration for DfE, or claw it back where it was paid; the providers' rules hold."""
    from flows.acts.void import void as void_declaration
    from flows.installation import open_installation

    moment = _moment(as_of)
    with open_installation() as installation:
        print(void_declaration(installation, _record_id(declaration_id), reason, moment))


@app.command()
def adjustments(file: Path, as_of: AsOf = None) -> None:
    """Add the adjustments of a CSV FILE (statement_id, payment_type, amount) to statements: all of them or none."""
    from flows.acts.adjust import add_adjustments
    from flows.installation import open_installation
    from templates.rendering import pounds

    moment = _moment(as_of)
    with open_installation() as installation:
        done = add_adjustments(installation, file, moment)
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
    from flows.installation import open_installation

    with open_installation() as installation, installation.database.read() as reader:
        print("\n".join(tell(reader, _record_id(record_id), with_reasons)))


@app.command()
def housekeeping(as_of: AsOf = None) -> None:
    """Remove uploads and receipts that have been kept long enough (ECTX_KEEP_DAYS). The audit trail stays."""
    from flows.installation import open_installation
    from flows.upkeep.housekeeping import housekeeping as keep
    from templates.operators import keeping_report

    _moment(as_of)
    if _through_prefect():
        from flows.deployed import housekeeping as flow

        flow(as_of)
        return
    with open_installation() as installation:
        done = keep(installation, _moment(as_of))
        names = {each.lead_provider_id: each.name for each in installation.lead_providers()}
    print(keeping_report(done, names))
    if done.troubles:
        raise ExchangeError("TROUBLE", f"{len(done.troubles)} things went wrong:", "; ".join(done.troubles))


@app.command()
def backup(folder: Path, as_of: AsOf = None) -> None:
    """Copy the embedded default to FOLDER while it runs; again into the same folder copies only what is new."""
    from flows.installation import open_installation
    from flows.upkeep.backup import backup as copy

    with open_installation() as installation:
        made = copy(installation, folder, _moment(as_of))
    print(f"{folder}: {made['files']:,} files, {made['bytes']:,} bytes")


@app.command()
def restore(folder: Path) -> None:
    """Make an installation from a copy in FOLDER, in an ECTX_HOME that is empty. What was delivered is delivered again."""
    from flows.settings import Settings
    from flows.upkeep.backup import restore as put_back

    made = put_back(folder, Settings())
    print(f"Restored as of {made['made_at']}.")


@app.command()
def replay(
    extracts: Annotated[list[Path], typer.Argument(help="Every extract that was loaded, in order.")],
    to: Annotated[Path, typer.Option(help="A new folder, for the replay's own records.")],
) -> None:
    """Judge all stored uploads again on the starting records, apart from the real ones, and compare the end states."""
    from flows.installation import open_installation
    from flows.upkeep.replay import replay as judge_again
    from templates.loads import replay_report

    with open_installation() as installation:
        done = judge_again(installation, extracts, to)
    print(replay_report(done))
    if done.different:
        raise ExchangeError(
            "NOT-THE-SAME", f"{len(done.different)} tables differ.", f"The replay's records are in {to}."
        )


def _record_id(text: str) -> str:
    import uuid

    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise typer.BadParameter(f"{text} is not an id") from error


def _through_prefect() -> bool:
    """Whether a Prefect server is there to record the run. Without one a round needs none, and is quicker."""
    from flows.service.services import api_of_running_service, prefect_environment
    from flows.settings import Settings

    settings = Settings()
    api_url = api_of_running_service(settings)
    if api_url is None:
        return False
    os.environ.update(prefect_environment(settings, api_url))
    return True


@app.command()
def serve() -> None:
    """This machine as the whole service: SFTP server, scheduled flows, operators' pages. Ctrl-C stops it."""
    from flows.installation import open_installation
    from flows.service.services import services, stop_signals

    with stop_signals() as stopped, open_installation() as installation:
        _serve_until(stopped, installation, services)


def _serve_until(stopped: threading.Event, installation: Any, services: Any) -> None:
    from flows.service.signing_in import how_to_sign_in

    with services(installation, installation.settings.sftp_port) as running:
        print(f"SFTP            {running.sftp_host} port {running.sftp_port}, host key {running.fingerprint}")
        print(f"Operators       {running.pages}")
        print(f"Sign in with    {how_to_sign_in(installation.settings)}")
        print("Press Ctrl-C to stop.", flush=True)
        stopped.wait()
        print("Stopping.", flush=True)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def prefect(context: typer.Context) -> None:
    """Prefect's own command, signed in to the operators' service: `ectx prefect deploy --all`."""
    from flows.service.services import api_of_running_service, prefect_environment
    from flows.settings import Settings

    settings = Settings()
    api_url = api_of_running_service(settings)
    if api_url is None:
        raise ExchangeError(
            "NO-SERVICE",
            "No service runs on this home.",
            "Run `ectx serve`, or set PREFECT_API_URL and ECTX_UI_SECRET.",
        )
    command = [sys.executable, "-m", "prefect", *context.args]
    os.execve(sys.executable, command, prefect_environment(settings, api_url))


@app.command()
def demo(
    keep: Annotated[bool, typer.Option(help="Leave everything running until Ctrl-C.")] = False,
    folder: Annotated[Path, typer.Option(help="Where the demo lives; emptied first.")] = Path(".ectx/demo"),
) -> None:
    """The main job end to end on sample records, over real SFTP, with the operators' pages."""
    from flows.commands.demo import run_demo

    run_demo(folder, keep)


@provider.command("add")
def provider_add(
    name: str,
    key_file: Annotated[Path | None, typer.Option("--key", help="The provider's public key (.pub file).")] = None,
    checksum_always: Annotated[bool, typer.Option(help="Every file waits for its .sha256.")] = False,
) -> None:
    """Make a lead provider's mailbox, and let the holder of a key in. NAME: slug, name or id in the records."""
    from flows.installation import open_installation

    with open_installation() as installation:
        whose = installation.lead_provider(name)
        if key_file:
            _warn_of_others(
                installation.accounts, whose.slug, installation.accounts.add_key(whose.slug, _read_key(key_file))
            )
        else:
            installation.accounts.allow(whose.slug)
        installation.accounts.want_checksums(whose.slug, checksum_always)
        installation.mailbox(whose.slug)
    print(f"{whose.name}: user {whose.slug}")


def _read_key(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ExchangeError("NO-KEY", f"{path} cannot be read.", "Give the .pub file of an ed25519 key.") from error


def _warn_of_others(accounts: Any, slug: str, key: Any) -> None:
    """One key for two providers may be meant, where one firm serves both; it may be a slip, too."""
    others = [name for name in accounts.names() if name != slug and accounts.allows(name, key.fingerprint)]
    if others:
        print(f"ectx: this key opens {', '.join(others)} too: is that meant?", file=sys.stderr)


@provider.command("list")
def provider_list() -> None:
    """Lead providers, their users and the fingerprints of their keys."""
    from flows.installation import open_installation

    with open_installation() as installation:
        allowed = set(installation.accounts.names())
        for whose in installation.lead_providers():
            keys = [f"{each.fingerprint} {each.comment}".strip() for each in installation.accounts.keys(whose.slug)]
            state = ", ".join(keys) or ("no key yet" if whose.slug in allowed else "no login")
            print(f"{whose.slug}\t{whose.name}\t{state}")
        for gone in sorted(allowed - {whose.slug for whose in installation.lead_providers()}):
            keys = [each.fingerprint for each in installation.accounts.keys(gone)]
            told = ", ".join(keys) or "no key"
            print(f"{gone}\tnot in DfE's records: shut out by `ectx provider remove {gone}`\t{told}")


@provider.command("remove")
def provider_remove(name: str) -> None:
    """Shut a lead provider out. The mailbox and what lies in it stay."""
    from flows.installation import open_installation

    with open_installation() as installation:
        account = installation.account(name)
        if not installation.accounts.remove(account):
            raise ExchangeError("NO-ACCOUNT", f"{account} has no login.", "See `ectx provider list`.")
    print(f"{account}: logins removed; the mailbox stays")


@key.command("add")
def key_add(name: str, key_file: Path) -> None:
    """Let the holder of another key in, from the next login on. Keys: ed25519, or RSA of 3,072 bits or more."""
    from flows.installation import open_installation

    with open_installation() as installation:
        whose = installation.lead_provider(name)
        added = installation.accounts.add_key(whose.slug, _read_key(key_file))
        _warn_of_others(installation.accounts, whose.slug, added)
    print(f"{whose.slug}: {added.fingerprint}")


@key.command("list")
def key_list(name: str) -> None:
    """The fingerprints of a provider's keys."""
    from flows.installation import open_installation

    with open_installation() as installation:
        keys = installation.accounts.keys(installation.account(name))
    print("\n".join(f"{each.fingerprint} {each.comment}".strip() for each in keys) or "no key yet")


@key.command("rotate")
def key_rotate(name: str, key_file: Path) -> None:
    """Let one new key in and shut all others out, at once: connections with an old key are ended."""
    from flows.installation import open_installation

    with open_installation() as installation:
        whose = installation.lead_provider(name)
        added, gone = installation.accounts.rotate(whose.slug, _read_key(key_file))
    print("\n".join([f"{whose.slug}: {added.fingerprint}", *(f"removed {each.fingerprint}" for each in gone)]))


@key.command("revoke")
@key.command("remove", hidden=True)
def key_revoke(name: str, fingerprint: str) -> None:
    """Shut one key out, by its fingerprint: connections with it are ended."""
    from flows.installation import open_installation

    with open_installation() as installation:
        account = installation.account(name)
        if not installation.accounts.remove_key(account, fingerprint):
            raise ExchangeError("NO-KEY", f"{account} has no key {fingerprint}.", "See `ectx provider key list`.")
    print(f"{account}: removed {fingerprint}")


@app.command("host-key")
def host_key(host: Annotated[str, typer.Argument(help="As providers call this machine.")] = "") -> None:
    """The SFTP server's fingerprints (ed25519, then RSA), each with the line that pins it in a provider's known_hosts."""
    from flows.settings import Settings
    from sftp.keys import host_keys, known_hosts_line

    settings = Settings()
    for found in host_keys(settings.home):
        print(found.fingerprint)
        print(known_hosts_line(host or settings.sftp_host, settings.sftp_port, found))


@app.command("sshd-config")
def sshd_config(folder: Path) -> None:
    """Write FOLDER/sshd_config and FOLDER/setup.sh: OpenSSH in place of the embedded server, for the same providers."""
    from flows.installation import open_installation
    from flows.service.sshd import write_sshd_config

    with open_installation() as installation:
        users = write_sshd_config(installation, folder)
    print(
        f"{folder}: written for {', '.join(users)}. Run setup.sh as root, then `sshd -f` on sshd_config's absolute path."
    )
