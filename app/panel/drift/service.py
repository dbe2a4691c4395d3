"""Compares live data with training data, and starts a run on drift if the settings say so."""

import asyncio
import logging
from pathlib import Path
from typing import Final

from app.panel.drift.report import DriftReport, compare
from app.panel.runs.domain.service import RunService
from app.panel.runs.domain.state import Trigger
from app.panel.services.prediction_client import NoResponseError, PredictionClient
from app.panel.services.problems import DriftNeedsKeyError
from pipeline.core.bundle import bundle_dir, read_manifest
from pipeline.core.pointer import read_pointer
from pipeline.core.problems import BundleError, ProblemError

CHECK_INTERVAL_S: Final = 30.0
log = logging.getLogger(__name__)


class DriftService:
    """Worker that calls `check_once` in a thread; pages call `report`.

    `starts_run`: drift starts runs. `needs_key`: it should, but the prediction API has no key.
    """

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
        # Without a key anybody can send the rows that would decide.
        self.needs_key = starts_run and not client.has_key
        self.starts_run = starts_run and client.has_key
        self._handled_digest: str | None = None  # of the model whose drift has led to a run
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to check every half minute if drift starts runs; otherwise nothing needs the check."""
        if self.needs_key:
            log.warning("action=drift_run result=off problem=%s", DriftNeedsKeyError())
        if self.starts_run:
            self._task = asyncio.create_task(self._run(), name="drift")

    async def stop(self) -> None:
        """Stop checking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def report(self) -> DriftReport | None:
        """Return the live data of the live model compared with its training data. Sync; calls the API.

        None while there is no live model, the API does not answer, or it still serves another model.
        """
        try:
            pointer = read_pointer(self._models_dir)
            if pointer is None:
                return None
            manifest = read_manifest(bundle_dir(self._models_dir, pointer), pointer.sha256)
            stats = self._client.stats()
            return compare(manifest, stats, self._threshold) if stats.digest == manifest.digest else None
        except (BundleError, NoResponseError, KeyError, ValueError):
            return None

    def check_once(self) -> None:
        """Start a run if live data have drifted, once for each live model, and those who sent them had the API's key."""
        report = self.report() if self.starts_run else None
        if report is None or report.verdict != "drift" or report.digest == self._handled_digest:
            return
        try:
            self._runs.start(Trigger.DRIFT, force=True, requested_by="drift")
        except ProblemError as problem:  # a run is active: the next check tries again
            log.info("action=drift_run result=later problem=%s", problem.id)
            return
        self._handled_digest = report.digest
        log.info("action=drift_run result=started version=%s", report.version)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            try:
                await asyncio.to_thread(self.check_once)
            except Exception:
                log.exception("action=drift_check")
