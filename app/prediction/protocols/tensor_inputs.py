"""Converts the input tensors of an Open Inference Protocol request to rows. Pure.

A feature is a tensor of its own by name, of shape [n] or [n, 1]; or all features of a kind are one tensor [n, k] in the
model's order: `numeric` and `categorical`, under any name where the model has only numbers. Both may be mixed. Missing
is NaN, null or "". Values are JSON, or bytes of the binary tensor data extension.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from app.prediction.problems import InvalidValuesError, RequestTooLargeError
from app.prediction.protocols.problems import InvalidTensorsError
from app.prediction.scoring.model import Model, example_record
from app.prediction.scoring.rows import MAX_TEXT, Rows
from pipeline.core.cells import FLOAT32_MAX, match_names
from pipeline.core.manifest import CATEGORICAL_INPUT, NUMERIC_INPUT, Feature
from pipeline.onnx.session import Floats

NUMBERS: Final = {
    "BOOL": "?",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
MAX_DIMENSIONS: Final = 8

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Tensor:
    """A checked input. `values` is flat: float32 or float64 with missing as NaN, or objects (str) for BYTES."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Array


def inputs_of(model: Model) -> list[dict[str, Any]]:
    """Return the inputs for the model's metadata: one per feature."""
    kinds = {"numeric": "FP32", "boolean": "BOOL", "categorical": "BYTES", "date": "BYTES", "text": "BYTES"}
    return [{"name": f.name, "datatype": kinds[f.kind], "shape": [-1]} for f in model.manifest.features]


def rows_of(model: Model, tensors: Sequence[Tensor], max_rows: int) -> Rows:
    """Return the rows in the tensors.

    Raises InvalidTensorsError API-12 (400), InvalidValuesError API-03 (422), RequestTooLargeError API-04 (413).
    """
    if not tensors:
        raise InvalidTensorsError("It has no inputs.")
    counts = {tensor.shape[0] for tensor in tensors}
    if len(counts) != 1:
        raise InvalidTensorsError(
            f"The inputs have different numbers of rows: {', '.join(map(str, sorted(counts)[:10]))}."
        )
    (n,) = counts
    if n == 0:
        raise InvalidTensorsError("The inputs have no rows.")
    if n > max_rows:
        raise RequestTooLargeError.too_many_rows(n, max_rows)
    numeric, categorical = model.empty(n)
    filled: set[str] = set()
    by_name = {feature.name: feature for feature in model.manifest.features}
    meant = match_names((tensor.name for tensor in tensors), by_name)
    matched = {sent: name for sent, name in meant.items() if sent != name}
    for tensor in tensors:
        for feature, values in _columns(model, by_name.get(meant.get(tensor.name, "")), tensor):
            if feature.name in filled:
                raise InvalidTensorsError(f"The feature {feature.name!r} occurs more than once.")
            filled.add(feature.name)
            if feature.is_text:
                assert categorical is not None
                categorical[:, model.categorical_at[feature.name]] = _read_texts(model, feature, values)
            else:
                numeric[:, model.numeric_at[feature.name]] = _numbers(model, feature, values)
    return Rows(numeric, categorical, matched=matched)


def _columns(model: Model, feature: Feature | None, tensor: Tensor) -> list[tuple[Feature, Array]]:
    """Return the features in a tensor, each with its column; `feature` is the one of the tensor's name."""
    is_text = tensor.datatype == "BYTES"
    if feature is not None and prod(tensor.shape[1:]) == 1:
        if is_text != feature.is_text:
            expected = "BYTES" if feature.is_text else "a number type such as FP32"
            raise InvalidTensorsError(f"Input {tensor.name!r} is {tensor.datatype}; it must be {expected}.")
        if tensor.datatype == "BOOL" and feature.kind != "boolean":
            raise InvalidTensorsError(f"Input {tensor.name!r} is BOOL, but its feature is numeric.")
        return [(feature, tensor.values)]
    features = model.categorical if is_text else model.numeric
    whole = CATEGORICAL_INPUT if is_text else NUMERIC_INPUT
    if tensor.name != whole and (is_text or model.categorical):
        raise InvalidTensorsError(
            f"Unknown input {tensor.name[:100]!r}. There is one input per feature, "
            f"{', '.join(model.names[:50])}, and `{NUMERIC_INPUT}` and `{CATEGORICAL_INPUT}` for all features of a kind."
        )
    if len(tensor.shape) != 2 or tensor.shape[1] != len(features):
        names = ", ".join(each.name for each in features[:50])
        raise InvalidTensorsError(
            f"Input {tensor.name[:100]!r} has the shape {list(tensor.shape)}; it must be [n, {len(features)}], for {names}."
        )
    table = tensor.values.reshape(tensor.shape)
    return [(each, table[:, i]) for i, each in enumerate(features)]


def _numbers(model: Model, feature: Feature, values: Array) -> Floats:
    if feature.kind == "boolean":
        wrong = np.flatnonzero((values != 0) & (values != 1) & ~np.isnan(values))
        expected = "true, false, 1, 0, or NaN for missing"
    else:
        wrong = np.flatnonzero(np.abs(values) > FLOAT32_MAX)  # infinite included, NaN not
        expected = "a finite number that fits into 32 bits, or NaN for missing"
    if len(wrong):
        errors: list[dict[str, object]] = [
            {
                "row": int(i),
                "field": feature.name,
                "value": str(values[i]),
                "problem": f"Expected {expected}.",
            }
            for i in wrong[:20]
        ]
        raise InvalidValuesError(errors, n_errors=len(wrong), example=example_record(model.manifest.features))
    return values.astype(np.float32)


