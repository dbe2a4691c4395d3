"""Servers at a kept port: one takes the place of another, and no client notices."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

import pytest

from app.web import server
from app.web.kept_port import KeptPort
from app.web.tls import pinned_context
from bench.wait import until
from tests.builders.certificates import Files, make_certificate
from tests.builders.port_keepers import keeping
from tests.builders.raw_server import Site, running

N_REPLACEMENTS = 5
pytestmark = pytest.mark.slow


@pytest.fixture(params=["asyncio", "uvloop"])
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"loop": request.param}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def is_open(site: Site) -> bool:
    """Return whether its own port is open."""
    return bool(getattr(site.server, "servers", ()))


def wait_for_more(statuses: list[int], n_more: int) -> None:
    n_wanted = len(statuses) + n_more
    until(lambda: len(statuses) > n_wanted, what="answers")


@contextlib.contextmanager
def asking(connect: Callable[[], HTTPConnection], *, is_kept_alive: bool) -> Iterator[tuple[list[int], list[str]]]:
    """Ask as fast as it goes; yield the statuses and the failures so far."""
    statuses: list[int] = []
    failures: list[str] = []
    done = threading.Event()

    def ask() -> None:
        client = connect()
        while not done.is_set():
            try:
                client.request("GET", "/")
                answer = client.getresponse()
                answer.read()
                statuses.append(answer.status)
            except (OSError, HTTPException) as error:
                failures.append(repr(error))
                client.close()
            if not is_kept_alive:
                client.close()
        client.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield statuses, failures
    finally:
        done.set()
        for thread in threads:
            thread.join(30)


@pytest.mark.parametrize("is_kept_alive", [False, True])
def test_no_request_fails_when_one_server_takes_the_place_of_another(
    tmp_path: Path, options: dict[str, Any], *, is_kept_alive: bool
) -> None:
    path = tmp_path / "api.sock"
    with keeping(path) as port, ExitStack() as current:
        current.enter_context(running(kept_port=KeptPort(path), **options))
        with asking(lambda: HTTPConnection("127.0.0.1", port, timeout=20), is_kept_alive=is_kept_alive) as seen:
            statuses, failures = seen
            for _ in range(N_REPLACEMENTS):
                wait_for_more(statuses, 50)
                following = ExitStack()
                site = following.enter_context(running(kept_port=KeptPort(path), **options))
                until(partial(is_open, site), what="it has taken the port")
                current.close()
                current.push(following)
    assert failures == []
    assert set(statuses) == {200}


def test_no_request_fails_when_a_server_with_a_certificate_takes_the_place_of_another(
    tmp_path: Path, options: dict[str, Any], files: Files
) -> None:
    path = tmp_path / "api.sock"
    with_tls = {**options, "ssl_certfile": str(files.cert), "ssl_keyfile": str(files.key)}
    context = pinned_context(files.cert)
    with keeping(path) as port, ExitStack() as current:
        current.enter_context(running(kept_port=KeptPort(path), **with_tls))
        with asking(
            lambda: HTTPSConnection("127.0.0.1", port, timeout=20, context=context), is_kept_alive=False
        ) as seen:
            statuses, failures = seen
            for _ in range(N_REPLACEMENTS):
                wait_for_more(statuses, 20)
                following = ExitStack()
                site = following.enter_context(running(kept_port=KeptPort(path), **with_tls))
                until(partial(is_open, site), what="it has taken the port")
                current.close()
                current.push(following)
    assert failures == []


def test_a_request_is_answered_when_it_comes_after_the_stop_on_a_connection_from_before(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "DRAIN_S", 10.0)
    path = tmp_path / "api.sock"
    with keeping(path) as port, ExitStack() as stack:
        site = stack.enter_context(running(kept_port=KeptPort(path), **options))
        until(partial(is_open, site), what="it has taken the port")
        with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as client:
            until(lambda: site.server.server_state.connections, what="it has accepted")
            site.server.should_exit = True
            until(lambda: not site.server.servers[0].is_serving(), what="it accepts no more")
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = client.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer


def test_the_port_is_taken_again_when_there_is_another_keeper(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "api.sock"
    with ExitStack() as stack:
        first = ExitStack()
        first.enter_context(keeping(path))
        stack.enter_context(running(kept_port=KeptPort(path), **options))
        first.close()
        port = stack.enter_context(keeping(path))
        client = stack.enter_context(closing(HTTPConnection("127.0.0.1", port, timeout=20)))
        client.request("GET", "/")
        assert client.getresponse().status == 200


def test_its_own_port_opens_when_it_has_the_kept_one(tmp_path: Path, options: dict[str, Any]) -> None:
    """The panel ends the old container when the new one's own port is open."""
    path = tmp_path / "api.sock"
    with running(kept_port=KeptPort(path), **options) as site:
        assert not is_open(site)
        with keeping(path) as port:
            until(partial(is_open, site), what="its own port is open")
            client = HTTPConnection("127.0.0.1", port, timeout=1)
            client.request("GET", "/")
            assert client.getresponse().status == 200
            client.close()
