"""Probes for whoever supervises the panel: alive, ready, measured.

The first two are open to everybody (`PROBES`), also under the address of the machine or of the container, which is all
that an orchestrator knows. So they tell nothing beyond their words, and cost no more however often they are asked for.
"""

import asyncio
import logging
import time
from contextlib import suppress
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

log = logging.getLogger(__name__)

PROBES: Final = frozenset({"/healthz", "/readyz"})
KNOWN_FOR_S: Final = 1.0
ANSWER_WITHIN_S: Final = 2.0  # a database that is locked for longer is not writable

router = APIRouter(tags=["operation"])


class Liveness(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    """Readiness to start runs. Why it is not: the panel's log, and the checks of `ml-pipeline doctor`."""

    status: Literal["ready", "not ready"]
    database: Literal["writable", "not writable"]
    scheduler: Literal["ticking", "not ticking"]


class DatabaseProbe:
    """Tries whether the database is writable: one try at a time, whose result counts for a second. Event loop only."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._try: asyncio.Task[bool] | None = None
        self._is_writable = False
        self._ended_at = float("-inf")

    async def is_writable(self) -> bool:
        """Return whether a transaction can be written; False where that is not known in time."""
        if time.monotonic() - self._ended_at < KNOWN_FOR_S:
            return self._is_writable
        if self._try is None or self._try.done():
            self._try = asyncio.create_task(self._write(), name="database-probe")
        # Not cancelled with the request: others wait for it, and the thread would go on anyway.
        with suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(self._try), ANSWER_WITHIN_S)
        return False

    async def _write(self) -> bool:
        self._is_writable = await asyncio.to_thread(_can_write, self._db)
        self._ended_at = time.monotonic()
        return self._is_writable


NOT_READY: Final[dict[int | str, dict[str, object]]] = {503: {"model": Readiness, "description": "Not ready."}}


@router.head("/healthz", include_in_schema=False)  # the server leaves out the body
@router.get("/healthz")
async def healthz() -> Liveness:
    """Answer 200 as long as the event loop does."""
    return Liveness()


@router.head("/readyz", include_in_schema=False)  # the server leaves out the body
@router.get("/readyz", response_model=Readiness, responses=NOT_READY)
async def readyz(
    database: Annotated[DatabaseProbe, provided(DatabaseProbe)], ticker: Annotated[Ticker, provided(Ticker)]
) -> JSONResponse:
    """Answer 200 if runs can be started: the database is writable and the schedule ticks; else 503 and which is not so."""
    is_writable = await database.is_writable()
    is_ready = is_writable and ticker.ticking
    readiness = Readiness(
        status="ready" if is_ready else "not ready",
        database="writable" if is_writable else "not writable",
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


def _can_write(db: Database) -> bool:
    try:
        with db.write():
            return True
    except ProblemError as problem:
        log.warning("action=probe_database problem=%s", problem)
        return False
