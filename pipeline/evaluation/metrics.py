"""Metrics of a model: pure functions of the true values and the model's predictions.

`y` is int64 [n] (position in `classes`) or float64 [n] for regression; `output` is float [n, n_classes] (probabilities)
or [n, 1] (value). All metrics are rounded to 6 significant digits, so that equal runs print equal numbers.
"""

from typing import Final, cast

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sk

from pipeline.core.metric_labels import LOWER_IS_BETTER
from pipeline.core.params import Task, ThresholdMetric

Floats = npt.NDArray[np.floating]
Labels = npt.NDArray[np.int64]

PRIMARY: Final[dict[Task, str]] = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "r2"}


def score(task: Task, y: npt.NDArray[np.generic], output: Floats, threshold: float | None) -> dict[str, float]:
    """Return all metrics of a task; those that are not defined on these rows (one class only) are left out."""
    if task == "binary":
        metrics = _binary(y, output[:, 1].astype(np.float64), 0.5 if threshold is None else threshold)
    elif task == "multiclass":
        metrics = _multiclass(y, output.astype(np.float64))
    else:
        metrics = _regression(y.astype(np.float64), output[:, 0].astype(np.float64))
    return {name: rounded(value) for name, value in metrics.items() if np.isfinite(value)}


def oriented(metric: str, value: float) -> float:
    """Return `value` with the sign that makes more better."""
    return -value if metric in LOWER_IS_BETTER else value


def primary_value(task: Task, y: npt.NDArray[np.generic], output: Floats) -> float:
    """Return the primary metric, oriented so that more is better; NaN where it is not defined."""
    if not np.isfinite(output).all():
        return float("nan")
    if task == "binary":
        return roc_auc(y, output[:, 1])
    if task == "multiclass":
        return -float(row_log_loss(cast("Labels", y), output).mean())
    return r2(y.astype(np.float64), output[:, 0].astype(np.float64))


def roc_auc(y: npt.NDArray[np.generic], p: Floats) -> float:
    """Return the chance that a positive row scores above a negative one, ties counting half; NaN if a class is absent.

    By ranks in one sort, ten times faster than building the curve: it is called a hundred times a run.
    """
    positive = y == 1
    n_pos = int(positive.sum())
    n_neg = len(y) - n_pos
    if n_pos == 0 or n_neg == 0:
        return float("nan")
    ordered = np.sort(p[~positive])
    pos = p[positive]
    below = np.searchsorted(ordered, pos, side="left") + np.searchsorted(ordered, pos, side="right")
    return float(below.sum() / (2.0 * n_pos * n_neg))


def row_log_loss(y: Labels, output: Floats) -> npt.NDArray[np.float64]:
    """Return the log loss of each row, float64 [n]; a probability counts as at least 1e-7 (what float32 can tell from zero)."""
    picked = output[np.arange(len(y)), y].astype(np.float64)
    return cast("npt.NDArray[np.float64]", -np.log(np.clip(picked, 1e-7, 1.0)))


def r2(y: Floats, value: Floats) -> float:
    """Return the share of the variance that is explained; NaN if the target does not vary."""
    total = float(((y - y.mean()) ** 2).sum())
    return 1.0 - float(((y - value) ** 2).sum()) / total if total > 0 else float("nan")


def best_threshold(y: npt.NDArray[np.generic], p: Floats, metric: ThresholdMetric) -> float:
    """Return the threshold t of `p >= t` that is best on these rows; 0.5 for `none` and where only one class is present.

    It lies midway between two scores that occur, so that rounding moves no row to the other side.
    """
    positive = y == 1
    if metric == "none" or positive.all() or not positive.any():
        return 0.5
    thresholds, tp, fp = threshold_counts(positive, p)
    n_pos, n_neg = float(positive.sum()), float((~positive).sum())
    tn = n_neg - fp
    quality = {
        "f1": 2 * tp / (n_pos + tp + fp),
        "balanced_accuracy": (tp / n_pos + tn / n_neg) / 2,
        "accuracy": (tp + tn) / (n_pos + n_neg),
    }[metric]
    best = int(np.argmax(quality))
    above = float(thresholds[best])
    below = float(thresholds[best + 1]) if best + 1 < len(thresholds) else 0.0
    midpoint = (above + below) / 2
    short = rounded(midpoint)
    return min(max(short if below < short <= above else midpoint, 0.0), 1.0)


def threshold_counts(
    positive: npt.NDArray[np.bool_], p: Floats
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the distinct scores from high to low, and how many positive and negative rows score at least each of them."""
    order = np.argsort(-p, kind="stable")
    scores = p[order].astype(np.float64)
    last = np.flatnonzero(np.append(np.diff(scores) != 0, True))
    tp = np.cumsum(positive[order])[last].astype(np.float64)
    return scores[last], tp, last + 1.0 - tp


def rounded(value: float) -> float:
    """Return the value rounded to 6 significant digits."""
    return float(f"{value:.6g}")


def _binary(y: npt.NDArray[np.generic], p: Floats, threshold: float) -> dict[str, float]:
    positive = y == 1
    predicted = p >= threshold
    tp = float((predicted & positive).sum())
    fp = float((predicted & ~positive).sum())
    fn = float((~predicted & positive).sum())
    precision = tp / (tp + fp) if tp + fp else 0.0
    recall = tp / (tp + fn) if tp + fn else 0.0
    both = positive.any() and not positive.all()
    return {
        "roc_auc": roc_auc(y, p),
        "average_precision": float(sk.average_precision_score(positive, p)) if both else float("nan"),
        "accuracy": float((predicted == positive).mean()),
        "precision": precision,
        "recall": recall,
        "f1": 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 0.0,
        "log_loss": float(row_log_loss(positive.astype(np.int64), np.column_stack([1 - p, p])).mean()),
        "brier": float(((p - positive) ** 2).mean()),
    }


def _multiclass(y: npt.NDArray[np.generic], p: Floats) -> dict[str, float]:
    predicted = p.argmax(axis=1)
    present = np.unique(y)
    areas = [roc_auc((y == k).astype(np.int64), p[:, k]) for k in present if len(present) > 1]
    return {
        "accuracy": float((predicted == y).mean()),
        "balanced_accuracy": float(np.mean([(predicted[y == k] == k).mean() for k in present])),
        "macro_f1": float(sk.f1_score(y, predicted, average="macro", zero_division=0.0)),
        "log_loss": float(row_log_loss(cast("Labels", y), p).mean()),
        "roc_auc_ovr": float(np.mean(areas)) if areas else float("nan"),
    }


def _regression(y: Floats, value: Floats) -> dict[str, float]:
    error = value - y
    return {
        "r2": r2(y, value),
        "rmse": float(np.sqrt((error**2).mean())),
        "mae": float(np.abs(error).mean()),
        "median_ae": float(np.median(np.abs(error))),
        "max_error": float(np.abs(error).max()),
        "bias": float(error.mean()),
    }
