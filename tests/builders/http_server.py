"""HTTP servers that answer what a test wants."""

import http.client
import http.server
import re
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

from tests.builders.certificates import Files

HOP_BY_HOP: Final = {"accept-encoding", "connection", "content-length", "date", "host", "server", "transfer-encoding"}


class Request(NamedTuple):
    """A request that a server received."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    """An answer; its length is added."""

    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b""


@contextmanager
def http_server(answer: Callable[[Request], Answer], tls: Files | None = None) -> Iterator[str]:
    """Yield the address of a server that answers every request, whatever its method; at https with a certificate."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def __getattr__(self, name: str) -> Callable[[], None]:
            if not name.startswith("do_"):
                raise AttributeError(name)
            return self._answer

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answered = answer(Request(self.command, self.path, dict(self.headers.items()), body))
            self.send_response(answered.status)
            for name, value in answered.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answered.body)))
            self.end_headers()
            self.wfile.write(answered.body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def lying_server(
    url: str,
    lies: Mapping[str, str],
    tls: Files | None = None,
    *,
    is_lost: Callable[[Request], bool] = lambda _: False,
) -> Iterator[str]:
    """Yield the address of a server in front of `url` that replaces each pattern of `lies` in what that one answers.

    A request that `is_lost` is done, but answered with 503, as by a proxy that did not wait. It logs in with the password that `url` holds.
    """
    parts = urllib.parse.urlsplit(url)

    def answer(request: Request) -> Answer:
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        if parts.password:
            headers["Authorization"] = f"Bearer {parts.password}"
        connection.request(request.method, request.path, request.body, headers)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        if is_lost(request):
            return Answer(503)
        for pattern, text in lies.items():
            body = re.sub(pattern.encode(), text.encode(), body)
        passed = {name: value for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP}
        return Answer(response.status, passed, body)

    with http_server(answer, tls) as address:
        yield address
