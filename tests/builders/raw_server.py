"""A server of ours on a real socket, in a thread."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send

from app.web.kept_port import KeptPort
from app.web.server import Server, build_config

HEAD_S = 0.5
SLOW_S = 2.5  # longer than any head may take, the look once a second included


@dataclass
class Site:
    """A running server. `/slow` waits before it answers, `/early` answers before it has read the body, `/both` while."""

    server: Server
    port: int

    def connect(self, *pieces: bytes) -> socket.socket:
        """Return a connection that has sent these."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        for piece in pieces:
            client.sendall(piece)
        return client


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    body = b"ok"
    if scope["path"] == "/slow":
        await asyncio.sleep(SLOW_S)
    if scope["path"] == "/big":
        body = bytes(32 * 2**20)
    if scope["path"] == "/both":
        await asyncio.gather(_answer(send, bytes(32 * 2**20), more_body=True), _read(receive))
        await send({"type": "http.response.body"})
        return
    while scope["method"] == "POST" and scope["path"] != "/early" and (await receive()).get("more_body"):
        pass
    await _answer(send, body)


async def _answer(send: Send, body: bytes, *, more_body: bool = False) -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": more_body})


async def _read(receive: Receive) -> None:
    while (await receive()).get("more_body"):
        pass


@contextlib.contextmanager
def running(limit: int = 100, kept_port: KeptPort | None = None, **options: Any) -> Iterator[Site]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = build_config(application, lifespan="off", log_config=None, limit_concurrency=limit, **options)
        server = Server(config, HEAD_S, kept_port)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Site(server, listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive()
