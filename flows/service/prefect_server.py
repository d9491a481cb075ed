"""Prefect's server on a port that `ectx serve` already holds: whoever asks there is answered by this one or by none."""

import asyncio
import gc
import itertools
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, MutableMapping
from typing import Any
from urllib.parse import urlsplit

import uvicorn

from flows.service.kept import end_with_parent

# Prefect's server answers 503 where two of its writers met in SQLite, which is over at once: it is asked again here, this often, as
# its client would. That one would wait for two seconds, then four and more, and a file with it: that is for a server that goes on
# being busy, or finds out late that it is.
AGAIN_SECONDS = (0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.14, 0.16)
MOST_SECONDS = 1.5
COLLECT_SECONDS, ALL_OF_IT = 1.0, 60  # how often garbage is collected; every how many times all of it is
MOST_BYTES = 64 << 10  # of a question that is kept, to be asked again

Message = MutableMapping[str, Any]


class OwnPagesOnly:
    """The pages stand in nobody's frame and talk to nobody but this server; `localhost` is led to the one origin that
    the API answers. Whoever would be answered that the server is busy is answered a moment later."""

    def __init__(self, app: Any, pages: str) -> None:
        self._app, self._pages = app, pages
        policy = f"frame-ancestors 'none'; connect-src 'self' {pages} {pages.replace('http', 'ws', 1)}"
        self._headers = [
            (b"content-security-policy", policy.encode()),
            (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"no-referrer"),
        ]

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
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

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *self._headers]
            await send(message)

        if _may_be_kept(scope):
            await self._until_it_is_free(scope, receive, sending)
        else:
            await self._app(scope, receive, sending)

    async def _until_it_is_free(self, scope: Message, receive: Any, send: Any) -> None:
        """Ask, and again while the answer is that the server is busy; the last answer is passed on, whatever it is."""
        end, asked = time.monotonic() + MOST_SECONDS, [await receive()]
        while asked[-1].get("more_body"):
            asked.append(await receive())
        for wait in (*AGAIN_SECONDS, None):
            left, is_busy = iter(asked), False

            async def receiving(left: Iterator[Message] = left) -> Message:
                return next(left, None) or await receive()

            async def sending(message: Message, is_last: bool = wait is None) -> None:
                nonlocal is_busy
                if message["type"] == "http.response.start":
                    is_busy = message["status"] == 503 and not is_last and time.monotonic() < end
                if not is_busy:
                    await send(message)

            try:
                await self._app(dict(scope), receiving, sending)
            except Exception:  # what a server has answered for, it raises all the same
                if not is_busy:
                    raise
            if not is_busy or wait is None:
                return
            await asyncio.sleep(wait)


def _may_be_kept(scope: Message) -> bool:
    """Whether a question may change something, and is short: what only reads meets nobody. (Whoever asks for a token has it written
    down.)"""
    length = dict(scope["headers"]).get(b"content-length", b"")
    if scope["method"] in ("GET", "HEAD"):
        return bool(scope["path"].endswith("/csrf-token"))
    return length.isdigit() and int(length) <= MOST_BYTES


def _collect_elsewhere() -> None:
    """Python collects garbage wherever it happens to be; here in a thread that nobody waits for. A statement of SQLite's that is
    thrown away waits until its connection is free, and that may wait for a minute for another one to commit: which the thread
    that answers everybody has to tell it to. So it was that thread that waited, and everybody with it. What is there when it is
    called is there for good and never looked through again: while it is (a quarter of a second), no thread goes on."""
    gc.collect()
    gc.freeze()
    gc.disable()

    def collect() -> None:
        for times in itertools.count(1):
            time.sleep(COLLECT_SECONDS)
            gc.collect(2 if times % ALL_OF_IT == 0 else 1)

    threading.Thread(target=collect, name="garbage", daemon=True).start()


def main(descriptor: int) -> None:
    """descriptor: of a listening socket, inherited."""
    os.environ["PREFECT__SERVER_FINAL"] = "1"  # nothing changes its settings once it runs
    from prefect.server.api.server import create_app

    end_with_parent()
    app = OwnPagesOnly(create_app(final=True), os.environ["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"])
    _collect_elsewhere()
    server = uvicorn.Server(uvicorn.Config(app, log_level="info"))
    server.run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main(int(sys.argv[1]))