def _read_texts(model: Model, feature: Feature, values: Array) -> list[str]:
    cells = model.cells[feature.name]
    texts: list[str] = []
    errors: list[dict[str, object]] = []
    for i, value in enumerate(values.tolist()):
        if len(value) > MAX_TEXT and feature.kind != "text":
            raise InvalidTensorsError(
                f"Input {feature.name[:100]!r}: {value[:60]!r} is not a string of at most {MAX_TEXT} characters."
            )
        try:
            texts.append(cells.text(value))
        except ValueError:
            errors.append({"row": i, "field": feature.name, "value": value[:100], "problem": "Expected a date."})
    if errors:
        example = example_record(model.manifest.features)
        raise InvalidValuesError(errors[:20], n_errors=len(errors), example=example)
    return texts


def parse_tensor(item: object, binary: memoryview | None) -> tuple[Tensor, memoryview | None]:
    """Return one checked input of a request, and the rest of the binary data. Raises InvalidTensorsError API-12."""
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
        raise InvalidTensorsError("An input has no name.")
    name, datatype, shape = item["name"], item.get("datatype"), item.get("shape")
    if datatype != "BYTES" and (not isinstance(datatype, str) or datatype not in NUMBERS):
        raise InvalidTensorsError(
            f"Input {name[:100]!r}: the datatype {str(datatype)[:20]!r} is invalid: it must be one of BYTES, {', '.join(NUMBERS)}."
        )
    if not isinstance(shape, list) or not shape or not all(type(n) is int and 0 <= n < 2**31 for n in shape):
        raise InvalidTensorsError(f"Input {name[:100]!r}: the shape must be a list of integers.")
    if len(shape) > MAX_DIMENSIONS:
        raise InvalidTensorsError(f"Input {name[:100]!r}: the shape has {len(shape)} dimensions; at most 2 are needed.")
    parameters = item.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, Mapping) else None
    if size is not None:
        if binary is None or type(size) is not int or not 0 <= size <= len(binary):
            raise InvalidTensorsError(f"Input {name[:100]!r}: `binary_data_size` exceeds the binary data.")
        values, binary = _from_bytes(name, datatype, binary[:size]), binary[size:]
    else:
        values = _from_json(name, datatype, item.get("data"))
    if len(values) != prod(shape):
        raise InvalidTensorsError(
            f"Input {name[:100]!r} has {len(values)} values; its shape {shape} needs {prod(shape)}."
        )
    return Tensor(name, datatype, tuple(shape), values), binary


def _from_bytes(name: str, datatype: str, raw: memoryview) -> Array:
    if datatype != "BYTES":
        kind = np.dtype(NUMBERS[datatype])
        if len(raw) % kind.itemsize:
            raise InvalidTensorsError(
                f"Input {name[:100]!r}: {len(raw)} bytes are not a multiple of the size of {datatype}."
            )
        values = np.frombuffer(raw, dtype=kind)
        return values if datatype == "FP32" else values.astype(np.float64)
    texts: list[str] = []
    at = 0
    while at < len(raw):
        size = int.from_bytes(raw[at : at + 4], "little")
        at += 4
        if at + size > len(raw):
            raise InvalidTensorsError(f"Input {name[:100]!r}: a string extends beyond the binary data.")
        try:
            texts.append(str(raw[at : at + size], "utf-8"))
        except UnicodeDecodeError as error:
            raise InvalidTensorsError(f"Input {name[:100]!r} is not UTF-8 text.") from error
        at += size
    return _texts(name, texts)


def _from_json(name: str, datatype: str, data: object) -> Array:
    flat = _flat(name, data, 0)
    if datatype == "BYTES":
        return _texts(name, flat)
    allowed = (bool, int, float) if datatype == "BOOL" else (int, float)
    for value in flat:
        if value is not None and (not isinstance(value, allowed) or (isinstance(value, bool) and datatype != "BOOL")):
            raise InvalidTensorsError(f"Input {name[:100]!r}: {str(value)[:60]!r} is not {datatype}.")
    try:
        return np.array([np.nan if value is None else value for value in flat], dtype=np.float64)
    except OverflowError as error:
        raise InvalidTensorsError(f"Input {name[:100]!r} has a number that is too large.") from error


def _flat(name: str, data: object, depth: int) -> list[Any]:
    if not isinstance(data, list) or depth > MAX_DIMENSIONS:
        raise InvalidTensorsError(f"Input {name[:100]!r} needs a list `data`.")
    if not data or not isinstance(data[0], list):
        return data
    return [value for part in data for value in _flat(name, part, depth + 1)]


def _texts(name: str, values: Sequence[object]) -> Array:
    for value in values:
        if value is not None and not isinstance(value, str):
            raise InvalidTensorsError(f"Input {name[:100]!r}: {str(value)[:60]!r} is not a string.")
    texts_array = np.empty(len(values), dtype=object)
    texts_array[:] = ["" if value is None else value for value in values]
    return texts_array
