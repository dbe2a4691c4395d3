"""Packs a trained model: the manifest with its golden rows and its digest."""

from datetime import UTC, datetime

import numpy as np

from pipeline.core.bundle import Feature, Golden, Manifest, Scalar, digest_of
from pipeline.core.params import Task
from pipeline.onnx.session import Graph, RawRows

GOLDEN_ROWS = 8


def golden_rows(graph: Graph, features: list[Feature], test: RawRows, task: Task) -> list[Golden]:
    """Rows of the test set, the last one with a missing value, and what the graph says about each.

    Numbers are written as short as float32 allows, so that reading them back gives the same float32.
    """
    count = min(GOLDEN_ROWS, len(test))
    places = np.unique(np.linspace(0, len(test) - 1, count).astype(np.int64))
    rows = test.take(places)
    rows = RawRows(rows.numeric.copy(), rows.categorical.copy())
    _blank(rows, features)
    answers = graph.run(rows)
    return [
        Golden(
            record=record(features, rows, i),
            probabilities=None if task == "regression" else [_short(p) for p in answers[i]],
            value=_short(answers[i, 0]) if task == "regression" else None,
        )
        for i in range(len(rows))
    ]


def record(features: list[Feature], rows: RawRows, i: int) -> dict[str, Scalar]:
    """Row `i` as a client would send it: by raw column name, None where missing."""
    found: dict[str, Scalar] = {}
    k = m = 0
    for feature in features:
        if feature.kind == "categorical":
            found[feature.name] = str(rows.categorical[i, m]) or None
            m += 1
            continue
        value = rows.numeric[i, k]
        k += 1
        if np.isnan(value):
            found[feature.name] = None
        elif feature.kind == "boolean":
            found[feature.name] = bool(value)
        else:
            found[feature.name] = int(value) if feature.integer and float(value).is_integer() else _short(value)
    return found


def seal(manifest: Manifest) -> Manifest:
    """The manifest with its digest and the time of its creation."""
    stamped = manifest.model_copy(update={"created_at": datetime.now(UTC).isoformat(timespec="seconds")})
    return stamped.model_copy(update={"digest": digest_of(stamped)})


def _blank(rows: RawRows, features: list[Feature]) -> None:
    """Make a value of the last row missing: of a column where values do go missing, if there is one."""
    nullable = [feature for feature in features if feature.nullable] or features
    chosen = nullable[0]
    if chosen.kind == "categorical":
        rows.categorical[-1, [f.name for f in features if f.kind == "categorical"].index(chosen.name)] = ""
    else:
        rows.numeric[-1, [f.name for f in features if f.kind != "categorical"].index(chosen.name)] = np.nan


def _short(value: np.float32) -> float:
    return float(str(value))
