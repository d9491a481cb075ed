"""`ectx`: every command. Each opens the installation, does one thing, says what it did."""

import io
import logging
import os
import sys

import typer
import typer.exceptions

# Each registers its commands when it is read.
from flows.commands import acts, key, provider, records, rounds, service, submission, upkeep
from flows.commands.app import app
from flows.errors import ExchangeError

__all__ = ["acts", "key", "main", "provider", "records", "rounds", "service", "submission", "upkeep"]


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
