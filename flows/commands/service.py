"""This machine as the service: `ectx serve`, `prefect`, `demo`, and what OpenSSH and providers are told."""

import os
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.commands.app import app, founded
from flows.errors import ExchangeError


@app.command()
def serve() -> None:
    """This machine as the whole service: SFTP server, scheduled flows, operators' pages. Ctrl-C stops it."""
    from flows.service.services import services, stop_signals

    with stop_signals() as stopped, founded() as installation:
        _serve_until(stopped, installation, services)


def _serve_until(stopped: threading.Event, installation: Any, services: Any) -> None:
    from flows.service.signing_in import how_to_sign_in

    with services(installation, installation.settings.sftp_port) as running:
        if installation.is_practice:
            from templates.practice import WORDS

            print(WORDS)
        here = f"{running.sftp_host} port {running.sftp_port}, host key {running.fingerprint}"
        print(f"SFTP            {here if running.sftp_port else installation.settings.mailboxes}")
        print(f"Operators       {running.pages}")
        print(f"Sign in with    {how_to_sign_in(installation.settings)}")
        print("Press Ctrl-C to stop.", flush=True)
        stopped.wait()
        print("Stopping.", flush=True)


@app.command()
def worker(
    limit: Annotated[int, typer.Option(min=1, help="Runs at once; as many as it has cores.")] = os.cpu_count() or 1,
) -> None:
    """This machine as a worker of the service whose API is PREFECT_API_URL. Ctrl-C stops it."""
    _hand_over("flows.workers.worker", str(limit))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def prefect(context: typer.Context) -> None:
    """Prefect's own command, signed in to the operators' service: `ectx prefect deploy --all`."""
    _hand_over("prefect", *context.args)


def _hand_over(module: str, *arguments: str) -> None:
    """Go on as another program that knows where the service is, and is signed in. Raises ExchangeError (NO-SERVICE)."""
    from flows.place import PROJECT
    from flows.service.reached import api_of_running_service, prefect_environment
    from flows.settings import Settings

    settings = Settings()
    api_url = api_of_running_service(settings)
    if api_url is None:
        raise ExchangeError(
            "NO-SERVICE",
            "No service runs on this home.",
            "Run `ectx serve`, or set PREFECT_API_URL and ECTX_UI_SECRET.",
        )
    if module != "prefect":
        os.chdir(PROJECT)
    os.execve(sys.executable, [sys.executable, "-m", module, *arguments], prefect_environment(settings, api_url))


@app.command()
def demo(
    keep: Annotated[bool, typer.Option(help="Leave everything running until Ctrl-C.")] = False,
    folder: Annotated[Path, typer.Option(help="Where the demo lives; emptied first.")] = Path(".ectx/demo"),
) -> None:
    """The main job end to end on sample records, over real SFTP, with the operators' pages."""
    from flows.commands.demo import run_demo

    run_demo(folder, keep)


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
        if installation.is_practice:
            raise ExchangeError(
                "PRACTICE", "Practice has its own SFTP server, in `ectx serve`.", "OpenSSH is for a real service."
            )
        users = write_sshd_config(installation, folder)
    print(
        f"{folder}: written for {', '.join(users)}. Run setup.sh as root, then `sshd -f` on sshd_config's absolute path."
    )
