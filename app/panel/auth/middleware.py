"""Default deny: every route needs a session or a token, except the few named here.

Pure ASGI and outside the router, so that a route that is added tomorrow is closed without anybody thinking of it.
"""

from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.panel.auth.service import Auth
from app.web.problems import problem_response
from pipeline.errors import ProblemError

OPEN_PATHS: Final = frozenset({"/healthz", "/login"})
OPEN_PREFIX: Final = "/static/"


class AuthMiddleware:
    """Lets a request through if it may pass; answers it otherwise."""

    def __init__(self, app: ASGIApp, auth: Auth) -> None:
        self._app = app
        self._auth = auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] != "http" or is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if await self._may_pass(headers):
            await self._app(scope, receive, send)
        else:
            await refusal(scope, headers)(scope, receive, send)

    async def _may_pass(self, headers: Headers) -> bool:
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return await run_in_threadpool(self._auth.is_api_token, token.strip())
        session = session_token(headers, self._auth.cookie)
        # Memory only, but for one write every few minutes: not worth a thread.
        return bool(session) and self._auth.is_session(session)


def is_open(path: str) -> bool:
    """Whether anybody may see `path`."""
    return path in OPEN_PATHS or path.startswith(OPEN_PREFIX)


def session_token(headers: Headers, cookie: str) -> str:
    """The session's token in the request, or ""."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(cookie)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def refusal(scope: Scope, headers: Headers) -> Response:
    """People are sent to the login page and come back; scripts get 401 AUTH-01."""
    login = "/login"
    if scope["method"] == "GET" and scope["path"] != "/":
        query = scope["query_string"].decode("latin-1")
        login += "?next=" + quote(scope["path"] + (f"?{query}" if query else ""), safe="")
    if headers.get("hx-request") == "true":
        return Response(status_code=401, headers={"HX-Redirect": "/login"})
    if "text/html" in headers.get("accept", "") and not scope["path"].startswith("/api/"):
        return RedirectResponse(login, status_code=303)
    problem = ProblemError(
        "AUTH-01",
        "Log in first.",
        why="The request carried neither a session nor a valid token.",
        fix="Open the login link, or send the API token.",
        command="curl -H 'Authorization: Bearer TOKEN' ...",
        status=401,
    )
    return problem_response(problem, headers={"WWW-Authenticate": "Bearer"})
