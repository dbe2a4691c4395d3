"""Golden rows: rows with the predictions that the model must reproduce, checked before and after it goes live."""

from typing import Final

import numpy as np

from pipeline.core.manifest import Feature, Golden, Scalar
from pipeline.core.params import Task
from pipeline.onnx.session import Graph, RawRows

N_GOLDEN_ROWS: Final = 8


def golden_rows(graph: Graph, features: list[Feature], test: RawRows, task: Task) -> list[Golden]:
    """Return rows of the test set, the last one with a missing value, and the graph's prediction for each.

    Numbers are written as short as float32 allows, so that reading them back gives the same float32.
    """
    count = min(N_GOLDEN_ROWS, len(test))
    positions = np.unique(np.linspace(0, len(test) - 1, count).astype(np.int64))
    rows = test.take(positions)
    rows = RawRows(rows.numeric.copy(), rows.categorical.copy())
    _shorten(rows, features)
    _blank(rows, features)
    output = graph.run(rows)
    return [
        Golden(
            record=as_record(features, rows, i),
            probabilities=None if task == "regression" else [_short(p) for p in output[i]],
            value=_short(output[i, 0]) if task == "regression" else None,
        )
        for i in range(len(rows))
    ]


def as_record(features: list[Feature], rows: RawRows, i: int) -> dict[str, Scalar]:
    """Return row `i` as a client would send it: by raw column name, None where missing."""
    values: dict[str, Scalar] = {}
    k = m = 0
    for feature in features:
        if feature.is_text:
            values[feature.name] = str(rows.categorical[i, m]) or None
            m += 1
            continue
        value = rows.numeric[i, k]
        k += 1
        if np.isnan(value):
            values[feature.name] = None
        elif feature.kind == "boolean":
            values[feature.name] = bool(value)
        else:
            values[feature.name] = int(value) if feature.integer and float(value).is_integer() else _short(value)
    return values


def _shorten(rows: RawRows, features: list[Feature]) -> None:
    """Keep of each text the words that the model looks for: what else a person wrote is nobody's business."""
    for j, feature in enumerate(feature for feature in features if feature.is_text):
        if feature.kind == "text":
            rows.categorical[:, j] = [feature.known_words(str(text)) for text in rows.categorical[:, j]]


def _blank(rows: RawRows, features: list[Feature]) -> None:
    """Make a value of the last row missing: of a column where values do go missing, if there is one."""
    nullable = [feature for feature in features if feature.nullable] or features
    chosen = nullable[0]
    if chosen.is_text:
        rows.categorical[-1, [f.name for f in features if f.is_text].index(chosen.name)] = ""
    else:
        rows.numeric[-1, [f.name for f in features if not f.is_text].index(chosen.name)] = np.nan


def _short(value: np.float32) -> float:
    return float(str(value))
