"""Default deny: every route needs a session or a token, except the few named here. A response ends with its session.

Pure ASGI and outside the router, so that a route that is added tomorrow is protected without further ado.
"""

import asyncio
from typing import Final
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.panel.auth.problems import LoginRequiredError
from app.panel.auth.service import Auth
from app.panel.pages.renderer import AUTHENTICATED
from app.web.problem_response import problem_response

OPEN_PATHS: Final = frozenset({"/healthz", "/login"})
OPEN_PREFIX: Final = "/static/"
CHECK_EVERY_S: Final = 1.0


class AuthMiddleware:
    """Passes authenticated requests on; refuses all others."""

    def __init__(self, app: ASGIApp, auth: Auth) -> None:
        self._app = app
        self._auth = auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] != "http" or is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            if await run_in_threadpool(self._auth.is_api_token, token.strip()):
                scope[AUTHENTICATED] = True
                await self._app(scope, receive, send)
                return
        else:
            session = session_token(headers, self._auth.cookie)
            if session and self._auth.is_session(session):
                if self._auth.needs_touch(session):
                    # It waits for the disk; the request need not.
                    asyncio.get_running_loop().run_in_executor(None, self._auth.touch, session)
                scope[AUTHENTICATED] = True
                await self._serve(session, scope, receive, send)
                return
        await refusal(scope, headers)(scope, receive, send)

    async def _serve(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        response = _Response(self._auth, session, receive, send)
        await self._app(scope, response.receive, response.send)
        if response.is_cut and response.is_stream:
            await send({"type": "http.response.body", "body": b""})


class _Response:
    """A response that ends with the session that requested it: the app is told that its client has disconnected.

    A stream ends as if it were complete, and its reader is refused when it reconnects; a file is cut off.
    """

    def __init__(self, auth: Auth, session: str, receive: Receive, send: Send) -> None:
        self._auth = auth
        self._session = session
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
                if not self._auth.is_session(self._session):
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


def session_token(headers: Headers, cookie: str) -> str:
    """Return the session's token in the request, or ""."""
    # Not the standard library's parser: it stops at the first malformed cookie, and programs on other ports of this
    # machine set cookies that are sent here as well.
    return cookie_parser(headers.get("cookie", "")).get(cookie, "")


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
