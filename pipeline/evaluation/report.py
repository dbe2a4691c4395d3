"""What there is to see about a model: everything behind its plots and tables, as one JSON-ready dict.

`evaluate` returns (keys that a task has no use for are absent):

    task target classes estimator primary_metric n_test threshold metrics baseline
    importances          {raw feature: drop of the primary metric when its values are shuffled}, largest first
    confusion            {labels, counts}: counts[actual][predicted], classes
    roc                  {x: false positive rate, y: true positive rate}, binary
    precision_recall     {x: recall, y: precision, share: share of positives}, binary
    calibration          {predicted, observed, counts}: by tenths of the rows, binary
    thresholds           {threshold, precision, recall, f1}, binary
    scores               {edges, series: {label: counts}}: probability by actual class, or of the chosen class
    classes_report       {label: {precision, recall, f1, n}}, multiclass
    fit                  {actual, predicted}: a seeded draw of rows, regression
    residuals            {edges, series: {residual: counts}}, regression
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from pipeline.core.bundle import Histogram
from pipeline.core.params import Task
from pipeline.evaluation.metrics import PRIMARY, Floats, primary_value, rounded, score, threshold_counts
from pipeline.onnx.session import Graph, RawRows

MAX_POINTS: Final = 200
MAX_LABELS: Final = 30
IMPORTANCE_ROWS: Final = 5000
IMPORTANCE_ANSWERS: Final = 60_000  # rows answered in all, so that a wide table takes no longer than a narrow one
BINS: Final = 20

Json = dict[str, Any]
Labels = npt.NDArray[Any]


@dataclass(frozen=True)
class Subject:
    """What is evaluated: a model's answers to the test rows, beside those of the dummy."""

    task: Task
    target: str
    classes: list[str]
    estimator: str
    threshold: float | None
    y: Labels
    output: Floats
    baseline: Floats


def evaluate(subject: Subject, importances: dict[str, float]) -> Json:
    """The whole evaluation, JSON-ready and finite; see the head of this file."""
    task, y, output = subject.task, subject.y, subject.output
    found: Json = {
        "task": task,
        "target": subject.target,
        "classes": subject.classes,
        "estimator": subject.estimator,
        "primary_metric": PRIMARY[task],
        "n_test": len(y),
        "threshold": subject.threshold,
        "metrics": score(task, y, output, subject.threshold),
        "baseline": score(task, y, subject.baseline, subject.threshold),
        "importances": importances,
    }
    if task == "binary":
        found |= _binary(subject)
    elif task == "multiclass":
        found |= _multiclass(subject)
    else:
        found |= _regression(subject)
    return found


