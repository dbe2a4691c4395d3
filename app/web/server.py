"""Serves the three web processes: uvicorn, with the limits that it lacks.

uvicorn waits indefinitely for the head of a request, for the rest of a body that has been answered already, and for a
client that does not read; a few hundred sockets that drip bytes would hold a server. Here a check of all connections
once a second closes those. It costs requests nothing: no timer is set and nothing is recorded while one is served.
"""

import asyncio
import errno
import resource
import socket
import ssl
import sys
import time
from collections.abc import Callable
from ipaddress import IPv4Address, ip_address
from math import inf
from typing import Any, Final

import uvicorn

from app.web.handover import allow_successor, bind_beside, take_connections
from app.web.http_protocol import StrictHttpProtocol
from app.web.kept_port import KeptPort
from app.web.tls import TlsFiles
from app.web.tls_server import TlsServer

STALLED_S: Final = 60.0  # a client that reads nothing of its response for so long has gone
MAX_CONNECTIONS: Final = 2048
IPV4_WITH_LOOPBACK: Final = (IPv4Address("127.0.0.1"), IPv4Address("0.0.0.0"))  # noqa: S104 - compared
# What binding ::1 fails with where there is no IPv6, and so nobody else who could listen there.
NO_IPV6: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
DRAIN_S: Final = 1.0
TICKS: Final = 10  # uvicorn ticks ten times a second


def listen(host: str, port: int, *, beside: bool = False) -> list[socket.socket]:
    """Return sockets that are bound to an address, not yet listening. Raises OSError.

    Who has 127.0.0.1 takes ::1 as well, if this machine has it: browsers try it first for `localhost`, and another user
    who listened there would be taken for us. `beside`: also where a server listens that allows a successor (`handover`).
    """
    # The first address of "localhost" is often ::1; what is printed and what calls us expects 127.0.0.1.
    first = _bind("127.0.0.1" if host == "localhost" else host, port, beside=beside)
    sockets = [first]
    if first.family == socket.AF_INET and ip_address(first.getsockname()[0]) in IPV4_WITH_LOOPBACK:
        try:
            sockets.append(_bind("::1", first.getsockname()[1], beside=beside))
        except OSError as error:
            if error.errno not in NO_IPV6:
                first.close()
                raise
    return sockets


def _bind(host: str, port: int, *, beside: bool) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if beside:
            bind_beside(bound)
        if family == socket.AF_INET6 and host == "::1":
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


class Server(uvicorn.Server):
    """Closes connections that have waited too long for a request or for a client that reads.

    `head_s` is how long a connection may go without a whole request head: after it was opened, after the first byte of
    a further request, and while the rest of a body arrives that nobody reads any more. Idle kept-alive connections are
    left to uvicorn, unless the server is full. With `kept_port` it serves there as well, and its stop is not noticed there.
    """

    def __init__(self, config: uvicorn.Config, head_s: float, kept_port: KeptPort | None = None) -> None:
        super().__init__(config)
        self._head_s = head_s
        self._kept_port = kept_port
        self._hands_over = False
        self._replaces = False
        # By connection: its state, and since when it has been in that state.
        self._since: dict[Any, tuple[tuple[object, ...], float]] = {}

    def run_on(self, host: str, port: int, *, replaces: bool = False) -> None:
        """Serve there until stopped. Ends the process with one line and exit code 1 where it cannot listen.

        `replaces`: a server that listens there is about to end, and gets no more connections once this one listens.
        """
        self._hands_over, self._replaces = True, replaces
        try:
            sockets = listen(host, port, beside=replaces)
        except OSError as error:
            sys.exit(f"It cannot listen on {host}, port {port}: {error.strerror or error}.")
        self.run(sockets=sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn.Server. By TLS, its handshakes are bounded, in number and in time: they may take as long as a head."""
        if self.config.ssl is not None:
            loop: Any = asyncio.get_running_loop()
            loop.create_server = self._create_tls_server  # uvicorn has no setting for it
        if self._kept_port is None:
            await super().startup(sockets)
            if self.started and sockets is not None:
                if self._replaces:
                    take_connections(sockets)
                if self._hands_over:
                    allow_successor(sockets)
            return
        await super().startup([])
        await self._kept_port.serve(self._listen)
        # Last: whoever finds this port open may rely on the other one, too.
        for each in sockets or []:
            await self._listen(each)

    async def _listen(self, sock: socket.socket) -> asyncio.Server:
        config = self.config

        def protocol() -> asyncio.Protocol:
            kind: Any = config.http_protocol_class
            made: asyncio.Protocol = kind(config=config, server_state=self.server_state, app_state=self.lifespan.state)
            return made

        loop = asyncio.get_running_loop()
        server = await loop.create_server(protocol, sock=sock, ssl=config.ssl, backlog=config.backlog)
        self.servers.append(server)
        return server

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn.Server. What was accepted from a port that another one serves on is answered first."""
        if self._kept_port is not None:
            self._kept_port.leave()
            servers: list[Any] = self.servers
            for server in servers:
                server.stop_accepting() if isinstance(server, TlsServer) else server.close()
            await self._drain()
        await super().shutdown(sockets)

    async def _drain(self) -> None:
        """Answer what was sent, or is about to be, and let each connection end with its answer; DRAIN_S at most.

        uvicorn ends a connection whose request has not arrived yet, and one that is kept alive, although the next
        request may be on its way.
        """
        self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]
        deadline = time.monotonic() + DRAIN_S
        while self._n_connections() and time.monotonic() < deadline:  # noqa: ASYNC110 - uvicorn has no event
            await asyncio.sleep(0.02)

    def _n_connections(self) -> int:
        servers: list[Any] = self.servers
        n_handshakes = sum(server.n_handshakes for server in servers if isinstance(server, TlsServer))
        return len(self.server_state.connections) + n_handshakes

    async def _create_tls_server(
        self,
        factory: Callable[[], asyncio.BaseProtocol],
        *,
        sock: socket.socket,
        ssl: ssl.SSLContext,
        backlog: int,
    ) -> TlsServer:
        return TlsServer(factory, sock, ssl, backlog=backlog, handshake_s=self._head_s)

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
            # A client that still sends a body may read the response later.
            is_sending = not is_answered and connection.cycle.more_body
            if is_full:
                # What is being worked on stays; who sends nothing of a body that others wait for does not.
                is_working = not (is_answered or n_unsent or is_sending)
            else:
                is_working = is_idle or not (is_answered or n_unsent)
            if is_working:
                continue
            state = (connection.cycle, n_unsent, connection.n_body_bytes if is_sending else 0)
            previous = self._since.get(connection)
            begun = previous[1] if previous is not None and previous[0] == state else now
            if now - begun >= (STALLED_S if n_unsent else head_s):
                connection.transport.abort()
            else:
                since[connection] = (state, begun)
        self._since = since


def build_config(app: Any, tls: TlsFiles | None = None, **options: Any) -> uvicorn.Config:  # noqa: ANN401 - as uvicorn.Config takes them
    """Return the configuration that all servers share: no WebSockets, no access log, bounded heads and connections.

    With `tls`, the server speaks https and nothing else.
    """
    return uvicorn.Config(
        app,
        **{
            "http": StrictHttpProtocol,
            "ws": "none",
            "access_log": False,
            "server_header": False,
            "proxy_headers": False,
            "limit_concurrency": _connection_limit(),
            **({"ssl_certfile": str(tls.cert), "ssl_keyfile": str(tls.key)} if tls is not None else {}),
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
