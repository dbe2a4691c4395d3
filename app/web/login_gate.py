"""The panel's login in front of a service, for browsers and for programs.

A browser without a session is sent to the panel and comes back with one. It keeps a random secret in a cookie and
shows the panel only its SHA-256, the challenge; the panel writes the challenge together with a grant into the access
list and sends the grant back in the address. So nothing in an address opens anything without the cookie, and a login
that somebody else began is of no use to them (as in PKCE, RFC 7636).

A program sends a token of the panel, as bearer token or as the password of Basic authentication.
"""

import base64
import binascii
import logging
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.web.access import AccessList, digest, session_digest, token_identity
from app.web.host_guard import other_loopback
from app.web.identity import Identity, client_address, set_identity
from app.web.problem_response import problem_response, retry_headers
from app.web.problems import HostNotAllowedError, LoginElsewhereError, TooManyTokensError
from app.web.security import Policy, check_origin
from app.web.wrong_tokens import WrongTokens
from pipeline.core.problems import ProblemError

GRANT: Final = "_grant"  # the name of the grant in the address
MAX_IDLE_S: Final = 30 * 60.0
PENDING_S: Final = 600  # how long a browser may take to log in
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_NO_POLICY: Final = Policy(hosts=frozenset(), ports=frozenset())

log = logging.getLogger(__name__)

Refuse = Callable[[ProblemError], Response]


@dataclass(frozen=True)
class Gate:
    """What a login gate needs to know: the name of its service, its port, and the panel's address for browsers.

    `panel_names` are those by which other machines reach the panel, where its address is one of this machine alone.
    Paths in `open_paths`, and below those that end in a slash, need no login. `refuse` makes the answer to a program that
    has none, from the problem.
    """

    service: str
    port: int
    panel_url: str
    panel_names: tuple[str, ...] = ()
    open_paths: tuple[str, ...] = ()
    is_host_allowed: Callable[[bytes], bool] = lambda _host: True
    refuse: Refuse = problem_response


