"""The evaluation of a model: everything behind its plots and tables, as one JSON-ready dict.

`evaluate` returns (keys that a task has no use for are absent):

    task target classes estimator primary_metric n_test threshold metrics baseline
    importances          {raw feature: drop of the primary metric when its values are shuffled}, largest first
    confusion            {labels, counts}: counts[actual][predicted], classes
    roc                  {x: false positive rate, y: true positive rate}, binary
    precision_recall     {x: recall, y: precision, share: share of positives}, binary
    calibration          {predicted, observed, counts}: by tenths of the rows, binary
    thresholds           {threshold, precision, recall, f1}, binary
    scores               {edges, series: {label: counts}}: probability by actual class, or of the predicted class
    classes_report       {label: {precision, recall, f1, n}}, multiclass
    fit                  {actual, predicted}: a seeded sample of rows, regression
    residuals            {edges, series: {residual: counts}}, regression
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from pipeline.core.params import Task
from pipeline.evaluation.histograms import bin_counts, bin_edges, scores_of
from pipeline.evaluation.metrics import PRIMARY, Floats, rounded, score, threshold_counts

MAX_POINTS: Final = 200
MAX_LABELS: Final = 30

Json = dict[str, Any]
Labels = npt.NDArray[Any]


@dataclass(frozen=True)
class EvaluationInput:
    """A model's predictions for the test rows, with the true values and the predictions of the dummy."""

    task: Task
    target: str
    classes: list[str]
    estimator: str
    threshold: float | None
    y: Labels
    output: Floats
    baseline: Floats


def evaluate(model: EvaluationInput, importances: dict[str, float]) -> Json:
    """Return the whole evaluation, JSON-ready and finite; see the head of this file."""
    task, y, output = model.task, model.y, model.output
    evaluation: Json = {
        "task": task,
        "target": model.target,
        "classes": model.classes,
        "estimator": model.estimator,
        "primary_metric": PRIMARY[task],
        "n_test": len(y),
        "threshold": model.threshold,
        "metrics": score(task, y, output, model.threshold),
        "baseline": score(task, y, model.baseline, model.threshold),
        "importances": importances,
    }
    if task == "binary":
        return evaluation | _binary(model) | _curves(model)
    if task == "multiclass":
        return evaluation | _multiclass(model)
    return evaluation | _regression(model)


def _binary(model: EvaluationInput) -> Json:
    p = model.output[:, 1].astype(np.float64)
    positive = model.y == 1
    threshold = 0.5 if model.threshold is None else model.threshold
    edges = bin_edges("binary", p)
    return {
        "confusion": _confusion(model, (p >= threshold).astype(np.int64)),
        "calibration": _calibration(positive, p),
        "scores": {
            "edges": edges,
            "series": {
                model.classes[0]: bin_counts(p[~positive], edges),
                model.classes[1]: bin_counts(p[positive], edges),
            },
        },
    }


def _curves(model: EvaluationInput) -> Json:
    """Return what a binary model does at every threshold; nothing if the test rows hold only one class."""
    p = model.output[:, 1].astype(np.float64)
    positive = model.y == 1
    if positive.all() or not positive.any():
        return {}
    thresholds, tp, fp = threshold_counts(positive, p)
    n_pos, n_neg = float(positive.sum()), float((~positive).sum())
    precision, recall = tp / (tp + fp), tp / n_pos
    f1 = 2 * tp / (n_pos + tp + fp)
    roc, pr, by_threshold = (
        _thinned(fp / n_neg, recall),
        _thinned(recall, precision),
        _thinned(thresholds, recall),
    )
    return {
        "roc": {"x": _list([0.0, *(fp / n_neg)[roc]]), "y": _list([0.0, *recall[roc]])},
        "precision_recall": {
            "x": _list(recall[pr]),
            "y": _list(precision[pr]),
            "share": rounded(n_pos / len(positive)),
        },
        "thresholds": {
            "threshold": _list(thresholds[by_threshold]),
            "precision": _list(precision[by_threshold]),
            "recall": _list(recall[by_threshold]),
            "f1": _list(f1[by_threshold]),
        },
    }


def _multiclass(model: EvaluationInput) -> Json:
    predicted = model.output.argmax(axis=1)
    labels = np.arange(len(model.classes))
    precision, recall, f1, n = precision_recall_fscore_support(model.y, predicted, labels=labels, zero_division=0.0)
    highest = scores_of("multiclass", model.output)
    edges = bin_edges("multiclass", highest)
    is_correct = predicted == model.y
    return {
        "confusion": _confusion(model, predicted),
        "classes_report": {
            name: {
                "precision": rounded(precision[k]),
                "recall": rounded(recall[k]),
                "f1": rounded(f1[k]),
                "n": int(n[k]),
            }
            for k, name in enumerate(model.classes[:MAX_LABELS])
        },
        "scores": {
            "edges": edges,
            "series": {
                "correct": bin_counts(highest[is_correct], edges),
                "incorrect": bin_counts(highest[~is_correct], edges),
            },
        },
    }


def _regression(model: EvaluationInput) -> Json:
    predicted = model.output[:, 0].astype(np.float64)
    sample = np.sort(np.random.default_rng(0).permutation(len(predicted))[:MAX_POINTS])
    residual = predicted - model.y
    edges = bin_edges("regression", residual)
    return {
        "fit": {"actual": _list(model.y[sample]), "predicted": _list(predicted[sample])},
        "residuals": {"edges": edges, "series": {"residual": bin_counts(residual, edges)}},
    }


def _confusion(model: EvaluationInput, predicted: Labels) -> Json:
    """Return the confusion matrix: of the MAX_LABELS most frequent classes where there are more."""
    labels = np.arange(len(model.classes))
    if len(labels) > MAX_LABELS:
        frequent = np.argsort(-np.bincount(model.y, minlength=len(labels)), kind="stable")[:MAX_LABELS]
        labels = np.sort(frequent)
    counts = confusion_matrix(model.y, predicted, labels=labels) if np.isin(model.y, labels).any() else []
    return {"labels": [model.classes[k] for k in labels], "counts": [[int(c) for c in row] for row in counts]}


def _calibration(positive: npt.NDArray[np.bool_], p: npt.NDArray[np.float64]) -> Json:
    order = np.argsort(p, kind="stable")
    groups = [group for group in np.array_split(order, 10) if len(group)]
    return {
        "predicted": _list([p[group].mean() for group in groups]),
        "observed": _list([positive[group].mean() for group in groups]),
        "counts": [len(group) for group in groups],
    }


def _thinned(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the positions of at most MAX_POINTS - 1 points that lie evenly along a curve, ends included."""
    if len(x) < MAX_POINTS:
        return np.arange(len(x))
    length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    even = np.linspace(0.0, length[-1], MAX_POINTS - 1)
    return np.unique(np.clip(np.searchsorted(length, even), 0, len(x) - 1))


def _list(values: npt.ArrayLike) -> list[float]:
    return [rounded(float(v)) for v in np.asarray(values, dtype=np.float64)]
