"""Accepts connections by TLS, with a bound on those whose handshake is not over.

To uvicorn a connection exists from the end of its handshake on, and until then each takes up to 300 KB: a few thousand
that say nothing would end a server for want of memory. Here the oldest of them make room for others.
"""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Final

MAX_HANDSHAKES: Final = 256
# No file descriptors or memory left: it passes.
_FULL: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_FULL_WAIT_S: Final = 0.1

log = logging.getLogger(__name__)


class TlsServer:
    """Listens at `sock` until closed, as far as uvicorn uses a server of asyncio.

    `factory` makes the protocol of a connection. A handshake may take `handshake_s`. Made in the event loop.
    """

    def __init__(
        self,
        factory: Callable[[], asyncio.BaseProtocol],
        sock: socket.socket,
        context: ssl.SSLContext,
        *,
        backlog: int,
        handshake_s: float,
    ) -> None:
        self._factory = factory
        self._context = context
        self._handshake_s = handshake_s
        self._handshakes: dict[asyncio.Task[None], None] = {}  # the oldest first
        self._not_begun: set[socket.socket] = set()
        # Its owner closes `sock`, at a time when it is still waited for.
        self._sock = sock.dup()
        self._sock.setblocking(False)
        self._sock.listen(backlog)
        self._loop = asyncio.get_running_loop()
        self._is_accepting = True
        self._watch()

    @property
    def n_handshakes(self) -> int:
        """Return how many connections have been accepted and are not secured yet."""
        return len(self._handshakes)

    def stop_accepting(self) -> None:
        """Accept no more; what has been accepted goes on."""
        if self._is_accepting:
            self._is_accepting = False
            self._loop.remove_reader(self._sock)
            self._sock.close()

    def close(self) -> None:
        """Accept no more, and end what has not finished its handshake."""
        self.stop_accepting()
        for task in self._handshakes:
            task.cancel()

    async def wait_closed(self) -> None:
        """Return when everything that `close` ends has ended."""
        if self._handshakes:
            await asyncio.wait(tuple(self._handshakes))

    def _watch(self) -> None:
        if self._is_accepting:
            # Not a task that could be cancelled between accepting a connection and looking after it.
            self._loop.add_reader(self._sock, self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._sock.accept()
        except OSError as error:
            if error.errno in _FULL:  # otherwise the client has gone already, or another one has accepted it
                log.warning("action=accept error=%s", error)
                self._loop.remove_reader(self._sock)
                self._loop.call_later(_FULL_WAIT_S, self._watch)
            return
        connection.setblocking(False)
        if len(self._handshakes) >= MAX_HANDSHAKES:
            oldest = next(iter(self._handshakes))
            del self._handshakes[oldest]
            oldest.cancel()
        self._not_begun.add(connection)
        task = self._loop.create_task(self._shake_hands(connection))
        self._handshakes[task] = None
        task.add_done_callback(partial(self._end, connection))

    async def _shake_hands(self, connection: socket.socket) -> None:
        self._not_begun.discard(connection)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await self._loop.connect_accepted_socket(
            self._factory, connection, ssl=self._context, ssl_handshake_timeout=self._handshake_s
        )

    def _end(self, connection: socket.socket, task: asyncio.Task[None]) -> None:
        self._handshakes.pop(task, None)
        if task.cancelled():
            if connection in self._not_begun:  # otherwise its transport closes it
                self._not_begun.discard(connection)
                connection.close()
            return
        error = task.exception()
        if error is not None and not isinstance(error, OSError):  # OSError: the client's doing
            log.error("action=handshake", exc_info=error)
