"""Wires the prediction app: the only place that knows all of its parts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import httpx2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.frontend import error_handlers, pages, tables
from app.frontend.client import NoModelYetError, PredictionApi
from app.frontend.settings import Settings
from app.frontend.site import Site
from app.frontend.store import ResultStore
from app.web.assets import Assets
from app.web.host_guard import allowed_hosts
from app.web.security import Policy, SecurityMiddleware
from app.web.templating import environment
from pipeline.core.problems import ProblemError


def create_app(settings: Settings, transport: httpx2.AsyncBaseTransport | None = None) -> Starlette:
    """The app; `transport` replaces the network between it and the API."""
    api = PredictionApi(settings, transport)
    results = ResultStore()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        results.close()
        await api.close()

    env = environment()
    site = Site(settings, api, results, env)
    policy = Policy(
        hosts=allowed_hosts(settings.host, settings.allowed_hosts),
        ports=frozenset({settings.port, settings.public_port}),
        upload_bytes=settings.table_bytes,
        upload_paths=("/table",),
        render=partial(error_handlers.refusal, env, settings),
    )
    app = Starlette(
        routes=[
            Route("/", pages.predict, methods=["GET", "POST"]),
            Route("/table", tables.table, methods=["GET", "POST"]),
            Route("/table/{token}.csv", tables.download),
            Mount("/static", Assets()),
        ],
        middleware=[Middleware(Alive), Middleware(SecurityMiddleware, policy)],
        exception_handlers={
            NoModelYetError: error_handlers.waiting,
            ProblemError: error_handlers.problem,
            HTTPException: error_handlers.http,
            Exception: error_handlers.unexpected,
        },
        lifespan=lifespan,
    )
    app.state.site = site
    return app


class Alive:
    """Answers `/livez` in front of everything else: a supervisor calls it by whatever name it knows."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] == "http" and scope["path"] == "/livez":
            await _alive(Request(scope))(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _alive(_request: Request) -> Response:
    return JSONResponse({"status": "alive"})
