"""The guard in front of the panel and the prediction app: which Host, which Origin, how large a body, which headers.

Pure ASGI, because a stream must pass through unbuffered. It reads the scope and never `request.url`, which is built
from the very header that is checked here. It knows nothing of users: that is the panel's `auth`.
"""

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.body_limit import BODY_BYTES_PER_S, BodyLimits, LimitedBody
from app.web.host_guard import HOST, LOOPBACK_NAMES, HostGuard, listed_hosts, unownable_hosts
from app.web.problem_response import problem_response
from app.web.problems import BodyTooLargeError, BodyTooSlowError, CrossOriginError, HostNotAllowedError
from app.web.proxies import VIA_PROXY
from pipeline.core.problems import ProblemError

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
HSTS: Final = "max-age=31536000"
BODY_S: Final = 60.0  # how long a body may take, and longer the more of it has arrived

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Final = (
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
    """The requests that a server accepts.

    `hosts` are the names that it answers to, without port, lower case, IPv6 in brackets, and `ports` the ports that
    they may come with (no port means 80 or 443); an entry `name:port` goes with that port only. `body_bytes` bounds a
    body, `upload_bytes` one whose path starts with an entry of `upload_paths`. `cross_origin_paths` accept unsafe
    methods from any origin, because they act for no user. `probe_paths` answer under every name that no stranger can own, such as the address of the
    machine, because they tell nobody anything. `render` turns a refusal into a response.
    """

    hosts: frozenset[str]
    ports: frozenset[int]
    body_bytes: int = 2**20
    upload_bytes: int = 2**20
    upload_paths: tuple[str, ...] = ()
    cross_origin_paths: tuple[str, ...] = ()
    probe_paths: frozenset[str] = frozenset()
    render: Render = field(default=_as_json)


class SecurityMiddleware:
    """Refuses what `policy` does not allow, bounds bodies while they arrive, and adds security headers to every response."""

    def __init__(self, app: ASGIApp, policy: Policy) -> None:
        self._app = app
        self._policy = policy
        self._hosts = HostGuard(listed_hosts(policy.hosts, policy.ports))
        self._probe_hosts = HostGuard(unownable_hosts())
        self._body_limits = _body_limits(policy.body_bytes)
        self._upload_limits = _body_limits(policy.upload_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a problem, or hand the request on to the application."""
        if scope["type"] != "http":
            # There are no WebSockets here; the lifespan passes through.
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        hosts = self._probe_hosts if scope["path"] in self._policy.probe_paths else self._hosts
        problem = check_host(headers, hosts) or check_origin(scope, headers, self._policy)
        limits = self._limits(scope["path"])
        if problem is None and _content_length(headers) > limits.max_bytes:
            problem = BodyTooLargeError(limits.max_bytes)
        if problem is None:
            body = _Body(receive, _with_security_headers(scope, send), limits)
            # Whatever the app responds to a body that breaks off, the client gets the response below.
            with contextlib.suppress(ClientDisconnect):
                await self._app(scope, body.receive, body.send)
            # A response that has begun cannot be replaced: it stays cut off, and the server closes the connection.
            problem = None if body.has_begun else body.problem
        if problem is not None:
            response = self._policy.render(Request(scope), problem)
            await response(scope, receive, _with_security_headers(scope, send))

    def _limits(self, path: str) -> BodyLimits:
        is_upload = self._policy.upload_paths and path.startswith(self._policy.upload_paths)
        return self._upload_limits if is_upload else self._body_limits


def check_host(headers: Headers, guard: HostGuard) -> ProblemError | None:
    """Return WEB-01 unless there is exactly one Host header, and `guard` allows it."""
    hosts = headers.getlist("host")
    if len(hosts) == 1 and guard.allows(hosts[0].encode("latin-1")):
        return None
    return HostNotAllowedError(hosts)


def check_origin(scope: Scope, headers: Headers, policy: Policy) -> ProblemError | None:
    """Return WEB-02 if a page of another origin sent this: another port on this machine is another origin.

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
        # A proxy that is not trusted may have ended TLS: then `http` says nothing, and host and port decide.
        scheme = scope["scheme"] if scope["scheme"] == "https" or VIA_PROXY in scope else None
        is_same = is_same_origin(origin, scheme, headers["host"]) and site in {None, "same-origin"}
        return None if is_same else CrossOriginError(origin)
    return None if site == "same-origin" else CrossOriginError("a client that does not name its origin")


def is_same_origin(origin: str, scheme: str | None, host: str) -> bool:
    """Return True if an Origin header names `scheme` (None: any) and the host and port of the Host header `host`.

    A port that is left out is that of the scheme, on either side.
    """
    named_scheme, _, authority = origin.lower().partition("://")
    named, served = HOST.fullmatch(authority), HOST.fullmatch(host.lower())
    if named is None or served is None or named_scheme not in DEFAULT_PORTS or scheme not in {None, named_scheme}:
        return False
    port = DEFAULT_PORTS[named_scheme]
    return (named[1], int(named[2] or port)) == (served[1], int(served[2] or port))


def _body_limits(max_bytes: int) -> BodyLimits:
    return BodyLimits(
        max_bytes=max_bytes,
        timeout_s=BODY_S,
        bytes_per_s=BODY_BYTES_PER_S,
        too_large=BodyTooLargeError,
        too_slow=partial(BodyTooSlowError, BODY_BYTES_PER_S),
    )


def _content_length(headers: Headers) -> int:
    text = headers.get("content-length", "0")
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else 0


class _Body:
    """A body within limits: past one it breaks off, and whatever the app sends from then on is dropped."""

    def __init__(self, receive: Receive, send: Send, limits: BodyLimits) -> None:
        self._receive = receive
        self._send = send
        self._body = LimitedBody(receive, limits)
        self.has_begun = False
        self.problem: ProblemError | None = None

    async def receive(self) -> Message:
        if self._body.is_whole or self.problem is not None:
            # A streamed response waits here for the client to leave.
            return await self._receive()
        try:
            return await self._body.receive()
        except ProblemError as problem:
            self.problem = problem
            return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self.problem is None:
            self.has_begun = True
            await self._send(message)


def set_security_headers(headers: MutableHeaders) -> None:
    """Set the headers of every response; also for those made outside of the guard, when all else has failed."""
    for name, value in SECURITY_HEADERS:
        headers.setdefault(name, value)
    headers.setdefault("cache-control", "no-store")


def sends_hsts(scope: Scope) -> bool:
    """Return True if a browser should come back by https only: it came by https, and not to this machine itself.

    On `localhost` the other programs of a developer would be asked for https as well, on any port.
    """
    if scope["scheme"] != "https":
        return False
    match = HOST.fullmatch(Headers(scope=scope).get("host", ""))
    name = match[1].lower() if match else "localhost"
    return name not in LOOPBACK_NAMES and not name.endswith(".localhost")


class StrictTransport:
    """Middleware: adds Strict-Transport-Security, for applications that have no SecurityMiddleware in front."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or not sends_hsts(scope):
            await self._app(scope, receive, send)
            return

        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("strict-transport-security", HSTS)
            await send(message)

        await self._app(scope, receive, send_with_header)


def _with_security_headers(scope: Scope, send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            set_security_headers(headers)
            if sends_hsts(scope):
                headers.setdefault("strict-transport-security", HSTS)
            if headers.get("content-type", "").startswith("text/event-stream"):
                # A proxy that compresses would hold lines back.
                headers["cache-control"] = "no-cache, no-transform"
        await send(message)

    return send_with_headers
