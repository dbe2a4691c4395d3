"""Paired bootstrap interval of the difference between two models, over the rows that both predicted.

Rows are resampled and both models are scored on each resample, so that how hard a row is cancels out.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.core.params import Task
from pipeline.evaluation.metrics import Floats, row_log_loss

RESAMPLES: Final = 1000


def difference_interval(
    task: Task,
    y: npt.NDArray[np.generic],
    challenger: Floats,
    champion: Floats,
    *,
    confidence: float,
    seed: int,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Return the low and high end of the interval of challenger minus champion, oriented so that more is better.

    Percentiles of `resamples` paired resamples of the rows; those on which the metric is undefined are left out, and
    if none is left the interval is NaN.
    """
    rng = np.random.default_rng(seed)
    difference = _Difference(task, y, challenger, champion)
    n = len(y)
    differences = np.array([difference(np.bincount(rng.integers(0, n, n), minlength=n)) for _ in range(resamples)])
    differences = differences[np.isfinite(differences)]
    if not len(differences):
        return float("nan"), float("nan")
    low, high = np.quantile(differences, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


class _Auc:
    """ROC AUC for many weightings of the same rows: sorted once, one cumulative sum per weighting."""

    def __init__(self, positive: npt.NDArray[np.bool_], p: Floats) -> None:
        negatives = np.flatnonzero(~positive)
        self._order = negatives[np.argsort(p[negatives], kind="stable")]
        ordered = p[self._order]
        self._positives = np.flatnonzero(positive)
        self._left = np.searchsorted(ordered, p[self._positives], side="left")
        self._right = np.searchsorted(ordered, p[self._positives], side="right")

    def __call__(self, weights: npt.NDArray[np.int64]) -> float:
        below = np.concatenate([[0], np.cumsum(weights[self._order])])
        w = weights[self._positives]
        total = 2.0 * float(w.sum()) * float(below[-1])
        return float(w @ (below[self._left] + below[self._right])) / total if total else float("nan")


class _Difference:
    """Difference of a metric for a weighting (int64 [n]) of the rows; built once, called for each resample."""

    def __init__(self, task: Task, y: npt.NDArray[np.generic], challenger: Floats, champion: Floats) -> None:
        self._task = task
        if task == "binary":
            self._aucs = (_Auc(y == 1, challenger[:, 1]), _Auc(y == 1, champion[:, 1]))
        elif task == "multiclass":
            labels = y.astype(np.int64)
            self._gain = row_log_loss(labels, champion) - row_log_loss(labels, challenger)
        else:
            self._y = y.astype(np.float64)
            self._gain = (self._y - champion[:, 0]) ** 2 - (self._y - challenger[:, 0]) ** 2

    def __call__(self, weights: npt.NDArray[np.int64]) -> float:
        if self._task == "binary":
            return self._aucs[0](weights) - self._aucs[1](weights)
        if self._task == "multiclass":
            return float(weights @ self._gain) / len(weights)
        mean = float(weights @ self._y) / len(weights)
        total = float(weights @ (self._y - mean) ** 2)
        return float(weights @ self._gain) / total if total > 0 else float("nan")
