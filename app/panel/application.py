"""The web application over the wired parts: which routes there are, who guards them, what starts and stops."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields

from fastapi import APIRouter, FastAPI

from app.panel import probes
from app.panel.auth import routes as auth_routes
from app.panel.auth.middleware import AuthMiddleware
from app.panel.datasets import api as datasets_api
from app.panel.datasets import routes as datasets_routes
from app.panel.datasets.service import MAX_UPLOAD_BYTES
from app.panel.drift import api as drift_api
from app.panel.drift import routes as drift_routes
from app.panel.home import routes as home_routes
from app.panel.logs import api as logs_api
from app.panel.logs import routes as logs_routes
from app.panel.logs.dependencies import RunIds
from app.panel.logs.line_renderer import LineRenderer
from app.panel.logs.tail import RunWatch
from app.panel.pages import error_handlers
from app.panel.parts import Panel
from app.panel.registry import api as models_api
from app.panel.registry import routes as models_routes
from app.panel.runs.web import api as runs_api
from app.panel.runs.web import routes as runs_routes
from app.panel.runs.web.routes import RunPages
from app.panel.schedule import api as schedule_api
from app.panel.schedule import routes as schedule_routes
from app.panel.services import api as services_api
from app.panel.services import routes as services_routes
from app.panel.workers import Worker, running
from app.web.assets import Assets
from app.web.dependencies import provide
from app.web.host_guard import allowed_hosts
from app.web.security import Policy, SecurityMiddleware
from pipeline.core.product import NAME


def build(panel: Panel, workers: Sequence[Worker]) -> FastAPI:
    """Return the application over these parts: routes, guards, and the workers that start and stop with it."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with running(workers):
            yield

    app = FastAPI(title=NAME, version="1", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.panel = panel
    provide(
        app,
        [getattr(panel, part.name) for part in fields(panel)] + [LineRenderer(panel.renderer.env, panel.logs)],
        {RunWatch: panel.live, RunIds: panel.run_queries},
    )
    error_handlers.install(app, panel.renderer)
    for routes in (
        probes.router,
        runs_api.router,
        logs_api.router,
        schedule_api.router,
        services_api.router,
        models_api.router,
        auth_routes.router,
        schedule_routes.router,
        logs_routes.router,
        *_pages(panel),
    ):
        app.include_router(routes)
    app.mount("/static", Assets(), name="static")
    app.add_middleware(AuthMiddleware, auth=panel.auth)
    policy = Policy(
        hosts=allowed_hosts(panel.settings.panel_host, panel.settings.allowed_hosts),
        ports=frozenset({panel.settings.panel_port}),
        upload_bytes=MAX_UPLOAD_BYTES,
        upload_paths=("/data", "/api/v1/datasets"),
        render=panel.renderer.render_problem,
    )
    app.add_middleware(SecurityMiddleware, policy=policy)
    return app


def _pages(panel: Panel) -> list[APIRouter]:
    """The pages; each is drawn from the parts that it is given."""
    settings, renderer, queries = panel.settings, panel.renderer, panel.run_queries

    def live_version() -> int | None:
        live = panel.model_queries.live()
        return live.version if live else None

    run_pages = RunPages(
        settings=settings,
        db=panel.db,
        renderer=renderer,
        runs=panel.runs,
        queries=queries,
        logs=panel.logs,
        live_version=live_version,
    )
    return [
        home_routes.router,
        runs_routes.router(run_pages),
        models_routes.router,
        services_routes.router,
        datasets_routes.router,
        datasets_api.router,
        drift_routes.router,
        drift_api.router,
    ]
