"""Plots of an evaluation as SVG text: for the panel's pages, in light and dark, and as files for MLflow.

Light: stdlib only, because the panel draws with it. Axes and text take `currentColor`, series have a class
(`series-1` ...) and a colour that is readable in both themes. No style, no script, no number that is not in the
evaluation.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pipeline.core.figures.axis import Axis, axis_number, round_axis, share_axis
from pipeline.core.figures.svg_figure import Figure, clipped
from pipeline.core.metric_labels import LOWER_IS_BETTER, metric_in_sentence

Evaluation = Mapping[str, Any]

TITLES: Final = {
    "roc": "ROC curve",
    "precision_recall": "Precision and recall",
    "confusion": "Confusion matrix",
    "thresholds": "Metrics by threshold",
    "calibration": "Calibration",
    "scores": "Score distribution",
    "importances": "Feature importance",
    "fit": "Predicted vs. actual",
    "residuals": "Residuals",
}
MAX_BARS: Final = 10


def plots(evaluation: Evaluation) -> dict[str, str]:
    """Return SVG by name, the most informative first; only plots that the evaluation has data for."""
    return {name: draw(evaluation) for name, draw in PLOTS.items() if evaluation.get(name)}


def _roc(evaluation: Evaluation) -> str:
    curve = evaluation["roc"]
    area = evaluation["metrics"].get("roc_auc")
    description = f"Area under the curve {area:.3f}; a random guess scores 0.5." if area is not None else ""
    figure = Figure(
        "roc", TITLES["roc"], description, share_axis("False positive rate"), share_axis("True positive rate")
    )
    figure.axes()
    figure.reference(0, 0, 1, 1)
    figure.line(curve["x"], curve["y"], 1, fill=True)
    if area is not None:
        figure.text(figure.right - 10, figure.bottom - 14, f"AUC {area:.3f}", anchor="end", size=14, bold=True)
    return figure.svg()


def _precision_recall(evaluation: Evaluation) -> str:
    curve = evaluation["precision_recall"]
    area = evaluation["metrics"].get("average_precision")
    description = (
        f"Average precision {area:.3f}; a random guess scores {curve['share']:.3f}." if area is not None else ""
    )
    figure = Figure(
        "precision_recall", TITLES["precision_recall"], description, share_axis("Recall"), share_axis("Precision")
    )
    figure.axes()
    figure.reference(0, curve["share"], 1, curve["share"], f"random guess {curve['share']:.3f}")
    figure.line(curve["x"], curve["y"], 1, fill=True)
    if area is not None:
        figure.text(figure.right - 10, figure.top + 20, f"average {area:.3f}", anchor="end", size=14, bold=True)
    return figure.svg()


def _thresholds(evaluation: Evaluation) -> str:
    curve, threshold = evaluation["thresholds"], evaluation.get("threshold")
    description = (
        f"Precision, recall and F1 by threshold; the model uses {threshold:.3f}." if threshold is not None else ""
    )
    figure = Figure("thresholds", TITLES["thresholds"], description, share_axis("Threshold"), share_axis(""))
    figure.axes()
    for series, name in enumerate(("precision", "recall", "f1"), start=1):
        figure.line(curve["threshold"], curve[name], series, metric_in_sentence(name))
    if threshold is not None:
        figure.reference(threshold, 0, threshold, 1, f"chosen {threshold:.3f}")
    return figure.svg()


def _calibration(evaluation: Evaluation) -> str:
    groups = evaluation["calibration"]
    high = max(*groups["predicted"], *groups["observed"], 0.01)
    axis_x, axis_y = round_axis(0, high, "Predicted probability"), round_axis(0, high, "Observed frequency")
    description = (
        "Each point is a tenth of the test rows; on the diagonal, predicted probabilities match observed frequencies."
    )
    figure = Figure("calibration", TITLES["calibration"], description, axis_x, axis_y)
    figure.axes()
    figure.reference(0, 0, axis_x.high, axis_y.high)
    figure.line(groups["predicted"], groups["observed"], 1)
    figure.points(groups["predicted"], groups["observed"], 1)
    return figure.svg()


def _scores(evaluation: Evaluation) -> str:
    """Draw shares within each series, so that a rare class is visible beside a frequent one."""
    edges, series = evaluation["scores"]["edges"], evaluation["scores"]["series"]
    binary = evaluation["task"] == "binary"
    shares = {name: [c / max(sum(counts), 1) for c in counts] for name, counts in series.items()}
    high = max((max(values) for values in shares.values()), default=1.0)
    label = (
        f"Probability of {evaluation['target']} = {evaluation['classes'][1]}"
        if binary
        else "Probability of the predicted class"
    )
    description = "Share of rows by score, for each " + ("actual class." if binary else "outcome.")
    figure = Figure(
        "scores",
        TITLES["scores"],
        description,
        share_axis(clipped(label, 48)),
        round_axis(0, max(high, 0.01), "Share of rows"),
    )
    figure.axes(grid_x=False)
    for number, (name, values) in enumerate(shares.items(), start=1):
        figure.columns(edges, values, number, name)
    threshold = evaluation.get("threshold")
    if binary and threshold is not None:
        figure.reference(threshold, 0, threshold, figure.y.high, f"threshold {threshold:.3f}")
    return figure.svg()


def _confusion(evaluation: Evaluation) -> str:
    labels: Sequence[str] = evaluation["confusion"]["labels"]
    counts: Sequence[Sequence[int]] = evaluation["confusion"]["counts"]
    none = Axis(0.0, 1.0, ())
    total, correct = sum(map(sum, counts)), sum(counts[k][k] for k in range(len(counts)))
    description = f"{correct:,} of {total:,} test rows predicted correctly ({correct / max(total, 1):.1%})."
    figure = Figure("confusion", TITLES["confusion"], description, none, none)
    n, size = len(labels), 10.0 if len(labels) > 12 else 12.0
    margin = min(110.0, 24 + 6.5 * max(len(clipped(label, 12)) for label in labels))
    left, top, width, height = margin + 18, 52.0, 402 - margin - 18, 190.0
    wide, high = width / n, height / n
    every = max(1, -(-n // 15))
    for i, row in enumerate(counts):
        whole = max(sum(row), 1)
        for j, count in enumerate(row):
            figure.cell(left + j * wide + 0.5, top + i * high + 0.5, wide - 1, high - 1, count / whole)
            if n <= 12:
                middle, line = left + (j + 0.5) * wide, top + (i + 0.5) * high
                figure.text(
                    middle,
                    line + (0 if n <= 4 else 4),
                    f"{count:,}",
                    anchor="middle",
                    size=size,
                    bold=i == j,
                    faint=not count,
                )
                if n <= 4:
                    figure.text(middle, line + 16, f"{count / whole:.1%}", anchor="middle", size=11, faint=True)
        if i % every == 0:
            name = clipped(labels[i], 12)
            figure.text(left - 8, top + (i + 0.5) * high + 4, name, anchor="end", size=size)
            room = max(3, int(wide * every / 6.5))
            figure.text(left + (i + 0.5) * wide, top - 6, clipped(labels[i], room), anchor="middle", size=size)
    figure.text(left + width / 2, 34, "predicted", anchor="middle", size=11, faint=True)
    figure.upright(14, top + height / 2, "actual")
    figure.text(left + width / 2, 266, description, anchor="middle", size=11, faint=True)
    return figure.svg()


def _importances(evaluation: Evaluation) -> str:
    bars = list(evaluation["importances"].items())[:MAX_BARS]
    high = max(0.0, *(value for _, value in bars))
    low = min(0.0, *(value for _, value in bars))
    low = low if low < -0.05 * high else 0.0  # slightly below zero is noise and needs no axis of its own
    more = len(evaluation["importances"]) - len(bars)
    metric = metric_in_sentence(evaluation["primary_metric"])
    change = "Increase" if evaluation["primary_metric"] in LOWER_IS_BETTER else "Drop"
    label = f"{change} in {metric} when shuffled"
    description = f"{label}: " + "; ".join(f"{name} {axis_number(value)}" for name, value in bars[:3]) + "."
    figure = Figure(
        "importances", TITLES["importances"], description, round_axis(low, high, label, 4), Axis(0.0, 1.0, ())
    )
    figure.left, figure.right = 180.0, 368.0
    largest = max(abs(value) for _, value in bars)
    figure.axes(grid_y=False)
    room = (figure.bottom - figure.top) / len(bars)
    thickness = min(18.0, room * 0.7)
    for k, (name, value) in enumerate(bars):
        top = figure.top + k * room + (room - thickness) / 2
        end = figure.bar(value, top, thickness, 1)
        figure.text(figure.left - 8, top + thickness / 2 + 4, clipped(name, 24), anchor="end", size=11)
        figure.text(end + 5, top + thickness / 2 + 4, _importance_text(value, largest), size=10, faint=True)
    if more > 0:
        figure.text(406, 18, f"and {more} more", anchor="end", size=11, faint=True)
    return figure.svg()


def _importance_text(value: float, largest: float) -> str:
    """Return `value` to the third digit of the largest importance: what is noise beside it is 0, not -8e-05."""
    return axis_number(round(value, 2 - math.floor(math.log10(largest))) if largest > 0 else value)


def _fit(evaluation: Evaluation) -> str:
    actual, predicted = evaluation["fit"]["actual"], evaluation["fit"]["predicted"]
    low, high = min(*actual, *predicted), max(*actual, *predicted)
    description = f"{len(actual)} test rows; on the diagonal the prediction is exact."
    target = clipped(evaluation["target"], 30)
    figure = Figure(
        "fit", TITLES["fit"], description, round_axis(low, high, f"Actual {target}"), round_axis(low, high, "Predicted")
    )
    figure.axes()
    figure.reference(figure.x.low, figure.y.low, figure.x.high, figure.y.high)
    figure.points(actual, predicted, 1, radius=2.5)
    return figure.svg()


def _residuals(evaluation: Evaluation) -> str:
    edges, counts = evaluation["residuals"]["edges"], evaluation["residuals"]["series"]["residual"]
    target = clipped(evaluation["target"], 30)
    figure = Figure(
        "residuals",
        TITLES["residuals"],
        "Prediction errors, and the number of test rows with each.",
        round_axis(edges[0], edges[-1], f"Predicted minus actual {target}"),
        round_axis(0, max(*counts, 1), "Test rows"),
    )
    figure.axes(grid_x=False)
    figure.columns(edges, counts, 1)
    figure.reference(0, 0, 0, figure.y.high)
    return figure.svg()


PLOTS: Final = {
    "roc": _roc,
    "fit": _fit,
    "confusion": _confusion,
    "precision_recall": _precision_recall,
    "importances": _importances,
    "thresholds": _thresholds,
    "scores": _scores,
    "residuals": _residuals,
    "calibration": _calibration,
}
