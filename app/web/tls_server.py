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
        # Its owner closes `sock`, at a time when it is still waited for.
        self._sock = sock.dup()
        self._sock.setblocking(False)
        self._sock.listen(backlog)
        self._accepting = asyncio.get_running_loop().create_task(self._accept())
        self._accepting.add_done_callback(lambda _: self._sock.close())

    def close(self) -> None:
        """Accept no more, and end what has not finished its handshake."""
        for task in (self._accepting, *self._handshakes):
            task.cancel()

    async def wait_closed(self) -> None:
        """Return when everything that `close` ends has ended."""
        await asyncio.wait((self._accepting, *self._handshakes))

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._sock)
            except OSError as error:
                is_full = error.errno in _FULL  # otherwise the client has gone already
                if is_full:
                    log.warning("action=accept error=%s", error)
                await asyncio.sleep(_FULL_WAIT_S if is_full else 0)
                continue
            if len(self._handshakes) >= MAX_HANDSHAKES:
                oldest = next(iter(self._handshakes))
                del self._handshakes[oldest]
                oldest.cancel()
            task = loop.create_task(self._shake_hands(connection))
            self._handshakes[task] = None
            task.add_done_callback(self._end)
            await asyncio.sleep(0)  # it begins, and others have their turn while a crowd arrives

    async def _shake_hands(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().connect_accepted_socket(
            self._factory, connection, ssl=self._context, ssl_handshake_timeout=self._handshake_s
        )

    def _end(self, task: asyncio.Task[None]) -> None:
        self._handshakes.pop(task, None)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not isinstance(error, OSError):  # OSError: the client's doing
            log.error("action=handshake", exc_info=error)
