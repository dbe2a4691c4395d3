"""Prepared rows, and how training balances their classes: undersampling or weights."""

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
        """Return the rows at these positions, in this order."""
        return Rows(self.X[rows], self.y[rows])


def undersample(rows: Rows, seed: int) -> Rows:
    """Return as many rows of each class as the rarest has, drawn with `seed`, in their original order."""
    rng = np.random.default_rng(seed)
    classes, counts = np.unique(rows.y, return_counts=True)
    kept = [rng.choice(np.flatnonzero(rows.y == k), int(counts.min()), replace=False) for k in classes]
    return rows.take(np.sort(np.concatenate(kept)))


def sample_weights(task: Task, balance: str, train: Rows, validation: Rows) -> tuple[Doubles | None, Doubles | None]:
    """Return the weights of training and validation rows, None where all count the same.

    Undersampled training rows are balanced already; the validation rows are weighted to the same balance, so that
    boosting stops by the loss that it minimizes.
    """
    if task == "regression" or balance == "none":
        return None, None
    validation_weights = compute_sample_weight("balanced", validation.y) if len(validation) else None
    train_weights = compute_sample_weight("balanced", train.y) if balance == "class_weight" else None
    return train_weights, validation_weights
