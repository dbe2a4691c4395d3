"""Serves the three web processes: uvicorn, with the limits that it lacks.

uvicorn waits indefinitely for the head of a request, for the rest of a body that has been answered already, and for a
client that does not read; a few hundred sockets that drip bytes would hold a server. Here a check of all connections
once a second closes those. It costs requests nothing: no timer is set and nothing is recorded while one is served.
"""

import resource
import time
from math import inf
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

STALLED_S: Final = 60.0  # a client that reads nothing of its response for so long has gone
HEAD_BYTES: Final = 16 * 1024
MAX_CONNECTIONS: Final = 2048
TICKS: Final = 10  # uvicorn ticks ten times a second


class HeadLimit(HttpToolsProtocol):
    """uvicorn's fast protocol with a limit on the size of an incomplete request head; it has none of its own."""

    _n_head_bytes = 0
    n_body_bytes = 0  # of all requests, roughly: shows whether anything arrived

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
    """Closes connections that have waited too long for a request or for a client that reads.

    `head_s` is how long a connection may go without a whole request head: after it was opened, after the first byte of
    a further request, and while the rest of a body arrives that nobody reads any more. Idle kept-alive connections are
    left to uvicorn, unless the server is full.
    """

    def __init__(self, config: uvicorn.Config, head_s: float) -> None:
        super().__init__(config)
        self._head_s = head_s
        # By connection: its state, and since when it has been in that state.
        self._since: dict[Any, tuple[tuple[object, ...], float]] = {}

    async def on_tick(self, counter: int) -> bool:
        """See uvicorn.Server."""
        if counter % TICKS == 0:
            self._close_stalled(time.monotonic())
        return await super().on_tick(counter)

    def _close_stalled(self, now: float) -> None:
        since: dict[Any, tuple[tuple[object, ...], float]] = {}
        connections: list[Any] = list(self.server_state.connections)
        # Full: silent connections, kept alive or not, make room for others.
        is_full = len(connections) >= (self.config.limit_concurrency or inf)
        head_s = min(self._head_s, 1.0) if is_full else self._head_s
        for connection in connections:
            n_unsent = connection.transport.get_write_buffer_size()
            is_answered = connection.cycle is None or connection.cycle.response_complete
            is_idle = is_answered and not n_unsent and connection.timeout_keep_alive_task is not None
            if (is_idle and not is_full) or not (is_answered or n_unsent):
                continue
            # A client that still sends a body may read the response later. h11, at the panel, does not count bytes.
            is_sending = not is_answered and connection.cycle.more_body
            state = (connection.cycle, n_unsent, getattr(connection, "n_body_bytes", 0) if is_sending else 0)
            previous = self._since.get(connection)
            begun = previous[1] if previous is not None and previous[0] == state else now
            if now - begun >= (STALLED_S if n_unsent else head_s):
                connection.transport.abort()
            else:
                since[connection] = (state, begun)
        self._since = since


def build_config(app: Any, **options: Any) -> uvicorn.Config:  # noqa: ANN401 - as uvicorn.Config takes them
    """Return the configuration that all servers share: no WebSockets, no access log, bounded heads and connections."""
    return uvicorn.Config(
        app,
        **{
            "http": HeadLimit,
            "ws": "none",
            "access_log": False,
            "server_header": False,
            "proxy_headers": False,
            "limit_concurrency": _connection_limit(),
            **options,
        },
    )


def _connection_limit() -> int:
    """Return how many connections are served at once (others get 503), leaving as many file descriptors for files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = 2 * MAX_CONNECTIONS if hard == resource.RLIM_INFINITY else min(2 * MAX_CONNECTIONS, hard)
    if soft != resource.RLIM_INFINITY and soft < target:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
        soft = target
    return MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, soft // 2)
