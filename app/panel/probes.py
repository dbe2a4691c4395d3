"""Alive, ready, measured: for whoever supervises the panel."""

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app.panel.logs.followers import n_followers
from pipeline.core.problems import ProblemError

router = APIRouter(tags=["operation"])


@router.head("/healthz", include_in_schema=False)  # the server leaves out the body
@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """200 as long as the event loop answers."""
    return {"status": "alive"}


@router.head("/readyz", include_in_schema=False)  # the server leaves out the body
@router.get("/readyz")
async def readyz(request: Request) -> JSONResponse:
    """200 if runs can be started: the database is writable and the schedule ticks; else 503 and what is wrong."""
    panel = request.app.state.panel

    def write() -> str:
        try:
            with panel.db.write():
                return "writable"
        except ProblemError as problem:
            return str(problem)

    database = await asyncio.to_thread(write)
    scheduler = "ticking" if panel.ticker.ticking else "not ticking"
    ready = database == "writable" and panel.ticker.ticking
    body = {"status": "ready" if ready else "not ready", "database": database, "scheduler": scheduler}
    return JSONResponse(body, status_code=200 if ready else 503)


@router.head("/metrics", include_in_schema=False)  # the server leaves out the body
@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Prometheus: runs by state and trigger, the active run, followers of logs, the process."""
    import prometheus_client as prometheus  # noqa: PLC0415 - who never asks need not wait for it at start
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

    panel = request.app.state.panel
    runs = GaugeMetricFamily("ml_pipeline_runs", "Runs in the history", labels=["state", "trigger"])
    for (state, trigger), n_runs in panel.run_queries.counts().items():
        runs.add_metric([state, trigger], n_runs)
    active = panel.run_queries.active()
    gauges = [
        runs,
        GaugeMetricFamily("ml_pipeline_run_active", "1 while a run is under way", 0 if active is None else 1),
        GaugeMetricFamily("ml_pipeline_log_followers", "Open streams of logs", n_followers(panel.notifier)),
        GaugeMetricFamily("ml_pipeline_schedule_paused", "1 while paused", int(panel.schedule.view().paused)),
    ]

    class Collector:
        def collect(self) -> list[GaugeMetricFamily]:
            return gauges

    registry = prometheus.CollectorRegistry()
    registry.register(Collector())
    prometheus.ProcessCollector(registry=registry)
    return PlainTextResponse(prometheus.generate_latest(registry), media_type=prometheus.CONTENT_TYPE_LATEST)
