"""Scans a serialized ONNX model before it is loaded, without the onnx package.

Only the wire format of protocol buffers and a handful of field numbers of onnx.proto (ModelProto.graph = 7,
ModelProto.opset_import = 8, ModelProto.functions = 25, GraphProto.node = 1, GraphProto.initializer = 5, GraphProto
.sparse_initializer = 15, NodeProto.attribute = 5, NodeProto.domain = 7, AttributeProto.t = 5, .g = 6, .tensors = 10,
.graphs = 11, TensorProto.external_data = 13, .data_location = 14, OperatorSetIdProto.domain = 1).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from app.prediction.bundle_problems import ForbiddenContentError, ModelLoadError

MAX_DEPTH: Final = 16


@dataclass
class References:
    """The operator domains that a model names, and whether a tensor lies outside the file."""

    domains: set[str] = field(default_factory=set)
    external_data: bool = False


def scan(model: bytes) -> References:
    """Return what `model` refers to.

    Raises ModelLoadError MODEL-03 for bytes that are not a protocol buffer, ForbiddenContentError MODEL-06.
    """
    references = References()
    try:
        for number, value in _fields(memoryview(model)):
            if number == 7 and isinstance(value, memoryview):
                _graph(value, references, 0)
            elif number == 8 and isinstance(value, memoryview):
                references.domains.update(_text(inner) for n, inner in _fields(value) if n == 1)
            elif number == 25:
                raise ForbiddenContentError("The model defines functions of its own.", why="That is not allowed.")
    except (ValueError, IndexError, UnicodeDecodeError, RecursionError) as error:
        raise ModelLoadError(f"It is not an ONNX file: {error}.", what="The model cannot be read.") from error
    return references


def _graph(graph: memoryview, references: References, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError("nested too deeply")
    for number, value in _fields(graph):
        if not isinstance(value, memoryview):
            continue
        if number == 1:
            _node(value, references, depth)
        elif number == 5:
            _tensor(value, references)
        elif number == 15:
            for _, inner in _fields(value):
                if isinstance(inner, memoryview):
                    _tensor(inner, references)


def _node(node: memoryview, references: References, depth: int) -> None:
    for number, value in _fields(node):
        if number == 7:
            references.domains.add(_text(value))
        elif number == 5 and isinstance(value, memoryview):
            for inner_number, inner in _fields(value):
                if not isinstance(inner, memoryview):
                    continue
                if inner_number in {5, 10}:
                    _tensor(inner, references)
                elif inner_number in {6, 11}:
                    _graph(inner, references, depth + 1)


def _tensor(tensor: memoryview, references: References) -> None:
    for number, value in _fields(tensor):
        if number == 13 or (number == 14 and value != 0):
            references.external_data = True


def _text(value: memoryview | int) -> str:
    return bytes(value).decode() if isinstance(value, memoryview) else ""


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Yield field number and value: bytes for wire type 2, a number for the others."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            number, at = _varint(message, at)
            yield key >> 3, number
            continue
        if kind == 2:
            size, at = _varint(message, at)
        elif kind in {1, 5}:
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if at + size > end:
            raise ValueError("truncated")
        yield key >> 3, message[at : at + size] if kind == 2 else 0
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("number too long")
