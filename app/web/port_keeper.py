"""`port_keeper.py PORT SOCKET`: holds a listening socket, so that who serves at it can be replaced without a gap.

A port that an engine publishes leads into one container and cannot be handed over. So a container that is never updated
listens there, accepts nothing, and gives the listening socket itself to whoever connects to SOCKET. Several may have it
at once, the old one and the new one; a connection that none of them has accepted yet waits in the socket for the next.
Nothing is forwarded: who serves sees its clients as if the port were its own.

Runs as a file, with nothing but the standard library; the other side is `KeptPort` in `kept_port.py`.
"""

import contextlib
import json
import os
import selectors
import socket
import sys
import time
from pathlib import Path
from typing import Final

PATIENCE_S: Final = 5.0  # a service that is restarted is back by then; after that, waiting helps nobody
BACKLOG: Final = 2048
SEND_S: Final = 1.0
BODY: Final = json.dumps(
    {"title": "Nothing serves here at the moment.", "status": 503, "detail": "The service is not running. Try again."}
).encode()
NOBODY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 5\r\n"
    b"connection: close\r\ncontent-length: " + str(len(BODY)).encode() + b"\r\n\r\n" + BODY
)


class PortKeeper:
    """Gives `listener` away by the Unix socket `path`. While nobody has had it for PATIENCE_S, clients are answered 503."""

    def __init__(self, listener: socket.socket, path: Path) -> None:
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._takers: set[socket.socket] = set()
        self._last_taken_s = time.monotonic()
        self._is_answering = False
        self._door = _bind(path)
        self._door.setblocking(False)
        self._listener.setblocking(False)
        self._selector.register(self._door, selectors.EVENT_READ)

    def run(self) -> None:
        """Serve; does not return."""
        while True:
            self.step(1.0)

    def step(self, timeout_s: float) -> None:
        """Wait for something to do, and do it."""
        if self._takers:
            self._last_taken_s = time.monotonic()
        self._answer_for_nobody(is_wanted=time.monotonic() - self._last_taken_s >= PATIENCE_S)
        for key, _ in self._selector.select(timeout_s):
            with contextlib.suppress(OSError):
                self._handle(key.fileobj)

    def close(self) -> None:
        """Close everything."""
        for each in (self._door, self._listener, *self._takers):
            each.close()
        self._selector.close()

    def _answer_for_nobody(self, *, is_wanted: bool) -> None:
        if is_wanted and not self._is_answering:
            self._selector.register(self._listener, selectors.EVENT_READ)
        elif self._is_answering and not is_wanted:
            self._selector.unregister(self._listener)
        self._is_answering = is_wanted

    def _handle(self, ready: object) -> None:
        if ready is self._door:
            self._give()
        elif ready is self._listener:
            self._refuse()
        elif isinstance(ready, socket.socket):
            # It sends nothing: it has gone.
            self._selector.unregister(ready)
            self._takers.discard(ready)
            ready.close()

    def _give(self) -> None:
        taker, _ = self._door.accept()
        taker.settimeout(SEND_S)
        # From here on it is who took it that answers.
        self._answer_for_nobody(is_wanted=False)
        socket.send_fds(taker, [b"p"], [self._listener.fileno()])
        self._takers.add(taker)
        self._selector.register(taker, selectors.EVENT_READ)

    def _refuse(self) -> None:
        client, _ = self._listener.accept()
        with client:
            client.settimeout(SEND_S)
            client.sendall(NOBODY)
            # Closing with something unread would take the answer back.
            client.shutdown(socket.SHUT_WR)
            with contextlib.suppress(BlockingIOError):
                client.recv(2**16, socket.MSG_DONTWAIT)


def _bind(path: Path) -> socket.socket:
    """Listen at `path`, in the place of whoever did before."""
    door = socket.socket(socket.AF_UNIX)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    door.bind(str(new))
    door.listen()
    new.replace(path)
    return door


def main() -> None:
    """Hold the port of the command line; does not return."""
    port, path = int(sys.argv[1]), Path(sys.argv[2])
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", port))  # noqa: S104 - in a container
    listener.listen(BACKLOG)
    PortKeeper(listener, path).run()


if __name__ == "__main__":
    main()
