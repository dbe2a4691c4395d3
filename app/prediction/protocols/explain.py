"""Explains a score and computes what-if curves: `POST /explain` and `POST /curve`.

The score is the probability of the positive class (binary), of the class that is predicted for the record
(multiclass), or the value (regression).

**Contributions** are Shapley values against the typical row: medians for numbers, the more frequent of yes and no, the
most frequent category, no text. For the features N in which record and typical row differ, and v(S) the score of the typical row
with the values of the record in S:

    contribution(i) = sum over S in N without i of  |S|! (|N|-|S|-1)! / |N|!  (v(S + i) - v(S))

The contributions add up to score - base, where base is the typical row's score. With up to 10 such features the sum is
exact; with more it is the mean over a fixed number of orders, drawn from a fixed seed, each order followed by its
reverse: the same record always gets the same answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from math import factorial
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from app.prediction.http.service import check_finite
from app.prediction.protocols.problems import InvalidExplanationError
from app.prediction.scoring.model import Model
from app.prediction.scoring.responses import predicted_values
from app.prediction.scoring.rows import Rows
from pipeline.core.manifest import Feature, Scalar
from pipeline.core.prediction_api import Contribution, Curve, CurvePoint, Explanation
from pipeline.onnx.session import Floats, Texts

EXACT_FEATURES: Final = 10
SAMPLED_ROWS: Final = 1_000  # one call of the graph; about what fits in 20 ms
CURVE_POINTS: Final = 50
DATE_POINTS: Final = 25

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Row:
    """One row of each input; `categorical` has no columns where the model takes none."""

    numeric: Floats  # [k]
    categorical: Texts  # [m]


def explain(model: Model, rows: Rows, request_id: str) -> Explanation:
    """Return the explanation of the score of one valid row.

    Raises InvalidExplanationError API-13 for several rows, NonFiniteScoreError API-15 for a score that is infinite.
    """
    row, typical = _only(rows), typical_row(model)
    column = _explained_class(model, rows)
    differing = _differing(model, row, typical)
    is_exact = len(differing) <= EXACT_FEATURES
    base, score, parts = (_exact if is_exact else _sampled)(model, row, typical, differing, column)
    ordered = [*model.numeric, *model.categorical]
    contributions = [
        Contribution(
            feature=ordered[i].name,
            value=_value(model, row, i),
            typical=_value(model, typical, i),
            contribution=parts.get(i, 0.0),
        )
        for i in sorted(range(len(ordered)), key=lambda i: (-abs(parts.get(i, 0.0)), i))
    ]
    return Explanation(
        base=base,
        score=score,
        class_label=_class_label(model, column),
        contributions=contributions,
        method="exact" if is_exact else "sampled",
        model_version=model.version,
        request_id=request_id,
    )


def curve(model: Model, rows: Rows, name: str, request_id: str) -> Curve:
    """Return the score over the values of feature `name`, everything else as in the one row.

    Numbers: about 50 from the 1st to the 99th percentile of the training data, whole if those were whole, with the
    row's own value among them, ascending; booleans: false and true; categories: those of the training data, most
    frequent first, and the row's own; dates: some from the earliest to the latest. Raises InvalidExplanationError API-13, also for texts,
    or NonFiniteScoreError API-15.
    """
    row = _only(rows)
    ordered = [*model.numeric, *model.categorical]
    place = next((i for i, feature in enumerate(ordered) if feature.name == name), None)
    if place is None:
        raise InvalidExplanationError(
            f"The model has no feature {name[:100]!r}. It has: {', '.join(model.names[:50])}."
        )
    if ordered[place].kind == "text":
        raise InvalidExplanationError(f"The feature {name[:100]!r} is text: there is no curve of its values.")
    column = _explained_class(model, rows)
    feature, own, k = ordered[place], _value(model, row, place), len(model.numeric)
    values = _grid(feature, own) if place < k else _category_grid(feature, own)
    numeric = np.repeat(row.numeric[None, :], len(values), axis=0)
    categorical = np.repeat(row.categorical[None, :], len(values), axis=0)
    if place < k:
        numeric[:, place] = np.array(values, dtype=np.float32)
    else:
        categorical[:, place - k] = np.array(values, dtype=object)
    scores = _finite_scores(model, numeric, categorical)
    predicted = predicted_values(model, scores)
    shown = scores[:, column].astype(np.float64).tolist()
    return Curve(
        feature=name,
        class_label=_class_label(model, column),
        points=[
            CurvePoint(value=value, score=score, prediction=prediction)
            for value, score, prediction in zip(values, shown, predicted, strict=True)
        ],
        model_version=model.version,
        request_id=request_id,
    )


def typical_row(model: Model) -> _Row:
    """Return medians, also of dates, the more frequent of yes and no, and the most frequent categories."""
    numbers = [
        np.nan if f.median is None else round(f.median) if f.kind == "boolean" else f.median for f in model.numeric
    ]
    texts = [str(feature.typical or "") for feature in model.categorical]
    return _Row(np.array(numbers, dtype=np.float32), np.array(texts, dtype=object))


def curve_request(raw: bytes) -> tuple[Mapping[str, object], str]:
    """Return `record` and `feature` of a body of `/curve`. Raises InvalidExplanationError API-13 (422) for any other body."""
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise InvalidExplanationError(f"The body is not JSON: {error}.") from error
    if isinstance(body, dict) and set(body) == {"record", "feature"}:
        record, feature = body["record"], body["feature"]
        if isinstance(record, dict) and isinstance(feature, str):
            return record, feature
    raise InvalidExplanationError("Expected an object with exactly `record`, an object, and `feature`, a name.")


def _exact(
    model: Model, row: _Row, typical: _Row, differing: list[int], column: int
) -> tuple[float, float, dict[int, float]]:
    n = len(differing)
    masks = np.arange(2**n)
    inside = (masks[:, None] >> np.arange(n)) & 1 == 1  # [2**n, n]
    scores = _scores(model, (row, typical), differing, inside, column)
    sizes = inside.sum(axis=1)
    weights = np.array([factorial(s) * factorial(n - s - 1) / factorial(n) for s in range(n)] or [0.0])
    parts = {}
    for j, i in enumerate(differing):
        without = masks[~inside[:, j]]
        gains = scores[without | (1 << j)] - scores[without]
        parts[i] = float((weights[sizes[without]] * gains).sum())
    return float(scores[0]), float(scores[-1]), parts


def _sampled(
    model: Model, row: _Row, typical: _Row, differing: list[int], column: int
) -> tuple[float, float, dict[int, float]]:
    n = len(differing)
    rng = np.random.default_rng(0)
    forward = [rng.permutation(n) for _ in range(max(1, SAMPLED_ROWS // (n + 1) // 2))]
    orders = [order for drawn in forward for order in (drawn, drawn[::-1])]
    inside = np.zeros((len(orders), n + 1, n), dtype=np.bool_)
    for k, order in enumerate(orders):
        for step, j in enumerate(order):
            inside[k, step + 1 :, j] = True
    scores = _scores(model, (row, typical), differing, inside.reshape(-1, n), column).reshape(len(orders), n + 1)
    sums = np.zeros(n)
    for k, order in enumerate(orders):
        sums[order] += [after - before for before, after in pairwise(scores[k])]
    means = (sums / len(orders)).tolist()
    return float(scores[0, 0]), float(scores[0, -1]), dict(zip(differing, means, strict=True))


def _scores(
    model: Model, rows: tuple[_Row, _Row], differing: list[int], inside: npt.NDArray[np.bool_], column: int
) -> Doubles:
    """Return the scores of the typical row with the row's values where `inside` [rows, len(differing)] says so; float64 [rows]."""
    row, typical = rows
    k = len(model.numeric)
    numeric = np.repeat(typical.numeric[None, :], len(inside), axis=0)
    categorical = np.repeat(typical.categorical[None, :], len(inside), axis=0)
    for j, i in enumerate(differing):
        if i < k:
            numeric[inside[:, j], i] = row.numeric[i]
        else:
            categorical[inside[:, j], i - k] = row.categorical[i - k]
    return _finite_scores(model, numeric, categorical)[:, column].astype(np.float64)


