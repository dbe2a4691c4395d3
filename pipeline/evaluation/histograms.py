"""Histograms of scores: for the evaluation's plots, and in the manifest for a server that watches for drift."""

from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.core.manifest import Histogram
from pipeline.core.params import Task
from pipeline.evaluation.metrics import Floats, rounded

BINS: Final = 20


def score_histogram(task: Task, output: Floats) -> Histogram:
    """Return the counts of the scores that a server watches for drift: see `pipeline.core.manifest.Manifest`."""
    scores = scores_of(task, output)
    edges = bin_edges(task, scores)
    return Histogram(edges=edges, counts=bin_counts(scores, edges))


def scores_of(task: Task, output: Floats) -> npt.NDArray[np.float64]:
    """Return one score for each row: the positive class's probability, the highest probability, or the value."""
    if task == "binary":
        scores = output[:, 1]
    elif task == "multiclass":
        scores = output.max(axis=1)
    else:
        scores = output[:, 0]
    return scores.astype(np.float64)


def bin_edges(task: Task, values: npt.NDArray[np.float64]) -> list[float]:
    """Return BINS + 1 edges: of [0, 1] for probabilities, else of the middle 99% of the values."""
    if task != "regression":
        return [k / BINS for k in range(BINS + 1)]
    low, high = (float(v) for v in np.quantile(values, [0.005, 0.995]))
    if high <= low:
        low, high = low - 0.5, high + 0.5
    return [rounded(low + (high - low) * k / BINS) for k in range(BINS + 1)]


def bin_counts(values: npt.NDArray[np.float64], edges: list[float]) -> list[int]:
    """Return the counts between the edges; values outside count in the first and last bin."""
    bins = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return [int(count) for count in np.bincount(bins, minlength=len(edges) - 1)]
