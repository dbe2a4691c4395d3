"""A fitted scikit-learn estimator, and how its predictions are read."""

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.core.cells import FLOAT32_MAX
from pipeline.core.params import Estimator, Task
from pipeline.training.class_weights import Doubles, Floats
from pipeline.training.threads import limit_threads

TREE_ESTIMATORS: Final = frozenset({"hist_gradient_boosting", "gradient_boosting", "random_forest"})


class Model(Protocol):
    """The interface of every scikit-learn estimator used here; some attributes exist only with classes or trees."""

    classes_: npt.NDArray[np.int64]
    coef_: Doubles
    intercept_: Doubles
    n_estimators: int
    n_jobs: int

    def fit(self, X: Floats, y: npt.NDArray[Any], **options: object) -> object: ...
    def predict(self, X: Floats) -> Doubles: ...
    def predict_proba(self, X: Floats) -> Doubles: ...


@dataclass(frozen=True)
class FittedModel:
    """A fitted scikit-learn estimator for prepared rows.

    Regression predictions are `model.predict * scale + offset`, clipped to what float32 can hold. Classes that no
    training row had get probability 0. `warnings` are those of the fit itself.
    """

    model: Model
    kind: Estimator
    task: Task
    n_classes: int
    offset: float = 0.0
    scale: float = 1.0
    warnings: list[str] = field(default_factory=list)

    @property
    def present_classes(self) -> npt.NDArray[np.int64]:
        """Return the class positions that the columns of the model's probabilities stand for."""
        return self.model.classes_.astype(np.int64)

    @property
    def n_trees(self) -> int | None:
        """Return the number of rounds of trees after early stopping; None where there are no trees."""
        for name in ("n_iter_", "n_estimators_", "n_estimators"):
            if self.kind in TREE_ESTIMATORS and hasattr(self.model, name):
                return int(getattr(self.model, name))
        return None

    def predict(self, X: Floats) -> Doubles:
        """Return scikit-learn's own probabilities [n, n_classes] or values [n, 1], float64."""
        X = as_model_input(self.kind, X)
        with limit_threads(X, ordered=self.kind == "linear"):
            if self.task == "regression":
                values = self.model.predict(X).reshape(-1, 1) * self.scale + self.offset
                return np.clip(values, -FLOAT32_MAX, FLOAT32_MAX)
            probabilities = np.zeros((len(X), self.n_classes))
            probabilities[:, self.present_classes] = self.model.predict_proba(X)
            return probabilities


def as_model_input(kind: Estimator, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return X as the estimator takes it: float64 for linear models.

    They would calculate in the precision of their input, and a float32 sum depends on its order.
    """
    return X.astype(np.float64) if kind == "linear" else X
