"""The proof that an exported graph answers as scikit-learn does."""

from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.core.params import Task
from pipeline.export.problems import ParityError
from pipeline.onnx.session import Floats, Graph, RawRows
from pipeline.training.estimator import Fitted

Doubles = npt.NDArray[np.float64]

TOLERANCE: Final = 1e-5
UNSEEN: Final = "never seen \u2370"  # a category that no table holds
MAX_EDGE_COLUMNS: Final = 200


def edge_rows(real: RawRows) -> RawRows:
    """Rows that no table holds, made from real ones (at least one row must be given): everything missing, everything
    huge, everything unseen, and each column in turn missing, huge and unseen.
    """
    k = min(real.numeric.shape[1], MAX_EDGE_COLUMNS)
    m = min(real.categorical.shape[1], MAX_EDGE_COLUMNS)
    values = [np.float32(np.nan), np.float32(1e30), np.float32(-1e30), np.float32(0.0)]
    texts = ["", UNSEEN]
    count = len(values) * (1 + k) + len(texts) * (1 + m)
    made = real.take(np.arange(count) % len(real))
    numbers, words = made.numeric.copy(), made.categorical.copy()
    row = 0
    for value in values:
        for columns in [slice(None), *(slice(j, j + 1) for j in range(k))]:
            numbers[row, columns] = value
            row += 1
    for text in texts:
        for columns in [slice(None), *(slice(j, j + 1) for j in range(m))]:
            words[row, columns] = text
            row += 1
    numbers[0], words[0] = np.nan, ""
    return RawRows(numbers, words)


def largest_difference(task: Task, reference: Doubles, answers: Floats, spread: float) -> float:
    """How far the graph is from scikit-learn, NaN if either answers with something that is not a number.

    Classes: the largest difference of a probability. Regression: the largest difference beyond one unit in the last
    place of float32 (the answer's own resolution), relative to `spread`, the standard deviation of the target, or to
    the answer's distance from the mean answer where that is larger.
    """
    if not (np.isfinite(answers).all() and np.isfinite(reference).all()):
        return float("nan")
    difference = np.abs(answers.astype(np.float64) - reference)
    if task != "regression":
        return float(difference.max(initial=0.0))
    with np.errstate(over="ignore"):  # above the largest float32 there is no next one
        step = np.spacing(np.abs(reference).astype(np.float32)).astype(np.float64)
    size = np.maximum(spread, np.abs(reference - np.median(reference)))
    return float((np.maximum(difference - step, 0.0) / size).max(initial=0.0))


def prove_parity(fitted: Fitted, graph: Graph, prepare: Graph, test: RawRows, answers: Floats) -> float:
    """The largest difference between graph and scikit-learn over the test rows and the edge rows.

    `answers` are what the graph says about the test rows. Raises ParityError if the difference is above
    TOLERANCE: such a model is not published.
    """
    edge = edge_rows(test)
    pairs = [
        (fitted.answers(prepare.run(test)), answers),
        (fitted.answers(prepare.run(edge)), graph.run(edge)),
    ]
    found = max(
        (largest_difference(fitted.task, reference, said, fitted.scale) for reference, said in pairs),
        key=lambda value: (np.isnan(value), value),
    )
    if not found <= TOLERANCE:
        raise ParityError(found, TOLERANCE)
    return found
