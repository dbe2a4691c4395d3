"""Converts scores to the output tensors of an Open Inference Protocol response. Pure.

Values are JSON, or bytes of the binary tensor data extension, as the request asks.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from app.prediction.protocols.problems import InvalidTensorsError
from app.prediction.protocols.tensor_inputs import NUMBERS, Array
from app.prediction.scoring.model import Model
from app.prediction.scoring.responses import predicted_classes
from pipeline.onnx.session import Floats

LABEL_TYPES: Final = {"integer": "INT64", "boolean": "BOOL", "number": "FP64", "string": "BYTES"}


class RequestedOutput(NamedTuple):
    """A requested output, as binary tensor data or as JSON."""

    name: str
    is_binary: bool


def outputs_of(model: Model) -> list[dict[str, Any]]:
    """Return the outputs for the model's metadata."""
    if model.task == "regression":
        return [{"name": "prediction", "datatype": "FP32", "shape": [-1]}]
    return [
        {"name": "prediction", "datatype": LABEL_TYPES[model.manifest.class_type], "shape": [-1]},
        {"name": "probability", "datatype": "FP32", "shape": [-1]},
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, len(model.labels)]},
    ]


def requested_outputs(request: Mapping[str, Any], model: Model) -> list[RequestedOutput]:
    """Return the requested outputs, all if the request names none; as bytes where it says so, for one or for all.

    Raises InvalidTensorsError API-12.
    """
    known = [str(output["name"]) for output in outputs_of(model)]
    by_default = _parameter(request, "binary_data_output")
    outputs = request.get("outputs")
    if not outputs:
        return [RequestedOutput(name, by_default) for name in known]
    requested: list[RequestedOutput] = []
    for output in outputs if isinstance(outputs, list) else [outputs]:
        name = output.get("name") if isinstance(output, dict) else None
        if name not in known:
            raise InvalidTensorsError(f"Unknown output {str(name)[:100]!r}; the outputs are {', '.join(known)}.")
        if any(name == each.name for each in requested):
            raise InvalidTensorsError(f"The output {name!r} is requested more than once.")
        requested.append(RequestedOutput(str(name), _parameter(output, "binary_data", default=by_default)))
    return requested


def _parameter(of: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    parameters = of.get("parameters")
    value = parameters.get(name) if isinstance(parameters, Mapping) else None
    if value is not None and not isinstance(value, bool):
        raise InvalidTensorsError(f"The parameter {name!r} must be true or false.")
    return default if value is None else value


def output_tensors(
    model: Model, scores: Floats, requested: Sequence[RequestedOutput]
) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Return the requested outputs for `scores` as JSON tensors, and the bytes of the binary ones, in order."""
    described = {output["name"]: output for output in outputs_of(model)}
    tensors, binary = [], []
    for name, is_binary in requested:
        output = {**described[name], "shape": [len(scores), *described[name]["shape"][1:]]}
        values = _output(model, scores, name)
        if is_binary:
            raw = _to_bytes(output["datatype"], values)
            binary.append(raw)
            output["parameters"] = {"binary_data_size": len(raw)}
        else:
            output["data"] = values.tolist()
        tensors.append(output)
    return tensors, binary


def _output(model: Model, scores: Floats, name: str) -> Array:
    """Return the values of one output, flat; labels as objects."""
    if name == "probabilities":
        return scores.ravel()
    if model.task == "regression":
        return scores[:, 0]
    places = predicted_classes(model, scores)
    if name == "prediction":
        return np.array(model.labels, dtype=object)[places]
    return scores[:, 1] if model.task == "binary" else scores[np.arange(len(scores)), places]


def _to_bytes(datatype: str, values: Array) -> bytes:
    if datatype != "BYTES":
        return values.astype(NUMBERS[datatype]).tobytes()
    texts = [text.encode() for text in values.tolist()]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
