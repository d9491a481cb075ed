"""`ectx`: every command. Each opens the installation, does one thing, says what it did."""

import gc
import io
import logging
import os
import sys

import typer
import typer.exceptions

# Each registers its commands when it is read.
from flows.commands import acts, check, key, provider, records, rounds, service, submission, upkeep
from flows.commands.app import app

# Objects before Python looks for garbage among them: modules bring a hundred thousand and more, all to stay.
YOUNG = 50_000

__all__ = ["acts", "check", "key", "main", "provider", "records", "rounds", "service", "submission", "upkeep"]


def main() -> None:
    """Exit 0 when the work was done, 1 when it could not be, 2 for wrong usage; the reason in one line on stderr."""
    gc.set_threshold(YOUNG)
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
    except Exception as error:
        sys.exit(_told(error))


def _told(error: Exception) -> int:
    """Say what went wrong, in a line without a trace, and give the exit status; raises what people can do nothing about."""
    from schemas.showing import shown

    if isinstance(error, _loaded(("pydantic", "ValidationError"))):
        told = "; ".join(f"ECTX_{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors())  # type: ignore[attr-defined]
        print(f"ectx: a setting is not right: {shown(told, 1000)}", file=sys.stderr)
        return 2
    if isinstance(error, _loaded(*_OURS)):  # what comes from elsewhere moves no cursor
        said = "\n".join(shown(line, 4000) for line in str(error).splitlines())
        print(f"ectx: {said}", file=sys.stderr)
        return 1
    if isinstance(error, ModuleNotFoundError):
        print(
            f"ectx: {error.name} is not installed: `pip install .` brings `ectx check` alone, `make install` all.",
            file=sys.stderr,
        )
        return 1
    if isinstance(error, OSError):
        where = f"{error.filename or chr(63)}: {error.strerror or type(error).__name__}"
        print(f"ectx: {shown(where, 1000)}", file=sys.stderr)
        return 1
    raise error


_OURS = (
    ("flows.errors", "ExchangeError"),
    ("schemas.records.checks", "ExtractRefused"),
    ("sftp.accounts", "KeyRefused"),
    ("sftp.mailbox", "MailboxError"),
)


def _loaded(*named: tuple[str, str]) -> tuple[type, ...]:
    """Those of these classes whose modules are loaded: `ectx check` runs where most of them cannot be."""
    return tuple(getattr(sys.modules[module], name) for module, name in named if module in sys.modules)
