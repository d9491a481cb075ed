"""Prefect's server on a port that `ectx serve` already holds: whoever asks there is answered by this one or by none."""

import os
import socket
import sys
import time
from collections import deque
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlsplit

import uvicorn

from flows.service.kept import end_with_parent

# Prefect's server answers 503 where two of its writers met in SQLite, which is over at once; not told so, its client waits for two
# seconds before it asks again, and a file with it. Where it goes on, it is something else: the client's own waits, which double,
# are the better ones, for it asks six times in all.
RETRY_SECONDS = b"0.1"
MOST_SOON, SPELL_SECONDS = 2, 1.0


class OwnPagesOnly:
    """The pages stand in nobody's frame and talk to nobody but this server; `localhost` is led to the one origin that
    the API answers. Whoever is answered that the server is busy is told to ask again soon, for as long as few are."""

    def __init__(self, app: Any, pages: str) -> None:
        self._app, self._pages = app, pages
        self._busy: deque[float] = deque(maxlen=MOST_SOON + 1)
        policy = f"frame-ancestors 'none'; connect-src 'self' {pages} {pages.replace('http', 'ws', 1)}"
        self._headers = [
            (b"content-security-policy", policy.encode()),
            (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"no-referrer"),
        ]

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        if host.split(":")[0] == "localhost" and urlsplit(self._pages).hostname == "127.0.0.1":
            query = b"?" + scope["query_string"] if scope["query_string"] else b""
            there = self._pages + (scope["raw_path"] + query).decode("latin-1")
            await send({"type": "http.response.start", "status": 307, "headers": [(b"location", there.encode())]})
            await send({"type": "http.response.body", "body": b""})
            return

        async def sending(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                soon = [(b"retry-after", RETRY_SECONDS)] if message["status"] == 503 and self._is_rare() else []
                message["headers"] = [*message.get("headers", []), *self._headers, *soon]
            await send(message)

        await self._app(scope, receive, sending)

    def _is_rare(self) -> bool:
        """Whether the server was not found busy too often of late. It is found busy now."""
        self._busy.append(time.monotonic())
        return len(self._busy) <= MOST_SOON or self._busy[-1] - self._busy[0] > SPELL_SECONDS


def main(descriptor: int) -> None:
    """descriptor: of a listening socket, inherited."""
    os.environ["PREFECT__SERVER_FINAL"] = "1"  # nothing changes its settings once it runs
    from prefect.server.api.server import create_app

    end_with_parent()
    app = OwnPagesOnly(create_app(final=True), os.environ["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"])
    server = uvicorn.Server(uvicorn.Config(app, log_level="info"))
    server.run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main(int(sys.argv[1]))
