"""Watches a model that has just gone live, for a while, by requests of the panel's own; see `evidence` for what decides."""

import logging
import threading
from pathlib import Path
from typing import Final, Protocol

from app.panel.clock import Clock
from app.panel.registry.evidence import Counters, Evidence, Observation, Presence, read_counters, typical_s
from app.panel.registry.tables import Deployment
from app.panel.services.prediction_client import NoResponseError, PredictionClient
from pipeline.core.bundle import VERSIONS_DIR, bundle_dir, read_manifest
from pipeline.core.check_rows import check_rows
from pipeline.core.manifest import Manifest
from pipeline.core.pointer import Pointer
from pipeline.core.problems import BundleError, ProblemError

log = logging.getLogger(__name__)

CHECK_INTERVAL_S: Final = 1.0
# A slow model that people use answers late: their requests stand in front of this one.
ROW_TIMEOUT_S: Final = 15.0
MEASUREMENTS: Final = 5
MEASURE_TIMEOUT_S: Final = 1.0  # a deployment waits for them
STOP_TIMEOUT_S: Final = 8.0  # an API that hangs must not keep the panel from stopping


class RollBack(Protocol):
    """Takes a deployment out of service again."""

    def __call__(self, row: Deployment, reason: str) -> None:
        """Return when the previous version is live. Raises ProblemError."""


class DeploymentMonitor:
    """Monitors one deployment at a time, in a thread of its own; a newer deployment replaces the one before."""

    def __init__(
        self, *, models_dir: Path, client: PredictionClient, clock: Clock, watch_s: float, roll_back: RollBack
    ) -> None:
        self._models_dir = models_dir
        self._client = client
        self._clock = clock
        self._watch_s = watch_s
        self._roll_back = roll_back
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._measured: tuple[int, float | None] = (0, None)  # version, processor time of one row

    def measure(self, live: Pointer | None) -> None:
        """Store how long one row takes with the model that is live, for the comparison with the one that replaces it."""
        if live is None or not self._watch_s:
            return
        measured: list[float] = []
        try:
            manifest = read_manifest(bundle_dir(self._models_dir, live))
            for _ in range(MEASUREMENTS):
                row_s = self._row_s(manifest, MEASURE_TIMEOUT_S)
                measured += [] if row_s is None else [row_s]
        except (BundleError, NoResponseError) as error:
            log.info("action=measure_row version=%s problem=%s", live.version, error)
        self._measured = (live.version, typical_s(measured))

    def watch(self, row: Deployment) -> None:
        """Start to monitor a deployment that has just taken effect; returns at once."""
        self._start(row, self._watch_s, is_ready=True)

    def resume(self, row: Deployment) -> None:
        """Continue the monitoring that a restart of the panel interrupted; no-op if its time is over.

        What was known is lost: errors count from now on, and nothing is called slow. The API itself may still be
        starting, which is not the model's fault: it can only become unready after it has been ready.
        """
        if row.finished_at is not None:
            left_s = self._watch_s - max(0.0, (self._clock.now() - row.finished_at).total_seconds())
            try:
                self._start(row, left_s, is_ready=False)
            except ProblemError as problem:
                # There is no runtime: the panel starts all the same, and its pages show the problem.
                log.warning("action=resume_monitor version=%s problem=%s", row.to_version, problem)

    def close(self) -> None:
        """Stop watching, and wait until an automatic rollback has recorded how it ended."""
        with self._lock:
            self._stop.set()
            thread = self._thread
        if thread is not None:
            thread.join(STOP_TIMEOUT_S)

    def _start(self, row: Deployment, watch_s: float, *, is_ready: bool) -> None:
        with self._lock:
            self._stop.set()
            self._stop = threading.Event()
            if watch_s > 0:
                version, row_s = self._measured
                evidence = Evidence(
                    earlier_s=row_s if version == row.from_version else None,
                    counters=self._counters(),
                    ready_at_s=self._clock.monotonic() if is_ready else None,
                )
                work = (row, evidence, watch_s, self._stop)
                self._thread = threading.Thread(target=self._run, args=work, name="deployment-monitor", daemon=True)
                self._thread.start()

    def _run(self, row: Deployment, evidence: Evidence, watch_s: float, stop: threading.Event) -> None:
        try:
            reason = self._wait_for_reason(row, evidence, watch_s, stop)
            if reason and not stop.is_set():
                self._roll_back(row, reason)
        except ProblemError as problem:
            # Someone has put another version into service meanwhile, or the API is gone altogether.
            log.warning("action=auto_rollback version=%s problem=%s", row.to_version, problem)

    def _wait_for_reason(self, row: Deployment, evidence: Evidence, watch_s: float, stop: threading.Event) -> str:
        """Return the reason to roll back, or "" when the time is over. Raises BundleError."""
        manifest = read_manifest(self._models_dir / VERSIONS_DIR / str(row.to_bundle))
        started = self._clock.monotonic()
        while not stop.wait(CHECK_INTERVAL_S):
            reason = evidence.reason_after(self._look(manifest))
            if reason or self._clock.monotonic() - started >= watch_s:
                return reason
        return ""

    def _look(self, manifest: Manifest) -> Observation:
        presence, row_s, has_failed = self._presence(), None, None
        if presence == "ready":
            try:
                row_s = self._row_s(manifest, ROW_TIMEOUT_S)
                has_failed = self._has_failed(manifest)
            except NoResponseError as error:
                has_failed = error.status == 500 or None
        return Observation(
            at_s=self._clock.monotonic(),
            presence=presence,
            row_s=row_s,
            has_failed=has_failed,
            counters=self._counters(),
        )

    def _presence(self) -> Presence:
        try:
            return "ready" if self._client.readiness().ready else "away"
        except NoResponseError as error:
            return "away" if error.is_unreachable else "unknown"

    def _row_s(self, manifest: Manifest, timeout_s: float) -> float | None:
        """Return the processor time that a golden row takes; None where another model answers. Raises NoResponseError."""
        prediction, row_s = self._client.timed(check_rows(manifest)[0], timeout_s)
        return row_s if prediction.model_version == manifest.version else None

    def _has_failed(self, manifest: Manifest) -> bool:
        """Return whether the API answers the rows to try with a server error. Raises NoResponseError for none at all."""
        try:
            self._client.predict(check_rows(manifest))
        except NoResponseError as error:
            if error.status not in {400, 422, 500}:
                raise
            return error.status == 500
        return False

    def _counters(self) -> Counters | None:
        """Return what people's requests came to; None where there is no key: anybody can cause that."""
        if not self._client.has_key:
            return None
        try:
            return read_counters(self._client.metrics())
        except NoResponseError:
            return None
