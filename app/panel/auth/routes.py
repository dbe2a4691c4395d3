"""Log in, log out."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Query, Request
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response

from app.panel.auth.middleware import session_token
from app.panel.auth.service import MAX_AGE, Auth
from app.panel.pages.renderer import PageRenderer
from app.web.dependencies import provided
from app.web.templating import View
from pipeline.core.problems import ProblemError

router = APIRouter()

AuthService = Annotated[Auth, provided(Auth)]
Renderer = Annotated[PageRenderer, provided(PageRenderer)]


@dataclass(frozen=True)
class LoginView(View):
    """`problem` is why the last attempt failed; `next` a path of this panel to go to; `address` the panel's own."""

    TEMPLATE: ClassVar[str] = "panel/login.html"

    uses_password: bool
    address: str
    next: str
    problem: ProblemError | None


@dataclass(frozen=True)
class WelcomeView(View):
    """One step between a foreign page's link and the panel, see `login`."""

    TEMPLATE: ClassVar[str] = "panel/welcome.html"

    next: str


@router.get("/login")
def login(
    request: Request,
    auth: AuthService,
    renderer: Renderer,
    token: str = "",
    target: Annotated[str, Query(alias="next")] = "/",
) -> Response:
    """Show the login page, or log in with the token of the printed link."""
    target = relative(target)
    if not token:
        return _login_page(request, auth, renderer, target)
    try:
        session = auth.login_with_link(token, _client_address(request))
    except ProblemError as problem:
        return _login_page(request, auth, renderer, target, problem)
    if request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
        # The browser withholds a strict cookie from a navigation that another site began, and a redirect belongs to
        # it: so the panel's own page begins the next one.
        return _with_session(request, auth, renderer.render(request, WelcomeView(next=target)), session)
    return _with_session(request, auth, RedirectResponse(target, status_code=303), session)


@router.post("/login")
def login_with_password(
    request: Request,
    auth: AuthService,
    renderer: Renderer,
    password: Annotated[str, Form()] = "",
    target: Annotated[str, Form(alias="next")] = "/",
) -> Response:
    """Log in with the password."""
    target = relative(target)
    try:
        session = auth.login_with_password(password, _client_address(request))
    except ProblemError as problem:
        return _login_page(request, auth, renderer, target, problem)
    return _with_session(request, auth, RedirectResponse(target, status_code=303), session)


@router.post("/logout")
def logout(request: Request, auth: AuthService) -> Response:
    """End the session and its streams."""
    auth.logout(session_token(Headers(scope=request.scope), auth.cookie))
    response = RedirectResponse("/login", status_code=303)
    response.delete_cookie(auth.cookie, path="/", httponly=True, samesite="strict")
    return response


def relative(target: str) -> str:
    """Return `target` if it is a path of this panel, else "/": a login must not send anybody elsewhere."""
    is_path = target.startswith("/") and not target.startswith("//") and target.isprintable() and "\\" not in target
    # With one slash in front there is neither scheme nor host to be parsed, so that this cannot fail.
    return target if is_path and urlsplit(target).path not in {"/login", "/logout"} else "/"


def _login_page(
    request: Request, auth: Auth, renderer: PageRenderer, target: str, problem: ProblemError | None = None
) -> Response:
    address = f"{request.url.scheme}://{request.url.netloc}"
    view = LoginView(uses_password=auth.uses_password, address=address, next=target, problem=problem)
    response = renderer.render(request, view, status=problem.status if problem else 200)
    wait_s = auth.wait_s(_client_address(request))
    if wait_s > 0:
        response.headers["retry-after"] = str(math.ceil(wait_s))
    return response


def _with_session(request: Request, auth: Auth, response: Response, token: str) -> Response:
    response.set_cookie(
        auth.cookie,
        token,
        max_age=int(MAX_AGE.total_seconds()),
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.scope["scheme"] == "https",
    )
    return response


def _client_address(request: Request) -> str:
    return request.client.host if request.client else ""
