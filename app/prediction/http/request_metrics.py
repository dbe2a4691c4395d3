"""Counts requests at almost no cost, and writes the counts as Prometheus metrics on demand."""

import threading
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from app.prediction.reload.reloader import ModelReloader
from app.prediction.scoring.loaded_model import LoadedModel
from pipeline.core.prediction_api import NumericCounts

ROUTES: Final = ("/predict", "/predict/csv", "/explain", "/curve", "/invocations", "/model", "/stats", "/metrics")
PREDICTING: Final = frozenset({"/predict", "/predict/csv", "/invocations", "/v2/infer"})
BUCKETS_S: Final = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class RequestMetrics:
    """Requests by route and status and their latency by route, written by one event loop; and predicted rows."""

    def __init__(self, reloader: ModelReloader) -> None:
        self._reloader = reloader
        self._requests: dict[tuple[str, int], int] = {}
        self._buckets: dict[str, list[int]] = {}
        self._sums_s: dict[str, float] = {}
        self._n_rows = 0
        self._n_errors = 0
        self._rows_lock = threading.Lock()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Count one finished request."""
        key = (route, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        buckets = self._buckets.get(route)
        if buckets is None:
            buckets = self._buckets[route] = [0] * (len(BUCKETS_S) + 1)
            self._sums_s[route] = 0.0
        buckets[bisect_left(BUCKETS_S, seconds)] += 1
        self._sums_s[route] += seconds

    def count_error(self, route: str) -> None:
        """Count a request with live data that ended in a server error; no-op where `route` predicts no rows."""
        self._n_errors += route in PREDICTING

    def count_rows(self, n_rows: int) -> None:
        """Count predicted rows. Thread-safe."""
        with self._rows_lock:
            self._n_rows += n_rows

    def text(self) -> bytes:
        """Return the metrics in the Prometheus text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; prometheus_client calls this."""
        requests = CounterMetricFamily("api_requests", "Finished requests.", labels=("route", "status"))
        for (route, status), count in self._requests.items():
            requests.add_metric((route, str(status)), count)
        yield requests
        latency = HistogramMetricFamily("api_request_seconds", "Time from request head to response.", labels=("route",))
        for route, counts in self._buckets.items():
            total, cumulative = 0, []
            for bound, count in zip([*map(str, BUCKETS_S), "+Inf"], counts, strict=True):
                total += count
                cumulative.append((bound, float(total)))
            latency.add_metric((route,), cumulative, self._sums_s[route])
        yield latency
        yield CounterMetricFamily("api_rows", "Predicted rows.", value=self._n_rows)
        yield CounterMetricFamily(
            "api_prediction_errors", "Requests with live data that ended in a server error.", value=self._n_errors
        )
        yield CounterMetricFamily(
            "api_model_reloads", "Models loaded after a change of the pointer.", value=self._reloader.counts.reloads
        )
        yield CounterMetricFamily(
            "api_model_reload_failed", "Models that could not be loaded.", value=self._reloader.counts.failures
        )
        loaded = self._reloader.live_model
        info = GaugeMetricFamily("api_model_version", "The live model.", labels=("version", "digest"))
        if loaded is not None:
            info.add_metric((str(loaded.model.version), loaded.model.manifest.digest), 1)
        yield info
        if loaded is not None:
            yield from _live(loaded)


def _live(loaded: LoadedModel) -> Iterator[Metric]:
    """Yield the metrics of the live model's inputs and scores."""
    live_stats = loaded.stats.snapshot()
    missing = CounterMetricFamily("api_feature_missing", "Rows in which the feature was missing.", labels=("feature",))
    outside = CounterMetricFamily(
        "api_feature_outside", "Values outside the training range or categories.", labels=("feature",)
    )
    for name, counts in live_stats.features.items():
        missing.add_metric((name,), counts.missing)
        outside.add_metric((name,), counts.out_of_range if isinstance(counts, NumericCounts) else counts.unseen)
    yield missing
    yield outside
    edges = loaded.model.manifest.score_histogram.edges
    if len(edges) < 2:
        return
    total, cumulative = 0, []
    for bound, count in zip([*(f"{edge:g}" for edge in edges[1:-1]), "+Inf"], live_stats.score.counts, strict=True):
        total += count
        cumulative.append((bound, float(total)))
    scores = HistogramMetricFamily("api_score", "Distribution of the score.")
    scores.add_metric((), cumulative, None)
    yield scores


def route_label(path: str) -> str:
    """Return the route label of a path: one of a fixed set."""
    if path in ROUTES:
        return path
    if path.startswith("/v2/"):
        return "/v2/infer" if path.endswith("/infer") else "/v2"
    return "other"
