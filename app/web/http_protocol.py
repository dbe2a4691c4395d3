"""Reads HTTP/1 from a connection, strictly: what two programs could read as different requests is refused.

Where a proxy and the server disagree on where a request ends, the rest of one person's request becomes the beginning of
another's ("request smuggling"). The parser, llhttp, refuses most of what allows that: Content-Length together with
Transfer-Encoding or given twice, folded headers, lines that end in LF alone, space before a colon. This adds what it
lets pass, and a limit on the size of a request head, of which uvicorn has none. Connections are closed with a refusal.
"""

from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES: Final = 16 * 1024
VERSIONS: Final = frozenset({"1.0", "1.1"})
_READ_HERE: Final = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect"})
_END: Final = b"\r\n\r\n"
_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class RefusedError(ValueError):
    """A request that llhttp accepts and this server does not; it is answered with 400."""


class StrictHttpProtocol(HttpToolsProtocol):
    """uvicorn's fast protocol, with a limit on each head and without what leaves the end of a request open to dispute.

    What arrives is given to the parser in pieces that end where a head or a message ends, which makes the size of each
    head known to the byte, whatever else came in the same packet: a head and the end of a chunked body are an empty
    line, the end of any other body is known from its length.
    """

    n_body_bytes = 0  # of all requests: shows whether anything arrived
    _tail = b""  # the last bytes that arrived: an empty line may arrive in parts
    _n_uncounted = 0  # bytes of a head; in a chunked body, bytes since the last content
    _n_body_left: int | None = 0  # None: the body is chunked
    _is_body = False
    _n_hosts = 0

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        start, end = 0, len(data)
        while start < end and not self.transport.is_closing():
            piece_end = self._piece_end(data, start)
            piece = data[start:piece_end]
            start = piece_end
            if not self._is_body:
                self._n_uncounted += len(piece)
                if self._n_uncounted > HEAD_BYTES:
                    self._refuse_size()
                else:
                    super().data_received(piece)
                continue
            self.n_body_bytes += len(piece)
            if self._n_body_left is not None:
                self._n_body_left -= len(piece)
                super().data_received(piece)
                continue
            # A chunk may be announced at any length, and so may the trailer that is refused below.
            self._n_uncounted += len(piece)
            super().data_received(piece)
            if self._n_uncounted > HEAD_BYTES:
                self._refuse_size()
        self._tail = data[-3:] if end >= 3 else (self._tail + data)[-3:]

    def _piece_end(self, data: bytes, start: int) -> int:
        if self._is_body and self._n_body_left is not None:
            return min(start + self._n_body_left, len(data))
        if start == 0 and self._tail:
            in_parts = (self._tail + data[:3]).find(_END)
            if in_parts >= 0:
                return in_parts + len(_END) - len(self._tail)
        found = data.find(_END, max(start - 3, 0))
        return len(data) if found < 0 else found + len(_END)

    def _refuse_size(self) -> None:
        if not self.transport.is_closing():
            if not self._owes_response():
                self.transport.write(_TOO_LARGE)
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what arrived and close the connection; where that would read as another's response, only close it."""
        if self._owes_response():
            self.transport.close()
        else:
            super().send_400_response(msg)

    def _owes_response(self) -> bool:
        """Return True if what is sent next belongs to a request other than the one that is being read, or to its body."""
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        return cycle.response_started or not self._is_body or bool(self.pipeline)

    def on_message_begin(self) -> None:
        """See httptools."""
        super().on_message_begin()
        self._n_body_left = 0
        self._n_hosts = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools. Raises RefusedError for trailers, and for any transfer coding but `chunked`."""
        if self._is_body:
            # uvicorn would add them to the headers of the request, which the application has read already.
            raise RefusedError("a trailer")
        name = name.lower()
        if name in _READ_HERE:
            self._read(name, value)
        self.headers.append((name, value))

    def _read(self, name: bytes, value: bytes) -> None:
        if name == b"host":
            self._n_hosts += 1
        elif name == b"content-length":
            self._n_body_left = int(value)
        elif name == b"expect":
            self.expect_100_continue = value.lower() == b"100-continue"
        elif value.lower() == b"chunked":
            self._n_body_left = None
        else:
            raise RefusedError("an unknown transfer coding")

    def on_headers_complete(self) -> None:
        """See httptools. Raises RefusedError for other versions of HTTP and for a request without exactly one host."""
        version = self.parser.get_http_version()
        if version not in VERSIONS or self._n_hosts > 1 or (version == "1.1" and self._n_hosts == 0):
            raise RefusedError("another version of HTTP, or not one host")
        if version == "1.0" and self._n_body_left is None:
            raise RefusedError("a chunked body, which HTTP/1.0 does not know")
        if self._n_body_left != 0 and self.parser.should_upgrade():
            # The parser takes what follows for another protocol, so the body would be read as the next request.
            raise RefusedError("a body with a request to switch protocols")
        self._n_uncounted = 0
        self._is_body = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._n_uncounted = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """See httptools."""
        self._n_uncounted = 0
        self._is_body = False
        super().on_message_complete()
