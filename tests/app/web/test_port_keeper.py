"""The keeper of a port: who has its socket serves, and a client waits or is told when nobody does."""

import socket
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from app.web import port_keeper
from app.web.kept_port import take
from bench.wait import until
from tests.builders.port_keepers import keeping


def test_a_client_that_waits_is_served_by_whoever_takes_the_port_next(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with keeping(path) as port:
        first, listener = take(path)
        with first, listener:
            pass  # it goes without having accepted anything
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(b"still here")
            keeper, listener = take(path)
            with keeper, listener:
                server, _ = until(listener.accept, what="the connection", not_yet=(BlockingIOError,))
                with server:
                    assert server.recv(100) == b"still here"


def test_both_accept_when_two_have_the_port(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with keeping(path) as port:
        takers = [take(path), take(path)]
        for _, listener in (*takers, *takers):
            with socket.create_connection(("127.0.0.1", port), timeout=10):
                until(listener.accept, what="the connection", not_yet=(BlockingIOError,))[0].close()
        for keeper, listener in takers:
            keeper.close()
            listener.close()


def test_a_client_is_told_when_nobody_has_had_the_port_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_keeper, "PATIENCE_S", 0.1)
    path = tmp_path / "api.sock"
    with keeping(path) as port:
        for _ in range(2):
            with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as client:
                client.request("POST", "/predict", b"x" * 2**16)
                answer = client.getresponse()
                assert (answer.status, answer.getheader("retry-after")) == (503, "5")
                assert b"not running" in answer.read()
        keeper, listener = take(path)
        with keeper, listener, socket.create_connection(("127.0.0.1", port), timeout=10):
            until(listener.accept, what="the taker gets the next one", not_yet=(BlockingIOError,))[0].close()


def test_the_newer_keeper_is_found_when_two_have_the_same_socket(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with keeping(path), keeping(path) as newer:
        keeper, listener = take(path)
        with keeper, listener:
            assert listener.getsockname()[1] == newer
