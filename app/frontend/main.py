"""Builds the prediction app: the only place that knows all of its parts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from app.frontend import predict_page, table_page
from app.frontend.client import NoModelYetError, PredictionApi
from app.frontend.error_handlers import ErrorPages
from app.frontend.result_store import ResultStore
from app.frontend.settings import Settings
from app.web.access import FILE, AccessList
from app.web.app_objects import provide
from app.web.assets import Assets
from app.web.host_guard import allowed_hosts, split_names
from app.web.login_gate import Gate, LoginGate
from app.web.proxies import TrustedProxies, parse_networks
from app.web.security import Policy, SecurityMiddleware
from app.web.templating import create_environment
from pipeline.core.problems import ProblemError


def create_app(settings: Settings, transport: httpx2.AsyncBaseTransport | None = None) -> Starlette:
    """Return the app; `transport` replaces the network between it and the API."""
    api = PredictionApi(settings, transport)
    results = ResultStore()
    env = create_environment()
    error_pages = ErrorPages(env, settings)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        results.close()
        await api.close()

    policy = Policy(
        hosts=allowed_hosts(settings.host, settings.allowed_hosts),
        ports=frozenset({settings.port, settings.public_port or settings.port}),
        upload_bytes=settings.table_bytes,
        upload_paths=("/table",),
        render=error_pages.refusal,
    )
    app = Starlette(
        routes=[*predict_page.ROUTES, *table_page.ROUTES, Mount("/static", Assets())],
        middleware=[
            # Outermost: what comes after it sees the request as the browser sent it.
            Middleware(TrustedProxies, parse_networks(settings.trusted_proxies)),
            Middleware(Liveness),
            Middleware(SecurityMiddleware, policy),
            *_login(settings),
        ],
        exception_handlers={
            NoModelYetError: error_pages.waiting,
            ProblemError: error_pages.problem,
            HTTPException: error_pages.http_error,
            Exception: error_pages.internal_error,
        },
        lifespan=lifespan,
    )
    provide(app, [settings, api, results, env])
    return app


def _login(settings: Settings) -> list[Middleware]:
    """Return the panel's login, where the app needs one."""
    if not settings.needs_login:
        return []
    port = settings.public_port or settings.port
    gate = Gate("app", port, settings.panel_url, split_names(settings.panel_names), open_paths=("/static/",))
    return [Middleware(LoginGate, gate, AccessList(settings.access_dir / FILE))]


class Liveness:
    """Answers `/livez` in front of the guard: a supervisor calls it by whatever host name it knows."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer `/livez`, and hand on every other request."""
        if scope["type"] == "http" and scope["path"] == "/livez":
            await JSONResponse({"status": "alive"})(scope, receive, send)
        else:
            await self._app(scope, receive, send)
