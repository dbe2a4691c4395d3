"""Turns scores into responses. The numbers are the same in every protocol: a float32 score is written as the double it equals."""

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from app.prediction.scoring.model import Model
from app.prediction.scoring.rows import Rows
from pipeline.core.bundle import Scalar
from pipeline.onnx.session import Floats


def predicted_classes(model: Model, scores: Floats) -> npt.NDArray[np.int64]:
    """Return the index of the predicted class, [n]: threshold for binary, largest probability for multiclass."""
    if model.task == "binary":
        return (scores[:, 1].astype(np.float64) >= model.decision_threshold).astype(np.int64)
    return np.asarray(scores.argmax(axis=1), dtype=np.int64)


def predicted_values(model: Model, scores: Floats) -> list[Scalar]:
    """Return the prediction for each row: the value, or the label of the class as a JSON value."""
    if model.task == "regression":
        values: list[Scalar] = scores[:, 0].tolist()
        return values
    return [model.labels[place] for place in predicted_classes(model, scores).tolist()]


def build_responses(model: Model, rows: Rows, scores: Floats, request_id: str) -> list[dict[str, Any]]:
    """Return one response per row, as in `POST /predict`."""
    missing = rows.missing(model)
    return [
        build_response(model, each, imputed, request_id) for each, imputed in zip(scores.tolist(), missing, strict=True)
    ]


def encode_batch(model: Model, rows: Rows, scores: Floats, request_id: str) -> bytes:
    """Return the JSON text of `build_responses`, written column by column: ten times as fast for large batches."""
    same = f',"model_version":{model.version},"request_id":{_json(request_id)},"imputed":'
    # One call writes all numbers: msgspec is ten times as fast as repr.
    texts = msgspec.json.encode(scores.ravel().tolist())[1:-1].split(b",")
    ends = [b"[]}" if not each else msgspec.json.encode(each) + b"}" for each in rows.missing(model)]
    columns: list[bytes | list[bytes]]
    if model.task == "regression":
        columns = [b',{"prediction":', texts, same.encode(), ends]
        return _interleaved(columns, len(rows))
    if model.task == "binary":
        same = f',"threshold":{_json(model.threshold)}{same}'
    width = len(model.classes)
    starts = [f',{{"prediction":{_json(label)},"probability":'.encode() for label in model.labels]
    places = predicted_classes(model, scores).tolist()
    shown = texts[1::width] if model.task == "binary" else [texts[i * width + place] for i, place in enumerate(places)]
    columns = [[starts[place] for place in places], shown, b',"probabilities":{']
    for i, name in enumerate(model.classes):
        columns += [f"{',' * (i > 0)}{_json(name)}:".encode(), texts[i::width]]
    return _interleaved([*columns, f"}}{same}".encode(), ends], len(rows))


def _interleaved(columns: list[bytes | list[bytes]], n: int) -> bytes:
    """Return a JSON array of n texts, each joined from one piece per column; a column of plain bytes repeats. Each text begins with a
    comma.
    """
    pieces = [b""] * (n * len(columns))
    for i, column in enumerate(columns):
        pieces[i :: len(columns)] = [column] * n if isinstance(column, bytes) else column
    pieces[0] = pieces[0][1:]
    return b"".join((b"[", *pieces, b"]"))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def build_response(model: Model, scores: list[float], imputed: list[str], request_id: str) -> dict[str, Any]:
    """Return the response for one row with these model outputs; `imputed` names its missing features."""
    version = model.version
    if model.task == "binary":
        probability = scores[1]
        return {
            "prediction": model.labels[probability >= model.decision_threshold],
            "probability": probability,
            "probabilities": dict(zip(model.classes, scores, strict=True)),
            "threshold": model.threshold,
            "model_version": version,
            "request_id": request_id,
            "imputed": imputed,
        }
    if model.task == "regression":
        return {"prediction": scores[0], "model_version": version, "request_id": request_id, "imputed": imputed}
    probability = max(scores)
    return {
        "prediction": model.labels[scores.index(probability)],
        "probability": probability,
        "probabilities": dict(zip(model.classes, scores, strict=True)),
        "model_version": version,
        "request_id": request_id,
        "imputed": imputed,
    }