def _finite_scores(model: Model, numeric: Floats, categorical: Texts) -> Floats:
    """Return the model's output for a record and what it is compared with. Raises NonFiniteScoreError API-15 (422)."""
    scores = model.score(numeric, categorical if model.categorical else None)
    check_finite(scores, "For this record, or one that it is compared with,")
    return scores


def _differing(model: Model, row: _Row, typical: _Row) -> list[int]:
    both_missing = np.isnan(row.numeric) & np.isnan(typical.numeric)
    numeric = np.flatnonzero((row.numeric != typical.numeric) & ~both_missing)
    categorical = np.flatnonzero(row.categorical != typical.categorical) + len(model.numeric)
    return [*numeric.tolist(), *categorical.tolist()]


def _explained_class(model: Model, rows: Rows) -> int:
    """Return the index of the score column that is explained."""
    if model.task != "multiclass":
        return 1 if model.task == "binary" else 0
    return int(model.score(rows.numeric, rows.categorical)[0].argmax())


def _class_label(model: Model, column: int) -> Scalar:
    return model.labels[column] if model.task == "multiclass" else None


def _only(rows: Rows) -> _Row:
    if len(rows) != 1:
        raise InvalidExplanationError(f"The body has {len(rows)} records; exactly one is needed.")
    categorical = np.zeros((0,), dtype=object) if rows.categorical is None else rows.categorical[0]
    return _Row(rows.numeric[0], categorical)


