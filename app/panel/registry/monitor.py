"""Watches a model that has just gone live, for a while: server errors or an API that is not ready roll it back."""

import logging
import re
import threading
from dataclasses import dataclass
from typing import Final, Protocol

from app.panel.clock import Clock
from app.panel.registry.tables import Deployment
from app.panel.services.prediction_client import NoResponseError, PredictionClient
from pipeline.core.problems import ProblemError

log = logging.getLogger(__name__)

CHECK_INTERVAL_S: Final = 1.0
# A restart of the API, by a person or after a crash of its own, is not the model's fault; being away for so long is.
UNREADY_LIMIT_S: Final = 15.0
MAX_ERROR_SHARE: Final = 0.01
# Latency is compared by the median, which a few large batches do not move, and only with enough requests.
MAX_SLOWDOWN: Final = 5.0
MIN_SLOW_S: Final = 0.025
MIN_REQUESTS: Final = 50
STOP_TIMEOUT_S: Final = 8.0  # an API that hangs must not keep the panel from stopping

REQUESTS: Final = re.compile(r"^api_requests_total\{(.*)\} (\S+)$", re.MULTILINE)
BUCKET: Final = re.compile(r'^api_request_seconds_bucket\{(.*route="/predict".*)\} (\S+)$', re.MULTILINE)
STATUS: Final = re.compile(r'status="(\d+)"')
BOUND: Final = re.compile(r'le="([^"]+)"')


@dataclass(frozen=True)
class Counters:
    """Counters of the API since it started: requests, server errors, and single predictions by their latency.

    `buckets` are cumulative counts by upper bound in seconds, in rising order.
    """

    n_requests: float
    n_errors: float
    buckets: tuple[tuple[float, float], ...] = ()


def read_counters(metrics: str) -> Counters:
    """Return the counters in the Prometheus text of `/metrics`. Pure.

    503 is not counted as an error: an API that is still starting or overloaded answers with it.
    """
    n_requests = n_errors = 0.0
    for labels, value in REQUESTS.findall(metrics):
        status = STATUS.search(labels)
        n_requests += float(value)
        if status and status[1][0] == "5" and status[1] != "503":
            n_errors += float(value)
    bounds = [(BOUND.search(labels), float(value)) for labels, value in BUCKET.findall(metrics)]
    return Counters(n_requests, n_errors, tuple(sorted((float(bound[1]), n) for bound, n in bounds if bound)))


def rollback_reason(before: Counters, now: Counters) -> str:
    """Return the reason to roll back, or "" while all is well. Pure.

    Reasons: server errors in more than 1% of the requests since `before`, or a median latency of predictions that is
    five times what it was and above 25 ms.
    """
    if now.n_requests < before.n_requests:
        # The API was restarted: its counters began again.
        before = Counters(0, 0)
    n_errors = now.n_errors - before.n_errors
    n_requests = now.n_requests - before.n_requests
    if n_errors > 0 and n_errors > MAX_ERROR_SHARE * n_requests:
        return f"{n_errors:.0f} of {n_requests:.0f} requests since it went live ended in a server error."
    earlier = dict(before.buckets)
    since = tuple((bound, n - earlier.get(bound, 0.0)) for bound, n in now.buckets)
    earlier_s, median_s = _median_s(before.buckets), _median_s(since)
    if earlier_s is not None and median_s is not None and median_s > max(MIN_SLOW_S, MAX_SLOWDOWN * earlier_s):
        return (
            f"The median latency of predictions since it went live is up to {1000 * median_s:.0f} ms; "
            f"before, it was up to {1000 * earlier_s:.0f} ms."
        )
    return ""


def _median_s(buckets: tuple[tuple[float, float], ...]) -> float | None:
    """Return the upper bound of the bucket that holds the median; None for too few requests."""
    n_requests = buckets[-1][1] if buckets else 0.0
    if n_requests < MIN_REQUESTS:
        return None
    return next(bound for bound, n in buckets if n >= n_requests / 2)


class RollBack(Protocol):
    """Takes a deployment out of service again."""

    def __call__(self, row: Deployment, reason: str) -> None:
        """Return when the previous version is live. Raises ProblemError."""


class DeploymentMonitor:
    """Monitors one deployment at a time, in a thread of its own; a newer deployment replaces the one before."""

    def __init__(self, *, client: PredictionClient, clock: Clock, watch_s: float, roll_back: RollBack) -> None:
        self._client = client
        self._clock = clock
        self._watch_s = watch_s
        self._roll_back = roll_back
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def watch(self, row: Deployment) -> None:
        """Start to monitor a deployment that has just taken effect; returns at once."""
        self._start(row, self._watch_s, is_ready=True)

    def resume(self, row: Deployment) -> None:
        """Continue the monitoring that a restart of the panel interrupted; no-op if its time is over.

        The earlier counters are lost: errors count from now on. The API itself may still be starting, which is not
        the model's fault: it can only become unready after it has been ready.
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
                work = (row, self._counters(), watch_s, self._stop, is_ready)
                self._thread = threading.Thread(target=self._run, args=work, name="deployment-monitor", daemon=True)
                self._thread.start()

    def _counters(self) -> Counters | None:
        try:
            return read_counters(self._client.metrics())
        except NoResponseError:
            return None

    def _is_ready(self) -> bool:
        try:
            return self._client.readiness().ready
        except NoResponseError:
            return False

    def _run(
        self, row: Deployment, before: Counters | None, watch_s: float, stop: threading.Event, is_ready: bool
    ) -> None:
        try:
            reason = self._wait_for_reason(before, watch_s, stop, is_ready)
            if reason and not stop.is_set():
                self._roll_back(row, reason)
        except ProblemError as problem:
            # Someone has put another version into service meanwhile, or the API is gone altogether.
            log.warning("action=auto_rollback version=%s problem=%s", row.to_version, problem)

    def _wait_for_reason(self, before: Counters | None, watch_s: float, stop: threading.Event, is_ready: bool) -> str:
        """Return the reason to roll back, or "" when the time is over."""
        started = self._clock.monotonic()
        ready_at = started if is_ready else None
        while not stop.wait(CHECK_INTERVAL_S):
            now = self._clock.monotonic()
            if self._is_ready():
                ready_at = now
            elif ready_at is not None and now - ready_at >= UNREADY_LIMIT_S:
                return f"The prediction API has not been ready for {now - ready_at:.0f} s since it went live."
            counters = self._counters()
            # Without a first reading the errors of the previous model would be blamed on this one.
            before = before or counters
            reason = rollback_reason(before, counters) if before is not None and counters is not None else ""
            if reason or now - started >= watch_s:
                return reason
        return ""
