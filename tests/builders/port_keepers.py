"""A keeper of a port, in a thread."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from app.web.port_keeper import PortKeeper


@contextlib.contextmanager
def keeping(path: Path) -> Iterator[int]:
    """Yield the port that a keeper gives away at `path`; both are gone afterwards."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    keeper, done = PortKeeper(listener, path), threading.Event()

    def run() -> None:
        while not done.is_set():
            keeper.step(0.02)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield port
    finally:
        done.set()
        thread.join(10)
        keeper.close()