def importances(
    graph: Graph, rows: RawRows, y: Labels, *, task: Task, numeric: list[str], categorical: list[str], seed: int
) -> dict[str, float]:
    """Permutation importance of each raw feature, largest first: how much the primary metric (oriented so that more
    is better) falls when the feature's values are shuffled among a seeded draw of the test rows.

    `numeric` and `categorical` name the features in the order of the inputs. A feature whose shuffling makes the
    metric undefined counts 0.
    """
    rng = np.random.default_rng(seed)
    width = len(numeric) + len(categorical)
    n = min(len(rows), IMPORTANCE_ROWS, max(200, IMPORTANCE_ANSWERS // max(width, 1)))
    drawn = np.sort(rng.choice(len(rows), n, replace=False))
    part, truth = rows.take(drawn), y[drawn]
    whole = primary_value(task, truth, graph.run(part))
    found: dict[str, float] = {}
    for kind, names in enumerate((numeric, categorical)):
        for j, name in enumerate(names):
            changed = RawRows(part.numeric.copy(), part.categorical.copy())
            values: Labels = changed.numeric if kind == 0 else changed.categorical
            values[:, j] = values[rng.permutation(n), j]
            fall = whole - primary_value(task, truth, graph.run(changed))
            found[name] = rounded(fall) if np.isfinite(fall) else 0.0
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def score_histogram(task: Task, output: Floats) -> Histogram:
    """Counts of the scores that a server watches for drift: see `pipeline.core.bundle.Manifest`."""
    scores = _scores(task, output)
    edges = _edges(task, scores)
    return Histogram(edges=edges, counts=_counts(scores, edges))


def _binary(subject: Subject) -> Json:
    p = subject.output[:, 1].astype(np.float64)
    positive = subject.y == 1
    cut = 0.5 if subject.threshold is None else subject.threshold
    edges = _edges("binary", p)
    found: Json = {
        "confusion": _confusion(subject, (p >= cut).astype(np.int64)),
        "calibration": _calibration(positive, p),
        "scores": {
            "edges": edges,
            "series": {
                subject.classes[0]: _counts(p[~positive], edges),
                subject.classes[1]: _counts(p[positive], edges),
            },
        },
    }
    if positive.all() or not positive.any():
        return found
    cuts, tp, fp = threshold_counts(positive, p)
    n_pos, n_neg = float(positive.sum()), float((~positive).sum())
    precision, recall = tp / (tp + fp), tp / n_pos
    f1 = 2 * tp / (n_pos + tp + fp)
    few = _spread(fp / n_neg, recall)
    found["roc"] = {"x": _list([0.0, *(fp / n_neg)[few]]), "y": _list([0.0, *recall[few]])}
    few = _spread(recall, precision)
    found["precision_recall"] = {
        "x": _list(recall[few]),
        "y": _list(precision[few]),
        "share": rounded(n_pos / len(positive)),
    }
    few = _spread(cuts, recall)
    found["thresholds"] = {
        "threshold": _list(cuts[few]),
        "precision": _list(precision[few]),
        "recall": _list(recall[few]),
        "f1": _list(f1[few]),
    }
    return found


def _multiclass(subject: Subject) -> Json:
    said = subject.output.argmax(axis=1)
    labels = np.arange(len(subject.classes))
    precision, recall, f1, n = precision_recall_fscore_support(subject.y, said, labels=labels, zero_division=0.0)
    top = _scores("multiclass", subject.output)
    edges = _edges("multiclass", top)
    right = said == subject.y
    return {
        "confusion": _confusion(subject, said),
        "classes_report": {
            name: {
                "precision": rounded(precision[k]),
                "recall": rounded(recall[k]),
                "f1": rounded(f1[k]),
                "n": int(n[k]),
            }
            for k, name in enumerate(subject.classes[:MAX_LABELS])
        },
        "scores": {
            "edges": edges,
            "series": {"right": _counts(top[right], edges), "wrong": _counts(top[~right], edges)},
        },
    }


def _regression(subject: Subject) -> Json:
    value = subject.output[:, 0].astype(np.float64)
    few = np.sort(np.random.default_rng(0).permutation(len(value))[:MAX_POINTS])
    residual = value - subject.y
    edges = _edges("regression", residual)
    return {
        "fit": {"actual": _list(subject.y[few]), "predicted": _list(value[few])},
        "residuals": {"edges": edges, "series": {"residual": _counts(residual, edges)}},
    }


def _confusion(subject: Subject, said: Labels) -> Json:
    """With more classes than fit a picture, the most frequent ones; the others are left out."""
    labels = np.arange(len(subject.classes))
    if len(labels) > MAX_LABELS:
        frequent = np.argsort(-np.bincount(subject.y, minlength=len(labels)), kind="stable")[:MAX_LABELS]
        labels = np.sort(frequent)
    counts = confusion_matrix(subject.y, said, labels=labels) if np.isin(subject.y, labels).any() else []
    return {"labels": [subject.classes[k] for k in labels], "counts": [[int(c) for c in row] for row in counts]}


def _calibration(positive: npt.NDArray[np.bool_], p: npt.NDArray[np.float64]) -> Json:
    order = np.argsort(p, kind="stable")
    groups = [group for group in np.array_split(order, 10) if len(group)]
    return {
        "predicted": _list([p[group].mean() for group in groups]),
        "observed": _list([positive[group].mean() for group in groups]),
        "counts": [len(group) for group in groups],
    }


def _scores(task: Task, output: Floats) -> npt.NDArray[np.float64]:
    pick: dict[Task, Callable[[Floats], Floats]] = {
        "binary": lambda a: a[:, 1],
        "multiclass": lambda a: a.max(axis=1),
        "regression": lambda a: a[:, 0],
    }
    return pick[task](output).astype(np.float64)


def _edges(task: Task, values: npt.NDArray[np.float64]) -> list[float]:
    """BINS + 1 edges: of [0, 1] for probabilities, else of the middle 99 % of the values."""
    if task != "regression":
        return [k / BINS for k in range(BINS + 1)]
    low, high = (float(v) for v in np.quantile(values, [0.005, 0.995]))
    if high <= low:
        low, high = low - 0.5, high + 0.5
    return [rounded(low + (high - low) * k / BINS) for k in range(BINS + 1)]


def _counts(values: npt.NDArray[np.float64], edges: list[float]) -> list[int]:
    """Counts between the edges; values outside count in the end bins."""
    places = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return [int(c) for c in np.bincount(places, minlength=len(edges) - 1)]


def _spread(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Positions of at most MAX_POINTS - 1 points that lie evenly along a curve, ends included."""
    if len(x) < MAX_POINTS:
        return np.arange(len(x))
    way = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    wanted = np.linspace(0.0, way[-1], MAX_POINTS - 1)
    return np.unique(np.clip(np.searchsorted(way, wanted), 0, len(x) - 1))


def _list(values: npt.ArrayLike) -> list[float]:
    return [rounded(float(v)) for v in np.asarray(values, dtype=np.float64)]
