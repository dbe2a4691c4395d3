"""The home page."""

import secrets
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.panel.db.engine import Database
from app.panel.home.views import HomeView, Links, as_interval
from app.panel.pages.renderer import PageRenderer
from app.panel.registry.queries import ModelQueries
from app.panel.runs.domain.queries import RunQueries, RunRow, StageView
from app.panel.runs.domain.typical_durations import typical_durations, whole_run_s
from app.panel.runs.web.views import cells
from app.panel.schedule.service import ScheduleService
from app.panel.services.preflight import Preflight
from app.panel.services.supervisor import ServiceSupervisor
from app.panel.settings import Settings
from app.web.charts import Trend, layout_trend
from app.web.dependencies import provided
from pipeline.core.metric_labels import metric_label
from pipeline.core.stage import STAGES

router = APIRouter()
LAST_RUNS: Final = 8
TREND_RUNS: Final = 40
# The page refreshes this often while something is going on, and while nothing is.
BUSY_POLL_S: Final = 2
IDLE_POLL_S: Final = 10


@dataclass(frozen=True)
class HomeSources:
    """The objects that the page is drawn from."""

    settings: Annotated[Settings, provided(Settings)]
    db: Annotated[Database, provided(Database)]
    renderer: Annotated[PageRenderer, provided(PageRenderer)]
    runs: Annotated[RunQueries, provided(RunQueries)]
    models: Annotated[ModelQueries, provided(ModelQueries)]
    schedule: Annotated[ScheduleService, provided(ScheduleService)]
    services: Annotated[ServiceSupervisor, provided(ServiceSupervisor)]
    preflight: Annotated[Preflight, provided(Preflight)]


@router.get("/")
def show_home(request: Request, sources: Annotated[HomeSources, Depends()]) -> Response:
    """Show the active or newest run, the schedule, the live model, the services and the last runs."""
    return sources.renderer.render(request, _view(sources, request), section="home")


def _view(sources: HomeSources, request: Request) -> HomeView:
    active = sources.runs.active()
    run = active or sources.runs.latest()
    durations = typical_durations(sources.db)
    stages = sources.runs.detail(run.id).stages if run else tuple(StageView(name, "waiting") for name in STAGES)
    live = sources.models.live()
    rows = sources.runs.page(limit=TREND_RUNS).rows
    checks = sources.preflight.view().checks
    services = sources.services.view().rows
    url = sources.renderer.service_url
    is_busy = active is not None or any(row.state == "starting" for row in services)
    return HomeView(
        run=run,
        is_active=active is not None,
        strip=cells(stages, durations),
        typical_s=whole_run_s(durations),
        schedule=sources.schedule.view(),
        interval=as_interval(sources.schedule.view().interval_s),
        live=live,
        live_metric=metric_label(live.primary_metric) if live else "",
        rows=rows[:LAST_RUNS],
        trend=_trend(rows, live.primary_metric) if live else None,
        services=services,
        checks=checks,
        bad_checks=tuple(check for check in checks if check.state != "ok"),
        links=Links(
            app=url(request, "app"),
            api_docs=url(request, "api", "/docs"),
            mlflow=sources.renderer.mlflow_url(request, live.mlflow_run_id if live else None),
        ),
        key=secrets.token_urlsafe(16),
        poll_s=BUSY_POLL_S if is_busy else IDLE_POLL_S,
    )


def _trend(rows: tuple[RunRow, ...], metric: str) -> Trend | None:
    measured = [row for row in reversed(rows) if row.metrics and metric in row.metrics]
    values = [(f"Run {row.number}", row.metrics[metric], row.deployed) for row in measured if row.metrics]
    return layout_trend(values) if len(values) > 1 else None
