"""The guard in front of everything that answers HTTP: which Host, which Origin, how large a body, which headers.

Pure ASGI, because a stream must pass through unbuffered. It reads the scope and never `request.url`, which is built
from the very header that is checked here. It knows nothing of users: that is the panel's `auth`.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.problem_response import problem_response
from app.web.problems import BodyTooLargeError, BodyTooSlowError, CrossOriginError, HostNotAllowedError
from pipeline.core.problems import ProblemError

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
# A body may take this long, and longer the more of it has come: a dripping one never ends.
BODY_S: Final = 60.0
BODY_BYTES_PER_S: Final = 16 * 1024
HOST: Final = re.compile(r"(?P<name>\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::(?P<port>[0-9]{1,5}))?")

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = (
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    # Not "no-referrer": browsers then send "Origin: null" with our own forms, and the check below could not know them.
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-frame-options", "DENY"),
)

Render = Callable[[Request, ProblemError], Response]


def _as_json(_request: Request, problem: ProblemError) -> Response:
    return problem_response(problem)


@dataclass(frozen=True)
class Policy:
    """What a server accepts.

    `hosts`: names it may be called by, without port, lower case, IPv6 in brackets; `ports`: with any of these ports
    (80 and 443 also mean "no port written"); an entry `name:port` goes with that port only. `body_bytes` bounds a body, `upload_bytes` one whose path starts with an
    entry of `upload_paths`. `cross_origin_paths` take unsafe methods from anywhere, because they act for nobody.
    `render` turns a refusal into a response.
    """

    hosts: frozenset[str]
    ports: frozenset[int]
    body_bytes: int = 2**20
    upload_bytes: int = 2**20
    upload_paths: tuple[str, ...] = ()
    cross_origin_paths: tuple[str, ...] = ()
    render: Render = field(default=_as_json)


def allowed_hosts(bind: str, extra: str = "") -> frozenset[str]:
    """Loopback names, the address that is bound (unless it is a wildcard) and `extra`, a comma-separated list.

    A name in `extra` may have a port, which browsers see where a proxy stands in front: `panel.example:443`.
    """
    names = [*LOOPBACK_NAMES, *(name.strip() for name in extra.split(","))]
    if bind not in {"0.0.0.0", "::", "[::]"}:  # noqa: S104 - compared, not bound
        names.append(f"[{bind}]" if ":" in bind and not bind.startswith("[") else bind)
    return frozenset(name.lower() for name in names if name)


class SecurityMiddleware:
    """Refuses what `policy` does not allow, bounds bodies while they arrive, and adds the headers to every answer."""

    def __init__(self, app: ASGIApp, policy: Policy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] != "http":
            # There are no WebSockets here; the lifespan passes through.
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        problem = check_host(headers, self._policy) or check_origin(scope, headers, self._policy)
        limit = self._limit(scope["path"])
        if problem is None and _declared_bytes(headers) > limit:
            problem = BodyTooLargeError(limit)
        if problem is None:
            body = _Body(receive, _with_headers(send), limit)
            # Whatever the app makes of a body that breaks off, the answer is the one below.
            with contextlib.suppress(ClientDisconnect):
                await self._app(scope, body.receive, body.send)
            # An answer that had begun cannot be taken back: it stays cut off, and the server closes the connection.
            problem = None if body.has_begun else body.problem
        if problem is not None:
            response = self._policy.render(Request(scope), problem)
            await response(scope, receive, _with_headers(send))

    def _limit(self, path: str) -> int:
        is_upload = self._policy.upload_paths and path.startswith(self._policy.upload_paths)
        return self._policy.upload_bytes if is_upload else self._policy.body_bytes


def check_host(headers: Headers, policy: Policy) -> ProblemError | None:
    """WEB-01 unless there is exactly one Host header, well formed and on the list: a rebinding name is not."""
    hosts = headers.getlist("host")
    found = HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if found is not None:
        name, ports = found["name"].lower(), {int(found["port"])} if found["port"] else {80, 443}
        if (name in policy.hosts and ports & policy.ports) or any(f"{name}:{port}" in policy.hosts for port in ports):
            return None
    return HostNotAllowedError(hosts)


def check_origin(scope: Scope, headers: Headers, policy: Policy) -> ProblemError | None:
    """WEB-02 if a page of another origin sent this: another port on this machine is another origin.

    Unsafe methods need an Origin that equals the Host, or, without Origin, `Sec-Fetch-Site: same-origin`; a bearer
    token stands for both, since no browser adds one by itself. Reads that a foreign page embeds or fetches are
    refused as well; following a link from it is not.
    """
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    if scope["path"] in policy.cross_origin_paths:
        return None
    if scope["method"] in SAFE_METHODS:
        is_foreign = site in {"cross-site", "same-site"} and headers.get("sec-fetch-mode") != "navigate"
        return CrossOriginError(origin or site or "") if is_foreign else None
    if headers.get("authorization", "").lower().startswith("bearer "):
        return None
    if origin is not None:
        # Scheme is not compared: behind a proxy that ends TLS the server does not know it; host and port decide.
        is_same = origin.partition("://")[2].lower() == headers["host"].lower() and site in {None, "same-origin"}
        return None if is_same else CrossOriginError(origin)
    return None if site == "same-origin" else CrossOriginError("a client that does not name its origin")


def _declared_bytes(headers: Headers) -> int:
    declared = headers.get("content-length", "0")
    return int(declared) if re.fullmatch("[0-9]{1,18}", declared) else 0


class _Body:
    """Counts a body and the time that it takes; past a limit it breaks off, and what the app answers is dropped."""

    def __init__(self, receive: Receive, send: Send, limit_bytes: int) -> None:
        self._receive = receive
        self._send = send
        self._limit_bytes = limit_bytes
        self._n_bytes = 0
        self._waited_s = 0.0
        self._is_whole = False
        self.has_begun = False
        self.problem: ProblemError | None = None

    async def receive(self) -> Message:
        if self._is_whole or self.problem is not None:
            # Whoever streams an answer waits here for the reader to leave.
            return await self._receive()
        left_s = BODY_S + self._n_bytes / BODY_BYTES_PER_S - self._waited_s
        begun = time.monotonic()
        try:
            async with asyncio.timeout(left_s):
                message = await self._receive()
        except TimeoutError:
            self.problem = BodyTooSlowError(BODY_BYTES_PER_S)
            return {"type": "http.disconnect"}
        self._waited_s += time.monotonic() - begun
        self._n_bytes += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self._n_bytes > self._limit_bytes:
            self.problem = BodyTooLargeError(self._limit_bytes)
            return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        if self.problem is None:
            self.has_begun = True
            await self._send(message)


def add_headers(headers: MutableHeaders) -> None:
    """What every answer carries; also for the ones that are made outside of the guard, when all else has failed."""
    for name, value in HEADERS:
        headers.setdefault(name, value)
    headers.setdefault("cache-control", "no-store")


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            add_headers(headers)
            if headers.get("content-type", "").startswith("text/event-stream"):
                # A proxy that compresses would hold lines back.
                headers["cache-control"] = "no-cache, no-transform"
        await send(message)

    return sending
