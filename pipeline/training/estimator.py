"""Builds and fits the estimators on prepared rows.

Everything random draws from the run's seed. A regression target is fitted in units of its own standard deviation
around its mean: the exported float32 graph then adds up small numbers, whatever the target's unit is.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

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
from pipeline.training.class_weights import Doubles, Floats, Rows, sample_weights
from pipeline.training.problems import OneClassError
from pipeline.training.threads import few_threads, spare_cores

Hyperparameters = dict[str, float | int | str | bool | None]
Tick = Callable[[int, int], None]  # trees fitted, trees at most

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
LARGEST: Final = float(np.finfo(np.float32).max)
TREES: Final = frozenset({"hist_gradient_boosting", "gradient_boosting", "random_forest"})
LEAVES_PER_TABLE: Final = 20  # a leaf never has to hold more than 1/20 of the rows


class Model(Protocol):
    """What every scikit-learn estimator used here can do; some attributes exist only with classes or trees."""

    classes_: npt.NDArray[np.int64]
    coef_: Doubles
    intercept_: Doubles
    n_estimators: int
    n_jobs: int

    def fit(self, X: Floats, y: npt.NDArray[Any], **options: object) -> object: ...
    def predict(self, X: Floats) -> Doubles: ...
    def predict_proba(self, X: Floats) -> Doubles: ...


@dataclass(frozen=True)
class Fitted:
    """A fitted scikit-learn estimator and how its answers are read.

    Regression answers are `predict * scale + offset`, no larger than what float32 can hold. Classes that no training row had get probability 0.
    """

    model: Model
    kind: Estimator
    task: Task
    n_classes: int
    offset: float = 0.0
    scale: float = 1.0
    warnings: list[str] = field(default_factory=list)

    @property
    def present(self) -> npt.NDArray[np.int64]:
        """The class positions that the model's columns stand for."""
        return self.model.classes_.astype(np.int64)

    @property
    def n_trees(self) -> int | None:
        """How many rounds of trees there are after early stopping; None where there are no trees."""
        for name in ("n_iter_", "n_estimators_", "n_estimators"):
            if self.kind in TREES and hasattr(self.model, name):
                return int(getattr(self.model, name))
        return None

    def answers(self, X: Floats) -> Doubles:
        """What scikit-learn itself says: probabilities [n, n_classes] or values [n, 1], float64."""
        X = _as_fitted(self.kind, X)
        with few_threads(X, ordered=self.kind == "linear"):
            if self.task == "regression":
                value = self.model.predict(X).reshape(-1, 1) * self.scale + self.offset
                return np.clip(value, -LARGEST, LARGEST)
            found = np.zeros((len(X), self.n_classes))
            found[:, self.present] = self.model.predict_proba(X)
            return found


