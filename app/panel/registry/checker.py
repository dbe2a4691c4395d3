"""Looks regularly whether the live model can be loaded from its files and is the one that the API serves."""

import asyncio
import logging
from datetime import timedelta
from typing import Final

from app.panel.clock import Clock
from app.panel.registry.service import ModelService
from app.panel.services.prediction_client import NoResponseError, PredictionClient
from app.panel.services.protocol import Check
from pipeline.core.prediction_api import Readiness
from pipeline.core.problems import ProblemError

log = logging.getLogger(__name__)

CHECK_INTERVAL_S: Final = 2.0
REPAIR_SHOWN_FOR: Final = timedelta(minutes=10)
NAME: Final = "Live model"


class LiveModelChecker:
    """A worker that has the files of the live model repaired, and knows for the pages what is wrong with it."""

    def __init__(self, models: ModelService, client: PredictionClient, clock: Clock) -> None:
        self._models = models
        self._client = client
        self._clock = clock
        self._fault: ProblemError | None = None
        self._readiness: Readiness | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look every two seconds."""
        self._task = asyncio.create_task(self._run(), name="live-model-checker")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def check_once(self) -> None:
        """Look once, and repair what can be. Sync."""
        fault = self._models.check_live()
        if fault is not None and str(fault) != str(self._fault):
            log.error("action=check_live problem=%s", fault)
        self._fault = fault
        self._models.check_next_bundle()
        try:
            self._readiness = self._client.readiness()
        except NoResponseError:
            self._readiness = None

    def checks(self) -> list[Check]:
        """Return what is wrong with the live model, or was mended a short while ago; nothing where all is well."""
        if self._fault is not None:
            return [Check.failed(NAME, self._fault)]
        if other := self._other_version():
            return [other]
        repair = self._models.last_repair
        if repair is not None and self._clock.now() - repair.at < REPAIR_SHOWN_FOR:
            return [Check("live-model", NAME, "warning", repair.text)]
        return []

    def _other_version(self) -> Check | None:
        readiness = self._readiness
        problem = readiness.problem if readiness is not None else None
        if readiness is None or problem is None or readiness.wanted is None or readiness.wanted == readiness.version:
            return None
        served = f"version {readiness.version}" if readiness.ready else "no model"
        message = f"The prediction API serves {served} instead of version {readiness.wanted}."
        return Check(problem.id, NAME, "error", message, f"{problem.what} {problem.why}".strip(), problem.fix)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            try:
                await asyncio.to_thread(self.check_once)
            except Exception:
                log.exception("action=check_live")
