"""Takes the listening socket of a port keeper (`port_keeper.py`), and takes it again from the next one."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Protocol

RETRY_S: Final = 0.2
TAKE_S: Final = 2.0
FIRST_S: Final = 5.0  # how long a start waits for the keeper, which may be starting as well

log = logging.getLogger(__name__)


class Listening(Protocol):
    """What accepts connections until it is closed."""

    def close(self) -> None:
        """Accept no more."""


Listen = Callable[[socket.socket], Awaitable[Listening]]


class KeptPort:
    """Serves at the socket of the keeper at `path`, as long as there is a keeper. In one event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._following: asyncio.Task[None] | None = None

    async def serve(self, listen: Listen) -> None:
        """Give the socket to `listen`, now and whenever another keeper comes; return once it has been, or after FIRST_S."""
        is_taken = asyncio.Event()
        self._following = asyncio.create_task(self._follow(listen, is_taken), name="kept-port")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(is_taken.wait(), FIRST_S)

    def leave(self) -> None:
        """Look for no other keeper. Whoever has the socket goes on."""
        if self._following is not None:
            self._following.cancel()

    async def _follow(self, listen: Listen, is_taken: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(OSError):
                keeper, listener = await asyncio.to_thread(take, self._path)
                with keeper, listener:
                    listening = await listen(listener)
                    is_taken.set()
                    await loop.sock_recv(keeper, 1)  # it sends nothing: returns when it has gone
                    listening.close()
                log.warning("action=lose_port keeper=%s", self._path)
            await asyncio.sleep(RETRY_S)


def take(path: Path) -> tuple[socket.socket, socket.socket]:
    """Return the connection to the keeper, open for as long as it lives, and its listening socket. Raises OSError."""
    keeper = socket.socket(socket.AF_UNIX)
    try:
        keeper.settimeout(TAKE_S)
        keeper.connect(str(path))
        _, fds, _, _ = socket.recv_fds(keeper, 1, 1)
        if not fds:
            raise ConnectionResetError(str(path))
    except OSError:
        keeper.close()
        raise
    keeper.setblocking(False)
    listener = socket.socket(fileno=fds[0])
    listener.setblocking(False)
    return keeper, listener
