"""How the three web processes serve: uvicorn, and what it does not bound by itself.

uvicorn waits without end for the head of a request, for the rest of a body that has been answered already, and for a
client that does not read; a few hundred sockets that drip bytes would hold a server. Here a look at all connections
once a second closes those. It costs requests nothing: no timer is set and nothing is noted while one is served.
"""

import resource
import time
from math import inf
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

STALLED_S: Final = 60.0  # a client that takes nothing of its answer for so long has gone
HEAD_BYTES: Final = 16 * 1024
MAX_CONNECTIONS: Final = 2048
TICKS: Final = 10  # uvicorn ticks ten times a second


class HeadLimit(HttpToolsProtocol):
    """uvicorn's fast protocol with a limit to what it keeps of a head that is not complete; it has none."""

    _n_head_bytes = 0
    n_body_bytes = 0  # of all requests, roughly: tells whether anything came

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        super().data_received(data)
        # Each message begins with a scope of its own, which its cycle takes over when the head is complete.
        if self.scope is None or (self.cycle is not None and self.scope is self.cycle.scope):
            self._n_head_bytes = 0
            self.n_body_bytes += len(data)
            return
        self._n_head_bytes += len(data)
        if self._n_head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
            self.transport.close()


class Server(uvicorn.Server):
    """Closes connections that have been waiting for a request or a reader for too long.

    `head_s` is how long a connection may go without a whole request head: after it was opened, after the first byte of
    a further request, and while the rest of a body comes that nobody reads any more. Kept-alive ones without a byte
    are uvicorn's matter, unless the server is full.
    """

    def __init__(self, config: uvicorn.Config, head_s: float) -> None:
        super().__init__(config)
        self._head_s = head_s
        # By connection: what it looked like, and since when it has looked so.
        self._since: dict[Any, tuple[tuple[object, ...], float]] = {}

    async def on_tick(self, counter: int) -> bool:
        """See uvicorn.Server."""
        if counter % TICKS == 0:
            self._look(time.monotonic())
        return await super().on_tick(counter)

    def _look(self, now: float) -> None:
        since: dict[Any, tuple[tuple[object, ...], float]] = {}
        connections: list[Any] = list(self.server_state.connections)
        # Full: who says nothing, kept alive or not, makes room for who does.
        is_full = len(connections) >= (self.config.limit_concurrency or inf)
        head_s = min(self._head_s, 1.0) if is_full else self._head_s
        for connection in connections:
            n_unsent = connection.transport.get_write_buffer_size()
            is_answered = connection.cycle is None or connection.cycle.response_complete
            is_idle = is_answered and not n_unsent and connection.timeout_keep_alive_task is not None
            if (is_idle and not is_full) or not (is_answered or n_unsent):
                continue
            # Who still sends a body may leave the answer to its rows for later. h11, at the panel, does not tell.
            is_sending = not is_answered and connection.cycle.more_body
            shape = (connection.cycle, n_unsent, getattr(connection, "n_body_bytes", 0) if is_sending else 0)
            seen = self._since.get(connection)
            begun = seen[1] if seen is not None and seen[0] == shape else now
            if now - begun >= (STALLED_S if n_unsent else head_s):
                connection.transport.abort()
            else:
                since[connection] = (shape, begun)
        self._since = since


def config(app: Any, **options: Any) -> uvicorn.Config:  # noqa: ANN401 - as uvicorn.Config takes them
    """The configuration that all servers share: no WebSockets, no access log, bounded heads and connections."""
    return uvicorn.Config(
        app,
        **{
            "http": HeadLimit,
            "ws": "none",
            "access_log": False,
            "server_header": False,
            "proxy_headers": False,
            "limit_concurrency": _room(),
            **options,
        },
    )


def _room() -> int:
    """How many connections are answered at once; the others get 503. Leaves files to open besides."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 2 * MAX_CONNECTIONS
    wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, soft // 2)
