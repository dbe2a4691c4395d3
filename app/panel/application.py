"""The web application: its routes, its guards, and the workers that start and stop with it."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI

from app.panel import probes
from app.panel.accounts import api as accounts_api
from app.panel.accounts import audit_routes, users_routes
from app.panel.accounts import routes as accounts_routes
from app.panel.auth import routes as auth_routes
from app.panel.auth.middleware import AuthMiddleware
from app.panel.auth.service import Auth
from app.panel.backups import api as backups_api
from app.panel.backups import routes as backups_routes
from app.panel.datasets import api as datasets_api
from app.panel.datasets import routes as datasets_routes
from app.panel.datasets.service import MAX_UPLOAD_BYTES
from app.panel.drift import api as drift_api
from app.panel.drift import routes as drift_routes
from app.panel.home import routes as home_routes
from app.panel.logs import api as logs_api
from app.panel.logs import routes as logs_routes
from app.panel.pages import error_handlers, openapi
from app.panel.pages.renderer import PageRenderer
from app.panel.registry import api as models_api
from app.panel.registry import routes as models_routes
from app.panel.runs.web import api as runs_api
from app.panel.runs.web import routes as runs_routes
from app.panel.schedule import api as schedule_api
from app.panel.schedule import routes as schedule_routes
from app.panel.services import api as services_api
from app.panel.services import routes as services_routes
from app.panel.settings import Settings
from app.panel.workers import Worker, running
from app.web.app_objects import provide, provided_object
from app.web.assets import Assets
from app.web.host_guard import allowed_hosts
from app.web.proxies import TrustedProxies, parse_networks
from app.web.security import Policy, SecurityMiddleware
from pipeline.core.product import NAME

PAGES: Final = (
    auth_routes.router,
    accounts_routes.router,
    users_routes.router,
    audit_routes.router,
    home_routes.router,
    runs_routes.router,
    logs_routes.router,
    schedule_routes.router,
    models_routes.router,
    services_routes.router,
    datasets_routes.router,
    drift_routes.router,
    backups_routes.router,
)
API: Final = (
    probes.router,
    runs_api.router,
    logs_api.router,
    schedule_api.router,
    models_api.router,
    services_api.router,
    datasets_api.router,
    drift_api.router,
    accounts_api.router,
    backups_api.router,
)


def build(objects: Iterable[object], protocols: Mapping[type, object], workers: Sequence[Worker]) -> FastAPI:
    """Return the application: routes that are given `objects`, guards, and workers that start and stop with it.

    `protocols` has the objects that lower layers know by a protocol only, by that protocol.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with running(workers):
            yield

    app = FastAPI(title=NAME, version="1", lifespan=lifespan, docs_url=None, redoc_url=None)
    provide(app, objects, protocols)
    settings, renderer = provided_object(app, Settings), provided_object(app, PageRenderer)
    error_handlers.install(app, renderer)
    for routes in API:
        app.include_router(routes)
    for routes in PAGES:
        app.include_router(routes, include_in_schema=False)
    _document(app)
    app.mount("/static", Assets(), name="static")
    app.add_middleware(AuthMiddleware, auth=provided_object(app, Auth), renderer=renderer)
    policy = Policy(
        hosts=allowed_hosts(settings.panel_host, settings.panel_hosts),
        ports=frozenset({settings.panel_port}),
        upload_bytes=MAX_UPLOAD_BYTES,
        upload_paths=("/data", "/api/v1/datasets"),
        probe_paths=probes.PROBES,
        render=renderer.render_problem,
    )
    app.add_middleware(SecurityMiddleware, policy=policy)
    # Outermost: what comes after it sees the request as the browser sent it.
    app.add_middleware(TrustedProxies, trusted=parse_networks(settings.trusted_proxies))
    return app


def _document(app: FastAPI) -> None:
    own = app.openapi

    def completed() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = openapi.document(own())
        return app.openapi_schema

    app.openapi = completed  # type: ignore[method-assign]  # as FastAPI's documentation says
