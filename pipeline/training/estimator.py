"""Builds and fits the estimators on prepared rows.

All randomness comes from the run's seed. A regression target is standardised before the fit: the exported float32
graph then adds up small numbers, whatever the target's unit is.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from pipeline.core.params import Estimator, Params, Task
from pipeline.training.class_weights import Doubles, Rows, sample_weights
from pipeline.training.fitted_model import FittedModel, Model, as_model_input
from pipeline.training.problems import OneClassError
from pipeline.training.threads import limit_threads, spare_cores

Hyperparameters = dict[str, float | int | str | bool | None]
TreeProgress = Callable[[int, int], None]  # trees fitted, maximum number of trees

CLASSIFIERS: Final[dict[Estimator, Callable[..., Any]]] = {
    "hist_gradient_boosting": HistGradientBoostingClassifier,
    "gradient_boosting": GradientBoostingClassifier,
    "random_forest": RandomForestClassifier,
    "linear": LogisticRegression,
    "dummy": DummyClassifier,
}
REGRESSORS: Final[dict[Estimator, Callable[..., Any]]] = {
    "hist_gradient_boosting": HistGradientBoostingRegressor,
    "gradient_boosting": GradientBoostingRegressor,
    "random_forest": RandomForestRegressor,
    "linear": Ridge,
    "dummy": DummyRegressor,
}
MIN_LEAVES: Final = 20  # a leaf never has to hold more than 1/20 of the rows


def effective_hyperparameters(params: Params, kind: Estimator, n_rows: int) -> Hyperparameters:
    """Return the hyperparameters of a fit on `n_rows` rows: those of `params`, with leaves that fit a small table."""
    if kind == "dummy":
        return {}
    hyperparameters: Hyperparameters = getattr(params, kind).model_dump()
    leaf = hyperparameters.get("min_samples_leaf")
    if isinstance(leaf, int):
        hyperparameters["min_samples_leaf"] = max(1, min(leaf, n_rows // MIN_LEAVES))
    return hyperparameters


def fit(
    kind: Estimator,
    task: Task,
    train: Rows,
    validation: Rows,
    *,
    n_classes: int,
    hyperparameters: Hyperparameters,
    balance: str,
    seed: int,
    on_trees: TreeProgress | None = None,
) -> FittedModel:
    """Fit one estimator and return it. `validation` rows stop boosting early and are never fitted on.

    `on_trees` is called with the number of trees so far. Raises OneClassError if the training rows hold fewer than two classes.
    """
    if task != "regression" and kind != "dummy" and len(np.unique(train.y)) < 2:
        raise OneClassError
    if task != "regression":  # a class that no training row has cannot tell when to stop
        validation = validation.take(np.flatnonzero(np.isin(validation.y, train.y)))
    offset, scale = _offset_and_scale(task, train.y)
    weights = sample_weights(task, balance, train, validation)
    if kind == "gradient_boosting" and not _can_stop_early(task, train.y):
        hyperparameters = {**hyperparameters, "n_iter_no_change": None}
    model = _build(kind, task, hyperparameters, seed, has_validation=len(validation) > 0)
    fit_input = _FitInput(
        model,
        Rows(train.X, (train.y - offset) / scale if task == "regression" else train.y),
        Rows(validation.X, (validation.y - offset) / scale if task == "regression" else validation.y),
        *weights,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with limit_threads(train.X, ordered=kind == "linear"):
            _fit(fit_input, kind, on_trees)
    messages = sorted(
        {" ".join(str(w.message).split())[:200] for w in caught if issubclass(w.category, ConvergenceWarning)}
    )
    return FittedModel(model, kind, task, n_classes, offset, scale, messages)


@dataclass(frozen=True)
class _FitInput:
    model: Model
    train: Rows
    validation: Rows
    weight: Doubles | None
    weight_validation: Doubles | None


def _fit(fit_input: _FitInput, kind: Estimator, on_trees: TreeProgress | None) -> None:
    X, y = as_model_input(kind, fit_input.train.X), fit_input.train.y
    if kind == "hist_gradient_boosting" and len(fit_input.validation):
        fit_input.model.fit(
            X,
            y,
            sample_weight=fit_input.weight,
            X_val=fit_input.validation.X,
            y_val=fit_input.validation.y,
            sample_weight_val=fit_input.weight_validation,
        )
        round_thresholds_down(fit_input.model)
    elif kind == "gradient_boosting":
        total = fit_input.model.n_estimators

        def monitor(i: int, _model: object, _locals: object) -> bool:
            if on_trees is not None and (i + 1) % 25 == 0:
                on_trees(i + 1, total)
            return False

        fit_input.model.fit(X, y, sample_weight=fit_input.weight, monitor=monitor)
    else:
        fit_input.model.fit(X, y, sample_weight=fit_input.weight)
        if kind == "hist_gradient_boosting":
            round_thresholds_down(fit_input.model)
        elif kind == "random_forest":
            fit_input.model.n_jobs = 1  # its threads add up their trees in the order in which they happen to end


def round_thresholds_down(model: Any) -> None:  # noqa: ANN401  # a fitted histogram gradient boosting estimator
    """Round each split threshold down to a float32, in place.

    A threshold midway between two neighbouring float32 values would be rounded up to the upper one by the graph, and
    that value would fall on the other side. For float32 rows the rounded trees answer exactly as before.
    """
    for trees in model._predictors:  # noqa: SLF001  # there is no other way to the thresholds; the parity check guards it
        for tree in trees:
            exact = tree.nodes["num_threshold"]
            with np.errstate(over="ignore"):
                near = exact.astype(np.float32)
            below = np.nextafter(near, np.float32(-np.inf))
            tree.nodes["num_threshold"] = np.where(near.astype(np.float64) > exact, below, near)


def _build(kind: Estimator, task: Task, hyperparameters: Hyperparameters, seed: int, *, has_validation: bool) -> Model:
    is_classification = task != "regression"
    options: dict[str, object]
    if kind == "hist_gradient_boosting":
        # Never `categorical_features`: its export answers differently without an error. Categories come encoded.
        options = {
            **hyperparameters,
            "categorical_features": None,
            "early_stopping": has_validation,
            "random_state": seed,
        }
    elif kind == "gradient_boosting":
        options = {**hyperparameters, "random_state": seed}
    elif kind == "random_forest":
        options = {**hyperparameters, "n_jobs": spare_cores(), "random_state": seed}
    elif kind == "linear" and is_classification:
        options = {"C": hyperparameters["c"], "max_iter": hyperparameters["max_iter"]}
    elif kind == "linear":
        options = {"alpha": 1.0 / float(hyperparameters["c"] or 1.0)}
    else:
        options = {"strategy": "prior" if is_classification else "mean"}
    model: Model = (CLASSIFIERS if is_classification else REGRESSORS)[kind](**options)
    return model


def _can_stop_early(task: Task, y: npt.NDArray[Any]) -> bool:
    """Return True if gradient boosting can hold out a tenth to stop early by, with each class on both sides."""
    if task == "regression":
        return len(y) >= 20
    _, counts = np.unique(y, return_counts=True)
    return bool(counts.min() >= 2 and len(y) >= 10 * len(counts))


def _offset_and_scale(task: Task, y: npt.NDArray[Any]) -> tuple[float, float]:
    if task != "regression":
        return 0.0, 1.0
    spread = float(y.std())
    return float(y.mean()), spread if spread > 0 else 1.0
