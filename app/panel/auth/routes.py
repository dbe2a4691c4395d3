"""Log in, log out."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Query, Request
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response

from app.panel.auth.middleware import session_token
from app.panel.auth.service import LONGEST, Auth
from app.panel.pages.renderer import PageRenderer
from app.web.templating import View
from pipeline.core.problems import ProblemError


@dataclass(frozen=True)
class LoginView(View):
    """`problem` is why the last try failed; `next` where to go afterwards, a path of this panel; `address` its own."""

    TEMPLATE: ClassVar[str] = "panel/login.html"

    takes_password: bool
    address: str
    next: str
    problem: ProblemError | None


@dataclass(frozen=True)
class WelcomeView(View):
    """One step between a foreign page's link and the panel, see `login`."""

    TEMPLATE: ClassVar[str] = "panel/welcome.html"

    next: str


def router(renderer: PageRenderer, auth: Auth) -> APIRouter:
    """The routes of logging in and out."""
    routes = APIRouter()

    def show(request: Request, target: str, problem: ProblemError | None = None) -> Response:
        address = f"{request.url.scheme}://{request.url.netloc}"
        view = LoginView(takes_password=auth.takes_password, address=address, next=target, problem=problem)
        response = renderer.render(request, view, status=problem.status if problem else 200)
        response.headers.update(_when(auth.wait_s(_address(request))))
        return response

    def enter(request: Request, response: Response, token: str) -> Response:
        is_https = request.scope["scheme"] == "https"
        response.set_cookie(
            auth.cookie,
            token,
            max_age=int(LONGEST.total_seconds()),
            path="/",
            httponly=True,
            samesite="strict",
            secure=is_https,
        )
        return response

    @routes.get("/login")
    def login(
        request: Request,
        token: str = "",
        target: Annotated[str, Query(alias="next")] = "/",
    ) -> Response:
        target = relative(target)
        if not token:
            return show(request, target)
        try:
            session = auth.login_with_link(token, _address(request))
        except ProblemError as problem:
            return show(request, target, problem)
        if request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
            # The browser withholds a strict cookie from a navigation that another renderer began, and a redirect
            # belongs to it: so the panel's own page begins the next one.
            return enter(request, renderer.render(request, WelcomeView(next=target)), session)
        return enter(request, RedirectResponse(target, status_code=303), session)

    @routes.post("/login")
    def login_with_password(
        request: Request,
        password: Annotated[str, Form()] = "",
        target: Annotated[str, Form(alias="next")] = "/",
    ) -> Response:
        target = relative(target)
        try:
            session = auth.login_with_password(password, _address(request))
        except ProblemError as problem:
            return show(request, target, problem)
        return enter(request, RedirectResponse(target, status_code=303), session)

    @routes.post("/logout")
    def logout(request: Request) -> Response:
        auth.logout(session_token(Headers(scope=request.scope), auth.cookie))
        response = RedirectResponse("/login", status_code=303)
        response.delete_cookie(auth.cookie, path="/", httponly=True, samesite="strict")
        return response

    return routes


def relative(target: str) -> str:
    """`target` if it is a path of this panel, "/" otherwise: a login must not send anybody elsewhere."""
    is_path = target.startswith("/") and not target.startswith("//") and target.isprintable() and "\\" not in target
    # With one slash in front there is neither scheme nor host to be parsed, so that this cannot fail.
    return target if is_path and urlsplit(target).path not in {"/login", "/logout"} else "/"


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _when(wait_s: float) -> dict[str, str]:
    return {"retry-after": str(math.ceil(wait_s))} if wait_s > 0 else {}
