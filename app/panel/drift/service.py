"""Asks the prediction API what it has seen, says whether that has drifted, and starts a run if it shall."""

import asyncio
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Final

from app.panel.drift.report import DriftReport, report
from app.panel.runs.domain.service import RunService
from app.panel.runs.domain.state import Trigger
from app.panel.services.prediction_client import NoResponseError, PredictionClient
from pipeline.core.bundle import bundle_dir, read_manifest, read_pointer
from pipeline.core.problems import BundleError, ProblemError

LOOK_EVERY_S: Final = 30.0
log = logging.getLogger(__name__)


class DriftService:
    """One verdict on live data. `look` is called from a task of its own, `report` by pages."""

    def __init__(
        self,
        models_dir: Path,
        client: PredictionClient,
        runs: RunService,
        *,
        threshold: float,
        starts_run: bool,
    ) -> None:
        self._models_dir = models_dir
        self._client = client
        self._runs = runs
        self._threshold = threshold
        self._starts_run = starts_run
        self._answered: str | None = None  # digest of the model whose drift has led to a run
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look every half minute, when drift shall start runs; without that nobody needs to look."""
        if self._starts_run:
            self._task = asyncio.create_task(self._work(), name="drift")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def report(self) -> DriftReport | None:
        """What the live model has seen, against its training data. Sync; asks the API.

        None while there is no live model, the API does not answer, or it still answers with another model.
        """
        try:
            pointer = read_pointer(self._models_dir)
            if pointer is None:
                return None
            manifest = read_manifest(bundle_dir(self._models_dir, pointer), pointer.sha256)
            stats = self._client.stats()
            return report(manifest, stats, self._threshold) if stats.digest == manifest.digest else None
        except (BundleError, NoResponseError, KeyError, ValueError):
            return None

    def look(self) -> None:
        """Start a run if live data have drifted from the live model for which that has not been done yet."""
        found = self.report()
        if found is None or found.verdict != "drift" or found.digest == self._answered:
            return
        try:
            self._runs.start(Trigger.DRIFT, force=True, requested_by="drift")
        except ProblemError as problem:  # a run is active: the next look tries again
            log.info("action=drift_run result=later %s", problem.id)
            return
        self._answered = found.digest
        log.info("action=drift_run result=started version=%s", found.version)

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await asyncio.to_thread(self.look)
            except Exception:
                log.exception("action=drift_look")


def as_json(found: DriftReport | None) -> dict[str, object]:
    """JSON-ready; only `verdict` and `reason` while there is nothing to compare."""
    if found is None:
        return {"verdict": "unknown", "reason": "There is no live model that answers."}
    return asdict(found)
