"""Small HTTP calls to the services: no proxy, no redirect, a time limit."""

import errno
import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, urlsplit

UNREACHABLE: Final = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH})
MAX_BYTES: Final = 8 * 2**20


@dataclass(frozen=True)
class Response:
    """A response; names of headers are in lower case.

    `status` 0 means that there was none; `body` then says why, and `is_unreachable` that nothing listens there: how
    busy a server is does not look like that.
    """

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)
    is_unreachable: bool = False

    @property
    def is_ok(self) -> bool:
        """Return True for a 2xx."""
        return 200 <= self.status < 300


def get(url: str, timeout_s: float, tls: ssl.SSLContext | None = None) -> Response:
    """Return the response to a GET; never raises for what the network or the server does."""
    return call("GET", url, None, {}, timeout_s, tls=tls)


def post(url: str, body: object, timeout_s: float, *, bearer: str = "", tls: ssl.SSLContext | None = None) -> Response:
    """Return the response to `body` sent as JSON; never raises for what the network or the server does."""
    headers = {"Content-Type": "application/json", **bearer_header(bearer)}
    return call("POST", url, json.dumps(body).encode(), headers, timeout_s, tls=tls)


def bearer_header(bearer: str) -> dict[str, str]:
    """Return the header that carries the key `bearer`; none for ""."""
    return {"Authorization": f"Bearer {bearer}"} if bearer else {}


def call(
    method: str,
    url: str,
    body: bytes | None,
    headers: Mapping[str, str],
    timeout_s: float,
    *,
    tls: ssl.SSLContext | None = None,
) -> Response:
    """Return the response to any request; never raises for what the network or the server does.

    `tls` says which certificates count where the URL is https.
    """
    parts = urlsplit(url)
    connection = _connection(parts, timeout_s, tls)
    try:
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        received = {name.lower(): value for name, value in response.getheaders()}
        return Response(response.status, response.read(MAX_BYTES).decode("utf-8", "replace"), received)
    except (OSError, http.client.HTTPException) as error:
        is_unreachable = isinstance(error, ConnectionRefusedError | socket.gaierror) or (
            isinstance(error, OSError) and error.errno in UNREACHABLE
        )
        return Response(0, f"{type(error).__name__}: {error}", is_unreachable=is_unreachable)
    finally:
        connection.close()


def _connection(parts: SplitResult, timeout_s: float, tls: ssl.SSLContext | None) -> http.client.HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, parts.port or 443, timeout=timeout_s, context=tls)
    return http.client.HTTPConnection(host, parts.port or 80, timeout=timeout_s)
