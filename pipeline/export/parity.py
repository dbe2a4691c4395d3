"""Verifies that an exported graph predicts what scikit-learn predicts."""

from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.core.manifest import PREDICTION_TOLERANCE
from pipeline.core.params import Task
from pipeline.export.problems import ParityError
from pipeline.onnx.session import Floats, Graph, RawRows
from pipeline.training.fitted_model import FittedModel

Doubles = npt.NDArray[np.float64]

UNKNOWN_CATEGORY: Final = "never seen \u2370"  # no table holds it
MAX_EDGE_COLUMNS: Final = 200


def edge_rows(real: RawRows) -> RawRows:
    """Return rows that no table holds, derived from `real` (at least one row).

    All values missing, huge or of an unknown category, and each column in turn missing, huge or of an unknown category.
    """
    k = min(real.numeric.shape[1], MAX_EDGE_COLUMNS)
    m = min(real.categorical.shape[1], MAX_EDGE_COLUMNS)
    values = [np.float32(np.nan), np.float32(1e30), np.float32(-1e30), np.float32(0.0)]
    texts = ["", UNKNOWN_CATEGORY]
    count = len(values) * (1 + k) + len(texts) * (1 + m)
    copies = real.take(np.arange(count) % len(real))
    numeric, categorical = copies.numeric.copy(), copies.categorical.copy()
    row = 0
    for value in values:
        for columns in [slice(None), *(slice(j, j + 1) for j in range(k))]:
            numeric[row, columns] = value
            row += 1
    for text in texts:
        for columns in [slice(None), *(slice(j, j + 1) for j in range(m))]:
            categorical[row, columns] = text
            row += 1
    numeric[0], categorical[0] = np.nan, ""
    return RawRows(numeric, categorical)


def largest_difference(task: Task, reference: Doubles, output: Floats, spread: float) -> float:
    """Return how far the graph's output is from scikit-learn's; NaN if either is not finite.

    Classes: the largest difference of a probability. Regression: the largest difference beyond one unit in the last
    place of float32 (the output's own resolution), relative to `spread`, the standard deviation of the target, or to
    the value's distance from the median where that is larger.
    """
    if not (np.isfinite(output).all() and np.isfinite(reference).all()):
        return float("nan")
    difference = np.abs(output.astype(np.float64) - reference)
    if task != "regression":
        return float(difference.max(initial=0.0))
    with np.errstate(over="ignore"):  # above the largest float32 there is no next one
        step = np.spacing(np.abs(reference).astype(np.float32)).astype(np.float64)
    size = np.maximum(spread, np.abs(reference - np.median(reference)))
    return float((np.maximum(difference - step, 0.0) / size).max(initial=0.0))


def verify_parity(fitted: FittedModel, graph: Graph, prepare: Graph, test: RawRows, output: Floats) -> float:
    """Return the largest difference between graph and scikit-learn over the test rows and the edge rows.

    `output` is what the graph predicts for the test rows. Raises ParityError if the difference is above PREDICTION_TOLERANCE: such
    a model is not published.
    """
    edge = edge_rows(test)
    pairs = [
        (fitted.predict(prepare.run(test)), output),
        (fitted.predict(prepare.run(edge)), graph.run(edge)),
    ]
    difference = max(
        (largest_difference(fitted.task, reference, predicted, fitted.scale) for reference, predicted in pairs),
        key=lambda value: (np.isnan(value), value),
    )
    if not difference <= PREDICTION_TOLERANCE:
        raise ParityError(difference, PREDICTION_TOLERANCE)
    return difference
