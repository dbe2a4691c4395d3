"""Counts live data per feature and for the score in the bins of the training data. Keeps no raw rows.

Rows are copied into a buffer and counted when it is full or when somebody asks, so that a request pays for one copy.
"""

import threading
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from app.prediction.scoring.model import Model
from pipeline.core.manifest import Histogram
from pipeline.core.prediction_api import CategoryCounts, NumericCounts, ScoreCounts, Stats
from pipeline.onnx.session import Floats, Texts

BUFFER_ROWS: Final = 1_024
Counts = npt.NDArray[np.int64]


class LiveStats:
    """Counts since this model went live. Thread-safe; flushing blocks others for well under a millisecond."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._since = datetime.now(UTC)
        self._lock = threading.Lock()
        self._numeric = np.empty((BUFFER_ROWS, len(model.numeric)), dtype=np.float32)
        self._categorical = np.empty((BUFFER_ROWS, len(model.categorical)), dtype=object)
        self._scores = np.empty(BUFFER_ROWS, dtype=np.float32)
        self._recorded: list[tuple[tuple[Any, ...], list[float]]] = []
        self._used = 0
        self._n = 0
        self._edges = [_edges(feature.histogram) for feature in model.numeric]
        self._counts = [np.zeros(max(len(edges) - 1, 0), dtype=np.int64) for edges in self._edges]
        self._outside = np.zeros(len(model.numeric), dtype=np.int64)
        self._missing = np.zeros(len(model.numeric), dtype=np.int64)
        self._category_at = [{name: i for i, name in enumerate(f.categories)} for f in model.categorical]
        # a bin for each category, one for unknown categories, one for missing
        self._category_counts = [np.zeros(len(at) + 2, dtype=np.int64) for at in self._category_at]
        self._score_edges = _edges(model.manifest.score_histogram)
        self._score_counts = np.zeros(max(len(self._score_edges) - 1, 0), dtype=np.int64)

    def record_batch(self, numeric: Floats, categorical: Texts | None, scores: Floats) -> None:
        """Record predicted rows; `scores` are the model's output."""
        score = self._model.target_score(scores)
        with self._lock:
            n = len(numeric)
            if n > BUFFER_ROWS - self._used:
                self._flush()
            if n > BUFFER_ROWS:
                self._count(numeric, categorical, score)
                return
            end = self._used + n
            self._numeric[self._used : end] = numeric
            if categorical is not None:
                self._categorical[self._used : end] = categorical
            self._scores[self._used : end] = score
            self._used = end

    def record(self, values: tuple[Any, ...], scores: list[float]) -> None:
        """Record one predicted row, numeric features first, None where missing. Only for the event loop's thread."""
        self._recorded.append((values, scores))
        if len(self._recorded) >= BUFFER_ROWS:
            self._flush_recorded()

    def snapshot(self) -> Stats:
        """Return the counts so far. They follow the manifest's histogram bins, or its categories."""
        self._flush_recorded()
        with self._lock:
            self._flush()
            features: dict[str, NumericCounts | CategoryCounts] = {}
            for i, feature in enumerate(self._model.numeric):
                features[feature.name] = NumericCounts(
                    counts=self._counts[i].tolist(),
                    missing=int(self._missing[i]),
                    out_of_range=int(self._outside[i]),
                )
            for i, feature in enumerate(self._model.categorical):
                if not feature.is_counted:
                    continue
                *counts, unseen, missing = self._category_counts[i].tolist()
                features[feature.name] = CategoryCounts(counts=counts, missing=missing, unseen=unseen)
            return Stats(
                version=self._model.version,
                digest=self._model.manifest.digest,
                since=self._since.isoformat(),
                n=self._n,
                features=features,
                score=ScoreCounts(counts=self._score_counts.tolist()),
            )

    def _flush_recorded(self) -> None:
        recorded, self._recorded = self._recorded, []
        if not recorded:
            return
        k = len(self._model.numeric)
        numeric = np.array([values[:k] for values, _ in recorded], dtype=np.float32).reshape(len(recorded), k)
        categorical = np.array([[text or "" for text in values[k:]] for values, _ in recorded], dtype=object)
        scores = np.array([scores for _, scores in recorded], dtype=np.float32)
        with self._lock:
            self._count(numeric, categorical, self._model.target_score(scores))

    def _flush(self) -> None:
        used, self._used = self._used, 0
        if used:
            self._count(self._numeric[:used], self._categorical[:used], self._scores[:used])

    def _count(self, numeric: Floats, categorical: Texts | None, score: Floats) -> None:
        self._n += len(numeric)
        for i, edges in enumerate(self._edges):
            column = np.ascontiguousarray(numeric[:, i])
            n_missing = int(np.count_nonzero(np.isnan(column)))
            self._missing[i] += n_missing
            self._counts[i] += _binned(column, len(column) - n_missing, edges)
            feature = self._model.numeric[i]
            if feature.min is not None and feature.max is not None:
                is_outside = (column < np.float32(feature.min)) | (column > np.float32(feature.max))
                self._outside[i] += np.count_nonzero(is_outside)
        if categorical is not None:
            for i, at in enumerate(self._category_at):
                if not self._model.categorical[i].is_counted:
                    continue
                unseen, missing = len(at), len(at) + 1
                places = [missing if text == "" else at.get(text, unseen) for text in categorical[:, i]]
                self._category_counts[i] += np.bincount(places, minlength=len(at) + 2)
        self._score_counts += _binned(score, len(score), self._score_edges)


def _edges(histogram: Histogram | None) -> Floats:
    """Return the edges, each as the smallest float32 that is not below it: the same values are at or above it."""
    edges = np.array([] if histogram is None else histogram.edges, dtype=np.float64)
    with np.errstate(over="ignore"):
        rounded = edges.astype(np.float32)
    return np.where(rounded < edges, np.nextafter(rounded, np.float32(np.inf)), rounded)


def _binned(values: Floats, n_known: int, edges: Floats) -> Counts:
    """Return counts per bin of the `n_known` values that are not NaN; values outside go to the end bins.

    One comparison per edge: for a handful of edges ten times as fast as a search for each value.
    """
    if len(edges) < 2:
        return np.zeros(0, dtype=np.int64)
    at_or_above = [n_known, *(int(np.count_nonzero(values >= edge)) for edge in edges[1:-1]), 0]
    return np.array([lower - upper for lower, upper in pairwise(at_or_above)], dtype=np.int64)
