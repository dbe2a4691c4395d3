"""Looks after a model that has just gone live, for a while: errors or a lost readiness send it back."""

import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.panel.clock import Clock
from app.panel.registry.tables import Deployment
from app.panel.services.prediction_client import NoResponseError, PredictionClient
from pipeline.core.problems import ProblemError

LOG = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
# A restart of the API by hand or by a crash of its own is not the model's fault; to be away for so long is.
LOST_S: Final = 15.0
MAX_ERROR_SHARE: Final = 0.01
# Latency is judged by the median, which a few large batches do not move, and only where there were enough requests.
SLOWER_TIMES: Final = 5.0
SLOW_S: Final = 0.025
ENOUGH: Final = 50

COUNTED: Final = re.compile(r"^api_requests_total\{(.*)\} (\S+)$", re.MULTILINE)
BUCKET: Final = re.compile(r'^api_request_seconds_bucket\{(.*route="/predict".*)\} (\S+)$', re.MULTILINE)
STATUS: Final = re.compile(r'status="(\d+)"')
BOUND: Final = re.compile(r'le="([^"]+)"')


@dataclass(frozen=True)
class Counters:
    """What the API counted since it started: requests, those answered 5xx, and single predictions by their latency.

    `buckets` are cumulative counts by upper bound in seconds, in rising order.
    """

    n_requests: float
    n_errors: float
    buckets: tuple[tuple[float, float], ...] = ()


def read_counters(metrics: str) -> Counters:
    """From the Prometheus text of `/metrics`. Pure.

    503 is not counted as an error: it is what an API says that is only just starting or full.
    """
    n_requests = n_errors = 0.0
    for labels, value in COUNTED.findall(metrics):
        status = STATUS.search(labels)
        n_requests += float(value)
        if status and status[1][0] == "5" and status[1] != "503":
            n_errors += float(value)
    bounds = [(BOUND.search(labels), float(value)) for labels, value in BUCKET.findall(metrics)]
    return Counters(n_requests, n_errors, tuple(sorted((float(bound[1]), n) for bound, n in bounds if bound)))


def judge(before: Counters, now: Counters) -> str:
    """ "" while all is well, else the reason to go back. Pure.

    Reasons: server errors in more than 1 % of the requests since, or a median latency of predictions that is five
    times what it was and above 25 ms.
    """
    if now.n_requests < before.n_requests:
        # The API was restarted: its counters began again.
        before = Counters(0, 0)
    n_errors = now.n_errors - before.n_errors
    n_requests = now.n_requests - before.n_requests
    if n_errors > 0 and n_errors > MAX_ERROR_SHARE * n_requests:
        return f"Since it is live, {n_errors:.0f} of {n_requests:.0f} requests ended in a server error."
    was = dict(before.buckets)
    since = tuple((bound, n - was.get(bound, 0.0)) for bound, n in now.buckets)
    usual_s, median_s = _median_s(before.buckets), _median_s(since)
    if usual_s is not None and median_s is not None and median_s > max(SLOW_S, SLOWER_TIMES * usual_s):
        return f"Since it is live, half of the predictions take {1000 * median_s:.0f} ms or more; before it was {1000 * usual_s:.0f} ms."
    return ""


def _median_s(buckets: tuple[tuple[float, float], ...]) -> float | None:
    """The upper bound of the bucket that holds the median; None for too few requests."""
    n_requests = buckets[-1][1] if buckets else 0.0
    if n_requests < ENOUGH:
        return None
    return next(bound for bound, n in buckets if n >= n_requests / 2)


class Watch:
    """One deployment is watched at a time: a newer one ends the watch of the one before."""

    def __init__(
        self, client: PredictionClient, clock: Clock, watch_s: float, back: Callable[[Deployment, str], None]
    ) -> None:
        self._client = client
        self._clock = clock
        self._watch_s = watch_s
        self._back = back
        self._end = threading.Event()
        self._lock = threading.Lock()

    def resume(self, row: Deployment) -> None:
        """Go on with the watch that a restart of the panel cut short; nothing if its time is over.

        What the API counted before is not known any more: errors count from now on. The API itself may only be
        starting, which is not the model's fault: it can be lost only after it was there.
        """
        if row.finished_at is not None:
            left_s = self._watch_s - max(0.0, (self._clock.now() - row.finished_at).total_seconds())
            try:
                self._start(row, left_s, is_ready=False)
            except ProblemError as problem:
                # The runtime is not there: the panel starts all the same, and says so on its pages.
                LOG.warning("action=resume_watch version=%s failed: %s", row.to_version, problem)

    def begin(self, row: Deployment) -> None:
        """Watch it from now on, in a thread of its own."""
        self._start(row, self._watch_s, is_ready=True)

    def _start(self, row: Deployment, watch_s: float, *, is_ready: bool) -> None:
        with self._lock:
            self._end.set()
            self._end = threading.Event()
            if watch_s > 0:
                work = (row, self._counters(), watch_s, self._end, is_ready)
                threading.Thread(target=self._run, args=work, name="watch", daemon=True).start()

    def close(self) -> None:
        """Stop watching."""
        with self._lock:
            self._end.set()

    def _counters(self) -> Counters | None:
        """None where the API does not tell them now."""
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
        self, row: Deployment, before: Counters | None, watch_s: float, end: threading.Event, is_ready: bool
    ) -> None:
        try:
            reason = self._wait(before, watch_s, end, is_ready)
            if reason and not end.is_set():
                self._back(row, reason)
        except ProblemError as problem:
            # Somebody else has put another version into service meanwhile, or the API is gone altogether.
            LOG.warning("action=auto_rollback version=%s failed: %s", row.to_version, problem)

    def _wait(self, before: Counters | None, watch_s: float, end: threading.Event, is_ready: bool) -> str:
        """The reason to go back, or "" when the time is over."""
        begun = self._clock.monotonic()
        ready_at = begun if is_ready else None
        while not end.wait(LOOK_EVERY_S):
            now = self._clock.monotonic()
            if self._is_ready():
                ready_at = now
            elif ready_at is not None and now - ready_at >= LOST_S:
                return f"The prediction API is not ready for {now - ready_at:.0f} s since it is live."
            counters = self._counters()
            # Without a first reading the errors of the model before would be laid at this one's door.
            before = before or counters
            reason = judge(before, counters) if before is not None and counters is not None else ""
            if reason or now - begun >= watch_s:
                return reason
        return ""
