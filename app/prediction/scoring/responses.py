"""Turns scores into responses. The numbers are the same in every protocol: a float32 score is written as the double it equals."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from app.prediction.scoring.model import Model
from app.prediction.scoring.rows import Rows
from pipeline.core.manifest import Scalar
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
    remarks = zip(scores.tolist(), rows.missing(model), rows.unseen(model), strict=True)
    return [
        build_response(model, each, imputed, unseen, request_id, matched=rows.matched)
        for each, imputed, unseen in remarks
    ]


def encode_batch(model: Model, rows: Rows, scores: Floats, request_id: str) -> bytes:
    """Return the JSON text of `build_responses`, written column by column: ten times as fast for large batches."""
    same = f',"model_version":{model.version},"request_id":{_json(request_id)},"imputed":'
    # One call writes all numbers: msgspec is ten times as fast as repr.
    texts = msgspec.json.encode(scores.ravel().tolist())[1:-1].split(b",")
    ends = _ends(model, rows)
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


def batch_remarks(model: Model, rows: Rows) -> dict[str, Any]:
    """Return what was not understood of the rows together: `imputed` and `unseen` features, and `matched` names; empty ones
    are left out.
    """
    remarks: dict[str, Any] = {}
    for key, by_row in (("imputed", rows.missing(model)), ("unseen", rows.unseen(model))):
        found = {name for names in by_row for name in names}
        if found:
            remarks[key] = [name for name in model.names if name in found]
    return {**remarks, "matched": dict(rows.matched)} if rows.matched else remarks


def _ends(model: Model, rows: Rows) -> list[bytes]:
    """Return the last members of each row's response: what was not understood of the row."""
    matched = f',"matched":{_json(rows.matched)}}}'.encode() if rows.matched else b"}"
    encode, plain = msgspec.json.encode, b'[],"unseen":[]' + matched
    return [
        plain if not imputed and not unseen else b"".join((encode(imputed), b',"unseen":', encode(unseen), matched))
        for imputed, unseen in zip(rows.missing(model), rows.unseen(model), strict=True)
    ]


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


def build_response(
    model: Model,
    scores: list[float],
    imputed: list[str],
    unseen: list[str],
    request_id: str,
    *,
    matched: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the response for one row with these model outputs.

    `imputed` names its missing features, `unseen` those with a category that training has not seen; `matched`, which is
    left out where it is empty, says for which features names were taken that were not sent as they are.
    """
    answer: dict[str, Any]
    if model.task == "regression":
        answer = {"prediction": scores[0]}
    elif model.task == "binary":
        probability = scores[1]
        answer = {
            "prediction": model.labels[probability >= model.decision_threshold],
            "probability": probability,
            "probabilities": dict(zip(model.classes, scores, strict=True)),
            "threshold": model.threshold,
        }
    else:
        probability = max(scores)
        answer = {
            "prediction": model.labels[scores.index(probability)],
            "probability": probability,
            "probabilities": dict(zip(model.classes, scores, strict=True)),
        }
    answer["model_version"] = model.version
    answer["request_id"] = request_id
    answer["imputed"] = imputed
    answer["unseen"] = unseen
    if matched:
        answer["matched"] = dict(matched)
    return answer
