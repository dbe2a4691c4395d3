"""A real server on a real socket, against clients that do not say what they want, or do not take what they asked for."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from app.web import server, tls_server
from app.web.tls import pinned_context, read_tls
from bench.wait import until
from tests.builders.certificates import make_certificate
from tests.builders.raw_server import HEAD_S, SLOW_S, Site, running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with running(loop=request.param) as server:
        yield server


def ends_after(client: socket.socket) -> float:
    """Return the seconds until the server ends the connection."""
    start_s = time.monotonic()
    with client, contextlib.suppress(ConnectionResetError):
        while client.recv(65536):
            pass
    return time.monotonic() - start_s


def has_ended(client: socket.socket) -> bool:
    """Return whether the server has ended the connection by now."""
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def drip(client: socket.socket, piece: bytes) -> float:
    """Return the seconds until the server ends a connection on which a byte comes every now and then."""
    start_s = time.monotonic()
    client.settimeout(0.1)
    with client:
        while time.monotonic() - start_s < 10:
            with contextlib.suppress(TimeoutError):
                try:
                    client.sendall(piece)
                    if not client.recv(65536):
                        break
                except OSError as error:
                    if isinstance(error, TimeoutError):
                        raise
                    break
    return time.monotonic() - start_s


@pytest.mark.parametrize("sent", [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: "])
def test_connection_is_ended_when_the_head_does_not_become_complete(site: Site, sent: bytes) -> None:
    assert HEAD_S <= ends_after(site.connect(sent)) < SLOW_S


def test_connection_is_ended_when_a_head_drips(site: Site) -> None:
    assert HEAD_S <= drip(site.connect(b"GET / HTTP/1.1\r\nHost: x\r\nX-A: "), b"a") < SLOW_S


def test_connection_is_ended_when_its_second_head_drips(site: Site) -> None:
    client = site.connect(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.recv(65536).startswith(b"HTTP/1.1 200")
    client.sendall(b"GET / HTTP/1.1\r\nX-A: ")
    assert HEAD_S <= drip(client, b"a") < SLOW_S


def test_connection_is_ended_when_the_rest_of_an_answered_body_drips(site: Site) -> None:
    client = site.connect(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
    assert client.recv(65536).startswith(b"HTTP/1.1 200")
    assert HEAD_S <= drip(client, b"a") < SLOW_S


@pytest.mark.parametrize(
    "request_head", [b"GET /slow HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nContent-Length: 3\r\n"], ids=["answer", "body"]
)
def test_request_goes_on_when_the_answer_or_the_body_takes_its_time(site: Site, request_head: bytes) -> None:
    with site.connect(request_head + b"Host: x\r\nConnection: close\r\n\r\n") as client:
        if request_head.startswith(b"POST"):
            time.sleep(SLOW_S)  # what is tested is that nothing happens in this time
            client.sendall(b"abc")
        assert client.recv(65536).startswith(b"HTTP/1.1 200")


def test_connection_stays_when_it_is_idle_between_requests(site: Site) -> None:
    with contextlib.closing(HTTPConnection("127.0.0.1", site.port, timeout=10)) as client:
        client.connect()
        connection = client.sock
        for _ in range(3):
            client.request("GET", "/")
            assert client.getresponse().read() == b"ok"
            assert client.sock is connection
            time.sleep(SLOW_S / 2)  # as above


def test_whole_answer_arrives_when_the_reader_is_slow(site: Site) -> None:
    with site.connect(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as client:
        n_bytes, start_s = 0, time.monotonic()
        while data := client.recv(2**20):
            n_bytes += len(data)
            if time.monotonic() - start_s < SLOW_S:
                time.sleep(0.05)  # a slow reader is what is tested
    assert n_bytes > 32 * 2**20


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx",
    ],
    ids=["silent", "idle", "body"],
)
def test_others_are_answered_again_soon_when_connections_fill_the_server(sent: bytes) -> None:
    with running(limit=20, timeout_keep_alive=60) as site:
        silent = [site.connect(sent) for _ in range(40)]

        def is_answered() -> bool:
            with site.connect(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as client:
                answer = client.recv(65536)
            assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 503"))
            return answer.startswith(b"HTTP/1.1 200")

        # uvicorn alone would keep the idle ones for 60 s
        until(is_answered, within_s=20, interval_s=0, what="a request is answered")
        for client in silent:
            client.close()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(
    "sent", [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["silent", "begun", "plain"]
)
def test_connection_is_ended_when_its_handshake_does_not_become_complete(
    tmp_path: Path, loop: str, sent: bytes
) -> None:
    with running(loop=loop, tls=read_tls(*make_certificate(tmp_path))) as site:
        assert ends_after(site.connect(sent)) < SLOW_S


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01"], ids=["silent", "begun"])
def test_oldest_handshakes_make_room_when_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loop: str, sent: bytes
) -> None:
    monkeypatch.setattr(tls_server, "MAX_HANDSHAKES", 20)
    files = make_certificate(tmp_path)
    with running(loop=loop, tls=read_tls(*files)) as site, contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(site.connect(sent)) for _ in range(60)]
        with pinned_context(files.cert).wrap_socket(site.connect(b"")) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
        assert all(has_ended(each) for each in crowd[:40])


@pytest.mark.parametrize("is_sending", [True, False])
def test_a_client_may_read_later_only_while_it_sends(monkeypatch: pytest.MonkeyPatch, is_sending: bool) -> None:
    monkeypatch.setattr(server, "STALLED_S", 0.5)
    n_bytes = 25
    with (
        running() as site,
        site.connect(b"POST /both HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % n_bytes) as client,
    ):
        ended = threading.Event()
        n_received = 0
        with contextlib.suppress(ConnectionError):
            for _ in range(n_bytes):
                ended.wait(0.1)
                client.sendall(b"x" if is_sending else b"")
            while piece := client.recv(2**20):
                n_received += len(piece)
                if n_received > 32 * 2**20:
                    break
        assert (n_received > 32 * 2**20) is is_sending


def test_server_goes_on_when_an_answer_waits_for_its_reader_while_the_body_still_comes(site: Site) -> None:
    with site.connect(b"POST /both HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx") as client:
        threading.Event().wait(1.5)  # one look at the connections at least
        with site.connect(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as other:
            assert other.recv(65536).startswith(b"HTTP/1.1 200")
        assert client.recv(100).startswith(b"HTTP/1.1 200")


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6 loopback")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_nobody_else_can_answer_for_localhost_when_a_server_listens(host: str) -> None:
    """Browsers try ::1 first, which any user of the machine may take as long as it is free."""
    with contextlib.ExitStack() as stack:
        bound = [stack.enter_context(contextlib.closing(each)) for each in server.listen(host, 0)]
        assert [each.family for each in bound] == [socket.AF_INET, socket.AF_INET6]
        for each in bound:
            each.listen()
        port = bound[0].getsockname()[1]
        with socket.socket(socket.AF_INET6) as squatter, pytest.raises(OSError, match="in use"):
            squatter.bind(("::1", port))


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6 loopback")
def test_server_does_not_listen_when_somebody_else_has_ipv6_loopback() -> None:
    with socket.socket(socket.AF_INET6) as squatter:
        squatter.bind(("::1", 0))
        squatter.listen()
        with pytest.raises(OSError, match="in use"):
            server.listen("127.0.0.1", squatter.getsockname()[1])


def test_one_address_is_bound_when_it_is_not_that_of_this_machine_alone() -> None:
    with contextlib.ExitStack() as stack:
        bound = [stack.enter_context(contextlib.closing(each)) for each in server.listen("127.0.0.2", 0)]
        assert len(bound) == 1
