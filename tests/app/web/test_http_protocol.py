"""Raw bytes on a real socket: what could be read as two different requests is refused, and the connection closed."""

import re
import socket
from collections.abc import Iterator
from itertools import pairwise

import pytest

from app.web.http_protocol import HEAD_BYTES
from tests.builders.raw_server import Site, running

POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with running(loop=request.param) as server:
        yield server


def statuses(site: Site, *pieces: bytes) -> list[int]:
    """Return the statuses of all responses until the server closes the connection; each piece is a packet of its own."""
    with site.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received = b""
        try:
            for piece in pieces:
                client.sendall(piece)
            while data := client.recv(65536):
                received += data
        except ConnectionError:
            pass  # it was closed before all was sent
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", received)]


AMBIGUOUS = {
    "length and chunks": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "same length twice": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "list of lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "length with sign": POST + b"Content-Length: +3\r\n\r\nabc",
    "negative length": POST + b"Content-Length: -1\r\n\r\n",
    "hexadecimal length": POST + b"Content-Length: 0x3\r\n\r\nabc",
    "length with underscore": POST + b"Content-Length: 0_3\r\n\r\nabc",
    "endless length": POST + b"Content-Length: 99999999999999999999\r\n\r\nabc",
    "empty length": POST + b"Content-Length: \r\n\r\n",
    "chunked is not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "identity, then chunked": POST + b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    "coding that nobody decodes": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "coding with parameter": POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    "unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "coding after control character": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "two codings": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "folded header": POST + b"X-A: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "folded coding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "first header folded": b"GET / HTTP/1.1\r\n X: y\r\nHost: x\r\n\r\n",
    "LF alone after each line": b"GET / HTTP/1.1\nHost: x\n\n",
    "LF alone after a header": b"GET / HTTP/1.1\r\nHost: x\nX-A: b\r\n\r\n",
    "LF alone at the end": b"GET / HTTP/1.1\r\nHost: x\r\n\n",
    "CR alone after a header": b"GET / HTTP/1.1\r\nHost: x\rX-A: b\r\n\r\n",
    "space before colon": POST + b"Content-Length : 3\r\n\r\nabc",
    "tab before colon": POST + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
    "no colon": POST + b"Foo\r\nContent-Length: 0\r\n\r\n",
    "no name": POST + b": x\r\nContent-Length: 0\r\n\r\n",
    "NUL in value": POST + b"X-A: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "LF in chunk extension": CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "CR in chunk extension": CHUNKED + b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    "LF alone after chunk size": CHUNKED + b"3\nabc\r\n0\r\n\r\n",
    "LF alone after chunk": CHUNKED + b"3\r\nabc\n0\r\n\r\n",
    "chunk size with prefix": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "chunk size with sign": CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n",
    "chunk size with space": CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
    "endless chunk size": CHUNKED + b"FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n",
    "trailer": CHUNKED + b"0\r\nAuthorization: Bearer x\r\n\r\n",
    "body after a switch of protocols": POST + b"Connection: upgrade\r\nUpgrade: a\r\nContent-Length: 3\r\n\r\nabc",
    "tunnel": b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "HTTP/0.9": b"GET / HTTP/0.9\r\nHost: x\r\n\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\nHost: x\r\n\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("sent", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_connection_is_closed_with_400_when_the_end_of_a_request_is_ambiguous(site: Site, sent: bytes) -> None:
    assert statuses(site, sent + LAST) == [400]


@pytest.mark.parametrize(
    "sent",
    [
        POST + b"Content-Length: 3\r\n\r\nabc",
        POST + b"content-length:3\r\n\r\nabc",
        POST + b"Content-Length: 7\r\n\r\na\r\n\r\nbc",
        CHUNKED + b"3\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"8;a=b\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
@pytest.mark.parametrize("is_split", [False, True], ids=["whole", "byte by byte"])
def test_next_request_is_answered_when_the_end_of_one_is_plain(site: Site, sent: bytes, *, is_split: bool) -> None:
    pieces = [bytes([byte]) for byte in sent + LAST] if is_split else [sent + LAST]
    assert statuses(site, *pieces) == [200, 200]


def head(n_bytes: int) -> bytes:
    """Return a request without a body, of this size."""
    begin, end = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-A:", b"\r\n\r\n"
    return begin + b" " * 5000 + b"a" * (n_bytes - len(begin) - 5000 - len(end)) + end


BEFORE = {
    "nothing": b"",
    "a request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a body": POST + b"Content-Length: 6\r\n\r\na\r\n\r\nb",
    "chunks": CHUNKED + b"3\r\nabc\r\n0\r\n\r\n",
}
# How the bytes are cut into packets: the whole, at its end, everywhere.
CUTS = {"whole": 0, "1 at the end": 1, "2 at the end": 2, "3 at the end": 3, "4 at the end": 4, "byte by byte": -1}


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_head_is_refused_when_it_is_one_byte_too_large(site: Site, before: bytes, cut: int) -> None:
    answered = [200] if before else []
    for n_bytes, status in ((HEAD_BYTES, 200), (HEAD_BYTES + 1, 431)):
        sent = before + head(n_bytes)
        ends = range(1, len(sent) + 1) if cut == -1 else (len(sent) - cut, len(sent))
        pieces = [sent[begin:end] for begin, end in pairwise((0, *ends))]
        if status == 431 and before:
            # Where the first has not been answered yet, a 431 would be taken for its answer.
            assert statuses(site, *pieces) in ([], [200], [200, 431])
        else:
            assert statuses(site, *pieces) == [*answered, status]


def test_head_is_refused_when_it_never_ends(site: Site) -> None:
    assert statuses(site, b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * HEAD_BYTES) == [431]


@pytest.mark.parametrize("endless", [b"1;" + b"a" * 2**18, b"0\r\nX-A: " + b"a" * 2**18], ids=["extension", "trailer"])
def test_chunks_are_refused_when_they_bring_more_around_than_in_them(site: Site, endless: bytes) -> None:
    assert statuses(site, CHUNKED, *[endless] * 8) in ([431], [400], [])


def test_body_is_whole_when_it_holds_empty_lines_and_comes_in_many_packets(site: Site) -> None:
    body = b"a\r\n\r\n" * 40_000
    sent = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body + LAST
    assert statuses(site, *[sent[i : i + 997] for i in range(0, len(sent), 997)]) == [200, 200]


def test_response_that_has_begun_is_cut_off_when_the_rest_of_its_request_is_refused(site: Site) -> None:
    with site.connect(b"POST /both HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n") as client:
        received = client.recv(100)
        client.sendall(b"not a chunk\r\n")
        while data := client.recv(2**20):
            received += data
    assert received.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 400" not in received


def test_request_is_not_answered_by_the_refusal_of_the_next_one(site: Site) -> None:
    assert statuses(site, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/9.9\r\n\r\n") == []