def _value(model: Model, row: _Row, i: int) -> Scalar:
    """Return the value of feature i (numeric features first) for JSON."""
    if i >= len(model.numeric):
        return str(row.categorical[i - len(model.numeric)]) or None
    return _shown(model.numeric[i], row.numeric[i])


def _shown(feature: Feature, value: np.float32) -> Scalar:
    if np.isnan(value):
        return None
    if feature.kind == "boolean":
        return bool(value)
    # As short as float32 allows: 0.1, not 0.10000000149011612.
    return int(value) if feature.integer and float(value).is_integer() else float(str(value))


def _grid(feature: Feature, own: Scalar) -> list[Scalar]:
    if feature.kind == "boolean":
        return [False, True]
    ends = [
        feature.low if feature.low is not None else feature.min,
        feature.high if feature.high is not None else feature.max,
    ]
    low, high = (float(end) if end is not None else 0.0 for end in ends)
    grid = np.linspace(low, high, CURVE_POINTS)
    if feature.integer:
        grid = np.round(grid)
    values = {_shown(feature, value) for value in grid.astype(np.float32)}
    if own is not None:
        values.add(own)
    return sorted(values, key=_as_number)


def _as_number(value: Scalar) -> float:
    return float(value) if value is not None else 0.0


def _category_grid(feature: Feature, own: Scalar) -> list[Scalar]:
    if feature.kind == "date":
        return _date_grid(feature, own)
    values: list[Scalar] = [*feature.categories]
    return values if own is None or own in values else [*values, own]


def _date_grid(feature: Feature, own: Scalar) -> list[Scalar]:
    """Return dates from the earliest to the latest of the training data, with the row's own among them."""
    first, last = (datetime.fromisoformat(end) for end in (feature.earliest, feature.latest))
    step = (last - first) / (DATE_POINTS - 1)
    dates = {(first + i * step).replace(microsecond=0).isoformat() for i in range(DATE_POINTS)}
    return [*sorted(dates | ({own} if isinstance(own, str) else set()))]
