"""Prepared rows, and what is done when one class is rare."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.class_weight import compute_sample_weight

from pipeline.core.params import Task

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """Prepared rows: X [n, p] float32, y [n] class positions (int64) or values (float64)."""

    X: Floats
    y: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: npt.NDArray[np.int64]) -> "Rows":
        """The given rows, in the given order."""
        return Rows(self.X[rows], self.y[rows])


def undersample(rows: Rows, seed: int) -> Rows:
    """As many rows of each class as the rarest has, drawn with `seed`, in their old order."""
    rng = np.random.default_rng(seed)
    classes, counts = np.unique(rows.y, return_counts=True)
    kept = [rng.choice(np.flatnonzero(rows.y == k), int(counts.min()), replace=False) for k in classes]
    return rows.take(np.sort(np.concatenate(kept)))


def sample_weights(task: Task, balance: str, train: Rows, validation: Rows) -> tuple[Doubles | None, Doubles | None]:
    """Weights of training and validation rows.

    Undersampled training rows are balanced already; the validation rows are weighted to the same balance, so that
    boosting stops by the loss that it minimizes.
    """
    if task == "regression" or balance == "none":
        return None, None
    of_validation = compute_sample_weight("balanced", validation.y) if len(validation) else None
    return (compute_sample_weight("balanced", train.y) if balance == "class_weight" else None), of_validation
