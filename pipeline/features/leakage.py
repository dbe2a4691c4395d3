"""Finds features that are the target in other words, so that a model would only look good."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.features.target import Target
from pipeline.ingest.columns import NumberColumn, TextColumn

MIN_ROWS: Final = 20  # that must show it before a column is said to leak the target
MAX_ROWS: Final = 10_000


def target_leakage(
    features: list[NumberColumn | TextColumn], target: Target, train: npt.NDArray[np.bool_]
) -> list[str]:
    """Return warnings of features that determine the target: a distinct value for each class (missing counts as a
    value), or a linear function of the number to predict. Samples at most MAX_ROWS of the rows `train`.
    """
    rows = np.flatnonzero(train)
    rows = rows[:: max(1, len(rows) // MAX_ROWS)]
    if len(rows) < MIN_ROWS:
        return []
    targets = target.values[rows]
    warnings = []
    for column in features:
        values = column.codes[rows] if isinstance(column, TextColumn) else column.values[rows]
        if _is_one_to_one(values, targets) if target.classes else _is_linear(values, targets):
            warnings.append(
                f"Column {column.name!r} determines {target.name!r} exactly: possible target leakage. If it is not known "
                "at prediction time, name it in the parameter “ignore”."
            )
    return warnings


def _is_one_to_one(values: npt.NDArray[Any], codes: npt.NDArray[Any]) -> bool:
    distinct, positions = np.unique(values, return_inverse=True)
    n_classes = len(np.unique(codes))
    return 1 < n_classes == len(distinct) == len(np.unique(positions * (int(codes.max()) + 1) + codes))


def _is_linear(values: npt.NDArray[Any], targets: npt.NDArray[Any]) -> bool:
    present = ~np.isnan(values)
    if values.dtype.kind != "f" or present.sum() < MIN_ROWS:
        return False
    x, y = values[present].astype(np.float64), targets[present].astype(np.float64)
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return scale > 0 and abs(float(x @ y)) / scale > 1 - 1e-9