def hyperparameters_of(params: Params, kind: Estimator, n_rows: int) -> Hyperparameters:
    """The hyperparameters that a fit on `n_rows` rows uses: those of `params`, with leaves that fit a small table."""
    if kind == "dummy":
        return {}
    found: Hyperparameters = getattr(params, kind).model_dump()
    leaf = found.get("min_samples_leaf")
    if isinstance(leaf, int):
        found["min_samples_leaf"] = max(1, min(leaf, n_rows // LEAVES_PER_TABLE))
    return found


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
    tick: Tick | None = None,
) -> Fitted:
    """Fit one estimator. `validation` rows stop boosting early and are never fitted on.

    Raises OneClassError if the training rows hold fewer than two classes. What the fit itself warns of is
    in `Fitted.warnings`.
    """
    if task != "regression" and kind != "dummy" and len(np.unique(train.y)) < 2:
        raise OneClassError
    if task != "regression":  # a class that no training row has cannot tell when to stop
        validation = validation.take(np.flatnonzero(np.isin(validation.y, train.y)))
    offset, scale = _scale(task, train.y)
    weights = sample_weights(task, balance, train, validation)
    if kind == "gradient_boosting" and not _splittable(task, train.y):
        hyperparameters = {**hyperparameters, "n_iter_no_change": None}
    model = _build(kind, task, hyperparameters, seed, has_validation=len(validation) > 0)
    job = _Job(
        model,
        Rows(train.X, (train.y - offset) / scale if task == "regression" else train.y),
        Rows(validation.X, (validation.y - offset) / scale if task == "regression" else validation.y),
        *weights,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with few_threads(train.X, ordered=kind == "linear"):
            _run(job, kind, tick)
    said = sorted(
        {" ".join(str(w.message).split())[:200] for w in caught if issubclass(w.category, ConvergenceWarning)}
    )
    return Fitted(model, kind, task, n_classes, offset, scale, said)


@dataclass(frozen=True)
class _Job:
    model: Model
    train: Rows
    validation: Rows
    weight: Doubles | None
    weight_validation: Doubles | None


def _run(job: _Job, kind: Estimator, tick: Tick | None) -> None:
    X, y = _as_fitted(kind, job.train.X), job.train.y
    if kind == "hist_gradient_boosting" and len(job.validation):
        job.model.fit(
            X,
            y,
            sample_weight=job.weight,
            X_val=job.validation.X,
            y_val=job.validation.y,
            sample_weight_val=job.weight_validation,
        )
        round_thresholds_down(job.model)
    elif kind == "gradient_boosting":
        total = job.model.n_estimators

        def monitor(i: int, _model: object, _locals: object) -> bool:
            if tick is not None and (i + 1) % 25 == 0:
                tick(i + 1, total)
            return False

        job.model.fit(X, y, sample_weight=job.weight, monitor=monitor)
    else:
        job.model.fit(X, y, sample_weight=job.weight)
        if kind == "hist_gradient_boosting":
            round_thresholds_down(job.model)
        elif kind == "random_forest":
            job.model.n_jobs = 1  # its threads add up their trees in the order in which they happen to end


def round_thresholds_down(model: Any) -> None:  # noqa: ANN401  # a fitted histogram gradient boosting estimator
    """Make each split threshold the next lower float32, in place.

    A threshold midway between two neighbouring float32 values would be rounded up to the upper one by the graph, and
    that value would fall on the other side. For float32 rows the rounded trees answer exactly as before.
    """
    for trees in model._predictors:  # noqa: SLF001  # there is no other way to the thresholds; the parity proof guards it
        for tree in trees:
            exact = tree.nodes["num_threshold"]
            with np.errstate(over="ignore"):
                near = exact.astype(np.float32)
            below = np.nextafter(near, np.float32(-np.inf))
            tree.nodes["num_threshold"] = np.where(near.astype(np.float64) > exact, below, near)


def _build(kind: Estimator, task: Task, given: Hyperparameters, seed: int, *, has_validation: bool) -> Model:
    classes = task != "regression"
    options: dict[str, object]
    if kind == "hist_gradient_boosting":
        # Never `categorical_features`: its export answers differently without an error. Categories come encoded.
        options = {**given, "categorical_features": None, "early_stopping": has_validation, "random_state": seed}
    elif kind == "gradient_boosting":
        options = {**given, "random_state": seed}
    elif kind == "random_forest":
        options = {**given, "n_jobs": spare_cores(), "random_state": seed}
    elif kind == "linear" and classes:
        options = {"C": given["c"], "max_iter": given["max_iter"]}
    elif kind == "linear":
        options = {"alpha": 1.0 / float(given["c"] or 1.0)}
    else:
        options = {"strategy": "prior" if classes else "mean"}
    model: Model = (CLASSIFIERS if classes else REGRESSORS)[kind](**options)
    return model


def _as_fitted(kind: Estimator, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Linear models would calculate in the width of their input, and a float32 sum depends on its order."""
    return X.astype(np.float64) if kind == "linear" else X


def _splittable(task: Task, y: npt.NDArray[Any]) -> bool:
    """Whether gradient boosting can split off its own tenth, with each class on both sides, to stop early by."""
    if task == "regression":
        return len(y) >= 20
    _, counts = np.unique(y, return_counts=True)
    return bool(counts.min() >= 2 and len(y) >= 10 * len(counts))


def _scale(task: Task, y: npt.NDArray[Any]) -> tuple[float, float]:
    if task != "regression":
        return 0.0, 1.0
    spread = float(y.std())
    return float(y.mean()), spread if spread > 0 else 1.0