class LoginGate:
    """Passes on requests of people who are logged in and of programs with a token, with their identity in the scope.

    The application never sees a cookie or a token.
    """

    def __init__(
        self, app: ASGIApp, gate: Gate, access: AccessList, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._gate = gate
        self._access = access
        self._monotonic = monotonic
        self._started = monotonic()
        self._seen: dict[str, float] = {}
        self._wrong_tokens = WrongTokens()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        inner = {**scope, "headers": _without_credentials(scope)}
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._gate.is_host_allowed(hosts[0].encode("latin-1")):
            await problem_response(HostNotAllowedError(hosts))(scope, receive, send)
            return
        if self._is_open(scope["path"]):
            await self._app(inner, receive, send)
            return
        response = self._finish_login(scope, headers)
        if response is None:
            authorization = headers.get("authorization", "")
            identity = self._holder(authorization) if authorization else self._person(scope, headers)
            if identity is not None:
                problem = None if authorization else check_origin(scope, headers, _NO_POLICY)
                if problem is None:
                    set_identity(inner, identity)
                    await self._app(inner, receive, send)
                    return
                response = problem_response(problem)
            elif authorization:
                response = self._refuse_token(scope)
            elif _is_navigation(scope, headers):
                response = self._begin_login(scope, headers)
            else:
                response = self._refuse()
        await response(scope, receive, send)

    def _is_open(self, path: str) -> bool:
        return any(path == each or (each.endswith("/") and path.startswith(each)) for each in self._gate.open_paths)

    def _holder(self, authorization: str) -> Identity | None:
        kind, _, value = authorization.partition(" ")
        if kind.lower() == "basic":
            try:
                text = base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
            except (binascii.Error, ValueError):
                return None
        else:
            text = value.strip() if kind.lower() == "bearer" else ""
        entry = self._access.token(text, self._gate.service) if text else None
        return token_identity(entry) if entry is not None else None

    def _refuse(self) -> Response:
        response = self._gate.refuse(LoginElsewhereError())
        response.headers["www-authenticate"] = "Bearer"
        return response

    def _refuse_token(self, scope: Scope) -> Response:
        address = client_address(scope)
        try:
            self._wrong_tokens.count(address)
        except TooManyTokensError as problem:
            response = self._gate.refuse(problem)
            response.headers.update(retry_headers(problem))
            return response
        log.warning("action=token.use result=refused service=%s address=%s", self._gate.service, address)
        return self._refuse()

    def _person(self, scope: Scope, headers: Headers) -> Identity | None:
        secret, _, grant = self._cookie(scope, headers).partition(".")
        if not grant:
            return None
        key = session_digest(digest(secret), grant)
        entry = self._access.session(key, self._gate.service)
        if entry is None:
            self._seen.pop(key, None)
            return None
        now = self._monotonic()
        # The use before a restart of this process is not known: it counts from its start.
        is_idle = now - self._seen.get(key, self._started) > MAX_IDLE_S and time.time() - entry.created_at > MAX_IDLE_S
        if is_idle and not entry.is_long:
            return None
        if len(self._seen) > 10_000:
            self._seen = {each: at for each, at in self._seen.items() if now - at <= MAX_IDLE_S}
        self._seen[key] = now
        return Identity(entry.user, entry.role, entry.via)

    def _begin_login(self, scope: Scope, headers: Headers) -> Response:
        secret, _, grant = self._cookie(scope, headers).partition(".")
        if grant or not _SECRET.fullmatch(secret):  # a second tab goes on with the secret of the first
            secret = secrets.token_urlsafe(32)
        origin = f"{scope['scheme']}://{headers.get('host', '')}"
        query = urlencode({"challenge": digest(secret), "from": origin, "next": _address(scope)}, quote_via=quote)
        panel = panel_address(self._gate.panel_url, self._gate.panel_names, headers)
        address = f"{panel}/enter/{self._gate.service}?{query}"
        response = RedirectResponse(address, status_code=303)
        self._set_cookie(response, scope, secret, max_age=PENDING_S)
        return response

    def _finish_login(self, scope: Scope, headers: Headers) -> Response | None:
        """Return the response to the return from the panel, or None if this is none, or one of another browser."""
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        grant = next((value for name, value in pairs if name == GRANT), "")
        if not grant or scope["method"] != "GET":
            return None
        secret = self._cookie(scope, headers).partition(".")[0]
        if self._access.session(session_digest(digest(secret), grant), self._gate.service) is None:
            return self._refuse()
        rest = urlencode([(name, value) for name, value in pairs if name != GRANT])
        path = _path(scope)
        response = RedirectResponse(f"{path}?{rest}" if rest else path, status_code=303)
        self._set_cookie(response, scope, f"{secret}.{grant}")
        return response

    def _cookie(self, scope: Scope, headers: Headers) -> str:
        return cookie_parser(headers.get("cookie", "")).get(self._cookie_name(scope), "")

    def _cookie_name(self, scope: Scope) -> str:
        return session_cookie(self._gate.service, self._gate.port, scope)

    def _set_cookie(self, response: Response, scope: Scope, value: str, max_age: int | None = None) -> None:
        response.set_cookie(
            self._cookie_name(scope),
            value,
            max_age=max_age,
            path="/",
            httponly=True,
            samesite="lax",  # the way back from the panel begins at another site
            secure=scope["scheme"] == "https",
        )
        MutableHeaders(raw=response.raw_headers)["cache-control"] = "no-store"


def session_cookie(service: str, port: int, scope: Scope) -> str:
    """Return the name of the cookie of a session: one for each port, since ports share their cookies."""
    return f"__Host-{service}_session" if scope["scheme"] == "https" else f"{service}_session_{port}"


def panel_address(panel_url: str, panel_names: tuple[str, ...], headers: Headers) -> str:
    """Return the address of the panel for the browser that sent this request: by another name than this service's.

    Ports of one name share one cookie jar. An address of this machine alone is of use to its own browsers only; others
    find the panel by one of `panel_names`. Where it has no other name, it says so itself.
    """
    parts = urlsplit(panel_url)
    if parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        return panel_url
    host = headers.get("host", "127.0.0.1")
    own = _name(host)
    others = (_name(other_loopback(host)), *panel_names)
    name = next((each for each in others if each not in {"", own}), own)
    return f"{parts.scheme}://{name}:{parts.port}"


def _name(host: str) -> str:
    """Return the name in a Host header without its port, IPv6 in brackets, "" for ""."""
    name = urlsplit(f"//{host}").hostname or ""
    return f"[{name}]" if ":" in name else name


def _address(scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    return _path(scope) + (f"?{query}" if query else "")


def _path(scope: Scope) -> str:
    """Return the path with one slash in front: with two, a browser would take what follows for a host."""
    return "/" + quote(scope["path"].lstrip("/"))


def _is_navigation(scope: Scope, headers: Headers) -> bool:
    return scope["method"] == "GET" and "text/html" in headers.get("accept", "")


def _without_credentials(scope: Scope) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in scope["headers"] if name not in {b"cookie", b"authorization"}]
