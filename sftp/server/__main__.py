"""`python -m sftp.server SETTINGS`: serve on a socket that is inherited. SETTINGS: JSON, see sftp.server.running."""

import json
import logging
import os
import socket
import sys
from pathlib import Path

import paramiko

from sftp.accounts import Accounts
from sftp.server.bounds import Bounds
from sftp.server.child import Place
from sftp.server.journal import Journal
from sftp.server.parent import Parent


def main(told: str) -> None:
    settings = json.loads(told)
    os.umask(0o077)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    logging.getLogger("paramiko").disabled = True  # it would repeat what strangers say
    place = Place(
        mailboxes=Path(settings["mailboxes"]),
        accounts=Accounts(Path(settings["keys"])),
        keys=[paramiko.PKey.from_path(path) for path in settings["host_keys"]],
        journal=Journal(Path(settings["journal"])),
        bounds=Bounds(**settings["bounds"]),
    )
    Parent(socket.socket(fileno=settings["descriptor"]), place, Path(settings["logs"])).serve()


if __name__ == "__main__":
    main(sys.argv[1])
