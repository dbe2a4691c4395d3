"""Scores to answers. The same numbers for every protocol: a float32 score is written as the double it equals."""

from typing import Any

import numpy as np
import numpy.typing as npt

from app.prediction.model import Floats, Model
from app.prediction.rows import Rows
from pipeline.bundle import Scalar


def chosen(model: Model, scores: Floats) -> npt.NDArray[np.int64]:
    """The position of the class that is predicted, [n]: threshold for binary, largest probability for multiclass."""
    if model.task == "binary":
        threshold = 0.5 if model.threshold is None else model.threshold
        return (scores[:, 1].astype(np.float64) >= threshold).astype(np.int64)
    return np.asarray(scores.argmax(axis=1), dtype=np.int64)


def predictions(model: Model, scores: Floats) -> list[Scalar]:
    """What is predicted for each row: the value, or the label of the class as JSON shows it."""
    if model.task == "regression":
        values: list[Scalar] = scores[:, 0].tolist()
        return values
    return [model.labels[place] for place in chosen(model, scores).tolist()]


def answers(model: Model, rows: Rows, scores: Floats, request_id: str) -> list[dict[str, Any]]:
    """One answer a row, as `POST /predict` gives them."""
    missing = rows.missing(model)
    if model.task == "regression":
        return [
            {"prediction": value, "model_version": model.version, "request_id": request_id, "imputed": absent}
            for value, absent in zip(scores[:, 0].tolist(), missing, strict=True)
        ]
    names = model.manifest.classes
    binary = model.task == "binary"
    result = []
    for each, place, absent in zip(scores.tolist(), chosen(model, scores).tolist(), missing, strict=True):
        answer: dict[str, Any] = {
            "prediction": model.labels[place],
            "probability": each[1] if binary else each[place],
            "probabilities": dict(zip(names, each, strict=True)),
        }
        if binary:
            answer["threshold"] = model.threshold
        answer["model_version"] = model.version
        answer["request_id"] = request_id
        answer["imputed"] = absent
        result.append(answer)
    return result
