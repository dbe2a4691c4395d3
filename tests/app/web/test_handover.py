"""A port changes hands, and whoever connects meets a server that listens: on the kernel's own sockets."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from app.web.handover import IS_POSSIBLE, allow_successor, take_connections
from app.web.server import listen
from bench.ports import free_port

pytestmark = pytest.mark.skipif(not IS_POSSIBLE, reason="only Linux hands a port over")
N_CONNECTIONS = 40


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def server(stack: ExitStack, port: int, *, beside: bool = False) -> socket.socket:
    """Return the listening socket of a server that allows a successor, and has ::1 as well."""
    sockets = [stack.enter_context(closing(each)) for each in listen("127.0.0.1", port, beside=beside)]
    for each in sockets:
        each.listen(N_CONNECTIONS)
        each.setblocking(False)
    if beside:
        take_connections(sockets)
    allow_successor(sockets)
    return sockets[0]


def connect(stack: ExitStack, port: int) -> None:
    for _ in range(N_CONNECTIONS):
        stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))


def n_accepted(listener: socket.socket) -> int:
    n_connections = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return n_connections
        n_connections += 1


def test_all_new_connections_reach_the_successor_when_it_listens(stack: ExitStack) -> None:
    """Generation after generation."""
    port = free_port()
    first = server(stack, port)
    connect(stack, port)
    second = server(stack, port, beside=True)
    connect(stack, port)
    assert (n_accepted(first), n_accepted(second)) == (N_CONNECTIONS, N_CONNECTIONS)
    first.close()
    connect(stack, port)
    assert n_accepted(second) == N_CONNECTIONS
    third = server(stack, port, beside=True)
    connect(stack, port)
    assert (n_accepted(second), n_accepted(third)) == (0, N_CONNECTIONS)


def test_the_first_one_serves_on_when_its_successor_ends_again(stack: ExitStack) -> None:
    port = free_port()
    first = server(stack, port)
    server(stack, port, beside=True).close()
    connect(stack, port)
    assert n_accepted(first) == N_CONNECTIONS


def test_nobody_listens_beside_a_server_by_chance(stack: ExitStack) -> None:
    port = free_port()
    server(stack, port)
    with pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", port)
    alone = free_port()
    for each in listen("127.0.0.1", alone):
        stack.enter_context(closing(each)).listen()
    with pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", alone, beside=True)
