"""Permutation importance of the raw features, measured on the exported graph."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.core.params import Task
from pipeline.evaluation.metrics import primary_value, rounded
from pipeline.onnx.session import Graph, RawRows

MAX_ROWS: Final = 5000
MAX_PREDICTIONS: Final = 60_000  # rows scored in all, so that a wide table takes no longer than a narrow one


def importances(
    graph: Graph,
    rows: RawRows,
    y: npt.NDArray[Any],
    *,
    task: Task,
    numeric: list[str],
    categorical: list[str],
    seed: int,
) -> dict[str, float]:
    """Return the importance of each raw feature, largest first.

    It is the drop of the primary metric (oriented so that more is better) when the feature's values are shuffled among
    a seeded sample of the test rows. `numeric` and `categorical` name the features in the order of the inputs. A
    feature whose shuffling makes the metric undefined counts 0.
    """
    rng = np.random.default_rng(seed)
    n_features = len(numeric) + len(categorical)
    n = min(len(rows), MAX_ROWS, max(200, MAX_PREDICTIONS // max(n_features, 1)))
    sample = np.sort(rng.choice(len(rows), n, replace=False))
    original, y_sample = rows.take(sample), y[sample]
    reference = primary_value(task, y_sample, graph.run(original))
    drops: dict[str, float] = {}
    for is_categorical, names in ((False, numeric), (True, categorical)):
        for j, name in enumerate(names):
            shuffled = RawRows(original.numeric.copy(), original.categorical.copy())
            values: npt.NDArray[Any] = shuffled.categorical if is_categorical else shuffled.numeric
            values[:, j] = values[rng.permutation(n), j]
            drop = reference - primary_value(task, y_sample, graph.run(shuffled))
            drops[name] = rounded(drop) if np.isfinite(drop) else 0.0
    return dict(sorted(drops.items(), key=lambda item: (-item[1], item[0])))
