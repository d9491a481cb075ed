"""Prefect's server on a port that `ectx serve` already holds: whoever asks there is answered by this one or by none."""

import os
import socket
import sys

import uvicorn

from flows.kept import end_with_parent


def main(descriptor: int) -> None:
    """descriptor: of a listening socket, inherited."""
    os.environ["PREFECT__SERVER_FINAL"] = "1"  # nothing changes its settings once it runs
    from prefect.server.api.server import create_app

    end_with_parent()
    server = uvicorn.Server(uvicorn.Config(create_app(final=True), log_level="info"))
    server.run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main(int(sys.argv[1]))
