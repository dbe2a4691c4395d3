"""The home page."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.panel.db.engine import Database
from app.panel.home.views import HomeView, Links, as_interval
from app.panel.pages.renderer import PageRenderer
from app.panel.registry.views import ModelRow
from app.panel.runs.domain.queries import RunQueries, RunRow, StageView
from app.panel.runs.domain.typical_durations import typical_durations
from app.panel.runs.web.views import cells
from app.panel.schedule.service import ScheduleService
from app.panel.services.queries import PreflightView
from app.panel.services.supervisor import ServiceSupervisor
from app.panel.settings import Settings
from app.web.charts import Trend, trend
from pipeline.core.metric_labels import metric_label
from pipeline.core.stage import STAGES

LAST_RUNS: Final = 8
TREND_RUNS: Final = 40
# The page asks again this often while something moves, and while nothing does.
BUSY_POLL_S: Final = 2
IDLE_POLL_S: Final = 10


@dataclass(frozen=True)
class HomePages:
    """What the home page needs."""

    settings: Settings
    db: Database
    renderer: PageRenderer
    queries: RunQueries
    schedule: ScheduleService
    services: ServiceSupervisor
    live_model: Callable[[], ModelRow | None]
    preflight: Callable[[], PreflightView]


def router(pages: HomePages) -> APIRouter:
    """The route of the home page."""
    routes = APIRouter()

    @routes.get("/")
    def home(request: Request) -> Response:
        return pages.renderer.render(request, _view(pages, request), section="home")

    return routes


def _view(pages: HomePages, request: Request) -> HomeView:
    active = pages.queries.active()
    run = active or pages.queries.latest()
    usual = typical_durations(pages.db)
    stages = pages.queries.detail(run.id).stages if run else tuple(_waiting(name) for name in STAGES)
    live = pages.live_model()
    rows = pages.queries.page(limit=TREND_RUNS).rows
    checks = pages.preflight().checks
    services = pages.services.view().rows
    port = pages.renderer.service_url
    is_moving = active is not None or any(row.state == "starting" for row in services)
    return HomeView(
        run=run,
        is_active=active is not None,
        strip=cells(stages, usual),
        typical_s=sum(usual.values()) if len(usual) == len(STAGES) else None,
        schedule=pages.schedule.view(),
        interval=as_interval(pages.schedule.view().interval_s),
        live=live,
        live_metric=metric_label(live.primary_metric) if live else "",
        rows=rows[:LAST_RUNS],
        trend=_trend(rows, live.primary_metric) if live else None,
        services=services,
        checks=checks,
        bad_checks=tuple(check for check in checks if check.state != "ok"),
        links=Links(
            app=port(request, pages.settings.app_port),
            api_docs=port(request, pages.settings.api_port, "/docs"),
            mlflow=pages.renderer.mlflow_url(request, live.mlflow_run_id if live else None),
        ),
        key=secrets.token_urlsafe(16),
        poll_s=BUSY_POLL_S if is_moving else IDLE_POLL_S,
    )


def _trend(rows: tuple[RunRow, ...], metric: str) -> Trend | None:
    measured = [row for row in reversed(rows) if row.metrics and metric in row.metrics]
    values = [(f"Run {row.number}", row.metrics[metric], row.deployed) for row in measured if row.metrics]
    return trend(values) if len(values) > 1 else None


def _waiting(name: str) -> StageView:
    return StageView(
        name=name,
        state="waiting",
        attempts=(),
        started_at=None,
        finished_at=None,
        duration_s=None,
        compute_s=None,
        error=None,
        progress=None,
    )
