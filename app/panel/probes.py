"""Probes for whoever supervises the panel: alive, ready, measured."""

import asyncio
from typing import Annotated, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app.panel.db.engine import Database
from app.panel.logs.followers import n_followers
from app.panel.notifier import Notifier
from app.panel.runs.domain.queries import RunQueries
from app.panel.schedule.service import ScheduleService
from app.panel.schedule.ticker import Ticker
from app.web.dependencies import provided
from pipeline.core.problems import ProblemError

router = APIRouter(tags=["operation"])


class Liveness(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    """Readiness to start runs; `database` is "writable" or what is wrong with it."""

    status: Literal["ready", "not ready"]
    database: str
    scheduler: Literal["ticking", "not ticking"]


NOT_READY: Final[dict[int | str, dict[str, object]]] = {503: {"model": Readiness, "description": "Not ready."}}


@router.head("/healthz", include_in_schema=False)  # the server leaves out the body
@router.get("/healthz")
async def healthz() -> Liveness:
    """Answer 200 as long as the event loop does."""
    return Liveness()


@router.head("/readyz", include_in_schema=False)  # the server leaves out the body
@router.get("/readyz", response_model=Readiness, responses=NOT_READY)
async def readyz(
    db: Annotated[Database, provided(Database)], ticker: Annotated[Ticker, provided(Ticker)]
) -> JSONResponse:
    """Answer 200 if runs can be started: the database is writable and the schedule ticks; else 503 and the reason."""
    database = await asyncio.to_thread(_write_state, db)
    is_ready = database == "writable" and ticker.ticking
    readiness = Readiness(
        status="ready" if is_ready else "not ready",
        database=database,
        scheduler="ticking" if ticker.ticking else "not ticking",
    )
    return JSONResponse(readiness.model_dump(), status_code=200 if is_ready else 503)


@router.head("/metrics", include_in_schema=False)  # the server leaves out the body
@router.get("/metrics", response_class=PlainTextResponse)
def metrics(
    queries: Annotated[RunQueries, provided(RunQueries)],
    notifier: Annotated[Notifier, provided(Notifier)],
    schedule: Annotated[ScheduleService, provided(ScheduleService)],
) -> Response:
    """Return Prometheus metrics: runs by state and trigger, the active run, followers of logs, the process."""
    import prometheus_client as prometheus  # noqa: PLC0415 - the first page need not wait for it
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

    runs = GaugeMetricFamily("ml_pipeline_runs", "Runs in the history", labels=["state", "trigger"])
    for (state, trigger), n_runs in queries.counts().items():
        runs.add_metric([state, trigger], n_runs)
    active = queries.active()
    gauges = [
        runs,
        GaugeMetricFamily("ml_pipeline_run_active", "1 while a run is active", 0 if active is None else 1),
        GaugeMetricFamily("ml_pipeline_log_followers", "Open streams of logs", n_followers(notifier)),
        GaugeMetricFamily("ml_pipeline_schedule_paused", "1 while paused", int(schedule.view().paused)),
    ]

    class Collector:
        def collect(self) -> list[GaugeMetricFamily]:
            return gauges

    registry = prometheus.CollectorRegistry()
    registry.register(Collector())
    prometheus.ProcessCollector(registry=registry)
    return PlainTextResponse(prometheus.generate_latest(registry), media_type=prometheus.CONTENT_TYPE_LATEST)


def _write_state(db: Database) -> str:
    try:
        with db.write():
            return "writable"
    except ProblemError as problem:
        return str(problem)
