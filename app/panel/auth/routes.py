"""Log in, log out, and hand a login on to a service."""

import math
from typing import Annotated, Final, Literal, Protocol
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Form, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response

from app.panel.auth.devices import MAX_AGE as DEVICE_AGE
from app.panel.auth.middleware import ENTER_PATHS, session_of, session_token
from app.panel.auth.problems import (
    LoginRequiredError,
    ServiceAwayError,
    SharedHostNameError,
    TooManyLoginsError,
    UnknownServiceAddressError,
)
from app.panel.auth.secrets import ADMIN
from app.panel.auth.service import Auth
from app.panel.auth.sessions import Browser, max_age
from app.panel.auth.views import LoginView, WelcomeView
from app.panel.pages.renderer import PageRenderer
from app.panel.settings import host_of
from app.web.dependencies import provided
from app.web.identity import client_address, identity_of
from app.web.login_gate import GRANT
from pipeline.core.problems import ProblemError

router = APIRouter()
MAX_NAME: Final = 64  # of what is shown again
MAX_TARGET: Final = 2000

AuthService = Annotated[Auth, provided(Auth)]
Renderer = Annotated[PageRenderer, provided(PageRenderer)]


class RunningServices(Protocol):
    """The services, as far as a login at one of them needs them."""

    def is_running(self, name: Literal["app", "mlflow"]) -> bool:
        """Return whether the panel's own service has its port and responds."""


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
        session = auth.login_with_link(token, _browser(request))
    except ProblemError as problem:
        return _login_page(request, auth, renderer, target, problem=problem)
    if request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
        return _with_session(request, auth, renderer.render(request, WelcomeView(next=target)), session)
    return _with_session(request, auth, RedirectResponse(target, status_code=303), session)


@router.post("/login")
async def login_with_password(
    request: Request,
    auth: AuthService,
    renderer: Renderer,
    *,
    password: Annotated[str, Form()] = "",
    name: Annotated[str, Form()] = ADMIN,
    stay: Annotated[bool, Form()] = False,
    target: Annotated[str, Form(alias="next")] = "/",
) -> Response:
    """Log in with name and password."""
    target, name = relative(target), name.strip().lower()
    cookie = auth.device_cookie_name(request.scope)
    device = cookie_parser(request.headers.get("cookie", "")).get(cookie, "")
    try:
        session = await auth.login_with_password(name, password, _browser(request), is_long=stay, device=device)
    except ProblemError as problem:
        return _login_page(request, auth, renderer, target, name=name[:MAX_NAME], problem=problem)
    response: Response
    if target.partition("?")[0] in ENTER_PATHS:
        response = renderer.render(request, WelcomeView(next=target))
    else:
        response = RedirectResponse(target, status_code=303)
    device = await run_in_threadpool(auth.devices.remember, device, name)
    response.set_cookie(
        cookie,
        device,
        max_age=int(DEVICE_AGE.total_seconds()),
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.scope["scheme"] == "https",
    )
    return _with_session(request, auth, response, session, is_long=stay)


@router.post("/logout")
def logout(request: Request, auth: AuthService) -> Response:
    """End the session and its streams, at the services as well."""
    session = auth.sessions.find(session_token(request.scope, auth))
    if session is not None:
        auth.logout(session)
    response = RedirectResponse("/login", status_code=303)
    response.delete_cookie(
        auth.cookie_name(request.scope),
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.scope["scheme"] == "https",
    )
    return response


@router.get("/enter/{service}")
def enter(
    request: Request,
    service: Literal["app", "mlflow"],
    auth: AuthService,
    renderer: Renderer,
    *,
    challenge: Annotated[str, Query(pattern="^[0-9a-f]{64}$")],
    origin: Annotated[str, Query(alias="from")],
    services: Annotated[RunningServices, provided(RunningServices)],
    target: Annotated[str, Query(alias="next")] = "/",
) -> Response:
    """Let the browser in at a service, and send it back there (see `app.web.login_gate`)."""
    session, identity = session_of(request.scope), identity_of(request.scope)
    if session is None and identity is not None and identity.via == "proxy":
        session = auth.proxy_session(identity, _browser(request))
    if session is None:
        raise LoginRequiredError
    target = relative(target)
    if not renderer.is_address_of(service, origin, request):
        raise UnknownServiceAddressError(origin)
    if host_of(origin) == (request.url.hostname or "").lower():
        # Under one name the service would get the panel's cookie with each request.
        address = renderer.service_url(request, service, target)
        if not address:
            raise SharedHostNameError(service)
        return RedirectResponse(address, status_code=303)
    if not services.is_running(service):
        raise ServiceAwayError(service)
    grant = auth.grant(session, service, challenge)
    path, _, query = target.partition("?")
    query = "&".join(part for part in (query, urlencode({GRANT: grant})) if part)
    return RedirectResponse(f"{origin}{path}?{query}", status_code=303)


def relative(target: str) -> str:
    """Return `target` if it is a path of this panel, else "/": a login must not send anybody elsewhere."""
    is_path = target.startswith("/") and not target.startswith("//") and target.isprintable() and "\\" not in target
    is_path = is_path and len(target) <= MAX_TARGET
    # With one slash in front there is neither scheme nor host to be parsed, so that this cannot fail.
    return target if is_path and urlsplit(target).path not in {"/login", "/logout"} else "/"


def _login_page(
    request: Request,
    auth: Auth,
    renderer: PageRenderer,
    target: str,
    *,
    name: str = "",
    problem: ProblemError | None = None,
) -> Response:
    view = LoginView(
        has_link=auth.has_link,
        has_passwords=any(user.password_hash for user in auth.users.all()),
        address=f"{request.url.scheme}://{request.url.netloc}",
        next=target,
        name=name or ADMIN,
        problem=problem,
    )
    response = renderer.render(request, view, status=problem.status if problem else 200)
    if isinstance(problem, TooManyLoginsError):
        response.headers["retry-after"] = str(math.ceil(problem.wait_s))
    return response


def _with_session(request: Request, auth: Auth, response: Response, token: str, *, is_long: bool = False) -> Response:
    response.set_cookie(
        auth.cookie_name(request.scope),
        token,
        max_age=int(max_age(is_long=is_long).total_seconds()),
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.scope["scheme"] == "https",
    )
    return response


def _browser(request: Request) -> Browser:
    return Browser(client_address(request.scope), request.headers.get("user-agent", ""))
