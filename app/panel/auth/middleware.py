"""Default deny: every route needs a session or a token, except the few named here. A response ends with its session.

Pure ASGI and outside the router, so that a route that is added tomorrow is protected without further ado.
"""

import asyncio
from typing import Final
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request, cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.panel.audit.actor import Actor, acting
from app.panel.auth.problems import LoginRequiredError, RoleRequiredError
from app.panel.auth.roles import required_role
from app.panel.auth.service import Auth
from app.panel.auth.tables import LoginSession
from app.panel.auth.views import WelcomeView
from app.panel.pages.renderer import PageRenderer
from app.web.host_guard import other_loopback
from app.web.identity import Identity, client_address, set_identity
from app.web.problem_response import problem_response
from app.web.problems import TooManyTokensError
from app.web.proxies import VIA_PROXY

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz", "/login"})
OPEN_PREFIX: Final = "/static/"
ENTER_PATHS: Final = frozenset({"/enter/app", "/enter/mlflow"})  # where services send browsers to log in
LAST_TRY: Final = "&last=1"
CHECK_EVERY_S: Final = 1.0
_SESSION: Final = "panel.session"


class AuthMiddleware:
    """Passes on requests of those whose role allows them; refuses all others."""

    def __init__(self, app: ASGIApp, auth: Auth, renderer: PageRenderer) -> None:
        self._app = app
        self._auth = auth
        self._renderer = renderer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] != "http" or is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        kind, _, token = headers.get("authorization", "").partition(" ")
        session: LoginSession | None = None
        if kind.lower() == "bearer":
            identity = await run_in_threadpool(self._auth.bearer_identity, token.strip())
        elif (identity := await self._proxy_identity(scope)) is None:
            session = self._auth.sessions.find(session_token(scope, self._auth))
            identity = None if session is None else self._auth.session_identity(session)
        if identity is None:
            response = self._refusal(scope, headers)
            if kind.lower() == "bearer":
                response = await run_in_threadpool(self._wrong_token, scope, response)
            await response(scope, receive, send)
            return
        set_identity(scope, identity)
        actor = Actor(identity.name, identity.via, client_address(scope))
        required = required_role(scope["method"], scope["path"])
        if not identity.may(required):
            problem = RoleRequiredError(name=identity.name, role=identity.role, required=required)
            await run_in_threadpool(self._record_refusal, scope, problem, actor)
            await self._renderer.render_problem(Request(scope), problem)(scope, receive, send)
            return
        with acting(actor):
            await self._serve(session, scope, receive, send)

    async def _proxy_identity(self, scope: Scope) -> Identity | None:
        if VIA_PROXY not in scope:  # spares the thread
            return None
        return await run_in_threadpool(self._auth.proxy_identity, scope)

    def _refusal(self, scope: Scope, headers: Headers) -> Response:
        is_page = scope["method"] == "GET" and "text/html" in headers.get("accept", "")
        if not (is_page and scope["path"] in ENTER_PATHS):
            return refusal(scope, headers)
        query = scope["query_string"].decode("latin-1")
        if headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
            # Its cookie was withheld: see WelcomeView.
            return self._renderer.render(Request(scope), WelcomeView(next=f"{scope['path']}?{query}"))
        other = other_loopback(headers.get("host", ""))
        if other and not query.endswith(LAST_TRY):
            # A browser on this machine may be logged in under its other name.
            address = f"{scope['scheme']}://{other}{scope['path']}?{query}{LAST_TRY}"
            return RedirectResponse(address, status_code=303)
        return refusal(scope, headers)

    def _record_refusal(self, scope: Scope, problem: RoleRequiredError, actor: Actor) -> None:
        action = f"request.{scope['method'].lower()}"
        self._auth.refusals.record(action, scope["path"], actor.address, problem.what, actor=actor)

    def _wrong_token(self, scope: Scope, response: Response) -> Response:
        """Record a wrong token, and return `response`, or another one if there were too many."""
        address = client_address(scope)
        self._auth.refusals.record("token.use", scope["path"], address, "The token is not valid.")
        try:
            self._auth.wrong_tokens.count(address)
        except TooManyTokensError as problem:
            return problem_response(problem)
        return response

    async def _serve(self, session: LoginSession | None, scope: Scope, receive: Receive, send: Send) -> None:
        if session is None:
            await self._app(scope, receive, send)
            return
        scope[_SESSION] = session
        if self._auth.sessions.needs_touch(session):
            # It waits for the disk; the request need not.
            asyncio.get_running_loop().run_in_executor(None, self._auth.sessions.touch, session)
        if scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        response = _Response(self._auth, session_token(scope, self._auth), receive, send)
        await self._app(scope, response.receive, response.send)
        if response.is_cut and response.is_stream:
            await send({"type": "http.response.body", "body": b""})


class _Response:
    """A response that ends with the session that requested it: the app is told that its client has disconnected.

    A stream ends as if it were complete, and its reader is refused when it reconnects; a file is cut off.
    """

    def __init__(self, auth: Auth, token: str, receive: Receive, send: Send) -> None:
        self._auth = auth
        self._token = token
        self._receive = receive
        self._send = send
        self.is_stream = False
        self.is_cut = False

    async def receive(self) -> Message:
        while True:
            try:
                async with asyncio.timeout(CHECK_EVERY_S):
                    return await self._receive()
            except TimeoutError:
                if self._auth.sessions.find(self._token) is None:
                    self.is_cut = True
                    return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.is_stream = Headers(raw=message["headers"]).get("content-type", "").startswith("text/event-stream")
        elif not message.get("more_body", False):
            self.is_stream = False
        await self._send(message)


def is_open(path: str) -> bool:
    """Return True if `path` needs no login."""
    return path in OPEN_PATHS or path.startswith(OPEN_PREFIX)


def session_token(scope: Scope, auth: Auth) -> str:
    """Return the session's token in the request, or ""."""
    # Not the standard library's parser: it stops at the first malformed cookie, and programs on other ports of this
    # machine set cookies that are sent here as well.
    cookie = Headers(scope=scope).get("cookie", "")
    return cookie_parser(cookie).get(auth.cookie_name(scope), "")


def session_of(scope: Scope) -> LoginSession | None:
    """Return the session of an authenticated request; None for one with a token."""
    session: LoginSession | None = scope.get(_SESSION)
    return session


def refusal(scope: Scope, headers: Headers) -> Response:
    """Return the response to a request without login: people are sent to the login page and back, scripts get 401."""
    if headers.get("hx-request") == "true":
        # After the login, the page that made the request, not the part that it requested.
        address = headers.get("hx-current-url", "").partition("://")[2].partition("#")[0]
        return Response(status_code=401, headers={"HX-Redirect": _login_url("/" + address.partition("/")[2])})
    if "text/html" in headers.get("accept", "") and not scope["path"].startswith("/api/"):
        query = scope["query_string"].decode("latin-1")
        target = scope["path"] + (f"?{query}" if query else "")
        return RedirectResponse(_login_url(target if scope["method"] == "GET" else "/"), status_code=303)
    return problem_response(LoginRequiredError(), headers={"WWW-Authenticate": "Bearer"})


def _login_url(target: str) -> str:
    is_home = target.partition("?")[0] == "/"
    return "/login" if is_home else "/login?next=" + quote(target, safe="")
